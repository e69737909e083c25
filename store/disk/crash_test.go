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

func (s realStore) put(key string, body []byte) error {
	_, err := s.Put(context.Background(), "bucket", key, bytes.NewReader(body), store.PutOptions{Metadata: map[string]string{"sum": sum(body)}})
	return err
}

func (s realStore) delete(key string) error { return s.Delete(context.Background(), "bucket", key) }

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

// close also checks that the sweep leaves one file for every object.
func (s realStore) close() error {
	<-s.swept
	page, err := s.List(context.Background(), "bucket", store.ListOptions{})
	files, err2 := filepath.Glob(filepath.Join(s.blobs.dir, "*", "*"))
	if err == nil && err2 == nil && len(files) != len(page.Objects) {
		err = fmt.Errorf("%d files for %d objects after the sweep", len(files), len(page.Objects))
	}
	return errors.Join(err, err2, s.Close())
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
	sizes := []int{0, 1, 100, 4 << 10, 64 << 10, 100_000, 1<<20 + 1, 3 << 20}
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
			time.AfterFunc(rand.N(120*time.Millisecond), func() { _ = cmd.Process.Kill() })
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
