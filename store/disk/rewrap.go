package disk

import (
	"bytes"
	"context"
	"fmt"

	"glassine/store"
)

// stale reports whether a wrapped key is under another master key than the first.
func (k *keys) stale(w []byte) bool { return w != nil && !bytes.Equal(w[:8], k.ids[0][:]) }

// Rewrap puts every data key that is under another master key under the first, and returns how many there were. When it
// returns no error the other master keys are not needed any more. No blob is rewritten.
func (s *Store) Rewrap(ctx context.Context) (changed int, err error) {
	if s.blobs.keys == nil {
		return 0, fmt.Errorf("rewrap data keys: %w", store.ErrNoKey)
	}
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.calls.Done()
	var after blobID
	for {
		ids, recs, err := s.index.blobsAfter(after, maxBatch)
		if err != nil || len(ids) == 0 {
			return changed, err
		}
		after = ids[len(ids)-1]
		n, err := s.rewrap(ctx, ids, recs)
		changed += n
		if err != nil {
			return changed, fmt.Errorf("rewrap data keys: %w", err)
		}
	}
}

// rewrap rewraps the stale ones of some data keys in one change.
func (s *Store) rewrap(ctx context.Context, ids []blobID, recs []blobRecord) (changed int, err error) {
	wrapped := make(map[blobID][]byte)
	for i, id := range ids {
		if !s.blobs.keys.stale(recs[i].key) {
			continue
		}
		key, err := s.blobs.keys.unwrap(id, recs[i].key)
		if err != nil {
			return 0, err
		}
		wrapped[id] = s.blobs.keys.wrap(id, key)
	}
	if err := ctx.Err(); err != nil || len(wrapped) == 0 {
		return 0, err
	}
	err = s.change(nil, func(t *txn) error {
		changed = 0
		for id, key := range wrapped {
			if t.tx.Bucket(blobsBucket).Get(id.encode()) == nil { // deleted meanwhile
				continue
			}
			rec, err := t.blob(id)
			if err != nil {
				return err
			}
			rec.key = key
			if err := t.putBlob(id, rec); err != nil {
				return err
			}
			changed++
		}
		return nil
	})
	return changed, err
}
