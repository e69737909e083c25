package telemetry

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const exposition = `# HELP x Things.
# TYPE x counter
x_total{result="Hit",distribution="E1"} 3
x_total{result="Miss",distribution="E\"2\\n\n"} 5 1732615200000
t_seconds_bucket{le="+Inf"} 10
plain 1.5e3
of_none{} 2
spaced{ a="b" , c="d" } 4
broken{a="b
broken{a="b\
broken{a=b} 1
notanumber x
nothing

`

func TestSamples(t *testing.T) {
	got := slices.Collect(Samples(strings.NewReader(exposition)))
	want := []Sample{
		{"x_total", map[string]string{"result": "Hit", "distribution": "E1"}, 3},
		{"x_total", map[string]string{"result": "Miss", "distribution": "E\"2\\n\n"}, 5},
		{"t_seconds_bucket", map[string]string{"le": "+Inf"}, 10},
		{"plain", nil, 1500},
		{"of_none", map[string]string{}, 2},
		{"spaced", map[string]string{"a": "b", "c": "d"}, 4},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("samples (-want +got):\n%s", d)
	}
	for s := range Samples(strings.NewReader(exposition)) { // and a reader that has enough may go
		if s.Value == 3 {
			break
		}
		t.Errorf("the first sample is %+v", s)
	}
}

// What Prometheus's own library writes is read as it was meant, whatever a label says.
func TestSamplesReadWhatIsExported(t *testing.T) {
	version := "v1 \"quoted\" {a=\"b\"} \\n back\\slash\nnew line, ünïcode"
	m := NewMetrics(version)
	w := httptest.NewRecorder()
	m.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[string]int{}, map[string]int{}
	for _, f := range families {
		if f.GetType().String() == "COUNTER" || f.GetType().String() == "GAUGE" {
			want[f.GetName()] = len(f.GetMetric())
		}
	}
	for s := range Samples(w.Body) {
		if want[s.Name] > 0 {
			got[s.Name]++
		}
		if s.Name == "glassine_build_info" && (s.Value != 1 || s.Labels["version"] != version) {
			t.Errorf("the version is %+v", s)
		}
	}
	if d := cmp.Diff(want, got); d != "" || len(want) == 0 {
		t.Errorf("samples of each metric (-want +got):\n%s", d)
	}
}

// FuzzSamples: whatever the text of a label, it is read back from what Prometheus's own library writes; and no text makes a sample
// without a name.
func FuzzSamples(f *testing.F) {
	f.Add(exposition)
	f.Add(`a{b="c\`)
	f.Add(`{a="b"} 1`)
	f.Fuzz(func(t *testing.T, text string) {
		for s := range Samples(strings.NewReader(text)) {
			if s.Name == "" {
				t.Fatalf("a sample without a name, of %q", text)
			}
		}
		value := strings.ToValidUTF8(text, "?") // the library takes no other
		registry := prometheus.NewRegistry()
		registry.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "x", Help: "Things.", ConstLabels: prometheus.Labels{"a": value}}))
		w := httptest.NewRecorder()
		promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
		got := slices.Collect(Samples(w.Body))
		if want := []Sample{{"x", map[string]string{"a": value}, 0}}; !cmp.Equal(got, want) {
			t.Fatalf("a label of %q is read as %+v", value, got)
		}
	})
}
