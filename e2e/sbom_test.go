package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// cycloneDX is CycloneDX's own schema of version 1.5, from the package that its makers publish.
func cycloneDX(t *testing.T) *jsonschema.Schema {
	t.Helper()
	const dir, site = "node/node_modules/@cyclonedx/cyclonedx-library/res/schema", "http://cyclonedx.org/schema/"
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, file := range []string{"bom-1.5.SNAPSHOT.schema.json", "spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json"} {
		raw, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatalf("run make deps: %v", err)
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err == nil {
			err = c.AddResource(site+file, doc)
		}
		if err != nil {
			t.Fatalf("%s: %v", file, err)
		}
	}
	s, err := c.Compile(site + "bom-1.5.SNAPSHOT.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The bill of materials is what CycloneDX says that one is.
func TestBillOfMaterials(t *testing.T) {
	t.Parallel()
	schema := cycloneDX(t)
	cmd := exec.CommandContext(t.Context(), "go", "run", "./deploy/sbom", glassineCommand(t))
	cmd.Dir = ".."
	var errs bytes.Buffer
	cmd.Stderr = &errs
	raw, err := cmd.Output()
	if err != nil {
		t.Fatalf("sbom: %v %s", err, errs.Bytes())
	}
	t.Logf("%d bytes", len(raw))
	for name, c := range map[string]struct {
		old, changed string
		wrong        bool
	}{
		"as it is":                               {},
		"with a licence that SPDX does not list": {`"Apache-2.0"`, `"Apache-2"`, true},
		"with a hash that is no hash":            {`"alg": "SHA-256"`, `"alg": "SHA-255"`, true},
		"without a component's name":             {`"name": "std"`, `"title": "std"`, true},
		"with a version that is not a number":    {`"version": 1,`, `"version": "1",`, true},
	} {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(bytes.Replace(raw, []byte(c.old), []byte(c.changed), 1)))
		if err != nil {
			t.Fatal(err)
		}
		if c.old != "" && !bytes.Contains(raw, []byte(c.old)) {
			t.Fatalf("it has no %s to change", c.old)
		}
		if err := schema.Validate(doc); (err != nil) != c.wrong {
			t.Errorf("the document %s: %v", name, err)
		}
	}
}
