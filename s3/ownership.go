package s3

import (
	"context"

	"glassine/aws/fault"
	"glassine/iam"
)

// BucketOwnerEnforced is the one ownership that there is: the bucket's owner owns its objects, and ACLs are off, as on
// every new bucket of AWS since April 2023. (S3 User Guide, "Controlling ownership of objects and disabling ACLs".)
const BucketOwnerEnforced = "BucketOwnerEnforced"

// CheckOwnership refuses any other ownership: NotImplemented where S3 has it, else MalformedXML.
func CheckOwnership(ownership string) error {
	switch ownership {
	case BucketOwnerEnforced:
		return nil
	case "BucketOwnerPreferred", "ObjectWriter":
		return fault.New("NotImplemented", "Object Ownership %s needs ACLs, which are not supported; BucketOwnerEnforced is.", ownership)
	}
	return malformedXML()
}

// PutBucketOwnershipControls sets the ownership, which must be BucketOwnerEnforced.
func (s *Service) PutBucketOwnershipControls(ctx context.Context, c iam.Caller, bucket, ownership string) error {
	return s.change(ctx, c, "s3:PutBucketOwnershipControls", bucket, func(b *Bucket) error {
		b.NoOwnership = false
		return CheckOwnership(ownership)
	})
}

// BucketOwnershipControls returns BucketOwnerEnforced, or OwnershipControlsNotFoundError.
func (s *Service) BucketOwnershipControls(ctx context.Context, c iam.Caller, bucket string) (string, error) {
	b, err := s.configuration(ctx, c, "s3:GetBucketOwnershipControls", bucket)
	if err != nil {
		return "", err
	}
	if b.NoOwnership {
		return "", fault.New("OwnershipControlsNotFoundError", "The bucket ownership controls were not found").WithStatus(404).With("BucketName", bucket)
	}
	return BucketOwnerEnforced, nil
}

// DeleteBucketOwnershipControls removes the setting. ACLs stay off (docs/aws-differences.md).
func (s *Service) DeleteBucketOwnershipControls(ctx context.Context, c iam.Caller, bucket string) error {
	return s.change(ctx, c, "s3:PutBucketOwnershipControls", bucket, func(b *Bucket) error {
		b.NoOwnership = true
		return nil
	})
}

// BucketACL returns nil to whoever may read the bucket's ACL, which is the owner's full control, always.
func (s *Service) BucketACL(ctx context.Context, c iam.Caller, bucket string) error {
	_, err := s.configuration(ctx, c, "s3:GetBucketAcl", bucket)
	return err
}

// PutBucketACL refuses: ACLs are off.
func (s *Service) PutBucketACL(ctx context.Context, c iam.Caller, bucket string) error {
	if _, err := s.configuration(ctx, c, "s3:PutBucketAcl", bucket); err != nil {
		return err
	}
	return NoACLs()
}

// PutObjectACL refuses: ACLs are off.
func (s *Service) PutObjectACL(ctx context.Context, c iam.Caller, t Target, key, versionID string) error {
	if _, err := s.describe(ctx, c, []string{"s3:PutObjectAcl"}, t, key, versionID); err != nil {
		return err
	}
	return NoACLs()
}

// NoACLs is S3's refusal where ACLs are off.
func NoACLs() error {
	return fault.New("AccessControlListNotSupported", "The bucket does not allow ACLs")
}

// NeverSet answers who may do action, which reads a part of the bucket's configuration that is never set here.
func (s *Service) NeverSet(ctx context.Context, c iam.Caller, action, bucket string) error {
	_, err := s.configuration(ctx, c, action, bucket)
	return err
}
