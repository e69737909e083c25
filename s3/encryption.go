package s3

import (
	"context"

	"glassine/aws/fault"
	"glassine/iam"
)

// AES256 is server-side encryption under keys that the store keeps (SSE-S3), as S3 spells it.
const AES256 = "AES256"

// defaultEncryption is what a new bucket has. (S3 User Guide, "Setting default server-side encryption behavior": AES256 for
// every bucket since January 2023.)
func (s *Service) defaultEncryption() string {
	if s.cfg.Encrypts {
		return AES256
	}
	return ""
}

// encrypts decides whether an object in b is encrypted; asked says that its request wants it.
func (s *Service) encrypts(b Bucket, asked bool) (bool, error) {
	if asked && !s.cfg.Encrypts {
		return false, noMasterKey()
	}
	return asked || b.Encryption == AES256 && s.cfg.Encrypts, nil
}

func noMasterKey() error {
	return fault.New("NotImplemented", "Server-side encryption is not available: this installation's store has no master key.")
}

// PutBucketEncryption sets how objects are encrypted whose request says nothing about it. AES256 is all there is: AWS KMS
// is NotImplemented.
func (s *Service) PutBucketEncryption(ctx context.Context, c iam.Caller, bucket, algorithm string) error {
	return s.change(ctx, c, "s3:PutEncryptionConfiguration", bucket, func(b *Bucket) error {
		if err := CheckEncryption(algorithm); err != nil {
			return err
		}
		if !s.cfg.Encrypts {
			return noMasterKey()
		}
		b.Encryption = algorithm
		return nil
	})
}

// CheckEncryption refuses any algorithm but AES256: NotImplemented for AWS KMS, else InvalidArgument.
func CheckEncryption(algorithm string) error {
	switch algorithm {
	case AES256:
		return nil
	case "aws:kms", "aws:kms:dsse":
		return fault.New("NotImplemented", "Encryption with AWS KMS (%s) is not supported; AES256 is.", algorithm)
	}
	return fault.New("InvalidArgument", "The encryption method specified is not supported").With("ArgumentName", "x-amz-server-side-encryption").With("ArgumentValue", algorithm)
}

// BucketEncryption returns the algorithm, or ServerSideEncryptionConfigurationNotFoundError.
func (s *Service) BucketEncryption(ctx context.Context, c iam.Caller, bucket string) (string, error) {
	b, err := s.configuration(ctx, c, "s3:GetEncryptionConfiguration", bucket)
	if err != nil {
		return "", err
	}
	if b.Encryption == "" {
		return "", fault.New("ServerSideEncryptionConfigurationNotFoundError", "The server side encryption configuration was not found").WithStatus(404).With("BucketName", bucket)
	}
	return b.Encryption, nil
}

// DeleteBucketEncryption sets the default anew that buckets are made with. (S3 API Reference, DeleteBucketEncryption:
// "resets the default encryption for the bucket as server-side encryption with Amazon S3 managed keys".)
func (s *Service) DeleteBucketEncryption(ctx context.Context, c iam.Caller, bucket string) error {
	return s.change(ctx, c, "s3:PutEncryptionConfiguration", bucket, func(b *Bucket) error {
		b.Encryption = s.defaultEncryption()
		return nil
	})
}
