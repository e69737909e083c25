package objectlambda

import (
	"context"

	"glassine/iam"
	"glassine/s3"
)

// List returns the account's Object Lambda access points by name, without their policies.
func (s *Service) List(ctx context.Context, c iam.Caller) ([]AccessPoint, error) {
	if err := s.ask(ctx, c, "s3:ListAccessPointsForObjectLambda", "*"); err != nil {
		return nil, err
	}
	all := s.points.All()
	for i := range all {
		all[i].Policy, all[i].PolicyIDs = "", nil
	}
	return all, nil
}

// PutConfiguration replaces what the access point does; requests under way end as they began. The supporting access
// point stays in the same region.
func (s *Service) PutConfiguration(ctx context.Context, c iam.Caller, name string, cfg Configuration) error {
	if err := s.askNamed(ctx, c, "s3:PutAccessPointConfigurationForObjectLambda", name); err != nil {
		return err
	}
	_, err := s.points.Update(ctx, name, func(ap AccessPoint, exists bool) (AccessPoint, error) {
		if !exists {
			return ap, s3.NoSuchAccessPoint(name)
		}
		ap.Configuration = cfg
		return ap, s.check(ap)
	})
	return err
}

// GetConfiguration returns what the access point does.
func (s *Service) GetConfiguration(ctx context.Context, c iam.Caller, name string) (Configuration, error) {
	if err := s.askNamed(ctx, c, "s3:GetAccessPointConfigurationForObjectLambda", name); err != nil {
		return Configuration{}, err
	}
	ap, ok := s.points.Get(name)
	if !ok {
		return Configuration{}, s3.NoSuchAccessPoint(name)
	}
	return ap.Configuration, nil
}
