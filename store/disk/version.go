package disk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"

	"glassine/store"
)

// Delete implements store.Store.
func (s *Store) Delete(ctx context.Context, bucket, key string) error {
	_, err := s.DeleteVersion(ctx, bucket, key, store.DeleteOptions{})
	return err
}

// DeleteVersion implements store.Store.
func (s *Store) DeleteVersion(ctx context.Context, bucket, key string, opt store.DeleteOptions) (store.Deleted, error) {
	d, err := s.deleteVersion(ctx, bucket, key, opt)
	if err != nil {
		return store.Deleted{}, fmt.Errorf("delete object %s/%q: %w", bucket, key, fullError(err))
	}
	return d, nil
}

func (s *Store) deleteVersion(ctx context.Context, bucket, key string, opt store.DeleteOptions) (d store.Deleted, err error) {
	if err := s.enter(ctx); err != nil {
		return d, err
	}
	defer s.calls.Done()
	if err := store.CheckName(bucket, key); err != nil {
		return d, err
	}
	err = s.change(nil, func(t *txn) error {
		d = store.Deleted{}
		if opt.IfMatch != "" {
			f, err := t.object(bucket, key, opt.VersionID)
			if err != nil && !errors.Is(err, store.ErrNotFound) && !errors.As(err, new(*store.MarkerError)) {
				return err
			}
			if err := opt.Check(f.info.ETag); err != nil {
				return refusal{err}
			}
		}
		if opt.VersionID == "" && opt.Version != store.Unversioned {
			marker := record{info: store.Info{DeleteMarker: true}}
			if err := t.add(bucket, key, &marker, opt.Version); err != nil {
				return err
			}
			d = store.Deleted{VersionID: marker.info.VersionID, Marker: true}
			return nil
		}
		f, err := t.version(bucket, key, cmp.Or(opt.VersionID, store.NullVersion))
		if errors.Is(err, store.ErrNoVersion) {
			return errNothing
		}
		if err != nil {
			return err
		}
		d = store.Deleted{VersionID: f.info.VersionID, Marker: f.info.DeleteMarker}
		return t.remove(bucket, key, f)
	})
	return d, err
}

// SetTags implements store.Store.
func (s *Store) SetTags(ctx context.Context, bucket, key, versionID string, tags map[string]string) (store.Info, error) {
	info, err := s.setTags(ctx, bucket, key, versionID, tags)
	if err != nil {
		return store.Info{}, fmt.Errorf("tag object %s/%q: %w", bucket, key, fullError(err))
	}
	return info, nil
}

func (s *Store) setTags(ctx context.Context, bucket, key, versionID string, tags map[string]string) (info store.Info, err error) {
	if err := s.enter(ctx); err != nil {
		return info, err
	}
	defer s.calls.Done()
	if err := store.CheckName(bucket, key); err != nil {
		return info, err
	}
	tags = maps.Clone(tags)
	err = s.change(nil, func(t *txn) error {
		f, err := t.object(bucket, key, versionID)
		if err != nil {
			return refuseAbsent(err)
		}
		f.info.Tags = tags
		info = f.info
		v, err := f.encode()
		if err != nil {
			return err
		}
		if f.current {
			return t.put(objectsBucket, bucket, []byte(key), v)
		}
		return t.put(versionsBucket, bucket, versionKey(key, f.id), v)
	})
	info.Tags = maps.Clone(tags)
	return info, err
}

// refuseAbsent makes a refusal of an error that says that there is no such object or upload.
func refuseAbsent(err error) error {
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrNoUpload) || errors.As(err, new(*store.MarkerError)) {
		return refusal{err}
	}
	return err
}

// ListVersions implements store.Store.
func (s *Store) ListVersions(ctx context.Context, bucket string, opt store.EntryOptions) (page store.VersionPage, err error) {
	if err = usable(ctx, bucket, "any"); err == nil {
		err = s.index.view(func(t *txn) (err error) {
			page, err = store.ListEntries(newVersionCursor(t, bucket), opt)
			return err
		})
	}
	if err != nil {
		return store.VersionPage{}, fmt.Errorf("list versions of bucket %s: %w", bucket, err)
	}
	return page, nil
}
