package disk

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"go.etcd.io/bbolt"

	"glassine/store"
)

// maxBatch bounds the changes of one commit, and so the memory that a commit takes: a record has a few KB at most.
const maxBatch = 256

// change is one publication or deletion on its way into the index.
type change struct {
	bucket, key string
	put         bool
	rec         record           // of a put; the committer sets info.Modified
	opt         store.PutOptions // of a put: its conditions
	done        chan error       // takes the outcome; has room for it

	old       blobID // the blob that is no longer needed, after the commit
	hasOld    bool
	published bool // the index refers to rec.blob, or may do so
}

// errNothing ends a transaction in which nothing changes.
var errNothing = errors.New("nothing to commit")

// committer is the one goroutine that changes the index. It commits whatever has queued up while it was busy in one
// transaction: a lone change waits for nobody, many share the two flushes of a commit. (bbolt's own Batch waits for
// company: 2 ms that a lone change would pay.)
type committer struct {
	index   *index
	changes chan *change
	done    chan struct{} // closed when run returns

	// failed is why the index takes no more changes. After a failed flush the kernel may call dirty pages clean that
	// never reached the disk, so no later flush can be believed until the file is opened again. Only run uses it.
	failed error
}

// run serves until changes is closed.
func (c *committer) run() {
	defer close(c.done)
	batch := make([]*change, 0, maxBatch)
	for first := range c.changes {
		batch = append(batch[:0], first)
		for more := true; more && len(batch) < maxBatch; {
			select {
			case ch, ok := <-c.changes:
				if more = ok; ok {
					batch = append(batch, ch)
				}
			default:
				more = false
			}
		}
		c.commit(batch)
		clear(batch)
	}
}

// submit hands a change to the committer and waits for its outcome: the change is durable when it is nil.
func (c *committer) submit(ch *change) error {
	ch.done = make(chan error, 1)
	c.changes <- ch
	return <-ch.done
}

// commit makes the changes in order in one transaction and tells each its outcome.
func (c *committer) commit(batch []*change) {
	if c.failed != nil {
		for _, ch := range batch {
			ch.done <- c.failed
		}
		return
	}
	outcomes := make([]error, len(batch))
	err := c.index.db.Update(func(tx *bbolt.Tx) error {
		changed := false
		objects := tx.Bucket(objectsBucket)
		for i, ch := range batch {
			did, refused, err := ch.apply(objects)
			if err != nil {
				return err
			}
			outcomes[i] = refused
			changed = changed || did
		}
		if !changed {
			return errNothing
		}
		return nil
	})
	if errors.Is(err, errNothing) {
		err = nil
	}
	if err != nil && !isFull(err) {
		c.failed = fmt.Errorf("the index takes no changes until restart, since a commit failed: %w", err)
		err = c.failed
	}
	for i, ch := range batch {
		if err != nil {
			ch.hasOld = false
			ch.published = c.index.mayRefer(ch)
			outcomes[i] = err
		}
		ch.done <- outcomes[i]
	}
}

// apply makes one change within a transaction. refused is the outcome of a change that cannot be made, and harms no
// other; err spoils the transaction.
func (ch *change) apply(objects *bbolt.Bucket) (did bool, refused, err error) {
	b := objects.Bucket([]byte(ch.bucket))
	var old []byte
	if b != nil {
		old = b.Get([]byte(ch.key))
	}
	if old != nil {
		if ch.old, err = recordBlob(old); err != nil {
			return false, err, nil
		}
	}
	if !ch.put {
		if old == nil {
			return false, nil, nil
		}
		ch.hasOld = true
		return true, nil, deleteKey(objects, b, ch)
	}

	current := ""
	if old != nil {
		r, err := decodeRecord(old)
		if err != nil {
			return false, err, nil
		}
		current = r.info.ETag
	}
	if refused := ch.opt.Check(current); refused != nil {
		return false, refused, nil
	}
	ch.rec.info.Modified = time.Now().UTC().Truncate(time.Second)
	v, err := ch.rec.encode()
	if err != nil {
		return false, err, nil
	}
	if b == nil {
		if b, err = objects.CreateBucket([]byte(ch.bucket)); err != nil {
			return false, nil, err
		}
	}
	ch.hasOld, ch.published = old != nil, true
	return true, nil, b.Put([]byte(ch.key), v)
}

// deleteKey deletes a key, and its bucket with the last one.
func deleteKey(objects, b *bbolt.Bucket, ch *change) error {
	if err := b.Delete([]byte(ch.key)); err != nil {
		return err
	}
	if k, _ := b.Cursor().First(); k != nil {
		return nil
	}
	return objects.DeleteBucket([]byte(ch.bucket))
}

// mayRefer reports whether the index may refer to the blob of a put whose commit failed. The commit may have reached
// the file before it failed.
func (x *index) mayRefer(ch *change) bool {
	if !ch.put {
		return false
	}
	r, err := x.get(ch.bucket, ch.key)
	if errors.Is(err, store.ErrNotFound) {
		return false
	}
	return err != nil || r.blob == ch.rec.blob
}

// isFull reports whether err says that the file system has no room, or that a quota is used up.
func isFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// fullError adds store.ErrFull to an error that means it.
func fullError(err error) error {
	if err != nil && isFull(err) {
		return fmt.Errorf("%w: %w", store.ErrFull, err)
	}
	return err
}
