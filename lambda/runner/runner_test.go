package runner

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestFuncFailures(t *testing.T) {
	own := &FunctionError{"MyError", "mine"}
	for _, c := range []struct {
		name string
		f    Func
		want string // the failure's payload; "" is success
	}{
		{"result", func(context.Context, Invocation) ([]byte, error) { return []byte("1"), nil }, ""},
		{"error", func(context.Context, Invocation) ([]byte, error) { return []byte("1"), errors.New(`a "b"`) }, `{"errorMessage":"a \"b\"","errorType":"Error"}`},
		{"failure of its own", func(context.Context, Invocation) ([]byte, error) { return nil, own }, `{"errorMessage":"mine","errorType":"MyError"}`},
		{"panic", func(context.Context, Invocation) ([]byte, error) { panic("boom") }, `{"errorMessage":"RequestId: id Error: boom","errorType":"Runtime.ExitError"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := c.f.Run(t.Context(), Invocation{RequestID: "id"})
			if c.want == "" {
				if err != nil || string(out) != "1" {
					t.Errorf("Run = %s, %v", out, err)
				}
				return
			}
			f, ok := errors.AsType[*FunctionError](err)
			if !ok || out != nil || string(f.Payload()) != c.want {
				t.Errorf("Run = %s, %v, want %s", out, err, c.want)
			}
		})
	}
}

func TestTimedOutIsWordedAsAWSs(t *testing.T) {
	want := `{"errorMessage":"RequestId: id Error: Task timed out after 3.00 seconds","errorType":"Sandbox.Timedout"}`
	if got := string(TimedOut("id", 3*time.Second).Payload()); got != want {
		t.Errorf("TimedOut = %s, want %s", got, want)
	}
}
