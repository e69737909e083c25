// Package objectlambda is S3 Object Lambda: access points whose answers are made by a function.
//
// For each request it makes a presigned URL for what was asked, acting as the caller, and invokes the function with an
// event that holds it. For GetObject it waits with the answer open until the function (or whatever else holds the
// one-time token) calls WriteGetObjectResponse; that body then streams to the caller. For HeadObject and the lists the
// function's return value is the answer. Everything else goes to the supporting access point. It knows no HTTP server and
// no bytes of pictures.
//
// Start at Service.Begin, Call.Authorize and Service.WriteGetObjectResponse.
package objectlambda

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/url"
	"sync"
	"time"

	"glassine/iam"
	"glassine/lambda"
	"glassine/s3"
	"glassine/state"
)

// servicePrincipal acts for callers, as aws:CalledVia names it.
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
	Region  string // of access points whose supporting one says nothing else; "" means us-east-1
	// Webhooks calls the handlers that stand in a configuration as a URL in a function's place; nil refuses them.
	Webhooks http.RoundTripper
	// Endpoint is where such a handler, which knows nothing of AWS's names, reaches S3.
	Endpoint *url.URL
	// Observe is told of each call when it ended; nil tells nobody. It must not block.
	Observe func(context.Context, Event)
	Now     func() time.Time // nil means time.Now
	Log     *slog.Logger     // nil means slog.Default
}

// Service holds the account's Object Lambda access points and the answers under way. Safe for many goroutines. Close it
// when it is no longer used.
type Service struct {
	cfg      Config
	points   *state.Table[AccessPoint]
	policies iam.ReadPolicies

	tokenKey [32]byte // of this process: a token dies with the answer that waits here

	life      context.Context // ends with Close, and every function with it
	end       context.CancelFunc
	functions sync.WaitGroup // functions running

	mu      sync.Mutex            // guards what follows
	waiting map[[16]byte]*pending // by the token's id
	closed  bool
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
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	rand.Read(s.tokenKey[:])
	return s, nil
}

// Close ends the functions that run, those that go on after their answer too, and waits for them. GetObject refuses
// afterwards.
func (s *Service) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.end()
	s.functions.Wait()
}
