package client

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

const removable = `{"Resources":{"Fn":{"Type":"AWS::Lambda::Function"},"Pictures":{"Type":"AWS::S3::Bucket"},"Kept":{"Type":"AWS::S3::Bucket","DeletionPolicy":"Retain"},"Role":{"Type":"AWS::IAM::Role"},"Policy":{"Type":"AWS::IAM::Policy"}}}`

func TestRemove(t *testing.T) {
	for _, tt := range []struct {
		name     string
		remover  Remover
		objects  []string
		lingers  string
		removed  string
		left     string
		logs     string
		err      string
		protect  bool
		objectsN int
	}{
		{name: "everything is removed but what a policy keeps", removed: "Fn Pictures Policy Role", logs: "/aws/lambda/fn-Fn"},
		{name: "what is left is found", lingers: "Role", removed: "Fn Pictures Policy Role", left: "Role", logs: "/aws/lambda/fn-Fn"},
		{name: "a bucket that is not empty stops it", objects: []string{"a", "b/c"}, removed: "Fn Policy Role", err: "DELETE_FAILED"},
		{
			name: "buckets are emptied when that is wanted, but not those that stay", remover: Remover{EmptyBuckets: true}, objects: []string{"a", "b c"}, removed: "Fn Pictures Policy Role",
			logs: "/aws/lambda/fn-Fn", objectsN: 2,
		},
		{name: "logs go when that is wanted", remover: Remover{Logs: true}, removed: "Fn Pictures Policy Role"},
		{name: "a protected stack stays", protect: true, err: "termination protection"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake, c := newFakeAWS(t)
				if _, err := (&Deployer{Client: c}).Deploy(t.Context(), &Job{Stack: "fn", Template: template(t, removable), Protected: tt.protect}); err != nil {
					t.Fatal(err)
				}
				fake.objects["fn-Pictures/"], fake.objects["fn-Kept/"], fake.objects["fn-Kept/precious"] = nil, nil, []byte("x")
				for _, key := range tt.objects {
					fake.objects["fn-Pictures/"+key] = []byte("x")
				}
				fake.lingers[tt.lingers] = true
				r := tt.remover
				r.Client = c
				out, err := r.Remove(t.Context(), "fn")
				if (tt.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("error %v, want %q", err, tt.err)
				}
				names := func(list []Resource) string {
					var out []string
					for _, x := range list {
						out = append(out, x.LogicalID)
					}
					slices.Sort(out)
					return strings.Join(out, " ")
				}
				if got := names(out.Removed); got != tt.removed {
					t.Errorf("removed %q, want %q", got, tt.removed)
				}
				if got := names(out.Proof.Left); got != tt.left {
					t.Errorf("left %q, want %q", got, tt.left)
				}
				if got := strings.Join(out.LogGroups, " "); got != tt.logs || out.Objects != tt.objectsN {
					t.Errorf("log groups %q, %d objects; want %q, %d", got, out.Objects, tt.logs, tt.objectsN)
				}
				if _, ok := fake.objects["fn-Kept/precious"]; !ok {
					t.Error("what a policy keeps was emptied")
				}
				if tt.remover.Logs != (fake.count("DeleteLogGroup") == 1) {
					t.Errorf("DeleteLogGroup was called %d times", fake.count("DeleteLogGroup"))
				}
				switch tt.err {
				case "DELETE_FAILED":
					if out.Cause == nil || out.Cause.LogicalID != "Pictures" || !errors.Is(err, ErrFailed) {
						t.Errorf("cause %v of %v", out.Cause, err)
					}
				case "":
					if diff := cmp.Diff([]string{"iam:ListRoles", "lambda:ListFunctions", "s3:ListAllMyBuckets"}, out.Proof.Asked); diff != "" {
						t.Errorf("asked (-want +got):\n%s", diff)
					}
					if names(out.Kept) != "Kept" || !slices.Equal(out.Proof.Unlisted, []string{"AWS::IAM::Policy"}) {
						t.Errorf("kept %v, unlisted %v", out.Kept, out.Proof.Unlisted)
					}
				}
			})
		})
	}
}

// A stack that cannot go before another is tried again after it.
func TestRemoveAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, c := newFakeAWS(t)
		for _, name := range []string{"first", "second"} {
			if _, err := (&Deployer{Client: c}).Deploy(t.Context(), &Job{Stack: name, Template: template(t, twoResources)}); err != nil {
				t.Fatal(err)
			}
		}
		// The newer one holds something until the older one is gone.
		fake.objects["second-A/x"] = []byte("x")
		stacks, err := c.Stacks(t.Context())
		if err != nil || len(stacks) != 2 {
			t.Fatalf("%v, %v", stacks, err)
		}
		r := &Remover{Client: c, Watch: func(e Event) {
			if e.StackName == "first" && e.Status == "DELETE_COMPLETE" && e.OfStack() {
				fake.mu.Lock()
				defer fake.mu.Unlock()
				delete(fake.objects, "second-A/x")
			}
		}}
		out, err := r.RemoveAll(t.Context(), stacks)
		if err != nil || len(out) != 2 || out[0].Stack != "first" || out[1].Stack != "second" {
			t.Errorf("%s, %v", mustJSON(t, out), err)
		}
	})
}

func TestTexts(t *testing.T) {
	const list = `<L><Distribution><Id>D1</Id><Origin><Id>O</Id></Origin></Distribution><Distribution><Id>D2</Id></Distribution><NextMarker>m</NextMarker><Empty></Empty></L>`
	for path, want := range map[string][]string{"Distribution>Id": {"D1", "D2"}, "NextMarker": {"m"}, "Empty": nil, "X>Id": nil} {
		got, err := texts([]byte(list), path)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v; want %q", path, got, err, want)
		}
	}
	if _, err := texts([]byte("<a><b></a>"), "b"); err == nil {
		t.Error("what is no XML was read")
	}
}

func TestFunctionOf(t *testing.T) {
	for arn, want := range map[string]string{
		"arn:aws:lambda:us-east-1:123456789012:function:f:3": "f", "arn:aws:lambda:us-east-1:123456789012:function:f": "f", "f": "f", "arn:aws:lambda:us-east-1:123456789012:layer:l:1": "l",
	} {
		if got := functionOf(arn); got != want {
			t.Errorf("functionOf(%s) = %s, want %s", arn, got, want)
		}
	}
}

func TestRootCause(t *testing.T) {
	const stack = "arn:aws:cloudformation:::stack/s/1"
	event := func(id, status, reason string) Event {
		e := Event{StackID: stack, LogicalID: id, PhysicalID: id, Type: "T", Status: status, Reason: reason}
		if id == "s" {
			e.PhysicalID, e.Type = stack, stackType
		}
		return e
	}
	for _, tt := range []struct {
		name   string
		events []Event
		want   string
	}{
		{"nothing failed", []Event{event("s", "CREATE_IN_PROGRESS", ""), event("A", "CREATE_COMPLETE", "")}, ""},
		{"the first failure counts, not what was cancelled before it was told", []Event{event("A", "CREATE_FAILED", "Resource creation cancelled"), event("B", "CREATE_FAILED", "taken"), event("C", "CREATE_FAILED", "late")}, "B"},
		{"a stack that failed by itself", []Event{event("s", "ROLLBACK_IN_PROGRESS", "export is taken")}, "s"},
	} {
		got := ""
		if e := RootCause(tt.events); e != nil {
			got = e.LogicalID
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// XML cannot say every key: such objects are deleted one by one, and not others in their place.
func TestEmptyBucketWithKeysThatXMLCannotSay(t *testing.T) {
	fake, c := newFakeAWS(t)
	for _, key := range []string{"", "a\x01b", "plain", "a+b &<é"} {
		fake.objects["b/"+key] = []byte("x")
	}
	n, err := c.EmptyBucket(t.Context(), "b")
	if err != nil || n != 3 || len(fake.objects) != 1 {
		t.Errorf("%d deleted, %v, left %v", n, err, fake.objects)
	}
	if fake.count("DELETE") != 3 || fake.count("POST") != 0 {
		t.Errorf("calls %q", fake.calls)
	}
}
