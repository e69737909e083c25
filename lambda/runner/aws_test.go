package runner

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"glassine/aws/sigv4"
)

const remote = "arn:aws:lambda:us-west-2:999999999999:function:transform:live"

func awsRunner(endpoint string) AWS {
	return AWS{
		Function: remote, Endpoint: endpoint, Now: func() time.Time { return time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC) },
		Credentials: func(context.Context) (sigv4.Credentials, error) {
			return sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", SessionToken: "token"}, nil
		},
	}
}

// What arrives is Lambda's Invoke, signed with AWS's credentials and not with the role's.
func TestAWSIsInvoked(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != "POST" || r.RequestURI != "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-west-2%3A999999999999%3Afunction%3Atransform%3Alive/invocations" {
			t.Errorf("request = %s %s", r.Method, r.RequestURI)
		}
		sig, err := sigv4.Parse(r)
		if err != nil || sig == nil || sig.AccessKeyID != "AKIDEXAMPLE" || sig.Region != "us-west-2" || sig.Service != "lambda" || sig.SessionToken != "token" {
			t.Errorf("signature = %+v, %v", sig, err)
		} else if err := sig.Verify(r, "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"); err != nil {
			t.Errorf("signature: %v", err)
		}
		body, _ := io.ReadAll(r.Body)
		if string(body) != `{"a":1}` || r.Header.Get("X-Amz-Invocation-Type") != "RequestResponse" || r.Header.Get("X-Amz-Client-Context") != "e30=" {
			t.Errorf("event = %s, headers %v", body, r.Header)
		}
		_, _ = io.WriteString(w, `"done"`)
	}))
	defer server.Close()
	out, err := awsRunner(server.URL).Run(t.Context(), Invocation{Payload: []byte(`{"a":1}`), ClientContext: "{}", Credentials: sigv4.Credentials{AccessKeyID: "ASIAROLE"}})
	if err != nil || string(out) != `"done"` {
		t.Errorf("Run = %s, %v", out, err)
	}
}

func TestAWSAnswers(t *testing.T) {
	for _, c := range []struct {
		name     string
		status   int
		header   string
		body     string
		function string // the function's failure, or ""
		other    string // in an error that is not the function's
	}{
		{"a failure", 200, "Unhandled", `{"errorType":"TypeError","errorMessage":"boom"}`, "TypeError: boom", ""},
		{"a failure that is no JSON", 200, "Unhandled", `boom`, "Unhandled: boom", ""},
		{"too large", 200, "", strings.Repeat("x", MaxPayload+1), "Function.ResponseSizeTooLarge: ", ""},
		{"throttled", 429, "", `{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded"}`, "", "429"},
		{"refused", 403, "", `{"message":"secret details"}`, "", "403"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if c.header != "" {
					w.Header().Set("X-Amz-Function-Error", c.header)
				}
				w.WriteHeader(c.status)
				_, _ = io.WriteString(w, c.body)
			}))
			defer server.Close()
			_, err := awsRunner(server.URL).Run(t.Context(), Invocation{})
			failure, ok := errors.AsType[*FunctionError](err)
			if ok != (c.function != "") || ok && !strings.HasPrefix(failure.Error(), c.function) || !ok && (err == nil || !strings.Contains(err.Error(), c.other)) {
				t.Errorf("Run = %v, want %q%q", err, c.function, c.other)
			}
		})
	}
}

func TestAWSNeedsCredentialsAndAFunction(t *testing.T) {
	a := awsRunner("http://127.0.0.1:1")
	a.Credentials = nil
	if _, err := a.Run(t.Context(), Invocation{}); err == nil {
		t.Error("Run without credentials")
	}
	a.Credentials = func(context.Context) (sigv4.Credentials, error) { return sigv4.Credentials{}, errors.New("expired") }
	if _, err := a.Run(t.Context(), Invocation{}); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("Run with credentials that cannot be got = %v", err)
	}
	for _, bad := range []string{"", "transform", "arn:aws:lambda:us-west-2:999999999999:layer:x", "arn:aws:s3:::b", "arn:aws:lambda::999999999999:function:x"} {
		if CheckAWS(bad) == nil {
			t.Errorf("CheckAWS(%q) took it", bad)
		}
	}
}
