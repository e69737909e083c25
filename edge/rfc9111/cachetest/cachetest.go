// Package cachetest runs http-cache-tests, the public conformance suite for HTTP caches, against a cache. It is for tests alone. The
// suite is the npm package http-cache-tests 0.4.5, and wants node.
//
// Start at Run, whose results Check judges.
package cachetest

import (
	"bufio"
	_ "embed" // suite.mjs
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

//go:embed suite.mjs
var script []byte

// Result is what the suite says of one of its tests. Kind is required, optimal, or check, which surveys what a cache does; Result
// is pass, or a word for what kept it from that (suite.mjs has them all).
type Result struct{ Suite, ID, Name, Kind, Result, Detail string }

// Run runs the suite of dir, the folder of the package. site starts a cache in front of the suite's origin, which listens on that
// port of 127.0.0.1, and returns the cache's base URL, without a slash at its end.
func Run(t *testing.T, dir string, site func(port int) string) []Result {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, "cli.mjs")); err != nil {
		t.Fatalf("http-cache-tests is not installed (sh e2e/deps.sh test): %v", err)
	}
	file := filepath.Join(t.TempDir(), "suite.mjs")
	if err := os.WriteFile(file, script, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "--no-warnings", file, dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(stdout)
	var port int
	if _, err := fmt.Fscanf(out, "origin %d\n", &port); err != nil {
		t.Fatalf("read the origin's port: %v\n%s", err, stderr.String())
	}
	if _, err := io.WriteString(stdin, site(port)+"\n"); err != nil {
		t.Fatal(err)
	}
	var results []Result
	if err := json.NewDecoder(out).Decode(&results); err != nil {
		t.Fatalf("read results: %v\n%s", err, stderr.String())
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("node: %v\n%s", err, stderr.String())
	}
	return results
}

// notPassed are the tests that RFC 9111 as package rfc9111 has it does not pass, each with the reason. It is never written to.
var notPassed = map[string]string{
	"stale-close-must-revalidate":     unanswered,
	"stale-close-proxy-revalidate":    unanswered,
	"stale-close-no-cache":            unanswered,
	"stale-close-s-maxage=2":          unanswered,
	"age-parse-prefix":                `the price of Policy.DistrustAge: the suite wants an Age of "0, 0" to make a response stale, and this "0,7200" not to`,
	"headers-store-Transfer-Encoding": "the origin answers with a transfer coding that does not exist, so nobody can know where its body ends (RFC 9112, section 6.1)",
	"conditional-lm-fresh-no-lm":      "asks for 304 when If-Modified-Since is before Date; RFC 9111, section 4.3.2, says the opposite",

	"partial-store-partial-reuse-partial":           cutShort,
	"partial-store-partial-reuse-partial-byterange": cutShort,
	"partial-store-partial-reuse-partial-absent":    cutShort,
	"partial-store-partial-reuse-partial-suffix":    cutShort,
	"partial-store-partial-complete":                "without a strong entity tag a rest may not be combined with what is there (RFC 9111, section 3.4), so it is not asked for",
}

const (
	unanswered = "the origin hangs up, and the test wants a header of the origin's on the answer: no answer but a stale one can have it"
	cutShort   = "the origin's body is shorter than its Content-Range says (5 bytes for 4-9), and a body that was cut short is never stored"
)

// Check fails t for every test that a cache by package rfc9111 should pass and does not, and for every one that it is excused from
// and passes, so that the excuses stay true.
func Check(t *testing.T, results []Result) {
	t.Helper()
	passed, total := map[string]int{}, map[string]int{}
	for _, r := range results {
		total[r.Kind]++
		_, excused := notPassed[r.ID]
		if r.Result == "pass" {
			passed[r.Kind]++
		}
		switch {
		case r.Kind == "check": // a survey of habits; no answer is wrong
			t.Logf("check %s: %s %s", r.ID, r.Result, r.Detail)
		case r.Result != "pass" && !excused:
			t.Errorf("%s %s: %s: %s (%s)", r.Kind, r.ID, r.Result, r.Detail, r.Name)
		case r.Result == "pass" && excused:
			t.Errorf("%s %s passes now; take it off the list", r.Kind, r.ID)
		}
	}
	t.Logf("required %d/%d, optimal %d/%d, check %d/%d", passed["required"], total["required"], passed["optimal"], total["optimal"], passed["check"], total["check"])
	if total["required"] != 165 || total["optimal"] != 95 {
		t.Errorf("the suite has %d required and %d optimal tests, want the 165 and 95 of 0.4.5", total["required"], total["optimal"])
	}
	if passed["required"] < 158 || passed["optimal"] < 80 {
		t.Errorf("passed %d required and %d optimal, want at least 158 and 80", passed["required"], passed["optimal"])
	}
}
