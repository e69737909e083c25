// Package lambda holds functions and their versions and invokes them: it decides whether the caller may, gives the code
// the execution role's credentials, bounds how many run at once, and ends what runs too long. Where the code runs is
// lambda/sandbox's and lambda/runner's; nothing here knows what a function does.
//
// Start at Service.Invoke.
package lambda

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"glassine/iam"
	"glassine/lambda/runner"
	"glassine/state"
)

// Principals that assume an execution role. An edge function's role must trust both.
// (CloudFront Developer Guide, "Function execution role".)
const (
	ServicePrincipal     = "lambda.amazonaws.com"
	EdgeServicePrincipal = "edgelambda.amazonaws.com"
)

// Latest is the version name of what is not published.
const Latest = "$LATEST"

// Config is what a Service stands on.
type Config struct {
	State  state.Store
	IAM    *iam.Service
	Region string // of functions whose creator names none, and where the edge's functions log; "" means us-east-1
	// Dir is a directory that is this service's alone, for zip archives; "" refuses them.
	Dir string
	// Executor runs functions whose code is a zip archive; nil refuses to run them.
	Executor Executor
	// Objects is where archives come from that are not in the request; nil refuses them.
	Objects Objects
	// Logs is where functions write; nil throws it away.
	Logs Logs
	// Builtins are functions that are part of the program, by the URI that names them as code: "glassine://image".
	Builtins map[string]runner.Func
	// AWS invokes functions in an AWS account, whose code is their ARN there; a nil Credentials in it refuses them.
	AWS runner.AWS
	// Concurrency bounds the invocations under way, all functions together. One more is refused, none waits. Zero means
	// 1000, the account limit of AWS (Lambda Developer Guide, "Lambda quotas").
	Concurrency int
	// Transport carries webhook calls; nil means http.DefaultTransport.
	Transport http.RoundTripper
	// UsedBy names what uses a published version, by its ARN, such as a distribution: the version cannot be deleted then. ""
	// is nothing, and so is a nil UsedBy.
	UsedBy func(versionARN string) string
	// StrictEdge refuses functions at the edge that have environment variables, layers or the arm64 architecture, as AWS does:
	// docs/aws-differences.md.
	StrictEdge bool
	// Observe is told of each invocation and of each function that is deleted, by many goroutines at once; nil is nobody.
	Observe func(context.Context, Event)
	Now     func() time.Time // nil means time.Now
	Log     *slog.Logger     // nil means slog.Default
}

// Objects reads code from S3 as the caller. version may be "". The caller closes the reader.
type Objects interface {
	GetObject(ctx context.Context, c iam.Caller, bucket, key, version string) (io.ReadCloser, error)
}

// Logs takes what functions write: events of a stream at their times. The stream is made when it is not there, as is its
// group. The caller is the execution role's session. Safe for many goroutines.
type Logs interface {
	Lines(ctx context.Context, c iam.Caller, region, group, stream string, at []time.Time, lines [][]byte) error
}

// Service holds the account's functions. Safe for many goroutines.
type Service struct {
	policies  iam.ReadPolicies
	cfg       Config
	functions *state.Table[Function]
	layers    *state.Table[Layer]
	archives  *archives // nil without Config.Dir
	gate      gate
	queue     *queue
	writers   writers

	strictEdge atomic.Bool // Config.StrictEdge, or as it was set since

	ctx    context.Context // ends with Close, and with it what works in the background
	cancel context.CancelFunc
	work   sync.WaitGroup // what works in the background

	mu    sync.Mutex
	timer *time.Timer // of the next sweep, or nil
}

// New reads the functions from cfg.State. The caller closes the Service.
func New(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Concurrency == 0 {
		cfg.Concurrency = 1000
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Service{cfg: cfg, gate: gate{most: cfg.Concurrency, running: map[string]int{}}}
	s.strictEdge.Store(cfg.StrictEdge)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	var err error
	if s.functions, err = state.OpenTable[Function](ctx, cfg.State, "lambda/functions"); err != nil {
		return nil, err
	}
	if s.layers, err = state.OpenTable[Layer](ctx, cfg.State, "lambda/layers"); err != nil {
		return nil, err
	}
	s.countReserved()
	if cfg.Dir != "" {
		if s.archives, err = openArchives(filepath.Clean(cfg.Dir)); err != nil {
			return nil, err
		}
		if err := s.archives.sweep(s.usedArchives(), true); err != nil {
			return nil, err
		}
	}
	if s.queue, err = openQueue(ctx, cfg.State); err != nil {
		return nil, err
	}
	s.wake()
	return s, nil
}

// SetStrictEdge changes Config.StrictEdge, for associations from now on.
func (s *Service) SetStrictEdge(strict bool) { s.strictEdge.Store(strict) }

// Close ends asynchronous invocations under way, which are tried again after the next New, and waits for them.
func (s *Service) Close() error {
	s.queue.mu.Lock() // so that no dispatcher begins any more
	s.cancel()
	s.queue.mu.Unlock()
	s.mu.Lock()
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()
	s.work.Wait()
	return nil
}

// sweepAfter is how long an archive stays that nobody refers to any more: longer than the longest invocation.
const sweepAfter = 16 * time.Minute

// sweepLater removes archives that are not used any more, when nothing can run of them either.
func (s *Service) sweepLater() {
	if s.archives == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.timer != nil || s.ctx.Err() != nil {
		return
	}
	err := s.archives.sweep(s.usedArchives(), false) // marks what is loose now
	s.logSweep(err)
	s.timer = time.AfterFunc(sweepAfter, func() {
		s.mu.Lock()
		s.timer = nil
		s.mu.Unlock()
		s.logSweep(s.archives.sweep(s.usedArchives(), false))
	})
}

func (s *Service) logSweep(err error) {
	if err != nil {
		s.cfg.Log.Error("code that is not used any more was not removed", "error", err.Error())
	}
}

// usedArchives are the SHA256 of all archives that a version of a function or layer refers to.
func (s *Service) usedArchives() map[string]bool {
	used := map[string]bool{}
	for _, f := range s.functions.All() {
		for _, v := range append([]Version{f.Latest}, f.Versions...) {
			used[v.Archive.SHA256] = true
			for _, l := range v.Layers {
				used[l.Archive.SHA256] = true
			}
		}
	}
	for _, l := range s.layers.All() {
		for _, v := range l.Versions {
			used[v.Archive.SHA256] = true
		}
	}
	return used
}
