package lambda

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glassine/aws/fault"
	"glassine/lambda/runner"
)

func TestInvocationCarriesTheRolesCredentials(t *testing.T) {
	r := newRig(t)
	r.run = func(ctx context.Context, inv runner.Invocation) ([]byte, error) {
		_, c, err := r.iam.Lookup(ctx, inv.Credentials.AccessKeyID, inv.Credentials.SessionToken)
		if err != nil || c.Principal.RoleARN != roleARN || !strings.HasSuffix(c.Principal.ARN, "/clean") {
			t.Errorf("credentials are %v's, %v", c.Principal, err)
		}
		if inv.FunctionARN != functionARN+":1" || inv.FunctionName != "clean" || inv.Version != "1" || inv.Region != "us-east-1" {
			t.Errorf("invocation = %+v", inv)
		}
		if !regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(inv.RequestID) {
			t.Errorf("request id = %q, want a UUID", inv.RequestID)
		}
		return []byte(`"done"`), nil
	}
	if _, _, err := r.PublishVersion(t.Context(), r.root, "clean", Publish{}); err != nil {
		t.Fatal(err)
	}
	out, err := r.Invoke(t.Context(), r.root, "clean:1", []byte("{}"))
	if err != nil || string(out.Payload) != `"done"` || out.Version != "1" || out.Failed {
		t.Errorf("Invoke = %+v, %v", out, err)
	}
}

// A function's failure is an answer, and its timeout is one. (Lambda API Reference, Invoke, FunctionError.)
func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(context.Context, runner.Invocation) ([]byte, error)
		want string
	}{
		{"error", func(context.Context, runner.Invocation) ([]byte, error) { return nil, errors.New("boom") }, `{"errorMessage":"boom","errorType":"Error"}`},
		{"panic", func(context.Context, runner.Invocation) ([]byte, error) { panic("boom") }, `boom","errorType":"Runtime.ExitError"}`},
		{"timeout", func(ctx context.Context, _ runner.Invocation) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }, `Task timed out after 3.00 seconds","errorType":"Sandbox.Timedout"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.run = c.run
				began := time.Now()
				out, err := r.Invoke(t.Context(), r.root, "clean", nil)
				if err != nil || !out.Failed || !strings.HasSuffix(string(out.Payload), c.want) {
					t.Errorf("Invoke = %s (failed: %t), %v, want %s", out.Payload, out.Failed, err, c.want)
				}
				if took := time.Since(began); c.name == "timeout" && took != 3*time.Second {
					t.Errorf("the function ran for %s, want its timeout of 3s", took)
				}
			})
		})
	}
}

func TestDeadlineIsTheTimeouts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.run = func(ctx context.Context, inv runner.Invocation) ([]byte, error) {
			if d, ok := ctx.Deadline(); !ok || !d.Equal(inv.Deadline) || time.Until(d) != 3*time.Second {
				t.Errorf("deadline is %s of the context, %s of the invocation", d, inv.Deadline)
			}
			return nil, nil
		}
		if _, err := r.Invoke(t.Context(), r.root, "clean", nil); err != nil {
			t.Error(err)
		}
	})
}

func TestCallerWhoLeavesEndsTheFunction(t *testing.T) {
	for name, leave := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"by going": func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(time.Second, cancel)
			return ctx, cancel
		},
		"by a deadline of its own": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.run = func(ctx context.Context, _ runner.Invocation) ([]byte, error) { <-ctx.Done(); return nil, ctx.Err() }
				ctx, cancel := leave(t.Context())
				defer cancel()
				out, err := r.Invoke(ctx, r.root, "clean", nil)
				if err == nil || !errors.Is(err, ctx.Err()) || out.Failed {
					t.Errorf("Invoke = %+v, %v, want the context's error: it is no failure of the function's", out, err)
				}
			})
		})
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Concurrency = 2 })
		release := make(chan struct{})
		r.run = func(context.Context, runner.Invocation) ([]byte, error) { <-release; return nil, nil }
		ended := make(chan error, 2)
		for range 2 {
			go func() {
				_, err := r.Invoke(t.Context(), r.root, "clean", nil)
				ended <- err
			}()
		}
		synctest.Wait()
		_, err := r.Invoke(t.Context(), r.root, "clean", nil)
		wantCode(t, "one invocation more", err, "TooManyRequestsException")
		close(release)
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		_, err = r.Invoke(t.Context(), r.root, "clean", nil)
		wantCode(t, "an invocation after they ended", err, "")
	})
}

// Slots are given back however an invocation ends.
func TestRefusedInvocationsTakeNoSlot(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Concurrency = 1 })
	r.setTrust(t, `"ec2.amazonaws.com"`)
	for range 3 {
		_, err := r.Invoke(t.Context(), r.root, "clean", nil)
		wantCode(t, "Invoke with a role that Lambda cannot assume any more", err, "AccessDeniedException")
	}
	r.setTrust(t, both)
	for range 3 {
		r.run = func(context.Context, runner.Invocation) ([]byte, error) { panic("boom") }
		_, err := r.Invoke(t.Context(), r.root, "clean", nil)
		wantCode(t, "Invoke of a function that panics", err, "")
	}
}

func TestEventIsBounded(t *testing.T) {
	r := newRig(t)
	event := bytes.Repeat([]byte{'1'}, runner.MaxPayload+1)
	_, err := r.Invoke(t.Context(), r.root, "clean", event[1:])
	wantCode(t, "the largest event", err, "")
	_, err = r.Invoke(t.Context(), r.root, "clean", event)
	wantCode(t, "one byte more", err, "RequestTooLargeException")
}

// An edge function's role must trust both services, each time.
// (CloudFront Developer Guide, "Set up IAM permissions and roles for Lambda@Edge".)
func TestEdgeFunctions(t *testing.T) {
	for _, c := range []struct{ name, trust, arn, invoke, check string }{
		{"version whose role trusts both", both, functionARN + ":1", "", ""},
		{"role that trusts Lambda only", `"lambda.amazonaws.com"`, functionARN + ":1", "AccessDeniedException", "InvalidLambdaFunctionAssociation"},
		{"role that trusts the edge only", `"edgelambda.amazonaws.com"`, functionARN + ":1", "AccessDeniedException", "InvalidLambdaFunctionAssociation"},
		{"unpublished version", both, functionARN, "ResourceNotFoundException", "InvalidLambdaFunctionAssociation"},
		{"$LATEST", both, functionARN + ":$LATEST", "ResourceNotFoundException", "InvalidLambdaFunctionAssociation"},
		{"version that is not there", both, functionARN + ":2", "ResourceNotFoundException", "InvalidLambdaFunctionAssociation"},
		{"no ARN", both, "::", "InvalidParameterValueException", "InvalidLambdaFunctionAssociation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			if _, _, err := r.PublishVersion(t.Context(), r.root, "clean", Publish{}); err != nil {
				t.Fatal(err)
			}
			r.setTrust(t, c.trust)
			out, err := r.InvokeEdge(t.Context(), c.arn, []byte(`{"Records":[]}`))
			wantCode(t, "InvokeEdge", err, c.invoke)
			if err == nil && string(out.Payload) != `{"Records":[]}` {
				t.Errorf("InvokeEdge = %s", out.Payload)
			}
			wantCode(t, "CheckEdgeFunction", r.CheckEdgeFunction(t.Context(), c.arn), c.check)
		})
	}
}

func TestEdgeFunctionsFailureIsAnError(t *testing.T) {
	r := newRig(t)
	r.run = func(context.Context, runner.Invocation) ([]byte, error) { return nil, errors.New("boom") }
	if _, _, err := r.PublishVersion(t.Context(), r.root, "clean", Publish{}); err != nil {
		t.Fatal(err)
	}
	_, err := r.InvokeEdge(t.Context(), functionARN+":1", nil)
	if f, ok := errors.AsType[*runner.FunctionError](err); !ok || !strings.Contains(f.Message, "boom") {
		t.Errorf("InvokeEdge = %v, want the function's failure", err)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestWebhookIsCalled(t *testing.T) {
	answer := func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(`"there"`))}, nil
	}
	r := newRig(t, func(c *Config) {
		c.Transport = roundTrip(func(q *http.Request) (*http.Response, error) { return answer(q) })
	})
	if _, _, err := r.UpdateFunctionCode(t.Context(), r.root, "clean", uri("https://functions.example/")); err != nil {
		t.Fatal(err)
	}
	out, err := r.Invoke(t.Context(), r.root, "clean", nil)
	if err != nil || string(out.Payload) != `"there"` {
		t.Errorf("Invoke = %s, %v", out.Payload, err)
	}
	answer = func(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }
	out, err = r.Invoke(t.Context(), r.root, "clean", nil)
	if err == nil || out.Failed || fault.Code(err) != "" {
		t.Errorf("Invoke of a webhook that is down = %+v, %v, want an error of ours", out, err)
	}
}
