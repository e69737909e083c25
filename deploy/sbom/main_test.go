package main

import (
	"debug/buildinfo"
	"encoding/json"
	"os"
	"runtime/debug"
	"strings"
	"testing"
)

func TestDocumentListsWhatIsLinked(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	info.Deps = []*debug.Module{
		{Path: "example.com/b", Version: "v1.2.3+incompatible", Sum: "h1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="},
		{Path: "example.com/old", Version: "v1.0.0", Replace: &debug.Module{Path: "example.com/a", Version: "v2.0.0"}},
	}
	raw, err := json.Marshal(makeDocument(info, true))
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	refs := map[string]bool{}
	var names []string
	for _, c := range d.Components {
		if refs[c.Ref] || c.Name == "" || c.Type != "library" {
			t.Errorf("component %+v", c)
		}
		refs[c.Ref] = true
		names = append(names, c.Name)
	}
	if got := strings.Join(names, " "); got != "libvips example.com/a example.com/b std" {
		t.Errorf("components = %s", got)
	}
	if !refs["pkg:golang/example.com/b@v1.2.3+incompatible"] {
		t.Errorf("references = %v", refs)
	}
	if h := d.Components[2].Hashes; len(h) != 1 || h[0].Content != "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" {
		t.Errorf("hashes = %v", h)
	}
	for _, ref := range d.Dependencies[0].DependsOn {
		if !refs[ref] {
			t.Errorf("the program depends on %s, which is no component", ref)
		}
	}
	if d.Format != "CycloneDX" || d.SpecVersion != "1.5" || d.Version != 1 || d.Metadata.Component.Type != "application" {
		t.Errorf("document = %+v", d)
	}
}
