package s3

import (
	"context"
	"strings"
	"sync"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
	"glassine/state"
)

// NewAccessPoint says what to create.
type NewAccessPoint struct {
	Name, Bucket string
	Block        PublicAccessBlock
	Tags         map[string]string // at most 50; they need s3:TagResource
}

// CreateAccessPoint makes an access point in the bucket's region. It changes nothing for direct requests to the bucket.
func (s *Service) CreateAccessPoint(ctx context.Context, c iam.Caller, n NewAccessPoint) (AccessPoint, error) {
	release, err := s.take(ctx) // the bucket that is seen here is there when the access point is
	if err != nil {
		return AccessPoint{}, err
	}
	defer release()
	b, ok := s.buckets.Get(n.Bucket)
	region := s.cfg.Region
	if ok {
		region = b.Region
	}
	ap := AccessPoint{Name: n.Name, Bucket: n.Bucket, Region: region, Account: s.cfg.IAM.Account(), Block: n.Block, Created: s.cfg.Now().UTC(), Tags: n.Tags}
	if err := s.ask(ctx, c, "s3:CreateAccessPoint", ap.ARN()); err != nil {
		return AccessPoint{}, err
	}
	if len(n.Tags) > 0 {
		if err := s.ask(ctx, c, "s3:TagResource", ap.ARN()); err != nil {
			return AccessPoint{}, err
		}
		if err := CheckTags(n.Tags, MaxBucketTags); err != nil {
			return AccessPoint{}, err
		}
	}
	if !ValidAccessPointName(n.Name, 50) {
		return AccessPoint{}, fault.New("InvalidURI", "Couldn't parse the specified URI.").With("URI", "accesspoint/"+n.Name)
	}
	if !ok {
		return AccessPoint{}, fault.New("InvalidRequest", "Amazon S3 AccessPoint can only be created for existing bucket")
	}
	ap.Alias = Alias(n.Name, 63, "-s3alias", ap.Region)
	s.aliases.add(s.accessPoints, ap.Alias, ap.Name) // before it is there, so that it is never there without
	made, err := s.accessPoints.Update(ctx, n.Name, func(old AccessPoint, exists bool) (AccessPoint, error) {
		if exists {
			return old, fault.New("AccessPointAlreadyOwnedByYou", "Your previous request to create the named accesspoint succeeded and you already own it.").With("AccessPointName", n.Name)
		}
		return ap, nil
	})
	if _, there := s.ByAlias(ap.Alias); !there {
		s.aliases.add(s.accessPoints, ap.Alias, "")
	}
	return made, err
}

// GetAccessPoint returns an access point. Its policy is not in it: see GetAccessPointPolicy.
func (s *Service) GetAccessPoint(ctx context.Context, c iam.Caller, name string) (AccessPoint, error) {
	if err := s.askAccessPoint(ctx, c, "s3:GetAccessPoint", name); err != nil {
		return AccessPoint{}, err
	}
	ap, ok := s.accessPoints.Get(name)
	if !ok {
		return AccessPoint{}, NoSuchAccessPoint(name)
	}
	ap.Policy, ap.PolicyIDs = "", nil
	return ap, nil
}

// DeleteAccessPoint removes an access point; the bucket keeps everything.
func (s *Service) DeleteAccessPoint(ctx context.Context, c iam.Caller, name string) error {
	if err := s.askAccessPoint(ctx, c, "s3:DeleteAccessPoint", name); err != nil {
		return err
	}
	alias := ""
	err := s.accessPoints.Delete(ctx, name, func(ap AccessPoint, exists bool) error {
		if !exists {
			return NoSuchAccessPoint(name)
		}
		alias = ap.Alias
		return nil
	})
	if err == nil {
		s.aliases.add(s.accessPoints, alias, "")
	}
	return err
}

// PutAccessPointPolicy replaces the access point's policy. A public one is refused where the access point or its bucket
// has BlockPublicPolicy on.
func (s *Service) PutAccessPointPolicy(ctx context.Context, c iam.Caller, name, doc string) error {
	const action = "s3:PutAccessPointPolicy"
	return s.changeAccessPoint(ctx, c, action, name, func(ap *AccessPoint) error {
		b, _ := s.buckets.Get(ap.Bucket)
		owns := func(r string) bool { return r == ap.ARN() || strings.HasPrefix(r, ap.ARN()+"/") }
		ids, err := s.CheckPolicy(ctx, c, doc, action, ap.ARN(), s.inForce(b).or(ap.Block).BlockPublicPolicy, owns)
		if err != nil {
			return err
		}
		ap.Policy, ap.PolicyIDs = doc, ids
		return nil
	})
}

// GetAccessPointPolicy returns the policy's text, or NoSuchAccessPointPolicy. Who is gone stands in it by its id.
func (s *Service) GetAccessPointPolicy(ctx context.Context, c iam.Caller, name string) (string, error) {
	if err := s.askAccessPoint(ctx, c, "s3:GetAccessPointPolicy", name); err != nil {
		return "", err
	}
	ap, ok := s.accessPoints.Get(name)
	switch {
	case !ok:
		return "", NoSuchAccessPoint(name)
	case ap.Policy == "":
		return "", NoSuchAccessPointPolicy(name)
	}
	return s.cfg.IAM.Shown(ap.Policy, ap.PolicyIDs), nil
}

// DeleteAccessPointPolicy removes the policy, if there is one.
func (s *Service) DeleteAccessPointPolicy(ctx context.Context, c iam.Caller, name string) error {
	return s.changeAccessPoint(ctx, c, "s3:DeleteAccessPointPolicy", name, func(ap *AccessPoint) error {
		ap.Policy, ap.PolicyIDs = "", nil
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

// Supporting returns the access point that an Object Lambda access point stands on, by its ARN as AccessPoint.ARN spells
// it. It is for package objectlambda, which decides nothing by it: the object is read through a signed request that is
// decided as any other.
func (s *Service) Supporting(accessPointARN string) (AccessPoint, bool) {
	a, err := arn.Parse(accessPointARN)
	if err != nil {
		return AccessPoint{}, false
	}
	ap, ok := s.accessPoints.Get(a.Name("accesspoint"))
	return ap, ok && ap.ARN() == accessPointARN
}

// ByAlias returns the name of the access point that has the alias.
func (s *Service) ByAlias(alias string) (string, bool) {
	name := s.aliases.name(s.accessPoints, alias)
	ap, ok := s.accessPoints.Get(name)
	return name, ok && ap.Alias == alias
}

// aliases says which access point an alias may be of: the access point itself says whether it is. Its zero value begins with
// those that there are. Safe for many goroutines.
type aliases struct {
	once  sync.Once
	mu    sync.RWMutex      // guards names
	names map[string]string // of access points, by alias
}

func (a *aliases) begin(all *state.Table[AccessPoint]) {
	a.once.Do(func() {
		a.names = map[string]string{}
		for _, ap := range all.All() {
			a.names[ap.Alias] = ap.Name
		}
	})
}

// name returns the name of the access point that may have the alias, or "".
func (a *aliases) name(all *state.Table[AccessPoint], alias string) string {
	a.begin(all)
	a.mu.RLock()
	defer a.mu.RUnlock()
	return a.names[alias]
}

// add notes the alias of an access point; name "" forgets it.
func (a *aliases) add(all *state.Table[AccessPoint], alias, name string) {
	a.begin(all)
	a.mu.Lock()
	defer a.mu.Unlock()
	if name == "" {
		delete(a.names, alias)
		return
	}
	a.names[alias] = name
}

// HasBucket reports whether a bucket of that name exists: what a host label means depends on it.
func (s *Service) HasBucket(name string) bool {
	_, ok := s.buckets.Get(name)
	return ok
}
