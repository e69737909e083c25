// Package sandbox runs functions as processes of this machine: each version of a function has processes of its own, held by
// package confine, that poll an AWS Lambda Runtime API of their own for events. Node and Python functions run on the
// machine's interpreters with small shims of ours, provided.* functions bring their bootstrap.
//
// A process sees AWS's host names, over TLS with the installation's CA, and nothing else of any network. Which function may
// be invoked by whom, and what it is allowed, is decided above (package lambda) and at the AWS endpoint.
//
// Start at Host.Invoke. A program that uses a Host calls Main first thing in its main.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"glassine/aws/sigv4"
	"glassine/confine"
)

// Main runs a step of a sandbox when this process was started for one, and then does not return. In any other process it
// returns false at once.
func Main() bool { return confine.Main() }

// MaxPayload is the most bytes of an event, and of a result that is not streamed. (AWS Lambda Developer Guide, "Lambda
// quotas"; the runtime interface emulator's 6*1024*1024 + 100.)
const MaxPayload = 6*1024*1024 + 100

// MaxStream is the most bytes of a streamed result. (AWS Lambda Developer Guide, "Lambda quotas".)
const MaxStream = 200 << 20

// InitTime is the most time a process has before it asks for its first event. One that takes longer is started once more,
// with the function's own timeout. (AWS Lambda Developer Guide, "Lambda execution environment lifecycle".)
const InitTime = 10 * time.Second

// Version is one version of a function, as a process needs it.
type Version struct {
	// Key names code and configuration: equal keys are equal versions, and any change gives another key.
	Key                                 string
	FunctionName, FunctionARN           string // the ARN without a qualifier
	Version                             string // "$LATEST" or a number
	Region, Account                     string
	Runtime, Handler                    string   // such as nodejs20.x and index.handler
	CodeDir                             string   // unpacked code; readable by everyone, as a zip for AWS must be too
	LayerDirs                           []string // unpacked layers, in the order of the configuration: a later one wins; equal paths are equal layers
	Environment                         map[string]string
	MemoryMB, EphemeralMB               int           // 0 means 128 and 512
	Timeout                             time.Duration // 0 means 3 s
	LogGroup                            string        // "" means /aws/lambda/<name>
	LogJSON                             bool
	ApplicationLogLevel, SystemLogLevel string // with LogJSON; "" means INFO
	MaxConcurrency                      int    // reserved concurrency; 0 means no limit of its own
}

// Invocation is one event.
type Invocation struct {
	RequestID     string
	InvokedARN    string // with the qualifier, when there was one
	TraceID       string // X-Ray's; "" for none
	ClientContext string // JSON, not base64
	Payload       []byte
	// Stream takes a streamed result when it is not nil: it is called once, when the result begins, and what it returns is
	// written to until Invoke returns. A function that does not stream is one write. When it is nil, a streamed result
	// is gathered in Result.Payload.
	Stream      func(StreamHead) io.Writer
	WantLogTail bool
}

// StreamHead is what is known when a result begins.
type StreamHead struct {
	// ContentType is the function's. application/vnd.awslambda.http-integration-response says that the stream begins with a
	// JSON prelude and 8 NUL bytes.
	ContentType string
}

// Result is what came of an invocation.
type Result struct {
	Payload       []byte        // nil when it went to Invocation.Stream
	Failed        bool          // the function failed: Payload is its error as JSON
	FunctionError string        // "Unhandled" when Failed
	LogTail       []byte        // the last 4 KiB of the invocation's log, when asked for
	InitDuration  time.Duration // 0 unless the process was started for this invocation
	Duration      time.Duration
	MaxMemoryMB   int
	Level         string // strict, restricted or process
}

// Config is what a Host stands on.
type Config struct {
	// Dir is for what the processes share: shims, certificates, merged layers. It is made, for this user alone.
	Dir string
	// AWS serves a connection that a function made to one of AWS's names (to port 443 or 80: the first byte tells TLS), and
	// closes it. Below level strict the connection may be a proxy's, with CONNECT and absolute targets. nil closes them all.
	AWS func(net.Conn)
	// CAFile is the PEM file of the CA that AWS's certificates come from; "" adds none.
	CAFile string
	// Credentials returns the execution role's, and when they end. A process gets them once, in its environment, and is
	// retired at half their life. nil gives none.
	Credentials func(context.Context, Version) (sigv4.Credentials, time.Time, error)
	// Log takes a log event: a line that the function wrote, or a line about it (START, END, REPORT). The bytes are valid
	// during the call. It is called by one goroutine at a time for each stream, and holds the function up while it runs.
	Log func(v Version, stream string, at time.Time, line []byte)
	// Require is the weakest level to run at: "strict", or "" for what the machine gives.
	Require string
	// Level forces a level weaker than the machine's, for tests and for machines where a firmer one does harm.
	Level string
	// Search lists directories to look for interpreters in, before the usual ones; see SearchDirs.
	Search []string
	// Idle is how long a process is kept without work; 0 means 10 minutes. Warm keeps one regardless.
	Idle time.Duration
	// MaxProcesses bounds all processes; 0 means 16 for each CPU. An invocation that finds none free waits for at most its
	// function's timeout.
	MaxProcesses int
	Now          func() time.Time // nil means time.Now
	Logger       *slog.Logger     // nil means slog.Default
}

// ErrThrottled says that no process became free in time.
var ErrThrottled = errors.New("no process became free in time")

// ErrReservedConcurrency is an ErrThrottled: the function's own concurrency is used up.
var ErrReservedConcurrency = fmt.Errorf("the function's reserved concurrency is used up: %w", ErrThrottled)

// ErrNoInterpreter says that the machine has no interpreter for a runtime. The error that wraps it says what to install.
var ErrNoInterpreter = errors.New("no interpreter")

// ErrUnsupportedRuntime says that a runtime cannot run here at all.
var ErrUnsupportedRuntime = errors.New("unsupported runtime")

// ErrWeakIsolation says that Config.Require asks for a level that this machine does not give. The error that wraps it says
// why.
var ErrWeakIsolation = errors.New("isolation is weaker than required")

// ErrClosed says that the Host is closed.
var ErrClosed = errors.New("the host of functions is closed")

// InitError is a process that did not come as far as asking for an event.
type InitError struct {
	out     outcome
	message string // of a process that ended without a word
}

func (e *InitError) Error() string { return "initialize function: " + string(e.out.payload) }

// Payload is the error as JSON, as an invoker gets it.
func (e *InitError) Payload() []byte { return e.out.payload }

// result is the error as the result of the invocation that it was started for.
func (e *InitError) result(id string) Result {
	payload := e.out.payload
	if e.message != "" {
		payload = failed(e.out.errorType, "RequestId: "+id+" Error: "+e.message).payload
	}
	return Result{Payload: payload, Failed: true, FunctionError: "Unhandled"}
}

// Host runs functions. Safe for many goroutines.
type Host struct {
	cfg      Config
	spawner  *confine.Spawner
	level    confine.Level
	why      []string
	files    files
	runtimes interpreters
	pools    *pools
	meters   meters

	merging  sync.Mutex      // held while layers are merged and shims compiled
	compiled map[string]bool // by interpreter
	closing  sync.Once
	closed   error
}

// New looks at what the machine gives and starts no process yet. A Host whose machine gives less than cfg.Require refuses to
// run anything.
func New(cfg Config) (*Host, error) {
	if cfg.Idle == 0 {
		cfg.Idle = 10 * time.Minute
	}
	if cfg.MaxProcesses == 0 {
		cfg.MaxProcesses = 16 * runtime.NumCPU()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.AWS == nil {
		cfg.AWS = func(c net.Conn) { c.Close() }
	}
	if cfg.Log == nil {
		cfg.Log = func(Version, string, time.Time, []byte) {}
	}
	for _, level := range []string{cfg.Require, cfg.Level} {
		if level != "" && !slices.Contains(confine.Levels, confine.Level(level)) {
			return nil, fmt.Errorf("%q is no level of isolation: there are %q", level, confine.Levels)
		}
	}
	dir, err := filepath.Abs(cfg.Dir)
	if err != nil {
		return nil, err
	}
	cfg.Dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	h := &Host{cfg: cfg, spawner: confine.NewSpawner(), compiled: map[string]bool{}}
	h.runtimes.dirs = append(append([]string(nil), cfg.Search...), SearchDirs("", "")...)
	if h.files, err = writeFiles(cfg); err != nil {
		_ = h.spawner.Close() // there are no children yet
		return nil, fmt.Errorf("prepare sandboxes: %w", err)
	}
	h.findLevel()
	h.meters.start(h.cfg.Now)
	h.pools = newPools(h.startWorker, cfg.Idle, cfg.MaxProcesses, cfg.Now)
	return h, nil
}

// findLevel asks the machine, and lowers what it gives to cfg.Level.
func (h *Host) findLevel() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // bounds two probes of some milliseconds
	defer cancel()
	h.level, h.why = h.spawner.Probe(ctx)
	forced := confine.Level(h.cfg.Level)
	for _, l := range confine.Levels {
		if l == h.level && l != forced && forced != "" {
			h.level, h.why = forced, append(h.why, "the configuration asks for no more than "+h.cfg.Level)
			break
		}
		if l == forced {
			break // the machine gives less than that anyway
		}
	}
	switch {
	case h.level == confine.Strict && len(h.why) > 0:
		h.cfg.Logger.LogAttrs(ctx, slog.LevelInfo, "functions run without a control group", slog.Any("why", h.why))
	case h.level != confine.Strict:
		h.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "functions run with weak isolation", slog.String("level", string(h.level)), slog.Any("why", h.why))
	}
}

// Level is how firmly this machine holds functions: strict, restricted or process. The second result says, in sentences,
// what is missing, and is empty when nothing is.
func (h *Host) Level() (level string, why []string) { return string(h.level), h.why }

// permitted refuses to run below the required level, and to pass a process off as held when it is not.
func (h *Host) permitted() error {
	if h.cfg.Require == "" || h.cfg.Require == string(h.level) || h.level == confine.Strict {
		return nil
	}
	if h.cfg.Require == string(confine.Process) || h.cfg.Require == string(confine.Restricted) && h.level != confine.Process {
		return nil
	}
	return fmt.Errorf("%w: %s is required, this machine gives %s: %q", ErrWeakIsolation, h.cfg.Require, h.level, h.why)
}

// Runtime says which interpreter a runtime name gets: its path and version, and a warning when the version is not the named
// one. The path is empty for runtimes that bring their own. Errors: ErrNoInterpreter, ErrUnsupportedRuntime.
func (h *Host) Runtime(ctx context.Context, name string) (path, version, warning string, err error) {
	r, err := h.runtimes.find(ctx, name)
	return r.path, r.version.String(), r.warning, err
}

// Warm starts a process of the version unless there is one, and keeps one until Retire. It waits for the process to
// initialize; a *InitError says that it did not.
func (h *Host) Warm(ctx context.Context, v Version) error {
	if err := h.permitted(); err != nil {
		return err
	}
	return h.pools.warm(ctx, v.withDefaults())
}

// Invoke runs one event on a process of the version and waits for its end. What the function does wrong is in the Result;
// errors are ErrThrottled, ErrNoInterpreter, ErrUnsupportedRuntime, ErrWeakIsolation, what Credentials said, or ctx's: when
// ctx ends, so does the process.
func (h *Host) Invoke(ctx context.Context, v Version, inv Invocation) (Result, error) {
	if err := h.permitted(); err != nil {
		return Result{}, err
	}
	result, err := h.pools.invoke(ctx, v.withDefaults(), inv)
	if failed, ok := errors.AsType[*InitError](err); ok {
		result, err = failed.result(inv.RequestID), nil
	}
	result.Level = string(h.level)
	return result, err
}

// Retire ends the version's idle processes at once, and the busy ones after their invocation.
func (h *Host) Retire(key string) { h.pools.retire(key) }

// Close ends all processes and waits until they are gone.
func (h *Host) Close() error {
	h.closing.Do(func() {
		h.pools.close()
		h.meters.stop()
		h.closed = h.spawner.Close()
	})
	return h.closed
}

func (v Version) withDefaults() Version {
	if v.MemoryMB == 0 {
		v.MemoryMB = 128
	}
	if v.EphemeralMB == 0 {
		v.EphemeralMB = 512
	}
	if v.Timeout == 0 {
		v.Timeout = 3 * time.Second
	}
	if v.LogGroup == "" {
		v.LogGroup = "/aws/lambda/" + v.FunctionName
	}
	return v
}
