// Package disk keeps objects in a local directory: the store.Store of one machine. Begin with Open.
//
// The directory holds files of bytes, the blobs, under objects/, and index.db, a bbolt database of keys and metadata. A
// blob is the body of an object or of a part, as it came or encrypted, and its name says nothing: without the index the
// directory is of no use. Back both up together while the store is closed, or from one snapshot of the file system.
//
// A Put writes a new blob, makes it durable, and publishes it by a commit of the index, which is durable before Put
// returns; only then does the blob of the object that it replaced go. A blob is never changed, so a reader that has one
// open is never disturbed; copies share one, and the index counts them. A multipart object is a list of its parts' blobs.
// What a crash leaves behind, blobs that the index does not know, a background sweep removes after the next Open.
//
// A body is not checked when it is read, unless it is encrypted: a plain file may go out by sendfile(2), unseen by the
// process. Verify, Scrub and Fsck read blobs against their checksums.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
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
	// Log takes what the background sweep and the scrub have to say. nil drops it.
	Log *slog.Logger
	// Keys are the master keys that data keys are encrypted under; without one, nothing is encrypted and nothing encrypted
	// can be read. The first is used for new objects. Keep them elsewhere than the directory.
	Keys [][32]byte
	// Scrub reads all blobs in the background, now and then; its zero value does not.
	Scrub ScrubOptions
}

// Store is a store.Store in a directory.
type Store struct {
	index     *index
	blobs     *blobs
	committer *committer
	log       *slog.Logger

	stop       context.CancelFunc // of sweep and scrub
	swept      chan struct{}      // closed when the sweep has ended, or was not needed
	background sync.WaitGroup     // sweep and scrub
	clean      bool               // nothing is left of the runs before; set before swept is closed
	leftBehind atomic.Bool        // a blob of this run could not be removed

	mu     sync.Mutex // guards closed, and calls.Add against calls.Wait
	closed bool
	calls  sync.WaitGroup // that change something, under way
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
	keys, err := newKeys(opt.Keys)
	if err != nil {
		return nil, err
	}
	b := &blobs{
		dir: filepath.Join(dir, "objects"), sync: syncFile, keys: keys,
		held: make(map[blobID]int), doomed: make(map[blobID]bool),
	}
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
	s.stop = cancel
	s.background.Go(func() {
		defer close(s.swept)
		if !s.clean {
			s.clean = s.sweep(ctx)
		}
	})
	if opt.Scrub.Every > 0 {
		s.background.Go(func() { s.scrubForever(ctx, opt.Scrub) })
	}
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

// Close implements store.Store. It waits for the changes under way; open bodies stay readable, those of multipart objects
// until the store is opened again.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return store.ErrClosed
	}
	s.closed = true
	s.mu.Unlock()

	s.stop()
	s.calls.Wait()
	close(s.committer.changes)
	<-s.committer.done
	s.background.Wait()
	var err error
	if s.clean && !s.leftBehind.Load() && !s.blobs.anyDoomed() && s.committer.failed == nil {
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
