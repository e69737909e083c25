package disk

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
	"path/filepath"

	"github.com/minio/crc64nvme"
	"go.etcd.io/bbolt"

	"glassine/store"
)

// ErrSnapshot is returned by Store.Snapshot while there is one already.
var ErrSnapshot = errors.New("there is a snapshot of the store already")

// Snapshot is the store as it was at one moment, to be copied while the store goes on. Until Close, no blob goes that the store
// had then: what is deleted meanwhile takes room until Close. It is for one goroutine.
type Snapshot struct {
	store *Store
	tx    *bbolt.Tx // of the moment; nil once WriteIndex is done with it
	index string    // where WriteIndex wrote it
	freed bool
}

// Snapshot takes the moment. Nothing is copied yet: the caller calls WriteIndex, then
// Blobs, and Close in any case. There is one at a time; another gets ErrSnapshot.
func (s *Store) Snapshot(ctx context.Context) (*Snapshot, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	if !s.blobs.keep() {
		s.calls.Done()
		return nil, ErrSnapshot
	}
	p := &Snapshot{store: s}
	tx, err := s.index.db.Begin(false)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("snapshot of the index: %w", err), p.Close())
	}
	p.tx = tx
	s.blobs.keepUntil(s.blobs.next.Load()) // what is made from here on, the moment does not have
	return p, nil
}

// WriteIndex writes the index of the moment to a new file at path, which is an index.db of a store.
func (p *Snapshot) WriteIndex(path string) error {
	err := copyIndex(p.tx, path)
	err = errors.Join(err, p.tx.Rollback())
	p.tx = nil
	if err != nil {
		return fmt.Errorf("copy the index: %w", err)
	}
	p.index = path
	return nil
}

func copyIndex(tx *bbolt.Tx, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = tx.WriteTo(f)
	return errors.Join(err, f.Close())
}

// Blob is a file of a Snapshot.
type Blob struct {
	// Name is relative to the store's directory, with slashes.
	Name string
	// Size of the file, bytes.
	Size int64
	// Body reads the file. The error at its end is store.ErrCorrupt when what was read is not what was stored.
	Body io.Reader
}

// Blobs calls f with every blob of the moment, after WriteIndex. lost is called with the name of one that is missing or has
// another length than it should. An error of f ends it.
func (p *Snapshot) Blobs(ctx context.Context, f func(Blob) error, lost func(name string, err error) error) error {
	db, err := bbolt.Open(p.index, 0o600, &bbolt.Options{Timeout: lockWait, ReadOnly: true})
	if err != nil {
		return fmt.Errorf("read the copy of the index: %w", err)
	}
	x := &index{db: db}
	err = x.steps(ctx, blobsBucket, nil, func(key, v []byte) error {
		id := decodeBlobID(key)
		rec, err := decodeBlob(v)
		if err != nil {
			return fmt.Errorf("blob %x: %w", key, err)
		}
		return p.blob(id, rec, f, lost)
	})
	return errors.Join(err, db.Close())
}

func (p *Snapshot) blob(id blobID, rec blobRecord, f func(Blob) error, lost func(string, error) error) error {
	path := p.store.blobs.path(id)
	name, err := filepath.Rel(filepath.Dir(p.store.blobs.dir), path)
	if err != nil {
		return err
	}
	name = filepath.ToSlash(name)
	file, err := p.store.blobs.open(id, rec)
	if err != nil {
		return lost(name, corrupt(err))
	}
	defer file.Close()
	return f(Blob{Name: name, Size: rec.fileSize(), Body: &summed{r: file, crc: crc64nvme.New(), want: rec.crc, name: name}})
}

// Close lets the blobs go that were deleted meanwhile.
func (p *Snapshot) Close() error {
	if p.freed {
		return nil
	}
	p.freed = true
	defer p.store.calls.Done()
	var err error
	if p.tx != nil {
		err = p.tx.Rollback()
	}
	freed := p.store.blobs.keepNoMore()
	for _, id := range freed {
		p.store.remove(id)
	}
	return err
}

// summed compares what is read through it with a checksum when it ends.
type summed struct {
	r    io.Reader
	crc  hash.Hash64
	want uint64
	name string
}

func (s *summed) Read(b []byte) (int, error) {
	n, err := s.r.Read(b)
	s.crc.Write(b[:n])
	if errors.Is(err, io.EOF) && s.crc.Sum64() != s.want {
		err = fmt.Errorf("%s has the checksum %016x, the index says %016x: %w", s.name, s.crc.Sum64(), s.want, store.ErrCorrupt)
	}
	return n, err
}

// keep begins to hold every blob that there is, and reports false when somebody does so already.
func (b *blobs) keep() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept != nil {
		return false
	}
	b.kept, b.keptUntil = make(map[blobID]bool), math.MaxUint64
	return true
}

// keepUntil says that blobs of this run with later sequence numbers need not be held.
func (b *blobs) keepUntil(seq uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keptUntil = seq
}

// keepNoMore undoes keep, and returns the blobs that were to be removed meanwhile.
func (b *blobs) keepNoMore() []blobID {
	b.mu.Lock()
	defer b.mu.Unlock()
	ids := make([]blobID, 0, len(b.kept))
	for id := range b.kept {
		ids = append(ids, id)
	}
	b.kept = nil
	return ids
}

// isKept reports whether a blob must stay for a snapshot, and notes it for later. The caller holds mu.
func (b *blobs) isKept(id blobID) bool {
	if b.kept == nil || id.run == b.run && id.seq > b.keptUntil {
		return false
	}
	b.kept[id] = true
	return true
}
