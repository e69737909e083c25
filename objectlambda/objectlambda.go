// Package objectlambda is S3 Object Lambda: access points whose GetObject answer is made by a function.
//
// For each request it makes a presigned URL for the original, acting as the caller, invokes the function with an event
// that holds it, and waits with the answer open until the function (or whatever else holds the one-time token) calls
// WriteGetObjectResponse; that body then streams to the caller. It knows no HTTP server and no bytes of pictures.
//
// Start at Service.GetObject and Service.WriteGetObjectResponse.
package objectlambda

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
	"glassine/lambda"
	"glassine/s3"
	"glassine/state"
)

// Service principal that acts for callers, as aws:CalledVia names it.
const servicePrincipal = "s3-object-lambda.amazonaws.com"

// Deadline is how long a request may take until its answer is complete.
// (Amazon S3 User Guide, "Writing Lambda functions for S3 Object Lambda Access Points": 60 seconds.)
const Deadline = 60 * time.Second

// Route is the outputRoute of every event: one label, so that the set of host names is finite.
const Route = "io-use1-001"

// Invoker runs the transforming function as the caller.
type Invoker interface {
	Invoke(ctx context.Context, c iam.Caller, function string, payload []byte) (lambda.Result, error)
}

// Config is what a Service stands on.
type Config struct {
	State   state.Store
	IAM     *iam.Service
	S3      *s3.Service
	Invoker Invoker
	Region  string           // of access points whose supporting one says nothing else; "" means us-east-1
	Now     func() time.Time // nil means time.Now
	Log     *slog.Logger     // nil means slog.Default
}

// Service holds the account's Object Lambda access points and the answers under way. Safe for many goroutines.
type Service struct {
	cfg    Config
	points *state.Table[AccessPoint]

	tokenKey [32]byte // of this process: a token dies with the answer that waits here

	mu      sync.Mutex            // guards waiting
	waiting map[[16]byte]*pending // by the token's id
}

// New reads the access points from cfg.State.
func New(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	points, err := state.OpenTable[AccessPoint](ctx, cfg.State, "s3-object-lambda/accesspoints")
	if err != nil {
		return nil, err
	}
	s := &Service{cfg: cfg, points: points, waiting: map[[16]byte]*pending{}}
	rand.Read(s.tokenKey[:])
	return s, nil
}

// Actions that a function can transform.
const (
	GetObject     = "GetObject"
	HeadObject    = "HeadObject"
	ListObjects   = "ListObjects"
	ListObjectsV2 = "ListObjectsV2"
)

// Transformation names the function for some actions.
type Transformation struct {
	Actions  []string
	Function string // ARN, or a bare name
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
	Policy                string
}

// ARN names the access point.
func (a AccessPoint) ARN() string {
	return arn.New("s3-object-lambda", a.Region, a.Account, "accesspoint/"+a.Name).String()
}

// function is the transformation of an action.
func (a AccessPoint) function(action string) (Transformation, bool) {
	for _, t := range a.Configuration.Transformations {
		for _, x := range t.Actions {
			if x == action {
				return t, true
			}
		}
	}
	return Transformation{}, false
}

// Create makes an Object Lambda access point in the region of its supporting access point.
func (s *Service) Create(ctx context.Context, c iam.Caller, name string, cfg Configuration) (AccessPoint, error) {
	region := s.cfg.Region
	if a, err := arn.Parse(cfg.SupportingAccessPoint); err == nil && a.Region != "" {
		region = a.Region
	}
	ap := AccessPoint{Name: name, Region: region, Account: s.cfg.IAM.Account(), Configuration: cfg, Created: s.cfg.Now().UTC()}
	if err := s.ask(ctx, c, "s3-object-lambda:CreateAccessPointForObjectLambda", ap.ARN()); err != nil {
		return AccessPoint{}, err
	}
	if !s3.ValidAccessPointName(name, 45) {
		return AccessPoint{}, fault.New("InvalidURI", "Couldn't parse the specified URI.").With("URI", "accesspointforobjectlambda/"+name)
	}
	if err := s.check(cfg); err != nil {
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
func (s *Service) check(cfg Configuration) error {
	if _, ok := s.cfg.S3.Supporting(cfg.SupportingAccessPoint); !ok {
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
		if t.Function == "" {
			return fault.New("InvalidRequest", "A transformation names no function.")
		}
		for _, a := range t.Actions {
			switch a {
			case GetObject:
			case HeadObject, ListObjects, ListObjectsV2:
				return fault.New("NotImplemented", "Transforming %s is not supported yet; GetObject is.", a)
			default:
				return fault.New("InvalidRequest", "Action %q is not one of GetObject, HeadObject, ListObjects, ListObjectsV2.", a)
			}
			if seen[a] {
				return fault.New("InvalidRequest", "Action %s stands in two transformations.", a)
			}
			seen[a] = true
		}
	}
	if len(seen) == 0 {
		return fault.New("InvalidRequest", "The configuration transforms no action.")
	}
	return nil
}

// Get returns the access point.
func (s *Service) Get(ctx context.Context, c iam.Caller, name string) (AccessPoint, error) {
	if err := s.askNamed(ctx, c, "s3-object-lambda:GetAccessPointForObjectLambda", name); err != nil {
		return AccessPoint{}, err
	}
	ap, ok := s.points.Get(name)
	if !ok {
		return AccessPoint{}, s3.NoSuchAccessPoint(name)
	}
	return ap, nil
}

// Delete removes the access point; answers under way end as they would.
func (s *Service) Delete(ctx context.Context, c iam.Caller, name string) error {
	if err := s.askNamed(ctx, c, "s3-object-lambda:DeleteAccessPointForObjectLambda", name); err != nil {
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
	const action = "s3-object-lambda:PutAccessPointPolicyForObjectLambda"
	if err := s.askNamed(ctx, c, action, name); err != nil {
		return err
	}
	_, err := s.points.Update(ctx, name, func(ap AccessPoint, exists bool) (AccessPoint, error) {
		if !exists {
			return ap, s3.NoSuchAccessPoint(name)
		}
		if doc != "" {
			owns := func(r string) bool { return r == ap.ARN() }
			if err := s3.CheckPolicy(c, doc, action, ap.ARN(), true, owns); err != nil {
				return ap, err
			}
		}
		ap.Policy = doc
		return ap, nil
	})
	return err
}

// Exists reports whether there is an access point of the name, and ByAlias finds one; both for addressing only.
func (s *Service) Exists(name string) bool {
	_, ok := s.points.Get(name)
	return ok
}

// ByAlias returns the name of the access point that has the alias.
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
