package e2e

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
)

// kept is what a system keeps: the records of its state, and the files of its data directory.
func (s *system) kept(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir(s.data, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(s.data, path)
			all["file "+name] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	// The file is whole after every commit, and nobody commits.
	raw, err := os.ReadFile(filepath.Join(s.data, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	db, err := bbolt.Open(writeTemp(t, "state.db", raw), 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bbolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bbolt.Bucket) error {
			return b.ForEachBucket(func(name []byte) error {
				return b.Bucket(name).ForEach(func(key, _ []byte) error {
					all["record "+string(name)+" "+string(key)] = true
					return nil
				})
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// leaves reports what is kept beyond before, but for what begins with one of allowed.
func (s *system) leaves(t *testing.T, before map[string]bool, allowed ...string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(s.kept(t))) {
		if !before[name] && !slices.ContainsFunc(allowed, func(a string) bool { return strings.HasPrefix(name, a) }) {
			t.Errorf("left behind: %s", name)
		}
	}
}
