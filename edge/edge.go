// Package edge is the CDN: CloudFront's distributions and behaviors in front of an origin, with a cache, the
// origin-request trigger of Lambda@Edge, and the control-plane calls that configure it all.
//
// It is no proxy for anything else and has no wire types: aws/cloudfrontapi translates CloudFront's XML to the calls
// here. It sees origins as an http.RoundTripper and functions as an Invoker, so it does not know which of them live in
// the same process. Cached responses are package edge/cache's.
//
// Start at Edge: New loads its records, ServeHTTP answers viewers, the other methods configure. What is decided for one
// request reads from top to bottom in serve.go.
package edge

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"glassine/edge/cache"
	"glassine/iam"
	"glassine/state"
	"glassine/telemetry"
)

// Config says what an Edge works with. State, IAM and Account are required.
type Config struct {
	State   state.Store
	IAM     *iam.Service
	Account string // 12 digits, in the ARNs of distributions

	// Invoker runs Lambda@Edge functions; nil refuses every association.
	Invoker Invoker
	// Origin fetches from origins; nil means NewOriginTransport(). It must send the request target as
	// URL.RequestURI() gives it, add no Accept-Encoding of its own and leave Content-Encoding alone
	// (http.Transport.DisableCompression). It may be a handler in this process.
	Origin http.RoundTripper

	// Derived are headers that the edge makes from a request before it looks for the cache key, by their names: one takes effect
	// where a cache policy lists it, and then belongs to the key and goes to the origin like any other. Whatever the viewer sent
	// under the name is gone.
	Derived map[string]Derive

	// Geo knows the countries of viewers; nil knows none.
	Geo Geo
	// Strict switches off what the edge does better than CloudFront.
	Strict Strict
	// CacheStatus adds Cache-Status (RFC 9211) to every answer, which CloudFront does not.
	CacheStatus bool

	// HTTPSPort is the port of the viewers' TLS listener, put into redirects unless it is "" or "443".
	HTTPSPort string
	// HTTP3Port is the port at which HTTP/3 is served, for the distributions that have it; "" advertises none.
	HTTP3Port string
	// SameCertificate reports whether the certificate that a viewer gets for the server name is good for host too, so that a
	// connection made for one may carry requests for the other. nil says never.
	SameCertificate func(serverName, host string) bool
	// CacheBytes bounds the cached responses, headers included; 0 means 256 MiB.
	CacheBytes int64
	// CacheDir is the directory of what is cached on disk, found again at the next start; "" keeps nothing there. It is of one
	// process at a time. If it cannot be used, or fails later, Log says so and the edge goes on without.
	CacheDir string
	// DiskBytes bounds the files in CacheDir; 0 means 10 GiB.
	DiskBytes int64
	// StallTimeout ends an answer whose viewer takes nearly nothing of it: 256 KiB may take that long, and up to twice that. 0 means
	// DefaultStallTimeout. It takes effect where the ResponseWriter has SetWriteDeadline.
	StallTimeout time.Duration
	// Fills is how many origin requests run at once; 0 means 256. A request that cannot begin within 10 s gets 503.
	Fills int
	// Branding is whose name X-Cache, Via, Server and the error pages carry: "cloudfront" (also ""), or "glassine".
	Branding string
	// Location is what X-Amz-Cf-Pop and x-edge-location say; "" means LOC50-C1.
	Location string

	// FunctionLog gets what functions at the edge leave in CloudWatch Logs beside what Lambda writes: the lines of a CloudFront
	// function under /aws/cloudfront/function/<Name>, and why a Lambda@Edge function's answer was refused under
	// /aws/cloudfront/LambdaEdge/<DistributionId>. It must not block, and keeps lines for itself. nil drops them.
	FunctionLog func(group, stream string, at time.Time, lines []string)
	// AccessLog gets one JSON line for each request, in one Write, under CloudFront's field names; nil writes none.
	AccessLog io.Writer
	// StandardLog delivers the standard logs of distributions to buckets.
	StandardLog StandardLog
	// Metrics counts requests, fetches and what goes from the cache; nil counts nothing.
	Metrics *telemetry.Requests
	// Traces keeps how the last requests were answered that cost more than a hit; nil keeps none.
	Traces *telemetry.Traces
	// Log gets what an operator must know; nil discards.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// DefaultStallTimeout lets a viewer take 256 KiB in a minute or two, which is 2 to 4 KB/s.
const DefaultStallTimeout = time.Minute

// Derive takes a raw query and the viewer's headers. It returns the query that counts in its place, and the value of the
// header, "" for none. So requests that ask for the same, each in its own words, share one entry of the cache; CloudFront's
// users do that in a viewer-request function. It runs for every request, hits included.
type Derive func(query string, header http.Header) (string, string)

// Invoker runs a function version on an event and returns its answer, both JSON. A TooManyRequestsException fault is
// answered as LambdaLimitExceeded, any other error as LambdaExecutionError. An Invoker that is also a FunctionChecker is
// asked before a function is associated.
type Invoker interface {
	InvokeEdge(ctx context.Context, functionVersionARN string, event []byte) ([]byte, error)
}

// FunctionChecker says whether a function version may be run at the edge: it exists, and its role trusts both
// lambda.amazonaws.com and edgelambda.amazonaws.com. A *fault.Error's message is passed on to the caller.
type FunctionChecker interface {
	CheckEdgeFunction(ctx context.Context, functionVersionARN string) error
}

// Edge serves viewers and keeps the configuration. All methods are safe for many goroutines.
type Edge struct {
	cfg       Config
	authorize func(context.Context, iam.Caller, iam.Ask) error
	cache     *cache.Cache
	variants  *variants
	unsliced  *hints // keys whose origin gives no slices of them
	brand     *brand
	access    *accessLog // nil: none
	spool     *logSpool  // nil: no standard logs
	adjusted  atomic.Pointer[Adjustable]
	top       tops
	unserved  *telemetry.RequestMeter // of requests that no distribution answers for; nil: nothing is counted

	// routes is what the data plane reads: an immutable snapshot, replaced as a whole.
	routes atomic.Pointer[routes]

	// control guards the maps below. A change holds it while it commits, so that records and maps change in one order;
	// requests of viewers never take it.
	control       sync.Mutex
	distributions map[string]*Distribution
	policies      map[string]*CachePolicy
	invalidations map[string][]Invalidation // by distribution, oldest first

	scripts scripts // changed while control is held

	accessControls *state.Table[OriginAccessControl] // by ID; changed while control is held
	functions      *state.Table[functionRecord]      // by name; likewise
	tags           *state.Table[[]Tag]               // by ARN; likewise

	OriginRequestPolicies   *Collection[OriginRequestPolicyConfig]
	ResponseHeadersPolicies *Collection[ResponseHeadersPolicyConfig]
	PublicKeys              *Collection[PublicKeyConfig]
	KeyGroups               *Collection[KeyGroupConfig]
}

// New loads the records of cfg.State and returns an Edge that serves them. The caller closes it.
func New(ctx context.Context, cfg Config) (*Edge, error) {
	if cfg.State == nil || cfg.IAM == nil || cfg.Account == "" {
		return nil, errors.New("edge: State, IAM and Account are required")
	}
	return open(ctx, cfg, cfg.IAM.Authorize)
}

// open is New with the decision as a function.
func open(ctx context.Context, cfg Config, authorize func(context.Context, iam.Caller, iam.Ask) error) (*Edge, error) {
	if cfg.Origin == nil {
		cfg.Origin = NewOriginTransport()
	}
	if cfg.Location == "" {
		cfg.Location = "LOC50-C1"
	}
	if cfg.StallTimeout == 0 {
		cfg.StallTimeout = DefaultStallTimeout
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	brand, err := newBrand(cfg.Branding, cfg.Location)
	if err != nil {
		return nil, err
	}
	e := &Edge{
		cfg: cfg, authorize: authorize, brand: brand,
		distributions: map[string]*Distribution{},
		policies:      map[string]*CachePolicy{},
		invalidations: map[string][]Invalidation{},
	}
	e.Adjust(Adjustable{cfg.Strict, cfg.CacheStatus})
	e.unserved = e.meterUnserved()
	if cfg.AccessLog != nil {
		e.access = &accessLog{w: cfg.AccessLog}
	}
	if e.accessControls, err = state.OpenTable[OriginAccessControl](ctx, cfg.State, "cloudfront/originaccesscontrols"); err != nil {
		return nil, err
	}
	if err := e.openCollections(ctx); err != nil {
		return nil, err
	}
	if cfg.StandardLog.Delivery != nil {
		if e.spool, err = openLogSpool(cfg.StandardLog, cfg.Now, cfg.Log); err != nil {
			return nil, err
		}
	}
	if err := e.load(ctx); err != nil {
		e.spool.close()
		return nil, err
	}
	e.variants, e.unsliced = newVariants(), newHints(cfg.Now)
	e.cache = cache.New(cache.Config{
		Bytes: cfg.CacheBytes, Fills: cfg.Fills, Now: cfg.Now,
		Dir: cfg.CacheDir, DiskBytes: cfg.DiskBytes, EncodeMeta: encodeStored, DecodeMeta: decodeStored, Log: cfg.Log,
	})
	return e, nil
}

// Close stops every fetch under way and waits for them. Requests that wait for one get an error. Then it delivers what there is of
// standard logs, for a few seconds at most.
func (e *Edge) Close() {
	e.cache.Close()
	e.control.Lock()
	e.scripts.begin()
	e.scripts.end()
	e.control.Unlock()
	e.spool.close()
}
