package crash

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	"glassine/store/storetest"
)

const bucket = "/crash-test"

func sum(body []byte) string {
	s := md5.Sum(body)
	return hex.EncodeToString(s[:])
}

func randomBody() []byte {
	sizes := []int{0, 1, 1000, 64 << 10, 100_000, 1<<20 + 1, 3 << 20}
	body := make([]byte, sizes[rand.IntN(len(sizes))])
	random := rand.NewChaCha8([32]byte{byte(rand.Uint32()), byte(rand.Uint32()), byte(rand.Uint32()), byte(rand.Uint32())})
	_, _ = random.Read(body) // it never fails
	return body
}

// write puts and deletes objects until the server is gone, and notes it in the history. As a mutant, early, it takes
// what it sends for acknowledged.
func write(t *testing.T, s *server, history *storetest.History, early bool) {
	for {
		key := fmt.Sprintf("key-%d", rand.IntN(6))
		method := "PUT"
		var a answer
		var number int
		var err error
		if rand.IntN(8) > 0 {
			body := randomBody()
			number = history.Began(key, sum(body))
			if early {
				history.Acknowledged(number)
			}
			a, err = s.do(method, bucket+"/"+key, body, map[string]string{"X-Amz-Meta-Sum": sum(body)})
		} else {
			method = "DELETE"
			number = history.Began(key, storetest.Absent)
			a, err = s.do(method, bucket+"/"+key, nil, nil)
		}
		if err != nil {
			return // the server is gone
		}
		if a.status/100 != 2 {
			t.Errorf("%s of %s: %d %s", method, key, a.status, a.body)
			return
		}
		if !early {
			history.Acknowledged(number)
		}
	}
}

// read gets objects until the server is gone, and wants each whole.
func read(t *testing.T, s *server) {
	for {
		if _, err := get(s, fmt.Sprintf("key-%d", rand.IntN(6))); err != nil {
			if _, ok := errors.AsType[notWhole](err); ok {
				t.Errorf("while others write: %v", err)
			}
			return
		}
	}
}

// notWhole is an object that is not as it was sent.
type notWhole struct{ error }

// get returns the sum of an object's body, or storetest.Absent, having checked that the object is whole.
func get(s *server, key string) (string, error) {
	a, err := s.do("GET", bucket+"/"+key, nil, nil)
	if err != nil {
		return "", err
	}
	switch a.status {
	case http.StatusNotFound:
		return storetest.Absent, nil
	case http.StatusOK:
		got := sum(a.body)
		if a.header.Get("X-Amz-Meta-Sum") != got || a.header.Get("ETag") != `"`+got+`"` {
			return "", notWhole{fmt.Errorf("%s has %d bytes with sum %s, and the headers %v", key, len(a.body), got, a.header)}
		}
		return got, nil
	}
	return "", notWhole{fmt.Errorf("GET of %s: %d %s", key, a.status, a.body)}
}

// round starts the server, checks what is there, lets clients write for a moment, and kills the server.
func round(t *testing.T, data string, history *storetest.History, early bool) error {
	if rand.IntN(5) == 0 { // kill it while it starts
		s := launch(t, data, func(string) {})
		time.Sleep(rand.N(60 * time.Millisecond)) // the moment of the kill is what is random here
		s.kill()
	}
	s := start(t, data)
	defer s.kill()
	if a, err := s.do("PUT", bucket, nil, nil); err != nil || a.status != http.StatusOK && a.status != http.StatusConflict {
		t.Fatalf("create bucket: %v, %d %s", err, a.status, a.body)
	}
	for _, key := range history.Keys() {
		found, err := get(s, key)
		if err == nil {
			err = history.Check(key, found)
		}
		if err != nil {
			return err
		}
	}
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() { write(t, s, history, early) })
	}
	for range 2 {
		clients.Go(func() { read(t, s) })
	}
	time.AfterFunc(50*time.Millisecond+rand.N(250*time.Millisecond), func() { _ = s.cmd.Process.Kill() })
	clients.Wait()
	return nil
}

func TestKilledServerLosesNothingAcknowledged(t *testing.T) {
	data, history := t.TempDir(), new(storetest.History)
	rounds := 50
	if testing.Short() {
		rounds = 5
	}
	for n := range rounds + 1 { // the last one to check
		if err := round(t, data, history, false); err != nil {
			t.Fatalf("after %d kills: %v", n, err)
		}
	}
	t.Logf("%d kills, %d acknowledged writes", rounds+1, history.Acknowledgements())
}

// The test must bite: it has to notice a server that acknowledges what it has not yet stored.
func TestKillTestNoticesEarlyAcknowledgement(t *testing.T) {
	data, history := t.TempDir(), new(storetest.History)
	for n := range 30 {
		if err := round(t, data, history, true); err != nil {
			t.Logf("noticed after %d kills: %v", n, err)
			return
		}
	}
	t.Error("30 kills went unnoticed")
}
