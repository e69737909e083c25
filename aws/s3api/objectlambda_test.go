package s3api

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"glassine/aws/sigv4"
	"glassine/lambda"
)

// event is what a test's function needs of its event.
type event struct {
	GetObjectContext struct{ InputS3Url, OutputRoute, OutputToken string }
}

// answer makes the function answer with WriteGetObjectResponse, and returns what the caller and the function got.
func (g *rig) answer(t *testing.T, url string, header http.Header, write http.Header, body io.Reader, length int64) (caller, function *httptest.ResponseRecorder) {
	t.Helper()
	function = httptest.NewRecorder()
	ended := make(chan struct{})
	g.function.invoke = func(_ context.Context, raw []byte) (lambda.Result, error) {
		defer close(ended)
		var e event
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Error(err)
		}
		h := http.Header{"X-Amz-Request-Route": {e.GetObjectContext.OutputRoute}, "X-Amz-Request-Token": {e.GetObjectContext.OutputToken}, "X-Amz-Content-Sha256": {sigv4.UnsignedPayload}}
		for name, v := range write {
			h[name] = v
		}
		r := g.request(t, "POST", writeURL, "", h)
		r.Body, r.ContentLength = io.NopCloser(body), length
		g.ServeHTTP(function, r)
		return lambda.Result{}, nil
	}
	defer func() { <-ended }() // the function may end after its caller
	return g.ask(t, "GET", url, "", header), function
}

func TestWriteGetObjectResponseReachesTheCaller(t *testing.T) {
	g := newRig(t)
	for _, c := range []struct {
		name          string
		write         http.Header
		body          string
		length        int64
		status        int
		code          string
		function      int
		want          string
		header, value string
	}{
		{"a body", http.Header{"X-Amz-Fwd-Header-Content-Type": {"image/png"}}, "png", 3, 200, "", 200, "png", "Content-Type", "image/png"},
		{"a body of unknown length", nil, "png", -1, 200, "", 200, "png", "Content-Length", ""},
		{"no type is made up", nil, "<html>", 6, 200, "", 200, "<html>", "Content-Type", ""},
		{"metadata", http.Header{"X-Amz-Meta-Album": {"a"}}, "x", 1, 200, "", 200, "x", "x-amz-meta-album", "a"},
		{"an unknown header passes", http.Header{"X-Amz-Fwd-Header-Vary": {"Accept"}}, "x", 1, 200, "", 200, "x", "Vary", "Accept"},
		{"hop-by-hop headers do not", http.Header{"X-Amz-Fwd-Header-Connection": {"close"}}, "x", 1, 200, "", 200, "x", "Connection", ""},
		{"206 with its range", http.Header{"X-Amz-Fwd-Status": {"206"}, "X-Amz-Fwd-Header-Content-Range": {"bytes 0-0/2"}}, "x", 1, 206, "", 200, "x", "Content-Range", "bytes 0-0/2"},
		{"304", http.Header{"X-Amz-Fwd-Status": {"304"}}, "", 0, 304, "", 200, "", "", ""},
		{"an error with its code", http.Header{"X-Amz-Fwd-Status": {"404"}, "X-Amz-Fwd-Error-Code": {"NoSuchPhoto"}, "X-Amz-Fwd-Error-Message": {"gone <b>"}}, "", 0, 404, "NoSuchPhoto", 200, "gone &lt;b&gt;", "", ""},
		{"an error status alone", http.Header{"X-Amz-Fwd-Status": {"403"}}, "", 0, 403, "AccessDenied", 200, "", "", ""},
		{"a message without a code", http.Header{"X-Amz-Fwd-Status": {"400"}, "X-Amz-Fwd-Error-Message": {"no"}}, "", 0, 400, "InvalidRequest", 200, "no", "", ""},
		{"an error status with a body of its own", http.Header{"X-Amz-Fwd-Status": {"404"}}, "<Error><Code>Mine</Code></Error>", 32, 404, "Mine", 200, "", "", ""},
		{"a message in Latin-1", http.Header{"X-Amz-Fwd-Status": {"500"}, "X-Amz-Fwd-Error-Message": {"caf\xe9"}}, "", 0, 500, "InternalError", 200, "café", "", ""},
		{"a status that is not allowed", http.Header{"X-Amz-Fwd-Status": {"201"}}, "", 0, 400, "LambdaInvalidResponse", 400, "", "", ""},
		{"an error code with a good status", http.Header{"X-Amz-Fwd-Error-Code": {"Oops"}}, "", 0, 400, "LambdaInvalidResponse", 400, "", "", ""},
		{"an error code of a wrong form", http.Header{"X-Amz-Fwd-Status": {"400"}, "X-Amz-Fwd-Error-Code": {"not_ok"}}, "", 0, 400, "LambdaInvalidResponse", 400, "", "", ""},
		{"two checksums", http.Header{"X-Amz-Fwd-Header-X-Amz-Checksum-Crc32": {"a"}, "X-Amz-Fwd-Header-X-Amz-Checksum-Sha1": {"b"}}, "", 0, 400, "LambdaInvalidResponse", 400, "", "", ""},
		{"another route", http.Header{"X-Amz-Request-Route": {"io-use1-002"}}, "", 0, 500, "LambdaResponseNotReceived", 400, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			caller, function := g.answer(t, lambdaURL+"/k", nil, c.write, strings.NewReader(c.body), c.length)
			if caller.Code != c.status || code(t, caller) != c.code || !strings.Contains(caller.Body.String(), c.want) {
				t.Errorf("caller got %d %q, want %d %s %q", caller.Code, caller.Body, c.status, c.code, c.want)
			}
			if function.Code != c.function {
				t.Errorf("function got %d %s, want %d", function.Code, function.Body, c.function)
			}
			if c.header != "" {
				got := strings.Join(caller.Header()[c.header], ",")
				if got != c.value {
					t.Errorf("%s = %q, want %q", c.header, got, c.value)
				}
			}
		})
	}
}

func TestABodyThatBreaksOffResetsTheCaller(t *testing.T) {
	g := newRig(t)
	for _, c := range []struct {
		name   string
		body   io.Reader
		length int64
	}{
		{"fewer bytes than announced", strings.NewReader("half"), 8},
		{"a read that fails", io.MultiReader(strings.NewReader("half"), failing{}), -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if p, _ := recover().(error); !errors.Is(p, http.ErrAbortHandler) {
					t.Errorf("the handler ended with %v, want http.ErrAbortHandler", p)
				}
			}()
			g.answer(t, lambdaURL+"/k", nil, nil, c.body, c.length)
		})
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestRangeNeedsAnAllowedFeature(t *testing.T) {
	g := newRig(t)
	for _, ask := range []func() *httptest.ResponseRecorder{
		func() *httptest.ResponseRecorder {
			return g.ask(t, "GET", lambdaURL+"/k", "", http.Header{"Range": {"bytes=0-1"}})
		},
		func() *httptest.ResponseRecorder { return g.ask(t, "GET", lambdaURL+"/k?Range=bytes%3D0-1", "", nil) },
		func() *httptest.ResponseRecorder { return g.ask(t, "GET", lambdaURL+"/k?partNumber=1", "", nil) },
	} {
		if w := ask(); w.Code != 501 || code(t, w) != "NotImplemented" || !strings.Contains(w.Body.String(), "Operation Not Implemented.") {
			t.Errorf("answer = %d %s, want AWS's 501", w.Code, w.Body)
		}
	}
}

func TestObjectLambdaOverPlaintextOnLoopbackOnly(t *testing.T) {
	g := newRig(t)
	r := g.request(t, "GET", strings.Replace(lambdaURL, "https", "http", 1)+"/k", "", nil)
	r.TLS, r.RemoteAddr = nil, "192.0.2.1:1"
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if code(t, w) != "AccessDenied" || !strings.Contains(w.Body.String(), "HTTPS") {
		t.Errorf("plaintext from elsewhere = %d %s", w.Code, w.Body)
	}
}
