// Package directory serves a directory of files as objects, for reading alone: a store.Store whose every bucket is that
// directory. A file's key is its path below the directory, with slashes.
//
// Regular files are objects, all of them and as they are; symbolic links are not, nor is what lies behind one, so nothing
// outside the directory is ever read. Whoever changes the files meanwhile should put new ones in place by renaming: a file
// that is written to while it is read breaks off.
//
// Begin with Open.
package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"os"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"

	"glassine/store"
)

// Store is a store.Store over a directory. What would change something is refused with store.ErrReadOnly. Safe for many
// goroutines.
type Store struct {
	root *os.Root

	mu     sync.Mutex // guards what follows
	closed bool
}

var (
	_ store.Store            = (*Store)(nil)
	_ store.VersioningSetter = (*Store)(nil)
)

// Open returns the store of a directory.
func Open(dir string) (*Store, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("open directory of objects: %w", err)
	}
	return &Store{root: root}, nil
}

// Close implements store.Store. Bodies that are open stay so.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.closed = true
	return s.root.Close()
}

// begin is the beginning of every method.
func (s *Store) begin(ctx context.Context, bucket, key string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return store.CheckName(bucket, key)
}

// Head implements store.Store.
func (s *Store) Head(ctx context.Context, bucket, key string) (store.Info, error) {
	return s.HeadVersion(ctx, bucket, key, "")
}

// HeadVersion implements store.Store. A file has the version store.NullVersion alone.
func (s *Store) HeadVersion(ctx context.Context, bucket, key, versionID string) (store.Info, error) {
	st, err := s.stat(ctx, bucket, key, versionID)
	if err != nil {
		return store.Info{}, fmt.Errorf("head object %s/%q: %w", bucket, key, err)
	}
	return describe(key, st), nil
}

// stat finds the regular file of a key, without going through a link.
func (s *Store) stat(ctx context.Context, bucket, key, versionID string) (fs.FileInfo, error) {
	if err := s.begin(ctx, bucket, key); err != nil {
		return nil, err
	}
	if versionID != "" && versionID != store.NullVersion {
		return nil, store.ErrNoVersion
	}
	missing := store.ErrNotFound
	if versionID != "" {
		missing = store.ErrNoVersion
	}
	if !isPath(key) {
		return nil, missing
	}
	for i := range len(key) {
		if key[i] == '/' {
			st, err := s.root.Lstat(key[:i])
			if err := absent(err, missing); err != nil {
				return nil, err
			}
			if !st.IsDir() {
				return nil, missing
			}
		}
	}
	st, err := s.root.Lstat(key)
	if err := absent(err, missing); err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, missing
	}
	return st, nil
}

// isPath reports whether a key can be the path of a file: "a//b", "a/../b", "./a" and "a/" name other objects than "a/b" and
// "a", or none, and the file system must not be asked.
func isPath(key string) bool {
	if strings.IndexByte(key, 0) >= 0 {
		return false
	}
	for element := range strings.SplitSeq(key, "/") {
		if element == "" || element == "." || element == ".." {
			return false
		}
	}
	return true
}

// absent is missing when err says that there is no such file.
func absent(err, missing error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || errors.Is(err, syscall.ENAMETOOLONG) || errors.Is(err, syscall.ELOOP) {
		return missing
	}
	return err
}

// describe is what is known of a file's object.
func describe(key string, st fs.FileInfo) store.Info {
	return store.Info{
		Key: key, Size: st.Size(), ETag: etag(st), Modified: st.ModTime().UTC().Truncate(time.Second),
		Headers: store.Headers{ContentType: mime.TypeByExtension(path.Ext(key))}, VersionID: store.NullVersion,
	}
}

// etag is made of what the file system says of a file: inode, size and the times, to the nanosecond, of the last change of
// its bytes and of anything. The last one nobody can set, so whatever changes a file changes its ETag; and so does what only
// touches it. Hashing the bytes would cost a listing the reading of all of them. The letter behind the dash keeps clients
// from taking it for an MD5.
func etag(st fs.FileInfo) string {
	text := fmt.Sprint(st.Size(), " ", st.ModTime().UnixNano())
	if sys, ok := st.Sys().(*syscall.Stat_t); ok {
		text += fmt.Sprint(" ", sys.Dev, " ", sys.Ino, " ", changed(sys))
	}
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16]) + "-f"
}

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, bucket, key string, opt store.GetOptions) (*store.Object, error) {
	o, err := s.get(ctx, bucket, key, opt)
	if err != nil {
		return nil, fmt.Errorf("get object %s/%q: %w", bucket, key, err)
	}
	return o, nil
}

func (s *Store) get(ctx context.Context, bucket, key string, opt store.GetOptions) (*store.Object, error) {
	for range 10 {
		found, err := s.stat(ctx, bucket, key, opt.VersionID)
		if err != nil {
			return nil, err
		}
		// Should it have become a pipe meanwhile, nobody waits for a writer.
		f, err := s.root.OpenFile(key, os.O_RDONLY|syscall.O_NONBLOCK, 0)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		st, err := f.Stat()
		if err == nil && os.SameFile(found, st) { // else it was replaced, perhaps by a link
			var o *store.Object
			if o, err = open(key, f, st, opt.Range); err == nil {
				return o, nil
			}
		}
		f.Close()
		if err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: the file was replaced again and again while it was opened", store.ErrUnavailable)
}

func open(key string, f *os.File, st fs.FileInfo, r *store.Range) (*store.Object, error) {
	offset, length, err := r.Resolve(st.Size())
	if err != nil {
		return nil, err
	}
	return &store.Object{
		Info: describe(key, st), Offset: offset, Length: length,
		Body: &body{file: f, part: io.NewSectionReader(f, offset, length), left: length, etag: etag(st)},
	}, nil
}

// body reads a file. It gives its last byte only if the file is still the one that was opened, so that no mixture of an old
// and a new one ends as if it were whole.
type body struct {
	file *os.File
	part *io.SectionReader
	left int64
	etag string
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.part.Read(p)
	b.left -= int64(n)
	if err == io.EOF && b.left > 0 {
		return n, io.ErrUnexpectedEOF
	}
	if n > 0 && b.left == 0 {
		st, err := b.file.Stat()
		if err != nil {
			return 0, err
		}
		// A file that was replaced or deleted has no name any more, which changes it and not its bytes.
		if sys, ok := st.Sys().(*syscall.Stat_t); etag(st) != b.etag && !(ok && sys.Nlink == 0) {
			return 0, fmt.Errorf("%w: the file was changed while it was read", io.ErrUnexpectedEOF)
		}
	}
	return n, err
}

// Close implements io.Closer.
func (b *body) Close() error { return b.file.Close() }
