package settings

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

// validator is the schema of model as somebody else's program understands it.
func validator(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(string(model.Schema("https://glassine.invalid/s.json", "Settings"))))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	if err := c.AddResource("https://glassine.invalid/s.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("https://glassine.invalid/s.json") // checks it against the schema of schemas, too
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance is YAML as a validator of JSON Schema gets it.
func instance(text []byte) (any, error) {
	var v any
	if err := yaml.Load(text, &v); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return jsonschema.UnmarshalJSON(strings.NewReader(string(raw)))
}

// What an editor can know it must say: these are the faults that depend on nothing but the text.
func TestSchemaRefusesWhatReadRefuses(t *testing.T) {
	s := validator(t)
	beyond := map[string]bool{ // what no JSON Schema can say
		"what the setting itself refuses": true, "a key twice": true, "a key twice, the first wrong": true, "an alias": true, "a second document": true, "a tag": true,
		"a binary": true, "a huge file": true, "no YAML": true, "a tab": true, "bytes that are no text": true, "a key that is a list": true,
		"a merge": true, "text that YAML takes for a time": true,
		"an octal number": true, // to YAML a number like another
	}
	for _, tt := range refused {
		v, err := instance([]byte(tt.text))
		if err == nil {
			err = s.Validate(v)
		}
		if err == nil && !beyond[tt.name] {
			t.Errorf("%s: the schema takes %q", tt.name, tt.text)
		}
	}
}

func TestSchemaTakesWhatReadTakes(t *testing.T) {
	s := validator(t)
	for _, text := range []string{
		"null", "data: x\ndrain: 1h30m\ncache-memory: 0\ncache-disk: auto\nworkers: 3\ncache-status: false\naccess-log: '-'\nlog-level: debug\nstrict: [vary]\ndirectory: [a=b]",
	} {
		v, err := instance([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(v); err != nil {
			t.Errorf("the schema refuses %q: %v", text, err)
		}
	}
}

// FuzzRead reads any bytes. What it takes the schema takes, and formatting keeps; what it refuses has a place.
func FuzzRead(f *testing.F) {
	for _, tt := range refused {
		if len(tt.text) < 1<<10 {
			f.Add([]byte(tt.text))
		}
	}
	f.Add([]byte("# all\n\n# of data\ndata: \"./x\" # here\nworkers: 3\n\n# a list\nstrict:\n  # first\n  - vary\n# end\n"))
	f.Add([]byte(`{"workers": 3, "strict": ["all"], drain: 1h30m, cache-disk: 0}`))
	s := validator(f)
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := Read("f.yaml", text, model)
		if err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				if line == "" {
					t.Errorf("an empty line in %q", err)
				}
			}
			return
		}
		v, err := instance(text)
		if len(file.Values) > 0 {
			if err != nil {
				t.Fatalf("Read takes what YAML does not: %v", err)
			}
			if err := s.Validate(v); err != nil {
				t.Errorf("Read takes what the schema refuses: %v", err)
			}
		}
		once, err := Format("f.yaml", text, model)
		if err != nil {
			t.Fatalf("Format: %v", err)
		}
		twice, err := Format("f.yaml", once, model)
		if err != nil || string(once) != string(twice) {
			t.Errorf("formatted once %q, twice %q, %v", once, twice, err)
		}
	})
}
