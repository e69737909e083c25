package storetest

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"glassine/store"
)

func testConditions(t *testing.T, s store.Store) {
	one, two := etag("one"), etag("two")
	tests := []struct {
		name    string
		current string // body that the key holds; "" none
		opt     store.PutOptions
		want    error
	}{
		{"if none, and none is there", "", store.PutOptions{IfNoneMatch: "*"}, nil},
		{"if none, and one is there", "one", store.PutOptions{IfNoneMatch: "*"}, store.ErrPrecondition},
		{"if it is one, and it is", "one", store.PutOptions{IfMatch: one}, nil},
		{"if it is one, and it is two", "two", store.PutOptions{IfMatch: one}, store.ErrPrecondition},
		{"if it is one, and none is there", "", store.PutOptions{IfMatch: one}, store.ErrPrecondition},
		{"two conditions that exclude each other", "two", store.PutOptions{IfMatch: two, IfNoneMatch: "*"}, store.ErrPrecondition},
		{"an If-None-Match of an ETag has no meaning", "", store.PutOptions{IfNoneMatch: one}, store.ErrPrecondition},
	}
	for _, tt := range tests {
		if err := s.Delete(t.Context(), "b", "k"); err != nil {
			t.Fatal(err)
		}
		if tt.current != "" {
			put(t, s, "b", "k", tt.current)
		}
		if _, err := s.Put(t.Context(), "b", "k", strings.NewReader("new"), tt.opt); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
		switch {
		case tt.want == nil:
			tt.current = "new"
			fallthrough
		case tt.current != "":
			if got := read(t, s, "b", "k"); got != tt.current {
				t.Errorf("%s: the key holds %q, want %q", tt.name, got, tt.current)
			}
		default:
			absent(t, s, "b", "k")
		}
	}

	// The moment that counts is the end of the body.
	if err := s.Delete(t.Context(), "b", "k"); err != nil {
		t.Fatal(err)
	}
	late := io.MultiReader(strings.NewReader("body"), readerFunc(func([]byte) (int, error) {
		put(t, s, "b", "k", "came first")
		return 0, io.EOF
	}))
	if _, err := s.Put(t.Context(), "b", "k", late, store.PutOptions{IfNoneMatch: "*"}); !errors.Is(err, store.ErrPrecondition) {
		t.Errorf("an object that appeared while the body was read: %v, want ErrPrecondition", err)
	}
	if got := read(t, s, "b", "k"); got != "came first" {
		t.Errorf("the key holds %q, want %q", got, "came first")
	}
}

func testConditionRace(t *testing.T, s store.Store) {
	for round := range 10 {
		key := "key-" + strconv.Itoa(round)
		var won atomic.Int64
		var winner atomic.Value
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() {
				body := "writer " + strconv.Itoa(i)
				_, err := s.Put(t.Context(), "b", key, strings.NewReader(body), store.PutOptions{IfNoneMatch: "*"})
				switch {
				case err == nil:
					won.Add(1)
					winner.Store(body)
				case !errors.Is(err, store.ErrPrecondition):
					t.Errorf("Put: %v", err)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d of 12 puts with If-None-Match won, want 1", won.Load())
		}
		if got := read(t, s, "b", key); got != winner.Load() {
			t.Errorf("the key holds %q, the winner is %q", got, winner.Load())
		}
	}
}

func testCounterRace(t *testing.T, s store.Store) {
	const workers, each = 6, 8
	put(t, s, "b", "counter", "0")
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for done := 0; done < each; {
				o, err := s.Get(t.Context(), "b", "counter", store.GetOptions{})
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				b, _ := io.ReadAll(o.Body)
				o.Body.Close()
				n, _ := strconv.Atoi(string(b))
				_, err = s.Put(t.Context(), "b", "counter", strings.NewReader(strconv.Itoa(n+1)), store.PutOptions{IfMatch: o.Info.ETag})
				if err == nil {
					done++
				} else if !errors.Is(err, store.ErrPrecondition) {
					t.Errorf("Put: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
	if got := read(t, s, "b", "counter"); got != strconv.Itoa(workers*each) {
		t.Errorf("the counter is %s, want %d", got, workers*each)
	}
}
