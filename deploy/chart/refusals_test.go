package chart

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, values, want string
		flags              []string
	}{
		{name: "two replicas", values: "replicas: 2", want: "replicas is 2: glassine is one process that owns its data directory, so it is 1, or 0 to stop it"},
		{name: "a value that there is not", values: "replica: 1", want: "additional properties 'replica' not allowed"},
		{name: "a value of another type", values: "persistence: {enabled: 'yes'}", want: "'/persistence/enabled': got string, want boolean"},
		{name: "an image that there is not", values: "image: {variant: tiny}", want: "/image/variant"},
		{name: "a listener in config", values: "config: {admin: '0.0.0.0:1'}", want: "invalid propertyName 'admin'"},
		{name: "a setting that the program does not have", values: "config: {cache-dsk: 1GiB}", want: "additional properties 'cache-dsk' not allowed"},
		{name: "a setting without its unit", values: "config: {cache-disk: '5'}", want: "/cache-disk"},
		{name: "a remote without a key", values: "remotes: [{name: photos, url: 'https://s3.example/b'}]", want: "remotes[0] (photos) has no key"},
		{name: "a remote with two keys", values: "remotes: [{name: photos, url: 'https://s3.example/b', existingSecret: k, accessKeyId: a, secretAccessKey: b}]", want: "it is one or the other"},
		{name: "a remote's URL with options, where more could be slipped in", values: "remotes: [{name: photos, url: 'https://s3.example/b?ca=/x', existingSecret: k}]", want: "/remotes/0/url"},
		{name: "a key with a line of its own", values: "remotes: [{name: photos, url: 'https://s3.example/b', accessKeyId: \"a\\nb\", secretAccessKey: b}]", want: "/remotes/0/accessKeyId"},
		{name: "strict functions on a Kubernetes that cannot", values: "functions: {isolation: strict}", flags: []string{"-kube", "v1.32.9"}, want: "takes Kubernetes 1.33"},
		{name: "a Kubernetes that is too old", flags: []string{"-kube", "v1.25.0"}, want: "requires kubeVersion"},
		{name: "a monitor of metrics that are off", values: "metrics: {serviceMonitor: {enabled: true}}", want: "need metrics.enabled"},
		{name: "a monitor that the network policy keeps out", values: "metrics: {enabled: true, serviceMonitor: {enabled: true}}", want: "say in networkPolicy.metricsFrom where Prometheus runs"},
		{name: "rules for what goes out that bound nothing", values: "networkPolicy: {egress: [{}]}", want: "they would bound nothing"},
		{name: "a claim that would not be used", values: "persistence: {enabled: false, existingClaim: mine}", want: "the claim would not be used"},
		{name: "a field that Kubernetes does not have", values: "extraVolumes: [{name: x, emptyDirectory: {}}]", want: `unknown field "emptyDirectory"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := render(t, c.values, c.flags...)
			if err == nil {
				t.Fatalf("it was rendered: %d documents", len(r.Documents))
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestNotes(t *testing.T) {
	t.Parallel()
	r, err := render(t, "persistence: {enabled: false}\naws: {enabled: true}\nmetrics: {enabled: true}", "-namespace", "media")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"http://glassine-aws.media.svc:4566", "http://glassine-admin.media.svc:7070/metrics", "kubectl -n media port-forward statefulset/glassine 7070",
		"kubectl -n media exec glassine-0 -- glassine env", "PERSISTENCE IS OFF", "image.variant=full",
	} {
		if !strings.Contains(r.Notes, want) {
			t.Errorf("NOTES.txt does not say %q:\n%s", want, r.Notes)
		}
	}
}

// TestConfigRestartsThePod holds that another setting is another pod: the program reads its file at the start.
func TestConfigRestartsThePod(t *testing.T) {
	t.Parallel()
	sum := func(values string) string {
		r, err := render(t, values)
		if err != nil {
			t.Fatal(err)
		}
		return text(at(r.object("StatefulSet", "glassine"), "spec/template/metadata/annotations/checksum~1config"))
	}
	before := sum("")
	if before == "null" || before == sum("config: {cache-disk: 1GiB}") {
		t.Errorf("checksum/config is %s with and without a setting", before)
	}
	if again := sum(""); again != before {
		t.Errorf("checksum/config is %s and then %s for the same settings", before, again)
	}
}

// TestDashboard holds that the dashboard is the one that is tested against the program's metrics.
func TestDashboard(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile(filepath.FromSlash("../grafana/glassine.json"))
	if err != nil {
		t.Fatal(err)
	}
	r, err := render(t, "metrics: {enabled: true, dashboard: {enabled: true}}")
	if err != nil {
		t.Fatal(err)
	}
	dashboard := r.object("ConfigMap", "glassine-dashboard")
	got, _ := at(dashboard, "data/glassine.json").(string)
	var a, b any
	if err := json.Unmarshal([]byte(got), &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(want, &b); err != nil {
		t.Fatal(err)
	}
	if text(a) != text(b) {
		t.Error("the dashboard of the chart is not deploy/grafana/glassine.json")
	}
	if got := at(dashboard, "metadata/labels/grafana_dashboard"); got != "1" {
		t.Errorf("label grafana_dashboard = %v, want 1", got)
	}
}

// loose lists what in the objects refers to something that is not there: a port, a volume, a label, a ConfigMap or Secret of the
// chart's own.
func loose(r rendered) []string {
	var out []string
	fault := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	var set map[string]any
	made := map[string]bool{}
	for _, d := range r.Documents {
		made[fmt.Sprint(d["kind"], " ", at(d, "metadata/name"))] = true
		if d["kind"] == "StatefulSet" {
			set = d
		}
	}
	ports, volumes := map[any]bool{}, map[any]bool{}
	for _, p := range list(at(set, "spec/template/spec/containers/0/ports")) {
		ports[at(p, "name")] = true
	}
	for _, v := range list(at(set, "spec/template/spec/volumes")) {
		volumes[at(v, "name")] = true
		if name, ok := at(v, "configMap/name").(string); ok && !made["ConfigMap "+name] {
			fault("ConfigMap %s is mounted and not there", name)
		}
		if name, ok := at(v, "secret/secretName").(string); ok && strings.HasPrefix(name, "glassine-") && !made["Secret "+name] {
			fault("Secret %s is mounted and not there", name)
		}
	}
	for _, v := range list(at(set, "spec/volumeClaimTemplates")) {
		volumes[at(v, "metadata/name")] = true
	}
	for _, m := range list(at(set, "spec/template/spec/containers/0/volumeMounts")) {
		if !volumes[at(m, "name")] {
			fault("volume %v is mounted and not there", at(m, "name"))
		}
	}
	if name := at(set, "spec/serviceName"); !made[fmt.Sprint("Service ", name)] {
		fault("serviceName %v is no service", name)
	}
	labels, _ := at(set, "spec/template/metadata/labels").(map[string]any)
	selects := func(what string, selector any) {
		wanted, _ := selector.(map[string]any)
		if len(wanted) == 0 {
			fault("%s selects everything", what)
		}
		for key, value := range wanted {
			if labels[key] != value {
				fault("%s selects %s=%v, and the pod has %v", what, key, value, labels[key])
			}
		}
	}
	selects("StatefulSet", at(set, "spec/selector/matchLabels"))
	for _, d := range r.Documents {
		what := fmt.Sprint(d["kind"], " ", at(d, "metadata/name"))
		switch d["kind"] {
		case "Service":
			selects(what, at(d, "spec/selector"))
			for _, p := range list(at(d, "spec/ports")) {
				if !ports[at(p, "targetPort")] {
					fault("%s leads to port %v, which the pod does not have", what, at(p, "targetPort"))
				}
			}
		case "NetworkPolicy":
			selects(what, at(d, "spec/podSelector/matchLabels"))
			for _, rule := range list(at(d, "spec/ingress")) {
				for _, p := range list(at(rule, "ports")) {
					if !ports[at(p, "port")] {
						fault("%s is about port %v, which the pod does not have", what, at(p, "port"))
					}
				}
			}
		}
	}
	return out
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}
