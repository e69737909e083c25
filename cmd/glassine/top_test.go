package main

import (
	"flag"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

var updateTop = flag.Bool("update-top", false, "write testdata/top anew")

// topOf is a server in use, with names that want to speak to the terminal.
func topOf() *topView {
	at := time.Date(2026, 11, 26, 15, 4, 5, 0, time.Local)
	v := &topView{
		Version: "v0.9.0", Ready: true, At: at, Started: at.Add(-3 * time.Minute), Memory: 41_200_000, Seconds: 1,
		Edge: topEdge{
			RequestsPerSecond: 12345.6, ByResult: map[string]float64{"Hit": 11000, "Miss": 1000.6, "RefreshHit": 340, "Error": 5, "Redirect": 0}, HitRatio: 0.9186,
			P50: 0.00031, P95: 0.0123, P99: 1.25, BytesPerSecond: 12_345_678,
		},
		Cache: map[string]topTier{"memory": {1200, 240_200_000}, "disk": {5001, 2_100_000_000}},
		Functions: []topFunction{
			{"glassine-image", 1005.6, 0, 0, 3}, {"a-function-with-a-name-that-is-as-long-as-lambda-lets-it-be-64chr", 2, 0.5, 0.1, 1}, {"glassine-signer", 0, 0, 0, 0},
		},
		Problems: nil,
	}
	for i, path := range []string{"/sample.jpg", "/album/" + strings.Repeat("long", 40) + ".jpg", "/\x1b[2Jclear", "/ünïcode.jpg"} {
		v.Last = append(v.Last, topRequest{at.Add(-time.Duration(i) * time.Second), strconv.Itoa(200 + 101*i), []string{"Miss", "RefreshHit", "Error", "Error"}[i], 0.0231 * float64(i*i+1), path})
	}
	v.Last = append(v.Last, topRequest{at, "-", "-", 0, "/under-way"})
	return v
}

func TestTheViewAtWidths(t *testing.T) {
	for _, row := range []struct {
		name          string
		width, height int
		colour        palette
		change        func(*topView)
	}{
		{"60", 60, 30, false, nil},
		{"80", 80, 24, false, nil},
		{"140", 140, 40, false, nil},
		{"80-colours", 80, 24, true, func(v *topView) { v.paused = true }},
		{"80-low", 80, 12, false, nil},
		{"80-trouble", 80, 24, false, func(v *topView) {
			v.Ready, v.Edge, v.Last = false, topEdge{}, nil
			v.Problems = []string{"last requests: AccessDenied: User: arn:aws:iam::123456789012:user/ada is not authorized to perform: glassine:TraceRequest"}
		}},
		{"snapshot", 80, 0, false, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			v := topOf()
			if row.change != nil {
				row.change(v)
			}
			lines := v.lines(row.width, row.height, row.colour)
			for _, line := range lines {
				if n := visible(line); n > row.width {
					t.Errorf("%d columns: %q", n, line)
				}
				if strings.Contains(line, "\x1b[2J") || !bool(row.colour) && strings.Contains(line, "\x1b") {
					t.Errorf("it speaks to the terminal: %q", line)
				}
			}
			if row.height > 0 && len(lines) > row.height {
				t.Errorf("%d lines on a screen of %d", len(lines), row.height)
			}
			got, golden := strings.Join(lines, "\n")+"\n", filepath.Join("testdata", "top", row.name+".txt")
			if *updateTop {
				if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil || got != string(want) {
				t.Errorf("it is\n%s\nwant\n%s(%v)", got, want, err)
			}
		})
	}
	for width := range 60 { // smaller than anybody has it: nothing breaks
		for height := range 20 {
			topOf().lines(width, height, false)
		}
	}
}

func TestRatesAreOfWhatGrewBetweenTwoLooks(t *testing.T) {
	const first = `glassine_build_info{version="v1"} 1
process_start_time_seconds 1000
glassine_edge_requests_total{behavior="*",distribution="A",result="Hit"} 100
glassine_edge_requests_total{behavior="x",distribution="B",result="Miss"} 10
glassine_edge_request_duration_seconds_bucket{behavior="*",distribution="A",le="0.001"} 100
glassine_edge_request_duration_seconds_bucket{behavior="*",distribution="A",le="0.1"} 110
glassine_edge_request_duration_seconds_bucket{behavior="*",distribution="A",le="+Inf"} 110
glassine_edge_response_bytes_total{behavior="*",distribution="A"} 5000
glassine_lambda_invocations_total{function="f",result="success"} 7
`
	second := strings.NewReplacer(`"Hit"} 100`, `"Hit"} 190`, `"Miss"} 10`, `"Miss"} 20`, `"0.001"} 100`, `"0.001"} 190`, `"0.1"} 110`, `"0.1"} 208`, `"+Inf"} 110`, `"+Inf"} 210`, "} 5000", "} 25000", `"success"} 7`, `"success"} 9`).Replace(first) +
		`glassine_lambda_invocations_total{function="f",result="error"} 4
glassine_lambda_init_duration_seconds_count{function="f"} 2
glassine_lambda_concurrency{function="f"} 3
glassine_edge_cache_objects{tier="memory"} 12
glassine_edge_cache_bytes{tier="memory"} 3456
`
	at := time.Unix(2000, 0)
	before := countsOf([]byte(first), at)
	near := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s is %g, want %g", what, got, want)
		}
	}
	v := between(before, countsOf([]byte(second), at.Add(2*time.Second)))
	near("requests/s", v.Edge.RequestsPerSecond, 50)
	near("hits/s", v.Edge.ByResult["Hit"], 45)
	near("hit ratio", v.Edge.HitRatio, 0.9)
	near("bytes/s", v.Edge.BytesPerSecond, 10_000)
	near("p50", v.Edge.P50, 0.001*50/90)
	near("p95", v.Edge.P95, 0.001+0.099*5/8)
	near("p99", v.Edge.P99, 0.1) // in the last bucket: its lower end
	if v.Version != "v1" || v.Cache["memory"] != (topTier{12, 3456}) {
		t.Errorf("version %q, cache %v", v.Version, v.Cache)
	}
	if len(v.Functions) != 1 || v.Functions[0] != (topFunction{"f", 3, 2, 1, 3}) {
		t.Errorf("functions: %+v", v.Functions)
	}
	// The first look has no rates, and a server that was started anew has counted from 0.
	if v := between(topCounts{}, before); v.Edge.RequestsPerSecond != 0 || v.Seconds != 0 {
		t.Errorf("the first look: %+v", v.Edge)
	}
	anew := countsOf([]byte(strings.Replace(second, "1000", "1999", 1)), at.Add(2*time.Second))
	near("requests/s of a new start", between(before, anew).Edge.RequestsPerSecond, 105)
	smaller := countsOf([]byte(strings.Replace(first, `"Hit"} 100`, `"Hit"} 4`, 1)), at.Add(2*time.Second)) // after a reset: the process is the same
	near("hits/s after a reset", between(before, smaller).Edge.ByResult["Hit"], 2)
}

func TestTimesOfRequests(t *testing.T) {
	for text, want := range map[string]float64{"0.024 s": 0.024, "1.5": 1.5, "24ms": 0.024, "soon": 0, "": 0} {
		if got := secondsOf(text); math.Abs(got-want) > 1e-12 {
			t.Errorf("%q is %g, want %g", text, got, want)
		}
	}
}
