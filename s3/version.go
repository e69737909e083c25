package s3

import (
	"context"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/store"
)

// The versioning states of a bucket that had versions once. (S3 API Reference, PutBucketVersioning.)
const (
	VersioningEnabled   = "Enabled"
	VersioningSuspended = "Suspended"
)

// versioning is the bucket's state as the store has it.
func (b Bucket) versioning() store.Versioning {
	switch b.Versioning {
	case VersioningEnabled:
		return store.Versioned
	case VersioningSuspended:
		return store.Suspended
	}
	return store.Unversioned
}

// shown is info as the bucket's users see it: a bucket that never had versions shows no version ids.
func (b Bucket) shown(info store.Info) store.Info {
	if b.Versioning == "" {
		info.VersionID = ""
	}
	return info
}

// PutBucketVersioning turns versions on, or suspends them; a bucket that had versions never goes back to none.
func (s *Service) PutBucketVersioning(ctx context.Context, c iam.Caller, bucket, status string) error {
	const action = "s3:PutBucketVersioning"
	b, err := s.configuration(ctx, c, action, bucket)
	if err != nil {
		return err
	}
	if status != VersioningEnabled && status != VersioningSuspended {
		return malformedXML()
	}
	if err := s.setVersioning(ctx, b, status); err != nil {
		return err
	}
	return s.change(ctx, c, action, bucket, func(b *Bucket) error {
		b.Versioning = status
		return nil
	})
}

// BucketVersioning returns the state, "" where the bucket never had versions.
func (s *Service) BucketVersioning(ctx context.Context, c iam.Caller, bucket string) (string, error) {
	b, err := s.configuration(ctx, c, "s3:GetBucketVersioning", bucket)
	return b.Versioning, err
}

func malformedXML() *fault.Error {
	return fault.New("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}
