package telemetry

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// ruleFile is a file of alert rules, as far as it is looked at.
type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []struct{ Alert, Expr, For string }
	}
}

// ruleTests is a file of their tests. (Prometheus documentation, "Unit Testing for Rules".)
type ruleTests struct {
	Tests []ruleTest
}

type ruleTest struct {
	Name   string
	Series []struct{ Series string } `yaml:"input_series"`
	Cases  []struct {
		Alert string `yaml:"alertname"`
		Fires []struct {
			Labels      map[string]string `yaml:"exp_labels"`
			Annotations map[string]string `yaml:"exp_annotations"`
		} `yaml:"exp_alerts"`
	} `yaml:"alert_rule_test"`
}

// fires reports whether any of the test's cases expects the alert, and waits whether one before that finds it silent.
func (r ruleTest) fires(alert string) (waits, fires bool) {
	for _, c := range r.Cases {
		switch {
		case c.Alert != alert:
		case len(c.Fires) > 0:
			return waits, true
		default:
			waits = true
		}
	}
	return waits, false
}

// decoded is a file of YAML.
func decoded[T any](t *testing.T, file string) (v T) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return v
}

// ruleTestFiles are the files of the alert rules' tests.
func ruleTestFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(rulesFile), "*.test.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the tests of %s: %v, %v", rulesFile, files, err)
	}
	return files
}

// allRuleTests are the tests in all of them.
func allRuleTests(t *testing.T) (all []ruleTest) {
	t.Helper()
	for _, file := range ruleTestFiles(t) {
		all = append(all, decoded[ruleTests](t, file).Tests...)
	}
	return all
}

// untested says what the tests leave out of the rules.
func untested(rules ruleFile, tests []ruleTest) (out []string) {
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			fires, waits, silent := false, false, false
			for _, one := range tests {
				before, after := one.fires(r.Alert)
				fires, waits, silent = fires || after, waits || before && after, silent || before && !after
			}
			if !fires {
				out = append(out, r.Alert+" never fires")
			}
			if r.For != "" && !waits {
				out = append(out, r.Alert+" is not seen to wait")
			}
			if !silent {
				out = append(out, r.Alert+" is never silent")
			}
		}
	}
	return out
}

// failed are the names of the tests that promtool finds wrong, with the rules that are given.
func failed(t *testing.T, rules []byte) (names []string, output string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, filepath.Base(rulesFile)), rules, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"test", "rules"}
	for _, file := range ruleTestFiles(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, filepath.Join(dir, filepath.Base(file)))
		if err := os.WriteFile(args[len(args)-1], text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.CommandContext(t.Context(), "promtool", args...).CombinedOutput()
	for line := range strings.Lines(string(out)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "name: "); ok {
			names = append(names, strings.TrimSuffix(name, ","))
		}
	}
	if (err != nil) != (len(names) > 0) {
		t.Fatalf("promtool test rules (sh e2e/deps.sh test installs promtool): %v\n%s", err, out)
	}
	return slices.Compact(names), string(out)
}

// Every alert fires when it should and is silent when it should, as Prometheus's own tool has it.
func TestAlertsFireWhenTheyShould(t *testing.T) {
	t.Parallel()
	rules, tests := decoded[ruleFile](t, rulesFile), allRuleTests(t)
	for _, what := range untested(rules, tests) {
		t.Errorf("in the tests of %s %s", rulesFile, what)
	}
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	if names, output := failed(t, text); len(names) > 0 {
		t.Errorf("promtool test rules: %q\n%s", names, output)
	}
	// The series are such as the program exports.
	exported := exportedNames(t)
	for _, one := range tests {
		for _, s := range one.Series {
			sample, ok := parseSample(s.Series + " 0")
			if !ok || exported[sample.Name] == nil {
				t.Errorf("%s: the program does not export %s", one.Name, s.Series)
			}
			for label := range sample.Labels {
				if !exported[sample.Name][label] && label != "instance" && label != "job" {
					t.Errorf("%s: %s has no label %s", one.Name, sample.Name, label)
				}
			}
		}
		for _, c := range one.Cases {
			for _, alert := range c.Fires {
				if alert.Labels["severity"] == "" || alert.Annotations["summary"] == "" || alert.Annotations["description"] == "" {
					t.Errorf("%s: what it looks like when it fires is not told", one.Name)
				}
			}
		}
	}
}

// Each test tells a rule from one that never fires, or from one that always does.
func TestTestsOfAlertsCanFail(t *testing.T) {
	t.Parallel()
	tests := allRuleTests(t)
	for expr, want := range map[string]func(fires bool) bool{
		"vector(0) > 1": func(fires bool) bool { return fires },
		"vector(1)":     func(bool) bool { return true },
	} {
		rules := decoded[map[string][]map[string]any](t, rulesFile)
		for _, r := range rules["groups"][0]["rules"].([]any) {
			r.(map[string]any)["expr"] = expr
		}
		text, err := yaml.Marshal(rules)
		if err != nil {
			t.Fatal(err)
		}
		names, _ := failed(t, text)
		for _, one := range tests {
			if _, fires := one.fires(one.Cases[0].Alert); slices.Contains(names, one.Name) != want(fires) {
				t.Errorf("with %s for every expression the test %q: failed %t, want %t", expr, one.Name, !want(fires), want(fires))
			}
		}
	}
	planted := ruleFile{}
	if err := yaml.Unmarshal([]byte("groups: [{name: g, rules: [{alert: GlassineDown, for: 2m}, {alert: Planted}, {alert: PlantedToo, for: 1m}]}]"), &planted); err != nil {
		t.Fatal(err)
	}
	want := "Planted never fires, Planted is never silent, PlantedToo never fires, PlantedToo is not seen to wait, PlantedToo is never silent"
	if got := strings.Join(untested(planted, tests), ", "); got != want {
		t.Errorf("of planted alerts it says %q, want %q", got, want)
	}
}
