package disk

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"

	"glassine/store"
)

// pattern has no two packages alike.
func pattern(size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b) // it never fails
	return b
}

func getBody(t *testing.T, s *Store, key string, r *store.Range) io.ReadCloser {
	t.Helper()
	o, err := s.Get(t.Context(), "b", key, store.GetOptions{Range: r})
	if err != nil {
		t.Fatal(err)
	}
	return o.Body
}

// writes keeps what it is written, and how.
type writes struct {
	bytes.Buffer
	longest int
}

func (w *writes) Write(p []byte) (int, error) {
	w.longest = max(w.longest, len(p))
	return w.Buffer.Write(p)
}

func TestEncryptedBodyReadsInEveryWay(t *testing.T) {
	s := openFast(t, t.TempDir(), Options{Keys: [][32]byte{{1}}})
	content := pattern(3*packageSize + 1234)
	putEncrypted(t, s, "k", string(content))
	for _, r := range []*store.Range{
		nil, {Start: 0, End: 0}, {Start: 5, End: packageSize + 5}, {Start: packageSize, End: 2*packageSize - 1}, {Start: 2 * packageSize, End: -1}, {Start: -1, End: 7},
	} {
		off, n, err := r.Resolve(int64(len(content)))
		if err != nil {
			t.Fatal(err)
		}
		want := content[off : off+n]
		for _, chunk := range []int{1000, packageSize, packageSize + tagSize, 200_000} {
			body := getBody(t, s, "k", r)
			var got bytes.Buffer
			_, err := io.CopyBuffer(struct{ io.Writer }{&got}, struct{ io.Reader }{body}, make([]byte, chunk))
			if err != nil || !bytes.Equal(got.Bytes(), want) {
				t.Errorf("range %+v in chunks of %d: %d other bytes, %v", r, chunk, got.Len(), err)
			}
			body.Close()
		}
		// What was read is not written once more.
		body := getBody(t, s, "k", r)
		first := make([]byte, min(10, n))
		if _, err := io.ReadFull(body, first); err != nil {
			t.Fatal(err)
		}
		var rest writes
		m, err := body.(io.WriterTo).WriteTo(&rest)
		if err != nil || m != n-int64(len(first)) || !bytes.Equal(append(first, rest.Bytes()...), want) {
			t.Errorf("range %+v by WriteTo: %d other bytes, %v", r, m, err)
		}
		if n > packageSize && rest.longest < packageSize/2 {
			t.Errorf("range %+v by WriteTo: in pieces of %d bytes, want packages", r, rest.longest)
		}
		if _, err := body.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("range %+v: Read at the end = %v, want io.EOF", r, err)
		}
		body.Close()
	}
}

func TestEncryptedBodyIsForManyReaders(t *testing.T) {
	s := openFast(t, t.TempDir(), Options{Keys: [][32]byte{{1}}})
	content := pattern(5*packageSize + 99)
	putEncrypted(t, s, "k", string(content))
	body := getBody(t, s, "k", nil)
	at := body.(io.ReaderAt)
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for range 50 {
				off := rand.IntN(len(content))
				p := make([]byte, rand.IntN(2*packageSize))
				n, err := at.ReadAt(p, int64(off))
				if want := content[off:min(off+len(p), len(content))]; !bytes.Equal(p[:n], want) || n < len(p) && err != io.EOF {
					t.Errorf("ReadAt(%d bytes, %d) = %d other bytes, %v", len(p), off, n, err)
				}
			}
		})
	}
	readers.Wait()
	if _, err := at.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("ReadAt at a negative offset works")
	}
	if err := body.Close(); err != nil {
		t.Error(err)
	}
	if err := body.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("second Close = %v, want os.ErrClosed", err)
	}
	if n, err := at.ReadAt(make([]byte, 10), 0); n > 0 || err == nil {
		t.Errorf("ReadAt after Close = %d, %v", n, err)
	}
}

// An open body outlives its object and the store.
func TestEncryptedBodyOutlivesItsObject(t *testing.T) {
	dir := t.TempDir()
	s := openFast(t, dir, Options{Keys: [][32]byte{{1}}})
	content := pattern(2 * packageSize)
	putEncrypted(t, s, "k", string(content))
	body := getBody(t, s, "k", nil)
	defer body.Close()
	if err := s.Delete(t.Context(), "b", "k"); err != nil {
		t.Fatal(err)
	}
	shut(t, s)
	if got, err := io.ReadAll(body); err != nil || !bytes.Equal(got, content) {
		t.Errorf("read %d other bytes, %v", len(got), err)
	}
}
