package e2e

import (
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"glassine"
	"glassine/edge"
	"glassine/edge/rfc9111/cachetest"
)

var updateCacheTests = flag.Bool("update-cache-tests", false, "write testdata/cache-tests.txt anew")

// http-cache-tests is the public conformance suite for HTTP caches. nginx 1.22 passes 94 of its required and 50 of its optimal
// tests, Varnish 7.1 108 and 40.
func TestCacheTestsByRFC9111(t *testing.T) {
	t.Parallel()
	cachetest.Check(t, runCacheTests(t, edge.SemanticsHeader))
}

// What CloudFront's semantics give, as a table: testdata/cache-tests.txt. The suite asks for more and for other things than
// CloudFront does; docs/aws-differences.md explains them.
func TestCacheTestsByDefault(t *testing.T) {
	t.Parallel()
	var lines []string
	for _, r := range runCacheTests(t) {
		lines = append(lines, fmt.Sprintf("%-8s %-8s %s", r.Kind, r.Result, r.ID))
	}
	slices.Sort(lines)
	got := strings.Join(lines, "\n") + "\n"
	golden := filepath.Join("testdata", "cache-tests.txt")
	if *updateCacheTests {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	was := strings.Split(string(want), "\n")
	for _, line := range strings.Split(got, "\n") {
		if !slices.Contains(was, line) {
			t.Errorf("%s has no line %q", golden, line)
		}
	}
	if len(was) != len(lines)+1 {
		t.Errorf("%s has %d lines, want %d", golden, len(was)-1, len(lines))
	}
}

// runCacheTests runs the suite through a distribution of its own, whose cache policy lists the headers.
func runCacheTests(t *testing.T, headers ...string) []cachetest.Result {
	t.Helper()
	return cachetest.Run(t, filepath.Join("node", "node_modules", "http-cache-tests"), func(port int) string { return cacheTestsSite(t, port, headers) })
}

// cacheTestsSite starts a system with one distribution in front of the origin on port, and returns its base URL.
func cacheTestsSite(t *testing.T, port int, headers []string) string {
	t.Helper()
	s := start(t, func(c *glassine.Config) { c.Demo = false })
	root := s.IAM.Root()
	list := edge.Selection{Behavior: "none"}
	if len(headers) > 0 {
		list = edge.Selection{Behavior: "whitelist", Names: headers}
	}
	policy, err := s.Edge.CreateCachePolicy(t.Context(), root, edge.CachePolicyConfig{
		Name: "cache-tests", MinTTL: 0, DefaultTTL: new(int64(0)), MaxTTL: new(int64(3155760000)),
		Headers: list, Cookies: edge.Selection{Behavior: "none"}, QueryStrings: edge.Selection{Behavior: "all"},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg := edge.DistributionConfig{
		CallerReference: "cache-tests", Enabled: true, Aliases: []string{"localhost"},
		Origins: []edge.Origin{{ID: "suite", DomainName: "localhost", Custom: &edge.CustomOrigin{ProtocolPolicy: "http-only", HTTPPort: port}}},
		DefaultCacheBehavior: edge.CacheBehavior{
			TargetOriginID: "suite", ViewerProtocolPolicy: "allow-all", CachePolicyID: policy.ID,
			AllowedMethods:        strings.Fields("GET HEAD OPTIONS PUT POST PATCH DELETE"),
			OriginRequestPolicyID: "216adef6-5c7f-47e4-b989-5492eafa07d3", // AllViewer: the suite names its tests in a header
		},
	}
	for _, status := range []int{400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504} {
		cfg.CustomErrorResponses = append(cfg.CustomErrorResponses, edge.CustomErrorResponse{ErrorCode: status, ErrorCachingMinTTL: new(int64(0))})
	}
	if _, err := s.Edge.CreateDistribution(t.Context(), root, cfg); err != nil {
		t.Fatal(err)
	}
	_, viewers, err := net.SplitHostPort(s.Addresses().HTTP)
	if err != nil {
		t.Fatal(err)
	}
	return "http://localhost:" + viewers
}
