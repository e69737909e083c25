package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"glassine/store"
)

func testRanges(t *testing.T, s store.Store) {
	body := random(20_000, 7)
	n := int64(len(body))
	put(t, s, "b", "k", body)
	put(t, s, "b", "empty", "")
	tests := []struct {
		name, key      string
		r              store.Range
		offset, length int64 // -1 is ErrRange
	}{
		{"the first byte", "k", store.Range{Start: 0, End: 0}, 0, 1},
		{"a middle", "k", store.Range{Start: 100, End: 7_000}, 100, 6_901},
		{"to the end", "k", store.Range{Start: 19_990, End: -1}, 19_990, 10},
		{"past the end is cut", "k", store.Range{Start: 19_990, End: 1 << 62}, 19_990, 10},
		{"the last bytes", "k", store.Range{Start: -1, End: 5}, n - 5, 5},
		{"more last bytes than there are", "k", store.Range{Start: -1, End: n + 1}, 0, n},
		{"all", "k", store.Range{Start: 0, End: -1}, 0, n},
		{"begins at the end", "k", store.Range{Start: n, End: -1}, 0, -1},
		{"begins past the end", "k", store.Range{Start: n + 5, End: n + 9}, 0, -1},
		{"ends before it begins", "k", store.Range{Start: 5, End: 4}, 0, -1},
		{"no last bytes", "k", store.Range{Start: -1, End: 0}, 0, -1},
		{"a first byte of nothing", "empty", store.Range{Start: 0, End: 0}, 0, -1},
		{"last bytes of nothing", "empty", store.Range{Start: -1, End: 3}, 0, -1},
	}
	for _, tt := range tests {
		o, err := s.Get(t.Context(), "b", tt.key, store.GetOptions{Range: &tt.r})
		if tt.length < 0 {
			if !errors.Is(err, store.ErrRange) {
				t.Errorf("%s: Get(%+v): %v, want ErrRange", tt.name, tt.r, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: Get(%+v): %v", tt.name, tt.r, err)
			continue
		}
		if o.Offset != tt.offset || o.Length != tt.length || o.Info.Size != n {
			t.Errorf("%s: offset %d, length %d of %d; want %d, %d of %d", tt.name, o.Offset, o.Length, o.Info.Size, tt.offset, tt.length, n)
		}
		if err := iotest.TestReader(o.Body, []byte(body[tt.offset:tt.offset+tt.length])); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		o.Body.Close()
	}
	if _, err := s.Get(t.Context(), "b", "absent", store.GetOptions{Range: &store.Range{Start: 5, End: 4}}); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a bad range of an absent object: %v, want ErrNotFound", err)
	}
}

// testReaderAt tests the optional abilities of a body: io.ReaderAt and io.WriterTo.
func testReaderAt(t *testing.T, s store.Store) {
	body := random(100_000, 8)
	put(t, s, "b", "k", body)
	for _, r := range []*store.Range{nil, {Start: 10, End: 89_999}, {Start: -1, End: 1}} {
		o, err := s.Get(t.Context(), "b", "k", store.GetOptions{Range: r})
		if err != nil {
			t.Fatal(err)
		}
		want := body[o.Offset : o.Offset+o.Length]
		if at, ok := o.Body.(io.ReaderAt); ok {
			section := io.NewSectionReader(at, 0, o.Length+1000) // to see that it ends where it should
			if got, err := io.ReadAll(section); err != nil || string(got) != want {
				t.Errorf("range %v: ReadAt gave %d bytes, %v; want %d", r, len(got), err, len(want))
			}
			if n, err := at.ReadAt(make([]byte, 1), -1); n != 0 || err == nil {
				t.Errorf("range %v: ReadAt(-1) = %d, %v; want an error", r, n, err)
			}
			var one [1]byte
			if n, err := at.ReadAt(one[:], o.Length-1); n != 1 || err != nil && err != io.EOF || one[0] != want[len(want)-1] {
				t.Errorf("range %v: ReadAt of the last byte = %d, %v", r, n, err)
			}
		}
		head := make([]byte, min(7, o.Length))
		if _, err := io.ReadFull(o.Body, head); err != nil {
			t.Errorf("range %v: Read after ReadAt: %v", r, err)
		}
		var rest bytes.Buffer
		n, err := io.Copy(&rest, o.Body) // WriteTo, if there is one
		if got := string(head) + rest.String(); err != nil || got != want || n != int64(rest.Len()) {
			t.Errorf("range %v: Read and then copy gave %d bytes, %v; want %d", r, len(got), err, len(want))
		}
		o.Body.Close()
	}
}

func testFailingBody(t *testing.T, s store.Store) {
	broken := errors.New("checksum mismatch")
	for _, failure := range []error{broken, io.ErrUnexpectedEOF, fmt.Errorf("wrapped: %w", io.EOF)} {
		for _, size := range []int{0, 1, 64 << 10, 1 << 20} {
			for name, reader := range map[string]io.Reader{
				"after the bytes":      io.MultiReader(strings.NewReader(random(size, 3)), iotest.ErrReader(failure)),
				"with the last bytes":  iotest.DataErrReader(io.MultiReader(strings.NewReader(random(size, 3)), iotest.ErrReader(failure))),
				"in one-byte portions": iotest.OneByteReader(io.MultiReader(strings.NewReader(random(min(size, 5000), 3)), iotest.ErrReader(failure))),
			} {
				if _, err := s.Put(t.Context(), "b", "new", reader, store.PutOptions{}); !errors.Is(err, failure) {
					t.Fatalf("Put of %d bytes and %q %s: %v", size, failure, name, err)
				}
				absent(t, s, "b", "new")
			}
		}
	}
	large := func() io.Reader { return io.MultiReader(strings.NewReader(random(6<<20, 3)), iotest.ErrReader(broken)) }
	for _, size := range []int64{0, 6 << 20, 7 << 20} {
		if _, err := s.Put(t.Context(), "b", "new", large(), store.PutOptions{Size: size}); !errors.Is(err, broken) {
			t.Errorf("Put of a large body that fails, and was said to have %d bytes: %v", size, err)
		}
		absent(t, s, "b", "new")
	}
	before := put(t, s, "b", "old", "the old body")
	if _, err := s.Put(t.Context(), "b", "old", io.MultiReader(strings.NewReader("new"), iotest.ErrReader(broken)), store.PutOptions{}); !errors.Is(err, broken) {
		t.Fatalf("Put: %v, want %v", err, broken)
	}
	if after, err := s.Head(t.Context(), "b", "old"); err != nil || after.ETag != before.ETag || read(t, s, "b", "old") != "the old body" {
		t.Errorf("a failed Put left %+v, %v; want %+v", after, err, before)
	}
}

// readerFunc is an io.Reader.
type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func testContext(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	reads := 0
	endless := readerFunc(func(p []byte) (int, error) {
		if reads++; reads == 3 {
			cancel()
		}
		if reads > 1000 {
			return 0, errors.New("read on and on after the context was cancelled")
		}
		return copy(p, "some bytes"), nil
	})
	if _, err := s.Put(ctx, "b", "k", endless, store.PutOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Put with a context cancelled while the body is read: %v, want context.Canceled", err)
	}
	absent(t, s, "b", "k")

	put(t, s, "b", "there", "body")
	never := readerFunc(func([]byte) (int, error) { t.Error("the body was read"); return 0, io.EOF })
	if _, err := s.Put(ctx, "b", "k", never, store.PutOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Put: %v, want context.Canceled", err)
	}
	if _, err := s.Get(ctx, "b", "there", store.GetOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Get: %v, want context.Canceled", err)
	}
	if _, err := s.Head(ctx, "b", "there"); !errors.Is(err, context.Canceled) {
		t.Errorf("Head: %v, want context.Canceled", err)
	}
	if err := s.Delete(ctx, "b", "there"); !errors.Is(err, context.Canceled) {
		t.Errorf("Delete: %v, want context.Canceled", err)
	}
	if _, err := s.List(ctx, "b", store.ListOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("List: %v, want context.Canceled", err)
	}
	if got := read(t, s, "b", "there"); got != "body" {
		t.Errorf("calls with a cancelled context left %q", got)
	}
}

func testPortions(t *testing.T, s store.Store) {
	body := random(150_000, 9)
	for name, reader := range map[string]io.Reader{
		"one byte at a time":          iotest.OneByteReader(strings.NewReader(body)),
		"half of what is asked for":   iotest.HalfReader(strings.NewReader(body)),
		"the end with the last bytes": iotest.DataErrReader(strings.NewReader(body)),
		"a writer to":                 bytes.NewBufferString(body),
		"nothing now and then": func() io.Reader {
			r, turn := strings.NewReader(body), 0
			return readerFunc(func(p []byte) (int, error) {
				if turn++; turn%2 == 0 {
					return 0, nil
				}
				return r.Read(p[:min(len(p), 999)])
			})
		}(),
	} {
		info, err := s.Put(t.Context(), "b", "k", reader, store.PutOptions{})
		if err != nil || info.ETag != etag(body) || info.Size != int64(len(body)) || read(t, s, "b", "k") != body {
			t.Errorf("%s: Put = %+v, %v; want %d bytes, ETag %s", name, info, err, len(body), etag(body))
		}
	}
}

func testOpenReader(t *testing.T, s store.Store) {
	old := random(300_000, 10)
	put(t, s, "b", "k", old)
	first, err := s.Get(t.Context(), "b", "k", store.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Body.Close()
	head := make([]byte, 1000)
	if _, err := io.ReadFull(first.Body, head); err != nil {
		t.Fatal(err)
	}
	put(t, s, "b", "k", random(300_000, 11))
	second, err := s.Get(t.Context(), "b", "k", store.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Body.Close()
	if err := s.Delete(t.Context(), "b", "k"); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(first.Body)
	if err != nil || string(head)+string(rest) != old {
		t.Errorf("the reader of the overwritten object got %d bytes, %v", len(head)+len(rest), err)
	}
	if b, err := io.ReadAll(second.Body); err != nil || string(b) != random(300_000, 11) {
		t.Errorf("the reader of the deleted object got %d bytes, %v", len(b), err)
	}
	absent(t, s, "b", "k")
}

func testConcurrency(t *testing.T, s store.Store) {
	const keys, writers, writes = 3, 4, 25
	key := func(i int) string { return fmt.Sprintf("key-%d", i%keys) }
	var readers, writing sync.WaitGroup
	stop := make(chan struct{})
	for w := range writers {
		writing.Go(func() {
			for i := range writes {
				seed := uint64(w*writes + i)
				var err error
				if seed%10 == 9 {
					err = s.Delete(t.Context(), "b", key(i+w))
				} else {
					_, err = s.Put(t.Context(), "b", key(i+w), strings.NewReader(random(int(seed*977), seed)), store.PutOptions{})
				}
				if err != nil {
					t.Errorf("write %d of %q: %v", seed, key(i+w), err)
				}
			}
		})
	}
	for r := range 4 {
		readers.Go(func() {
			for i := r; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				o, err := s.Get(t.Context(), "b", key(i), store.GetOptions{})
				if errors.Is(err, store.ErrNotFound) {
					continue
				}
				if err != nil {
					t.Errorf("Get(%q): %v", key(i), err)
					return
				}
				b, err := io.ReadAll(o.Body)
				o.Body.Close()
				if err != nil || etag(string(b)) != o.Info.ETag || int64(len(b)) != o.Info.Size {
					t.Errorf("Get(%q) gave %d bytes with ETag %s, %v; the object has %d, %s", key(i), len(b), etag(string(b)), err, o.Info.Size, o.Info.ETag)
					return
				}
			}
		})
	}
	writing.Wait()
	close(stop)
	readers.Wait()
}
