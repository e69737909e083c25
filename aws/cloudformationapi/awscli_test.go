package cloudformationapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"glassine/aws/awscli"
	"glassine/aws/cloudformationapi"
	"glassine/aws/fault"
	"glassine/cloudformation"
	"glassine/iam"
	"glassine/state"
)

const account = "123456789012"

// things are the resources of type Test::Thing.
type things struct {
	mu   sync.Mutex
	all  map[string]cloudformation.Values
	fail string // logical id that cannot be made
}

func (w *things) Create(_ context.Context, r *cloudformation.Request) (cloudformation.Resource, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if r.LogicalID == w.fail {
		return cloudformation.Resource{}, fault.New("InvalidRequest", "it cannot be made")
	}
	id := r.Name(40)
	w.all[id] = r.Properties
	return cloudformation.Resource{PhysicalID: id, Attributes: cloudformation.Values{"Arn": "arn:" + id}}, nil
}

func (w *things) Update(_ context.Context, r *cloudformation.Request) (cloudformation.Resource, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all[r.PhysicalID] = r.Properties
	return cloudformation.Resource{}, nil
}

func (w *things) Delete(_ context.Context, r *cloudformation.Request) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.all, r.PhysicalID)
	return nil
}

func (w *things) Read(context.Context, *cloudformation.Request) (cloudformation.Resource, error) {
	return cloudformation.Resource{}, cloudformation.ErrNotFound
}

func (w *things) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.all)
}

// objects are templates in S3, by bucket/key.
type objects map[string]string

func (o objects) GetObject(_ context.Context, _ iam.Caller, bucket, key, _ string) (io.ReadCloser, error) {
	text, ok := o[bucket+"/"+key]
	if !ok {
		return nil, fault.New("NoSuchKey", "no")
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

// server serves an engine of things.
func server(t *testing.T) (*httptest.Server, *things, iam.Credentials) {
	t.Helper()
	identities, err := iam.New(t.Context(), iam.Config{State: &state.Memory{}, Account: account, Key: [32]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	root, _, err := identities.EnsureRoot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	w := &things{all: map[string]cloudformation.Values{}}
	stacks, err := cloudformation.New(t.Context(), cloudformation.Config{
		State: &state.Memory{}, IAM: identities, Log: slog.New(slog.DiscardHandler), Types: cloudformation.NewTypes(&cloudformation.Type{
			Name: "Test::Thing", Handler: w, Attributes: []string{"Arn"}, Capability: true,
			Properties: map[string]*cloudformation.Property{"Size": {Kind: cloudformation.Integer}, "Name": {Replace: true}},
		}),
	})
	if err != nil {
		t.Fatal(err)
	}
	stacks.Start()
	h := &cloudformationapi.Handler{IAM: identities, Stacks: stacks, Objects: objects{"templates/a.yaml": template}, Endpoints: []string{"localhost", "127.0.0.1"}}
	srv := httptest.NewServer(h)
	t.Cleanup(func() { srv.Close(); _ = stacks.Close() })
	return srv, w, root
}

// cli runs aws-cli against a server.
type cli struct {
	t        *testing.T
	endpoint string
	home     string
	key      iam.Credentials
}

func newCLI(t *testing.T) (cli, *things) {
	t.Helper()
	srv, w, root := server(t)
	return cli{t, srv.URL, t.TempDir(), root}, w
}

func (c cli) try(args ...string) (out []byte, complaint string) {
	c.t.Helper()
	if args[0] == "deploy" { // it names a change set by the second, and there may be one of that name
		second := time.Now().Truncate(time.Second).Add(time.Second)
		defer func() { time.Sleep(time.Until(second)) }()
	}
	cmd := awscli.Command(c.t.Context(), append([]string{"--endpoint-url", c.endpoint, "--output", "json", "cloudformation"}, args...)...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + c.home, "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_DEFAULT_REGION=eu-west-1",
		"AWS_MAX_ATTEMPTS=1", "AWS_ACCESS_KEY_ID=" + c.key.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + c.key.SecretAccessKey,
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begun := time.Now()
	defer func() { c.t.Logf("%v %s", time.Since(begun).Round(100*time.Millisecond), args[0]) }()
	if err := cmd.Run(); err != nil {
		return stdout.Bytes(), err.Error() + ": " + strings.TrimSpace(stderr.String())
	}
	return stdout.Bytes(), ""
}

// run wants success, and decodes the answer into out unless it is nil.
func (c cli) run(out any, args ...string) {
	c.t.Helper()
	text, complaint := c.try(args...)
	if complaint != "" {
		c.t.Fatalf("aws cloudformation %s: %s", strings.Join(args, " "), complaint)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(text, out); err != nil {
		c.t.Fatalf("aws cloudformation %s: %v: %s", strings.Join(args, " "), err, text)
	}
}

// fails wants a complaint with all parts.
func (c cli) fails(args []string, parts ...string) {
	c.t.Helper()
	_, complaint := c.try(args...)
	for _, p := range parts {
		if complaint == "" || !strings.Contains(complaint, p) {
			c.t.Errorf("aws cloudformation %s: %q, want %q", strings.Join(args, " "), complaint, p)
		}
	}
}

func (c cli) file(name, text string) string {
	c.t.Helper()
	path := filepath.Join(c.home, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

const template = `
Description: things
Parameters: {Size: {Type: Number, Default: 1}, Hidden: {Type: String, NoEcho: true, Default: hush}}
Resources:
  A: {Type: Test::Thing, Properties: {Size: !Ref Size}, Metadata: {note: x}}
  B: {Type: Test::Thing, Properties: {Name: !Ref A}}
Outputs: {Arn: {Value: !GetAtt B.Arn, Description: of B, Export: {Name: arn}}}
`

type stack struct {
	StackId, StackName, StackStatus, StackStatusReason, Description, ChangeSetId string
	CreationTime                                                                 time.Time
	Parameters                                                                   []struct{ ParameterKey, ParameterValue string }
	Outputs                                                                      []struct{ OutputKey, OutputValue, Description, ExportName string }
	Tags                                                                         []struct{ Key, Value string }
	Capabilities                                                                 []string
	EnableTerminationProtection                                                  bool
}

func (c cli) describe(name string) stack {
	c.t.Helper()
	var out struct{ Stacks []stack }
	c.run(&out, "describe-stacks", "--stack-name", name)
	return out.Stacks[0]
}

func TestAWSCLIDeploy(t *testing.T) {
	t.Parallel()
	c, w := newCLI(t)
	path := c.file("t.yaml", template)
	deploy := []string{"deploy", "--template-file", path, "--stack-name", "demo", "--capabilities", "CAPABILITY_IAM"}
	c.fails([]string{"describe-stacks", "--stack-name", "demo"}, "(ValidationError)", "Stack with id demo does not exist")
	c.fails(deploy[:5], "(InsufficientCapabilitiesException)", "Requires capabilities : [CAPABILITY_IAM]")
	begun := time.Now()
	c.run(nil, append(deploy, "--tags", "team=photos")...)
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("deploy took %v: a waiter slept", took)
	}
	s := c.describe("demo")
	if s.StackStatus != "CREATE_COMPLETE" || s.Description != "things" || len(s.Outputs) != 1 || s.Outputs[0].ExportName != "arn" || s.Outputs[0].Description != "of B" ||
		len(s.Tags) != 1 || s.Tags[0].Value != "photos" || s.Parameters[1].ParameterValue != "****" || !strings.HasPrefix(s.StackId, "arn:aws:cloudformation:eu-west-1:"+account+":stack/demo/") {
		t.Errorf("describe-stacks = %+v", s)
	}
	if out, complaint := c.try(append(deploy, "--no-fail-on-empty-changeset", "--tags", "team=photos")...); complaint != "" || !strings.Contains(string(out), "No changes to deploy. Stack demo is up to date") {
		t.Errorf("again: %s %s", out, complaint)
	}
	c.fails([]string{"update-stack", "--stack-name", "demo", "--use-previous-template", "--capabilities", "CAPABILITY_IAM"}, "(ValidationError)", "No updates are to be performed.")
	c.run(nil, append(deploy, "--parameter-overrides", "Size=2")...)
	if s := c.describe("demo"); s.StackStatus != "UPDATE_COMPLETE" || s.Parameters[0].ParameterValue != "2" {
		t.Errorf("after the update: %+v", s)
	}
	var got struct {
		TemplateBody    string
		StagesAvailable []string
	}
	c.run(&got, "get-template", "--stack-name", "demo")
	if got.TemplateBody != template {
		t.Errorf("get-template = %q", got.TemplateBody)
	}
	var exports struct {
		Exports []struct{ Name, Value string }
	}
	if c.run(&exports, "list-exports"); len(exports.Exports) != 1 || exports.Exports[0].Name != "arn" {
		t.Errorf("list-exports = %+v", exports)
	}
	c.run(nil, "delete-stack", "--stack-name", "demo")
	c.run(nil, "wait", "stack-delete-complete", "--stack-name", s.StackId)
	if s := c.describe(s.StackId); s.StackStatus != "DELETE_COMPLETE" {
		t.Errorf("by its id: %+v", s)
	}
	if n := w.count(); n != 0 {
		t.Errorf("%d things are left", n)
	}
}

func TestAWSCLIChangeSetsAndEvents(t *testing.T) {
	t.Parallel()
	c, w := newCLI(t)
	c.run(nil, "create-change-set", "--stack-name", "demo", "--change-set-name", "one", "--change-set-type", "CREATE", "--capabilities", "CAPABILITY_IAM",
		"--template-url", c.endpoint+"/templates/a.yaml", "--tags", "--description", "first")
	var set struct {
		Status, ExecutionStatus, Description string
		Changes                              []struct {
			Type           string
			ResourceChange struct {
				Action, LogicalResourceId, Replacement string
				Scope                                  []string
				Details                                []struct {
					Target                   struct{ Attribute, Name, RequiresRecreation string }
					Evaluation, ChangeSource string
					CausingEntity            string
				}
			}
		}
	}
	c.run(&set, "describe-change-set", "--stack-name", "demo", "--change-set-name", "one")
	if set.Status != "CREATE_COMPLETE" || set.ExecutionStatus != "AVAILABLE" || len(set.Changes) != 2 || set.Changes[0].ResourceChange.Action != "Add" || set.Description != "first" {
		t.Errorf("describe-change-set = %+v", set)
	}
	if s := c.describe("demo"); s.StackStatus != "REVIEW_IN_PROGRESS" {
		t.Errorf("in review: %+v", s)
	}
	c.run(nil, "execute-change-set", "--stack-name", "demo", "--change-set-name", "one")
	c.run(nil, "wait", "stack-create-complete", "--stack-name", "demo")
	c.run(nil, "create-change-set", "--stack-name", "demo", "--change-set-name", "two", "--use-previous-template", "--capabilities", "CAPABILITY_IAM",
		"--parameters", "ParameterKey=Size,ParameterValue=5", "ParameterKey=Hidden,UsePreviousValue=true")
	c.run(&set, "describe-change-set", "--stack-name", "demo", "--change-set-name", "two")
	r := set.Changes[0].ResourceChange
	if len(set.Changes) != 1 || r.Action != "Modify" || r.Replacement != "False" || r.Details[0].Target.Name != "Size" || r.Details[0].CausingEntity != "Size" || !slices.Equal(r.Scope, []string{"Properties"}) {
		t.Errorf("describe-change-set = %+v", set)
	}
	var list struct {
		Summaries []struct{ ChangeSetName string }
	}
	if c.run(&list, "list-change-sets", "--stack-name", "demo"); len(list.Summaries) != 1 || list.Summaries[0].ChangeSetName != "two" {
		t.Errorf("list-change-sets = %+v", list)
	}
	c.run(nil, "delete-change-set", "--stack-name", "demo", "--change-set-name", "two")
	c.fails([]string{"describe-change-set", "--stack-name", "demo", "--change-set-name", "two"}, "(ChangeSetNotFound)")

	w.mu.Lock()
	w.fail = "C"
	w.mu.Unlock()
	c.run(nil, "update-stack", "--stack-name", "demo", "--capabilities", "CAPABILITY_IAM", "--template-body", strings.Replace(template, "Outputs:", "  C: {Type: Test::Thing}\nOutputs:", 1))
	c.fails([]string{"wait", "stack-update-complete", "--stack-name", "demo"}, "terminal failure state")
	var events struct {
		StackEvents []struct {
			EventId, LogicalResourceId, ResourceStatus, ResourceStatusReason, ResourceType string
			Timestamp                                                                      time.Time
		}
	}
	c.run(&events, "describe-stack-events", "--stack-name", "demo")
	last := time.Time{}
	var failed string
	for i, e := range events.StackEvents {
		if i > 0 && !e.Timestamp.Before(last) {
			t.Errorf("event %d is not older than the one before it", i)
		}
		last = e.Timestamp
		if e.ResourceStatus == "CREATE_FAILED" {
			failed = e.LogicalResourceId + " " + e.ResourceStatusReason
		}
	}
	if events.StackEvents[0].ResourceStatus != "UPDATE_ROLLBACK_COMPLETE" || !strings.HasPrefix(failed, `C Resource handler returned message: "it cannot be made"`) {
		t.Errorf("events: %+v", events)
	}
}

func TestAWSCLIEverythingElse(t *testing.T) {
	t.Parallel()
	c, w := newCLI(t)
	c.run(nil, "create-stack", "--stack-name", "demo", "--template-body", template, "--capabilities", "CAPABILITY_IAM", "--enable-termination-protection")
	c.fails([]string{"create-stack", "--stack-name", "demo", "--template-body", template, "--capabilities", "CAPABILITY_IAM"}, "(AlreadyExistsException)", "Stack [demo] already exists")
	c.fails([]string{"delete-stack", "--stack-name", "demo"}, "TerminationProtection is enabled")
	c.run(nil, "update-termination-protection", "--stack-name", "demo", "--no-enable-termination-protection")
	var resources struct {
		StackResourceSummaries []struct{ LogicalResourceId, PhysicalResourceId, ResourceStatus string }
		StackResources         []struct{ LogicalResourceId, StackName string }
		StackResourceDetail    struct{ LogicalResourceId, Metadata string }
	}
	c.run(&resources, "list-stack-resources", "--stack-name", "demo")
	c.run(&resources, "describe-stack-resources", "--physical-resource-id", resources.StackResourceSummaries[0].PhysicalResourceId)
	c.run(&resources, "describe-stack-resource", "--stack-name", "demo", "--logical-resource-id", "A")
	if len(resources.StackResourceSummaries) != 2 || len(resources.StackResources) != 2 || resources.StackResources[0].StackName != "demo" || resources.StackResourceDetail.Metadata != `{"note":"x"}` {
		t.Errorf("resources = %+v", resources)
	}
	const policy = `{"Statement":[{"Effect":"Allow","Action":"Update:*","Principal":"*","Resource":"*"}]}`
	c.run(nil, "set-stack-policy", "--stack-name", "demo", "--stack-policy-body", policy)
	var got struct{ StackPolicyBody string }
	if c.run(&got, "get-stack-policy", "--stack-name", "demo"); got.StackPolicyBody != policy {
		t.Errorf("get-stack-policy = %+v", got)
	}
	var summary struct {
		Parameters []struct {
			ParameterKey, DefaultValue, ParameterType string
			NoEcho                                    bool
		}
		Capabilities, ResourceTypes []string
		CapabilitiesReason          string
	}
	for _, args := range [][]string{{"get-template-summary", "--template-body", template}, {"validate-template", "--template-body", template}} {
		c.run(&summary, args...)
		if len(summary.Parameters) != 2 || !summary.Parameters[1].NoEcho || !slices.Equal(summary.Capabilities, []string{"CAPABILITY_IAM"}) || len(summary.ResourceTypes) != 2 {
			t.Errorf("%s = %+v", args[0], summary)
		}
	}
	c.fails([]string{"validate-template", "--template-body", "Resources: {A: {Type: Test::Thing, Properties: {X: !Ref B}}}"}, "Unresolved resource dependencies [B]", "line 1, column 52")
	c.fails([]string{"validate-template", "--template-url", c.endpoint + "/templates/none.yaml"}, "S3 error: The specified key does not exist.")
	c.fails([]string{"detect-stack-drift", "--stack-name", "demo"}, "(NotImplemented)", "DetectStackDrift")
	c.fails([]string{"list-stack-sets"}, "(NotImplemented)", "ListStackSets")
	c.fails([]string{"cancel-update-stack", "--stack-name", "demo"}, "CancelUpdateStack cannot be called from current stack status")
	c.fails([]string{"continue-update-rollback", "--stack-name", "demo"}, "can not continue rollback")
	c.fails([]string{"rollback-stack", "--stack-name", "demo"}, "can not be rolled back")
	c.fails([]string{"list-imports", "--export-name", "arn"}, "is not imported by any stack")
	var list struct{ StackSummaries []stack }
	if c.run(&list, "list-stacks", "--stack-status-filter", "CREATE_COMPLETE"); len(list.StackSummaries) != 1 {
		t.Errorf("list-stacks = %+v", list)
	}
	w.mu.Lock()
	w.fail = "B"
	w.mu.Unlock()
	c.run(nil, "create-stack", "--stack-name", "bad", "--template-body", strings.Replace(template, "Name: arn", "Name: other", 1), "--capabilities", "CAPABILITY_IAM", "--on-failure", "DELETE")
	if c.run(&list, "list-stacks", "--stack-status-filter", "DELETE_COMPLETE"); len(list.StackSummaries) != 1 || list.StackSummaries[0].StackName != "bad" {
		t.Errorf("list-stacks = %+v", list)
	}
}

func TestTemplateURLs(t *testing.T) {
	c, _ := newCLI(t)
	for _, u := range []string{
		"s3://templates/a.yaml", "https://s3.amazonaws.com/templates/a.yaml", "https://s3.eu-west-1.amazonaws.com/templates/a.yaml", "https://templates.s3.amazonaws.com/a.yaml",
		"https://templates.s3.eu-west-1.amazonaws.com/a.yaml?versionId=x", "http://templates.localhost:4566/a.yaml", "http://localhost:4566/templates/a.yaml",
	} {
		c.run(nil, "validate-template", "--template-url", u)
	}
	for _, u := range []string{"ftp://s3/templates/a.yaml", "https://sts.amazonaws.com/templates/a.yaml", "http://localhost/"} {
		c.fails([]string{"validate-template", "--template-url", u}, "TemplateURL must be a supported URL.")
	}
}

// Whoever does not know the URL is turned away.
func TestResponseURLs(t *testing.T) {
	srv, _, _ := server(t)
	h, _ := srv.Config.Handler.(*cloudformationapi.Handler)
	for _, c := range []struct {
		method string
		want   int
	}{{http.MethodPut, http.StatusForbidden}, {http.MethodGet, http.StatusMethodNotAllowed}} {
		r := httptest.NewRequest(c.method, "https://cloudformation-custom-resource-response-useast1.s3.us-east-1.amazonaws.com/x?X-Amz-Signature=no", strings.NewReader(`{"Status":"SUCCESS"}`))
		w := httptest.NewRecorder()
		if !cloudformationapi.IsResponse(r) {
			t.Error("the host is not seen to be that of response URLs")
		}
		if h.ServeResponse(w, r); w.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", c.method, w.Code, c.want, w.Body)
		}
	}
	if r := httptest.NewRequest(http.MethodPut, "https://bucket.s3.us-east-1.amazonaws.com/x", nil); cloudformationapi.IsResponse(r) {
		t.Error("a bucket's host is taken for a response URL's")
	}
}
