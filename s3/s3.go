// Package s3 is the rules over a store of objects: buckets, access points, their policies, Block Public Access, and who
// may do what. Every method takes the caller and asks iam itself, so no front end has a way around. Bytes are package
// store's matter, wire shapes package aws/s3api's.
//
// Start at Service, and at Service.authorize for how a request is decided.
package s3

import (
	"context"
	"log/slog"
	"slices"
	"strings"
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
	Region string           // of buckets whose creator names none; "" means us-east-1
	Now    func() time.Time // nil means time.Now
	Log    *slog.Logger     // nil means slog.Default
}

// Service holds the account's buckets and access points. Safe for many goroutines.
type Service struct {
	cfg          Config
	buckets      *state.Table[Bucket]
	accessPoints *state.Table[AccessPoint]
}

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
	return &Service{cfg: cfg, buckets: buckets, accessPoints: accessPoints}, nil
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
	Policy       string
	Block        *PublicAccessBlock
}

// AccessPoint is a named way into a bucket with a policy of its own. Bucket and Block are fixed at creation.
type AccessPoint struct {
	Name, Bucket, Region, Account string
	Alias                         string // ends in -s3alias
	Created                       time.Time
	Policy                        string
	Block                         PublicAccessBlock
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

// resolve finds what t names. To a caller without credentials it does not show what exists.
func (s *Service) resolve(c iam.Caller, t Target) (Bucket, *AccessPoint, error) {
	b, ap, err := s.find(t)
	if err != nil && c.Principal.Kind == iam.Anonymous {
		return b, ap, fault.New("AccessDenied", "Access Denied")
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

// authorize decides whether c may do action on the key of t ("" for the bucket itself). Through an access point two
// decisions must both allow: the access point's, and the bucket's with s3:DataAccessPoint* set.
// (Amazon S3 User Guide, "Configuring IAM policies for using access points".)
func (s *Service) authorize(ctx context.Context, c iam.Caller, action string, b Bucket, ap *AccessPoint, key string, extra iam.Context) error {
	keys := iam.Context{}
	for k, v := range extra {
		keys[k] = v
	}
	block := b.block()
	if ap != nil {
		keys["s3:dataaccesspointarn"] = []string{ap.ARN()}
		keys["s3:dataaccesspointaccount"] = []string{ap.Account}
		keys["s3:accesspointnetworkorigin"] = []string{"Internet"}
		block = block.or(ap.Block)
		resource := ap.ARN()
		if key != "" {
			resource += "/object/" + key
		}
		if err := s.decide(ctx, c, action, resource, ap.Policy, block, keys); err != nil {
			return err
		}
	}
	resource := BucketARN(b.Name)
	if key != "" {
		resource += "/" + key
	}
	return s.decide(ctx, c, action, resource, b.Policy, block, keys)
}

// decide asks iam with one resource policy, after Block Public Access had its say about it.
func (s *Service) decide(ctx context.Context, c iam.Caller, action, resource, policy string, block PublicAccessBlock, keys iam.Context) error {
	ask := iam.Ask{Action: action, Resources: []string{resource}, Context: keys}
	if policy != "" {
		p, err := iam.Parse([]byte(policy), iam.ResourcePolicy)
		if err != nil {
			return err // fail closed: a policy that does not parse might deny
		}
		if block.RestrictPublicBuckets && p.Public() && !s.owned(c) {
			return fault.New("AccessDenied", "Access Denied")
		}
		ask.Policies = []*iam.Policy{p}
	}
	err := s.cfg.IAM.Authorize(ctx, c, ask)
	if err != nil && c.Principal.Account != s.cfg.IAM.Account() {
		return fault.New("AccessDenied", "Access Denied") // the long text is for the owning account's principals only
	}
	return err
}

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

// CheckPolicy parses a resource policy before it is stored: at most 20 KB, naming only resources that owns says are the
// resource's own, and not public where Block Public Access blocks public policies. action is what the caller is doing.
func CheckPolicy(c iam.Caller, doc, action, resource string, blockPublic bool, owns func(string) bool) error {
	if len(doc) > 20*1024 {
		return fault.New("MalformedPolicy", "Policy exceeds the maximum allowed document size.")
	}
	p, err := iam.Parse([]byte(doc), iam.ResourcePolicy)
	if err != nil {
		return malformedPolicy(err)
	}
	for _, st := range p.Statements() {
		for _, r := range slices.Concat(st.Resources, st.NotResources) {
			if !owns(r) {
				return fault.New("MalformedPolicy", "Policy has invalid resource").With("Detail", r)
			}
		}
	}
	if blockPublic && p.Public() {
		return fault.New("AccessDenied", "User: %s is not authorized to perform: %s on resource: %q because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
			c.Principal.ARN, action, resource)
	}
	return nil
}

// malformedPolicy gives a policy error S3's code.
func malformedPolicy(err error) error {
	if fault.Is(err, "MalformedPolicyDocument") {
		_, text, _ := strings.Cut(err.Error(), ": ")
		return fault.New("MalformedPolicy", "%s", text)
	}
	return err
}

// validBucketName follows the S3 User Guide, "Bucket naming rules".
func validBucketName(n string) bool {
	if len(n) < 3 || len(n) > 63 || strings.Contains(n, "..") {
		return false
	}
	for _, suffix := range []string{"-s3alias", "--ol-s3"} {
		if strings.HasSuffix(n, suffix) {
			return false
		}
	}
	return edgesAlphanumeric(n) && !slices.ContainsFunc([]byte(n), func(c byte) bool { return !lowerOrDigit(c) && c != '-' && c != '.' })
}

// ValidAccessPointName follows the S3 User Guide, "Rules for naming Amazon S3 access points"; most is 50 for standard ones,
// 45 for Object Lambda ones.
func ValidAccessPointName(n string, most int) bool {
	if len(n) < 3 || len(n) > most || strings.HasSuffix(n, "-s3alias") || strings.HasSuffix(n, "--ol-s3") {
		return false
	}
	return edgesAlphanumeric(n) && !slices.ContainsFunc([]byte(n), func(c byte) bool { return !lowerOrDigit(c) && c != '-' })
}

func edgesAlphanumeric(n string) bool { return lowerOrDigit(n[0]) && lowerOrDigit(n[len(n)-1]) }

func lowerOrDigit(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }
