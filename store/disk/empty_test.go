package disk_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glassine/store"
	"glassine/store/disk"
)

func TestAnEmptiedStoreIsANewOne(t *testing.T) {
	dir := t.TempDir()
	if err := disk.Empty(filepath.Join(dir, "not there")); err != nil {
		t.Errorf("Empty of nothing: %v", err)
	}
	fill := func() {
		t.Helper()
		s, err := disk.Open(dir, disk.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		page, err := s.List(t.Context(), "photos", store.ListOptions{})
		if err != nil || len(page.Objects) != 0 {
			t.Fatalf("the store has %v, %v; want nothing", page.Objects, err)
		}
		for _, key := range []string{"a", "b", "c"} {
			if _, err := s.Put(t.Context(), "photos", key, strings.NewReader(strings.Repeat(key, 100_000)), store.PutOptions{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 2 {
		fill()
		if err := disk.Empty(dir); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "objects", "*", "*"))
		if err != nil || len(files) > 0 {
			t.Errorf("left: %v, %v", files, err)
		}
		if _, err := os.Stat(filepath.Join(dir, "index.db")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the index: %v, want none", err)
		}
	}
	fill()
}
