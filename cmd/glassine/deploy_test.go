package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"glassine/cloudformation/client"
)

// What init writes, and what import makes of it over a bucket that is there, are templates.
func TestStarter(t *testing.T) {
	file := filepath.Join(t.TempDir(), "new", "stack.yaml")
	if err := (&initCmd{Path: file, Name: "album"}).Run(); err != nil {
		t.Fatal(err)
	}
	own, err := client.ReadTemplate(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(own.Text, "NAME") || !strings.Contains(own.Text, "Name: album-ap") {
		t.Errorf("the template is\n%s", own.Text)
	}
	over, err := client.ParseTemplate("over", overBucket("album", "my.photos"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range client.Compare(own, over) {
		got = append(got, strings.Join(d.Path, "/"))
	}
	want := []string{
		"Outputs/BucketName/Value", "Resources/AccessPoint/Properties/Bucket", "Resources/Bucket",
		"Resources/SignerRole/Properties/Policies/0/PolicyDocument/Statement/1/Resource/0",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what differs over a bucket (-want +got):\n%s", diff)
	}
	if strings.Contains(over.Text, "!Ref Bucket\n") || strings.Contains(over.Text, "${Bucket") || !strings.Contains(over.Text, `Bucket: "my.photos"`) {
		t.Errorf("the template over a bucket is\n%s", over.Text)
	}
}

func TestPointName(t *testing.T) {
	for bucket, want := range map[string]string{
		"photos": "photos", "My.Photos_2": "my-photos-2", strings.Repeat("a", 39) + ".b": strings.Repeat("a", 39), "...": "",
	} {
		got := pointName(bucket)
		if got != want {
			t.Errorf("pointName(%s) = %q, want %q", bucket, got, want)
		}
		if err := checkPointName(got); (err == nil) != (want != "") {
			t.Errorf("checkPointName(%q) = %v", got, err)
		}
	}
}

// A path is a template, a folder with one, a cdk.out, or an app with one.
func TestSource(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const template = `{"Resources":{"A":{"Type":"T"}}}`
	put("my app/template.json", template)
	put("named/photos.yaml", template)
	put("both/stack.yaml", template)
	put("both/cdk.out/manifest.json", `{"version":"55.0.0","artifacts":{"one":{"type":"aws:cloudformation:stack","environment":"aws://unknown-account/unknown-region","properties":{"templateFile":"one.json"}}}}`)
	put("both/cdk.out/one.json", template)
	put("app/cdk.json", "{}")
	put("empty/x", "")
	for _, tt := range []struct {
		path  string
		stack []string
		want  string // the stack, or what the error says
		usage bool
	}{
		{path: "my app", want: "my-app"},
		{path: "named/photos.yaml", want: "photos"},
		{path: "named/photos.yaml", stack: []string{"other"}, want: "other"},
		{path: "named/photos.yaml", stack: []string{"a", "b"}, want: "one template", usage: true},
		{path: "both", want: "assembly one"},
		{path: "both/cdk.out", stack: []string{"one"}, want: "assembly one"},
		{path: "both/cdk.out", stack: []string{"two"}, want: "no stack two", usage: true},
		{path: "app", want: "cdk synth", usage: true},
		{path: "empty", want: "glassine init", usage: true},
		{path: "none", want: "no such file", usage: true},
		{path: "named", want: "neither", usage: true},
	} {
		var got string
		src, err := (&sourceFlags{Path: filepath.Join(dir, tt.path), Stack: tt.stack}).source()
		switch {
		case err != nil:
			got = err.Error()
		case src.assembly != nil:
			got = "assembly " + src.assembly.Stacks[0].Name
		default:
			got = src.name
		}
		_, usage := errors.AsType[usageError](err)
		if !strings.Contains(got, tt.want) || err == nil && got != tt.want || usage != tt.usage {
			t.Errorf("%s %v: %s (usage %t), want %s", tt.path, tt.stack, got, usage, tt.want)
		}
	}
}

// The tree has the cause first, cancelled resources after it, and folds what is done when the terminal is too low.
func TestTree(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tree := &stackTree{rows: map[string]*row{}}
	const stack = "arn:aws:cloudformation:us-east-1:123456789012:stack/s/1"
	event := func(after time.Duration, id, status, reason string) {
		e := client.Event{StackID: stack, StackName: "s", LogicalID: id, PhysicalID: id, Type: "AWS::" + id, Status: status, Reason: reason, Time: at.Add(after)}
		if id == "s" {
			e.PhysicalID, e.Type = stack, "AWS::CloudFormation::Stack"
		}
		tree.event(e)
	}
	event(0, "s", "CREATE_IN_PROGRESS", "User Initiated")
	event(0, "A", "CREATE_IN_PROGRESS", "")
	event(0, "B", "CREATE_IN_PROGRESS", "")
	event(0, "C", "CREATE_IN_PROGRESS", "")
	event(50*time.Millisecond, "A", "CREATE_COMPLETE", "")
	event(70*time.Millisecond, "B", "CREATE_FAILED", "Resource creation cancelled")
	event(60*time.Millisecond, "C", "CREATE_FAILED", "it is taken")
	marked := func(colour, text string) string { return colour + " " + strings.Join(strings.Fields(text), " ") }
	now := at.Add(time.Second)
	want := []string{
		"1 s create in progress 1s", "31 C create failed 60ms AWS::C it is taken", "A create complete 50ms AWS::A",
		"2 B create failed 70ms AWS::B Resource creation cancelled",
	}
	plain := func(lines []string) []string {
		for i, l := range lines {
			lines[i] = strings.Join(strings.Fields(l), " ")
		}
		return lines
	}
	if diff := cmp.Diff(want, plain(tree.lines(now, 10, 0, marked))); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(append(want[:2:2], "2 more done"), plain(tree.lines(now, 3, 0, marked))); diff != "" {
		t.Errorf("folded tree (-want +got):\n%s", diff)
	}
	event(2*time.Second, "s", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "")
	event(2*time.Second, "A", "DELETE_COMPLETE", "")
	if got := strings.Join(plain(tree.lines(now, 10, 0, marked)), "\n"); !strings.Contains(got, "A create complete") || !strings.Contains(got, "A (the old one) delete complete") {
		t.Errorf("what was replaced is not told apart:\n%s", got)
	}
	for _, l := range tree.lines(now, 10, 20, func(_, text string) string { return text }) {
		if len([]rune(l)) > 20 {
			t.Errorf("%q is wider than 20", l)
		}
	}
}

func TestPlanTells(t *testing.T) {
	v := &view{differences: true, plans: true}
	got := v.plan(&client.Plan{Stack: "s", Changes: []client.Change{
		{Action: "Add", LogicalID: "R", Type: "AWS::IAM::Role"},
		{Action: "Remove", LogicalID: "Old", Type: "T"},
		{Action: "Remove", LogicalID: "Kept", Type: "T", Policy: "Retain"},
		{Action: "Modify", LogicalID: "P", Type: "T", Replacement: "True", Details: []client.Detail{
			{Attribute: "Properties", Name: "Name", Before: "a", After: "b", Recreation: "Always"},
			{Attribute: "Properties", Name: "X", Cause: "R.Arn"},
			{Attribute: "Properties", Name: "X", Cause: "Old.Arn"},
			{Attribute: "Tags", Before: strings.Repeat("x", 200), After: "y"},
		}},
	}, Differences: []client.Difference{{Path: []string{"Resources", "P"}, Before: "a", After: map[string]any{"k": "b"}}}})
	want := []string{
		"s: 4 changes", "  + R  AWS::IAM::Role", "  - Old  T", "  - Kept  T  leaves the stack and stays", "  ~ P  T  is replaced",
		"      Name: a -> b  forces the replacement", "      X  (through R.Arn, Old.Arn)", "      Tags", "  roles and policies that it makes: R (Role)",
		"  Resources/P", `    - "a"`, "    + {\n    +   \"k\": \"b\"\n    + }",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
}

func TestUsageErrorsExitWithTwo(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
	}{
		{[]string{"destroy"}, 2},
		{[]string{"deploy", filepath.Join(t.TempDir(), "none")}, 2},
		{[]string{"import"}, 2},
		{[]string{"init", "--name", "x", filepath.Join(t.TempDir(), "s.yaml")}, 2},
		{[]string{"init", filepath.Join(t.TempDir(), "s.yaml")}, 0},
		{[]string{"stacks", "--data", t.TempDir()}, 3},
	} {
		if got := run(tt.args); got != tt.code {
			t.Errorf("glassine %s: status %d, want %d", strings.Join(tt.args, " "), got, tt.code)
		}
	}
}
