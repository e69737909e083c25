package cloudtrailapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/state"
	"glassine/telemetry"
)

// records are a Log.
type records []telemetry.Record

func (l records) Recent(most int, keep func(*telemetry.Record) bool) (out []telemetry.Record, err error) {
	for i := range l {
		if keep(&l[i]) && len(out) < most {
			out = append(out, l[i])
		}
	}
	return out, nil
}

func TestLookupEvents(t *testing.T) {
	db, err := state.Open(t.TempDir() + "/state.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	service, err := iam.New(t.Context(), iam.Config{State: db, Account: "123456789012", Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	root, _, err := service.EnsureRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := service.CreateUser(t.Context(), service.Root(), iam.NewUser{Name: "anna"}); err != nil {
		t.Fatal(err)
	}
	anna, _, err := service.CreateAccessKey(t.Context(), service.Root(), "anna")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	decided := func(action string, allowed bool) []telemetry.Decision {
		return []telemetry.Decision{{Action: action, Resources: []string{"arn:r"}, Allowed: allowed}}
	}
	h := &Handler{IAM: service, Audit: records{
		{RequestID: "3", EventTime: at.Add(2 * time.Second), EventSource: "s3", Principal: "arn:aws:iam::123456789012:user/anna", AccessKeyID: "AKIA1", Decisions: decided("s3:DeleteBucket", false)},
		{RequestID: "2", EventTime: at.Add(time.Second), EventSource: "iam", Principal: "arn:aws:iam::123456789012:root", Decisions: decided("iam:GetUser", true)},
		{RequestID: "1", EventTime: at, EventSource: "cloudfront", Decisions: decided("cloudfront:CreateInvalidation", true)},
	}}
	ask := func(c iam.Credentials, operation, body string) (int, string) {
		r := httptest.NewRequest(http.MethodPost, "https://cloudtrail.us-east-1.amazonaws.com/", bytes.NewReader([]byte(body)))
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", dialect.Target+"."+operation)
		sigv4.Sign(r, sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey}, "us-east-1", Service, sigv4.PayloadSHA256([]byte(body)), time.Now())
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code, w.Body.String()
	}
	for _, c := range []struct{ name, body, want string }{
		{"all, the newest first", `{}`, "321"},
		{"at most so many", `{"MaxResults":2}`, "32"},
		{"by name", `{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"GetUser"}]}`, "2"},
		{"what was refused", `{"LookupAttributes":[{"AttributeKey":"EventName","AttributeValue":"AccessDenied"}]}`, "3"},
		{"by user", `{"LookupAttributes":[{"AttributeKey":"Username","AttributeValue":"anna"}]}`, "3"},
		{"by source", `{"LookupAttributes":[{"AttributeKey":"EventSource","AttributeValue":"iam.amazonaws.com"}]}`, "2"},
		{"by key", `{"LookupAttributes":[{"AttributeKey":"AccessKeyId","AttributeValue":"AKIA1"}]}`, "3"},
		{"by id", `{"LookupAttributes":[{"AttributeKey":"EventId","AttributeValue":"1"}]}`, "1"},
		{"by resource", `{"LookupAttributes":[{"AttributeKey":"ResourceName","AttributeValue":"arn:r"}]}`, "321"},
		{"since and until", `{"StartTime":1795687201,"EndTime":1795687201}`, "2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, text := ask(root, "LookupEvents", c.body)
			var out struct {
				Events []struct{ EventId, EventName, ReadOnly, CloudTrailEvent string }
			}
			if err := json.Unmarshal([]byte(text), &out); err != nil || status != http.StatusOK {
				t.Fatalf("answer = %d %s", status, text)
			}
			got := ""
			for _, e := range out.Events {
				got += e.EventId
				var r telemetry.Record
				if err := json.Unmarshal([]byte(e.CloudTrailEvent), &r); err != nil || r.RequestID != e.EventId {
					t.Errorf("CloudTrailEvent = %s", e.CloudTrailEvent)
				}
				if want := map[bool]string{true: "true", false: "false"}[e.EventName == "GetUser"]; e.ReadOnly != want {
					t.Errorf("%s: ReadOnly = %s, want %s", e.EventName, e.ReadOnly, want)
				}
			}
			if got != c.want {
				t.Errorf("events = %s, want %s", got, c.want)
			}
		})
	}
	for _, c := range []struct {
		name, operation, body, want string
		by                          iam.Credentials
	}{
		{"who may not is refused", "LookupEvents", `{}`, "AccessDeniedException", anna},
		{"another operation is refused by name", "CreateTrail", `{}`, "UnknownOperationException", root},
		{"too many", "LookupEvents", `{"MaxResults":51}`, "InvalidMaxResultsException", root},
		{"two attributes", "LookupEvents", `{"LookupAttributes":[{},{}]}`, "InvalidLookupAttributesException", root},
		{"an attribute that there is not", "LookupEvents", `{"LookupAttributes":[{"AttributeKey":"X"}]}`, "InvalidLookupAttributesException", root},
		{"a token", "LookupEvents", `{"NextToken":"x"}`, "InvalidNextTokenException", root},
	} {
		t.Run(c.name, func(t *testing.T) {
			status, text := ask(c.by, c.operation, c.body)
			var out struct {
				Type string `json:"__type"`
			}
			if err := json.Unmarshal([]byte(text), &out); err != nil || status < 400 || out.Type != c.want {
				t.Errorf("answer = %d %s, want %s", status, text, c.want)
			}
		})
	}
}
