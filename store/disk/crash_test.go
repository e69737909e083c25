package disk

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"glassine/store"
	"glassine/store/storetest"
)

// A child process of a test finds here what to do, and the directory to do it in.
const childDo, childDir = "GLASSINE_DISK_TEST_DO", "GLASSINE_DISK_TEST_DIR"

func TestMain(m *testing.M) {
	do := os.Getenv(childDo)
	if do == "" {
		os.Exit(m.Run())
	}
	if err := doAsChild(do, os.Getenv(childDir)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func doAsChild(do, dir string) error {
	switch do {
	case "crash":
		return writeForever(openCrashStore(dir), false)
	case "crash in place":
		return writeForever(inPlace{dir}, false)
	case "crash early":
		return writeForever(openCrashStore(dir), true)
	case "fill":
		return fillSmallDisk(dir)
	case "trace early":
		return tracedPut(dir, tracedStores["real"], true)
	}
	name, _ := strings.CutPrefix(do, "trace ")
	return tracedPut(dir, tracedStores[name], false)
}

// child returns a command that does it in dir. args, if any, come before the test binary.
func child(do, dir string, args ...string) *exec.Cmd {
	args = append(args, os.Args[0])
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), childDo+"="+do, childDir+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// crashStore is what a crash test writes to and reads from.
type crashStore interface {
	put(key string, body []byte) error
	delete(key string) error
	// get returns nil for an absent object, and an error for one that cannot be read as it was stored.
	get(key string) ([]byte, error)
	close() error
}

// realStore is a Store as a crashStore.
type realStore struct{ *Store }

func openCrashStore(dir string) crashStore {
	s, err := Open(dir, Options{})
	if err != nil {
		panic(err)
	}
	return realStore{s}
}

// put stores a body in the way that its size says: in parts, by a copy, or at once.
func (s realStore) put(key string, body []byte) error {
	ctx, metadata := context.Background(), map[string]string{"sum": sum(body)}
	opt := store.PutOptions{Metadata: metadata, Version: versioningOf(key)}
	switch {
	case len(body) > store.MinPartSize:
		return s.putParts(ctx, key, body, store.UploadOptions{Metadata: metadata})
	case len(body) == copiedSize:
		src := store.Source{Bucket: "sources", Key: fmt.Sprint(rand.Uint64())}
		_, err := s.Put(ctx, src.Bucket, src.Key, bytes.NewReader(body), store.PutOptions{Metadata: map[string]string{"sum": sum(body)}})
		if err == nil {
			_, err = s.Copy(ctx, src, "bucket", key, opt)
		}
		return errors.Join(err, s.Delete(ctx, src.Bucket, src.Key))
	}
	_, err := s.Put(ctx, "bucket", key, bytes.NewReader(body), opt)
	return err
}

func (s realStore) putParts(ctx context.Context, key string, body []byte, opt store.UploadOptions) error {
	u, err := s.CreateUpload(ctx, "bucket", key, opt)
	if err != nil {
		return err
	}
	up := store.UploadID{Bucket: "bucket", Key: key, ID: u.ID}
	var parts []store.Part
	for portion := range slices.Chunk(body, store.MinPartSize) {
		p, err := s.PutPart(ctx, up, len(parts)+1, bytes.NewReader(portion), store.PartOptions{})
		if err != nil {
			return err
		}
		parts = append(parts, p)
	}
	_, err = s.CompleteUpload(ctx, up, parts, store.CompleteOptions{Version: versioningOf(key)})
	return err
}

// copiedSize is the size of bodies that realStore copies into their place.
const copiedSize = 4 << 10

// versioningOf makes a third of the crash tests' keys have versions.
func versioningOf(key string) store.Versioning {
	if strings.HasSuffix(key, "4") || strings.HasSuffix(key, "5") {
		return store.Versioned
	}
	return store.Unversioned
}

func (s realStore) delete(key string) error {
	_, err := s.DeleteVersion(context.Background(), "bucket", key, store.DeleteOptions{Version: versioningOf(key)})
	return err
}

func (s realStore) get(key string) ([]byte, error) {
	o, err := s.Get(context.Background(), "bucket", key, store.GetOptions{})
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer o.Body.Close()
	b, err := io.ReadAll(o.Body)
	if err == nil && o.Info.Metadata["sum"] != sum(b) {
		err = fmt.Errorf("the metadata of another body: %v for %s", o.Info.Metadata, sum(b))
	}
	return b, err
}

// close also drops the uploads that the kill broke off and the versions that are not the latest, and checks that then
// nothing at all is wrong in the directory.
func (s realStore) close() error {
	<-s.swept
	ctx := context.Background()
	page, err := s.ListUploads(ctx, "bucket", store.EntryOptions{})
	for _, u := range page.Entries {
		err = errors.Join(err, s.AbortUpload(ctx, store.UploadID{Bucket: "bucket", Key: u.Key, ID: u.ID}))
	}
	versions, listErr := s.ListVersions(ctx, "bucket", store.EntryOptions{})
	err = errors.Join(err, listErr)
	for _, v := range versions.Entries {
		if !v.Latest {
			_, deleteErr := s.DeleteVersion(ctx, "bucket", v.Key, store.DeleteOptions{VersionID: v.VersionID})
			err = errors.Join(err, deleteErr)
		}
	}
	dir := filepath.Dir(s.blobs.dir)
	if err = errors.Join(err, s.Close()); err != nil {
		return err
	}
	var problems error
	_, err = Fsck(ctx, dir, FsckOptions{}, func(p Problem) { problems = errors.Join(problems, fmt.Errorf("%s: %w", p.File, p.Err)) })
	return errors.Join(err, problems)
}

// inPlace is a mutant: it writes an object over the one before, in the same file.
type inPlace struct{ dir string }

func (s inPlace) path(key string) string {
	return filepath.Join(s.dir, hex.EncodeToString([]byte(key)))
}

func (s inPlace) put(key string, body []byte) error {
	f, err := os.Create(s.path(key))
	if err != nil {
		return err
	}
	for portion := range slices.Chunk(body, 64<<10) {
		if _, err := f.Write(portion); err != nil {
			return err
		}
	}
	return errors.Join(f.Sync(), f.Close())
}

func (s inPlace) delete(key string) error {
	if err := os.Remove(s.path(key)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (s inPlace) get(key string) ([]byte, error) {
	b, err := os.ReadFile(s.path(key))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return append([]byte{}, b...), err
}

func (s inPlace) close() error { return nil }

func sum(body []byte) string {
	if body == nil {
		return storetest.Absent
	}
	return md5Hex(body)
}

// writeForever overwrites and deletes a few keys from four goroutines, and keeps the journal on standard output. As a
// mutant it acknowledges early, before it writes.
func writeForever(s crashStore, early bool) error {
	journal := &storetest.Journal{W: os.Stdout}
	sizes := []int{0, 1, 100, copiedSize, 64 << 10, 100_000, 1<<20 + 1, 3 << 20, store.MinPartSize + 100}
	failed := make(chan error)
	for range 4 {
		go func() {
			for {
				key := fmt.Sprintf("key-%d", rand.IntN(6))
				var body []byte // nil deletes
				if rand.IntN(8) > 0 {
					body = make([]byte, sizes[rand.IntN(len(sizes))])
					random := rand.NewChaCha8([32]byte{byte(rand.Uint32()), byte(rand.Uint32()), byte(rand.Uint32()), byte(rand.Uint32())})
					_, _ = random.Read(body) // it never fails
				}
				number := journal.Began(key, sum(body))
				if early {
					journal.Acknowledged(number)
				}
				var err error
				if body == nil {
					err = s.delete(key)
				} else {
					err = s.put(key, body)
				}
				if err != nil {
					failed <- err
					return
				}
				if !early {
					journal.Acknowledged(number)
				}
			}
		}()
	}
	return <-failed
}

// crash lets a child write for a moment, kills it, and returns what is then wrong with what open opens.
func crash(t *testing.T, do, dir string, history *storetest.History, open func(string) crashStore) error {
	t.Helper()
	cmd := child(do, dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	started := false
	err = history.ReadJournal(out, func() {
		if !started { // the child is at work: set the clock
			started = true
			time.AfterFunc(rand.N(250*time.Millisecond), func() { _ = cmd.Process.Kill() })
		}
	})
	if err != nil || !started {
		_ = cmd.Process.Kill()
		t.Fatalf("the child's journal: %v", err)
	}
	_ = cmd.Wait() // it was killed

	s := open(dir)
	for _, key := range history.Keys() {
		body, err := s.get(key)
		if err == nil {
			err = history.Check(key, sum(body))
		}
		if err != nil {
			return errors.Join(err, s.close())
		}
	}
	return s.close()
}

func TestKilledProcessLosesNothingAcknowledged(t *testing.T) {
	dir, history := t.TempDir(), new(storetest.History)
	rounds := 25
	if testing.Short() {
		rounds = 4
	}
	for round := range rounds {
		if err := crash(t, "crash", dir, history, openCrashStore); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
	t.Logf("%d kills, %d acknowledged writes", rounds, history.Acknowledgements())
}

// The crash test must bite: it has to notice these two within so many rounds.
func TestCrashTestNoticesMutants(t *testing.T) {
	tests := []struct {
		name, do string
		open     func(string) crashStore
	}{
		{"a store that writes in place", "crash in place", func(dir string) crashStore { return inPlace{dir} }},
		{"a store that acknowledges before it writes", "crash early", openCrashStore},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, history := t.TempDir(), new(storetest.History)
			for round := range 50 {
				if err := crash(t, tt.do, dir, history, tt.open); err != nil {
					t.Logf("noticed in round %d: %v", round, err)
					return
				}
			}
			t.Error("50 kills went unnoticed")
		})
	}
}
