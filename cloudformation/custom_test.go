package cloudformation

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
)

// function is a custom resource's function: it sees the event and may answer it.
type function struct {
	mu     sync.Mutex
	events []customEvent
	answer func(e customEvent, respond func(Answer) error) (said []byte, failed bool, err error)
	s      func() *Service
}

func (f *function) Invoke(_ context.Context, _ iam.Caller, _ string, payload []byte) ([]byte, bool, error) {
	var e customEvent
	if err := json.Unmarshal(payload, &e); err != nil {
		return nil, false, err
	}
	f.mu.Lock()
	f.events = append(f.events, e)
	f.mu.Unlock()
	return f.answer(e, func(a Answer) error {
		u, err := url.Parse(e.ResponseURL)
		if err != nil {
			return err
		}
		a.StackId, a.RequestId, a.LogicalResourceId = e.StackId, e.RequestId, e.LogicalResourceId
		b, _ := json.Marshal(a)
		return f.s().Respond(u.Query().Get("X-Amz-Signature"), b)
	})
}

func (f *function) kinds() (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range f.events {
		out = append(out, e.RequestType+" "+e.PhysicalResourceId)
	}
	return out
}

func customRig(t *testing.T) (*rig, *function) {
	r := newRig(t)
	f := &function{s: func() *Service { return r.Service }}
	f.answer = func(e customEvent, respond func(Answer) error) ([]byte, bool, error) {
		id := fmt.Sprint("id-", e.ResourceProperties["Key"])
		return nil, false, respond(Answer{Status: "SUCCESS", PhysicalResourceId: id, Data: Values{"A.B": "dotted", "N": 5}})
	}
	r.custom.invoker = f
	r.cfg.Types = r.cfg.Types.with(r.custom.resourceType())
	return r, f
}

const customTemplate = `
Resources:
  X:
    Type: Custom::Mine
    Properties: {ServiceToken: "arn:aws:lambda:us-east-1:123456789012:function:f", Key: 1, Flag: true, Deep: {n: [1.5]}}
  Y: {Type: Test::Thing, Properties: {Text: !GetAtt X.A.B, Name: !Ref X}}
`

func TestCustomResource(t *testing.T) {
	r, f := customRig(t)
	id := r.create(customTemplate, CreateComplete)
	if got := r.find(region, id).resources["Y"].Properties; got["Text"] != "dotted" || got["Name"] != "id-1" {
		t.Errorf("Y = %v", got)
	}
	e := f.events[0]
	if e.RequestType != "Create" || e.ResourceType != "Custom::Mine" || e.LogicalResourceId != "X" || e.StackId != id || e.RequestId == "" || e.PhysicalResourceId != "" {
		t.Errorf("event = %+v", e)
	}
	if got := shownValue(map[string]any(e.ResourceProperties)); got != `{"Deep":{"n":["1.5"]},"Flag":"true","Key":"1","ServiceToken":"arn:aws:lambda:us-east-1:123456789012:function:f"}` {
		t.Errorf("properties = %s", got)
	}
	if !strings.HasPrefix(e.ResponseURL, "https://cloudformation-custom-resource-response-useast1.s3.us-east-1.amazonaws.com/arn%3Aaws%3Acloudformation%3A") {
		t.Errorf("URL = %s", e.ResponseURL)
	}
	// Another id is a replacement: the old one is deleted in the end.
	r.update(strings.Replace(customTemplate, "Key: 1", "Key: 2", 1), UpdateComplete)
	r.delete(id, DeleteComplete)
	if got, want := f.kinds(), []string{"Create ", "Update id-1", "Delete id-1", "Delete id-2"}; !slices.Equal(got, want) {
		t.Errorf("calls = %q, want %q", got, want)
	}
	if old := f.events[1].OldResourceProperties; old["Key"] != "1" {
		t.Errorf("old properties = %v", old)
	}
}

func TestCustomResourceThatIsThrottledRunsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, f := customRig(t)
		answer, begun := f.answer, time.Now()
		f.answer = func(e customEvent, respond func(Answer) error) ([]byte, bool, error) {
			if time.Since(begun) < 10*time.Second {
				return nil, false, fault.New("TooManyRequestsException", "Rate Exceeded.")
			}
			return answer(e, respond)
		}
		r.create(customTemplate, CreateComplete)
		if took := time.Since(begun); took < 10*time.Second || took > 20*time.Second {
			t.Errorf("the stack took %s", took)
		}
		_ = r.Close()
	})
}

func TestCustomResourceThatFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(customEvent, func(Answer) error) ([]byte, bool, error)
		reason string
		calls  []string
	}{
		{"says so, with an id that is deleted", func(_ customEvent, respond func(Answer) error) ([]byte, bool, error) {
			return nil, false, respond(Answer{Status: "FAILED", Reason: "no luck", PhysicalResourceId: "half"})
		}, "Received response status [FAILED] from custom resource. Message returned: no luck", []string{"Create ", "Delete half"}},
		{"breaks down", func(customEvent, func(Answer) error) ([]byte, bool, error) {
			return []byte(`{"errorMessage":"oops"}`), true, nil
		}, "failed without an answer: {\\\"errorMessage\\\":\\\"oops\\\"}", []string{"Create "}},
		{"answers nonsense", func(e customEvent, _ func(Answer) error) ([]byte, bool, error) { return nil, false, nil }, "did not receive a response", []string{"Create "}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, f := customRig(t)
				f.answer = func(e customEvent, respond func(Answer) error) ([]byte, bool, error) {
					if e.RequestType == "Delete" {
						return nil, false, respond(Answer{Status: "SUCCESS", PhysicalResourceId: e.PhysicalResourceId})
					}
					return c.answer(e, respond)
				}
				begun := time.Now()
				id, err := r.CreateStack(t.Context(), r.caller, r.input(strings.Replace(customTemplate, "Key: 1", "ServiceTimeout: 90", 1)))
				if err != nil {
					t.Fatal(err)
				}
				if got, err := r.Wait(t.Context(), id); err != nil || got != RollbackComplete {
					t.Fatalf("%s %v\n%s", got, err, r.history(id))
				}
				if h := r.history(id); !strings.Contains(h, c.reason) {
					t.Errorf("events:\n%s", h)
				}
				if got := f.kinds(); !slices.Equal(got, c.calls) {
					t.Errorf("calls = %q, want %q", got, c.calls)
				}
				if took := time.Since(begun); strings.Contains(c.reason, "did not receive") != (took >= 90*time.Second) {
					t.Errorf("it took %v", took)
				}
				_ = r.Close()
			})
		})
	}
}

func TestCustomResourceUpdateThatFailsKeepsTheOldOne(t *testing.T) {
	r, f := customRig(t)
	id := r.create(customTemplate, CreateComplete)
	good := f.answer
	f.answer = func(e customEvent, respond func(Answer) error) ([]byte, bool, error) {
		if e.RequestType == "Update" && e.ResourceProperties["Key"] == "2" {
			return nil, false, respond(Answer{Status: "FAILED", Reason: "no", PhysicalResourceId: "id-2"})
		}
		if e.RequestType == "Delete" {
			return nil, false, respond(Answer{Status: "SUCCESS"})
		}
		return good(e, respond)
	}
	r.update(strings.Replace(customTemplate, "Key: 1", "Key: 2", 1), UpdateBackDone)
	if got, want := f.kinds(), []string{"Create ", "Update id-1", "Update id-1", "Delete id-2"}; !slices.Equal(got, want) {
		t.Errorf("calls = %q, want %q", got, want)
	}
	if got := r.find(region, id).resources["X"].PhysicalID; got != "id-1" {
		t.Errorf("the id is %s", got)
	}
}

func TestAnswersThatNobodyWaitsFor(t *testing.T) {
	r, f := customRig(t)
	r.create(customTemplate, CreateComplete)
	u, err := url.Parse(f.events[0].ResponseURL)
	if err != nil {
		t.Fatal(err)
	}
	for _, token := range []string{"", "x", u.Query().Get("X-Amz-Signature")} {
		refusal(t, r.Respond(token, []byte(`{"Status":"SUCCESS"}`)), "AccessDenied")
	}
}

func TestServiceTokens(t *testing.T) {
	r, _ := customRig(t)
	_, err := r.CreateStack(t.Context(), r.caller, r.input("Resources: {X: {Type: Custom::Y, Properties: {ServiceToken: \"arn:aws:sns:us-east-1:123456789012:topic\"}}}"))
	refusal(t, err, "glassine has no SNS")
	_, err = r.CreateStack(t.Context(), r.caller, r.input("Resources: {X: {Type: Custom::Y}}"))
	refusal(t, err, "required key [ServiceToken] not found")
}
