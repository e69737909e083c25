// Package disk keeps objects in a local directory: the store.Store of one machine. Begin with Open.
//
// The directory holds one file per object under objects/ and index.db, a bbolt database of keys and metadata. A file's
// bytes are an object's body and nothing else, but its name says nothing: without the index the directory is of no use.
// Back both up together while the store is closed, or from one snapshot of the file system.
//
// A Put writes a new file, makes it durable, and publishes it by a commit of the index, which is durable before Put
// returns; only then does the file of the object that it replaced go. A file is never changed, so a reader that has one
// open is never disturbed. What a crash leaves behind, files that the index does not know, a background sweep removes
// after the next Open.
//
// The package trusts its disk: a body is not checked against its ETag when it is read.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"glassine/store"
)

// ErrLocked is returned by Open when another process, or this one, has the directory open.
var ErrLocked = errors.New("data directory is in use by another glassine (file locked)")

// Options adjusts a Store. Its zero value is what most want.
type Options struct {
	// Log takes what the background sweep has to say. nil drops it.
	Log *slog.Logger
}

// Store is a store.Store in a directory.
type Store struct {
	index     *index
	blobs     *blobs
	committer *committer
	log       *slog.Logger

	stopSweep  context.CancelFunc
	swept      chan struct{} // closed when the sweep has ended, or was not needed
	clean      bool          // nothing is left of the runs before; set before swept is closed
	leftBehind atomic.Bool   // a blob of this run could not be removed

	mu     sync.Mutex // guards closed, and calls.Add against calls.Wait
	closed bool
	calls  sync.WaitGroup // Puts and Deletes under way
}

var _ store.Store = (*Store)(nil)

// Open opens the store in dir, and makes the directory if need be. It returns ErrLocked when the store is open
// elsewhere for longer than a second.
func Open(dir string, opt Options) (*Store, error) {
	s, err := open(dir, opt, (*os.File).Sync)
	if err != nil {
		return nil, fmt.Errorf("open object store %s: %w", dir, err)
	}
	return s, nil
}

func open(dir string, opt Options, syncFile func(*os.File) error) (*Store, error) {
	b := &blobs{dir: filepath.Join(dir, "objects"), sync: syncFile}
	indexPath := filepath.Join(dir, "index.db")
	if err := create(dir, b, indexPath); err != nil {
		return nil, err
	}
	x, run, clean, err := openIndex(indexPath)
	if err != nil {
		return nil, err
	}
	b.run = run
	s := &Store{
		index:     x,
		blobs:     b,
		committer: &committer{index: x, changes: make(chan *change), done: make(chan struct{})},
		log:       opt.Log,
		swept:     make(chan struct{}),
		clean:     clean,
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	go s.committer.run()
	ctx, cancel := context.WithCancel(context.Background())
	s.stopSweep = cancel
	go func() {
		defer close(s.swept)
		if !s.clean {
			s.clean = s.sweep(ctx)
		}
	}()
	return s, nil
}

// create makes what is missing of an empty store in dir, its index last: an index says that all the rest is there.
func create(dir string, b *blobs, indexPath string) error {
	_, err := os.Stat(indexPath)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err != nil && !fresh {
		return err
	}
	if err := b.makeDir(b.dir); err != nil {
		return err
	}
	made, err := b.makeFanOut()
	if err != nil {
		return err
	}
	if made || fresh {
		if err := b.syncFanOut(); err != nil {
			return err
		}
	}
	if !fresh {
		return nil
	}
	// With a new index every blob would be an orphan, and the sweep would delete people's only copies.
	switch some, err := b.any(); {
	case err != nil:
		return err
	case some:
		return errors.New("index.db is missing, but objects/ holds files: put index.db back or move objects/ away")
	}
	if err := createIndex(indexPath); err != nil {
		return err
	}
	return b.syncDir(dir)
}

// Put implements store.Store.
func (s *Store) Put(ctx context.Context, bucket, key string, body io.Reader, opt store.PutOptions) (store.Info, error) {
	info, err := s.put(ctx, bucket, key, body, opt)
	if err != nil {
		return store.Info{}, fmt.Errorf("put object %s/%q: %w", bucket, key, fullError(err))
	}
	return info, nil
}

func (s *Store) put(ctx context.Context, bucket, key string, body io.Reader, opt store.PutOptions) (store.Info, error) {
	if err := s.enter(ctx); err != nil {
		return store.Info{}, err
	}
	defer s.calls.Done()
	if err := store.CheckName(bucket, key); err != nil {
		return store.Info{}, err
	}
	metadata := maps.Clone(opt.Metadata)
	b, err := s.blobs.write(ctx, body)
	if err != nil {
		return store.Info{}, err
	}
	ch := &change{bucket: bucket, key: key, put: true, opt: opt, rec: record{blob: b.id, info: store.Info{
		Size: b.size, ETag: b.etag, Headers: opt.Headers, Metadata: metadata,
	}}}
	err = s.committer.submit(ch)
	if !ch.published {
		s.remove(b.id)
	}
	if err != nil {
		return store.Info{}, err
	}
	if ch.hasOld {
		s.remove(ch.old)
	}
	info := ch.rec.info
	info.Key = key
	return info, nil
}

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, bucket, key string) error {
	err := s.delete(ctx, bucket, key)
	if err != nil {
		return fmt.Errorf("delete object %s/%q: %w", bucket, key, fullError(err))
	}
	return nil
}

func (s *Store) delete(ctx context.Context, bucket, key string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	if err := store.CheckName(bucket, key); err != nil {
		return err
	}
	ch := &change{bucket: bucket, key: key}
	if err := s.committer.submit(ch); err != nil {
		return err
	}
	if ch.hasOld {
		s.remove(ch.old)
	}
	return nil
}

// remove deletes a blob that the index does not refer to. What it cannot delete is left to the sweep of the next run.
func (s *Store) remove(id blobID) {
	if err := s.blobs.remove(id); err != nil {
		s.leftBehind.Store(true)
		s.log.LogAttrs(context.Background(), slog.LevelWarn, "a replaced object's file stays until the next start", slog.Any("error", err))
	}
}

// Get implements store.Store. The body is a *Body.
func (s *Store) Get(ctx context.Context, bucket, key string, opt store.GetOptions) (*store.Object, error) {
	o, err := s.get(ctx, bucket, key, opt)
	if err != nil {
		return nil, fmt.Errorf("get object %s/%q: %w", bucket, key, err)
	}
	return o, nil
}

func (s *Store) get(ctx context.Context, bucket, key string, opt store.GetOptions) (*store.Object, error) {
	r, err := s.find(ctx, bucket, key)
	if err != nil {
		return nil, err
	}
	return s.open(ctx, bucket, key, r, opt)
}

// open opens the object that the index had at key when r was looked up, or the one that has replaced it.
func (s *Store) open(ctx context.Context, bucket, key string, r record, opt store.GetOptions) (*store.Object, error) {
	for {
		offset, length, err := opt.Range.Resolve(r.info.Size)
		if err != nil {
			return nil, err
		}
		f, err := s.blobs.open(r.blob, r.info.Size)
		if err == nil {
			return &store.Object{
				Info: r.info, Offset: offset, Length: length,
				Body: &Body{f: f, off: offset, len: length},
			}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		// The object was replaced or deleted between the look-up and the open; the index knows by now.
		gone := r.blob
		if r, err = s.find(ctx, bucket, key); err != nil {
			return nil, err
		}
		if r.blob == gone {
			return nil, fmt.Errorf("blob %s is missing", s.blobs.path(gone))
		}
	}
}

// Head implements store.Store.
func (s *Store) Head(ctx context.Context, bucket, key string) (store.Info, error) {
	r, err := s.find(ctx, bucket, key)
	if err != nil {
		return store.Info{}, fmt.Errorf("head object %s/%q: %w", bucket, key, err)
	}
	return r.info, nil
}

// find returns the record at key, or store.ErrNotFound.
func (s *Store) find(ctx context.Context, bucket, key string) (record, error) {
	if err := ctx.Err(); err != nil {
		return record{}, err
	}
	if err := store.CheckName(bucket, key); err != nil {
		return record{}, err
	}
	return s.index.get(bucket, key)
}

// List implements store.Store.
func (s *Store) List(ctx context.Context, bucket string, opt store.ListOptions) (store.Page, error) {
	err := ctx.Err()
	if err == nil {
		err = store.CheckName(bucket, "any")
	}
	var page store.Page
	if err == nil {
		page, err = s.index.list(bucket, opt)
	}
	if err != nil {
		return store.Page{}, fmt.Errorf("list bucket %s: %w", bucket, err)
	}
	return page, nil
}

// Close implements store.Store. It waits for the Puts and Deletes under way; open bodies stay readable.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return store.ErrClosed
	}
	s.closed = true
	s.mu.Unlock()

	s.stopSweep()
	s.calls.Wait()
	close(s.committer.changes)
	<-s.committer.done
	<-s.swept
	var err error
	if s.clean && !s.leftBehind.Load() && s.committer.failed == nil {
		err = s.index.markClean()
	}
	return errors.Join(err, s.index.db.Close())
}

// enter counts a call that changes the store, or returns why there may be none. The caller calls s.calls.Done.
func (s *Store) enter(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	s.calls.Add(1)
	return nil
}
