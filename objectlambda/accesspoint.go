package objectlambda

import (
	"context"
	"slices"
	"strings"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
	"glassine/s3"
)

// Transformation names the function for some actions.
type Transformation struct {
	Actions  []string
	Function string // ARN, or a bare name, or the URL of a handler: see webhook.go
	Payload  string // handed to the function as configuration.payload
}

// Configuration is what an Object Lambda access point does.
type Configuration struct {
	SupportingAccessPoint string // ARN
	AllowedFeatures       []string
	MetricsEnabled        bool
	Transformations       []Transformation
}

// AccessPoint is an Object Lambda access point. Block Public Access is on for it, always and in full.
type AccessPoint struct {
	Name, Region, Account string
	Alias                 string // ends in --ol-s3
	Created               time.Time
	Configuration         Configuration
	Policy                string            // its text; "" when there is none
	PolicyIDs             map[string]string // whom the ARNs in Policy meant when it was put: see iam.Policy.Pinned
}

// ARN names the access point.
func (a AccessPoint) ARN() string {
	return arn.New("s3-object-lambda", a.Region, a.Account, "accesspoint/"+a.Name).String()
}

// function is the transformation of an action.
func (a AccessPoint) function(action string) (Transformation, bool) {
	for _, t := range a.Configuration.Transformations {
		if slices.Contains(t.Actions, action) {
			return t, true
		}
	}
	return Transformation{}, false
}

// functionARN is the ARN of a function that a transformation names: a bare name or a partial ARN means one beside the
// access point.
func (a AccessPoint) functionARN(function string) string {
	if arn.Is(function) || isWebhook(function) {
		return function
	}
	if _, name, ok := strings.Cut(function, a.Account+":function:"); ok {
		function = name
	}
	return arn.New("lambda", a.Region, a.Account, "function:"+function).String()
}

// Create makes an Object Lambda access point in the region of its supporting access point. The actions of the control
// plane are s3's, on the ARN of service s3-object-lambda. (Service Authorization Reference, "Actions, resources, and
// condition keys for Amazon S3".)
func (s *Service) Create(ctx context.Context, c iam.Caller, name string, cfg Configuration) (AccessPoint, error) {
	region := s.cfg.Region
	if a, err := arn.Parse(cfg.SupportingAccessPoint); err == nil && a.Region != "" {
		region = a.Region
	}
	ap := AccessPoint{Name: name, Region: region, Account: s.cfg.IAM.Account(), Configuration: cfg, Created: s.cfg.Now().UTC()}
	if err := s.ask(ctx, c, "s3:CreateAccessPointForObjectLambda", ap.ARN()); err != nil {
		return AccessPoint{}, err
	}
	if !s3.ValidAccessPointName(name, 45) {
		return AccessPoint{}, fault.New("InvalidURI", "Couldn't parse the specified URI.").With("URI", "accesspointforobjectlambda/"+name)
	}
	if err := s.check(ap); err != nil {
		return AccessPoint{}, err
	}
	ap.Alias = s3.Alias(name, 57, "--ol-s3", region)
	return s.points.Update(ctx, name, func(old AccessPoint, exists bool) (AccessPoint, error) {
		if exists {
			return old, fault.New("AccessPointAlreadyOwnedByYou", "Your previous request to create the named accesspoint succeeded and you already own it.").With("AccessPointName", name)
		}
		return ap, nil
	})
}

// check validates a configuration. (S3 Control API, CreateAccessPointForObjectLambda; the model's patterns.)
func (s *Service) check(ap AccessPoint) error {
	cfg := ap.Configuration
	if supporting, ok := s.cfg.S3.Supporting(cfg.SupportingAccessPoint); !ok || supporting.Region != ap.Region {
		return fault.New("InvalidRequest", "The supporting access point %q does not exist in this account and region.", cfg.SupportingAccessPoint)
	}
	for _, f := range cfg.AllowedFeatures {
		switch f {
		case "GetObject-Range", "GetObject-PartNumber", "HeadObject-Range", "HeadObject-PartNumber":
		default:
			return fault.New("InvalidRequest", "AllowedFeature %q is not one of GetObject-Range, GetObject-PartNumber, HeadObject-Range, HeadObject-PartNumber.", f)
		}
	}
	seen := map[string]bool{}
	for _, t := range cfg.Transformations {
		if err := s.checkFunction(ap, t); err != nil {
			return err
		}
		if len(t.Actions) == 0 {
			return fault.New("InvalidRequest", "A transformation of %q names no action.", t.Function)
		}
		for _, a := range t.Actions {
			if !transformable(a) {
				return fault.New("InvalidRequest", "Action %q is not one of GetObject, HeadObject, ListObjects, ListObjectsV2.", a)
			}
			if seen[a] {
				return fault.New("InvalidRequest", "Action %s stands in two transformations.", a)
			}
			seen[a] = true
		}
	}
	return nil
}

// checkFunction validates what a transformation names as its function.
func (s *Service) checkFunction(ap AccessPoint, t Transformation) error {
	if isWebhook(t.Function) {
		return s.checkWebhook(t)
	}
	f, err := arn.Parse(ap.functionARN(t.Function))
	if name := f.Name("function"); err != nil || f.Service != "lambda" || f.Region != ap.Region || f.Account != ap.Account || name == "" {
		return fault.New("InvalidRequest", "%q is not a function in the account and region of the access point.", t.Function)
	}
	return nil
}

// Get returns the access point, without its policy: see GetPolicy.
func (s *Service) Get(ctx context.Context, c iam.Caller, name string) (AccessPoint, error) {
	if err := s.askNamed(ctx, c, "s3:GetAccessPointForObjectLambda", name); err != nil {
		return AccessPoint{}, err
	}
	ap, ok := s.points.Get(name)
	if !ok {
		return AccessPoint{}, s3.NoSuchAccessPoint(name)
	}
	ap.Policy, ap.PolicyIDs = "", nil
	return ap, nil
}

// Delete removes the access point; answers under way end as they would.
func (s *Service) Delete(ctx context.Context, c iam.Caller, name string) error {
	if err := s.askNamed(ctx, c, "s3:DeleteAccessPointForObjectLambda", name); err != nil {
		return err
	}
	return s.points.Delete(ctx, name, func(_ AccessPoint, exists bool) error {
		if !exists {
			return s3.NoSuchAccessPoint(name)
		}
		return nil
	})
}

// PutPolicy replaces the access point's policy; "" removes it. A public one is refused: Block Public Access is always on.
func (s *Service) PutPolicy(ctx context.Context, c iam.Caller, name, doc string) error {
	action := "s3:PutAccessPointPolicyForObjectLambda"
	if doc == "" {
		action = "s3:DeleteAccessPointPolicyForObjectLambda"
	}
	if err := s.askNamed(ctx, c, action, name); err != nil {
		return err
	}
	_, err := s.points.Update(ctx, name, func(ap AccessPoint, exists bool) (AccessPoint, error) {
		if !exists {
			return ap, s3.NoSuchAccessPoint(name)
		}
		ap.Policy, ap.PolicyIDs = doc, nil
		if doc == "" {
			return ap, nil
		}
		var err error
		owns := func(r string) bool { return r == ap.ARN() }
		ap.PolicyIDs, err = s.cfg.S3.CheckPolicy(ctx, c, doc, action, ap.ARN(), true, owns)
		return ap, err
	})
	return err
}

// GetPolicy returns the policy's text, or NoSuchAccessPointPolicy. Who is gone stands in it by its id.
func (s *Service) GetPolicy(ctx context.Context, c iam.Caller, name string) (string, error) {
	if err := s.askNamed(ctx, c, "s3:GetAccessPointPolicyForObjectLambda", name); err != nil {
		return "", err
	}
	ap, ok := s.points.Get(name)
	switch {
	case !ok:
		return "", s3.NoSuchAccessPoint(name)
	case ap.Policy == "":
		return "", s3.NoSuchAccessPointPolicy(name)
	}
	return s.cfg.IAM.Shown(ap.Policy, ap.PolicyIDs), nil
}

// ByAlias returns the name of the access point that has the alias. It is for addressing only.
func (s *Service) ByAlias(alias string) (string, bool) {
	for _, ap := range s.points.All() {
		if ap.Alias == alias {
			return ap.Name, true
		}
	}
	return "", false
}

func (s *Service) ask(ctx context.Context, c iam.Caller, action, resource string) error {
	return s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: action, Resources: []string{resource}})
}

func (s *Service) askNamed(ctx context.Context, c iam.Caller, action, name string) error {
	if ap, ok := s.points.Get(name); ok {
		return s.ask(ctx, c, action, ap.ARN())
	}
	return s.ask(ctx, c, action, arn.New("s3-object-lambda", s.cfg.Region, s.cfg.IAM.Account(), "accesspoint/"+name).String())
}
