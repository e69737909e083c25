package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

type stackLike struct {
	StackName string
	Status    string `json:"StackStatus"`
	Protected bool
	Count     int64
	Outputs   []outputLike `json:",omitempty"`
	Names     []string
	Updated   *string
}

type outputLike struct{ OutputKey, OutputValue string }

func TestTextIsAsAWSCLIHasIt(t *testing.T) {
	f := func(name string, v any, want string) {
		t.Helper()
		var b bytes.Buffer
		if err := writeText(&b, v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if b.String() != want {
			t.Errorf("%s:\ngot  %q\nwant %q", name, b.String(), want)
		}
	}
	// What aws-cli 2.9.19 prints for the same JSON.
	f("a word", "x", "x\n")
	f("a list of words", []string{"b", "a"}, "b\ta\n")
	f("an empty list is nothing", []string{}, "")
	f("values by their names, then lists by name", stackLike{StackName: "images", Status: "CREATE_COMPLETE", Count: 12345678901, Outputs: []outputLike{{"Url", "https://x"}}, Names: []string{"p", "q"}},
		"12345678901\tFalse\timages\tCREATE_COMPLETE\tNone\nNAMES\tp\nNAMES\tq\nOUTPUTS\tUrl\thttps://x\n")
	f("objects of a list have the same columns", []map[string]any{{"a": 1, "b": "x"}, {"a": 2, "c": true}}, "1\tx\t\n2\t\tTrue\n")
	f("lists in lists", [][]string{{"a", "b"}, {"c"}}, "a\tb\nc\n")
	f("an object in an object", map[string]any{"Stack": map[string]any{"Name": "n"}, "Took": 1.5}, "1.5\nSTACK\tn\n")
	f("what would break a line is a space", "a\tb\nc\x1b[31m", "a b c [31m\n")
}

func TestYAMLSaysWhatJSONSays(t *testing.T) {
	for _, v := range []any{
		stackLike{StackName: "images: one", Status: "true", Outputs: []outputLike{{"1", "no"}, {"Lines", "a\nb\n"}}, Names: []string{}},
		map[string]any{"empty": map[string]any{}, "n": 1e300, "s": "2026-06-21", "null": nil, "z": "~", "odd": "\u0085 \x7f\x1b"},
		[]any{},
		"plain",
	} {
		var j, y bytes.Buffer
		if err := writeJSON(&j, v); err != nil {
			t.Fatal(err)
		}
		if err := writeYAML(&y, v); err != nil {
			t.Fatal(err)
		}
		var fromJSON, fromYAML any
		if err := json.Unmarshal(j.Bytes(), &fromJSON); err != nil {
			t.Fatal(err)
		}
		if err := yaml.Unmarshal(y.Bytes(), &fromYAML); err != nil {
			t.Fatalf("%v\n%s", err, y.String())
		}
		again, err := json.Marshal(fromYAML)
		if err != nil {
			t.Fatal(err)
		}
		var got any
		if err := json.Unmarshal(again, &got); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, fromJSON) {
			t.Errorf("YAML says %#v, JSON %#v\n%s", got, fromJSON, y.String())
		}
	}
	var b bytes.Buffer
	if err := writeYAML(&b, stackLike{StackName: "images", Outputs: []outputLike{{"Url", "https://x"}}}); err != nil {
		t.Fatal(err)
	}
	if want := "StackName: images\n"; !strings.HasPrefix(b.String(), want) || !strings.Contains(b.String(), "Outputs:\n  - OutputKey: Url\n    OutputValue: https://x\n") {
		t.Errorf("got %s", b.String())
	}
}

// FuzzText: whatever is printed, a record of scalars is one line of as many columns.
func FuzzText(f *testing.F) {
	f.Add("a", "b\tc")
	f.Add("\x1b]0;x\x07", "\r\n")
	f.Fuzz(func(t *testing.T, a, b string) {
		var out, y bytes.Buffer
		if err := writeText(&out, outputLike{a, b}); err != nil {
			t.Fatal(err)
		}
		if s := out.String(); strings.Count(s, "\t") != 1 || strings.Count(s, "\n") != 1 || strings.ContainsAny(s, "\x1b\x07\r\x00") {
			t.Errorf("%q and %q are printed as %q", a, b, s)
		}
		if err := writeYAML(&y, outputLike{a, b}); err != nil {
			t.Fatalf("%q, %q: %v", a, b, err)
		}
		var back, want outputLike
		raw, err := json.Marshal(outputLike{a, b})
		if err == nil {
			err = json.Unmarshal(raw, &want)
		}
		if err != nil {
			t.Fatal(err)
		}
		var m map[string]any
		if err := yaml.Unmarshal(y.Bytes(), &m); err != nil {
			t.Fatalf("%q, %q: %v\n%s", a, b, err, y.String())
		}
		back.OutputKey, _ = m["OutputKey"].(string)
		back.OutputValue, _ = m["OutputValue"].(string)
		if back != want {
			t.Errorf("YAML gives %q, want %q", back, want)
		}
	})
}
