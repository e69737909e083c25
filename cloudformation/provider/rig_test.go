package provider

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"glassine/aws/fault"
	"glassine/cloudformation"
	"glassine/edge"
	"glassine/iam"
	"glassine/lambda"
	"glassine/lambda/runner"
	"glassine/logs"
	"glassine/objectlambda"
	"glassine/s3"
	"glassine/ssm"
	"glassine/state"
	"glassine/store"
	"glassine/store/memory"
)

const (
	account = "123456789012"
	region  = "us-east-1"
)

// rig is the engine with every type over real services in memory.
type rig struct {
	Services
	t       testing.TB
	stack   *cloudformation.Service
	types   *cloudformation.Types
	records state.Store
	root    iam.Caller
}

func newRig(t testing.TB) *rig {
	t.Helper()
	return newRigOn(t, &state.Memory{}, &memory.Store{}, t.TempDir())
}

// newRigOn opens everything on what is there, as after a start of the program.
func newRigOn(t testing.TB, records state.Store, bytes store.Store, dir string) *rig {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	r := &rig{t: t}
	var err error
	r.IAM, err = iam.New(ctx, iam.Config{State: records, Account: account, Key: [32]byte{1}})
	must(err)
	r.root = r.IAM.Root()
	r.S3, err = s3.New(ctx, s3.Config{State: records, Store: bytes, Encrypts: true, IAM: r.IAM, Log: log})
	must(err)
	r.Logs, err = logs.New(ctx, logs.Config{State: records, IAM: r.IAM, Dir: filepath.Join(dir, "logs"), Log: log})
	must(err)
	t.Cleanup(func() { r.Logs.Close() })
	r.SSM, err = ssm.New(ctx, ssm.Config{State: records, IAM: r.IAM, Key: [32]byte{2}, Provisioned: map[string]string{"/cdk-bootstrap/hnb659fds/version": "33"}})
	must(err)
	r.Lambda, err = lambda.New(ctx, lambda.Config{
		State: records, IAM: r.IAM, Dir: filepath.Join(dir, "functions"), Objects: objects{r.S3}, Log: log, UsedBy: func(v string) string { return r.Edge.Using(v) },
		Builtins: map[string]runner.Func{
			"glassine://image":  func(context.Context, runner.Invocation) ([]byte, error) { return nil, errors.New("not run here") },
			"glassine://signer": func(context.Context, runner.Invocation) ([]byte, error) { return nil, errors.New("not run here") },
		},
	})
	must(err)
	t.Cleanup(func() { r.Lambda.Close() })
	r.ObjectLambda, err = objectlambda.New(ctx, objectlambda.Config{State: records, IAM: r.IAM, S3: r.S3, Invoker: r.Lambda, Log: log})
	must(err)
	r.Edge, err = edge.New(ctx, edge.Config{State: records, IAM: r.IAM, Invoker: atTheEdge{r.Lambda}, Origin: http.DefaultTransport, Geo: nowhere{}, Account: account, Log: log})
	must(err)
	t.Cleanup(r.Edge.Close)
	r.types, r.records = cloudformation.NewTypes(Types(r.Services)...), records
	r.open(r.types)
	return r
}

// open starts the engine with types.
func (r *rig) open(types *cloudformation.Types) {
	r.t.Helper()
	var err error
	if r.stack, err = cloudformation.New(context.Background(), cloudformation.Config{State: r.records, IAM: r.IAM, Types: types, Log: slog.New(slog.DiscardHandler)}); err != nil {
		r.t.Fatal(err)
	}
	r.stack.Start()
	stack := r.stack
	r.t.Cleanup(func() { stack.Close() })
}

// nowhere knows no address.
type nowhere struct{}

func (nowhere) Place(netip.Addr) edge.Place { return edge.Place{} }

// objects is where archives come from.
type objects struct{ s3 *s3.Service }

func (o objects) GetObject(ctx context.Context, c iam.Caller, bucket, key, version string) (io.ReadCloser, error) {
	object, err := o.s3.GetObject(ctx, c, s3.Target{Bucket: bucket}, key, store.GetOptions{VersionID: version})
	if err != nil {
		return nil, err
	}
	return object.Body, nil
}

// upload puts an archive with one file into a bucket that it makes.
func (r *rig) upload(bucket, key, file, code string) {
	r.t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create(file)
	if err != nil {
		r.t.Fatal(err)
	}
	fmt.Fprint(f, code)
	if err := w.Close(); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.S3.CreateBucket(r.t.Context(), r.root, bucket, ""); err != nil && !fault.Is(err, "BucketAlreadyOwnedByYou") {
		r.t.Fatal(err)
	}
	if _, err := r.S3.PutObject(r.t.Context(), r.root, s3.Target{Bucket: bucket}, key, &b, store.PutOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

// settle waits for the stack of the name and wants the status.
func (r *rig) settle(name string, want cloudformation.Status) cloudformation.Stack {
	r.t.Helper()
	stacks, err := r.stack.DescribeStacks(r.t.Context(), r.root, region, name)
	if err != nil {
		r.t.Fatal(err)
	}
	got, err := r.stack.Wait(r.t.Context(), stacks[0].ID)
	if err != nil {
		r.t.Fatal(err)
	}
	if got != want {
		events, _, _ := r.stack.Events(r.t.Context(), r.root, region, stacks[0].ID, "", 100)
		for _, e := range slices.Backward(events) {
			r.t.Logf("%s %s %s %s", e.LogicalID, e.Type, e.Status, e.Reason)
		}
		r.t.Fatalf("stack %s is %s, want %s", name, got, want)
	}
	stacks, err = r.stack.DescribeStacks(r.t.Context(), r.root, region, stacks[0].ID)
	if err != nil {
		r.t.Fatal(err)
	}
	return stacks[0]
}

var allCapabilities = []string{"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"}

// deploy creates a stack, or updates the one there is, and returns its outputs and the physical ids of its resources.
func (r *rig) deploy(name, template string, tags ...cloudformation.Tag) map[string]string {
	r.t.Helper()
	in := cloudformation.StackInput{Region: region, Name: name, Template: template, Capabilities: allCapabilities, Tags: tags}
	want := cloudformation.Status("CREATE_COMPLETE")
	_, err := r.stack.CreateStack(r.t.Context(), r.root, in)
	if fault.Is(err, "AlreadyExistsException") {
		want = "UPDATE_COMPLETE"
		_, err = r.stack.UpdateStack(r.t.Context(), r.root, in)
	}
	if err != nil {
		r.t.Fatalf("deploy %s: %v", name, err)
	}
	s := r.settle(name, want)
	out := map[string]string{}
	for _, o := range s.Outputs {
		out[o.Key] = o.Value
	}
	_, all, err := r.stack.Resources(r.t.Context(), r.root, region, name, "DescribeStackResources")
	if err != nil {
		r.t.Fatal(err)
	}
	for _, x := range all {
		out["#"+x.LogicalID] = x.PhysicalID
	}
	return out
}

// fails wants the creation of a stack to fail for the reason, and everything that it made to be gone.
func (r *rig) fails(template, reason string) {
	r.t.Helper()
	id, err := r.stack.CreateStack(r.t.Context(), r.root, cloudformation.StackInput{Region: region, Name: "fails", Template: template, Capabilities: allCapabilities})
	if err != nil {
		if !strings.Contains(err.Error(), reason) {
			r.t.Errorf("CreateStack = %v, want %q", err, reason)
		}
		return
	}
	r.settle("fails", "ROLLBACK_COMPLETE")
	events, _, err := r.stack.Events(r.t.Context(), r.root, region, id, "", 100)
	if err != nil {
		r.t.Fatal(err)
	}
	if !slices.ContainsFunc(events, func(e cloudformation.Event) bool { return strings.Contains(e.Reason, reason) }) {
		r.t.Errorf("no event says %q: %+v", reason, events)
	}
	if err := r.stack.DeleteStack(r.t.Context(), r.root, cloudformation.DeleteInput{Region: region, Name: id}); err != nil {
		r.t.Fatal(err)
	}
	r.settle(id, "DELETE_COMPLETE")
}

// destroy deletes a stack.
func (r *rig) destroy(name string) {
	r.t.Helper()
	stacks, err := r.stack.DescribeStacks(r.t.Context(), r.root, region, name)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.stack.DeleteStack(r.t.Context(), r.root, cloudformation.DeleteInput{Region: region, Name: name}); err != nil {
		r.t.Fatal(err)
	}
	r.settle(stacks[0].ID, "DELETE_COMPLETE")
}

// request is what a handler is asked for, outside of the engine.
func (r *rig) request(typeName string, properties values) *request {
	return &request{
		Caller: r.root, Account: account, Region: region, StackID: "arn:aws:cloudformation:us-east-1:123456789012:stack/s/1", StackName: "s", LogicalID: "Thing",
		Type: typeName, Token: "token-1", Begun: time.Now(), Properties: properties,
	}
}

func wantCode(t testing.TB, what string, err error, code string) {
	t.Helper()
	if code == "" && err != nil || code != "" && fault.Code(err) != code {
		t.Errorf("%s = %v, want code %q", what, err, code)
	}
}

func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

// atTheEdge runs functions for the edge, as package glassine does.
type atTheEdge struct{ *lambda.Service }

func (f atTheEdge) InvokeEdge(ctx context.Context, version string, event []byte) ([]byte, error) {
	result, err := f.Service.InvokeEdge(ctx, version, event)
	return result.Payload, err
}
