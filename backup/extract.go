package backup

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"glassine/lockfile"
)

// Unfinished is a file in a directory into which a backup is being extracted. While it is there, the directory is no data directory:
// who opens one refuses it.
const Unfinished = "RESTORING"

// lockName is the file that a glassine holds locked while it uses a data directory.
const lockName = "lock"

// NotEmptyError says that there is something in the directory already.
type NotEmptyError struct{ Dir, Name string }

// Error implements error.
func (e *NotEmptyError) Error() string {
	return fmt.Sprintf("%s is not empty (it holds %s): a backup is restored into an empty directory only", e.Dir, e.Name)
}

// Extract makes the directory dir, which must not be there, or be empty, of a backup. finish is called when every file is there
// and was compared with the manifest, before the directory becomes one that can be opened; when it fails, so does Extract. What an
// error leaves is empty; what a kill leaves is marked as Unfinished, and another Extract begins it anew.
//
// Whatever the archive says, nothing is written outside dir, and nothing but regular files and directories is made.
func Extract(ctx context.Context, r io.Reader, dir string, layout int, finish func(Summary) error) (Summary, error) {
	return (&extraction{dir: dir, sync: syncDir, syncTree: syncTree}).run(ctx, r, layout, finish)
}

// extraction is one Extract.
type extraction struct {
	dir            string
	root           *os.Root
	made           map[string]bool        // folders, by name
	sync, syncTree func(dir string) error // a directory's entries; all that is below it
}

func (x *extraction) run(ctx context.Context, r io.Reader, layout int, finish func(Summary) error) (sum Summary, err error) {
	if err := os.MkdirAll(x.dir, 0o700); err != nil {
		return sum, fmt.Errorf("restore: %w", err)
	}
	if x.root, err = os.OpenRoot(x.dir); err != nil {
		return sum, fmt.Errorf("restore: %w", err)
	}
	defer func() { _ = x.root.Close() }() // nothing is written to it itself
	lock, err := x.begin()
	if err != nil {
		return sum, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, x.empty(), x.root.Remove(Unfinished))
		}
		err = errors.Join(err, lockfile.Close(lock))
	}()
	x.made = map[string]bool{".": true}
	sum, err = read(ctx, r, layout, x.file)
	if err == nil {
		err = finish(sum)
	}
	if err == nil {
		err = x.syncTree(x.dir) // what is written, before the mark goes
	}
	if err != nil {
		return sum, err
	}
	return sum, errors.Join(x.root.Remove(Unfinished), x.sync(x.dir))
}

// begin locks the directory, sees that it is empty, or what an Extract left that was killed, and marks it.
func (x *extraction) begin() (lock *os.File, err error) {
	entries, err := fs.ReadDir(x.root.FS(), ".")
	if err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	other, unfinished := "", false
	for _, e := range entries {
		switch e.Name() {
		case Unfinished:
			unfinished = true
		case lockName, "lost+found": // a file system's own
		default:
			other = e.Name()
		}
	}
	if other != "" && !unfinished {
		return nil, &NotEmptyError{x.dir, other}
	}
	if lock, err = x.root.OpenFile(lockName, os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	if err := lockfile.Take(lock); err != nil {
		return nil, errors.Join(fmt.Errorf("the directory %s is in use by another glassine", x.dir), lock.Close())
	}
	err = x.root.WriteFile(Unfinished, []byte("glassine restore has not finished here. Run it again, or remove this directory.\n"), 0o600)
	if err == nil {
		err = errors.Join(x.sync(x.dir), x.empty())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("restore: %w", err), lock.Close())
	}
	return lock, nil
}

// empty removes everything but the mark and the lock.
func (x *extraction) empty() error {
	entries, err := fs.ReadDir(x.root.FS(), ".")
	for _, e := range entries {
		if name := e.Name(); name != Unfinished && name != lockName && name != "lost+found" {
			err = errors.Join(err, x.root.RemoveAll(name))
		}
	}
	return err
}

func (x *extraction) file(h *tar.Header, body io.Reader) error {
	if parent := path.Dir(h.Name); !x.made[parent] {
		if err := x.root.MkdirAll(parent, 0o700); err != nil {
			return fmt.Errorf("restore %s: %w", h.Name, err)
		}
		x.made[parent] = true
	}
	f, err := x.root.OpenFile(h.Name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, modeOf(h))
	if err != nil {
		return fmt.Errorf("restore %s: %w", h.Name, err)
	}
	_, err = io.Copy(f, body)
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
