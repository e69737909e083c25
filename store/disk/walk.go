package disk

import (
	"bytes"
	"context"

	"go.etcd.io/bbolt"
)

// walkStep is the number of entries that are read in one transaction: the index cannot outgrow its map while one is open.
const walkStep = 1000

// steps calls f with the entries of a top-level bucket, or of the store's bucket of that name in it. It is many short
// reads, not one moment: f sees every entry that was there from the beginning to the end. k and v are f's during the call.
func (x *index) steps(ctx context.Context, top []byte, bucket []byte, f func(k, v []byte) error) error {
	var from []byte
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return err
		}
		more = false
		err := x.view(func(t *txn) error {
			b := t.tx.Bucket(top)
			if bucket != nil {
				b = b.Bucket(bucket)
			}
			if b == nil {
				return nil
			}
			return step(b.Cursor(), from, func(k, v []byte, last bool) error {
				if last {
					from, more = append(bytes.Clone(k), 0), true
				}
				return f(k, v)
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// step calls f with up to walkStep entries from from on; last is true with the last of so many.
func step(c *bbolt.Cursor, from []byte, f func(k, v []byte, last bool) error) error {
	n := 0
	for k, v := c.Seek(from); k != nil && n < walkStep; k, v = c.Next() {
		n++
		if err := f(k, v, n == walkStep); err != nil {
			return err
		}
	}
	return nil
}

// stepsInEvery is steps over every bucket of the store in a top-level bucket.
func (x *index) stepsInEvery(ctx context.Context, top []byte, f func(bucket string, k, v []byte) error) error {
	var buckets [][]byte // first all names: bbolt's reads must not be nested
	err := x.steps(ctx, top, nil, func(name, _ []byte) error {
		buckets = append(buckets, bytes.Clone(name))
		return nil
	})
	for _, bucket := range buckets {
		if err != nil {
			return err
		}
		err = x.steps(ctx, top, bucket, func(k, v []byte) error { return f(string(bucket), k, v) })
	}
	return err
}
