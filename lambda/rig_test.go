package lambda

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/lambda/runner"
	"glassine/state"
)

const (
	account     = "123456789012"
	functionARN = "arn:aws:lambda:us-east-1:" + account + ":function:clean"
	roleARN     = "arn:aws:iam::" + account + ":role/execution"
	both        = `["lambda.amazonaws.com","edgelambda.amazonaws.com"]`
)

// rig is the service over real ones, with a function "clean" whose code is run, and its role "execution".
type rig struct {
	*Service
	iam  *iam.Service
	root iam.Caller
	run  func(ctx context.Context, inv runner.Invocation) ([]byte, error) // of glassine://test; nil echoes the payload
}

func newRig(t testing.TB, change ...func(*Config)) *rig {
	t.Helper()
	ctx := context.Background()
	r := &rig{}
	records := &state.Memory{}
	var err error
	if r.iam, err = iam.New(ctx, iam.Config{State: records, Account: account, Key: [32]byte{1}}); err != nil {
		t.Fatal(err)
	}
	cfg := Config{State: records, IAM: r.iam, Log: slog.New(slog.DiscardHandler), Builtins: map[string]runner.Func{
		"glassine://test": func(ctx context.Context, inv runner.Invocation) ([]byte, error) {
			if r.run == nil {
				return inv.Payload, nil
			}
			return r.run(ctx, inv)
		},
		"glassine://other": func(context.Context, runner.Invocation) ([]byte, error) { return []byte(`"other"`), nil },
	}}
	for _, f := range change {
		f(&cfg)
	}
	if r.Service, err = New(ctx, cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	r.root = r.iam.Root()
	if _, err := r.iam.CreateRole(ctx, r.root, iam.NewRole{Name: "execution", Trust: trust(both)}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.CreateFunction(ctx, r.root, newFunction()); err != nil {
		t.Fatal(err)
	}
	return r
}

func newFunction() NewFunction {
	return NewFunction{Name: "clean", Code: Code{URI: "glassine://test"}, Role: roleARN}
}

func uri(code string) CodeChange { return CodeChange{Code: Code{URI: code}} }

// trust is a trust policy for services, a JSON string or array.
func trust(services string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":` + services + `},"Action":"sts:AssumeRole"}]}`
}

func (r *rig) setTrust(t testing.TB, services string) {
	t.Helper()
	if err := r.iam.UpdateAssumeRolePolicy(context.Background(), r.root, "execution", trust(services)); err != nil {
		t.Fatal(err)
	}
}

// caller makes a role with the policy's statement ("" is none), and returns a session of it.
func (r *rig) caller(t testing.TB, name, statement string) iam.Caller {
	t.Helper()
	ctx := context.Background()
	role, err := r.iam.CreateRole(ctx, r.root, iam.NewRole{Name: name, Trust: trust(both)})
	if err != nil {
		t.Fatal(err)
	}
	if statement != "" {
		if err := r.iam.PutRolePolicy(ctx, r.root, name, "p", `{"Version":"2012-10-17","Statement":[`+statement+`]}`); err != nil {
			t.Fatal(err)
		}
	}
	creds, err := r.iam.AssumeForService(ctx, role.ARN, []string{"lambda.amazonaws.com"}, "session", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	_, c, err := r.iam.Lookup(ctx, creds.AccessKeyID, creds.SessionToken)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func allow(action, resource string) string {
	return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}`
}

func wantCode(t testing.TB, what string, err error, code string) {
	t.Helper()
	if code == "" && err != nil || code != "" && fault.Code(err) != code {
		t.Errorf("%s = %v, want code %q", what, err, code)
	}
}
