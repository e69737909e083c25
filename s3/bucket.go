package s3

import (
	"context"
	"errors"
	"strings"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/store"
)

// CreateBucket makes an empty, private bucket with all of Block Public Access on, as AWS has done since April 2023. An
// empty region means the service's own.
func (s *Service) CreateBucket(ctx context.Context, c iam.Caller, name, region string) (Bucket, error) {
	return s.CreateTaggedBucket(ctx, c, name, region, nil)
}

// CreateTaggedBucket is CreateBucket with tags on the bucket from its first moment, for whoever may also do s3:TagResource
// if there are any. (S3 API Reference, CreateBucket, "Permissions".)
func (s *Service) CreateTaggedBucket(ctx context.Context, c iam.Caller, name, region string, tags map[string]string) (Bucket, error) {
	if err := s.ask(ctx, c, "s3:CreateBucket", BucketARN(name)); err != nil {
		return Bucket{}, err
	}
	if len(tags) > 0 {
		if err := s.ask(ctx, c, "s3:TagResource", BucketARN(name)); err != nil {
			return Bucket{}, err
		}
	}
	if err := CheckTags(tags, MaxBucketTags); err != nil {
		return Bucket{}, err
	}
	if !validBucketName(name) {
		return Bucket{}, fault.New("InvalidBucketName", "The specified bucket is not valid.").With("BucketName", name)
	}
	switch region {
	case "":
		region = s.cfg.Region
	case "EU":
		region = "eu-west-1" // its old name: S3 API Reference, CreateBucket, LocationConstraint
	}
	if !validRegion(region) {
		return Bucket{}, fault.New("InvalidLocationConstraint", "The specified location-constraint is not valid").With("LocationConstraint", region)
	}
	block, encryption := BlockAll, s.defaultEncryption()
	return s.buckets.Update(ctx, name, func(old Bucket, exists bool) (Bucket, error) {
		if exists {
			return old, fault.New("BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.").With("BucketName", name)
		}
		return Bucket{Name: name, Region: region, Created: s.cfg.Now().UTC(), Block: &block, Encryption: encryption, Tags: tags}, nil
	})
}

// DeleteBucket removes an empty bucket that has no access points, and drops the multipart uploads that are under way in it.
func (s *Service) DeleteBucket(ctx context.Context, c iam.Caller, name string) error {
	if err := s.askBucket(ctx, c, "s3:DeleteBucket", name); err != nil {
		return err
	}
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	return s.buckets.Delete(ctx, name, func(b Bucket, exists bool) error {
		if !exists {
			return noSuchBucket(name)
		}
		for _, ap := range s.accessPoints.All() {
			if ap.Bucket == name {
				return fault.New("BucketHasAccessPointsAttached", "The bucket you tried to delete has access points attached").With("BucketName", name)
			}
		}
		if b.Place != "" {
			return s.removable(b)
		}
		page, err := s.cfg.Store.ListVersions(ctx, name, store.EntryOptions{Max: 1})
		if err != nil {
			return err
		}
		if len(page.Entries) > 0 {
			message := "The bucket you tried to delete is not empty"
			if b.Versioning != "" {
				message += ". You must delete all versions in the bucket."
			}
			return fault.New("BucketNotEmpty", "%s", message).With("BucketName", name)
		}
		return s.abortAll(ctx, name)
	})
}

// abortAll drops the bucket's uploads: nothing may wait for the next bucket of that name.
func (s *Service) abortAll(ctx context.Context, bucket string) error {
	for {
		page, err := s.cfg.Store.ListUploads(ctx, bucket, store.EntryOptions{})
		if err != nil || len(page.Entries) == 0 {
			return err
		}
		for _, up := range page.Entries {
			err := s.cfg.Store.AbortUpload(ctx, store.UploadID{Bucket: bucket, Key: up.Key, ID: up.ID})
			if err != nil && !errors.Is(err, store.ErrNoUpload) {
				return err
			}
		}
	}
}

// HeadBucket returns the bucket's configuration to whoever may list it.
func (s *Service) HeadBucket(ctx context.Context, c iam.Caller, t Target) (Bucket, error) {
	b, ap, err := s.resolve(c, t)
	if err != nil {
		return Bucket{}, err
	}
	return b, s.authorize(ctx, c, "s3:ListBucket", b, ap, "", nil)
}

// Buckets lists the account's buckets by name.
func (s *Service) Buckets(ctx context.Context, c iam.Caller) ([]Bucket, error) {
	if err := s.ask(ctx, c, "s3:ListAllMyBuckets", "*"); err != nil {
		return nil, err
	}
	return s.buckets.All(), nil
}

// PutPublicAccessBlock sets the bucket's four flags.
func (s *Service) PutPublicAccessBlock(ctx context.Context, c iam.Caller, bucket string, block PublicAccessBlock) error {
	return s.change(ctx, c, "s3:PutBucketPublicAccessBlock", bucket, func(b *Bucket) error {
		b.Block = &block
		return nil
	})
}

// DeletePublicAccessBlock removes the four flags.
func (s *Service) DeletePublicAccessBlock(ctx context.Context, c iam.Caller, bucket string) error {
	return s.change(ctx, c, "s3:PutBucketPublicAccessBlock", bucket, func(b *Bucket) error {
		b.Block = nil
		return nil
	})
}

// GetPublicAccessBlock returns the bucket's four flags, or NoSuchPublicAccessBlockConfiguration.
func (s *Service) GetPublicAccessBlock(ctx context.Context, c iam.Caller, bucket string) (PublicAccessBlock, error) {
	if err := s.askBucket(ctx, c, "s3:GetBucketPublicAccessBlock", bucket); err != nil {
		return PublicAccessBlock{}, err
	}
	b, ok := s.buckets.Get(bucket)
	switch {
	case !ok:
		return PublicAccessBlock{}, noSuchBucket(bucket)
	case b.Block == nil:
		return PublicAccessBlock{}, fault.New("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found").With("BucketName", bucket)
	}
	return *b.Block, nil
}

// PutBucketPolicy replaces the bucket's policy.
func (s *Service) PutBucketPolicy(ctx context.Context, c iam.Caller, bucket, doc string) error {
	const action = "s3:PutBucketPolicy"
	return s.change(ctx, c, action, bucket, func(b *Bucket) error {
		resource := BucketARN(bucket)
		owns := func(r string) bool { return r == resource || strings.HasPrefix(r, resource+"/") }
		ids, err := s.CheckPolicy(ctx, c, doc, action, resource, s.inForce(*b).BlockPublicPolicy, owns)
		if err != nil {
			return err
		}
		b.Policy, b.PolicyIDs = doc, ids
		return nil
	})
}

// GetBucketPolicy returns the policy's text, or NoSuchBucketPolicy. Who is gone stands in it by its id.
func (s *Service) GetBucketPolicy(ctx context.Context, c iam.Caller, bucket string) (string, error) {
	if err := s.askBucket(ctx, c, "s3:GetBucketPolicy", bucket); err != nil {
		return "", err
	}
	b, ok := s.buckets.Get(bucket)
	switch {
	case !ok:
		return "", noSuchBucket(bucket)
	case b.Policy == "":
		return "", fault.New("NoSuchBucketPolicy", "The bucket policy does not exist").With("BucketName", bucket)
	}
	return s.cfg.IAM.Shown(b.Policy, b.PolicyIDs), nil
}

// DeleteBucketPolicy removes the policy, if there is one.
func (s *Service) DeleteBucketPolicy(ctx context.Context, c iam.Caller, bucket string) error {
	return s.change(ctx, c, "s3:DeleteBucketPolicy", bucket, func(b *Bucket) error {
		b.Policy, b.PolicyIDs = "", nil
		return nil
	})
}

// change asks whether c may, and writes what edit makes of the bucket.
func (s *Service) change(ctx context.Context, c iam.Caller, action, bucket string, edit func(*Bucket) error) error {
	if err := s.askBucket(ctx, c, action, bucket); err != nil {
		return err
	}
	_, err := s.buckets.Update(ctx, bucket, func(b Bucket, exists bool) (Bucket, error) {
		if !exists {
			return b, noSuchBucket(bucket)
		}
		return b, edit(&b)
	})
	return err
}

// configuration returns the bucket to whoever may do action, which reads a part of its configuration.
func (s *Service) configuration(ctx context.Context, c iam.Caller, action, bucket string) (Bucket, error) {
	if err := s.askBucket(ctx, c, action, bucket); err != nil {
		return Bucket{}, err
	}
	b, ok := s.buckets.Get(bucket)
	if !ok {
		return b, noSuchBucket(bucket)
	}
	return b, nil
}

// BucketPolicyIsPublic reports whether the bucket's policy is public, or NoSuchBucketPolicy.
// (S3 API Reference, GetBucketPolicyStatus.)
func (s *Service) BucketPolicyIsPublic(ctx context.Context, c iam.Caller, bucket string) (bool, error) {
	b, err := s.configuration(ctx, c, "s3:GetBucketPolicyStatus", bucket)
	if err != nil {
		return false, err
	}
	if b.Policy == "" {
		return false, fault.New("NoSuchBucketPolicy", "The bucket policy does not exist").With("BucketName", bucket)
	}
	p, err := iam.Parse([]byte(b.Policy), iam.ResourcePolicy)
	if err != nil {
		return false, err
	}
	return p.Public(), nil
}

// ask decides about something that has no resource policy.
func (s *Service) ask(ctx context.Context, c iam.Caller, action, resource string) error {
	return s.decide(ctx, c, action, guarded{resource: resource}, nil)
}

// askBucket decides about the bucket's own configuration; an absent bucket is decided by identity policies alone. The
// account's root may read, replace and delete the bucket policy whatever that policy says, or a Deny in it could lock
// everybody out for good. (S3 API Reference, PutBucketPolicy, GetBucketPolicy, DeleteBucketPolicy.)
func (s *Service) askBucket(ctx context.Context, c iam.Caller, action, bucket string) error {
	b, ok := s.buckets.Get(bucket)
	switch action {
	case "s3:GetBucketPolicy", "s3:PutBucketPolicy", "s3:DeleteBucketPolicy":
		ok = ok && c.Principal.Kind != iam.Root
	}
	if !ok {
		return s.ask(ctx, c, action, BucketARN(bucket))
	}
	return s.authorize(ctx, c, action, b, nil, "", nil)
}
