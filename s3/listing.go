package s3

import (
	"context"

	"glassine/aws/fault"
	"glassine/iam"
)

// AccessPoints lists the account's access points by name, without their policies; those of one bucket when bucket is not "".
func (s *Service) AccessPoints(ctx context.Context, c iam.Caller, bucket string) ([]AccessPoint, error) {
	if err := s.ask(ctx, c, "s3:ListAccessPoints", "*"); err != nil {
		return nil, err
	}
	var out []AccessPoint
	for _, ap := range s.accessPoints.All() {
		if bucket == "" || ap.Bucket == bucket {
			ap.Policy, ap.PolicyIDs = "", nil
			out = append(out, ap)
		}
	}
	return out, nil
}

// AccessPointIsPublic reports whether the access point's policy is public. (S3 Control API, GetAccessPointPolicyStatus.)
func (s *Service) AccessPointIsPublic(ctx context.Context, c iam.Caller, name string) (bool, error) {
	if err := s.askAccessPoint(ctx, c, "s3:GetAccessPointPolicyStatus", name); err != nil {
		return false, err
	}
	ap, ok := s.accessPoints.Get(name)
	if !ok {
		return false, NoSuchAccessPoint(name)
	}
	if ap.Policy == "" {
		return false, NoSuchAccessPointPolicy(name)
	}
	p, err := iam.Parse([]byte(ap.Policy), iam.ResourcePolicy)
	if err != nil {
		return false, err
	}
	return p.Public(), nil
}

// NoSuchAccessPointPolicy is the error for an access point without a policy, Object Lambda ones included.
func NoSuchAccessPointPolicy(accessPoint string) error {
	return fault.New("NoSuchAccessPointPolicy", "The specified accesspoint policy does not exist").With("AccessPointName", accessPoint)
}
