package edge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"glassine/iam"
	"glassine/state"
)

const account = "123456789012"

// roundTrip is an origin made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// invoke is an Invoker made of a function.
type invoke func(ctx context.Context, arn string, event []byte) ([]byte, error)

func (f invoke) InvokeEdge(ctx context.Context, arn string, event []byte) ([]byte, error) {
	return f(ctx, arn, event)
}

// rig is an edge with one distribution, whose origin and function are doubles.
type rig struct {
	*Edge
	t    testing.TB
	root iam.Caller
	dist Distribution
	log  bytes.Buffer

	mu       sync.Mutex
	requests []*http.Request // what the origin was asked
	events   []string        // what the function was given
}

// setup says how a rig differs from the plain one.
type setup struct {
	origin   roundTrip
	function invoke // nil: no function is associated
	policy   func(*CachePolicyConfig)
	dist     func(*DistributionConfig)
	config   func(*Config)
}

const functionARN = "arn:aws:lambda:us-east-1:" + account + ":function:signer:1"

func newRig(t testing.TB, s setup) *rig {
	t.Helper()
	rg := &rig{t: t}
	records := new(state.Memory)
	ids, err := iam.New(t.Context(), iam.Config{State: records, Account: account, Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := ids.EnsureRoot(t.Context()); err != nil {
		t.Fatal(err)
	}
	rg.root = ids.Root()
	cfg := Config{
		State: records, IAM: ids, Account: account, HTTPSPort: "8443", AccessLog: &rg.log,
		Origin: roundTrip(func(r *http.Request) (*http.Response, error) {
			rg.mu.Lock()
			rg.requests = append(rg.requests, r)
			rg.mu.Unlock()
			return s.origin(r)
		}),
		Invoker: invoke(func(ctx context.Context, arn string, event []byte) ([]byte, error) {
			rg.mu.Lock()
			rg.events = append(rg.events, string(event))
			rg.mu.Unlock()
			return s.function(ctx, arn, event)
		}),
	}
	if s.config != nil {
		s.config(&cfg)
	}
	if rg.Edge, err = New(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	policy := plainPolicy()
	if s.policy != nil {
		s.policy(&policy)
	}
	p, err := rg.CreateCachePolicy(t.Context(), rg.root, policy)
	if err != nil {
		t.Fatal(err)
	}
	dist := plainDistribution(p.ID)
	if s.function != nil {
		dist.DefaultCacheBehavior.LambdaFunctions = []LambdaFunctionAssociation{{FunctionARN: functionARN, EventType: "origin-request"}}
	}
	if s.dist != nil {
		s.dist(&dist)
	}
	if rg.dist, err = rg.CreateDistribution(t.Context(), rg.root, dist); err != nil {
		t.Fatal(err)
	}
	return rg
}

// plainPolicy is the reference solution's cache policy.
func plainPolicy() CachePolicyConfig {
	return CachePolicyConfig{
		Name: "object-lambda-query-string", AcceptEncodingGzip: true, AcceptEncodingBrotli: true,
		Headers: Selection{Behavior: "none"}, Cookies: Selection{Behavior: "none"},
		QueryStrings: Selection{Behavior: "whitelist", Names: []string{"showExif"}},
	}
}

const originDomain = "olap-123456789012.s3-object-lambda.us-west-2.amazonaws.com"

// plainDistribution is the reference solution's distribution, without its function.
func plainDistribution(policyID string) DistributionConfig {
	return DistributionConfig{
		CallerReference: "walkthrough-1", Enabled: true,
		Origins: []Origin{{
			ID: "olap", DomainName: originDomain,
			Custom: &CustomOrigin{ProtocolPolicy: "https-only", SSLProtocols: []string{"TLSv1.2"}},
		}},
		DefaultCacheBehavior: CacheBehavior{TargetOriginID: "olap", ViewerProtocolPolicy: "redirect-to-https", CachePolicyID: policyID},
	}
}

// inBubble runs f with a rig whose time is synctest's.
func inBubble(t *testing.T, s setup, f func(t *testing.T, rg *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rg := newRig(t, s)
		defer rg.Close()
		f(t, rg)
	})
}

// request makes a viewer's request; target is in origin form and goes to the rig's distribution over TLS. fields are
// names and values in turn.
func (rg *rig) request(method, target string, fields ...string) *http.Request {
	r := httptest.NewRequest(method, "https://"+rg.dist.DomainName+"/", nil)
	r.RequestURI = target
	r.RemoteAddr = "203.0.113.178:4711"
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

// answer is what a viewer got.
type answer struct {
	status int
	header http.Header
	body   string
	broken bool // the connection was reset
}

func (rg *rig) send(r *http.Request) (a answer) {
	w := httptest.NewRecorder()
	defer func() {
		if v := recover(); v != nil {
			if err, ok := v.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(v)
			}
			a.broken = true
		}
		a.status, a.header, a.body = w.Code, w.Result().Header, w.Body.String()
	}()
	rg.ServeHTTP(w, r)
	return answer{}
}

func (rg *rig) get(target string, fields ...string) answer {
	return rg.send(rg.request("GET", target, fields...))
}

// xCache is the first word of X-Cache.
func (a answer) xCache() string {
	word, _, _ := strings.Cut(a.header.Get("X-Cache"), " from cloudfront")
	return word
}

// response makes an origin's response; fields are names and values in turn.
func response(status int, body string, fields ...string) *http.Response {
	r := &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body))}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

// always is an origin that gives the same response every time.
func always(status int, body string, fields ...string) roundTrip {
	return func(*http.Request) (*http.Response, error) { return response(status, body, fields...), nil }
}

// brokenBody fails after some bytes.
type brokenBody struct{ data io.Reader }

func (b *brokenBody) Read(p []byte) (int, error) {
	if n, err := b.data.Read(p); err == nil {
		return n, nil
	}
	return 0, errors.New("connection reset")
}
func (b *brokenBody) Close() error { return nil }

func at(t *testing.T, got, want any, what string) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}
