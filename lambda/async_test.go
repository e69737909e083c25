package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"glassine/aws/fault"
	"glassine/lambda/runner"
	"glassine/state"
)

// tries notes when a function ran, by the event.
type tries struct {
	mu   sync.Mutex
	at   map[string][]time.Duration // since the first note of all
	from time.Time
}

func (n *tries) note(event string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.at == nil {
		n.at, n.from = map[string][]time.Duration{}, time.Now()
	}
	n.at[event] = append(n.at[event], time.Since(n.from))
	return len(n.at[event])
}

func (n *tries) of(event string) []time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.at[event]
}

func TestAsynchronousInvocationIsTriedThreeTimes(t *testing.T) {
	for _, c := range []struct {
		name   string
		config EventInvokeChange
		want   []time.Duration
	}{
		{"by default", EventInvokeChange{}, []time.Duration{0, time.Minute, 3 * time.Minute}},
		{"with one retry", EventInvokeChange{Attempts: new(1)}, []time.Duration{0, time.Minute}},
		{"with none", EventInvokeChange{Attempts: new(0)}, []time.Duration{0}},
		{"until it is too old", EventInvokeChange{Age: new(time.Minute + time.Second)}, []time.Duration{0, time.Minute}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				var n tries
				ids := map[string]bool{}
				r.run = func(_ context.Context, inv runner.Invocation) ([]byte, error) {
					n.note(string(inv.Payload))
					ids[inv.RequestID] = true
					return nil, errors.New("boom")
				}
				if _, _, err := r.PutFunctionEventInvokeConfig(t.Context(), r.root, "clean", c.config); err != nil {
					t.Fatal(err)
				}
				id, err := r.InvokeAsync(t.Context(), r.root, "clean", Call{Payload: []byte("1")})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(7 * time.Hour)
				synctest.Wait()
				got := n.of("1")
				if len(got) != len(c.want) {
					t.Fatalf("tries at %v, want %v", got, c.want)
				}
				for i := range got {
					if got[i] != c.want[i] {
						t.Errorf("tries at %v, want %v", got, c.want)
					}
				}
				if len(ids) != 1 || !ids[id] {
					t.Errorf("tries had the ids %v, want %s each time", ids, id)
				}
				if left, err := r.cfg.State.List(t.Context(), asyncTable, ""); err != nil || len(left) != 0 {
					t.Errorf("%d events are kept, %v, want none", len(left), err)
				}
			})
		})
	}
}

func TestAsynchronousInvocationWaitsForASlot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var n tries
		r.run = func(_ context.Context, inv runner.Invocation) ([]byte, error) {
			n.note(string(inv.Payload))
			return nil, nil
		}
		if err := r.PutFunctionConcurrency(t.Context(), r.root, "clean", 0); err != nil {
			t.Fatal(err)
		}
		if _, err := r.InvokeAsync(t.Context(), r.root, "clean", Call{Payload: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if got := n.of("1"); len(got) != 0 {
			t.Fatalf("it ran at %v although nothing may run", got)
		}
		if err := r.DeleteFunctionConcurrency(t.Context(), r.root, "clean"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Minute) // tries are five minutes apart by now
		if got := n.of("1"); len(got) != 1 {
			t.Errorf("it ran %d times, want once", len(got))
		}
	})
}

// An event that was acknowledged runs, whenever the program ends.
func TestAsynchronousInvocationSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		records := &state.Memory{}
		var n tries
		r := newRig(t, func(c *Config) { c.State = records })
		ended := make(chan struct{})
		r.run = func(ctx context.Context, _ runner.Invocation) ([]byte, error) {
			<-ctx.Done() // it is under way when the program ends
			close(ended)
			return nil, ctx.Err()
		}
		if _, err := r.InvokeAsync(t.Context(), r.root, "clean", Call{Payload: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		<-ended
		cfg := r.cfg
		cfg.Builtins = map[string]runner.Func{"glassine://test": func(_ context.Context, inv runner.Invocation) ([]byte, error) {
			n.note(string(inv.Payload))
			return nil, nil
		}}
		again, err := New(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer again.Close()
		synctest.Wait()
		if got := n.of("1"); len(got) != 1 {
			t.Errorf("after the restart it ran %d times, want once", len(got))
		}
		if left, err := records.List(t.Context(), asyncTable, ""); err != nil || len(left) != 0 {
			t.Errorf("%d events are kept, %v, want none", len(left), err)
		}
	})
}

func TestOutcomeGoesToItsDestination(t *testing.T) {
	for _, c := range []struct {
		name, event, condition string
		rights                 string
		want                   bool
	}{
		{"success", `"fine"`, "Success", allow("lambda:InvokeFunction", functionARN+"2"), true},
		{"failure", `"bad"`, "RetriesExhausted", allow("lambda:InvokeFunction", functionARN+"2"), true},
		{"success, without the right to invoke it", `"fine"`, "Success", allow("lambda:InvokeFunction", functionARN), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				var outcome []byte
				r.run = func(_ context.Context, inv runner.Invocation) ([]byte, error) {
					switch {
					case inv.FunctionName == "clean2":
						outcome = inv.Payload
						return nil, nil
					case string(inv.Payload) == `"bad"`:
						return nil, errors.New("boom")
					}
					return []byte(`{"a":1}`), nil
				}
				second := newFunction()
				second.Name = "clean2"
				if _, err := r.CreateFunction(t.Context(), r.root, second); err != nil {
					t.Fatal(err)
				}
				if err := r.iam.PutRolePolicy(t.Context(), r.root, "execution", "p", `{"Version":"2012-10-17","Statement":[`+c.rights+`]}`); err != nil {
					t.Fatal(err)
				}
				if _, _, err := r.PutFunctionEventInvokeConfig(t.Context(), r.root, "clean", EventInvokeChange{OnSuccess: new(functionARN + "2"), OnFailure: new(functionARN + "2")}); err != nil {
					t.Fatal(err)
				}
				id, err := r.InvokeAsync(t.Context(), r.root, "clean", Call{Payload: []byte(c.event)})
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				if !c.want {
					if outcome != nil {
						t.Errorf("outcome = %s, want none", outcome)
					}
					return
				}
				var got struct {
					RequestContext struct {
						RequestID, FunctionArn, Condition string
						ApproximateInvokeCount            int
					}
					RequestPayload  string
					ResponseContext struct{ FunctionError string }
					ResponsePayload map[string]any
				}
				if err := json.Unmarshal(outcome, &got); err != nil {
					t.Fatalf("outcome = %s: %v", outcome, err)
				}
				failed := c.condition != "Success"
				count := 1
				if failed {
					count = 3
				}
				if got.RequestContext.RequestID != id || got.RequestContext.Condition != c.condition || got.RequestContext.FunctionArn != functionARN+":$LATEST" ||
					got.RequestContext.ApproximateInvokeCount != count || `"`+got.RequestPayload+`"` != c.event || (got.ResponseContext.FunctionError != "") != failed ||
					failed && got.ResponsePayload["errorMessage"] != "boom" || !failed && got.ResponsePayload["a"] != 1.0 {
					t.Errorf("outcome = %s", outcome)
				}
			})
		})
	}
}

func TestAsynchronousInvocationIsRefused(t *testing.T) {
	r := newRig(t)
	_, err := r.InvokeAsync(t.Context(), r.caller(t, "none", ""), "clean", Call{})
	wantCode(t, "InvokeAsync without the right", err, "AccessDenied")
	_, err = r.InvokeAsync(t.Context(), r.root, "absent", Call{})
	wantCode(t, "InvokeAsync of nothing", err, "ResourceNotFoundException")
	_, err = r.InvokeAsync(t.Context(), r.root, "clean", Call{Payload: []byte(strings.Repeat("1", MaxEvent+1))})
	wantCode(t, "InvokeAsync of a large event", err, "RequestTooLargeException")
	r.queue.mu.Lock()
	r.queue.count += maxQueued
	r.queue.mu.Unlock()
	_, err = r.InvokeAsync(t.Context(), r.root, "clean", Call{})
	wantCode(t, "InvokeAsync of one event too many", err, "TooManyRequestsException")
	r.queue.mu.Lock()
	r.queue.count -= maxQueued
	r.queue.mu.Unlock()
	for _, target := range []string{"arn:aws:sqs:us-east-1:" + account + ":q", "arn:aws:lambda:us-east-1:" + account + ":layer:l", "clean"} {
		_, _, err = r.PutFunctionEventInvokeConfig(t.Context(), r.root, "clean", EventInvokeChange{OnFailure: &target})
		wantCode(t, "PutFunctionEventInvokeConfig to "+target, err, "InvalidParameterValueException")
	}
	_, _, err = r.UpdateFunctionEventInvokeConfig(t.Context(), r.root, "clean", EventInvokeChange{Attempts: new(1)})
	wantCode(t, "UpdateFunctionEventInvokeConfig of none", err, "ResourceNotFoundException")
	_, _, err = r.PutFunctionEventInvokeConfig(t.Context(), r.root, "clean", EventInvokeChange{Attempts: new(3)})
	wantCode(t, "PutFunctionEventInvokeConfig of 3 retries", err, "InvalidParameterValueException")
	_, _, err = r.PutFunctionEventInvokeConfig(t.Context(), r.root, "clean", EventInvokeChange{Age: new(time.Second)})
	wantCode(t, "PutFunctionEventInvokeConfig of a second", err, "InvalidParameterValueException")
}

// Slots of a function with reserved concurrency are its own, and no others are.
func TestReservedConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, func(c *Config) { c.Concurrency = 10 })
		second := newFunction()
		second.Name = "other"
		if _, err := r.CreateFunction(t.Context(), r.root, second); err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		r.run = func(context.Context, runner.Invocation) ([]byte, error) { <-release; return nil, nil }
		wantCode(t, "PutFunctionConcurrency of all", r.PutFunctionConcurrency(t.Context(), r.root, "clean", 10), "InvalidParameterValueException")
		wantCode(t, "PutFunctionConcurrency", r.PutFunctionConcurrency(t.Context(), r.root, "clean", 3), "")
		var ended sync.WaitGroup
		start := func(name string, n int) {
			for range n {
				ended.Go(func() {
					if _, err := r.Invoke(t.Context(), r.root, name, nil); err != nil {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
		}
		refused := func(name, reason string) {
			t.Helper()
			_, err := r.Invoke(t.Context(), r.root, name, nil)
			f, ok := errors.AsType[*fault.Error](err)
			if !ok || f.Code != "TooManyRequestsException" || len(f.Fields) < 1 || f.Fields[0].Value != reason {
				t.Errorf("Invoke of %s = %v (%+v), want %s", name, err, f, reason)
			}
		}
		start("clean", 3)
		refused("clean", "ReservedFunctionConcurrentInvocationLimitExceeded")
		start("other", 7)
		refused("other", "ConcurrentInvocationLimitExceeded")
		if err := r.DeleteFunctionConcurrency(t.Context(), r.root, "clean"); err != nil {
			t.Fatal(err)
		}
		start("other", 3) // what is not reserved any more is everybody's
		close(release)
		ended.Wait()
		if len(r.gate.running) != 0 || r.gate.unreserved != 0 {
			t.Errorf("after all ended, %v run, %d unreserved", r.gate.running, r.gate.unreserved)
		}
		if err := r.PutFunctionConcurrency(t.Context(), r.root, "clean", 9); err != nil {
			t.Fatal(err)
		}
		if err := r.DeleteFunction(t.Context(), r.root, "clean"); err != nil {
			t.Fatal(err)
		}
		if r.gate.reserved != 0 {
			t.Errorf("a deleted function reserves %d", r.gate.reserved)
		}
	})
}
