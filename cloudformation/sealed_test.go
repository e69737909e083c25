package cloudformation

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glassine/state"
)

// What is secret is nowhere in the state file, whose pages keep what was deleted or written over too.
func TestSecretsAreSealed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state.db")
	store, err := state.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	r := rigOn(t, newWorld(), store)
	const given, answered, changed = "canary-of-a-parameter", "canary-of-an-answer", "canary-of-an-update"
	f := &function{s: func() *Service { return r.Service }}
	f.answer = func(_ customEvent, respond func(Answer) error) ([]byte, bool, error) {
		return nil, false, respond(Answer{Status: "SUCCESS", PhysicalResourceId: "x", NoEcho: true, Data: Values{"Password": answered}})
	}
	r.custom.invoker = f
	r.cfg.Types = r.cfg.Types.with(r.custom.resourceType())
	clear := func(when string) {
		t.Helper()
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// What names records is in the clear: without it the file would be the wrong one.
		if !bytes.Contains(raw, []byte("stack/demo/")) {
			t.Fatalf("%s: the file does not know the stack", when)
		}
		for _, secret := range []string{given, answered, changed} {
			if bytes.Contains(raw, []byte(secret)) {
				t.Errorf("%s: %s is in the state file", when, secret)
			}
		}
	}
	const template = `
Parameters: {Password: {Type: String, NoEcho: true}}
Resources:
  X: {Type: Custom::Mine, Properties: {ServiceToken: "arn:aws:lambda:us-east-1:123456789012:function:f", Given: !Ref Password}}
  Y: {Type: Test::Thing, Properties: {Text: !Ref Password, Secret: !GetAtt X.Password}}
  Z: {Type: Test::Thing, Properties: {Text: !Sub "${X.Password}", Size: 1}}
Outputs: {Spoken: {Value: !GetAtt X.Password}}
`
	r.w.after = func(op, id string) error {
		if id == "Z" {
			clear(op)
		}
		return nil
	}
	in := r.input(template)
	in.Parameters = []Parameter{{Key: "Password", Value: given}}
	id := r.createOf(in, CreateComplete)
	clear("created")
	in.Parameters[0].Value = changed
	if _, err := r.CreateChangeSet(t.Context(), r.caller, "later", "", "", in); err != nil {
		t.Fatal(err)
	}
	clear("planned")
	r.w.before = failOn("update", "Z")
	in.Template = strings.Replace(template, "Size: 1", "Size: 2", 1)
	if _, err := r.UpdateStack(t.Context(), r.caller, in); err != nil {
		t.Fatal(err)
	}
	r.ends(id, UpdateBackDone)
	clear("gone back")

	// The next Service reads all of it.
	_ = r.Close()
	r.restart()
	r.custom.invoker = f
	if got := r.find(region, id).resources["Y"].Properties; got["Text"] != given || got["Secret"] != answered {
		t.Errorf("Y after a restart = %v", got)
	}
	r.w.reset()
	r.cfg.Types = r.w.types().with(r.custom.resourceType())
	r.delete(id, DeleteComplete)
	clear("deleted")
}

func TestASealedRecordBelongsToItsKey(t *testing.T) {
	under := &state.Memory{}
	mine, err := newSealed(under, [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	other, err := newSealed(under, [32]byte{2})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := mine.Commit(ctx, state.Change{Table: resourceTable, Key: "stack\x00A", Value: []byte("secret")}); err != nil {
		t.Fatal(err)
	}
	if r, err := mine.Get(ctx, resourceTable, "stack\x00A"); err != nil || string(r.Value) != "secret" {
		t.Fatalf("Get = %q, %v", r.Value, err)
	}
	_, err = other.Get(ctx, resourceTable, "stack\x00A")
	refusal(t, err, "sealed under another key")
	_, err = other.List(ctx, resourceTable, "")
	refusal(t, err, "sealed under another key")
	raw, err := under.Get(ctx, resourceTable, "stack\x00A")
	if err != nil {
		t.Fatal(err)
	}
	moved := []state.Change{{Table: resourceTable, Key: "stack\x00B", Value: raw.Value}, {Table: eventTable, Key: "stack\x00A", Value: raw.Value}, {Table: resourceTable, Key: "stack\x00C", Value: raw.Value[:5]}}
	if err := under.Commit(ctx, moved...); err != nil {
		t.Fatal(err)
	}
	for _, c := range moved {
		_, err := mine.Get(ctx, c.Table, c.Key)
		refusal(t, err, "damaged")
	}
}
