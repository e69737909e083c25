package disk

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"glassine/store"
)

// An encrypted blob is AES-256-GCM under a data key of its own, in packages: each of packageSize bytes of plaintext but
// the last, which has what is left, and may be empty. A package's nonce is its number, and whether it is the last; so
// packages cannot be swapped, dropped or cut off, as in the STREAM construction that age uses (Hoang, Reyhanitabar,
// Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015). A nonce is used once,
// since a key is used for one blob.
//
// In the index the data key is wrapped: encrypted under the master key, together with the blob's id, so that it opens no
// other blob.
const (
	packageSize = 64 << 10
	tagSize     = 16
)

// packageBuffer has room for a package.
type packageBuffer [packageSize + tagSize]byte

// fileSize returns the length of the blob's file.
func (b blobRecord) fileSize() int64 {
	if b.key == nil {
		return b.size
	}
	return b.size + tagSize*(b.size/packageSize+1)
}

// wrappedLen is the length of a wrapped data key: 8 bytes that tell which master key it is under, the nonce, the key, the
// tag.
const wrappedLen = 8 + 12 + 32 + tagSize

// keys are the master keys. The first one wraps; all of them unwrap.
type keys struct {
	ids   [][8]byte
	aeads []cipher.AEAD
}

// newKeys returns nil when there is no key.
func newKeys(masters [][32]byte) (*keys, error) {
	if len(masters) == 0 {
		return nil, nil
	}
	k := new(keys)
	for _, m := range masters {
		aead, err := newAEAD(m[:])
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(append([]byte("glassine master key id\x00"), m[:]...))
		k.ids = append(k.ids, [8]byte(sum[:]))
		k.aeads = append(k.aeads, aead)
	}
	return k, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// wrapContext is what a wrapped key is bound to.
func wrapContext(id blobID) []byte { return append([]byte("glassine data key\x00"), id.encode()...) }

// wrap returns a data key under the first master key.
func (k *keys) wrap(id blobID, key []byte) []byte {
	w := make([]byte, 20, wrappedLen)
	copy(w, k.ids[0][:])
	_, _ = rand.Read(w[8:]) // it never fails
	return k.aeads[0].Seal(w, w[8:20], key, wrapContext(id))
}

// unwrap returns the data key that wrap was given. k may be nil.
func (k *keys) unwrap(id blobID, w []byte) ([]byte, error) {
	if k != nil && len(w) == wrappedLen {
		for i := range k.ids {
			if bytes.Equal(k.ids[i][:], w[:8]) {
				key, err := k.aeads[i].Open(nil, w[8:20], w[20:], wrapContext(id))
				if err != nil {
					err = fmt.Errorf("data key of blob %x of run %d: %w", id.seq, id.run, store.ErrCorrupt)
				}
				return key, err
			}
		}
	}
	return nil, fmt.Errorf("%w: blob %x of run %d is encrypted under a key that was not given", store.ErrNoKey, id.seq, id.run)
}

// nonce returns the nonce of a package.
func nonce(number int64, last bool) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint64(n[3:], uint64(number))
	if last {
		n[11] = 1
	}
	return n
}

// sealer encrypts a blob's packages in their order.
type sealer struct {
	aead   cipher.AEAD
	number int64
}

// newSealer returns a sealer under a new data key, and that key wrapped.
func (k *keys) newSealer(id blobID) (*sealer, []byte, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	aead, err := newAEAD(key)
	if err != nil {
		return nil, nil, err
	}
	return &sealer{aead: aead}, k.wrap(id, key), nil
}

// next encrypts p in its place, behind which there is room for the tag.
func (s *sealer) next(p []byte, last bool) []byte {
	n := s.number
	s.number++
	return s.aead.Seal(p[:0], nonce(n, last), p, nil)
}

// sealedFile reads the plaintext of an encrypted blob. It is for one goroutine at a time.
type sealedFile struct {
	f     *os.File
	aead  cipher.AEAD
	size  int64          // of the plaintext
	buf   *packageBuffer // nil before the first package
	at    int64          // the number of the package in buf
	plain []byte         // of that package, within buf; nil: none
}

// newSealedFile reads f, which it owns from here on.
func newSealedFile(f *os.File, key []byte, size int64) (*sealedFile, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return &sealedFile{f: f, aead: aead, size: size}, nil
}

// length returns how many bytes of plaintext package number has.
func (s *sealedFile) length(number int64) int64 { return min(packageSize, s.size-number*packageSize) }

// ReadAt implements io.ReaderAt.
func (s *sealedFile) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		if off >= s.size {
			return n, io.EOF
		}
		number, from := off/packageSize, off%packageSize
		var m int
		if length := s.length(number); from == 0 && int64(len(p)-n) >= length {
			_, err = s.decrypt(p[n:n], number) // straight to where it is wanted
			m = int(length)
		} else if err = s.load(number); err == nil {
			m = copy(p[n:], s.plain[from:])
		}
		if err != nil {
			return n, err
		}
		n += m
		off += int64(m)
	}
	return n, nil
}

// writeTo writes n bytes of the plaintext from off, a package at a time and without a copy.
func (s *sealedFile) writeTo(w io.Writer, off, n int64) (written int64, err error) {
	for written < n {
		if off >= s.size {
			return written, io.ErrUnexpectedEOF
		}
		if err := s.load(off / packageSize); err != nil {
			return written, err
		}
		p := s.plain[off%packageSize:]
		m, err := w.Write(p[:min(int64(len(p)), n-written)])
		written += int64(m)
		off += int64(m)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// load makes package number the current one.
func (s *sealedFile) load(number int64) error {
	if s.at == number && s.plain != nil {
		return nil
	}
	plain, err := s.decrypt(nil, number)
	s.at, s.plain = number, plain
	return err
}

// decrypt appends package number's plaintext to dst, or, if dst is nil, leaves it in buf. What buf held is gone.
func (s *sealedFile) decrypt(dst []byte, number int64) ([]byte, error) {
	if s.buf == nil {
		s.buf = buffers.Get().(*packageBuffer)
	}
	s.plain = nil
	p := s.buf[:s.length(number)+tagSize]
	if _, err := s.f.ReadAt(p, number*(packageSize+tagSize)); err == io.EOF {
		return nil, io.ErrUnexpectedEOF // the file was as long as it should be when it was opened: somebody cut it
	} else if err != nil {
		return nil, err
	}
	if dst == nil {
		dst = p[:0]
	}
	plain, err := s.aead.Open(dst, nonce(number, number == s.size/packageSize), p, nil)
	if err != nil {
		return nil, fmt.Errorf("package %d of blob %s: %w", number, s.f.Name(), store.ErrCorrupt)
	}
	return plain, nil
}

// release gives the buffer back, and leaves the file open.
func (s *sealedFile) release() {
	if s.buf != nil {
		buffers.Put(s.buf)
		s.buf, s.plain = nil, nil
	}
}

// Close implements io.Closer.
func (s *sealedFile) Close() error {
	s.release()
	return s.f.Close()
}
