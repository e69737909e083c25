package console

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const exposition = `# HELP x Things.
# TYPE x counter
x_total{result="Hit",distribution="E1"} 3
x_total{result="Hit",distribution="E2"} 4
x_total{result="Miss",distribution="E3"} 5
t_seconds_bucket{le="0.1"} 1
t_seconds_bucket{le="1"} 9
t_seconds_bucket{le="+Inf"} 10
plain 1.5e3
`

func TestMetricsAreSummedUpByLabels(t *testing.T) {
	got := readMetrics(strings.NewReader(exposition))
	for key, want := range map[string]float64{"x_total": 12, "x_total{result=Hit}": 7, "x_total{result=Miss}": 5, "x_total{distribution=E1,result=Hit}": 3, "t_seconds_bucket{le=+Inf}": 10, "plain": 1500} {
		if got[key] != want {
			t.Errorf("%s = %v, want %v", key, got[key], want)
		}
	}
	for _, key := range []string{"x", "x_total{distribution=E1}"} {
		if _, ok := got[key]; ok {
			t.Errorf("%s is there", key)
		}
	}
}

func TestRateAndQuantile(t *testing.T) {
	at := time.Unix(1000, 0)
	a := sample{at, map[string]float64{"x": 10, "t_bucket{le=0.1}": 0, "t_bucket{le=1}": 0, "t_bucket{le=+Inf}": 0}}
	b := sample{at.Add(5 * time.Second), map[string]float64{"x": 20, "t_bucket{le=0.1}": 5, "t_bucket{le=1}": 10, "t_bucket{le=+Inf}": 10}}
	if got := rate(a, b, "x"); got != 2 {
		t.Errorf("rate = %v, want 2", got)
	}
	if got := rate(b, sample{at.Add(10 * time.Second), map[string]float64{"x": 5}}, "x"); got != 1 {
		t.Errorf("rate after a restart = %v, want 1: it counts from 0", got)
	}
	if got := rate(a, b, "y"); !math.IsNaN(got) {
		t.Errorf("rate of what is not there = %v, want NaN", got)
	}
	if got := quantile(a, b, "t", .5); got != .1 {
		t.Errorf("p50 = %v, want 0.1", got)
	}
	if got := quantile(a, b, "t", .75); math.Abs(got-.55) > 1e-9 {
		t.Errorf("p75 = %v, want 0.55: half of the second bucket", got)
	}
	if got := quantile(b, b, "t", .5); !math.IsNaN(got) {
		t.Errorf("p50 of nothing = %v, want NaN", got)
	}
}

func TestCharts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		count := 0
		s := newSeries(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			count++
			if count > 3 {
				_, _ = w.Write([]byte("glassine_object_lambda_requests_total{status=\"200\"} " + strings.Repeat("1", count-3) + "\n"))
			}
		}), time.Now)
		done := make(chan struct{})
		go func() { defer close(done); s.run(t.Context()) }()
		var olap plot
		for _, p := range plots {
			if p.id == "olap" {
				olap = p
			}
		}
		time.Sleep(time.Second)
		if c := olap.draw(s.samples()); !c.Empty || c.Gap == "" {
			t.Errorf("a chart of one reading = %+v, want a gap that says so", c)
		}
		time.Sleep(sampleEvery)
		if c := olap.draw(s.samples()); !c.Empty || !strings.Contains(c.Gap, "since the start") {
			t.Errorf("a chart of a metric that is not there = %+v, want a gap that says so", c)
		}
		time.Sleep(4 * sampleEvery)
		c := olap.draw(s.samples())
		if c.Empty || c.Lines[0].Path == "" || !strings.HasPrefix(c.Lines[0].Path, "M") || len(c.Rows) != 5 || c.Lines[1].Path != "" {
			t.Errorf("chart = %+v, want a line of requests, none of errors, and 5 rows", c)
		}
		// 1, 11, 111: a rate of 2 and of 20 a second, below a round top.
		if c.Now != "20/s" || c.Top != "20/s" {
			t.Errorf("now %s of %s, want 20/s of 20/s", c.Now, c.Top)
		}
		time.Sleep(samplesKept * sampleEvery)
		if n := len(s.samples()); n != samplesKept {
			t.Errorf("%d readings are kept, want %d", n, samplesKept)
		}
	})
}

func TestRoundUp(t *testing.T) {
	for v, want := range map[float64]float64{0: 1, .03: .05, 1: 1, 1.1: 2, 4: 5, 6: 10, 1234: 2000} {
		if got := roundUp(v); math.Abs(got-want) > want*1e-9 {
			t.Errorf("roundUp(%v) = %v, want %v", v, got, want)
		}
	}
}
