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
	buf   *packageBuffer // holds the package with the number at; nil before the first
	at    int64
	plain []byte // of that package, within buf
}

// newSealedFile reads f, which it owns from here on.
func newSealedFile(f *os.File, key []byte, size int64) (*sealedFile, error) {
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	return &sealedFile{f: f, aead: aead, size: size}, nil
}

// ReadAt implements io.ReaderAt.
func (s *sealedFile) ReadAt(p []byte, off int64) (n int, err error) {
	for n < len(p) {
		if off >= s.size {
			return n, io.EOF
		}
		if err := s.load(off / packageSize); err != nil {
			return n, err
		}
		m := copy(p[n:], s.plain[off%packageSize:])
		n += m
		off += int64(m)
	}
	return n, nil
}

// load makes package number the current one.
func (s *sealedFile) load(number int64) error {
	if s.buf == nil {
		s.buf = buffers.Get().(*packageBuffer)
	} else if s.at == number && s.plain != nil {
		return nil
	}
	s.plain = nil
	length := min(packageSize, s.size-number*packageSize)
	p := s.buf[:length+tagSize]
	if _, err := s.f.ReadAt(p, number*(packageSize+tagSize)); err == io.EOF {
		return io.ErrUnexpectedEOF // the file was as long as it should be when it was opened: somebody cut it
	} else if err != nil {
		return err
	}
	plain, err := s.aead.Open(p[:0], nonce(number, number == s.size/packageSize), p, nil)
	if err != nil {
		return fmt.Errorf("package %d of blob %s: %w", number, s.f.Name(), store.ErrCorrupt)
	}
	s.at, s.plain = number, plain
	return nil
}

// Close implements io.Closer.
func (s *sealedFile) Close() error {
	if s.buf != nil {
		buffers.Put(s.buf)
		s.buf, s.plain = nil, nil
	}
	return s.f.Close()
}
