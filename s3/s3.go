// Package s3 is the rules over a store of objects: buckets, access points, their policies, Block Public Access, and who
// may do what. Every method takes the caller and asks iam itself, so no front end has a way around. Bytes are package
// store's matter, wire shapes package aws/s3api's.
//
// Start at Service, and at Service.authorize for how a request is decided.
package s3

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
	"glassine/state"
	"glassine/store"
)

// Config is what a Service stands on.
type Config struct {
	State  state.Store
	Store  store.Store
	IAM    *iam.Service
	Region string // of buckets whose creator names none; "" means us-east-1
	// Encrypts says that Store has a master key. Then new buckets encrypt what comes into them (SSE-S3), as AWS's do.
	// Without it nothing says that it is encrypted, and a request for it is refused with NotImplemented.
	Encrypts bool
	Now      func() time.Time // nil means time.Now
	Log      *slog.Logger     // nil means slog.Default
}

// Service holds the account's buckets and access points. Safe for many goroutines.
type Service struct {
	cfg          Config
	buckets      *state.Table[Bucket]
	accessPoints *state.Table[AccessPoint]
	account      *state.Table[accountSettings] // one record
	policies     iam.ReadPolicies
	aliases      aliases

	// turn is held by what must not meet the deletion of a bucket: the deletion itself, the making of an access point, and
	// the last look of PutObject. Waiting for it honours ctx.
	turn chan struct{}

	declared map[string]bool // by DeclareBucket, before the first request

	deletes chan struct{} // held by each deletion of DeleteObjects; its capacity is how many run at once
}

// deletesAtOnce bounds the deletions of all DeleteObjects requests: enough that a store can gather them into one flush.
const deletesAtOnce = 16

// New reads buckets and access points from cfg.State.
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
	buckets, err := state.OpenTable[Bucket](ctx, cfg.State, "s3/buckets")
	if err != nil {
		return nil, err
	}
	accessPoints, err := state.OpenTable[AccessPoint](ctx, cfg.State, "s3/accesspoints")
	if err != nil {
		return nil, err
	}
	account, err := state.OpenTable[accountSettings](ctx, cfg.State, "s3/account")
	if err != nil {
		return nil, err
	}
	return &Service{
		cfg: cfg, buckets: buckets, accessPoints: accessPoints, account: account,
		declared: map[string]bool{}, turn: make(chan struct{}, 1), deletes: make(chan struct{}, deletesAtOnce),
	}, nil
}

// take waits for the turn and returns how to give it back.
func (s *Service) take(ctx context.Context) (release func(), err error) {
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// PublicAccessBlock is the four flags of Block Public Access.
// (Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage".)
type PublicAccessBlock struct {
	BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets bool
}

// BlockAll is all four flags on, the setting of new buckets and access points.
var BlockAll = PublicAccessBlock{true, true, true, true}

// or is the more restrictive of both, flag by flag.
func (b PublicAccessBlock) or(o PublicAccessBlock) PublicAccessBlock {
	return PublicAccessBlock{
		b.BlockPublicAcls || o.BlockPublicAcls, b.IgnorePublicAcls || o.IgnorePublicAcls,
		b.BlockPublicPolicy || o.BlockPublicPolicy, b.RestrictPublicBuckets || o.RestrictPublicBuckets,
	}
}

// Bucket is a bucket's configuration. Block is nil when the configuration was deleted.
type Bucket struct {
	Name, Region string
	Created      time.Time
	Policy       string            // its text; "" when there is none
	PolicyIDs    map[string]string // whom the ARNs in Policy meant when it was put: see iam.Policy.Pinned
	Block        *PublicAccessBlock

	// Place is where its objects are, "" for the data directory: see DeclareBucket.
	Place string

	Versioning  string            // VersioningEnabled, VersioningSuspended, or "": it never had versions
	Encryption  string            // of objects whose request names none: AES256, or "" for none
	NoOwnership bool              // the ownership controls were deleted; ACLs stay off all the same
	Tags        map[string]string // nil: not set
	CORS        []CORSRule
	Lifecycle   []LifecycleRule
}

// AccessPoint is a named way into a bucket with a policy of its own. Bucket and Block are fixed at creation.
type AccessPoint struct {
	Name, Bucket, Region, Account string
	Alias                         string // ends in -s3alias
	Created                       time.Time
	Policy                        string            // as a Bucket's
	PolicyIDs                     map[string]string // as a Bucket's
	Block                         PublicAccessBlock
	Tags                          map[string]string
}

// ARN names the access point; objects through it are ARN + "/object/" + key.
func (a AccessPoint) ARN() string {
	return arn.New("s3", a.Region, a.Account, "accesspoint/"+a.Name).String()
}

// BucketARN names a bucket; its objects are that + "/" + key.
func BucketARN(bucket string) string { return "arn:aws:s3:::" + bucket }

// Target is how a request reaches objects: straight at a bucket, or through an access point. One of the two is set.
type Target struct {
	Bucket      string
	AccessPoint string
}

// Exists returns nil, or NoSuchBucket or NoSuchAccessPoint. It decides nothing: S3 tells everybody who signs a request
// which names are taken.
func (s *Service) Exists(t Target) error {
	_, _, err := s.find(t)
	return err
}

// resolve finds what t names. To a caller without credentials it does not show what exists.
func (s *Service) resolve(c iam.Caller, t Target) (Bucket, *AccessPoint, error) {
	b, ap, err := s.find(t)
	if err != nil && c.Principal.Kind == iam.Anonymous {
		return b, ap, accessDenied()
	}
	return b, ap, err
}

func (s *Service) find(t Target) (Bucket, *AccessPoint, error) {
	if t.AccessPoint == "" {
		b, ok := s.buckets.Get(t.Bucket)
		if !ok {
			return Bucket{}, nil, noSuchBucket(t.Bucket)
		}
		return b, nil, nil
	}
	ap, ok := s.accessPoints.Get(t.AccessPoint)
	if !ok {
		return Bucket{}, nil, NoSuchAccessPoint(t.AccessPoint)
	}
	b, ok := s.buckets.Get(ap.Bucket)
	if !ok {
		return Bucket{}, nil, noSuchBucket(ap.Bucket)
	}
	return b, &ap, nil
}

func noSuchBucket(name string) *fault.Error {
	return fault.New("NoSuchBucket", "The specified bucket does not exist").With("BucketName", name)
}

// NoSuchAccessPoint is the error for an access point that is not there, Object Lambda ones included.
func NoSuchAccessPoint(name string) *fault.Error {
	return fault.New("NoSuchAccessPoint", "The specified accesspoint does not exist").With("AccessPointName", name)
}

// authorize decides whether c may do action on the key of b ("" for the bucket itself), reached straight or through ap.
// Through an access point two decisions must both allow: the access point's, and the bucket's with s3:DataAccessPoint*
// set. (Amazon S3 User Guide, "Configuring IAM policies for using access points".)
func (s *Service) authorize(ctx context.Context, c iam.Caller, action string, b Bucket, ap *AccessPoint, key string, extra iam.Context) error {
	keys := iam.Context{"s3:resourceaccount": {s.cfg.IAM.Account()}}
	maps.Copy(keys, extra)
	block := s.inForce(b)
	if ap != nil {
		keys["s3:dataaccesspointarn"] = []string{ap.ARN()}
		keys["s3:dataaccesspointaccount"] = []string{ap.Account}
		keys["s3:accesspointnetworkorigin"] = []string{"Internet"}
		block = block.or(ap.Block)
		g := guarded{ap.ARN(), ap.Policy, ap.PolicyIDs, block}
		if key != "" {
			g.resource += "/object/" + key
		}
		if err := s.decide(ctx, c, action, g, keys); err != nil {
			return err
		}
	}
	g := guarded{BucketARN(b.Name), b.Policy, b.PolicyIDs, block}
	if key != "" {
		g.resource += "/" + key
	}
	return s.decide(ctx, c, action, g, keys)
}

// guarded is a resource with its policy and the Block Public Access that is in force for it.
type guarded struct {
	resource, policy string
	ids              map[string]string
	block            PublicAccessBlock
}

// decide asks iam with the resource's policy, after Block Public Access had its say about it.
func (s *Service) decide(ctx context.Context, c iam.Caller, action string, g guarded, keys iam.Context) error {
	ask := iam.Ask{Action: action, Resources: []string{g.resource}, Context: keys}
	if g.policy != "" {
		p, err := s.policies.Read(g.policy, g.ids)
		if err != nil {
			return fmt.Errorf("read the policy of %s: %w", g.resource, err) // fail closed: what does not parse might deny
		}
		if g.block.RestrictPublicBuckets && p.Public && !s.owned(c) {
			s.cfg.IAM.Refused(ctx, c, ask, "S3 Block Public Access, RestrictPublicBuckets")
			return accessDenied()
		}
		ask.Policies = p.Policies
	}
	err := s.cfg.IAM.Authorize(ctx, c, ask)
	if err != nil && c.Principal.Account != s.cfg.IAM.Account() {
		return accessDenied() // the long text is for the owning account's principals only
	}
	return err
}

func accessDenied() *fault.Error { return fault.New("AccessDenied", "Access Denied") }

// owned reports whether c is a principal of the bucket owner's account or an AWS service: who RestrictPublicBuckets spares.
func (s *Service) owned(c iam.Caller) bool {
	return c.Principal.Kind == iam.ServicePrincipal || c.Principal.Account == s.cfg.IAM.Account()
}

func (b Bucket) block() PublicAccessBlock {
	if b.Block == nil {
		return PublicAccessBlock{}
	}
	return *b.Block
}
