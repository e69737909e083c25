package s3

import (
	"fmt"
	"testing"

	"glassine/iam"
)

// A change of the policy is decided by at once.
func TestChangedPolicyIsDecidedByAtOnce(t *testing.T) {
	r := newRig(t)
	viewer := r.role(t, "viewer", "")
	allows := to("Allow", roleNamed("viewer"), "s3:GetObject", bucketARN+"/*")
	for range 2 {
		r.bucketPolicy(t, allows)
		wantCode(t, "GetObject", r.get(viewer, bucket, "a.jpg"), "")
		r.bucketPolicy(t, allows+","+to("Deny", roleNamed("viewer"), "s3:GetObject", bucketARN+"/*"))
		wantCode(t, "GetObject when it is denied", r.get(viewer, bucket, "a.jpg"), "AccessDenied")
	}
}

// Two thirds of the limit of AWS's text, which is more than most have.
func longPolicy() string {
	statements := to("Allow", roleNamed("viewer"), "s3:GetObject", bucketARN+"/*")
	for n := range 60 {
		statements += "," + to("Deny", roleNamed("viewer"), "s3:GetObject", fmt.Sprint(bucketARN, "/private/", n, "/*"))
	}
	return statements
}

// A decision by a policy that is kept read allocates nothing of its own, however long the policy is.
func TestPolicyThatIsKeptReadCostsNoAllocation(t *testing.T) {
	r := newRig(t)
	r.role(t, "viewer", "")
	r.bucketPolicy(t, longPolicy())
	b, _ := r.buckets.Get("photos")
	ask := iam.Request{
		Principal: iam.Principal{Kind: iam.RoleSession, Account: account, ID: "AROA:s", ARN: "arn:aws:sts::" + account + ":assumed-role/other/s"},
		Action:    "s3:GetObject", Resources: []string{bucketARN + "/k"}, ResourceAccount: account,
	}
	if n := testing.AllocsPerRun(100, func() {
		p, err := r.policies.Read(b.Policy, b.PolicyIDs)
		if err != nil || iam.Decide(ask, iam.Policies{Resource: p.Policies}).Allowed {
			t.Error("decided otherwise")
		}
	}); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

func TestAliasesFollowAccessPoints(t *testing.T) {
	r := newRig(t)
	create := func(name string) string {
		t.Helper()
		ap, err := r.CreateAccessPoint(t.Context(), r.root, NewAccessPoint{Name: name, Bucket: "photos"})
		if err != nil {
			t.Fatal(err)
		}
		return ap.Alias
	}
	want := func(alias, name string) {
		t.Helper()
		if got, ok := r.ByAlias(alias); ok != (name != "") || ok && got != name {
			t.Errorf("ByAlias(%s) = %q, %t, want %q", alias, got, ok, name)
		}
	}
	first := create("again-ap")
	want(first, "again-ap")
	_, err := r.CreateAccessPoint(t.Context(), r.root, NewAccessPoint{Name: "again-ap", Bucket: "photos"})
	wantCode(t, "CreateAccessPoint of one that is there", err, "AccessPointAlreadyOwnedByYou")
	if n := len(r.aliases.names); n != 2 {
		t.Errorf("%d aliases are kept, want those of the 2 access points", n)
	}
	if err := r.DeleteAccessPoint(t.Context(), r.root, "again-ap"); err != nil {
		t.Fatal(err)
	}
	want(first, "")
	second := create("again-ap")
	want(first, "")
	want(second, "again-ap")
	if n := len(r.aliases.names); n != 2 {
		t.Errorf("%d aliases are kept, want those of the 2 access points", n)
	}
	again, err := New(t.Context(), r.cfg) // as after a restart
	if err != nil {
		t.Fatal(err)
	}
	if name, ok := again.ByAlias(second); !ok || name != "again-ap" {
		t.Errorf("after a restart ByAlias = %q, %t", name, ok)
	}
}

func BenchmarkReadPolicyAndDecide(b *testing.B) {
	r := newRig(b)
	r.role(b, "viewer", "")
	r.bucketPolicy(b, longPolicy())
	bucket, _ := r.buckets.Get("photos")
	ask := iam.Request{
		Principal: iam.Principal{Kind: iam.RoleSession, Account: account, ID: "AROA:s", ARN: "arn:aws:sts::" + account + ":assumed-role/other/s"},
		Action:    "s3:GetObject", Resources: []string{bucketARN + "/k"}, ResourceAccount: account,
	}
	b.ReportAllocs()
	for b.Loop() {
		p, err := r.policies.Read(bucket.Policy, bucket.PolicyIDs)
		if err != nil || iam.Decide(ask, iam.Policies{Resource: p.Policies}).Allowed {
			b.Fatal("decided otherwise")
		}
	}
}

// The whole of S3's decision about a GetObject through an access point: two policies, two decisions.
func BenchmarkAuthorizeThroughAccessPoint(b *testing.B) {
	r := newRig(b)
	viewer := r.role(b, "viewer", "")
	r.bucketPolicy(b, longPolicy())
	r.pointPolicy(b, to("Allow", roleNamed("viewer"), "s3:GetObject", pointARN+"/object/*"))
	bucket, ap, err := r.find(point)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := r.authorize(b.Context(), viewer, "s3:GetObject", bucket, ap, "a.jpg", nil); err != nil {
			b.Fatal(err)
		}
	}
}
