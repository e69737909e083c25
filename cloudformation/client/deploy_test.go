package client

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
)

func template(t *testing.T, text string) *Template {
	t.Helper()
	out, err := ParseTemplate("test.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

const twoResources = "Parameters: {Size: {Type: Number, Default: 1}}\nResources:\n  A: {Type: AWS::S3::Bucket}\n  B: {Type: AWS::IAM::Role, Properties: {X: 1}}\n"

func TestDeploy(t *testing.T) {
	for _, tt := range []struct {
		name string
		// before are deployed first; then is what is looked at.
		before           []string
		then             string
		parameters       map[string]string
		fails            map[string]string
		failsBefore      map[string]string
		deployer         Deployer
		result, status   string
		err, cause, plan string
	}{
		{name: "a stack that is not there is created", then: twoResources, result: "created", status: "CREATE_COMPLETE", plan: "Add A, Add B"},
		{name: "a stack that is there is updated", before: []string{twoResources}, then: strings.Replace(twoResources, "X: 1", "X: 2", 1), result: "updated", status: "UPDATE_COMPLETE", plan: "Modify B"},
		{name: "the same again is no change", before: []string{twoResources}, then: twoResources, result: "unchanged", status: "CREATE_COMPLETE"},
		{
			name: "one that fails goes back, and its cause is told", then: twoResources, fails: map[string]string{"A": "the name is taken"}, result: "failed", status: "ROLLBACK_COMPLETE",
			err: "stack s: ROLLBACK_COMPLETE", cause: "A: the name is taken", plan: "Add A, Add B",
		},
		{
			name: "a creation that failed is deleted and made again", before: []string{twoResources}, failsBefore: map[string]string{"B": "no"}, then: twoResources, result: "created",
			status: "CREATE_COMPLETE", plan: "Add A, Add B",
		},
		{name: "a plan alone changes nothing", then: twoResources, deployer: Deployer{PlanOnly: true}, result: "planned", plan: "Add A, Add B"},
		{
			name: "a plan that is declined changes nothing", before: []string{twoResources}, then: strings.Replace(twoResources, "X: 1", "X: 2", 1),
			deployer: Deployer{Confirm: func(context.Context, *Plan) (bool, error) { return false, nil }}, result: "declined", plan: "Modify B",
		},
		{name: "a parameter that is not given stays", before: []string{twoResources}, parameters: map[string]string{"Size": "3"}, then: twoResources, result: "unchanged", status: "CREATE_COMPLETE"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fake, c := newFakeAWS(t)
				fake.fails = tt.failsBefore
				for _, b := range tt.before {
					_, err := (&Deployer{Client: c}).Deploy(t.Context(), &Job{Stack: "s", Template: template(t, b), Parameters: tt.parameters})
					if (err != nil) != (tt.failsBefore != nil) {
						t.Fatal(err)
					}
				}
				fake.fails = tt.fails
				d := tt.deployer
				d.Client = c
				out, err := d.Deploy(t.Context(), &Job{Stack: "s", Template: template(t, tt.then)})
				if (tt.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				if (tt.cause != "") != errors.Is(err, ErrFailed) {
					t.Errorf("error %v is ErrFailed: %t", err, errors.Is(err, ErrFailed))
				}
				if out.Result != tt.result || out.Status != tt.status {
					t.Errorf("outcome %s, %s; want %s, %s", out.Result, out.Status, tt.result, tt.status)
				}
				cause := ""
				if out.Cause != nil {
					cause = out.Cause.LogicalID + ": " + out.Cause.Reason
				}
				if cause != tt.cause {
					t.Errorf("cause %q, want %q", cause, tt.cause)
				}
				var plan []string
				if out.Plan != nil {
					for _, x := range out.Plan.Changes {
						plan = append(plan, x.Action+" "+x.LogicalID)
					}
				}
				if got := strings.Join(plan, ", "); got != tt.plan {
					t.Errorf("plan %q, want %q", got, tt.plan)
				}
				if s := fake.find("s"); out.Result == "planned" && s != nil {
					t.Errorf("the stack of a plan stayed, in %s", s.status)
				}
				if len(fake.sets) > 0 && out.Result != "created" && out.Result != "updated" && out.Result != "failed" && len(tt.before) == 0 {
					t.Errorf("change sets stayed: %d", len(fake.sets))
				}
			})
		})
	}
}

// Every event is handed over once and in order, although a page holds two and each look brings one more.
func TestDeployWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := newFakeAWS(t)
		text := "Resources:\n"
		want := []string{"s CREATE_IN_PROGRESS"}
		for i := range 7 {
			text += fmt.Sprintf("  R%d: {Type: AWS::S3::Bucket}\n", i)
			want = append(want, fmt.Sprintf("R%d CREATE_COMPLETE", i))
		}
		want = append(want, "s CREATE_COMPLETE")
		var got []string
		d := &Deployer{Client: c, Watch: func(e Event) { got = append(got, e.LogicalID+" "+e.Status) }}
		if _, err := d.Deploy(t.Context(), &Job{Stack: "s", Template: template(t, text)}); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("events (-want +got):\n%s", diff)
		}
		got = nil
		if _, err := d.Deploy(t.Context(), &Job{Stack: "s", Template: template(t, text+"  New: {Type: AWS::S3::Bucket}\n")}); err != nil {
			t.Fatal(err)
		}
		if got[0] != "s UPDATE_IN_PROGRESS" || got[len(got)-1] != "s UPDATE_COMPLETE" {
			t.Errorf("events of the update: %q", got)
		}
	})
}

// A deploy that nobody watches any more goes on, and says so.
func TestDeployInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, c := newFakeAWS(t)
		ctx, stop := context.WithCancel(t.Context())
		d := &Deployer{Client: c, Watch: func(Event) { stop() }}
		out, err := d.Deploy(ctx, &Job{Stack: "s", Template: template(t, twoResources)})
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "glassine events -f s") || out.Result != "failed" {
			t.Errorf("%+v, %v", out, err)
		}
		if status := fake.find("s").status; status != "CREATE_IN_PROGRESS" {
			t.Errorf("the stack is in %s", status)
		}
		// And the next one waits for it to end.
		if _, err := (&Deployer{Client: c}).Deploy(t.Context(), &Job{Stack: "s", Template: template(t, twoResources)}); err == nil || !strings.Contains(err.Error(), "wait for it") {
			t.Errorf("a second deploy: %v", err)
		}
	})
}

func TestDeployPackagesLocalCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "fn", "index.mjs"), "export const handler = () => 1\n")
		file := filepath.Join(dir, "stack.yaml")
		write(t, file, "Resources:\n  # kept\n  F: {Type: AWS::Lambda::Function, Properties: {Code: ./fn, Runtime: nodejs22.x}}\n  G:\n    Type: AWS::Lambda::Function\n    Properties:\n      Code: \"fn\" # too\n  I: {Type: AWS::Lambda::Function, Properties: {Code: glassine://image}}\n")
		tpl, err := ReadTemplate(file)
		if err != nil {
			t.Fatal(err)
		}
		fake, c := newFakeAWS(t)
		d := &Deployer{Client: c}
		if _, err := d.Deploy(t.Context(), &Job{Stack: "s", Template: tpl}); err != nil {
			t.Fatal(err)
		}
		sent := fake.find("s").body
		bucket := StagingBucket(testAccount, "us-east-1")
		var key string
		for name := range fake.objects {
			if b, k, _ := strings.Cut(name, "/"); b == bucket && k != "" {
				key = k
			}
		}
		want := fmt.Sprintf("Code: {\"S3Bucket\": \"%s\",\"S3Key\": \"%s\"}", bucket, key)
		if n := strings.Count(sent, want); n != 2 || !strings.Contains(sent, "# kept") || !strings.Contains(sent, "# too") || !strings.Contains(sent, "Code: glassine://image") {
			t.Errorf("%d times %s in\n%s", n, want, sent)
		}
		puts := fake.count("PUT")
		if puts != 3 { // refused, the bucket, the archive
			t.Errorf("%d PUTs, want 3: %q", puts, fake.calls)
		}
		out, err := d.Deploy(t.Context(), &Job{Stack: "s", Template: tpl})
		if err != nil || out.Result != "unchanged" || fake.count("PUT") != puts {
			t.Errorf("again: %s, %v, %d PUTs", out.Result, err, fake.count("PUT"))
		}
		write(t, filepath.Join(dir, "fn", "index.mjs"), "export const handler = () => 2\n")
		if out, err = d.Deploy(t.Context(), &Job{Stack: "s", Template: tpl}); err != nil || out.Result != "updated" {
			t.Errorf("with other code: %s, %v", out.Result, err)
		}
	})
}

// A template that is too long for a request goes through the staging bucket.
func TestDeployLongTemplate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake, c := newFakeAWS(t)
		long := twoResources + "# " + strings.Repeat("x", maxBody) + "\n"
		if _, err := (&Deployer{Client: c}).Deploy(t.Context(), &Job{Stack: "s", Template: template(t, long)}); err != nil {
			t.Fatal(err)
		}
		if fake.find("s").body != long {
			t.Error("another template arrived")
		}
	})
}

func TestDeployAssembly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := testAssembly(t)
		a, err := ReadAssembly(dir)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"a", "b", "named"}, a.names()); diff != "" {
			t.Fatalf("order (-want +got):\n%s", diff)
		}
		fake, c := newFakeAWS(t)
		var mu sync.Mutex
		var ended []string
		d := &Deployer{Client: c, Watch: func(e Event) {
			mu.Lock()
			defer mu.Unlock()
			if e.OfStack() && strings.HasSuffix(e.Status, "_COMPLETE") {
				ended = append(ended, e.StackName)
			}
		}}
		if _, err := d.DeployAssembly(t.Context(), a, nil); err != nil {
			t.Fatal(err)
		}
		if len(ended) != 3 || ended[2] != "named" {
			t.Errorf("stacks ended in the order %q: named depends on the others", ended)
		}
		if got := string(fake.objects["staging-"+testAccount+"-us-east-1/code.zip"]); !strings.HasPrefix(got, "PK") {
			t.Errorf("the asset is %.20q", got)
		}
		if _, ok := fake.objects["staging-"+testAccount+"-us-east-1/template.json"]; ok {
			t.Error("the template was sent as an asset, though it went with the request")
		}
		if !fake.find("named").protected {
			t.Error("no termination protection")
		}
		if outcomes, err := d.DeployAssembly(t.Context(), a, nil); err != nil || slices.ContainsFunc(outcomes, func(o *Outcome) bool { return o.Result != "unchanged" }) {
			t.Errorf("again: %s, %v", mustJSON(t, outcomes), err)
		}
	})
}

// What depends on a stack that failed is left out, and what does not is not.
func TestDeployAssemblyFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, err := ReadAssembly(testAssembly(t))
		if err != nil {
			t.Fatal(err)
		}
		fake, c := newFakeAWS(t)
		fake.fails = map[string]string{"InA": "no"}
		outcomes, err := (&Deployer{Client: c}).DeployAssembly(t.Context(), a, nil)
		var got []string
		for _, o := range outcomes {
			got = append(got, o.Stack+" "+o.Result)
		}
		if diff := cmp.Diff([]string{"a failed", "b created", "named skipped"}, got); diff != "" || !errors.Is(err, ErrFailed) {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	})
}

// testAssembly writes a cdk.out of three stacks.
func testAssembly(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "manifest.json"), `{"version":"55.0.0","artifacts":{
		"c":{"type":"aws:cloudformation:stack","environment":"aws://`+testAccount+`/us-east-1","dependencies":["b","a","c.assets"],"properties":{"templateFile":"c.json","stackName":"named","terminationProtection":true,
			"stackTemplateAssetObjectUrl":"s3://staging-${AWS::AccountId}-${AWS::Region}/template.json"}},
		"a":{"type":"aws:cloudformation:stack","environment":"aws://unknown-account/unknown-region","properties":{"templateFile":"a.json"}},
		"b":{"type":"aws:cloudformation:stack","environment":"aws://unknown-account/us-east-1","properties":{"templateFile":"b.json"}},
		"c.assets":{"type":"cdk:asset-manifest","properties":{"file":"c.assets.json"}},
		"Tree":{"type":"cdk:tree"}}}`)
	write(t, filepath.Join(dir, "c.assets.json"), `{"files":{
		"1":{"source":{"path":"asset.1","packaging":"zip"},"destinations":{"here":{"bucketName":"staging-${AWS::AccountId}-${AWS::Region}","objectKey":"code.zip","region":"us-east-1"}}},
		"2":{"source":{"path":"c.json","packaging":"file"},"destinations":{"here":{"bucketName":"staging-${AWS::AccountId}-${AWS::Region}","objectKey":"template.json"}}}},"dockerImages":{}}`)
	for _, name := range []string{"a", "b", "c"} {
		write(t, filepath.Join(dir, name+".json"), `{"Resources":{"In`+strings.ToUpper(name)+`":{"Type":"AWS::S3::Bucket"}}}`)
	}
	write(t, filepath.Join(dir, "asset.1", "index.js"), "1")
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}
