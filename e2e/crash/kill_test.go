package crash

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"glassine/s3"
	"glassine/state"
	"glassine/store/storetest"
)

func sum(content []byte) string {
	s := md5.Sum(content)
	return hex.EncodeToString(s[:])
}

// world is a data directory over its kills, and what is known of it.
type world struct {
	data    string
	clients []*client
	history *storetest.History
	files   int // that the last fsck saw
	orphans int // that kills left behind, all told
}

func newWorld(t *testing.T, early bool) *world {
	w := &world{data: t.TempDir(), history: new(storetest.History)}
	for n := range 4 {
		w.clients = append(w.clients, newClient(t, fmt.Sprint("client-", n), w.history, early))
	}
	s := start(t, w.data)
	for _, b := range testBuckets {
		s.must(t, "PUT", "/"+b.name, "")
		if b.versioned {
			s.must(t, "PUT", "/"+b.name+"?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
		}
	}
	s.stop(t)
	for _, b := range testBuckets {
		if !b.encrypted {
			doNotEncrypt(t, w.data, b.name)
		}
	}
	return w
}

// doNotEncrypt makes a bucket in a data directory that no server runs on one that was made before there was a master key:
// what comes into it is kept as it comes. No request does that.
func doNotEncrypt(t *testing.T, data, bucket string) {
	t.Helper()
	records, err := state.Open(filepath.Join(data, "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	buckets, err := state.OpenTable[s3.Bucket](t.Context(), records, "s3/buckets")
	if err == nil {
		_, err = buckets.Update(t.Context(), bucket, func(b s3.Bucket, _ bool) (s3.Bucket, error) {
			b.Encryption = ""
			return b, nil
		})
	}
	if err := errors.Join(err, records.Close()); err != nil {
		t.Fatal(err)
	}
}

// readWhole gets objects until the server is gone, and wants each whole, whoever overwrites it meanwhile.
func (w *world) readWhole(t *testing.T, s *server) {
	places := sharedPlaces()
	for _, c := range w.clients {
		places = append(places, c.places()...)
	}
	for {
		p := one(places)
		a, err := s.do("GET", p.path(), nil, nil)
		if err != nil {
			if !s.killed.Load() {
				t.Errorf("GET %s from a server that lives: %v", p.path(), err)
			}
			return
		}
		if a.status == http.StatusNotFound {
			continue
		}
		if _, err := bodyOf(a); a.status != http.StatusOK || err != nil {
			t.Errorf("GET %s while others write: %d, %v", p.path(), a.status, err)
			return
		}
	}
}

// check starts the server and compares what it has with what the clients know.
func (w *world) check(t *testing.T) (*server, error) {
	s := start(t, w.data)
	o, err := observe(s)
	if err == nil {
		err = o.check(s, w.clients, w.history)
	}
	return s, err
}

// round starts the server, checks what is there, lets clients write for a moment, kills the server, and checks that index
// and files agree.
func (w *world) round(t *testing.T) error {
	if rand.IntN(5) == 0 { // kill it while it starts
		s := launch(t, w.data, func(string) {})
		time.Sleep(rand.N(60 * time.Millisecond)) // the moment of the kill is what is random here
		s.kill()
	}
	s, err := w.check(t)
	defer s.kill()
	if err != nil {
		return err
	}
	var clients sync.WaitGroup
	for _, c := range w.clients {
		clients.Go(func() { c.run(s) })
	}
	for range 2 {
		clients.Go(func() { w.readWhole(t, s) })
	}
	time.AfterFunc(30*time.Millisecond+rand.N(400*time.Millisecond), s.crash)
	clients.Wait()
	s.kill()
	_, err = w.fsck()
	return err
}

// fsck runs glassine fsck, which reads every file. Files of no object are no error: the next start removes them.
func (w *world) fsck() (orphans int, err error) {
	out, err := exec.Command(program, "fsck", "--data", w.data).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("fsck: %w\n%s", err, out)
	}
	orphans = strings.Count(string(out), "belongs to no object")
	w.orphans += orphans
	last := strings.TrimSpace(string(out))
	last = last[strings.LastIndexByte(last, '\n')+1:]
	bytes, problems := 0, 0
	if _, err := fmt.Sscanf(last, "%d files, %d bytes read, %d problems", &w.files, &bytes, &problems); err != nil || problems != orphans {
		return orphans, fmt.Errorf("fsck found %d problems and %d files of no object (%v):\n%s", problems, orphans, err, out) //nolint:errorlint // it may be nil
	}
	return orphans, nil
}

// settle starts the server, checks, ends it in order, and wants nothing left of the kills.
func (w *world) settle(t *testing.T) error {
	s, err := w.check(t)
	if err != nil {
		s.kill()
		return err
	}
	s.stop(t)
	if said := s.complaints.String(); !strings.Contains(said, "swept the object store after a crash") {
		return fmt.Errorf("the server did not sweep: %s", said)
	}
	orphans, err := w.fsck()
	if err == nil && orphans > 0 {
		err = fmt.Errorf("after the sweep %d files belong to no object", orphans)
	}
	return err
}

// rounds is how many times TestKilledServerLosesNothing kills, unless GLASSINE_KILL_ROUNDS says how many.
func rounds(t *testing.T) int {
	if said := os.Getenv("GLASSINE_KILL_ROUNDS"); said != "" {
		n, err := strconv.Atoi(said)
		if err != nil || n < 1 {
			t.Fatalf("GLASSINE_KILL_ROUNDS is %q", said)
		}
		return n
	}
	if testing.Short() {
		return 5
	}
	return 30
}

func TestKilledServerLosesNothing(t *testing.T) {
	w := newWorld(t, false)
	n := rounds(t)
	for done := range n {
		err := w.round(t)
		if err == nil && (done%10 == 9 || done == n-1) {
			err = w.settle(t)
		}
		if err != nil {
			t.Fatalf("after %d kills: %v", done+1, err)
		}
		if t.Failed() {
			t.Fatalf("in round %d", done+1)
		}
	}
	kinds := map[string]int{}
	all := 0
	for _, c := range w.clients {
		for kind, n := range c.done {
			kinds[kind] += n
			all += n
		}
	}
	for _, kind := range []string{"PUT", "PUT of shared", "DELETE", "DELETE of a version", "DELETE of many", "DELETE of shared", "copy", "create upload", "part", "complete upload", "abort upload", "GET"} {
		if kinds[kind] == 0 && n >= 30 {
			t.Errorf("no %s was acknowledged: the test does not try it", kind)
		}
	}
	t.Logf("%d kills, %d acknowledged requests: %v; %d files at the end; the kills left %d files of no object, all swept", n, all, kinds, w.files, w.orphans)
}

// The test must bite: it has to notice a server that acknowledges what it has not yet stored.
func TestKillTestNoticesEarlyAcknowledgement(t *testing.T) {
	w := newWorld(t, true)
	for n := range 30 {
		if err := w.round(t); err != nil {
			if errors.Is(err, errNotWhole) {
				t.Errorf("a healthy server gave: %v", err)
			}
			t.Logf("noticed after %d kills: %v", n+1, err)
			return
		}
	}
	t.Error("30 kills went unnoticed")
}
