package telemetry

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What operators get: the files that are shipped.
const (
	dashboardFile = "../deploy/grafana/glassine.json"
	rulesFile     = "../deploy/prometheus/glassine.rules.yml"
)

// dashboardQueries are the queries of the dashboard, with Grafana's own variables in place.
func dashboardQueries(t *testing.T) (out []string) {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	for _, p := range d.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("the panel %q has no query", p.Title)
		}
		for _, target := range p.Targets {
			out = append(out, strings.NewReplacer("$__rate_interval", "5m", "$instance", ".*", "$distribution", ".*").Replace(target.Expr))
		}
	}
	return out
}

// ruleQueries are those of the alert rules.
func ruleQueries(t *testing.T) (out []string) {
	t.Helper()
	for _, g := range decoded[ruleFile](t, rulesFile).Groups {
		for _, r := range g.Rules {
			out = append(out, r.Expr)
		}
	}
	return out
}

// uses are the metrics that queries use, each with its labels, as Prometheus's parser reads them.
func uses(t *testing.T, parser string, queries []string) (out [][]string) {
	t.Helper()
	in, err := json.Marshal(queries)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), parser)
	cmd.Stdin = bytes.NewReader(in)
	var failure bytes.Buffer
	cmd.Stderr = &failure
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("parse the queries: %v\n%s", err, failure.String())
	}
	for line := range strings.Lines(string(text)) {
		out = append(out, strings.Fields(line))
	}
	return out
}

// exportedNames are all metrics with their labels, by the names that queries have.
func exportedNames(t *testing.T) map[string]map[string]bool {
	t.Helper()
	m := NewMetrics("v")
	fill(m)
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]bool{"up": {}} // which Prometheus makes
	for _, f := range families {
		labels := map[string]bool{}
		for _, metric := range f.Metric {
			for _, l := range metric.Label {
				labels[l.GetName()] = true
			}
		}
		names := []string{f.GetName()}
		if len(f.Metric) > 0 && f.Metric[0].Histogram != nil {
			labels["le"] = true
			names = []string{f.GetName() + "_bucket", f.GetName() + "_sum", f.GetName() + "_count"}
		}
		for _, name := range names {
			out[name] = labels
		}
	}
	return out
}

// unknown are the metrics and labels of uses that are not exported. The labels instance and job are of every scrape.
func unknown(exported map[string]map[string]bool, uses [][]string) (out []string) {
	for _, use := range uses {
		labels, ok := exported[use[0]]
		if !ok {
			out = append(out, use[0])
			continue
		}
		for _, label := range use[1:] {
			if label != "instance" && label != "job" && !labels[label] {
				out = append(out, use[0]+"{"+label+"}")
			}
		}
	}
	return out
}

// Every metric and label that the dashboard and the alert rules use is one that the program exports; names that are planted and
// wrong are found.
func TestDashboardAndRulesUseWhatIsExported(t *testing.T) {
	parser := filepath.Join(t.TempDir(), "promql")
	build := exec.Command("go", "build", "-o", parser, ".")
	build.Dir = "../e2e/promql"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build PromQL's parser: %v\n%s", err, out)
	}
	exported := exportedNames(t)
	dashboard, rules := uses(t, parser, dashboardQueries(t)), uses(t, parser, ruleQueries(t))
	if len(dashboard) < 40 || len(rules) < 14 {
		t.Errorf("%d uses in the dashboard and %d in the rules, which is too few to be all", len(dashboard), len(rules))
	}
	for _, name := range unknown(exported, dashboard) {
		t.Errorf("the dashboard uses %s, which is not exported", name)
	}
	for _, name := range unknown(exported, rules) {
		t.Errorf("the rules use %s, which is not exported", name)
	}
	planted := uses(t, parser, []string{`sum by (result) (rate(glassine_edge_request_total[5m]))`, `sum by (path) (rate(glassine_edge_requests_total{result="Hit"}[5m]))`})
	if got := strings.Join(unknown(exported, planted), " "); got != "glassine_edge_request_total glassine_edge_requests_total{path}" {
		t.Errorf("of the planted names %q were found", got)
	}
	shown := map[string]bool{}
	for _, use := range append(dashboard, rules...) {
		shown[use[0]] = true
	}
	for _, name := range []string{"glassine_edge_requests_total", "glassine_metadata_removed_bytes_total", "glassine_metadata_removed_total", "glassine_iam_denials_total", "glassine_certificate_expiry_timestamp_seconds", "glassine_config_last_reload_successful"} {
		if !shown[name] {
			t.Errorf("neither the dashboard nor a rule uses %s", name)
		}
	}
}

// Prometheus's own tool finds nothing wrong with the rules, nor with what is exported.
func TestPromtoolFindsNothing(t *testing.T) {
	if out, err := exec.Command("promtool", "check", "rules", rulesFile).CombinedOutput(); err != nil {
		t.Errorf("promtool check rules (sh e2e/deps.sh test installs promtool): %v\n%s", err, out)
	}
	m := NewMetrics("v")
	fill(m)
	cmd := exec.Command("promtool", "check", "metrics")
	cmd.Stdin = strings.NewReader(exported(m, false))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
}
