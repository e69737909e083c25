package objectlambda

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
)

// handler is a webhook's double.
type handler func(*http.Request) (*http.Response, error)

func (h handler) RoundTrip(r *http.Request) (*http.Response, error) { return h(r) }

// webhookEvent is what a handler reads of its event, in the types of MinIO's clients.
type webhookEvent struct {
	ProtocolVersion  string
	GetObjectContext struct{ InputS3Url, OutputRoute, OutputToken string }
	UserRequest      struct {
		URL     string
		Headers map[string][]string
	}
	UserIdentity struct{ Type, PrincipalId, AccessKeyId string }
}

func withWebhook(t *testing.T, h handler) *rig {
	t.Helper()
	r := newRig(t)
	r.cfg.Webhooks, r.cfg.Endpoint = h, &url.URL{Scheme: "http", Host: "127.0.0.1:4566"}
	cfg := configuration()
	cfg.Transformations[0].Function = "https://handlers.example/clean"
	if err := r.PutConfiguration(t.Context(), r.iam.Root(), "photos", cfg); err != nil {
		t.Fatal(err)
	}
	return r
}

func respond(status int, header http.Header, body string) *http.Response {
	if header == nil {
		header = http.Header{}
	}
	return &http.Response{StatusCode: status, Header: header, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
}

func TestWebhookAnswers(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(e webhookEvent) *http.Response
		status int
		code   string // of the error that the caller reads
		own    string // error code that the handler named
		body   string
	}{
		{"its own status and body", func(e webhookEvent) *http.Response { return respond(200, echo(e, nil), "clean") }, 200, "", "", "clean"},
		{"a status by its text", func(e webhookEvent) *http.Response {
			return respond(200, echo(e, map[string]string{"X-Amz-Fwd-Status": "Partial Content"}), "cl")
		}, 206, "", "", "cl"},
		{"a status by its number and an error", func(e webhookEvent) *http.Response {
			return respond(200, echo(e, map[string]string{"X-Amz-Fwd-Status": "404", "X-Amz-Fwd-Error-Code": "Gone"}), "ignored")
		}, 404, "", "Gone", ""},
		{"no echo of the token", func(webhookEvent) *http.Response { return respond(200, nil, "x") }, 0, "LambdaInvalidResponse", "", ""},
		{"another's token", func(e webhookEvent) *http.Response {
			e.GetObjectContext.OutputToken += "x"
			return respond(200, echo(e, nil), "x")
		}, 0, "LambdaInvalidResponse", "", ""},
		{"a status that is not allowed", func(e webhookEvent) *http.Response { return respond(302, echo(e, nil), "") }, 0, "LambdaInvalidResponse", "", ""},
		{"a status that is a word", func(e webhookEvent) *http.Response {
			return respond(200, echo(e, map[string]string{"X-Amz-Fwd-Status": "Splendid"}), "")
		}, 0, "LambdaInvalidResponse", "", ""},
		{"no answer", func(webhookEvent) *http.Response { return nil }, 0, "LambdaInvocationFailed", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := withWebhook(t, func(req *http.Request) (*http.Response, error) {
				var e webhookEvent
				if err := json.NewDecoder(req.Body).Decode(&e); err != nil || req.Method != "POST" || req.URL.String() != "https://handlers.example/clean" {
					t.Errorf("request %s %s: %v", req.Method, req.URL, err)
				}
				if resp := c.answer(e); resp != nil {
					return resp, nil
				}
				return nil, errors.New("refused")
			})
			defer r.Close()
			var a Answer
			var body string
			err := r.GetObject(t.Context(), r.request(), func(got Answer) error {
				a = got
				if got.ErrorCode != "" {
					return nil
				}
				return into(&body)(got)
			})
			wantCode(t, "GetObject", err, c.code)
			if a.Status != c.status || a.ErrorCode != c.own || body != c.body {
				t.Errorf("answer = %d %s %q, want %d %s %q", a.Status, a.ErrorCode, body, c.status, c.own, c.body)
			}
		})
	}
}

func echo(e webhookEvent, more map[string]string) http.Header {
	h := http.Header{"X-Amz-Request-Route": {e.GetObjectContext.OutputRoute}, "X-Amz-Request-Token": {e.GetObjectContext.OutputToken}}
	for name, value := range more {
		h.Set(name, value)
	}
	return h
}

// (MinIO documentation, "Object Lambda": header values are lists, the URL has no host, inputS3Url is one of the server.)
func TestWebhookEventHasItsOwnShape(t *testing.T) {
	var e webhookEvent
	r := withWebhook(t, func(req *http.Request) (*http.Response, error) {
		if err := json.NewDecoder(req.Body).Decode(&e); err != nil {
			t.Error(err)
		}
		return respond(200, echo(e, map[string]string{"Content-Type": "text/plain", "X-Amz-Fwd-Header-Content-Type": "image/png", "X-Amz-Meta-Album": "a"}), ""), nil
	})
	defer r.Close()
	q := r.request()
	q.URL, q.Headers = "https://h/a.jpg?w=1&X-Amz-Signature=0", []Header{{"Accept", "image/*"}, {"Authorization", "secret"}}
	var headers []Header
	if err := r.GetObject(t.Context(), q, func(a Answer) error { headers = a.Headers; return nil }); err != nil {
		t.Fatal(err)
	}
	if e.UserRequest.URL != "/a.jpg?w=1" || len(e.UserRequest.Headers) != 1 || e.UserRequest.Headers["Accept"][0] != "image/*" {
		t.Errorf("userRequest = %+v", e.UserRequest)
	}
	if e.UserIdentity.AccessKeyId != r.viewer.AccessKeyID || e.UserIdentity.PrincipalId != r.viewer.Principal.ID {
		t.Errorf("userIdentity = %+v", e.UserIdentity)
	}
	u := mustParseURL(t, e.GetObjectContext.InputS3Url)
	if u.Scheme != "http" || u.Host != "127.0.0.1:4566" || !strings.HasSuffix(strings.Split(u.Path, "/")[1], "-s3alias") || !strings.HasSuffix(u.Path, "/a.jpg") {
		t.Errorf("inputS3Url = %s", u)
	}
	if !verifies(t, r, "GET", e.GetObjectContext.InputS3Url) {
		t.Error("inputS3Url is not signed")
	}
	got := map[string]string{}
	for _, h := range headers {
		got[h.Name] = h.Value
	}
	if got["Content-Type"] != "image/png" || got["x-amz-meta-album"] != "a" {
		t.Errorf("headers = %v", headers)
	}
}

func TestWebhookThatHangsTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := withWebhook(t, func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})
		defer r.Close()
		wantCode(t, "GetObject", r.GetObject(t.Context(), r.request(), never(t)), "LambdaTimeout")
	})
}

func TestWebhooksThatAreRefused(t *testing.T) {
	r := withWebhook(t, nil)
	defer r.Close()
	for _, c := range []struct {
		name, url string
		action    string
	}{
		{"plaintext to another machine", "http://handlers.example/", GetObject},
		{"an action that is not GetObject", "https://handlers.example/", HeadObject},
		{"no host", "https:///x", GetObject},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := configuration()
			cfg.Transformations[0].Function, cfg.Transformations[0].Actions = c.url, []string{c.action}
			wantCode(t, "PutConfiguration", r.PutConfiguration(t.Context(), r.iam.Root(), "photos", cfg), "InvalidRequest")
		})
	}
}
