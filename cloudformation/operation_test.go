package cloudformation

import (
	"slices"
	"strings"
	"testing"
)

const chain = `
Resources:
  C:
    Type: Test::Thing
    Properties: {Text: !Sub "${B.Arn}/x", Size: 3}
  B:
    Type: Test::Thing
    Properties: {Text: !Ref A, Size: 2}
  A:
    Type: Test::Thing
    Properties: {Size: 1}
  D:
    Type: Test::Thing
    DependsOn: C
    DeletionPolicy: Delete
Outputs:
  Last: {Value: !GetAtt C.Arn}
`

func TestStackIsMadeInOrderAndDeletedInReverse(t *testing.T) {
	r := newRig(t)
	id := r.create(chain, CreateComplete)
	if got, want := r.w.order(), []string{"create A", "create B", "create C", "create D"}; !slices.Equal(got, want) {
		t.Errorf("calls = %q, want %q", got, want)
	}
	r.consistent(id)
	stacks, err := r.DescribeStacks(t.Context(), r.caller, region, "demo")
	if err != nil {
		t.Fatal(err)
	}
	if out := stacks[0].Outputs; len(out) != 1 || !strings.HasPrefix(out[0].Value, "arn:thing:demo-C-") {
		t.Errorf("outputs = %+v", out)
	}
	want := `demo CREATE_IN_PROGRESS User Initiated
A CREATE_IN_PROGRESS 
A CREATE_IN_PROGRESS Resource creation Initiated
A CREATE_COMPLETE 
`
	if got := r.history(id); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "D CREATE_COMPLETE \ndemo CREATE_COMPLETE \n") {
		t.Errorf("events:\n%s", got)
	}
	r.w.reset()
	r.delete(id, DeleteComplete)
	if got, want := r.w.order(), []string{"delete D", "delete C", "delete B", "delete A"}; !slices.Equal(got, want) {
		t.Errorf("calls = %q, want %q", got, want)
	}
	if s := r.w.snapshot(); s != "" {
		t.Errorf("left over: %s", s)
	}
	if _, err := r.DescribeStacks(t.Context(), r.caller, region, "demo"); err == nil || err.Error() != "ValidationError: Stack with id demo does not exist" {
		t.Errorf("by name, the deleted stack: %v", err)
	}
	if gone, err := r.DescribeStacks(t.Context(), r.caller, region, id); err != nil || gone[0].Status != DeleteComplete {
		t.Errorf("by id, the deleted stack: %v %v", gone, err)
	}
}

func TestFailedCreation(t *testing.T) {
	for _, c := range []struct {
		name      string
		change    func(*StackInput)
		want      Status
		left      int
		lastEvent string
	}{
		{"is deleted again", func(*StackInput) {}, RollbackComplete, 0, "demo ROLLBACK_COMPLETE"},
		{"stays when rollback is disabled", func(in *StackInput) { in.DisableRollback = true }, CreateFailed, 2, "demo CREATE_FAILED The following resource(s) failed to create: [C]."},
		{"stays when told so", func(in *StackInput) { in.OnFailure = "DO_NOTHING" }, CreateFailed, 2, "demo CREATE_FAILED"},
		{"goes with its stack when told so", func(in *StackInput) { in.OnFailure = "DELETE" }, DeleteComplete, 0, "demo DELETE_COMPLETE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.w.before = failOn("create", "C")
			in := r.input(chain)
			c.change(&in)
			id := r.createOf(in, c.want)
			if n := len(r.w.things); n != c.left {
				t.Errorf("%d things are left, want %d", n, c.left)
			}
			history := r.history(id)
			lines := strings.Split(strings.TrimSpace(history), "\n")
			if !strings.HasPrefix(lines[len(lines)-1], c.lastEvent) {
				t.Errorf("last event %q, want %q", lines[len(lines)-1], c.lastEvent)
			}
			if !strings.Contains(history, `C CREATE_FAILED Resource handler returned message: "boom" (RequestToken: `) {
				t.Errorf("events do not say why:\n%s", history)
			}
		})
	}
}

func TestRolledBackStackCanOnlyBeDeleted(t *testing.T) {
	r := newRig(t)
	r.w.before = failOn("create", "C")
	id := r.create(chain, RollbackComplete)
	_, err := r.UpdateStack(t.Context(), r.caller, r.input(chain))
	refusal(t, err, "Stack:"+id+" is in ROLLBACK_COMPLETE state and can not be updated.")
	r.delete(id, DeleteComplete)
	r.w.reset()
	r.create(chain, CreateComplete)
}

func TestWhatAFailedCreationLeftIsDeleted(t *testing.T) {
	for _, note := range []bool{false, true} {
		r := newRig(t)
		r.w.note = note
		r.w.after = failOn("create", "C") // it is made, and its handler fails
		id := r.create(chain, RollbackComplete)
		if s := r.w.snapshot(); s != "" {
			t.Errorf("left over: %s\n%s", s, r.history(id))
		}
	}
}

const changed = `
Resources:
  A:
    Type: Test::Thing
    Properties: {Size: 10}
  B:
    Type: Test::Thing
    Properties: {Text: !Ref A, Name: other}
  C:
    Type: Test::Thing
    Properties: {Text: !Ref B, Size: 3}
  E:
    Type: Test::Thing
    Properties: {Text: !Ref C}
`

func TestUpdateChangesReplacesAddsAndRemoves(t *testing.T) {
	r := newRig(t)
	id := r.create(chain, CreateComplete)
	before := r.find(region, id)
	r.w.reset()
	r.update(changed, UpdateComplete)
	got, want := r.w.order(), []string{"update A", "create B", "update C", "create E", "delete B", "delete D"}
	slices.Sort(got[max(len(got)-2, 0):]) // neither waits for the other
	if !slices.Equal(got, want) {
		t.Errorf("calls = %q, want %q", got, want)
	}
	after := r.find(region, id)
	if a, b := before.resources["A"].PhysicalID, after.resources["A"].PhysicalID; a != b {
		t.Errorf("A is %s, was %s", b, a)
	}
	if a, b := before.resources["B"].PhysicalID, after.resources["B"].PhysicalID; a == b {
		t.Errorf("B is still %s", b)
	}
	r.consistent(id)
	history := r.history(id)
	for _, want := range []string{
		"B UPDATE_IN_PROGRESS Requested update requires the creation of a new physical resource; hence creating one.\n",
		"demo UPDATE_COMPLETE_CLEANUP_IN_PROGRESS \n", "D DELETE_COMPLETE \n", "demo UPDATE_COMPLETE \n",
	} {
		if !strings.Contains(history, want) {
			t.Errorf("no event %q in\n%s", want, history)
		}
	}
	_, err := r.UpdateStack(t.Context(), r.caller, r.input(changed))
	refusal(t, err, "No updates are to be performed.")
	if err.Error() != "ValidationError: No updates are to be performed." {
		t.Errorf("the whole text is %q", err)
	}
}

func TestFailedUpdateGoesBack(t *testing.T) {
	for _, fail := range []string{"update A", "create B", "update C", "create E"} {
		for _, when := range []string{"before", "after"} {
			t.Run(fail+" "+when, func(t *testing.T) {
				r := newRig(t)
				id := r.create(chain, CreateComplete)
				world, records := r.w.snapshot(), r.find(region, id)
				op, of, _ := strings.Cut(fail, " ")
				failed := false
				hook := func(o, i string) error {
					if o == op && i == of && !failed {
						failed = true
						return errBoom
					}
					return nil
				}
				if when == "before" {
					r.w.before = hook
				} else {
					r.w.after = hook
				}
				r.update(changed, UpdateBackDone)
				if got := r.w.snapshot(); got != world {
					t.Errorf("the world is\n%s\nwant\n%s\nevents:\n%s", got, world, r.history(id))
				}
				now := r.find(region, id)
				for x, was := range records.resources {
					if is := now.resources[x]; is == nil || is.PhysicalID != was.PhysicalID || !equalValues(map[string]any(is.Properties), map[string]any(was.Properties)) {
						t.Errorf("%s is %+v, was %+v", x, is, was)
					}
				}
				if now.Template != chain {
					t.Errorf("the template is the new one")
				}
				r.consistent(id)
				r.w.reset()
				r.update(changed, UpdateComplete)
				r.consistent(id)
			})
		}
	}
}

func TestUpdateThatCannotGoBackIsGoneOnWith(t *testing.T) {
	r := newRig(t)
	id := r.create(chain, CreateComplete)
	world := r.w.snapshot()
	updates := 0
	r.w.before = func(op, of string) error {
		if op == "create" && of == "E" {
			return errBoom
		}
		if op == "update" && of == "A" {
			if updates++; updates > 1 {
				return errBoom
			}
		}
		return nil
	}
	r.update(changed, UpdateBackFailed)
	if _, err := r.UpdateStack(t.Context(), r.caller, r.input(chain)); err == nil {
		t.Error("a stack that could not go back was updated")
	}
	r.w.reset()
	if err := r.ContinueUpdateRollback(t.Context(), r.caller, region, "demo", "", nil, ""); err != nil {
		t.Fatal(err)
	}
	r.ends(id, UpdateBackDone)
	if got := r.w.snapshot(); got != world {
		t.Errorf("the world is\n%s\nwant\n%s", got, world)
	}
	r.consistent(id)
}

func TestContinuedRollbackSkips(t *testing.T) {
	r := newRig(t)
	id := r.create(chain, CreateComplete)
	updates := 0
	r.w.before = func(op, of string) error {
		if op == "create" && of == "E" {
			return errBoom
		}
		if op == "update" && of == "A" {
			if updates++; updates > 1 {
				return errBoom
			}
		}
		return nil
	}
	r.update(changed, UpdateBackFailed)
	if err := r.ContinueUpdateRollback(t.Context(), r.caller, region, "demo", "", []string{"B"}, ""); err == nil {
		t.Error("a resource that did not fail was skipped")
	}
	if err := r.ContinueUpdateRollback(t.Context(), r.caller, region, "demo", "", []string{"A"}, ""); err != nil {
		t.Fatal(err)
	}
	r.ends(id, UpdateBackDone)
	r.consistent(id)
}

func TestUpdateLeftAsItIsCanBeRolledBackOrGoneOnWith(t *testing.T) {
	for _, how := range []string{"rolled back", "gone on with", "deleted"} {
		t.Run(how, func(t *testing.T) {
			r := newRig(t)
			id := r.create(chain, CreateComplete)
			world := r.w.snapshot()
			r.w.before = failOn("create", "E")
			in := r.input(changed)
			in.DisableRollback = true
			if _, err := r.UpdateStack(t.Context(), r.caller, in); err != nil {
				t.Fatal(err)
			}
			r.ends(id, UpdateFailed)
			r.w.reset()
			switch how {
			case "rolled back":
				if _, err := r.RollbackStack(t.Context(), r.caller, region, "demo", "", ""); err != nil {
					t.Fatal(err)
				}
				r.ends(id, UpdateBackDone)
				if got := r.w.snapshot(); got != world {
					t.Errorf("the world is\n%s\nwant\n%s", got, world)
				}
				r.consistent(id)
			case "gone on with":
				r.update(changed, UpdateComplete)
				r.consistent(id)
			case "deleted":
				r.delete(id, DeleteComplete)
				if got := r.w.snapshot(); got != "" {
					t.Errorf("left over: %s", got)
				}
			}
		})
	}
}

func TestDeletionThatFails(t *testing.T) {
	r := newRig(t)
	id := r.create(chain, CreateComplete)
	r.w.before = failOn("delete", "B")
	r.delete(id, DeleteFailed)
	if got := r.w.order(); slices.Contains(got, "delete A") {
		t.Errorf("A was deleted although B, which uses it, was not: %q", got)
	}
	if h := r.history(id); !strings.Contains(h, "demo DELETE_FAILED The following resource(s) failed to delete: [B]. \n") {
		t.Errorf("events:\n%s", h)
	}
	if err := r.DeleteStack(t.Context(), r.caller, DeleteInput{Region: region, Name: "demo", Retain: []string{"B"}}); err != nil {
		t.Fatal(err)
	}
	r.ends(id, DeleteComplete)
	if s := r.w.snapshot(); !strings.HasPrefix(s, "Test::Thing demo-B-") || strings.Contains(s, "\n") {
		t.Errorf("left over: %s, want B", s)
	}
}

func TestDeletionPolicies(t *testing.T) {
	template := func(policy string) string {
		return "Resources:\n  A: {Type: Test::Thing, DeletionPolicy: " + policy + "}\n  B: {Type: Test::Thing, DependsOn: A}\n"
	}
	for _, c := range []struct {
		policy             string
		onDelete, onCreate int // things that stay
	}{{"Delete", 0, 0}, {"Retain", 1, 1}, {"RetainExceptOnCreate", 1, 0}} {
		r := newRig(t)
		r.delete(r.create(template(c.policy), CreateComplete), DeleteComplete)
		if n := len(r.w.things); n != c.onDelete {
			t.Errorf("%s: %d things stay after the deletion, want %d", c.policy, n, c.onDelete)
		}
		r = newRig(t)
		r.w.before = failOn("create", "B")
		r.create(template(c.policy), RollbackComplete)
		if n := len(r.w.things); n != c.onCreate {
			t.Errorf("%s: %d things stay after a failed creation, want %d", c.policy, n, c.onCreate)
		}
	}
	_, err := newRig(t).CreateStack(t.Context(), newRig(t).caller, newRig(t).input(template("Snapshot")))
	refusal(t, err, "cannot be Snapshot", "line 2")
}

func TestWhatWasReplacedTwiceIsDeleted(t *testing.T) {
	r := newRig(t)
	id := r.create(chain, CreateComplete)
	r.w.before = failOn("create", "E")
	in := r.input(changed)
	in.DisableRollback = true
	if _, err := r.UpdateStack(t.Context(), r.caller, in); err != nil {
		t.Fatal(err)
	}
	r.ends(id, UpdateFailed)
	r.w.reset()
	r.update(strings.Replace(changed, "Name: other", "Name: third", 1), UpdateComplete)
	r.consistent(id)
}
