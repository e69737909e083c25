package chart

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// linter is the program of folder lint, which renders the chart by Helm's own engine. It is a module of its own and is built once.
var linter string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "glassine-chart-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	linter = filepath.Join(dir, "lint")
	started := time.Now()
	build := exec.Command("go", "build", "-C", "lint", "-buildvcs=false", "-o", linter, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the chart's linter: %v\n%s", err, out)
		os.Exit(1)
	}
	fmt.Printf("Helm's engine was built in %.1f s\n", time.Since(started).Seconds())
	code := m.Run()
	_ = os.RemoveAll(dir) // of this test
	os.Exit(code)
}

// rendered is what the linter says of a chart with values.
type rendered struct {
	Lint      []string
	Documents []map[string]any
	Notes     string
}

// noticed tells go test, which keeps results, that they are those of all files here: the linter reads them, not this process.
var noticed = sync.OnceValue(func() error {
	return filepath.WalkDir(".", func(name string, _ fs.DirEntry, err error) error {
		if err == nil {
			_, err = os.Stat(name)
		}
		return err
	})
})

// render runs the linter; the error is what it says when it refuses.
func render(t *testing.T, values string, flags ...string) (rendered, error) {
	t.Helper()
	if err := noticed(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), linter, append([]string{"-chart", ".", "-settings", filepath.FromSlash("../glassine.schema.json")}, flags...)...)
	cmd.Stdin = strings.NewReader(values)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return rendered{}, fmt.Errorf("%w: %s", err, stderr.String())
	}
	var r rendered
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	return r, nil
}

// object finds one document by kind and name.
func (r *rendered) object(kind, name string) map[string]any {
	for _, d := range r.Documents {
		if d["kind"] == kind && at(d, "metadata/name") == name {
			return d
		}
	}
	return nil
}

// at follows a JSON pointer (RFC 6901) without its first slash: ~1 is a slash in a key. It is nil when there is nothing.
func at(v any, path string) any {
	for step := range strings.SplitSeq(path, "/") {
		step = strings.ReplaceAll(step, "~1", "/")
		switch x := v.(type) {
		case map[string]any:
			v = x[step]
		case []any:
			var i int
			if _, err := fmt.Sscanf(step, "%d", &i); err != nil || i >= len(x) {
				return nil
			}
			v = x[i]
		default:
			return nil
		}
	}
	return v
}

// text is a value as JSON, to compare and to show.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestOptions(t *testing.T) {
	const pod = "spec/template/spec"
	for _, c := range []struct {
		name, values string
		flags        []string
		kind, object string            // of which
		want         map[string]string // has this JSON at these paths; null: nothing
	}{
		{name: "by default one replica has a volume", kind: "StatefulSet", object: "glassine", want: map[string]string{
			"spec/replicas": `1`, "spec/volumeClaimTemplates/0/spec/resources/requests/storage": `"20Gi"`, "spec/volumeClaimTemplates/0/spec/accessModes": `["ReadWriteOnce"]`,
			"spec/volumeClaimTemplates/0/spec/storageClassName": `null`, pod + "/containers/0/image": `"glassine:slim"`, pod + "/terminationGracePeriodSeconds": `40`,
		}},
		{name: "by default the pod has no powers", kind: "StatefulSet", object: "glassine", want: map[string]string{
			pod + "/securityContext/runAsNonRoot": `true`, pod + "/securityContext/runAsUser": `65532`, pod + "/securityContext/fsGroup": `65532`,
			pod + "/containers/0/securityContext":  `{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"readOnlyRootFilesystem":true,"seccompProfile":{"type":"RuntimeDefault"}}`,
			pod + "/automountServiceAccountToken":  `false`,
			pod + "/enableServiceLinks":            `false`,
			pod + "/hostUsers":                     `null`,
			pod + "/containers/0/volumeMounts/1":   `{"mountPath":"/tmp","name":"tmp"}`,
			pod + "/containers/0/resources/limits": `{"memory":"2Gi"}`,
		}},
		{name: "by default probes run in the pod and nothing but viewers' ports is open", kind: "StatefulSet", object: "glassine", want: map[string]string{
			pod + "/containers/0/livenessProbe/exec/command": `["glassine","health","--live"]`, pod + "/containers/0/readinessProbe/exec/command": `["glassine","health"]`,
			pod + "/containers/0/ports":              `[{"containerPort":80,"name":"http","protocol":"TCP"},{"containerPort":443,"name":"https","protocol":"TCP"}]`,
			pod + "/securityContext/sysctls/0/value": `"0"`,
			pod + "/containers/0/env/4":              `{"name":"GLASSINE_AWS","value":"127.0.0.1:4566"}`,
			pod + "/containers/0/env/5":              `{"name":"GLASSINE_ADMIN","value":"127.0.0.1:7070"}`,
		}},
		{name: "replicas 0 stops it", values: "replicas: 0", kind: "StatefulSet", object: "glassine", want: map[string]string{"spec/replicas": `0`}},
		{name: "the full image", values: "image: {variant: full, repository: registry.example/g}", kind: "StatefulSet", object: "glassine", want: map[string]string{pod + "/containers/0/image": `"registry.example/g:full"`}},
		{name: "a tag of one's own", values: "image: {tag: nightly, pullPolicy: Always}\nimagePullSecrets: [{name: pull}]", kind: "StatefulSet", object: "glassine", want: map[string]string{
			pod + "/containers/0/image": `"glassine:nightly"`, pod + "/containers/0/imagePullPolicy": `"Always"`, pod + "/imagePullSecrets": `[{"name":"pull"}]`,
		}},
		{name: "another name of the release", flags: []string{"-release", "photos"}, kind: "StatefulSet", object: "photos-glassine", want: map[string]string{"spec/serviceName": `"photos-glassine-pod"`}},
		{name: "a volume of a class", values: "persistence: {size: 500Gi, storageClass: fast, accessMode: ReadWriteOncePod, annotations: {a: b}}", kind: "StatefulSet", object: "glassine", want: map[string]string{
			"spec/volumeClaimTemplates/0/spec":                 `{"accessModes":["ReadWriteOncePod"],"resources":{"requests":{"storage":"500Gi"}},"storageClassName":"fast"}`,
			"spec/volumeClaimTemplates/0/metadata/annotations": `{"a":"b"}`,
		}},
		{name: "a claim that is there", values: "persistence: {existingClaim: mine}", kind: "StatefulSet", object: "glassine", want: map[string]string{
			"spec/volumeClaimTemplates": `null`, pod + "/volumes/2": `{"name":"data","persistentVolumeClaim":{"claimName":"mine"}}`,
		}},
		{name: "no volume", values: "persistence: {enabled: false}", kind: "StatefulSet", object: "glassine", want: map[string]string{"spec/volumeClaimTemplates": `null`, pod + "/volumes/2": `{"emptyDir":{},"name":"data"}`}},
		{name: "functions at level strict or not at all", values: "functions: {isolation: strict}", flags: []string{"-kube", "v1.33.0"}, kind: "StatefulSet", object: "glassine", want: map[string]string{
			pod + "/hostUsers": `false`, pod + "/containers/0/securityContext/procMount": `"Unmasked"`, pod + "/containers/0/securityContext/seccompProfile/type": `"Unconfined"`,
			pod + "/containers/0/securityContext/capabilities": `{"drop":["ALL"]}`,
		}},
		{name: "a longer drain is waited for", values: "drainSeconds: 120", kind: "StatefulSet", object: "glassine", want: map[string]string{pod + "/terminationGracePeriodSeconds": `130`}},
		{name: "a load balancer with HTTP/3", values: "service: {type: LoadBalancer, http3: true, httpsPort: 8443, externalTrafficPolicy: Local, loadBalancerClass: lb, annotations: {x: z}}", kind: "Service", object: "glassine", want: map[string]string{
			"spec/type": `"LoadBalancer"`, "spec/ports/2": `{"name":"http3","port":8443,"protocol":"UDP","targetPort":"http3"}`, "spec/externalTrafficPolicy": `"Local"`, "spec/loadBalancerClass": `"lb"`, "metadata/annotations": `{"x":"z"}`,
		}},
		{name: "the AWS endpoint and the admin port on the pod's address", values: "aws: {enabled: true}\nmetrics: {enabled: true}", kind: "StatefulSet", object: "glassine", want: map[string]string{
			pod + "/containers/0/env/4": `{"name":"GLASSINE_AWS","value":"0.0.0.0:4566"}`, pod + "/containers/0/env/5": `{"name":"GLASSINE_ADMIN","value":"0.0.0.0:7070"}`,
		}},
		{name: "by default the AWS endpoint and the admin port have no service", kind: "Service", object: "glassine", want: map[string]string{"spec/ports/2": `null`, "spec/type": `"ClusterIP"`}},
		{name: "the AWS endpoint in the cluster", values: "aws: {enabled: true, port: 80}", kind: "Service", object: "glassine-aws", want: map[string]string{"spec/type": `"ClusterIP"`, "spec/ports/0/port": `80`, "spec/ports/0/targetPort": `"aws"`}},
		{name: "metrics have a service of their own", values: "metrics: {enabled: true}", kind: "Service", object: "glassine-admin", want: map[string]string{"spec/ports": `[{"name":"metrics","port":7070,"protocol":"TCP","targetPort":"admin"}]`}},
		{name: "metrics are for nobody unless said", values: "metrics: {enabled: true}\naws: {enabled: true}", kind: "NetworkPolicy", object: "glassine", want: map[string]string{
			"spec/policyTypes": `["Ingress"]`, "spec/ingress/0/from": `null`, "spec/ingress/0/ports": `[{"port":"http","protocol":"TCP"},{"port":"https","protocol":"TCP"}]`,
			"spec/ingress/1": `{"ports":[{"port":"aws","protocol":"TCP"}]}`, "spec/ingress/2": `null`,
		}},
		{name: "who may connect", kind: "NetworkPolicy", object: "glassine", values: "metrics: {enabled: true}\naws: {enabled: true}\nnetworkPolicy: {viewersFrom: [{ipBlock: {cidr: 10.0.0.0/8}}], awsFrom: [{podSelector: {}}], metricsFrom: [{namespaceSelector: {matchLabels: {team: ops}}}], restrictEgress: true, egress: [{ports: [{port: 443}]}]}", want: map[string]string{
			"spec/ingress/0/from": `[{"ipBlock":{"cidr":"10.0.0.0/8"}}]`, "spec/ingress/1/from": `[{"podSelector":{}}]`, "spec/ingress/2/from": `[{"namespaceSelector":{"matchLabels":{"team":"ops"}}}]`,
			"spec/policyTypes": `["Ingress","Egress"]`, "spec/egress": `[{"ports":[{"port":443}]}]`,
		}},
		{name: "Prometheus' operator", kind: "ServiceMonitor", object: "glassine", values: "metrics: {enabled: true, serviceMonitor: {enabled: true, interval: 15s, labels: {release: prom}}}\nnetworkPolicy: {metricsFrom: [{podSelector: {}}]}", want: map[string]string{
			"spec/endpoints": `[{"interval":"15s","path":"/metrics","port":"metrics"}]`, "metadata/labels/release": `"prom"`, "spec/selector/matchLabels/app.kubernetes.io~1component": `"admin"`,
		}},
		{name: "a Secret for the key of a remote bucket", values: "remotes: [{name: photos, url: 'https://s3.example/b', accessKeyId: AKID, secretAccessKey: s/e=c, sessionToken: tok}]", kind: "Secret", object: "glassine-remote-0", want: map[string]string{
			"stringData/credentials": `"[default]\naws_access_key_id = AKID\naws_secret_access_key = s/e=c\naws_session_token = tok\n"`,
		}},
		{name: "a Secret of one's own for a remote bucket", values: "remotes: [{name: photos, url: 'https://s3.example/b', region: eu-west-1, style: virtual, existingSecret: k}]", kind: "StatefulSet", object: "glassine", want: map[string]string{
			pod + "/volumes/2": `{"name":"key-0","secret":{"defaultMode":288,"items":[{"key":"credentials","path":"credentials"}],"secretName":"k"}}`, pod + "/containers/0/volumeMounts/3/mountPath": `"/etc/glassine/keys/photos"`,
		}},
		{name: "certificates of a Secret", values: "certificates: {existingSecret: tls}", kind: "StatefulSet", object: "glassine", want: map[string]string{
			pod + "/volumes/2/secret/secretName": `"tls"`, pod + "/containers/0/volumeMounts/3": `{"mountPath":"/etc/glassine/certificates","name":"certificates","readOnly":true}`,
		}},
		{name: "an account that is there", values: "serviceAccount: {create: false, name: mine}", kind: "StatefulSet", object: "glassine", want: map[string]string{pod + "/serviceAccountName": `"mine"`}},
		{name: "where the pod runs, and what else it has", kind: "StatefulSet", object: "glassine", values: `{podAnnotations: {a: b}, podLabels: {c: d}, nodeSelector: {e: f}, tolerations: [{key: g, operator: Exists}], affinity: {nodeAffinity: {}}, priorityClassName: high, tmpSize: 3Gi, resources: {limits: {memory: 4Gi}},
			extraEnv: [{name: GLASSINE_REGION, value: eu-west-1}], extraVolumes: [{name: scans, emptyDir: {}}], extraVolumeMounts: [{name: scans, mountPath: /srv}]}`, want: map[string]string{
			"spec/template/metadata/annotations/a": `"b"`, "spec/template/metadata/labels/c": `"d"`, pod + "/nodeSelector": `{"e":"f"}`, pod + "/tolerations/0/key": `"g"`, pod + "/affinity": `{"nodeAffinity":{}}`,
			pod + "/priorityClassName": `"high"`, pod + "/volumes/0/emptyDir/sizeLimit": `"3Gi"`, pod + "/containers/0/env/6/value": `"eu-west-1"`, pod + "/containers/0/resources": `{"limits":{"memory":"4Gi"},"requests":{"cpu":"250m","memory":"512Mi"}}`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := render(t, c.values, c.flags...)
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Lint) > 0 {
				t.Errorf("helm lint: %q", r.Lint)
			}
			for _, fault := range loose(r) {
				t.Error(fault)
			}
			object := r.object(c.kind, c.object)
			if object == nil {
				t.Fatalf("there is no %s %s", c.kind, c.object)
			}
			for path, want := range c.want {
				if got := text(at(object, path)); got != want {
					t.Errorf("%s = %s, want %s", path, got, want)
				}
			}
		})
	}
}

// TestSettings holds that the file of settings is what the values say. That its keys and values are the program's, the linter has
// checked by deploy/glassine.schema.json.
func TestSettings(t *testing.T) {
	for _, c := range []struct {
		name, values, want string
		flags              []string
	}{
		{name: "by default", want: "drain: 30s\nno-http3: true\n"},
		{
			name: "everything", flags: []string{"-kube", "v1.34.1"},
			values: "config: {cache-disk: 5GiB, strict: [vary, truncated]}\naws: {enabled: true}\nmetrics: {enabled: true}\nservice: {http3: true}\nfunctions: {isolation: strict}\ncertificates: {existingSecret: tls}\ndrainSeconds: 5\n" +
				"remotes: [{name: a.b, url: 'https://s3.example/x', existingSecret: k}, {name: scans, url: 'http://minio:9000/scans', region: eu-1, style: path, accessKeyId: a, secretAccessKey: b}]",
			want: "cache-disk: 5GiB\ncert-dir: /etc/glassine/certificates\ndrain: 5s\nisolation: strict\n" +
				"remote:\n- a.b=https://s3.example/x?credentials=/etc/glassine/keys/a.b/credentials\n- scans=http://minio:9000/scans?credentials=/etc/glassine/keys/scans/credentials&region=eu-1&style=path\nstrict:\n- vary\n- truncated\n",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, err := render(t, c.values, c.flags...)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := at(r.object("ConfigMap", "glassine"), "data/glassine.yaml").(string)
			if strings.TrimSpace(got) != strings.TrimSpace(c.want) {
				t.Errorf("glassine.yaml:\n%s\nwant:\n%s", got, c.want)
			}
		})
	}
}
