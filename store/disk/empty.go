package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Empty removes every object of the store in dir, which nobody has open, durably; a store that is opened there is a new one. The
// folders that blobs are spread over stay, since making them takes longer than all else of making a store. When it was cut off, the
// store is of no use until Empty has been done again. A dir that is not there is empty.
func Empty(dir string) error {
	if err := os.Remove(filepath.Join(dir, "index.db")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("empty the store: %w", err)
	}
	blobs := filepath.Join(dir, "objects")
	folders, err := os.ReadDir(blobs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("empty the store: %w", err)
	}
	for _, folder := range folders {
		name := filepath.Join(blobs, folder.Name())
		files, err := os.ReadDir(name)
		if err == nil && len(files) > 0 {
			for _, f := range files {
				err = errors.Join(err, os.RemoveAll(filepath.Join(name, f.Name())))
			}
			err = errors.Join(err, syncPath(name))
		}
		if err != nil {
			return fmt.Errorf("empty the store: %w", err)
		}
	}
	if err := syncPath(dir); err != nil {
		return fmt.Errorf("empty the store: %w", err)
	}
	return nil
}

func syncPath(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
