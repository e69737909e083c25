package state

import (
	"path/filepath"
	"testing"
	"time"
)

// A backup reads for as long as its copy takes; commits that make the file larger must not wait for its end.
func TestCommitsGrowTheFileWhileASnapshotIsRead(t *testing.T) {
	f, err := Open(filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	tx, err := f.moment(func() error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	grown := make(chan error, 1)
	go func() {
		for _, key := range []string{"a", "b", "c", "d"} {
			if err := f.Commit(t.Context(), Change{Table: "t", Key: key, Value: make([]byte, 1<<20)}); err != nil {
				grown <- err
				return
			}
		}
		grown <- nil
	}()
	select {
	case err := <-grown:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("commits wait for the reader")
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}
