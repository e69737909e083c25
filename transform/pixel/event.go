package pixel

import (
	"context"
	"errors"
	"time"

	"glassine/transform/pixel/library"
	"glassine/transform/pixel/render"
)

// Outcome is what came of a job, or what happened to a worker.
type Outcome string

// The outcomes of jobs, with the error of Render, and the steps of a worker's life.
const (
	OK          Outcome = "ok"
	BadInput    Outcome = "input"       // *render.InputError
	Crash       Outcome = "crash"       // *CrashError
	Deadline    Outcome = "deadline"    // *DeadlineError
	Busy        Outcome = "busy"        // *BusyError
	Refused     Outcome = "refused"     // a picture that crashed before: no worker saw it
	Cancelled   Outcome = "cancelled"   // the caller's context ended, or the Engine was closed
	Unavailable Outcome = "unavailable" // *library.UnavailableError or ErrWeakIsolation
	Failed      Outcome = "failed"      // anything else, such as a worker that does not start

	WorkerStarted  Outcome = "worker started"
	WorkerRecycled Outcome = "worker recycled" // after Config.MaxJobs, or beyond Config.MaxRSSMB
	WorkerRetired  Outcome = "worker retired"  // idle, or to make room for one of the other kind
)

// Event is told to Config.Observe: one for each call of Render, and one for each step of a worker's life but its crash.
type Event struct {
	Outcome Outcome
	SVG     bool          // it was about SVG
	Waited  time.Duration // of a job: until a worker was free
	Took    time.Duration // of a job: in the worker, 0 when none saw it. Of WorkerStarted: until it could work
}

// outcomeOf sorts the error of a job.
func outcomeOf(ctx context.Context, err error) Outcome {
	if err == nil {
		return OK
	}
	if _, ok := errors.AsType[*render.InputError](err); ok {
		return BadInput
	}
	if _, ok := errors.AsType[*CrashError](err); ok {
		return Crash
	}
	if _, ok := errors.AsType[*DeadlineError](err); ok {
		return Deadline
	}
	if _, ok := errors.AsType[*BusyError](err); ok {
		return Busy
	}
	if _, ok := errors.AsType[*library.UnavailableError](err); ok || errors.Is(err, ErrWeakIsolation) {
		return Unavailable
	}
	if ctx.Err() != nil || errors.Is(err, ErrClosed) {
		return Cancelled
	}
	return Failed
}
