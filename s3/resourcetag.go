package s3

import (
	"context"
	"maps"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
)

// TagResource adds tags to the bucket or access point of an ARN, or replaces their values. Errors: NoSuchBucket,
// NoSuchAccessPoint, InvalidRequest for an ARN of neither. (S3 Control API Reference, TagResource.)
func (s *Service) TagResource(ctx context.Context, c iam.Caller, resource string, tags map[string]string) error {
	return s.retag(ctx, c, "s3:TagResource", resource, func(all map[string]string) { maps.Copy(all, tags) })
}

// UntagResource removes tags by their keys. (S3 Control API Reference, UntagResource.)
func (s *Service) UntagResource(ctx context.Context, c iam.Caller, resource string, keys []string) error {
	return s.retag(ctx, c, "s3:UntagResource", resource, func(all map[string]string) {
		for _, k := range keys {
			delete(all, k)
		}
	})
}

// ListTagsForResource returns the tags. (S3 Control API Reference, ListTagsForResource.)
func (s *Service) ListTagsForResource(ctx context.Context, c iam.Caller, resource string) (map[string]string, error) {
	const action = "s3:ListTagsForResource"
	bucket, point, err := s.tagged(resource)
	switch {
	case err != nil:
		return nil, err
	case bucket != "":
		b, err := s.configuration(ctx, c, action, bucket)
		return b.Tags, err
	}
	if err := s.askAccessPoint(ctx, c, action, point); err != nil {
		return nil, err
	}
	ap, ok := s.accessPoints.Get(point)
	if !ok {
		return nil, NoSuchAccessPoint(point)
	}
	return ap.Tags, nil
}

// tagged returns the bucket or the access point that an ARN names.
func (s *Service) tagged(resource string) (bucket, point string, err error) {
	a, err := arn.Parse(resource)
	switch {
	case err != nil || a.Service != "s3":
	case a.Region == "" && a.Account == "":
		return a.Resource, "", nil
	case a.Name("accesspoint") != "":
		if ap, ok := s.accessPoints.Get(a.Name("accesspoint")); ok && ap.ARN() != resource {
			return "", "", NoSuchAccessPoint(a.Name("accesspoint"))
		}
		return "", a.Name("accesspoint"), nil
	}
	return "", "", fault.New("InvalidRequest", "%q is not the ARN of a bucket or an access point.", resource)
}

func (s *Service) retag(ctx context.Context, c iam.Caller, action, resource string, edit func(map[string]string)) error {
	bucket, point, err := s.tagged(resource)
	if err != nil {
		return err
	}
	edited := func(old map[string]string) (map[string]string, error) {
		all := map[string]string{}
		maps.Copy(all, old)
		edit(all)
		return all, CheckTags(all, MaxBucketTags)
	}
	if bucket != "" {
		return s.change(ctx, c, action, bucket, func(b *Bucket) (err error) {
			b.Tags, err = edited(b.Tags)
			return err
		})
	}
	return s.changeAccessPoint(ctx, c, action, point, func(ap *AccessPoint) (err error) {
		ap.Tags, err = edited(ap.Tags)
		return err
	})
}
