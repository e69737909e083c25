package s3

import (
	"context"
	"crypto/rand"
	"strings"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
)

// NewAccessPoint says what to create.
type NewAccessPoint struct {
	Name, Bucket string
	Block        PublicAccessBlock
}

// CreateAccessPoint makes an access point in the bucket's region. It changes nothing for direct requests to the bucket.
func (s *Service) CreateAccessPoint(ctx context.Context, c iam.Caller, n NewAccessPoint) (AccessPoint, error) {
	b, ok := s.buckets.Get(n.Bucket)
	region := s.cfg.Region
	if ok {
		region = b.Region
	}
	ap := AccessPoint{Name: n.Name, Bucket: n.Bucket, Region: region, Account: s.cfg.IAM.Account(), Block: n.Block, Created: s.cfg.Now().UTC()}
	if err := s.ask(ctx, c, "s3:CreateAccessPoint", ap.ARN()); err != nil {
		return AccessPoint{}, err
	}
	if !ValidAccessPointName(n.Name, 50) {
		return AccessPoint{}, fault.New("InvalidURI", "Couldn't parse the specified URI.").With("URI", "accesspoint/"+n.Name)
	}
	if !ok {
		return AccessPoint{}, fault.New("InvalidRequest", "Amazon S3 AccessPoint can only be created for existing bucket")
	}
	ap.Alias = Alias(n.Name, 63, "-s3alias", ap.Region)
	return s.accessPoints.Update(ctx, n.Name, func(old AccessPoint, exists bool) (AccessPoint, error) {
		if exists {
			return old, fault.New("AccessPointAlreadyOwnedByYou", "Your previous request to create the named accesspoint succeeded and you already own it.").With("AccessPointName", n.Name)
		}
		return ap, nil
	})
}

// GetAccessPoint returns an access point.
func (s *Service) GetAccessPoint(ctx context.Context, c iam.Caller, name string) (AccessPoint, error) {
	if err := s.askAccessPoint(ctx, c, "s3:GetAccessPoint", name); err != nil {
		return AccessPoint{}, err
	}
	ap, ok := s.accessPoints.Get(name)
	if !ok {
		return AccessPoint{}, NoSuchAccessPoint(name)
	}
	return ap, nil
}

// DeleteAccessPoint removes an access point; the bucket keeps everything.
func (s *Service) DeleteAccessPoint(ctx context.Context, c iam.Caller, name string) error {
	if err := s.askAccessPoint(ctx, c, "s3:DeleteAccessPoint", name); err != nil {
		return err
	}
	return s.accessPoints.Delete(ctx, name, func(_ AccessPoint, exists bool) error {
		if !exists {
			return NoSuchAccessPoint(name)
		}
		return nil
	})
}

// PutAccessPointPolicy replaces the access point's policy.
func (s *Service) PutAccessPointPolicy(ctx context.Context, c iam.Caller, name, doc string) error {
	const action = "s3:PutAccessPointPolicy"
	return s.changeAccessPoint(ctx, c, action, name, func(ap *AccessPoint) error {
		b, _ := s.buckets.Get(ap.Bucket)
		owns := func(r string) bool { return r == ap.ARN() || strings.HasPrefix(r, ap.ARN()+"/") }
		if err := CheckPolicy(c, doc, action, ap.ARN(), b.block().or(ap.Block).BlockPublicPolicy, owns); err != nil {
			return err
		}
		ap.Policy = doc
		return nil
	})
}

// DeleteAccessPointPolicy removes the policy, if there is one.
func (s *Service) DeleteAccessPointPolicy(ctx context.Context, c iam.Caller, name string) error {
	return s.changeAccessPoint(ctx, c, "s3:DeleteAccessPointPolicy", name, func(ap *AccessPoint) error {
		ap.Policy = ""
		return nil
	})
}

func (s *Service) changeAccessPoint(ctx context.Context, c iam.Caller, action, name string, edit func(*AccessPoint) error) error {
	if err := s.askAccessPoint(ctx, c, action, name); err != nil {
		return err
	}
	_, err := s.accessPoints.Update(ctx, name, func(ap AccessPoint, exists bool) (AccessPoint, error) {
		if !exists {
			return ap, NoSuchAccessPoint(name)
		}
		return ap, edit(&ap)
	})
	return err
}

func (s *Service) askAccessPoint(ctx context.Context, c iam.Caller, action, name string) error {
	ap, ok := s.accessPoints.Get(name)
	if !ok {
		return s.ask(ctx, c, action, arn.New("s3", s.cfg.Region, s.cfg.IAM.Account(), "accesspoint/"+name).String())
	}
	return s.ask(ctx, c, action, ap.ARN())
}

// Supporting returns the access point that an Object Lambda access point stands on, by ARN. It is for package
// objectlambda, which decides nothing by it: the object is read through a signed request that is decided as any other.
func (s *Service) Supporting(accessPointARN string) (AccessPoint, bool) {
	a, err := arn.Parse(accessPointARN)
	if err != nil || a.Service != "s3" || a.Account != s.cfg.IAM.Account() {
		return AccessPoint{}, false
	}
	ap, ok := s.accessPoints.Get(a.Name("accesspoint"))
	return ap, ok && ap.Region == a.Region
}

// ByAlias returns the name of the access point that has the alias.
func (s *Service) ByAlias(alias string) (string, bool) {
	for _, ap := range s.accessPoints.All() {
		if ap.Alias == alias {
			return ap.Name, true
		}
	}
	return "", false
}

// HasBucket reports whether a bucket of that name exists: what a host label means depends on it.
func (s *Service) HasBucket(name string) bool {
	_, ok := s.buckets.Get(name)
	return ok
}

// Alias makes an access point's alias: the name's beginning, 24 random characters, a code of the region, the suffix; at
// most size characters in all. (Amazon S3 User Guide, "Using a bucket-style alias for your access point".)
func Alias(name string, size int, suffix, region string) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	var random [24]byte
	rand.Read(random[:])
	for i, b := range random {
		random[i] = alphabet[int(b)%len(alphabet)]
	}
	tail := "-" + string(random[:]) + regionCode(region) + "a" + suffix
	return name[:min(len(name), 20, size-len(tail))] + tail
}

// regionCode shortens us-east-1 to use1.
func regionCode(region string) string {
	var b strings.Builder
	for i, part := range strings.Split(region, "-") {
		if i == 0 {
			b.WriteString(part)
			continue
		}
		b.WriteString(part[:min(1, len(part))])
	}
	return b.String()
}
