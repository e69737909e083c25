package cloudformation

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"glassine/iam"
)

func TestExportsHoldTheirStack(t *testing.T) {
	r := newRig(t)
	const exporter = "Resources: {A: {Type: Test::Thing, Properties: {Size: 1}}}\nOutputs: {O: {Value: !GetAtt A.Size, Export: {Name: size}}}"
	id := r.create(exporter, CreateComplete)
	user := r.input("Resources: {B: {Type: Test::Thing, Properties: {Size: !ImportValue size}}}")
	user.Name = "user"
	userID := r.createOf(user, CreateComplete)
	if got := r.find(region, "user").resources["B"].Properties["Size"]; got != int64(1) {
		t.Errorf("imported %v", got)
	}
	twin := r.input(exporter)
	twin.Name = "twin"
	twinID := r.createOf(twin, RollbackComplete)
	if h := r.history(twinID); !strings.Contains(h, "Export with name size is already exported by stack demo.") {
		t.Errorf("events:\n%s", h)
	}
	r.delete(id, DeleteFailed)
	if h := r.history(id); !strings.Contains(h, "Cannot delete export size as it is in use by user.") {
		t.Errorf("events:\n%s", h)
	}
	if len(r.w.things) != 2 {
		t.Errorf("%d things, want 2", len(r.w.things))
	}
	if users, err := r.Imports(t.Context(), r.caller, region, "size"); err != nil || !slices.Equal(users, []string{"user"}) {
		t.Errorf("Imports = %q %v", users, err)
	}
	r.delete(userID, DeleteComplete)
	r.delete(id, DeleteComplete)
	if all, err := r.Exports(t.Context(), r.caller, region); err != nil || len(all) != 0 {
		t.Errorf("Exports = %v %v", all, err)
	}
}

func TestExportInUseIsNotChanged(t *testing.T) {
	r := newRig(t)
	template := func(size string) string {
		return "Resources: {A: {Type: Test::Thing, Properties: {Size: " + size + "}}}\nOutputs: {O: {Value: !GetAtt A.Size, Export: {Name: size}}}"
	}
	id := r.create(template("1"), CreateComplete)
	user := r.input("Resources: {B: {Type: Test::Thing, Properties: {Size: !ImportValue size}}}")
	user.Name = "user"
	r.createOf(user, CreateComplete)
	world := r.w.snapshot()
	r.update(template("2"), UpdateBackDone)
	if h := r.history(id); !strings.Contains(h, "Cannot update export size as it is in use by user.") {
		t.Errorf("events:\n%s", h)
	}
	if got := r.w.snapshot(); got != world {
		t.Errorf("the world is\n%s\nwant\n%s", got, world)
	}
}

func TestStackPolicyHoldsResources(t *testing.T) {
	const policy = `{"Statement":[{"Effect":"Allow","Action":"Update:*","Principal":"*","Resource":"*"},
		{"Effect":"Deny","Action":["Update:Replace","Update:Delete"],"Principal":"*","Resource":"LogicalResourceId/B"}]}`
	for _, c := range []struct{ name, template, want string }{
		{"replacement", strings.Replace(chain, "{Text: !Ref A, Size: 2}", "{Name: other}", 1), "Action denied by stack policy: Statement [#2] does not allow [Update:Replace] for resource [LogicalResourceId/B]"},
		{"deletion", "Resources: {A: {Type: Test::Thing}}", "does not allow [Update:Delete] for resource [LogicalResourceId/B]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			id := r.create(chain, CreateComplete)
			if err := r.SetStackPolicy(t.Context(), r.caller, region, "demo", policy); err != nil {
				t.Fatal(err)
			}
			world := r.w.snapshot()
			r.update(c.template, UpdateBackDone)
			if h := r.history(id); !strings.Contains(h, c.want) {
				t.Errorf("events:\n%s", h)
			}
			if got := r.w.snapshot(); got != world {
				t.Errorf("the world is\n%s\nwant\n%s", got, world)
			}
			in := r.input(c.template)
			in.DuringUpdate = `{"Statement":[{"Effect":"Allow","Action":"Update:*","Principal":"*","Resource":"*"}]}`
			if _, err := r.UpdateStack(t.Context(), r.caller, in); err != nil {
				t.Fatal(err)
			}
			r.ends(id, UpdateComplete)
		})
	}
	r := newRig(t)
	r.create(chain, CreateComplete)
	refusal(t, r.SetStackPolicy(t.Context(), r.caller, region, "demo", `{"Statement":[{"Effect":"Maybe"}]}`), "Effect must be Allow or Deny")
}

func TestCustomNameIsNotReplaced(t *testing.T) {
	r := newRig(t)
	id := r.create("Resources: {A: {Type: Test::Named, Properties: {Name: one, Deep: {Fixed: x}}}}", CreateComplete)
	r.update("Resources: {A: {Type: Test::Named, Properties: {Name: one, Deep: {Fixed: y}}}}", UpdateBackDone)
	if h := r.history(id); !strings.Contains(h, "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename one and update the stack again.") {
		t.Errorf("events:\n%s", h)
	}
	r.update("Resources: {A: {Type: Test::Named, Properties: {Name: two, Deep: {Fixed: y}}}}", UpdateComplete)
	r.consistent(id)
}

func TestCapabilities(t *testing.T) {
	r := newRig(t)
	in := r.input("Resources: {A: {Type: Test::Named, Properties: {Name: one}}}")
	in.Capabilities = []string{"CAPABILITY_IAM"}
	_, err := r.CreateStack(t.Context(), r.caller, in)
	refusal(t, err, "InsufficientCapabilitiesException: Requires capabilities : [CAPABILITY_NAMED_IAM]")
	in.Template = "Resources: {A: {Type: Test::Named}}"
	r.createOf(in, CreateComplete)
}

func TestProtectedStackIsNotDeleted(t *testing.T) {
	r := newRig(t)
	in := r.input(chain)
	in.Protected = true
	id := r.createOf(in, CreateComplete)
	err := r.DeleteStack(t.Context(), r.caller, DeleteInput{Region: region, Name: "demo"})
	refusal(t, err, "Stack [demo] cannot be deleted while TerminationProtection is enabled")
	if _, err := r.UpdateTerminationProtection(t.Context(), r.caller, region, "demo", false); err != nil {
		t.Fatal(err)
	}
	r.delete(id, DeleteComplete)
}

func TestTagsOfTheStackReachTaggableResources(t *testing.T) {
	r := newRig(t)
	id := r.create(chain, CreateComplete)
	in := r.input(chain)
	in.Tags = []Tag{{"team", "x"}}
	r.w.reset()
	if _, err := r.UpdateStack(t.Context(), r.caller, in); err != nil {
		t.Fatal(err)
	}
	r.ends(id, UpdateComplete)
	if n := len(r.w.order()); n != 4 {
		t.Errorf("%d resources were updated, want 4", n)
	}
	_, err := r.UpdateStack(t.Context(), r.caller, r.input(chain)) // nil tags keep those that are there
	refusal(t, err, noUpdates)
}

// blocked makes the operation of a resource wait until its context ends, or for long.
func blocked(op, id string) func(context.Context, string, string) error {
	return func(ctx context.Context, o, i string) error {
		if o != op || i != id {
			return nil
		}
		<-ctx.Done()
		return ctx.Err()
	}
}

func TestOperationsUnderWay(t *testing.T) {
	f := func(name string, run func(t *testing.T, r *rig)) {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				run(t, r)
				_ = r.Close()
			})
		})
	}
	f("one at a time", func(t *testing.T, r *rig) {
		r.w.wait = blocked("create", "C")
		id, err := r.CreateStack(t.Context(), r.caller, r.input(chain))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_, err = r.UpdateStack(t.Context(), r.caller, r.input(chain))
		refusal(t, err, "Stack:"+id+" is in CREATE_IN_PROGRESS state and can not be updated.")
		_, err = r.CreateStack(t.Context(), r.caller, r.input(chain))
		refusal(t, err, "AlreadyExistsException: Stack [demo] already exists")
	})
	f("a stack is deleted while it is created", func(t *testing.T, r *rig) {
		r.w.wait = blocked("create", "C")
		id, err := r.CreateStack(t.Context(), r.caller, r.input(chain))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.delete(id, DeleteComplete)
		if s := r.w.snapshot(); s != "" {
			t.Errorf("left over: %s", s)
		}
	})
	f("an update is cancelled", func(t *testing.T, r *rig) {
		id := r.create(chain, CreateComplete)
		world := r.w.snapshot()
		r.w.wait = blocked("create", "E")
		if _, err := r.UpdateStack(t.Context(), r.caller, r.input(changed)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if _, err := r.UpdateTerminationProtection(t.Context(), r.caller, region, "demo", true); err != nil {
			t.Fatal(err)
		}
		if err := r.CancelUpdateStack(t.Context(), r.caller, region, "demo"); err != nil {
			t.Fatal(err)
		}
		r.ends(id, UpdateBackDone)
		if got := r.w.snapshot(); got != world {
			t.Errorf("the world is\n%s\nwant\n%s", got, world)
		}
		if !r.find(region, id).Protected {
			t.Error("the protection that was set meanwhile is gone")
		}
		r.consistent(id)
		refusal(t, r.CancelUpdateStack(t.Context(), r.caller, region, "demo"), "CancelUpdateStack cannot be called from current stack status")
	})
	f("a creation takes too long", func(t *testing.T, r *rig) {
		r.w.wait = blocked("create", "B")
		in := r.input(chain)
		in.TimeoutMinutes = 5
		begun := time.Now()
		id, err := r.CreateStack(t.Context(), r.caller, in)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		got, err := r.Wait(ctx, id)
		if err != nil || got != RollbackComplete {
			t.Fatalf("%s %v", got, err)
		}
		if took := time.Since(begun); took < 5*time.Minute || took > 6*time.Minute {
			t.Errorf("it took %v", took)
		}
		if h := r.history(id); !strings.Contains(h, "ROLLBACK_IN_PROGRESS Stack creation time exceeded the specified timeout. Rollback requested by user.") {
			t.Errorf("events:\n%s", h)
		}
	})
	f("a closed service goes on when it is started again", func(t *testing.T, r *rig) {
		r.w.wait = blocked("create", "C")
		id, err := r.CreateStack(t.Context(), r.caller, r.input(chain))
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		_ = r.Close()
		r.w.reset()
		r.restart()
		r.ends(id, CreateComplete)
		if got, want := r.w.order(), []string{"create C", "create D"}; !slices.Equal(got, want) {
			t.Errorf("calls after the restart = %q, want %q", got, want)
		}
		r.consistent(id)
	})
}

func TestSameTokenBeginsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.w.wait = blocked("create", "A")
		in := r.input(chain)
		in.Token = "once"
		one, err := r.CreateStack(t.Context(), r.caller, in)
		if err != nil {
			t.Fatal(err)
		}
		two, err := r.CreateStack(t.Context(), r.caller, in)
		if err != nil || one != two {
			t.Errorf("again: %s %v, want %s", two, err, one)
		}
		_ = r.Close()
		r.w.reset()
		r.restart()
		r.ends(one, CreateComplete)
		if two, err := r.CreateStack(t.Context(), r.caller, in); err != nil || one != two {
			t.Errorf("again when it is made: %s %v, want %s", two, err, one)
		}
		_ = r.Close()
	})
}

// Who acts: the caller by way of CloudFormation, or the stack's role.
func TestWhoActs(t *testing.T) {
	r := newRig(t)
	const trust = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"cloudformation.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	if _, err := r.iam.CreateRole(t.Context(), r.caller, iam.NewRole{Name: "stack", Trust: trust}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.iam.CreateRole(t.Context(), r.caller, iam.NewRole{Name: "other", Trust: strings.Replace(trust, "cloudformation", "lambda", 1)}); err != nil {
		t.Fatal(err)
	}
	var who []iam.Caller
	types := r.w.types()
	spy := types.Find("Test::Thing").Handler
	types.Find("Test::Thing").Handler = spyOn{spy, func(q *Request) { who = append(who, q.Caller) }}
	r.cfg.Types = types
	in := r.input("Resources: {A: {Type: Test::Thing}}")
	r.createOf(in, CreateComplete)
	in.Name, in.Role = "two", "arn:aws:iam::"+account+":role/stack"
	r.createOf(in, CreateComplete)
	if len(who) != 2 {
		t.Fatalf("%d calls", len(who))
	}
	if c := who[0]; c.Principal.Kind != iam.Root || c.Session == nil || !slices.Equal(c.Session.Via, []string{ServicePrincipal}) {
		t.Errorf("without a role: %+v", c)
	}
	if c := who[1]; c.Principal.ARN != "arn:aws:sts::"+account+":assumed-role/stack/AWSCloudFormation" {
		t.Errorf("with a role: %+v", c)
	}
	in.Name, in.Role = "three", "arn:aws:iam::"+account+":role/other"
	_, err := r.CreateStack(t.Context(), r.caller, in)
	refusal(t, err, "Role arn:aws:iam::"+account+":role/other is invalid or cannot be assumed")
}

type spyOn struct {
	Handler
	see func(*Request)
}

func (s spyOn) Create(ctx context.Context, r *Request) (Resource, error) {
	s.see(r)
	return s.Handler.Create(ctx, r)
}

// Every method asks IAM first: nobody may do nothing.
func TestEveryOperationIsAuthorised(t *testing.T) {
	r := newRig(t)
	r.create(chain, CreateComplete)
	ctx, nobody := t.Context(), iam.Caller{}
	in := r.input(changed)
	calls := map[string]func() error{
		"CreateStack": func() error { x := in; x.Name = "x"; _, err := r.CreateStack(ctx, nobody, x); return err },
		"UpdateStack": func() error { _, err := r.UpdateStack(ctx, nobody, in); return err },
		"DeleteStack": func() error { return r.DeleteStack(ctx, nobody, DeleteInput{Region: region, Name: "demo"}) },
		"Cancel":      func() error { return r.CancelUpdateStack(ctx, nobody, region, "demo") },
		"Continue":    func() error { return r.ContinueUpdateRollback(ctx, nobody, region, "demo", "", nil, "") },
		"Rollback":    func() error { _, err := r.RollbackStack(ctx, nobody, region, "demo", "", ""); return err },
		"Protect":     func() error { _, err := r.UpdateTerminationProtection(ctx, nobody, region, "demo", true); return err },
		"SetPolicy":   func() error { return r.SetStackPolicy(ctx, nobody, region, "demo", "") },
		"GetPolicy":   func() error { _, err := r.GetStackPolicy(ctx, nobody, region, "demo"); return err },
		"Describe":    func() error { _, err := r.DescribeStacks(ctx, nobody, region, "demo"); return err },
		"DescribeAll": func() error { _, err := r.DescribeStacks(ctx, nobody, region, ""); return err },
		"List":        func() error { _, err := r.ListStacks(ctx, nobody, region, nil); return err },
		"Events":      func() error { _, _, err := r.Events(ctx, nobody, region, "demo", "", 1); return err },
		"OperationEvents": func() error {
			_, _, err := r.OperationEvents(ctx, nobody, region, "demo", "", "", false, 1)
			return err
		},
		"Resources":   func() error { _, _, err := r.Resources(ctx, nobody, region, "demo", "ListStackResources"); return err },
		"Resource":    func() error { _, _, err := r.Resource(ctx, nobody, region, "demo", "A"); return err },
		"StackOf":     func() error { _, err := r.StackOf(ctx, nobody, region, "A"); return err },
		"GetTemplate": func() error { _, err := r.GetTemplate(ctx, nobody, region, "demo", ""); return err },
		"Summarize":   func() error { _, err := r.Summarize(ctx, nobody, region, "ValidateTemplate", chain, ""); return err },
		"Exports":     func() error { _, err := r.Exports(ctx, nobody, region); return err },
		"Imports":     func() error { _, err := r.Imports(ctx, nobody, region, "x"); return err },
		"CreateSet":   func() error { _, err := r.CreateChangeSet(ctx, nobody, "x", "UPDATE", "", in); return err },
		"DescribeSet": func() error { _, err := r.DescribeChangeSet(ctx, nobody, region, "x", "demo"); return err },
		"ExecuteSet":  func() error { _, err := r.ExecuteChangeSet(ctx, nobody, region, "x", "demo", Execution{}); return err },
		"DeleteSet":   func() error { return r.DeleteChangeSet(ctx, nobody, region, "x", "demo") },
		"ListSets":    func() error { _, err := r.ListChangeSets(ctx, nobody, region, "demo"); return err },
	}
	for name, call := range calls {
		if err := call(); err == nil || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("%s: %v, want AccessDenied", name, err)
		}
	}
}
