package s3

import (
	"context"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/store"
)

// How many tags there may be. (S3 User Guide, "Categorizing your objects using tags"; "Using cost allocation S3 bucket tags".)
const (
	MaxObjectTags = 10
	MaxBucketTags = 50
)

// CheckTags refuses more than most tags, and keys and values that S3 does not allow: InvalidTag, BadRequest.
func CheckTags(tags map[string]string, most int) error {
	if len(tags) > most {
		if most == MaxObjectTags {
			return fault.New("BadRequest", "Object tags cannot be greater than 10")
		}
		return fault.New("BadRequest", "Bucket tag count cannot be greater than %s", strconv.Itoa(most))
	}
	for k, v := range tags {
		switch {
		case k == "" || utf8.RuneCountInString(k) > 128 || !tagText(k):
			return fault.New("InvalidTag", "The TagKey you have provided is invalid").With("TagKey", k)
		case utf8.RuneCountInString(v) > 256 || !tagText(v):
			return fault.New("InvalidTag", "The TagValue you have provided is invalid").With("TagKey", k).With("TagValue", v)
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return fault.New("InvalidTag", "System tags cannot be added/updated by requester").With("TagKey", k)
		}
	}
	return nil
}

// tagText takes letters, digits and white space of any script, and + - = . _ : / @.
func tagText(s string) bool {
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsSpace(r) && !strings.ContainsRune("+-=._:/@", r) || r == utf8.RuneError {
			return false
		}
	}
	return true
}

// requestTags are the condition keys of tags that a request brings.
func requestTags(tags map[string]string) iam.Context {
	keys := iam.Context{}
	for k, v := range tags {
		keys["s3:requestobjecttag/"+strings.ToLower(k)] = []string{v}
		keys["s3:requestobjecttagkeys"] = append(keys["s3:requestobjecttagkeys"], k)
	}
	return keys
}

// ObjectTagging returns a version's Tags and VersionID.
func (s *Service) ObjectTagging(ctx context.Context, c iam.Caller, t Target, key, versionID string) (store.Info, error) {
	return s.describe(ctx, c, []string{"s3:GetObjectTagging"}, t, key, versionID)
}

// PutObjectTagging replaces a version's tags.
func (s *Service) PutObjectTagging(ctx context.Context, c iam.Caller, t Target, key, versionID string, tags map[string]string) (store.Info, error) {
	return s.setTags(ctx, c, "s3:PutObjectTagging", t, key, versionID, tags)
}

// DeleteObjectTagging removes a version's tags.
func (s *Service) DeleteObjectTagging(ctx context.Context, c iam.Caller, t Target, key, versionID string) (store.Info, error) {
	return s.setTags(ctx, c, "s3:DeleteObjectTagging", t, key, versionID, nil)
}

func (s *Service) setTags(ctx context.Context, c iam.Caller, action string, t Target, key, versionID string, tags map[string]string) (store.Info, error) {
	b, ap, err := s.locateVersion(c, t, key, versionID)
	if err != nil {
		return store.Info{}, err
	}
	info, failed := s.cfg.Store.HeadVersion(ctx, b.Name, key, versionID)
	keys := versionKeys(versionID, info.Tags)
	for name, values := range requestTags(tags) {
		keys[name] = values
	}
	if err := s.authorize(ctx, c, versioned(action, versionID), b, ap, key, keys); err != nil {
		return store.Info{}, err
	}
	if failed != nil {
		return store.Info{}, s.missing(ctx, c, b, ap, key, versionID, failed)
	}
	if err := CheckTags(tags, MaxObjectTags); err != nil {
		return store.Info{}, err
	}
	// The version that was decided about, should another have come on top of it.
	info, err = s.cfg.Store.SetTags(ctx, b.Name, key, info.VersionID, tags)
	if err != nil {
		return store.Info{}, s.missing(ctx, c, b, ap, key, versionID, err)
	}
	return b.shown(info), nil
}

// PutBucketTagging replaces the bucket's tags.
func (s *Service) PutBucketTagging(ctx context.Context, c iam.Caller, bucket string, tags map[string]string) error {
	return s.change(ctx, c, "s3:PutBucketTagging", bucket, func(b *Bucket) error {
		if tags == nil {
			tags = map[string]string{}
		}
		b.Tags = tags
		return CheckTags(tags, MaxBucketTags)
	})
}

// BucketTagging returns the bucket's tags, or NoSuchTagSet.
func (s *Service) BucketTagging(ctx context.Context, c iam.Caller, bucket string) (map[string]string, error) {
	b, err := s.configuration(ctx, c, "s3:GetBucketTagging", bucket)
	if err != nil {
		return nil, err
	}
	if b.Tags == nil {
		return nil, fault.New("NoSuchTagSet", "The TagSet does not exist").With("BucketName", bucket)
	}
	return b.Tags, nil
}

// DeleteBucketTagging removes the bucket's tags.
func (s *Service) DeleteBucketTagging(ctx context.Context, c iam.Caller, bucket string) error {
	return s.change(ctx, c, "s3:PutBucketTagging", bucket, func(b *Bucket) error {
		b.Tags = nil
		return nil
	})
}
