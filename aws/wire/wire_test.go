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

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestErrorBodies(t *testing.T) {
	var logged strings.Builder
	log := slog.New(slog.NewTextHandler(&logged, nil))
	for _, c := range []struct {
		name   string
		d      Dialect
		method string
		err    error
		status int
		body   string
	}{
		{
			"S3 writes errors flat, with their own fields", S3, "GET", fault.New("NoSuchKey", "The specified key does not exist.").With("Key", "a<b"), 404,
			Header + "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Key>a&lt;b</Key><RequestId>id</RequestId><HostId>glassine</HostId></Error>",
		},
		{
			"Object Lambda names no host", ObjectLambda, "GET", fault.New("NotImplemented", "Operation Not Implemented."), 501,
			Header + "<Error><Code>NotImplemented</Code><Message>Operation Not Implemented.</Message><RequestId>id</RequestId><HostId>{host-id}</HostId></Error>",
		},
		{
			"CloudFront wraps and names the side", CloudFront, "GET", fault.New("NoSuchDistribution", "x"), 404,
			Header + `<ErrorResponse xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Error><Type>Sender</Type><Code>NoSuchDistribution</Code><Message>x</Message></Error><RequestId>id</RequestId></ErrorResponse>`,
		},
		{"a HEAD gets no body", S3, "HEAD", fault.New("NoSuchKey", "x"), 404, ""},
		{"a status of its own", S3, "GET", fault.New("NotModified", "x").WithStatus(304), 304, ""},
		{
			"what is no fault becomes InternalError without its text", S3, "GET", errors.New("disk /dev/sda is on fire"), 500,
			Header + "<Error><Code>InternalError</Code><Message>We encountered an internal error. Please try again.</Message><RequestId>id</RequestId><HostId>glassine</HostId></Error>",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			WriteError(w, httptest.NewRequest(c.method, "/", nil), c.d, "id", c.err, log)
			if w.Code != c.status || w.Body.String() != c.body {
				t.Errorf("answer = %d %s\nwant %d %s", w.Code, w.Body, c.status, c.body)
			}
		})
	}
	if !strings.Contains(logged.String(), "on fire") {
		t.Error("the text of an internal error is not in the log")
	}
}

func TestServiceOf(t *testing.T) {
	auth := func(service string) string {
		return "AWS4-HMAC-SHA256 Credential=AKID/20261124/us-east-1/" + service + "/aws4_request, SignedHeaders=host, Signature=" + strings.Repeat("0", 64)
	}
	for _, c := range []struct{ name, host, target, auth, header, want string }{
		{"a bucket's host", "b.s3.us-east-1.amazonaws.com", "/k", "", "", "s3"},
		{"an old regional host", "s3-us-west-2.amazonaws.com", "/b/k", "", "", "s3"},
		{"an access point's host", "ap-1.s3-accesspoint.us-east-1.amazonaws.com", "/k", "", "", "s3"},
		{"an Object Lambda host", "ol-1.s3-object-lambda.us-east-1.amazonaws.com", "/k", "", "", "s3"},
		{"s3control's host", "123456789012.s3-control.us-east-1.amazonaws.com", "/v20180820/accesspoint/x", "", "", "s3-control"},
		{"CloudFront's host", "cloudfront.amazonaws.com", "/2020-05-31/distribution", "", "", "cloudfront"},
		{"IAM's host", "iam.amazonaws.com:443", "/", "", "", "iam"},
		{"a regional service", "lambda.eu-central-1.amazonaws.com", "/2015-03-31/functions", "", "", "lambda"},
		{"our own host, by scope", "127.0.0.1:4566", "/", auth("cloudfront"), "", "cloudfront"},
		{"our own host, Object Lambda's scope", "ol-123456789012.localhost:4566", "/k", auth("s3-object-lambda"), "", "s3"},
		{"our own host, s3control by path and account", "127.0.0.1:4566", "/v20180820/accesspoint/x", auth("s3"), "X-Amz-Account-Id", "s3-control"},
		{"a key that looks like s3control's path", "ap-123456789012.localhost:4566", "/v20180820/x", auth("s3"), "", "s3"},
		{"our own host, nothing else known", "127.0.0.1:4566", "/bucket/key", "", "", "s3"},
		{"WriteGetObjectResponse wherever it arrives", "127.0.0.1:4566", "/WriteGetObjectResponse", auth("s3-object-lambda"), "X-Amz-Request-Token", "s3"},
	} {
		r := httptest.NewRequest("GET", c.target, nil)
		r.Host = c.host
		if c.auth != "" {
			r.Header.Set("Authorization", c.auth)
			r.Header.Set("X-Amz-Date", "20261124T120000Z")
		}
		if c.header != "" {
			r.Header.Set(c.header, "x")
		}
		if got := ServiceOf(r); got != c.want {
			t.Errorf("%s: ServiceOf = %q, want %q", c.name, got, c.want)
		}
	}
}

func keysOf(secret string, internal bool) Keys[string] {
	return func(_ context.Context, id, _ string) (Key[string], error) {
		if id != "AKIDKNOWN" {
			return Key[string]{}, fault.New("InvalidAccessKeyId", "unknown")
		}
		return Key[string]{Secret: secret, Caller: "caller", Internal: internal}, nil
	}
}

func signedRequest(key, secret, service string, at time.Time) *http.Request {
	r := httptest.NewRequest("GET", "http://b.s3.us-east-1.amazonaws.com/k", nil)
	r.RequestURI = "/k"
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: key, SecretAccessKey: secret}, "us-east-1", service, sigv4.UnsignedPayload, at)
	return r
}

func TestAuthenticate(t *testing.T) {
	for _, c := range []struct {
		name string
		r    *http.Request
		code string
	}{
		{"a good signature", signedRequest("AKIDKNOWN", "s", "s3", now), ""},
		{"a wrong secret", signedRequest("AKIDKNOWN", "other", "s3", now), "SignatureDoesNotMatch"},
		{"an unknown key", signedRequest("AKIDOTHER", "s", "s3", now), "InvalidAccessKeyId"},
		{"another service's scope", signedRequest("AKIDKNOWN", "s", "iam", now), "AuthorizationHeaderMalformed"},
		{"an old request", signedRequest("AKIDKNOWN", "s", "s3", now.Add(-time.Hour)), "RequestTimeTooSkewed"},
	} {
		caller, sig, err := Authenticate(c.r, keysOf("s", false), []string{"s3"}, now)
		if fault.Code(err) != c.code {
			t.Errorf("%s: %v, want code %q", c.name, err, c.code)
		}
		if err != nil && (caller != "" || sig != nil) {
			t.Errorf("%s: refused, yet the caller is %q", c.name, caller)
		}
	}
	if caller, sig, err := Authenticate(httptest.NewRequest("GET", "/", nil), keysOf("s", false), []string{"s3"}, now); caller != "" || sig != nil || err != nil {
		t.Errorf("unsigned: %q %v %v, want nobody and no error", caller, sig, err)
	}
}

func TestUnsignedHeadersOfOurOwnURLsAreDropped(t *testing.T) {
	r := signedRequest("AKIDKNOWN", "s", "s3", now)
	r.Header.Set("X-Amz-Checksum-Mode", "ENABLED")
	r.Header.Set("Range", "bytes=0-1")
	if _, _, err := Authenticate(r.Clone(t.Context()), keysOf("s", false), []string{"s3"}, now); !fault.Is(err, "AccessDenied") {
		t.Errorf("a user's key: %v, want AccessDenied", err)
	}
	if _, _, err := Authenticate(r, keysOf("s", true), []string{"s3"}, now); err != nil {
		t.Fatalf("an internal key: %v", err)
	}
	if r.Header.Get("X-Amz-Checksum-Mode") != "" || r.Header.Get("Range") == "" || r.Header.Get("X-Amz-Date") == "" {
		t.Errorf("headers after it: %v, want the unsigned x-amz-* gone and the rest there", r.Header)
	}
}

func TestPayloadHash(t *testing.T) {
	read := func(body, hash string) error {
		p, err := NewPayload(httptest.NewRequest("PUT", "/", strings.NewReader(body)), &sigv4.Signature{PayloadHash: hash})
		if err == nil {
			_, err = io.Copy(io.Discard, p)
		}
		return err
	}
	for _, c := range []struct{ name, body, hash, code string }{
		{"the body that was signed", "abc", sigv4.PayloadSHA256([]byte("abc")), ""},
		{"another body", "abd", sigv4.PayloadSHA256([]byte("abc")), "XAmzContentSHA256Mismatch"},
		{"a body cut short", "ab", sigv4.PayloadSHA256([]byte("abc")), "XAmzContentSHA256Mismatch"},
		{"an unsigned body", "abc", sigv4.UnsignedPayload, ""},
		{"nonsense", "abc", "sha256 of it", "InvalidArgument"},
		{"chunks of no announced length", "abc", sigv4.StreamingSigned, "MissingContentLength"},
		{"SigV4A chunks", "abc", "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD", "InvalidArgument"},
	} {
		if err := read(c.body, c.hash); fault.Code(err) != c.code {
			t.Errorf("%s: %v, want code %q", c.name, err, c.code)
		}
	}
}

func TestBodiesAreBounded(t *testing.T) {
	r := httptest.NewRequest("PUT", "/", strings.NewReader(strings.Repeat("x", 100)))
	if _, err := ReadBody(r, nil, 99); !fault.Is(err, "EntityTooLarge") {
		t.Errorf("an announced length: %v", err)
	}
	r = httptest.NewRequest("PUT", "/", strings.NewReader(strings.Repeat("x", 100)))
	r.ContentLength = -1
	if _, err := ReadBody(r, nil, 99); !fault.Is(err, "EntityTooLarge") {
		t.Errorf("a length that was not announced: %v", err)
	}
	var v struct{ A string }
	if err := ReadXML(strings.NewReader("<X><A>"+strings.Repeat("x", 100)+"</A></X>"), 50, &v); !fault.Is(err, "EntityTooLarge") {
		t.Errorf("XML: %v", err)
	}
	if err := ReadXML(strings.NewReader("<X><A></X>"), 50, &v); !fault.Is(err, "MalformedXML") {
		t.Errorf("broken XML: %v", err)
	}
}
