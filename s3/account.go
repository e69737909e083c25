package s3

import (
	"context"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
)

// accountSettings is the one record of what is set for the account as a whole.
type accountSettings struct {
	Block *PublicAccessBlock // nil: not set
}

const accountKey = "account"

// inForce is the Block Public Access that holds for a bucket: the most restrictive of its own and the account's.
// (Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage".)
func (s *Service) inForce(b Bucket) PublicAccessBlock {
	if a, _ := s.account.Get(accountKey); a.Block != nil {
		return b.block().or(*a.Block)
	}
	return b.block()
}

// PutAccountPublicAccessBlock sets the four flags for all of the account's buckets and access points.
func (s *Service) PutAccountPublicAccessBlock(ctx context.Context, c iam.Caller, block PublicAccessBlock) error {
	return s.setAccountBlock(ctx, c, &block)
}

// DeleteAccountPublicAccessBlock removes them; removing what is not set is no error.
func (s *Service) DeleteAccountPublicAccessBlock(ctx context.Context, c iam.Caller) error {
	return s.setAccountBlock(ctx, c, nil)
}

func (s *Service) setAccountBlock(ctx context.Context, c iam.Caller, block *PublicAccessBlock) error {
	if err := s.ask(ctx, c, "s3:PutAccountPublicAccessBlock", s.accountARN()); err != nil {
		return err
	}
	_, err := s.account.Update(ctx, accountKey, func(a accountSettings, _ bool) (accountSettings, error) {
		a.Block = block
		return a, nil
	})
	return err
}

// AccountPublicAccessBlock returns the account's four flags, or NoSuchPublicAccessBlockConfiguration.
func (s *Service) AccountPublicAccessBlock(ctx context.Context, c iam.Caller) (PublicAccessBlock, error) {
	if err := s.ask(ctx, c, "s3:GetAccountPublicAccessBlock", s.accountARN()); err != nil {
		return PublicAccessBlock{}, err
	}
	a, _ := s.account.Get(accountKey)
	if a.Block == nil {
		return PublicAccessBlock{}, fault.New("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found").With("AccountId", s.cfg.IAM.Account())
	}
	return *a.Block, nil
}

// accountARN names the account for actions on its own settings.
func (s *Service) accountARN() string {
	return arn.New("s3", "", s.cfg.IAM.Account(), "account").String()
}
