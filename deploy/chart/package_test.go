package chart

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pack makes the chart's package as make dist does, and returns it and the chart that is in it.
func pack(t *testing.T, version string) (raw []byte, dir string) {
	t.Helper()
	work := t.TempDir()
	file := filepath.Join(work, "chart.tgz")
	cmd := exec.CommandContext(t.Context(), "sh", "../dist/chart.sh", file, version)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("chart.sh: %v %s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), "tar", "-xzf", file, "-C", work).CombinedOutput(); err != nil {
		t.Fatalf("tar: %v %s", err, out)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return raw, filepath.Join(work, "glassine")
}

// What make dist packs is a chart without complaints, which says the program's version where a label can.
func TestPackedChart(t *testing.T) {
	if err := noticed(); err != nil {
		t.Fatal(err)
	}
	const labels = "metadata/labels/"
	for _, c := range []struct{ version, program, chart string }{
		{"v1.2.3", "1.2.3", "glassine-1.2.3"},
		{"v0.0.0-20261126161638-4acad2712345+dirty", "0.0.0-20261126161638-4acad2712345_dirty", "glassine-0.0.0-20261126161638-4acad2712345_dirty"},
		{"unreleased", "unreleased", "glassine-0.0.0-unreleased"},
	} {
		_, dir := pack(t, c.version)
		r, err := render(t, "{metrics: {enabled: true, dashboard: {enabled: true}}}", "-chart", dir)
		if err != nil || len(r.Lint) > 0 {
			t.Fatalf("%s: %v %v", c.version, err, r.Lint)
		}
		set := r.object("StatefulSet", "glassine")
		if got := at(set, labels+"app.kubernetes.io~1version"); got != c.program {
			t.Errorf("%s: the program's version is %v, want %s", c.version, got, c.program)
		}
		if got := at(set, labels+"helm.sh~1chart"); got != c.chart {
			t.Errorf("%s: the chart is %v, want %s", c.version, got, c.chart)
		}
		if d := r.object("ConfigMap", "glassine-dashboard"); d == nil {
			t.Errorf("%s: there is no dashboard", c.version)
		}
	}
	a, dir := pack(t, "v1.2.3")
	if b, _ := pack(t, "v1.2.3"); !bytes.Equal(a, b) {
		t.Error("two packages differ")
	}
	found, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range found {
		found[i] = filepath.Base(name)
	}
	if got := strings.Join(found, " "); got != "Chart.yaml LICENSE files templates values.schema.json values.yaml" {
		t.Errorf("in it are %s", got)
	}
}

// The chart in the repository is of no release, and says so.
func TestChartOfTheRepositoryNamesNoRelease(t *testing.T) {
	r, err := render(t, "")
	if err != nil {
		t.Fatal(err)
	}
	set := r.object("StatefulSet", "glassine")
	if program, chart := at(set, "metadata/labels/app.kubernetes.io~1version"), at(set, "metadata/labels/helm.sh~1chart"); program != nil || chart != "glassine-0.0.0" {
		t.Errorf("it is %v of %v", chart, program)
	}
}
