// Command lint renders the chart as helm template does, with Helm's own engine, and refuses what helm lint or a cluster would: a
// value that the chart's schema does not allow, a template that uses a value which is not there, a field that the API's types
// do not have. It reads the values, YAML, from standard input and writes a Result as JSON; an error goes to standard error.
//
//	go run . -chart .. -settings ../../glassine.schema.json <values.yaml
//
// It is a module of its own, so that nobody who builds glassine fetches Helm. chart_test.go builds it and runs it.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubeyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	chartutil "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
)

// Result is what a chart comes to.
type Result struct {
	Lint      []string         // what helm lint says, but for informational lines
	Documents []map[string]any // the objects, in the order of their templates' names
	Notes     string           // NOTES.txt
}

func main() {
	dir := flag.String("chart", ".", "folder of the chart")
	release := flag.String("release", "glassine", "name of the release")
	namespace := flag.String("namespace", "default", "namespace of the release")
	kube := flag.String("kube", "v1.30.0", "version of Kubernetes")
	settings := flag.String("settings", "", "JSON Schema of glassine.yaml; none unless named")
	flag.Parse()
	slog.SetLogLoggerLevel(slog.LevelWarn) // Helm tells of the dashboard's symbolic link
	values, err := io.ReadAll(os.Stdin)
	if err == nil {
		var result Result
		result, err = render(*dir, *release, *namespace, *kube, values)
		if err == nil && *settings != "" {
			err = checkSettings(*settings, result.Documents)
		}
		if err == nil {
			err = json.NewEncoder(os.Stdout).Encode(result)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func render(dir, release, namespace, kube string, text []byte) (Result, error) {
	version, err := common.ParseKubeVersion(kube)
	if err != nil {
		return Result{}, err
	}
	var values map[string]any
	if err := yaml.UnmarshalStrict(text, &values); err != nil {
		return Result{}, fmt.Errorf("values: %w", err)
	}
	chart, err := loader.Load(dir)
	if err != nil {
		return Result{}, err
	}
	if want := chart.Metadata.KubeVersion; !chartutil.IsCompatibleRange(want, version.String()) {
		return Result{}, fmt.Errorf("chart requires kubeVersion: %s which is incompatible with Kubernetes %s", want, version)
	}
	able := common.DefaultCapabilities.Copy()
	able.KubeVersion = *version
	options := common.ReleaseOptions{Name: release, Namespace: namespace, Revision: 1, IsInstall: true}
	top, err := util.ToRenderValues(chart, values, options, able)
	if err != nil {
		return Result{}, err
	}
	files, err := engine.Engine{Strict: true}.Render(chart, top)
	if err != nil {
		return Result{}, err
	}
	var out Result
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if path.Base(name) == "NOTES.txt" {
			out.Notes = files[name]
			continue
		}
		if strings.HasPrefix(path.Base(name), "_") {
			continue
		}
		documents, err := decode(files[name])
		if err != nil {
			return Result{}, fmt.Errorf("%s: %w", name, err)
		}
		out.Documents = append(out.Documents, documents...)
	}
	for _, m := range lint.RunAll(dir, values, namespace, lint.WithKubeVersion(version)).Messages {
		if m.Severity > 1 { // not of an icon that there is none
			out.Lint = append(out.Lint, m.Error())
		}
	}
	return out, nil
}

// checkSettings holds each glassine.yaml against the program's schema.
func checkSettings(file string, documents []map[string]any) error {
	schema, err := jsonschema.NewCompiler().Compile(file)
	if err != nil {
		return err
	}
	for _, d := range documents {
		data, _ := d["data"].(map[string]any)
		text, ok := data["glassine.yaml"].(string)
		if !ok {
			continue
		}
		raw, err := yaml.YAMLToJSONStrict([]byte(text))
		if err != nil {
			return fmt.Errorf("glassine.yaml: %w", err)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			return fmt.Errorf("glassine.yaml: %w", err)
		}
		if err := schema.Validate(value); err != nil {
			return fmt.Errorf("glassine.yaml: %w", err)
		}
	}
	return nil
}

// decode reads the documents of a rendered template. Each must be of a kind that is known, and have no other fields than that.
func decode(text string) ([]map[string]any, error) {
	var out []map[string]any
	reader := kubeyaml.NewYAMLReader(bufio.NewReader(strings.NewReader(text)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		object, err := decodeOne(document)
		if err != nil {
			return nil, fmt.Errorf("%w\n%s", err, document)
		}
		if object != nil {
			out = append(out, object)
		}
	}
}

// decodeOne reads one document; an empty one is nil.
func decodeOne(document []byte) (map[string]any, error) {
	raw, err := yaml.YAMLToJSONStrict(document) // a key twice is refused
	if err != nil {
		return nil, err
	}
	var object map[string]any
	if err := json.Unmarshal(raw, &object); err != nil || object == nil {
		return nil, err
	}
	kind := fmt.Sprintf("%v %v", object["apiVersion"], object["kind"])
	typed := kindOf(kind)
	if typed == nil {
		return nil, fmt.Errorf("%s is no kind that this program knows", kind)
	}
	strict := json.NewDecoder(bytes.NewReader(raw))
	strict.DisallowUnknownFields()
	if err := strict.Decode(typed); err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return object, nil
}

// kindOf is an empty object of a kind; nil when it is not known.
func kindOf(kind string) any {
	switch kind {
	case "v1 ConfigMap":
		return &corev1.ConfigMap{}
	case "v1 Secret":
		return &corev1.Secret{}
	case "v1 Service":
		return &corev1.Service{}
	case "v1 ServiceAccount":
		return &corev1.ServiceAccount{}
	case "apps/v1 StatefulSet":
		return &appsv1.StatefulSet{}
	case "networking.k8s.io/v1 NetworkPolicy":
		return &networkingv1.NetworkPolicy{}
	case "monitoring.coreos.com/v1 ServiceMonitor":
		return &serviceMonitor{}
	}
	return nil
}

// serviceMonitor is what the chart may use of the Prometheus operator's kind. (Its API reference, ServiceMonitorSpec.)
type serviceMonitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector  metav1.LabelSelector `json:"selector"`
		Endpoints []struct {
			Port          string `json:"port"`
			Path          string `json:"path"`
			Interval      string `json:"interval"`
			ScrapeTimeout string `json:"scrapeTimeout"`
		} `json:"endpoints"`
	} `json:"spec"`
}
