package disk

import (
	"errors"
	"fmt"
	"syscall"

	"go.etcd.io/bbolt"

	"glassine/store"
)

// maxBatch bounds the changes of one commit, and so the memory that a commit takes: a record has a few KB at most.
const maxBatch = 256

// change is one change on its way into the index.
type change struct {
	// apply makes the change within a transaction. It may be called more than once, each time in another transaction. It
	// returns a refusal when it changed nothing; any other error spoils the transaction.
	apply func(*txn) error
	done  chan error // takes the outcome; has room for it

	freed     []blobID // nothing refers to these any more, once done has nil
	published bool     // the index holds the change, or may do so
}

// refusal is the error of a change that cannot be made, and has changed nothing.
type refusal struct{ error }

func (r refusal) Unwrap() error { return r.error }

// errNothing is a refusal that is no error: there is nothing to change.
var errNothing = refusal{errors.New("nothing to commit")}

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

// commit makes the changes in order, in one transaction if that can be, and tells each its outcome.
func (c *committer) commit(batch []*change) {
	if c.failed != nil {
		for _, ch := range batch {
			ch.done <- c.failed
		}
		return
	}
	outcomes := make([]error, len(batch))
	id, spoiled := 0, -1
	err := c.index.db.Update(func(tx *bbolt.Tx) error {
		id = tx.ID()
		some := false
		for i, ch := range batch {
			t := &txn{tx: tx}
			err := ch.apply(t)
			ch.freed, ch.published = t.freed, err == nil
			var refused refusal
			if err != nil && !errors.As(err, &refused) {
				spoiled = i
				return err
			}
			if errors.Is(err, errNothing) {
				err = nil
			}
			outcomes[i] = err
			some = some || ch.published
		}
		if !some {
			return errNothing
		}
		return nil
	})
	switch {
	case err == nil || errors.Is(err, errNothing):
	case spoiled >= 0:
		c.commitWithout(batch, spoiled, err)
		return
	default:
		c.commitFailed(batch, outcomes, err, id)
	}
	for i, ch := range batch {
		ch.done <- outcomes[i]
	}
}

// commitWithout ends the change that spoiled the transaction, and makes the others in transactions of their own.
func (c *committer) commitWithout(batch []*change, spoiled int, err error) {
	for i, ch := range batch {
		if i != spoiled {
			c.commit([]*change{ch})
			continue
		}
		ch.freed, ch.published = nil, false
		ch.done <- err
	}
}

// commitFailed gives every change that was part of the failed transaction the error as its outcome. The commit may have
// reached the file before it failed: then the index may refer to what the changes published.
func (c *committer) commitFailed(batch []*change, outcomes []error, err error, id int) {
	if !isFull(err) {
		c.failed = fmt.Errorf("the index takes no changes until restart, since a commit failed: %w", err)
		err = c.failed
	}
	visible := true
	_ = c.index.db.View(func(tx *bbolt.Tx) error { // when it fails nobody knows
		visible = tx.ID() >= id
		return nil
	})
	for i, ch := range batch {
		ch.freed = nil
		if outcomes[i] == nil { // else it was refused, and is no part of it
			ch.published = visible
			outcomes[i] = err
		}
	}
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
