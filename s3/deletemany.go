package s3

import (
	"context"
	"sync"

	"glassine/iam"
	"glassine/store"
)

// ToDelete names one object of DeleteObjects.
type ToDelete struct {
	Key       string
	VersionID string // as in store.DeleteOptions
	IfMatch   string // as in store.DeleteOptions
}

// DeleteResult is what became of one of them; Err is nil or what DeleteObject would have returned.
type DeleteResult struct {
	store.Deleted
	Err error
}

// DeleteObjects deletes each object as DeleteObject does, deciding about each by itself. The results are in the order of
// the objects. The error says that the bucket was not found or that ctx ended.
func (s *Service) DeleteObjects(ctx context.Context, c iam.Caller, t Target, objects []ToDelete) ([]DeleteResult, error) {
	if _, _, err := s.resolve(c, t); err != nil {
		return nil, err
	}
	results := make([]DeleteResult, len(objects))
	var running sync.WaitGroup
	defer running.Wait()
	for i, o := range objects {
		select {
		case s.deletes <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		running.Go(func() {
			defer func() { <-s.deletes }()
			r := &results[i]
			r.Deleted, r.Err = s.DeleteObject(ctx, c, t, o.Key, store.DeleteOptions{VersionID: o.VersionID, IfMatch: o.IfMatch})
		})
	}
	running.Wait()
	return results, nil
}
