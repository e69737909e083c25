package glassine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"glassine/aws/fault"
	"glassine/backup"
	"glassine/iam"
	"glassine/state"
	"glassine/store"
	"glassine/store/disk"
)

// scratchPattern are the directories in a data directory that backups use while they are made.
const scratchPattern = ".backup-*"

// notBackedUp are the parts of a data directory that are of one machine or one run, or can be made again, by name or beginning; the
// two databases and the objects' files are taken from a snapshot.
var notBackedUp = []string{"lock", "cache/", "sandboxes/", "pictures/", "functions/unpacked/", "lost+found/", "state.db", "objects/"}

// backupSource is what a backup is made of. Safe for many goroutines; one backup is made at a time.
type backupSource struct {
	data    string
	records *state.File
	objects *disk.Store
	// keepCode keeps functions' archives where they are until release is called.
	keepCode func() (release func())
	now      func() time.Time
}

// newBackupSource removes what backups left behind that were cut off by the end of the process.
func newBackupSource(s backupSource) (*backupSource, error) {
	left, err := filepath.Glob(filepath.Join(s.data, scratchPattern))
	for _, dir := range left {
		err = errors.Join(err, os.RemoveAll(dir))
	}
	return &s, err
}

// write writes a backup as of one moment: records and objects are those of the same instant, and every change that was
// acknowledged before it is in the backup. What was written is a backup only when it returns nil. Logs are copied as they are when
// it comes to them.
func (s *backupSource) write(ctx context.Context, w io.Writer) (err error) {
	scratch, err := os.MkdirTemp(s.data, scratchPattern)
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	defer s.keepCode()()
	var objects *disk.Snapshot
	var at time.Time
	records, index := filepath.Join(scratch, "state.db"), filepath.Join(scratch, "index.db")
	err = s.records.Snapshot(records, func() (err error) {
		at = s.now().UTC()
		objects, err = s.objects.Snapshot(ctx)
		return err
	})
	if objects != nil {
		defer func() { err = errors.Join(err, objects.Close()) }()
	}
	if errors.Is(err, disk.ErrSnapshot) {
		return fault.New("OperationAborted", "Another backup is being made. Wait for it to end.")
	}
	if err != nil {
		return err
	}
	if err := objects.WriteIndex(index); err != nil {
		return err
	}
	b, err := backup.NewWriter(w, scratch, backup.Header{Layout: dataVersion, Version: Version(), Created: at})
	if err != nil {
		return err
	}
	err = s.addFile(b, "state.db", records)
	if err == nil {
		err = s.addFile(b, "objects/index.db", index)
	}
	if err == nil {
		err = s.addTree(ctx, b)
	}
	if err == nil {
		err = objects.Blobs(ctx, func(o disk.Blob) error {
			return b.AddDamaged("objects/"+o.Name, 0o600, o.Size, o.Body, damage)
		}, func(name string, _ error) error { b.Damaged("objects/" + name); return nil })
	}
	if err != nil {
		return errors.Join(err, b.Abort())
	}
	return b.Close()
}

// damage reports whether an error of reading a file means that the file is damaged.
func damage(err error) bool { return errors.Is(err, store.ErrCorrupt) || errors.Is(err, syscall.EIO) }

// addTree adds the files of the data directory that stand by themselves: everything but what notBackedUp names. A file that goes
// meanwhile is left out.
func (s *backupSource) addTree(ctx context.Context, b *backup.Writer) error {
	return fs.WalkDir(os.DirFS(s.data), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err != nil:
			return fmt.Errorf("back up: %w", err)
		case ctx.Err() != nil:
			return ctx.Err()
		case name == ".":
			return nil
		case strings.HasPrefix(d.Name(), ".") || slices.Contains(notBackedUp, name) || d.IsDir() && slices.Contains(notBackedUp, name+"/"):
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		return s.addFile(b, name, filepath.Join(s.data, filepath.FromSlash(name)))
	})
}

// addFile adds a file as long as it is now. What is appended meanwhile is left out.
func (s *backupSource) addFile(b *backup.Writer, name, path string) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("back up: %w", err)
	}
	return b.Add(name, info.Mode(), info.Size(), f)
}

// Backup writes a backup of everything, as of one moment, while the System goes on: see package backup. It holds the keys of the
// installation, so whoever may do this may do everything: the caller needs glassine:CreateBackup. A backup that w did not get
// whole, without an error, is none. Errors: AccessDenied, OperationAborted while another is made.
func (s *System) Backup(ctx context.Context, c iam.Caller, w io.Writer) error {
	if err := s.IAM.Authorize(ctx, c, iam.Ask{Action: "glassine:CreateBackup", Resources: []string{"*"}}); err != nil {
		return err
	}
	return s.now().backups.write(ctx, w)
}

// ErrInUse is returned for a data directory that a glassine runs on.
var ErrInUse = errors.New("the data directory is in use by another glassine")

// BackupStopped writes a backup of a data directory that no glassine runs on; ErrInUse when one does.
func BackupStopped(ctx context.Context, data string, w io.Writer) (err error) {
	d, err := openDataDir(data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	records, err := state.Open(filepath.Join(data, "state.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	objects, err := disk.Open(filepath.Join(data, "objects"), disk.Options{Keys: d.objectKeys()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, objects.Close()) }()
	source, err := newBackupSource(backupSource{
		data: data, records: records, objects: objects, now: time.Now, keepCode: func() func() { return func() {} },
	})
	if err != nil {
		return err
	}
	return source.write(ctx, w)
}

// CheckBackup reads a whole backup and compares every file with the backup's manifest. An error says why it is of no use to this
// program.
func CheckBackup(ctx context.Context, r io.Reader) (backup.Summary, error) {
	return backup.Check(ctx, r, dataVersion)
}

// Restore makes a data directory of a backup. data must not be there, or be empty. Only when every file was compared with the
// manifest, the index of objects with the objects, and all of it is on disk, does it become a directory that New opens.
func Restore(ctx context.Context, data string, r io.Reader) (backup.Summary, error) {
	return backup.Extract(ctx, r, data, dataVersion, func(sum backup.Summary) error { return checkRestored(ctx, data, sum) })
}

// checkRestored refuses what is whole by its manifest and no data directory all the same.
func checkRestored(ctx context.Context, data string, sum backup.Summary) error {
	for _, name := range []string{"VERSION", "secret.key", "state.db", filepath.Join("objects", "index.db")} {
		if _, err := os.Stat(filepath.Join(data, name)); err != nil {
			return fmt.Errorf("the backup is no data directory of glassine: %w", err)
		}
	}
	d := &dataDir{path: data}
	if err := d.loadKey(); err != nil {
		return err
	}
	records, err := state.Open(filepath.Join(data, "state.db"))
	if err != nil {
		return err
	}
	if err := records.Close(); err != nil {
		return err
	}
	var first error
	checked, err := disk.Fsck(ctx, filepath.Join(data, "objects"), disk.FsckOptions{Quick: true, Keys: d.objectKeys()}, func(p disk.Problem) {
		if first == nil {
			first = fmt.Errorf("%s: %w", p.File, p.Err)
		}
	})
	if err == nil && checked.Problems > len(sum.Damaged) {
		return fmt.Errorf("the backup's objects are not those of its index: %d problems, the first: %w", checked.Problems, first)
	}
	return err
}
