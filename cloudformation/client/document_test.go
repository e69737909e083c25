package client

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// JSON and YAML, in long forms and short ones, say the same.
func TestParse(t *testing.T) {
	const want = `{"Resources":{"A":{"Properties":{"Arn":{"Fn::GetAtt":["B","Arn"]},"Deep":{"Fn::GetAtt":["B","C.D"]},"Flag":true,"List":[{"Ref":"B"},"x"],"Number":512,"Text":"012","Url":{"Fn::Sub":"https://${B}"}},"Type":"T"}}}`
	for _, text := range []string{
		want,
		"Resources:\n  A:\n    Type: T\n    Properties:\n      Arn: !GetAtt B.Arn\n      Deep: !GetAtt B.C.D\n      Flag: true\n      List: [!Ref B, x]\n      Number: 512\n      Text: \"012\"\n      Url: !Sub https://${B}\n",
		"{Resources: {A: {Type: T, Properties: {Arn: {Fn::GetAtt: [B, Arn]}, Deep: !GetAtt [B, C.D], Flag: true, List: [{Ref: B}, x], Number: 512, Text: '012', Url: {Fn::Sub: 'https://${B}'}}}}}",
	} {
		tpl, err := ParseTemplate("x", text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := mustJSON(t, tpl.Value()); got != want {
			t.Errorf("%s\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", " \n", "it is empty"},
		{"a list", "- a", "it is not an object"},
		{"no resources", "A: 1", "no Resources"},
		{"broken JSON, with its line", "{\n\"Resources\": {,}}", "line 2"},
		{"two documents", "Resources: {A: {Type: T}}\n---\nB: 1\n", "more than one document"},
		{"aliases", "Resources: {A: &x {Type: T}, B: *x}", "aliases"},
		{"a nesting without end", "Resources: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), "nested deeper"},
	} {
		if _, err := ParseTemplate("file.yaml", tt.text); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "file.yaml: ") {
			t.Errorf("%s: %v, want file.yaml and %q", tt.name, err, tt.want)
		}
	}
}

func TestCompare(t *testing.T) {
	before := template(t, `{"Resources":{"A":{"Type":"T","Properties":{"N":"512","L":[1,2],"X":{"Ref":"B"}}},"Old":{"Type":"T"}}}`)
	after := template(t, "Resources:\n  New: {Type: T}\n  A: {Type: T, Properties: {N: 512, L: [1, 3], X: !GetAtt B.Arn}}\n")
	var got []string
	for _, d := range Compare(before, after) {
		got = append(got, mustJSON(t, d))
	}
	want := []string{
		`{"Path":"Resources/A/Properties/L/1","Before":2,"After":3}`,
		`{"Path":"Resources/A/Properties/X","Before":{"Ref":"B"},"After":{"Fn::GetAtt":["B","Arn"]}}`,
		`{"Path":"Resources/New","After":{"Type":"T"}}`,
		`{"Path":"Resources/Old","Before":{"Type":"T"}}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
}

func TestStackName(t *testing.T) {
	for _, tt := range []struct{ file, folder, want string }{
		{"stack.yaml", "my photos", "my-photos"},
		{"template.json", "1st.app", "st-app"},
		{"photos.prod.yaml", "x", "photos-prod"},
		{"stack.yaml", "/", "stack"},
		{"ä.yaml", "", "stack"},
	} {
		if got := StackName(tt.file, tt.folder); got != tt.want {
			t.Errorf("StackName(%q, %q) = %q, want %q", tt.file, tt.folder, got, tt.want)
		}
	}
}

// Whatever is read, nothing panics, what is a scalar stands in the text where it is said to stand, and what comes out as JSON is
// read as the same.
func FuzzParseTemplate(f *testing.F) {
	for _, seed := range []string{
		twoResources,
		`{"Resources":{"F":{"Type":"AWS::Lambda::Function","Properties":{"Code":"./a b"}}}}`,
		"Resources: {F: {Type: AWS::Lambda::Function, Properties: {Code: './fn', X: !Sub \"${A}\"}}}",
		"Resources:\n  F:\n    Type: AWS::Lambda::LayerVersion\n    Properties:\n      Content: |\n        x\n      L: [!GetAtt a.b, ä, \"é\"]\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tpl, err := ParseTemplate("x", text)
		if err != nil {
			return
		}
		for _, l := range tpl.local() {
			if l.at.end == 0 {
				continue
			}
			at, unquoted := text[l.at.start:l.at.end], ""
			if strings.Trim(at, `"'`) != l.path && (json.Unmarshal([]byte(at), &unquoted) != nil || unquoted != l.path) {
				t.Errorf("%q stands at %q", l.path, at)
			}
			changed := text[:l.at.start] + `{"S3Bucket": "b"}` + text[l.at.end:]
			again, err := ParseTemplate("x", changed)
			if err != nil {
				t.Fatalf("with the code put in: %v\n%s", err, changed)
			}
			if n := len(again.local()); n != len(tpl.local())-1 {
				t.Errorf("%d paths are left of %d\n%s\n%s", n, len(tpl.local()), text, changed)
			}
		}
		written, err := json.Marshal(tpl.Value())
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseTemplate("x", string(written))
		if err != nil {
			t.Fatalf("what was written is not read: %v\n%s", err, written)
		}
		if d := Compare(tpl, again); len(d) > 0 {
			t.Errorf("what was written is something else: %s", mustJSON(t, d))
		}
	})
}
