package glassine

// What a reset does in the data directory. It is done when .reset/state.db is there, whole: from then on a start goes on with it,
// and before it nothing was touched.

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"glassine/iam"
	"glassine/state"
	"glassine/store/disk"
)

// forgotten are the folders of a data directory that a reset empties. The root key, certificates, the audit log, and what is
// unpacked of the program stay; state.db is replaced.
var forgotten = []string{objectsDir, "functions", "logs", "edge-logs", "cache"}

// objectsDir is the folder of the store, which is emptied where it is.
const objectsDir = "objects"

// Names in the data directory, not in backups since they begin with a dot.
const (
	stagedDir = ".reset-new" // is being written, and stands for nothing
	resetDir  = ".reset"     // the records after the reset, then what it took away
)

// stage writes what stays of the records beside them.
func (d *dataDir) stage(ctx context.Context, records state.Store) (err error) {
	dir := filepath.Join(d.path, stagedDir)
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("reset: %w", err), os.RemoveAll(dir))
		}
	}()
	if err := errors.Join(os.RemoveAll(dir), os.RemoveAll(filepath.Join(d.path, resetDir)), os.Mkdir(dir, 0o700)); err != nil {
		return err
	}
	fresh, err := state.Open(filepath.Join(dir, "state.db"))
	if err != nil {
		return err
	}
	return errors.Join(iam.CopyRoot(ctx, records, fresh), fresh.Close())
}

// empty makes what stage wrote the records of the directory, and takes away the rest. Nothing in the directory may be open but its lock.
func (d *dataDir) empty() error {
	if err := os.Rename(filepath.Join(d.path, stagedDir), filepath.Join(d.path, resetDir)); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	if err := syncDir(d.path); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	return finishReset(d.path)
}

// finishReset does what is left of a reset that was begun in a data directory, and nothing where none was. It can be cut off at any
// instant and done again.
func finishReset(data string) error {
	if err := os.RemoveAll(filepath.Join(data, stagedDir)); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	dir := filepath.Join(data, resetDir)
	records := filepath.Join(dir, "state.db")
	switch _, err := os.Stat(records); {
	case errors.Is(err, fs.ErrNotExist): // none, or what is left is to be removed
	case err != nil:
		return fmt.Errorf("reset: %w", err)
	default:
		for _, part := range forgotten {
			if err := takeAway(filepath.Join(data, part), filepath.Join(dir, part)); err != nil {
				return fmt.Errorf("reset: %w", err)
			}
		}
		// On disk before the records that know nothing of it are.
		if err := errors.Join(syncDir(data), os.Rename(records, filepath.Join(data, "state.db")), syncDir(data)); err != nil {
			return fmt.Errorf("reset: %w", err)
		}
	}
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("reset: %w", err)
	}
	return nil
}

// takeAway moves a folder to where it is removed; the store, and one that is a file system of its own, is emptied.
func takeAway(name, to string) error {
	if filepath.Base(name) == objectsDir {
		return disk.Empty(name)
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	info, err := os.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&fs.ModeSymlink == 0:
		if err = os.Rename(name, to); !errors.Is(err, syscall.EBUSY) && !errors.Is(err, syscall.EXDEV) {
			return err
		}
	}
	entries, err := os.ReadDir(name) // a mount, or a link to where the operator keeps it
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(name, e.Name())))
	}
	if err != nil {
		return err
	}
	return syncDir(name)
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
