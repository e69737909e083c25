package s3

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/store"
)

// maxLifecycleRules is the most rules of a lifecycle configuration. (S3 User Guide, "Lifecycle configuration elements".)
const maxLifecycleRules = 1000

// LifecycleRule says what of a bucket ends when. Days are at least 1; 0 means that the rule does not say it. Transitions to
// other storage classes do not exist: there is one. (S3 User Guide, "Lifecycle configuration elements".)
type LifecycleRule struct {
	ID      string
	Enabled bool

	// The filter: all of it must hold. Delete markers have no tags and no size, so a rule with such a filter leaves them.
	Prefix          string
	Tags            map[string]string
	SizeGreaterThan *int64 // bytes; nil: not said
	SizeLessThan    *int64 // bytes; nil: not said
	LegacyPrefix    bool   // Prefix stood in the rule itself, as before filters; only GetBucketLifecycleConfiguration cares

	ExpireDays      int       // the current object, so long after it was made
	ExpireDate      time.Time // the current object, from this day on; zero: not said
	ExpireMarkers   bool      // a delete marker that is alone of its key
	NoncurrentDays  int       // a version, so long after another came on top of it
	NewerNoncurrent int       // but for that many of the newest of those
	AbortDays       int       // an upload, so long after it was begun
}

// PutBucketLifecycle replaces the bucket's lifecycle rules. Rules without an ID get one. Expire acts on them.
func (s *Service) PutBucketLifecycle(ctx context.Context, c iam.Caller, bucket string, rules []LifecycleRule) error {
	return s.change(ctx, c, "s3:PutLifecycleConfiguration", bucket, func(b *Bucket) error {
		b.Lifecycle = rules
		return checkLifecycle(rules)
	})
}

// BucketLifecycle returns the rules, or NoSuchLifecycleConfiguration.
func (s *Service) BucketLifecycle(ctx context.Context, c iam.Caller, bucket string) ([]LifecycleRule, error) {
	b, err := s.configuration(ctx, c, "s3:GetLifecycleConfiguration", bucket)
	if err != nil {
		return nil, err
	}
	if len(b.Lifecycle) == 0 {
		return nil, fault.New("NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist").With("BucketName", bucket)
	}
	return b.Lifecycle, nil
}

// DeleteBucketLifecycle removes the rules.
func (s *Service) DeleteBucketLifecycle(ctx context.Context, c iam.Caller, bucket string) error {
	return s.change(ctx, c, "s3:PutLifecycleConfiguration", bucket, func(b *Bucket) error {
		b.Lifecycle = nil
		return nil
	})
}

func checkLifecycle(rules []LifecycleRule) error {
	if len(rules) == 0 || len(rules) > maxLifecycleRules {
		return malformedXML()
	}
	seen := map[string]bool{}
	for i := range rules {
		r := &rules[i]
		if r.ID == "" {
			var b [16]byte
			rand.Read(b[:])
			r.ID = hex.EncodeToString(b[:])
		}
		if len(r.ID) > 255 {
			return fault.New("InvalidArgument", "ID length should not exceed allowed limit of 255")
		}
		if seen[r.ID] {
			return fault.New("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule")
		}
		seen[r.ID] = true
		if err := r.check(); err != nil {
			return err
		}
	}
	return nil
}

func (r *LifecycleRule) check() error {
	narrow := len(r.Tags) > 0 || r.SizeGreaterThan != nil || r.SizeLessThan != nil
	switch {
	case r.ExpireDays == 0 && r.ExpireDate.IsZero() && !r.ExpireMarkers && r.NoncurrentDays == 0 && r.AbortDays == 0:
		return fault.New("InvalidRequest", "At least one action needs to be specified in a rule")
	case r.ExpireDays < 0:
		return fault.New("InvalidArgument", "'Days' for Expiration action must be a positive integer")
	case r.NoncurrentDays < 0:
		return fault.New("InvalidArgument", "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer")
	case r.AbortDays < 0:
		return fault.New("InvalidArgument", "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
	case r.ExpireDays > 0 && !r.ExpireDate.IsZero(), r.ExpireMarkers && (r.ExpireDays > 0 || !r.ExpireDate.IsZero()):
		return malformedXML() // an Expiration has one of the three
	case !r.ExpireDate.IsZero() && !r.ExpireDate.UTC().Truncate(24*time.Hour).Equal(r.ExpireDate):
		return fault.New("InvalidArgument", "'Date' must be at midnight GMT")
	case r.NewerNoncurrent < 0 || r.NewerNoncurrent > 100:
		return fault.New("InvalidArgument", "'NewerNoncurrentVersions' must be a positive integer that does not exceed 100")
	case r.NewerNoncurrent > 0 && r.NoncurrentDays == 0:
		return malformedXML()
	case narrow && r.AbortDays > 0:
		return fault.New("InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes.")
	case narrow && r.ExpireMarkers:
		return fault.New("InvalidRequest", "ExpiredObjectDeleteMarker cannot be specified with Tags or object sizes.")
	case r.SizeGreaterThan != nil && r.SizeLessThan != nil && *r.SizeLessThan <= *r.SizeGreaterThan+1:
		return fault.New("InvalidRequest", "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'")
	}
	return CheckTags(r.Tags, MaxObjectTags)
}

// covers reports whether the rule is for this version.
func (r *LifecycleRule) covers(info store.Info) bool {
	if !r.Enabled || !strings.HasPrefix(info.Key, r.Prefix) {
		return false
	}
	if info.DeleteMarker {
		return len(r.Tags) == 0 && r.SizeGreaterThan == nil && r.SizeLessThan == nil
	}
	for k, v := range r.Tags {
		if got, ok := info.Tags[k]; !ok || got != v {
			return false
		}
	}
	return (r.SizeGreaterThan == nil || info.Size > *r.SizeGreaterThan) && (r.SizeLessThan == nil || info.Size < *r.SizeLessThan)
}

// expires reports whether a current object or a lone marker that was made then ends by now.
func (r *LifecycleRule) expires(made, now time.Time) bool {
	return r.ExpireDays > 0 && !now.Before(due(made, r.ExpireDays)) || !r.ExpireDate.IsZero() && !now.Before(r.ExpireDate)
}

// due is the midnight, UTC, that follows days after t. (S3 User Guide, "Lifecycle rules based on an object's age": the
// time is rounded up to the next day's midnight.)
func due(t time.Time, days int) time.Time {
	return t.UTC().AddDate(0, 0, days).Truncate(24*time.Hour).AddDate(0, 0, 1)
}
