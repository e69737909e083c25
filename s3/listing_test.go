package s3

import "testing"

func TestAccessPointsAreListed(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	r.role(t, "viewer", "")
	r.pointPolicy(t, to("Allow", roleNamed("viewer"), "s3:GetObject", pointARN+"/object/*"))
	if _, err := r.CreateBucket(ctx, r.root, "other", ""); err != nil {
		t.Fatal(err)
	}
	if _, err := r.CreateAccessPoint(ctx, r.root, NewAccessPoint{Name: "other-ap", Bucket: "other"}); err != nil {
		t.Fatal(err)
	}
	for bucket, want := range map[string][]string{"": {"other-ap", "photos-ap"}, "photos": {"photos-ap"}, "absent": {}} {
		got, err := r.AccessPoints(ctx, r.root, bucket)
		if err != nil || len(got) != len(want) {
			t.Fatalf("AccessPoints(%q) = %v, %v, want %v", bucket, got, err, want)
		}
		for i, ap := range got {
			if ap.Name != want[i] || ap.Policy != "" || ap.PolicyIDs != nil {
				t.Errorf("AccessPoints(%q)[%d] = %+v, want %s without its policy", bucket, i, ap, want[i])
			}
		}
	}
	_, err := r.AccessPoints(ctx, r.role(t, "none", ""), "")
	wantCode(t, "AccessPoints by another", err, "AccessDenied")
}

func TestPolicyStatus(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	_, err := r.AccessPointIsPublic(ctx, r.root, "photos-ap")
	wantCode(t, "without a policy", err, "NoSuchAccessPointPolicy")
	_, err = r.AccessPointIsPublic(ctx, r.root, "absent")
	wantCode(t, "of an absent access point", err, "NoSuchAccessPoint")
	_, err = r.AccessPointIsPublic(ctx, r.role(t, "none", ""), "photos-ap")
	wantCode(t, "by another", err, "AccessDenied")
	if err := r.DeletePublicAccessBlock(ctx, r.root, "photos"); err != nil {
		t.Fatal(err)
	}
	r.role(t, "viewer", "")
	for principal, want := range map[string]bool{roleNamed("viewer"): false, `"*"`: true} {
		r.pointPolicy(t, to("Allow", principal, "s3:GetObject", pointARN+"/object/*"))
		if got, err := r.AccessPointIsPublic(ctx, r.root, "photos-ap"); err != nil || got != want {
			t.Errorf("policy for %s is public: %t, %v, want %t", principal, got, err, want)
		}
	}
}
