package disk

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/minio/crc64nvme"

	"glassine/store"
)

// fanOut is the number of directories that blobs are spread over, by the low byte of their sequence number. They are
// made when the store is made, so that a Put never has to make a directory durable.
const fanOut = 256

// blobs is the folder of blob files. A file is written once, under its final name, and never changed.
type blobs struct {
	dir  string
	run  uint32        // of the blobs that are made now
	next atomic.Uint64 // sequence number of the next one, less one
	sync func(*os.File) error
	keys *keys // nil: nothing is encrypted

	mu     sync.Mutex      // guards what follows
	held   map[blobID]int  // how many open bodies may still open these
	doomed map[blobID]bool // of those held: to be removed when nobody holds them
	kept   map[blobID]bool // to be removed when the snapshot is closed; nil: there is none. See keep
	// keptUntil is the last sequence number of this run that a snapshot may have.
	keptUntil uint64
}

// buffers holds the *packageBuffer that bodies pass through: one for each Put that is reading its body, and two for each
// encrypted body that is being read.
var buffers = sync.Pool{New: func() any { return new(packageBuffer) }}

// makeDir makes a directory, and those above it, durably.
func (b *blobs) makeDir(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	above := filepath.Dir(dir)
	if err := b.makeDir(above); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return b.syncDir(above)
}

// makeFanOut makes the fan-out directories that are missing, and reports whether there were any.
func (b *blobs) makeFanOut() (made bool, err error) {
	for i := range fanOut {
		err := os.Mkdir(b.fanOutDir(byte(i)), 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return made, err
		}
		made = made || err == nil
	}
	return made, nil
}

// syncFanOut makes the fan-out directories durable.
func (b *blobs) syncFanOut() error {
	if err := b.syncDir(b.dir); err != nil {
		return err
	}
	for i := range fanOut {
		if err := b.syncDir(b.fanOutDir(byte(i))); err != nil {
			return err
		}
	}
	return nil
}

// any reports whether there is a file in a fan-out directory.
func (b *blobs) any() (bool, error) {
	for i := range fanOut {
		entries, err := os.ReadDir(b.fanOutDir(byte(i)))
		if err != nil || len(entries) > 0 {
			return len(entries) > 0, err
		}
	}
	return false, nil
}

func (b *blobs) fanOutDir(i byte) string {
	return filepath.Join(b.dir, fmt.Sprintf("%02x", i))
}

// path returns the file of a blob: its run in 8 hexadecimal digits and its sequence number in 16.
func (b *blobs) path(id blobID) string {
	return filepath.Join(b.fanOutDir(byte(id.seq)), fmt.Sprintf("%08x%016x", id.run, id.seq))
}

// parseBlobName returns the blob that a file name stands for, in the directory of that number.
func parseBlobName(name string, dir byte) (id blobID, ok bool) {
	if len(name) != 24 {
		return blobID{}, false
	}
	run, err1 := strconv.ParseUint(name[:8], 16, 32)
	seq, err2 := strconv.ParseUint(name[8:], 16, 64)
	if err1 != nil || err2 != nil || byte(seq) != dir {
		return blobID{}, false
	}
	return blobID{run: uint32(run), seq: seq}, true
}

// blob is a blob that was just written.
type blob struct {
	id       blobID
	rec      blobRecord // refs is 1
	etag     string     // hex MD5 of the plaintext
	checksum store.Checksum
}

// write copies body into a new blob and makes the blob durable: first its bytes, then its directory entry. On an error
// nothing is left of it.
func (b *blobs) write(ctx context.Context, body io.Reader, algorithm string, encrypt bool) (blob, error) {
	sum, err := store.NewHash(algorithm)
	if err != nil {
		return blob{}, err
	}
	if encrypt && b.keys == nil {
		return blob{}, store.ErrNoKey
	}
	f, id, err := b.create()
	if err != nil {
		return blob{}, err
	}
	w := &blobWriter{f: f, md5: md5.New(), sum: sum, crc: crc64nvme.New()}
	if encrypt {
		w.seal, w.key, err = b.keys.newSealer(id)
	}
	if err == nil {
		err = w.copy(ctx, body)
	}
	if err == nil {
		err = b.sync(f)
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = b.syncDir(filepath.Dir(f.Name()))
	}
	if err != nil {
		return blob{}, errors.Join(err, b.remove(id))
	}
	return blob{
		id: id, rec: blobRecord{refs: 1, size: w.size, crc: w.crc.Sum64(), key: w.key},
		etag: hex.EncodeToString(w.md5.Sum(nil)), checksum: store.SumOf(algorithm, sum),
	}, nil
}

// create makes the next blob's file. A name that is taken, as after an older index was put back, is passed over.
func (b *blobs) create() (*os.File, blobID, error) {
	for {
		id := blobID{run: b.run, seq: b.next.Add(1)}
		f, err := os.OpenFile(b.path(id), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		return f, id, err
	}
}

// blobWriter writes one blob's file.
type blobWriter struct {
	f        *os.File
	md5, sum hash.Hash   // of the plaintext
	crc      hash.Hash64 // of the file
	seal     *sealer     // nil: the file is the plaintext
	key      []byte      // of seal, wrapped
	size     int64       // of the plaintext
}

// copy copies body to the file.
func (w *blobWriter) copy(ctx context.Context, body io.Reader) error {
	buf := buffers.Get().(*packageBuffer)
	defer buffers.Put(buf)
	for {
		n, end, err := fill(ctx, body, buf[:packageSize])
		if err != nil {
			return err
		}
		w.md5.Write(buf[:n])
		w.sum.Write(buf[:n])
		w.size += int64(n)
		if n == packageSize {
			err = w.write(buf, n, false)
			n = 0
		}
		if err == nil && (end || n > 0) {
			err = w.write(buf, n, end)
		}
		if err != nil {
			return err
		}
		if end {
			return nil
		}
	}
}

// write writes the first n bytes of buf, encrypted in their place if need be.
func (w *blobWriter) write(buf *packageBuffer, n int, last bool) error {
	p := buf[:n]
	if w.seal != nil {
		p = w.seal.next(p, last)
	}
	w.crc.Write(p)
	_, err := w.f.Write(p)
	return err
}

// fill reads until buf is full or body ends. Unlike io.ReadFull it tells a body that ends from one that breaks off with
// io.ErrUnexpectedEOF, as net/http's does.
func fill(ctx context.Context, body io.Reader, buf []byte) (n int, end bool, err error) {
	for idle := 0; n < len(buf); idle++ {
		if err := ctx.Err(); err != nil {
			return n, false, err
		}
		more, err := body.Read(buf[n:])
		n += more
		if err == io.EOF {
			return n, true, nil
		}
		if err != nil {
			return n, false, err
		}
		if more > 0 {
			idle = 0
		}
		if idle == 100 {
			return n, false, io.ErrNoProgress
		}
	}
	return n, false, nil
}

// open opens a blob's file for reading.
func (b *blobs) open(id blobID, rec blobRecord) (*os.File, error) {
	f, err := openFile(b.path(id))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != rec.fileSize() {
		err = fmt.Errorf("blob %s has %d bytes, the index says %d: %w", f.Name(), info.Size(), rec.fileSize(), store.ErrCorrupt)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// openFile opens a regular file for reading as os.Open does, without trying whether epoll takes it, which it never does: that
// is four system calls in every GET.
func openFile(name string) (*os.File, error) {
	for {
		fd, err := syscall.Open(name, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: name, Err: err}
		}
		return os.NewFile(uintptr(fd), name), nil
	}
}

// remove deletes a blob, or sees to it that it is deleted when nobody holds it any more; one that is not there is no error.
func (b *blobs) remove(id blobID) error {
	b.mu.Lock()
	stays := b.isKept(id)
	if !stays && b.held[id] > 0 {
		b.doomed[id], stays = true, true
	}
	b.mu.Unlock()
	if stays {
		return nil
	}
	if err := os.Remove(b.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// hold keeps blobs from being removed until the same are given to letGo. Somebody may have decided to remove one a moment
// before: who holds blobs looks into the index once more.
func (b *blobs) hold(ids []blobID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		b.held[id]++
	}
}

// letGo undoes hold.
func (b *blobs) letGo(ids []blobID) error {
	var remove []blobID
	b.mu.Lock()
	for _, id := range ids {
		if b.held[id]--; b.held[id] > 0 {
			continue
		}
		delete(b.held, id)
		if b.doomed[id] {
			delete(b.doomed, id)
			remove = append(remove, id)
		}
	}
	b.mu.Unlock()
	var err error
	for _, id := range remove {
		err = errors.Join(err, b.remove(id))
	}
	return err
}

// anyDoomed reports whether there are blobs that wait for their readers to be removed.
func (b *blobs) anyDoomed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.doomed) > 0 || len(b.kept) > 0
}

// syncDir makes the entries of a directory durable.
func (b *blobs) syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(b.sync(d), d.Close())
}
