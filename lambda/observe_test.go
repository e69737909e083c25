package lambda

import (
	"context"
	"errors"
	"testing"

	"glassine/aws/fault"
)

func TestOutcomeOfAnInvocation(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	for _, c := range []struct {
		name   string
		ctx    context.Context //nolint:containedctx // a row of the table
		result Result
		err    error
		want   string
	}{
		{"an answer", t.Context(), Result{}, nil, "success"},
		{"an answer whose caller left", ended, Result{}, nil, "success"},
		{"the function's error", t.Context(), Result{Failed: true}, nil, "error"},
		{"the function took too long", t.Context(), Result{Failed: true, timedOut: true}, nil, "timeout"},
		{"too many at once", t.Context(), Result{}, throttled("x"), "throttled"},
		{"a role that is not trusted", t.Context(), Result{}, fault.New("AccessDeniedException", "x"), "refused"},
		{"the machine's failure", t.Context(), Result{}, errors.New("no memory"), "failed"},
		{"whoever asked left", ended, Result{}, context.Canceled, "cancelled"},
	} {
		if got := outcomeOf(c.ctx, c.result, c.err); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
