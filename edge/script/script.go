// Package script runs CloudFront Functions: a JavaScript function handler(event) of at most 10 KB that sees each viewer request or
// viewer response and may change it, in the runtimes cloudfront-js-1.0 and cloudfront-js-2.0.
//
// It is no Lambda@Edge: no process, no network, no file, no timer, no clock but Date's. Every call has a JavaScript world of its
// own, so nothing of one viewer can be seen by the next; a few worlds are kept ready, in which the code has run and handler has
// not been called.
//
// Start from New and Function.Run.
//
// What goja, the engine, does not let anyone bound is memory. A call may have what it can allocate in Config.Budget; the calls
// that there are at once are bounded by Config.Concurrency, strings made by repetition and Buffers by 2 MB. A single long operation of
// the engine, such as a regular expression that backtracks, is interrupted only when it ends. Both runtimes take the language of 2.0:
// a function for 1.0 may be accepted here that AWS refuses, never the other way round.
//
// CloudFront Developer Guide, "Customize at the edge with CloudFront Functions".
package script

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dop251/goja"
)

// The runtimes, as CreateFunction names them.
const (
	Runtime10 = "cloudfront-js-1.0"
	Runtime20 = "cloudfront-js-2.0"
)

// Quotas of CloudFront Functions (Developer Guide, "Quotas on CloudFront Functions").
const (
	MaxCode   = 10 * 1024 // bytes of code
	MaxLog    = 10 * 1024 // bytes of log of one call; more is cut off
	MaxURL    = 8192      // bytes of URI and query string together ("Restrictions on edge functions")
	MaxBody   = 40 * 1024 // bytes of a generated body (Developer Guide, "Quotas", generated responses of viewer events)
	MaxMemory = 2 << 20   // bytes of one Buffer or repeated string; see the package comment
)

// Config is a function.
type Config struct {
	// Runtime is Runtime10 or Runtime20.
	Runtime string
	// Code is the source, at most MaxCode bytes.
	Code []byte
	// Stores are the key value stores that are associated with it, by id; kvs() without an id is the only one. Runtime20 only.
	Stores map[string]KeyValueStore
	// Budget is the longest that a call may take; 0 means 10 ms. CloudFront gives about 1 ms of its own engine's time; this is time by
	// the clock, on a machine that does other work.
	Budget time.Duration
	// Concurrency is how many calls may run at once; others wait. 0 means one for each processor that Go uses.
	Concurrency int
}

// KeyValueStore is what a function may read of a CloudFront KeyValueStore. It answers from memory, in microseconds, and is safe for
// many goroutines.
type KeyValueStore interface {
	// Get returns a key's value.
	Get(key string) (value string, ok bool)
	// Info is what meta() and count() answer.
	Info() StoreInfo
}

// StoreInfo tells about a KeyValueStore.
type StoreInfo struct {
	Created, Updated time.Time
	Keys             int
}

// Function is a compiled function, safe for many goroutines.
type Function struct {
	cfg            Config
	program        *goja.Program
	otherFunctions bool
	gate           chan struct{}
	ready          chan *world
	refills        sync.WaitGroup
	closed         atomic.Bool
}

// New compiles a function. Close it after its last call. The error is an *Error of kind Invalid when the code is to blame.
func New(cfg Config) (*Function, error) {
	if cfg.Runtime != Runtime10 && cfg.Runtime != Runtime20 {
		return nil, fmt.Errorf("runtime %q is neither %s nor %s", cfg.Runtime, Runtime10, Runtime20)
	}
	if len(cfg.Code) > MaxCode {
		return nil, &Error{Kind: Invalid, Message: fmt.Sprintf("the code has %d bytes, at most %d are allowed", len(cfg.Code), MaxCode)}
	}
	if cfg.Budget <= 0 {
		cfg.Budget = 10 * time.Millisecond
	}
	if cfg.Concurrency <= 0 {
		cfg.Concurrency = runtime.GOMAXPROCS(0)
	}
	source := string(cfg.Code)
	if cfg.Runtime == Runtime20 {
		source = withoutImports(source)
	}
	program, err := goja.Compile("function", source, false)
	if err != nil {
		return nil, &Error{Kind: Invalid, Message: err.Error()}
	}
	f := &Function{
		cfg: cfg, program: program, otherFunctions: needsOtherFunctions(source),
		gate: make(chan struct{}, cfg.Concurrency), ready: make(chan *world, cfg.Concurrency),
	}
	w, err := f.prepare()
	if err != nil {
		return nil, &Error{Kind: Invalid, Message: err.Error()}
	}
	f.ready <- w
	return f, nil
}

// Close waits for the work that calls have left behind. No call may be under way or follow.
func (f *Function) Close() {
	f.closed.Store(true)
	f.refills.Wait()
}

// take returns a world, one that is ready if there is one.
func (f *Function) take() (*world, error) {
	select {
	case w := <-f.ready:
		return w, nil
	default:
		return f.prepare()
	}
}

// refill makes the next world ready in the background, within the program's budget.
func (f *Function) refill() {
	if len(f.ready) == cap(f.ready) || f.closed.Load() {
		return
	}
	f.refills.Go(func() {
		w, err := f.prepare()
		if err != nil {
			return // the next call meets the error itself
		}
		select {
		case f.ready <- w:
		default:
		}
	})
}

// Result is what a call came to. Of Request and Response one is set, or neither when there is an error.
type Result struct {
	// Request is what goes on, changed or not; nil when Response is set.
	Request *Request
	// Response is the response, changed or not; of a viewer-request function, one that it generated.
	Response *Response
	// Origin is what the function did about the origin (Runtime20, viewer-request); nil: nothing.
	Origin *OriginChange
	// Log are the lines of console.log, together at most MaxLog bytes.
	Log []string
	// Utilization is the part of the budget that the call took, 0..100 (TestFunction's ComputeUtilization).
	Utilization int
}

// OriginChange is the last call of a method that changes the origin.
// Developer Guide, "Helper methods for origin modification".
type OriginChange struct {
	// Method is "updateRequestOrigin", "selectRequestOriginById" or "createRequestOriginGroup".
	Method string
	// Arguments are its arguments, a JSON array.
	Arguments []byte
}

// Run calls the function. The result is never nil; its log and utilization count also when there is an error, which is an *Error,
// or ctx's when that ended while others were running. e is not changed.
func (f *Function) Run(ctx context.Context, e *Event) (*Result, error) {
	select {
	case f.gate <- struct{}{}:
		defer func() { <-f.gate }()
	case <-ctx.Done():
		return &Result{}, context.Cause(ctx)
	}
	w, err := f.take()
	if err != nil {
		failure := asError(err)
		failure.Budget = f.cfg.Budget
		return &Result{}, failure
	}
	start := time.Now()
	result, err := w.call(e)
	f.refill()
	result.Log = w.log.lines
	result.Utilization = int(min(100, time.Since(start)*100/f.cfg.Budget))
	if err == nil {
		result.Origin = w.origin
		return result, nil
	}
	failure := asError(err)
	failure.Budget = f.cfg.Budget
	result.Request, result.Response = nil, nil
	return result, failure
}

// asError says what kind of failure err is.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if _, ok := errors.AsType[*goja.InterruptedError](err); ok {
		return &Error{Kind: TimedOut}
	}
	if _, ok := errors.AsType[*goja.StackOverflowError](err); ok {
		return &Error{Kind: Threw, Message: "maximum call stack size exceeded"}
	}
	return &Error{Kind: Threw, Message: err.Error()}
}
