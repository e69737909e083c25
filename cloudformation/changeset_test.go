package cloudformation

import (
	"fmt"
	"strings"
	"testing"
)

// brief is what a change set says, one line for a change.
func brief(set *ChangeSet) string {
	var b strings.Builder
	for _, c := range set.Changes {
		fmt.Fprintf(&b, "%s %s %s", c.Action, c.LogicalID, c.Replacement)
		for _, d := range c.Details {
			fmt.Fprintf(&b, " %s.%s:%s:%s:%s:%s", d.Attribute, d.Name, d.Recreation, d.Evaluation, d.Source, d.Cause)
		}
		b.WriteString("\n")
	}
	return b.String()
}

func (r *rig) setOn(name, kind, template string) *ChangeSet {
	r.t.Helper()
	set, err := r.CreateChangeSet(r.t.Context(), r.caller, name, kind, "", r.input(template))
	if err != nil {
		r.t.Fatal(err)
	}
	return set
}

func TestChangeSetMakesAStack(t *testing.T) {
	r := newRig(t)
	set := r.setOn("first", "CREATE", chain)
	if got, want := brief(set), "Add A \nAdd B \nAdd C \nAdd D \n"; got != want {
		t.Errorf("changes:\n%s", got)
	}
	v := r.find(region, "demo")
	if v.Status != ReviewInProgress || len(r.w.order()) != 0 {
		t.Errorf("before execution: %s, %q", v.Status, r.w.order())
	}
	if _, err := r.ExecuteChangeSet(t.Context(), r.caller, region, "first", "demo", Execution{}); err != nil {
		t.Fatal(err)
	}
	r.ends(set.StackID, CreateComplete)
	r.consistent(set.StackID)
	_, err := r.ExecuteChangeSet(t.Context(), r.caller, region, "first", "demo", Execution{})
	refusal(t, err, "InvalidChangeSetStatus")

	same := r.setOn("same", "UPDATE", chain)
	if same.Status != "FAILED" || !strings.HasPrefix(same.Reason, "The submitted information didn't contain changes.") || same.Execution != "UNAVAILABLE" {
		t.Errorf("without changes: %+v", same)
	}
	if err := r.DeleteChangeSet(t.Context(), r.caller, region, "same", "demo"); err != nil {
		t.Fatal(err)
	}
	_, err = r.DescribeChangeSet(t.Context(), r.caller, region, "same", "demo")
	refusal(t, err, "ChangeSetNotFound: ChangeSet [same] does not exist")
	_, err = r.CreateChangeSet(t.Context(), r.caller, "x", "IMPORT", "", r.input(chain))
	refusal(t, err, "does not support change sets of type IMPORT")
	_, err = r.CreateChangeSet(t.Context(), r.caller, "x", "CREATE", "", r.input(chain))
	refusal(t, err, "Stack [demo] already exists and cannot be created again with the changeSet [CREATE].")
}

func TestChangeSetSaysWhatAndWhy(t *testing.T) {
	const template = `
Parameters: {Size: {Type: Number}, Name: {Type: String, Default: n}}
Resources:
  A: {Type: Test::Thing, Properties: {Size: !Ref Size}}
  B: {Type: Test::Thing, Properties: {Name: !Ref Name}}
  C: {Type: Test::Thing, Properties: {Text: !GetAtt A.Arn}}
  D: {Type: Test::Thing, Properties: {Deep: {Fixed: !Ref B, Free: x}}}
  E: {Type: Test::Thing, Metadata: {a: 1}}
  F: {Type: Test::Thing, Properties: {Secret: hush}}
`
	r := newRig(t)
	in := r.input(template)
	in.Parameters = []Parameter{{Key: "Size", Value: "1"}}
	r.createOf(in, CreateComplete)
	in.Template = strings.Replace(strings.Replace(template, "{a: 1}", "{a: 2}", 1), "hush", "quiet", 1)
	in.Parameters = []Parameter{{Key: "Size", Value: "2"}, {Key: "Name", Value: "m"}}
	set, err := r.CreateChangeSet(t.Context(), r.caller, "x", "UPDATE", "", in)
	if err != nil {
		t.Fatal(err)
	}
	want := `Modify A False Properties.Size:Never:Static:ParameterReference:Size
Modify B True Properties.Name:Always:Static:ParameterReference:Name
Modify C False Properties.Text:Never:Dynamic:ResourceAttribute:A.Arn
Modify D Conditional Properties.Deep:Conditionally:Dynamic:ResourceReference:B
Modify E False Metadata.:Never:Static:DirectModification:
Modify F False Properties.Secret:Never:Static:DirectModification:
`
	if got := brief(set); got != want {
		t.Errorf("changes:\n%s\nwant\n%s", got, want)
	}
	text := fmt.Sprintf("%+v", set.Changes)
	if strings.Contains(text, "hush") || strings.Contains(text, "quiet") {
		t.Errorf("a secret is shown: %s", text)
	}
	if !strings.Contains(text, `"Size":2`) || !strings.Contains(text, "KNOWN_AFTER_APPLY") {
		t.Errorf("values are not shown: %s", text)
	}
}

func TestChangeSetIsOutdatedByAnUpdate(t *testing.T) {
	r := newRig(t)
	r.create(chain, CreateComplete)
	r.setOn("x", "UPDATE", "Resources: {A: {Type: Test::Thing}}")
	r.update(changed, UpdateComplete)
	_, err := r.ExecuteChangeSet(t.Context(), r.caller, region, "x", "demo", Execution{})
	refusal(t, err, "InvalidChangeSetStatus", "[OBSOLETE]")
}

func TestRejectedChangeSetLeavesNothing(t *testing.T) {
	r := newRig(t)
	_, err := r.CreateChangeSet(t.Context(), r.caller, "x", "CREATE", "", r.input("Resources: {A: {Type: Test::None}}"))
	refusal(t, err, "Unrecognized resource types")
	if len(r.stacks) != 0 {
		t.Error("a stack was made")
	}
	set := r.setOn("x", "CREATE", chain)
	r.delete(set.StackID, DeleteComplete)
}

func TestSecretParametersAreHidden(t *testing.T) {
	r := newRig(t)
	in := r.input("Parameters: {P: {Type: String, NoEcho: true}}\nResources: {A: {Type: Test::Thing, Properties: {Text: !Sub \"<${P}>\"}}}")
	in.Parameters = []Parameter{{Key: "P", Value: "hunter2"}}
	set, err := r.CreateChangeSet(t.Context(), r.caller, "x", "CREATE", "", in)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%+v", set.Changes); strings.Contains(got, "hunter2") || !strings.Contains(got, "<****>") && !strings.Contains(got, `\u003c****`) {
		t.Errorf("changes: %s", got)
	}
	if _, err := r.ExecuteChangeSet(t.Context(), r.caller, region, "x", "demo", Execution{}); err != nil {
		t.Fatal(err)
	}
	r.ends(set.StackID, CreateComplete)
	events, _, err := r.Events(t.Context(), r.caller, region, "demo", "", 100)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%+v", events); strings.Contains(got, "hunter2") || !strings.Contains(got, "****") {
		t.Errorf("events: %s", got)
	}
	if !strings.Contains(r.w.snapshot(), "hunter2") {
		t.Error("the resource did not get the value")
	}
}
