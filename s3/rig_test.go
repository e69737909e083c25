package s3

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/state"
	"glassine/store"
	"glassine/store/memory"
)

const (
	account   = "123456789012"
	bucketARN = "arn:aws:s3:::photos"
	pointARN  = "arn:aws:s3:us-east-1:" + account + ":accesspoint/photos-ap"
)

var (
	bucket = Target{Bucket: "photos"}
	point  = Target{AccessPoint: "photos-ap"}
	nobody = iam.Caller{}
	front  = iam.Caller{Principal: iam.Principal{Kind: iam.ServicePrincipal, Service: "cloudfront.amazonaws.com"}}
)

// rig is the service over real ones, with a bucket "photos", the object a.jpg in it and an access point "photos-ap".
type rig struct {
	*Service
	iam   *iam.Service
	store *memory.Store
	root  iam.Caller
}

func newRig(t testing.TB) *rig {
	t.Helper()
	ctx := context.Background()
	r := &rig{store: &memory.Store{}}
	records := &state.Memory{}
	var err error
	if r.iam, err = iam.New(ctx, iam.Config{State: records, Account: account, Key: [32]byte{1}}); err != nil {
		t.Fatal(err)
	}
	if r.Service, err = New(ctx, Config{State: records, Store: r.store, IAM: r.iam, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	r.root = r.iam.Root()
	if _, err := r.CreateBucket(ctx, r.root, "photos", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := r.CreateAccessPoint(ctx, r.root, NewAccessPoint{Name: "photos-ap", Bucket: "photos"}); err != nil {
		t.Fatal(err)
	}
	if err := r.put(ctx, r.root, bucket, "a.jpg"); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *rig) put(ctx context.Context, c iam.Caller, target Target, key string) error {
	_, err := r.PutObject(ctx, c, target, key, strings.NewReader("x"), store.PutOptions{})
	return err
}

func (r *rig) get(c iam.Caller, target Target, key string) error {
	o, err := r.GetObject(context.Background(), c, target, key, store.GetOptions{})
	if err == nil {
		o.Body.Close()
	}
	return err
}

// role makes a role with the statements (JSON objects, joined with commas; "" is none), and returns a session of it.
func (r *rig) role(t testing.TB, name, statements string) iam.Caller {
	t.Helper()
	ctx := context.Background()
	trust := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	role, err := r.iam.CreateRole(ctx, r.root, iam.NewRole{Name: name, Trust: trust})
	if err != nil {
		t.Fatal(err)
	}
	if statements != "" {
		if err := r.iam.PutRolePolicy(ctx, r.root, name, "p", document(statements)); err != nil {
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

func (r *rig) deleteRole(t testing.TB, name string) {
	t.Helper()
	if err := r.iam.DeleteRole(context.Background(), r.root, name); err != nil {
		t.Fatal(err)
	}
}

func document(statements string) string {
	return `{"Version":"2012-10-17","Statement":[` + statements + `]}`
}

func allow(action, resource string) string {
	return `{"Effect":"Allow","Action":"` + action + `","Resource":"` + resource + `"}`
}

// to is a resource policy's statement. principal is JSON.
func to(effect, principal, action, resource string) string {
	return `{"Effect":"` + effect + `","Principal":` + principal + `,"Action":"` + action + `","Resource":"` + resource + `"}`
}

func roleNamed(name string) string { return `{"AWS":"arn:aws:iam::` + account + `:role/` + name + `"}` }

func (r *rig) bucketPolicy(t testing.TB, statements string) {
	t.Helper()
	if err := r.PutBucketPolicy(context.Background(), r.root, "photos", document(statements)); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) pointPolicy(t testing.TB, statements string) {
	t.Helper()
	if err := r.PutAccessPointPolicy(context.Background(), r.root, "photos-ap", document(statements)); err != nil {
		t.Fatal(err)
	}
}

func wantCode(t testing.TB, what string, err error, code string) {
	t.Helper()
	if code == "" && err != nil || code != "" && fault.Code(err) != code {
		t.Errorf("%s = %v, want code %q", what, err, code)
	}
}
