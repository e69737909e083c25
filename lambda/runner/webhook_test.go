package runner

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"glassine/aws/sigv4"
)

// Credentials go over TLS or stay on this machine.
func TestCheckWebhook(t *testing.T) {
	for _, c := range []struct {
		url string
		ok  bool
	}{
		{"https://functions.example/clean?x=1", true},
		{"https://192.0.2.1:8443", true},
		{"http://localhost:8000/", true},
		{"http://127.0.0.1:8000/", true},
		{"http://127.1.2.3/", true},
		{"http://[::1]:8000/", true},
		{"http://functions.example/", false},
		{"http://192.0.2.1/", false},
		{"http://localhost.example/", false},
		{"http://127.0.0.1.example/", false},
		{"http://127.1/", false},
		{"http://user@127.0.0.1@functions.example/", false},
		{"http://0.0.0.0/", false},
		{"http://[::]/", false},
		{"https:///path", false},
		{"https://:443/", false},
		{"ftp://localhost/", false},
		{"localhost:8000", false},
		{"https://bad host/", false},
		{"", false},
	} {
		if err := CheckWebhook(c.url); (err == nil) != c.ok {
			t.Errorf("CheckWebhook(%q) = %v, want good: %t", c.url, err, c.ok)
		}
	}
}

// What is taken is sent where it was checked for.
func FuzzCheckWebhook(f *testing.F) {
	for _, s := range []string{"https://a/", "http://127.0.0.1:1/x", "http://[::1]", "HTTP://LOCALHOST", "http://a@localhost"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if CheckWebhook(raw) != nil {
			return
		}
		req, err := http.NewRequest(http.MethodPost, raw, nil)
		if err != nil {
			return
		}
		if req.URL.Scheme != "https" && (req.URL.Scheme != "http" || !loopback(req.URL.Hostname())) {
			t.Errorf("CheckWebhook(%q) is nil, and the request goes to %s", raw, req.URL)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func respond(status int, body io.Reader) roundTrip {
	return func(r *http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(body), Request: r}, nil
	}
}

func TestWebhookRequest(t *testing.T) {
	deadline := time.UnixMilli(1700000000123)
	inv := Invocation{
		RequestID: "id", FunctionARN: "arn:f", Region: "us-west-2", Payload: []byte(`{"a":1}`), Deadline: deadline,
		Credentials: sigv4.Credentials{AccessKeyID: "ASIA", SecretAccessKey: "secret", SessionToken: "token"},
	}
	h := Webhook{URL: "https://functions.example/clean", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		body, err := io.ReadAll(r.Body)
		if err != nil || string(body) != `{"a":1}` || r.Method != http.MethodPost || r.URL.String() != "https://functions.example/clean" {
			t.Errorf("request = %s %s %s, %v", r.Method, r.URL, body, err)
		}
		for name, want := range map[string]string{
			"Content-Type": "application/json", "Lambda-Runtime-Aws-Request-Id": "id", "Lambda-Runtime-Deadline-Ms": "1700000000123", "Lambda-Runtime-Invoked-Function-Arn": "arn:f",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
		raw, err := base64.StdEncoding.DecodeString(r.Header.Get(CredentialsHeader))
		var creds map[string]string
		if err != nil || json.Unmarshal(raw, &creds) != nil || creds["AWS_ACCESS_KEY_ID"] != "ASIA" || creds["AWS_SECRET_ACCESS_KEY"] != "secret" || creds["AWS_SESSION_TOKEN"] != "token" || creds["AWS_REGION"] != "us-west-2" {
			t.Errorf("credentials = %s, %v", raw, err)
		}
		return respond(200, strings.NewReader(`"ok"`))(r)
	})}
	if out, err := h.Run(t.Context(), inv); err != nil || string(out) != `"ok"` {
		t.Errorf("Run = %s, %v", out, err)
	}
}

func TestWebhookAnswers(t *testing.T) {
	long := strings.Repeat("x", MaxPayload+1)
	for _, c := range []struct {
		name   string
		status int
		body   io.Reader
		bytes  int
		fails  string // type of the function's failure
	}{
		{"result", 200, strings.NewReader("12"), 2, ""},
		{"empty result", 204, strings.NewReader(""), 0, ""},
		{"largest result", 200, strings.NewReader(long[1:]), MaxPayload, ""},
		{"one byte more", 200, strings.NewReader(long), 0, "Function.ResponseSizeTooLarge"},
		{"bad request", 400, strings.NewReader("no"), 0, "Webhook.Status400"},
		{"failure", 500, strings.NewReader("no"), 0, "Webhook.Status500"},
		{"redirect", 302, strings.NewReader("elsewhere"), 0, "Webhook.Status302"},
		{"broken off", 200, io.MultiReader(strings.NewReader("1"), iotest.ErrReader(io.ErrUnexpectedEOF)), 0, "Runtime.TruncatedResponse"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := Webhook{URL: "https://f.example/", Transport: respond(c.status, c.body)}.Run(t.Context(), Invocation{})
			if c.fails == "" {
				if err != nil || len(out) != c.bytes {
					t.Errorf("Run = %d bytes, %v, want %d", len(out), err, c.bytes)
				}
				return
			}
			if f, ok := errors.AsType[*FunctionError](err); !ok || f.Type != c.fails || out != nil {
				t.Errorf("Run = %v, want %s", err, c.fails)
			}
		})
	}
}

// The credentials go to no address but the function's own.
func TestWebhookFollowsNoRedirect(t *testing.T) {
	followed := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed = true }))
	defer other.Close()
	hook := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer hook.Close()
	_, err := Webhook{URL: hook.URL}.Run(t.Context(), Invocation{})
	if f, ok := errors.AsType[*FunctionError](err); !ok || f.Type != "Webhook.Status307" || followed {
		t.Errorf("Run = %v (followed: %t), want Webhook.Status307", err, followed)
	}
}

func TestWebhookThatIsNotCalled(t *testing.T) {
	called := roundTrip(func(*http.Request) (*http.Response, error) {
		t.Error("the webhook was called")
		return nil, errors.New("called")
	})
	for _, u := range []string{"http://f.example/", "x"} {
		_, err := Webhook{URL: u, Transport: called}.Run(t.Context(), Invocation{})
		if _, ok := errors.AsType[*FunctionError](err); err == nil || ok {
			t.Errorf("Run of %q = %v, want an error that is not the function's", u, err)
		}
	}
}

func TestWebhookHonoursItsContext(t *testing.T) {
	for name, transport := range map[string]roundTrip{
		"before the answer": func(r *http.Request) (*http.Response, error) { return nil, r.Context().Err() },
		"within the answer": respond(200, iotest.ErrReader(io.ErrUnexpectedEOF)),
	} {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := (Webhook{URL: "https://f.example/", Transport: transport}).Run(ctx, Invocation{}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: Run = %v, want context.Canceled", name, err)
		}
	}
}
