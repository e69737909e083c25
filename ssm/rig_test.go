package ssm

import (
	"context"
	"testing"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/state"
)

const (
	account = "123456789012"
	region  = "eu-west-1"
)

// rig is the service over real ones.
type rig struct {
	*Service
	t       testing.TB
	records *state.Memory
	iam     *iam.Service
	root    iam.Caller
	now     time.Time
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, records: &state.Memory{}, now: time.Date(2026, 11, 24, 3, 0, 0, 0, time.UTC)}
	var err error
	if r.iam, err = iam.New(context.Background(), iam.Config{State: r.records, Account: account, Key: [32]byte{1}, Now: func() time.Time { return r.now }}); err != nil {
		t.Fatal(err)
	}
	r.root = r.iam.Root()
	r.restart([32]byte{2})
	return r
}

// restart opens the service again, as after the end of the program.
func (r *rig) restart(key [32]byte) {
	r.t.Helper()
	var err error
	if r.Service, err = New(context.Background(), Config{
		State: r.records, IAM: r.iam, Key: key, Now: func() time.Time { return r.now }, Provisioned: map[string]string{"/ready/version": "33"},
	}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) put(p Put) int64 {
	r.t.Helper()
	if p.Type == "" && !p.Overwrite {
		p.Type = String
	}
	n, _, err := r.PutParameter(context.Background(), r.root, region, p)
	if err != nil {
		r.t.Fatalf("PutParameter(%+v) = %v", p, err)
	}
	return n
}

func (r *rig) get(asked string) Parameter {
	r.t.Helper()
	p, err := r.GetParameter(context.Background(), r.root, region, asked, true)
	if err != nil {
		r.t.Fatalf("GetParameter(%s) = %v", asked, err)
	}
	return p
}

// caller is a session of a new role with the policy's statements.
func (r *rig) caller(name, statements string) iam.Caller {
	r.t.Helper()
	ctx := context.Background()
	role, err := r.iam.CreateRole(ctx, r.root, iam.NewRole{Name: name, Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`})
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.iam.PutRolePolicy(ctx, r.root, name, "p", `{"Version":"2012-10-17","Statement":[`+statements+`]}`); err != nil {
		r.t.Fatal(err)
	}
	creds, err := r.iam.AssumeForService(ctx, role.ARN, []string{"lambda.amazonaws.com"}, "session", time.Hour)
	if err != nil {
		r.t.Fatal(err)
	}
	_, c, err := r.iam.Lookup(ctx, creds.AccessKeyID, creds.SessionToken)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func wantCode(t testing.TB, what string, err error, code string) {
	t.Helper()
	if code == "" && err != nil || code != "" && fault.Code(err) != code {
		t.Errorf("%s = %v, want code %q", what, err, code)
	}
}

func names(all []Parameter) string {
	out := ""
	for _, p := range all {
		out += p.Name + " "
	}
	return out
}
