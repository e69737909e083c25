package lambdaapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"sync/atomic"
	"testing"

	"glassine/lambda/runner"
	"glassine/lambda/sandbox"
)

const invocations = "/2015-03-31/functions/fn/invocations"

func body(t *testing.T, r *http.Response) string {
	t.Helper()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestInvokeOnTheWire(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one")
	answer := sandbox.Result{Payload: []byte(`"ok"`)}
	r.process.invoke = func(_ context.Context, _ sandbox.Version, inv sandbox.Invocation) (sandbox.Result, error) {
		if string(inv.Payload) != "{}" {
			t.Errorf("no body is the event %s, want {}", inv.Payload)
		}
		return answer, nil
	}
	for _, path := range []string{
		invocations, "/2015-03-31/functions/" + url.QueryEscape(prefix+"fn") + "/invocations", "/2015-03-31/functions/" + prefix + "fn:$LATEST/invocations",
		"/2015-03-31/functions/" + account + "%3Afunction%3Afn/invocations?Qualifier=%24LATEST", invocations + "/",
	} {
		resp := r.signed("POST", path, nil, nil)
		if got := body(t, resp); resp.StatusCode != 200 || got != `"ok"` || resp.Header.Get("X-Amz-Executed-Version") != "$LATEST" || resp.Header.Get("X-Amzn-Requestid") == "" ||
			resp.Header.Get("X-Amz-Function-Error") != "" || resp.Header.Get("X-Amz-Log-Result") != "" {
			t.Errorf("POST %s = %s %s %v", path, resp.Status, got, resp.Header)
		}
	}
	answer = sandbox.Result{Failed: true, Payload: []byte(`{"errorType":"TypeError"}`)}
	resp := r.signed("POST", invocations, nil, nil)
	if got := body(t, resp); resp.StatusCode != 200 || got != `{"errorType":"TypeError"}` || resp.Header.Get("X-Amz-Function-Error") != "Unhandled" {
		t.Errorf("a failure answers %s %s %v, want 200 and the error", resp.Status, got, resp.Header)
	}
}

func TestRefusalsOnTheWire(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one")
	zero := []byte(`{"ReservedConcurrentExecutions":0}`)
	if resp := r.signed("PUT", "/2017-10-31/functions/fn/concurrency", nil, zero); resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	for _, c := range []struct {
		name, method, path string
		body               []byte
		header             map[string]string
		status             int
		kind, text         string
	}{
		{"throttled", "POST", invocations, nil, nil, 429, "TooManyRequestsException", `"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded"`},
		{"too large", "POST", invocations, []byte(`"` + strings.Repeat("x", runner.MaxPayload-1) + `"`), nil, 413, "RequestTooLargeException", "6291556"},
		{"much too large", "POST", invocations, bytes.Repeat([]byte("1"), runner.MaxPayload+100), nil, 413, "RequestEntityTooLargeException", ""},
		{"too large for an event", "POST", invocations, []byte(`"` + strings.Repeat("x", 1<<20) + `"`), map[string]string{"X-Amz-Invocation-Type": "Event"}, 413, "RequestTooLargeException", "1048576"},
		{"not there", "GET", "/2015-03-31/functions/no", nil, nil, 404, "ResourceNotFoundException", `"Message":"Function not found: ` + prefix + `no"`},
		{"of another account", "GET", "/2015-03-31/functions/arn:aws:lambda:eu-west-1:999999999999:function:fn", nil, nil, 404, "ResourceNotFoundException", ""},
		{"a bad type", "POST", invocations, nil, map[string]string{"X-Amz-Invocation-Type": "Later"}, 400, "InvalidParameterValueException", "Later"},
		{"a bad client context", "POST", invocations, nil, map[string]string{"X-Amz-Client-Context": "{}"}, 400, "InvalidRequestContentException", ""},
		{"no JSON", "PUT", "/2015-03-31/functions/fn/configuration", []byte("{"), nil, 400, "InvalidRequestContentException", ""},
		{"no operation", "GET", "/2015-03-31/things", nil, nil, 404, "UnknownOperationException", ""},
		{"an operation that is not here", "POST", "/2021-10-31/functions/fn/url", []byte("{}"), nil, 501, "NotImplemented", "function URLs"},
		{"a bad number", "GET", "/2015-03-31/functions/?MaxItems=x", nil, nil, 400, "ValidationException", "MaxItems"},
		{"a marker that is none", "GET", "/2015-03-31/functions/?Marker=!", nil, nil, 400, "InvalidParameterValueException", ""},
		{"layers' policies", "GET", "/2018-10-31/layers/l/versions/1/policy", nil, nil, 501, "NotImplemented", ""},
		{"event source mappings", "GET", "/2015-03-31/event-source-mappings/", nil, nil, 501, "NotImplemented", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp := r.signed(c.method, c.path, c.header, c.body)
			got := body(t, resp)
			if resp.StatusCode != c.status || resp.Header.Get("X-Amzn-Errortype") != c.kind || !strings.Contains(got, c.text) || !json.Valid([]byte(got)) {
				t.Errorf("%s %s = %s %s %s, want %d %s with %s", c.method, c.path, resp.Status, resp.Header.Get("X-Amzn-Errortype"), got, c.status, c.kind, c.text)
			}
			if (resp.Header.Get("Retry-After") != "") != (c.status == 429) {
				t.Errorf("Retry-After = %q", resp.Header.Get("Retry-After"))
			}
		})
	}
}

// Nobody without an access key can make us hold a body.
func TestBodyOfNobodyIsNotRead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, authorization := range []string{"", "AWS4-HMAC-SHA256 Credential=AKIANOSUCHKEY0000000/20261124/eu-west-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0", 64)} {
		read := &countingReader{}
		req, err := http.NewRequestWithContext(t.Context(), "POST", r.endpoint+"/2015-03-31/functions", read)
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = 60 << 20
		req.Header.Set("X-Amz-Date", "20261124T000000Z")
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		resp, err := http.DefaultClient.Do(req)
		if err == nil {
			if resp.Body.Close(); resp.StatusCode != 403 {
				t.Errorf("answer = %s, want 403", resp.Status)
			}
		}
		if n := read.n.Load(); n > 8<<20 { // what the connection's buffers hold
			t.Errorf("%d bytes of the body were taken", n)
		}
	}
}

type countingReader struct{ n atomic.Int64 }

func (c *countingReader) Read(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}

// botocore reads the stream as it reads AWS's.
const readStream = `
import json, sys
from botocore.eventstream import EventStreamBuffer
b = EventStreamBuffer()
b.add_data(sys.stdin.buffer.read())
print(json.dumps([[e.headers[":event-type"], e.headers[":content-type"], e.payload.decode()] for e in b]))
`

func TestResponseStream(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.create("one")
	for _, c := range []struct {
		name   string
		invoke func(inv sandbox.Invocation) (sandbox.Result, error)
		want   string
	}{
		{"of two parts", func(inv sandbox.Invocation) (sandbox.Result, error) {
			w := inv.Stream(sandbox.StreamHead{})
			_, _ = io.WriteString(w, "one")
			_, _ = io.WriteString(w, "two")
			return sandbox.Result{LogTail: []byte("log")}, nil
		}, `[["PayloadChunk", "application/octet-stream", "one"], ["PayloadChunk", "application/octet-stream", "two"], ["InvokeComplete", "application/json", "{\"LogResult\":\"bG9n\"}"]]`},
		{"of one that does not stream", func(sandbox.Invocation) (sandbox.Result, error) {
			return sandbox.Result{Payload: []byte("whole"), LogTail: []byte("log")}, nil
		}, `[["PayloadChunk", "application/octet-stream", "whole"], ["InvokeComplete", "application/json", "{\"LogResult\":\"bG9n\"}"]]`},
		{"of one that fails", func(sandbox.Invocation) (sandbox.Result, error) {
			return sandbox.Result{Failed: true, Payload: []byte("boom")}, nil
		}, `[["InvokeComplete", "application/json", "{\"ErrorCode\":\"Unhandled\",\"ErrorDetails\":\"boom\",\"LogResult\":\"\"}"]]`},
		{"of one that fails on its way", func(inv sandbox.Invocation) (sandbox.Result, error) {
			_, _ = io.WriteString(inv.Stream(sandbox.StreamHead{}), "one")
			return sandbox.Result{Failed: true, Payload: []byte("boom")}, nil
		}, `[["PayloadChunk", "application/octet-stream", "one"], ["InvokeComplete", "application/json", "{\"ErrorCode\":\"Unhandled\",\"ErrorDetails\":\"boom\"}"]]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			r.process.invoke = func(_ context.Context, _ sandbox.Version, inv sandbox.Invocation) (sandbox.Result, error) {
				return c.invoke(inv)
			}
			resp := r.signed("POST", "/2021-11-15/functions/fn/response-streaming-invocations", map[string]string{"X-Amz-Log-Type": "Tail"}, []byte("{}"))
			if resp.StatusCode != 200 || resp.Header.Get("X-Amz-Executed-Version") != "$LATEST" {
				t.Errorf("answer = %s %v", resp.Status, resp.Header)
			}
			cmd := exec.Command("python3", "-c", readStream)
			cmd.Stdin = resp.Body
			got, err := cmd.CombinedOutput()
			if err != nil || strings.TrimSpace(string(got)) != strings.ReplaceAll(c.want, `,\"LogResult\":\"\"`, "") {
				t.Errorf("botocore read %s (%v), want %s", got, err, c.want)
			}
		})
	}
	resp := r.signed("POST", "/2021-11-15/functions/no/response-streaming-invocations", nil, []byte("{}"))
	if resp.StatusCode != 404 {
		t.Errorf("stream of nothing = %s", resp.Status)
	}
}
