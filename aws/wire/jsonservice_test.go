package wire

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
)

// serviceCall is what the operations of things take.
type serviceCall struct{ caller, region string }

type thing struct{ Name string }

// things is a service whose target has dots of its own, as CloudTrail's has.
func things(log *slog.Logger) *JSONService[string, serviceCall] {
	d := JSON{Service: "things", ContentType: "application/x-amz-json-1.1", Target: "com.things.V1", Failure: "InternalFailure", Unread: "SerializationException", Forbidden: http.StatusBadRequest}
	return &JSONService[string, serviceCall]{
		JSON: d, Title: "Things", Limit: 64,
		Operations: map[string]JSONOperation[serviceCall]{
			"Who":    JSONOp(d, func(c serviceCall, in *thing) (thing, error) { return thing{c.caller + c.region + in.Name}, nil }),
			"Drop":   JSONDo(d, func(serviceCall, *thing) error { return nil }),
			"Refuse": JSONDo(d, func(serviceCall, *thing) error { return fault.New("AccessDenied", "not you") }),
			"Lose":   JSONOp(d, func(serviceCall, *thing) (thing, error) { return thing{}, errors.New("disk /dev/sda is on fire") }),
			"Stream": func(_ serviceCall, _ []byte, w http.ResponseWriter) error {
				w.WriteHeader(http.StatusAccepted)
				_, err := io.WriteString(w, "by itself")
				return err
			},
		},
		Keys: KeysOf(func(_ context.Context, id, _ string) (secret, c string, err error) {
			if id != "AKID" {
				return "", "", fault.New("InvalidAccessKeyId", "no such key")
			}
			return "secret", "alice", nil
		}),
		Call: func(_ *http.Request, c string, sig *sigv4.Signature) serviceCall { return serviceCall{c, sig.Region} },
		Now:  func() time.Time { return now }, Log: log,
	}
}

func TestJSONServiceAnswersByTarget(t *testing.T) {
	var logged strings.Builder
	log := slog.New(slog.NewTextHandler(&logged, nil))
	for _, c := range []struct {
		name              string
		keyID, secret     string // the signer's; "" for a request that nobody signed
		target, body      string
		status            int
		want, contentType string
	}{
		{"an answer", "AKID", "secret", "com.things.V1.Who", `{"Name":"<&>","Other":1}`, 200, `{"Name":"aliceeu-west-1<&>"}`, "application/x-amz-json-1.1"},
		{"no input", "AKID", "secret", "com.things.V1.Who", "", 200, `{"Name":"aliceeu-west-1"}`, "application/x-amz-json-1.1"},
		{"an answer of nothing", "AKID", "secret", "com.things.V1.Drop", "{}", 200, "", "application/x-amz-json-1.1"},
		{"an operation that answers by itself", "AKID", "secret", "com.things.V1.Stream", "{}", 202, "by itself", ""},
		{"a refusal by IAM", "AKID", "secret", "com.things.V1.Refuse", "{}", 400, `{"__type":"AccessDeniedException","message":"not you"}`, "application/x-amz-json-1.1"},
		{
			"an error of ours, without its text", "AKID", "secret", "com.things.V1.Lose", "{}",
			500, `{"__type":"InternalFailure","message":"The service encountered an internal error. Please try again."}`, "application/x-amz-json-1.1",
		},
		{
			"an operation that is not served", "AKID", "secret", "com.things.V1.Make", "{}",
			400, `{"__type":"UnknownOperationException","message":"glassine does not serve the Things operation \"Make\"."}`, "application/x-amz-json-1.1",
		},
		{
			"another service's operation", "AKID", "secret", "com.things.V2.Who", "{}",
			400, `{"__type":"UnknownOperationException","message":"glassine does not serve the Things operation \"\"."}`, "application/x-amz-json-1.1",
		},
		{
			"a body of another shape", "AKID", "secret", "com.things.V1.Drop", `{"Name":5}`,
			400, `{"__type":"SerializationException","message":"Could not parse request body into json: Name cannot be a number."}`, "application/x-amz-json-1.1",
		},
		{
			"a body over the limit", "AKID", "secret", "com.things.V1.Drop", strings.Repeat(" ", 65),
			400, `{"__type":"RequestEntityTooLargeException","message":"Request must be smaller than 64 bytes for this operation"}`, "application/x-amz-json-1.1",
		},
		{
			"no signature, whatever the operation", "", "", "com.things.V1.Make", "{}",
			400, `{"__type":"MissingAuthenticationTokenException","message":"Request is missing Authentication Token"}`, "application/x-amz-json-1.1",
		},
		{
			"a key that nobody has", "AKOTHER", "secret", "com.things.V1.Who", "{}",
			400, `{"__type":"UnrecognizedClientException","message":"The security token included in the request is invalid."}`, "application/x-amz-json-1.1",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodPost, "https://things.eu-west-1.amazonaws.com/", strings.NewReader(c.body))
			r.Header.Set("X-Amz-Target", c.target)
			if c.keyID != "" {
				sigv4.Sign(r, sigv4.Credentials{AccessKeyID: c.keyID, SecretAccessKey: c.secret}, "eu-west-1", "things", sigv4.PayloadSHA256([]byte(c.body)), now)
			}
			w := httptest.NewRecorder()
			things(log).ServeHTTP(w, r)
			if w.Code != c.status || w.Body.String() != c.want || w.Header().Get("Content-Type") != c.contentType {
				t.Errorf("answer = %d %s %s\nwant %d %s %s", w.Code, w.Header().Get("Content-Type"), w.Body, c.status, c.contentType, c.want)
			}
			if len(w.Header().Get("X-Amzn-Requestid")) != 36 {
				t.Errorf("request id = %q", w.Header().Get("X-Amzn-Requestid"))
			}
		})
	}
	if n := strings.Count(logged.String(), "on fire"); n != 1 || strings.Count(logged.String(), "\n") != 1 {
		t.Errorf("the log has the text of the error of ours %d times:\n%s", n, &logged)
	}
}

func TestPage(t *testing.T) {
	same := func(s string) string { return s }
	items := strings.Fields("a b c d e")
	for _, c := range []struct {
		name, from string
		most       int
		part, next string
		found      bool
	}{
		{"the first", "", 2, "a b", "c", true},
		{"one amidst", "c", 2, "c d", "e", true},
		{"the last", "e", 2, "e", "", true},
		{"one that ends with the list", "d", 2, "d e", "", true},
		{"all", "", 5, "a b c d e", "", true},
		{"from what is not there", "x", 2, "", "", false},
	} {
		part, next, found := Page(items, c.from, c.most, same)
		if strings.Join(part, " ") != c.part || next != c.next || found != c.found {
			t.Errorf("%s: Page(from %q, %d) = %v, %q, %t, want %s, %q, %t", c.name, c.from, c.most, part, next, found, c.part, c.next, c.found)
		}
	}
	if part, next, found := Page(nil, "", 2, same); len(part) > 0 || next != "" || !found {
		t.Errorf("Page of nothing = %v, %q, %t", part, next, found)
	}
}
