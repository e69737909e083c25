package remote

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

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
		return store.Deleted{}, fmt.Errorf("delete object %s/%q: %w", bucket, key, err)
	}
	return d, nil
}

func (s *Store) deleteVersion(ctx context.Context, bucket, key string, opt store.DeleteOptions) (store.Deleted, error) {
	remote, err := s.begin(ctx, bucket, key)
	if err != nil {
		return store.Deleted{}, err
	}
	id := opt.VersionID
	if id == "" {
		if err := s.ensureVersioning(ctx, remote, opt.Version); err != nil {
			return store.Deleted{}, err
		}
		is, err := s.versioningOf(ctx, remote)
		if err != nil {
			return store.Deleted{}, err
		}
		if opt.Version == store.Unversioned && is != store.Unversioned {
			id = store.NullVersion // a plain deletion would leave a marker
		}
	}
	if opt.IfMatch != "" && id != opt.VersionID {
		// S3 would look at the null version; the condition is on the current object.
		info, err := s.head(ctx, remote, key, "")
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return store.Deleted{}, err
		}
		if err := opt.Check(info.ETag); err != nil {
			return store.Deleted{}, err
		}
		opt.IfMatch = ""
	}
	out, err := s.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &remote, Key: &key, VersionId: optional(id), IfMatch: quoted(opt.IfMatch)}, conditional(opt.IfMatch, "")...)
	err = fault(ctx, err, id)
	switch {
	case err == nil:
	case errors.Is(err, store.ErrNotFound) && opt.IfMatch != "":
		return store.Deleted{}, fmt.Errorf("%w: %w", store.ErrPrecondition, err)
	case errors.Is(err, store.ErrNotFound):
		return store.Deleted{}, nil
	default:
		return store.Deleted{}, err
	}
	d := store.Deleted{VersionID: cmp.Or(opt.VersionID, aws.ToString(out.VersionId)), Marker: aws.ToBool(out.DeleteMarker)}
	if d.VersionID == "" {
		d.VersionID = store.NullVersion
	}
	return d, nil
}

// SetTags implements store.Store.
func (s *Store) SetTags(ctx context.Context, bucket, key, versionID string, tags map[string]string) (store.Info, error) {
	info, err := s.setTags(ctx, bucket, key, versionID, tags)
	if err != nil {
		return store.Info{}, fmt.Errorf("tag object %s/%q: %w", bucket, key, err)
	}
	return info, nil
}

func (s *Store) setTags(ctx context.Context, bucket, key, versionID string, tags map[string]string) (store.Info, error) {
	remote, err := s.begin(ctx, bucket, key)
	if err != nil {
		return store.Info{}, err
	}
	// Looked at first: services answer in several ways when there is nothing to tag. Its version is then the one meant.
	info, err := s.head(ctx, remote, key, versionID)
	if err != nil {
		return store.Info{}, err
	}
	if versionID == "" && info.VersionID != store.NullVersion {
		versionID = info.VersionID
	}
	if len(tags) == 0 {
		_, err = s.client.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: &remote, Key: &key, VersionId: optional(versionID)})
	} else {
		set := &types.Tagging{}
		for k, v := range tags {
			set.TagSet = append(set.TagSet, types.Tag{Key: &k, Value: &v})
		}
		_, err = s.client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: &remote, Key: &key, VersionId: optional(versionID), Tagging: set})
	}
	if err != nil {
		return store.Info{}, fault(ctx, err, versionID)
	}
	info.Tags, info.Parts = maps.Clone(tags), nil
	return info, nil
}
