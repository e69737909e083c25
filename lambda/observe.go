package lambda

import (
	"context"
	"slices"
	"strings"
	"time"

	"glassine/aws/fault"
)

// Event is one invocation that is over, or a function that was deleted. It holds nothing of the payload.
type Event struct {
	Function string // name
	// Result is what came of the invocation: success; error or timeout, when the function failed; throttled; refused, when it was
	// not begun because of its role, its code or the payload; cancelled by who asked; failed, when the machine did; deleted of a
	// function that is no more.
	Result string
	// Took is how long it ran, Init how long the process took to start that it waited for; 0 where it did not.
	Took, Init time.Duration
}

// Deleted is the Result of a function that is no more.
const Deleted = "deleted"

// outcomeOf sorts how an invocation ended.
func outcomeOf(ctx context.Context, r Result, err error) string {
	switch {
	case err == nil && !r.Failed:
		return "success"
	case err == nil && r.timedOut:
		return "timeout"
	case err == nil:
		return "error"
	case ctx.Err() != nil:
		return "cancelled"
	case fault.Is(err, "TooManyRequestsException"):
		return "throttled"
	case fault.Code(err) != "":
		return "refused"
	}
	return "failed"
}

// Running returns how many invocations are under way, by the function's name.
func (s *Service) Running() map[string]int {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	out := make(map[string]int, len(s.gate.running))
	for key, n := range s.gate.running {
		out[key[strings.LastIndexByte(key, '/')+1:]] += n
	}
	return out
}

// observeGone tells the observer of a function that was deleted, unless one of its name is in another region.
func (s *Service) observeGone(ctx context.Context, r ref) {
	if s.cfg.Observe == nil || slices.ContainsFunc(s.functions.All(), func(f Function) bool { return f.Name == r.name }) {
		return
	}
	s.cfg.Observe(ctx, Event{Function: r.name, Result: Deleted})
}
