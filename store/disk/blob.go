package disk

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
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
}

// buffers holds the *[64 << 10]byte that bodies pass through: one for each Put that is reading its body.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

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
	id   blobID
	size int64
	etag string // hex MD5
}

// write copies body into a new blob and makes the blob durable: first its bytes, then its directory entry. On an error
// nothing is left of it.
func (b *blobs) write(ctx context.Context, body io.Reader) (blob, error) {
	f, id, err := b.create()
	if err != nil {
		return blob{}, err
	}
	written, err := copyBody(ctx, f, body)
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
	written.id = id
	return written, nil
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

// copyBody copies body to f and returns its size and ETag.
func copyBody(ctx context.Context, f *os.File, body io.Reader) (blob, error) {
	buf := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buf)
	hash := md5.New()
	var size int64
	for {
		n, end, err := fill(ctx, body, buf[:])
		if err != nil {
			return blob{}, err
		}
		hash.Write(buf[:n])
		if _, err := f.Write(buf[:n]); err != nil {
			return blob{}, err
		}
		size += int64(n)
		if end {
			return blob{size: size, etag: hex.EncodeToString(hash.Sum(nil))}, nil
		}
	}
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

// open opens a blob of the given size for reading.
func (b *blobs) open(id blobID, size int64) (*os.File, error) {
	f, err := os.Open(b.path(id))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != size {
		err = fmt.Errorf("blob %s has %d bytes, the index says %d", f.Name(), info.Size(), size)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// remove deletes a blob; one that is not there is no error.
func (b *blobs) remove(id blobID) error {
	if err := os.Remove(b.path(id)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// syncDir makes the entries of a directory durable.
func (b *blobs) syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(b.sync(d), d.Close())
}
