package edge

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glassine/telemetry"
)

func metricsText(m *telemetry.Metrics) string {
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.String()
}

func TestRequestsAreCountedByTheirResult(t *testing.T) {
	m := telemetry.NewMetrics("")
	status := 200
	inBubble(t, setup{
		origin: func(*http.Request) (*http.Response, error) {
			time.Sleep(2 * time.Second)
			return response(status, "hello", "Cache-Control", "max-age=60"), nil
		},
		config: func(c *Config) { c.Metrics = m.Requests() },
	}, func(t *testing.T, rg *rig) {
		rg.get("/a")
		rg.get("/a")
		for range 3 { // one fetches, two wait for it
			go rg.get("/b")
		}
		synctest.Wait()
		time.Sleep(3 * time.Second)
		synctest.Wait()
		status = 500
		rg.get("/c")
		r := rg.request("GET", "/a")
		r.Host = "nobody.example"
		rg.send(r)
		of := func(result, n string) string {
			return `glassine_edge_requests_total{behavior="*",distribution="` + rg.dist.ID + `",result="` + result + `"} ` + n + "\n"
		}
		text := metricsText(m)
		for _, want := range []string{
			of("Miss", "2"), of("Hit", "3"), of("Error", "1"), `glassine_edge_requests_total{behavior="none",distribution="none",result="Error"} 1`,
			`glassine_edge_collapsed_requests_total 2`, `glassine_origin_request_duration_seconds_count{origin="` + originDomain + `"} 3`,
			`glassine_origin_request_duration_seconds_bucket{origin="` + originDomain + `",le="2.5"} 3`,
			`glassine_edge_request_duration_seconds_count{behavior="*",distribution="` + rg.dist.ID + `"} 6`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("the metrics have no %s:\n%s", want, text)
			}
		}
		// The series of a distribution go with it.
		d := rg.dist
		cfg := d.Config
		cfg.Enabled = false
		off, err := rg.UpdateDistribution(context.Background(), rg.root, d.ID, d.ETag, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := rg.DeleteDistribution(context.Background(), rg.root, d.ID, off.ETag); err != nil {
			t.Fatal(err)
		}
		if text := metricsText(m); strings.Contains(text, d.ID) || strings.Contains(text, `origin="`+originDomain) {
			t.Error("a distribution that was deleted still has series")
		}
	})
}

func TestResultsAreThoseOfTheMetrics(t *testing.T) {
	for _, r := range []result{
		resultHit, resultRefreshHit, resultMiss, resultError, resultRedirect, resultLimitExceeded, resultLambdaGenerated, resultLambdaInvalid,
		resultLambdaFailed, resultLambdaThrottled, resultFunctionGenerated, resultFunctionFailed,
	} {
		found := false
		for _, known := range telemetry.Results {
			found = found || known == string(r)
		}
		if !found {
			t.Errorf("%s is not among the results that are counted", r)
		}
	}
}
