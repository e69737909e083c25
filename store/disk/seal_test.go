package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"glassine/store"
)

// reopen closes s, if it is not nil, and opens the store in dir with these keys.
func reopen(t *testing.T, s *Store, dir string, keys ...[32]byte) *Store {
	t.Helper()
	if s != nil {
		shut(t, s)
	}
	return openFast(t, dir, Options{Keys: keys})
}

func putEncrypted(t *testing.T, s *Store, key, body string) store.Info {
	t.Helper()
	info, err := s.Put(t.Context(), "b", key, strings.NewReader(body), store.PutOptions{Encrypt: true})
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// readAll returns the body of an object, or why it cannot be read.
func readAll(t *testing.T, s *Store, key string) (string, error) {
	t.Helper()
	o, err := s.Get(t.Context(), "b", key, store.GetOptions{})
	if err != nil {
		return "", err
	}
	defer o.Body.Close()
	b, err := io.ReadAll(o.Body)
	return string(b), err
}

func TestEncryptedBlobsOfEverySizeComeBack(t *testing.T) {
	s := openFast(t, t.TempDir(), Options{Keys: [][32]byte{{1}}})
	pattern := []byte(strings.Repeat("0123456789abcdef", 3*packageSize/16+2))
	for _, size := range []int{0, 1, packageSize - 1, packageSize, packageSize + 1, 2 * packageSize, 3*packageSize + 7} {
		for name, reader := range map[string]io.Reader{
			"plainly":                     bytes.NewReader(pattern[:size]),
			"the end with the last bytes": iotest.DataErrReader(bytes.NewReader(pattern[:size])),
		} {
			info, err := s.Put(t.Context(), "b", "k", reader, store.PutOptions{Encrypt: true})
			if err != nil || !info.Encrypted || info.ETag != md5Hex(pattern[:size]) || info.Size != int64(size) {
				t.Fatalf("%d bytes, %s: Put = %+v, %v", size, name, info, err)
			}
			file, err := os.ReadFile(blobPath(t, s, "b", "k"))
			if err != nil || len(file) != size+tagSize*(size/packageSize+1) || bytes.Contains(file, []byte("0123456789abcdef")) {
				t.Errorf("%d bytes, %s: the file has %d bytes, %v, or the plaintext in it", size, name, len(file), err)
			}
			o, err := s.Get(t.Context(), "b", "k", store.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if _, isFile := o.Body.(interface {
				File() (*os.File, int64, int64)
			}); isFile {
				t.Error("the body of an encrypted object offers its file")
			}
			if err := iotest.TestReader(o.Body, pattern[:size]); err != nil {
				t.Errorf("%d bytes, %s: %v", size, name, err)
			}
			o.Body.Close()
		}
	}
}

func TestTamperedBlobsAreNotRead(t *testing.T) {
	s := openFast(t, t.TempDir(), Options{Keys: [][32]byte{{1}}})
	body := strings.Repeat("x", 2*packageSize+100)
	const sealed = packageSize + tagSize
	tests := []struct {
		name   string
		change func(file, other []byte) []byte
	}{
		{"a bit of the first package", func(f, _ []byte) []byte { f[0] ^= 1; return f }},
		{"a bit of the last tag", func(f, _ []byte) []byte { f[len(f)-1] ^= 1; return f }},
		{"two packages swapped", func(f, _ []byte) []byte {
			return append(append(append([]byte{}, f[sealed:2*sealed]...), f[:sealed]...), f[2*sealed:]...)
		}},
		{"the file of another object", func(_, other []byte) []byte { return other }},
		{"cut at a package", func(f, _ []byte) []byte { return f[:2*sealed] }},
		{"cut in a package", func(f, _ []byte) []byte { return f[:len(f)-1] }},
		{"longer", func(f, _ []byte) []byte { return append(f, 0) }},
	}
	for _, tt := range tests {
		putEncrypted(t, s, "k", body)
		putEncrypted(t, s, "other", body)
		path := blobPath(t, s, "b", "k")
		file, err1 := os.ReadFile(path)
		other, err2 := os.ReadFile(blobPath(t, s, "b", "other"))
		if err := errors.Join(err1, err2, os.WriteFile(path, tt.change(file, other), 0o600)); err != nil {
			t.Fatal(err)
		}
		if got, err := readAll(t, s, "k"); !errors.Is(err, store.ErrCorrupt) || !strings.HasPrefix(body, got) {
			t.Errorf("%s: read %d bytes, %v; want ErrCorrupt", tt.name, len(got), err)
		}
		if err := s.Verify(t.Context(), "b", "k", ""); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("%s: Verify: %v, want ErrCorrupt", tt.name, err)
		}
	}
	// Even a file whose length is right does not pass for a shorter one.
	sealer, wrapped, err := s.blobs.keys.newSealer(blobID{1, 1})
	if err != nil {
		t.Fatal(err)
	}
	key, err := s.blobs.keys.unwrap(blobID{1, 1}, wrapped)
	if err != nil {
		t.Fatal(err)
	}
	package0 := sealer.next(make([]byte, 10, 10+tagSize), false) // not the last one
	path := t.TempDir() + "/blob"
	if err := os.WriteFile(path, package0, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	cut, err := newSealedFile(f, key, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer shut(t, cut)
	if n, err := cut.ReadAt(make([]byte, 10), 0); n != 0 || !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("a package that is not the last, at the end: %d bytes, %v; want ErrCorrupt", n, err)
	}
}

func TestKeysMustBeThere(t *testing.T) {
	dir := t.TempDir()
	s := reopen(t, nil, dir)
	if _, err := s.Put(t.Context(), "b", "k", strings.NewReader("x"), store.PutOptions{Encrypt: true}); !errors.Is(err, store.ErrNoKey) {
		t.Errorf("Put without a key: %v, want ErrNoKey", err)
	}
	if _, err := s.CreateUpload(t.Context(), "b", "k", store.UploadOptions{Encrypt: true}); !errors.Is(err, store.ErrNoKey) {
		t.Errorf("CreateUpload without a key: %v, want ErrNoKey", err)
	}
	old, young := [32]byte{1}, [32]byte{2}
	s = reopen(t, s, dir, old)
	putEncrypted(t, s, "k", "the old key's")
	s = reopen(t, s, dir, young, old)
	putEncrypted(t, s, "l", "the young key's")
	for key, want := range map[string]string{"k": "the old key's", "l": "the young key's"} {
		if got, err := readAll(t, s, key); err != nil || got != want {
			t.Errorf("with both keys %s reads %q, %v", key, got, err)
		}
	}
	s = reopen(t, s, dir, young)
	if got, err := readAll(t, s, "k"); !errors.Is(err, store.ErrNoKey) {
		t.Errorf("without the old key its object reads %q, %v; want ErrNoKey", got, err)
	}
	if got, err := readAll(t, s, "l"); err != nil || got != "the young key's" {
		t.Errorf("without the old key the other object reads %q, %v", got, err)
	}
	s = reopen(t, s, dir)
	if _, err := readAll(t, s, "l"); !errors.Is(err, store.ErrNoKey) {
		t.Errorf("without any key: %v, want ErrNoKey", err)
	}
	if info, err := s.Head(t.Context(), "b", "l"); err != nil || !info.Encrypted {
		t.Errorf("without any key Head = %+v, %v", info, err)
	}
	if err := s.Verify(t.Context(), "b", "l", ""); err != nil {
		t.Errorf("without any key Verify, which needs none: %v", err)
	}
}

func TestRewrapMakesOldKeysUnneeded(t *testing.T) {
	dir := t.TempDir()
	old, young := [32]byte{1}, [32]byte{2}
	s := reopen(t, nil, dir, old)
	putString(t, s, "b", "plain", "plain")
	for i := range maxBatch + 5 {
		putEncrypted(t, s, fmt.Sprint(i), "body")
	}
	s = reopen(t, s, dir, young, old)
	putEncrypted(t, s, "young", "body")
	if n, err := s.Rewrap(t.Context()); err != nil || n != maxBatch+5 {
		t.Errorf("Rewrap = %d, %v; want %d", n, err, maxBatch+5)
	}
	if n, err := s.Rewrap(t.Context()); err != nil || n != 0 {
		t.Errorf("Rewrap again = %d, %v; want none", n, err)
	}
	s = reopen(t, s, dir, young)
	for _, key := range []string{"0", fmt.Sprint(maxBatch + 4), "young"} {
		if got, err := readAll(t, s, key); err != nil || got != "body" {
			t.Errorf("without the old key %s reads %q, %v", key, got, err)
		}
	}
	s = reopen(t, s, dir, old)
	if n, err := s.Rewrap(t.Context()); !errors.Is(err, store.ErrNoKey) {
		t.Errorf("Rewrap without the key that is in use = %d, %v; want ErrNoKey", n, err)
	}
	s = reopen(t, s, dir)
	if _, err := s.Rewrap(t.Context()); !errors.Is(err, store.ErrNoKey) {
		t.Errorf("Rewrap without a key: %v, want ErrNoKey", err)
	}
}

// A wrapped key opens the blob that it was made for, and no other.
func TestWrappedKeysAreBoundToTheirBlobs(t *testing.T) {
	k, err := newKeys([][32]byte{{1}})
	if err != nil {
		t.Fatal(err)
	}
	key := bytes.Repeat([]byte{7}, 32)
	w := k.wrap(blobID{1, 2}, key)
	if got, err := k.unwrap(blobID{1, 2}, w); err != nil || !bytes.Equal(got, key) || len(w) != wrappedLen {
		t.Errorf("unwrap = %x, %v; %d bytes", got, err, len(w))
	}
	if _, err := k.unwrap(blobID{1, 3}, w); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("the key of another blob: %v, want ErrCorrupt", err)
	}
	for i := range w {
		bad := bytes.Clone(w)
		bad[i] ^= 1
		if _, err := k.unwrap(blobID{1, 2}, bad); err == nil {
			t.Errorf("a wrapped key with byte %d changed was unwrapped", i)
		}
	}
}

func TestCopyEncryptsAndDecrypts(t *testing.T) {
	s := openFast(t, t.TempDir(), Options{Keys: [][32]byte{{1}}})
	body := strings.Repeat("y", packageSize+1)
	putString(t, s, "b", "plain", body)
	from := "plain"
	for i, encrypt := range []bool{true, true, false, false} {
		to := fmt.Sprint("copy-", i)
		info, err := s.Copy(t.Context(), store.Source{Bucket: "b", Key: from}, "b", to, store.PutOptions{Encrypt: encrypt})
		if err != nil || info.Encrypted != encrypt || info.ETag != md5Hex([]byte(body)) {
			t.Fatalf("copy %d of %s = %+v, %v", i, from, info, err)
		}
		if got, err := readAll(t, s, to); err != nil || got != body {
			t.Errorf("copy %d reads %d bytes, %v", i, len(got), err)
		}
		shared := blobPath(t, s, "b", from) == blobPath(t, s, "b", to)
		if want := i == 1 || i == 3; shared != want {
			t.Errorf("copy %d shares the blob of %s: %v, want %v", i, from, shared, want)
		}
		from = to
	}
	for _, encrypt := range []bool{true, false} {
		u, err := s.CreateUpload(t.Context(), "b", "up", store.UploadOptions{Encrypt: encrypt})
		if err != nil {
			t.Fatal(err)
		}
		up := store.UploadID{Bucket: "b", Key: "up", ID: u.ID}
		var parts []store.Part
		for n, key := range []string{"plain", "copy-1"} {
			p, err := s.CopyPart(t.Context(), store.Source{Bucket: "b", Key: key}, &store.Range{Start: 5, End: -1}, up, n+1, store.PartOptions{})
			if err != nil || p.ETag != md5Hex([]byte(body[5:])) {
				t.Fatalf("CopyPart = %+v, %v", p, err)
			}
			parts = append(parts, p)
		}
		info, err := s.CompleteUpload(t.Context(), up, parts[1:], store.CompleteOptions{})
		if err != nil || info.Encrypted != encrypt {
			t.Fatalf("CompleteUpload = %+v, %v", info, err)
		}
		if got, err := readAll(t, s, "up"); err != nil || got != body[5:] {
			t.Errorf("the upload reads %d bytes, %v", len(got), err)
		}
	}
	checkIndex(t, s)
}

func FuzzSealedFile(f *testing.F) {
	f.Add(uint16(10), uint16(3), uint16(5), byte(1))
	f.Add(uint16(65535), uint16(0), uint16(65535), byte(0))
	k, err := newKeys([][32]byte{{1}})
	if err != nil {
		f.Fatal(err)
	}
	path := f.TempDir() + "/blob"
	f.Fuzz(func(t *testing.T, size, off, length uint16, flip byte) {
		plain := make([]byte, int(size)+int(flip)*100)
		for i := range plain {
			plain[i] = byte(i * 7)
		}
		s, wrapped, err := k.newSealer(blobID{})
		if err != nil {
			t.Fatal(err)
		}
		var file []byte
		for rest := plain; ; {
			n := min(len(rest), packageSize)
			last := n < packageSize
			file = append(file, s.next(append(make([]byte, 0, n+tagSize), rest[:n]...), last)...)
			if rest = rest[n:]; last {
				break
			}
		}
		if flip&1 != 0 {
			file[int(off)%len(file)] ^= flip
		}
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := k.unwrap(blobID{}, wrapped)
		if err != nil {
			t.Fatal(err)
		}
		opened, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := newSealedFile(opened, key, int64(len(plain)))
		if err != nil {
			t.Fatal(err)
		}
		defer shut(t, r)
		got := make([]byte, length)
		n, err := r.ReadAt(got, int64(off))
		want := plain[min(int(off), len(plain)):]
		if !bytes.HasPrefix(want, got[:n]) {
			t.Errorf("ReadAt(%d) of %d bytes gave other bytes than were written", off, len(plain))
		}
		if flip&1 == 0 && (n != min(len(want), int(length)) || err != nil && !errors.Is(err, io.EOF)) {
			t.Errorf("ReadAt(%d) of %d bytes = %d, %v", off, len(plain), n, err)
		}
	})
}
