package glassine

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"glassine/aws/fault"
	"glassine/s3"
	"glassine/state"
	"glassine/store"
)

func TestAResetThatWasCutOffIsFinishedByTheNextStart(t *testing.T) {
	t.Parallel()
	// What the directory can look like when the process ends, by what was done until then.
	for _, row := range []struct {
		name  string
		upTo  func(t *testing.T, data string)
		reset bool
	}{
		{"before the new records were whole", func(t *testing.T, data string) {
			if err := errors.Join(os.Mkdir(filepath.Join(data, stagedDir), 0o700), os.WriteFile(filepath.Join(data, stagedDir, "state.db"), []byte("half"), 0o600)); err != nil {
				t.Fatal(err)
			}
		}, false},
		{"when it was decided", func(t *testing.T, data string) { stageStopped(t, data) }, true},
		{"when some of it was taken away", func(t *testing.T, data string) {
			stageStopped(t, data)
			if err := takeAway(filepath.Join(data, "objects"), filepath.Join(data, resetDir, "objects")); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"when only what it took away is left", func(t *testing.T, data string) {
			stageStopped(t, data)
			for _, part := range forgotten {
				if err := takeAway(filepath.Join(data, part), filepath.Join(data, resetDir, part)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Rename(filepath.Join(data, resetDir, "state.db"), filepath.Join(data, "state.db")); err != nil {
				t.Fatal(err)
			}
		}, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			data := t.TempDir()
			first := newQuiet(t, data)
			key := *first.NewRoot
			if _, err := first.S3.CreateBucket(t.Context(), first.IAM.Root(), "photos", "us-east-1"); err != nil {
				t.Fatal(err)
			}
			put(t, first, "a.jpg", "the photograph")
			if err := first.Close(); err != nil {
				t.Fatal(err)
			}
			row.upTo(t, data)
			s := serving(t, quietConfig(data))
			if _, _, err := s.IAM.Lookup(t.Context(), key.AccessKeyID, ""); err != nil {
				t.Errorf("the root key: %v", err)
			}
			o, err := s.S3.GetObject(t.Context(), s.IAM.Root(), s3.Target{Bucket: "photos"}, "a.jpg", store.GetOptions{})
			if err == nil {
				o.Body.Close()
			}
			if row.reset && !fault.Is(err, "NoSuchBucket") || !row.reset && err != nil {
				t.Errorf("the object: %v; reset: %t", err, row.reset)
			}
			for _, name := range []string{resetDir, stagedDir} {
				if _, err := os.Stat(filepath.Join(data, name)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is left: %v", name, err)
				}
			}
			if err := s.Reset(t.Context(), s.IAM.Root()); err != nil {
				t.Errorf("another reset: %v", err)
			}
			if _, err := s.S3.CreateBucket(t.Context(), s.IAM.Root(), "photos", "us-east-1"); err != nil {
				t.Errorf("a bucket after it: %v", err)
			}
			put(t, s, "a.jpg", "another")
		})
	}
}

// stageStopped brings a directory that nobody has open to where a reset is decided and nothing was taken away.
func stageStopped(t *testing.T, data string) {
	t.Helper()
	d, err := openDataDir(data)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	records, err := state.Open(filepath.Join(data, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(d.stage(t.Context(), records), records.Close(), os.Rename(filepath.Join(data, stagedDir), filepath.Join(data, resetDir))); err != nil {
		t.Fatal(err)
	}
}

func TestAPartThatIsALinkIsEmptiedWhereItIs(t *testing.T) {
	t.Parallel()
	data, elsewhere := t.TempDir(), t.TempDir()
	if err := errors.Join(os.Symlink(elsewhere, filepath.Join(data, "objects")), os.Mkdir(filepath.Join(elsewhere, "functions"), 0o700), os.Symlink(filepath.Join(elsewhere, "functions"), filepath.Join(data, "functions"))); err != nil {
		t.Fatal(err)
	}
	s := serving(t, quietConfig(data))
	if _, err := s.S3.CreateBucket(t.Context(), s.IAM.Root(), "photos", "us-east-1"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "a.jpg", "the photograph")
	if err := s.Reset(t.Context(), s.IAM.Root()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(filepath.Join(data, "objects")); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("objects is %v, %v; want the link", info, err)
	}
	if _, err := s.S3.CreateBucket(t.Context(), s.IAM.Root(), "photos", "us-east-1"); err != nil {
		t.Fatal(err)
	}
	put(t, s, "b.jpg", "after it")
}
