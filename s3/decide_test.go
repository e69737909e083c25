package s3

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"glassine/iam"
	"glassine/store"
)

// Through an access point both its decision and the bucket's must allow.
// (Amazon S3 User Guide, "Configuring IAM policies for using access points".)
func TestTwoDecisionsThroughAnAccessPoint(t *testing.T) {
	onPoint, onBucket := allow("s3:GetObject", pointARN+"/object/*"), allow("s3:GetObject", bucketARN+"/*")
	delegate := `{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"*","Resource":["` + bucketARN + `","` + bucketARN + `/*"],"Condition":{"StringEquals":{"s3:DataAccessPointAccount":"` + account + `"}}}`
	throughPoint := func(key, value string) string {
		return `{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"s3:*","Resource":"` + bucketARN + `/*","Condition":{"StringEquals":{"` + key + `":"` + value + `","aws:PrincipalAccount":"` + account + `"}}}`
	}
	for _, c := range []struct {
		name, identity, point, bucket string
		viaPoint, direct              bool
	}{
		{"no right at all", "", "", "", false, false},
		{"identity allows both", onPoint + "," + onBucket, "", "", true, true},
		{"identity allows the access point only", onPoint, "", "", false, false},
		{"identity allows the bucket only", onBucket, "", "", false, true},
		{"identity allows the access point, the bucket delegates", onPoint, "", delegate, true, false},
		{"access point allows, the bucket delegates", "", to("Allow", roleNamed("viewer"), "s3:GetObject", pointARN+"/object/*"), delegate, true, false},
		{"access point allows, the bucket says nothing", "", to("Allow", roleNamed("viewer"), "s3:GetObject", pointARN+"/object/*"), "", false, false},
		{"both allow by their own policies", "", to("Allow", roleNamed("viewer"), "s3:GetObject", pointARN+"/object/a.jpg"), to("Allow", roleNamed("viewer"), "s3:GetObject", bucketARN+"/a.jpg"), true, true},
		{"access point denies", onPoint + "," + onBucket, to("Deny", roleNamed("viewer"), "s3:GetObject", pointARN+"/object/*"), "", false, true},
		{"bucket denies", onPoint + "," + onBucket, "", to("Deny", roleNamed("viewer"), "s3:GetObject", bucketARN+"/*"), false, false},
		{"access point allows another key", onBucket, to("Allow", roleNamed("viewer"), "s3:GetObject", pointARN+"/object/b.jpg"), "", false, true},
		{"bucket allows what comes by the access point's ARN", onPoint, "", throughPoint("s3:DataAccessPointArn", pointARN), true, false},
		{"bucket allows what comes from the Internet", onPoint, "", throughPoint("s3:AccessPointNetworkOrigin", "Internet"), true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			viewer := r.role(t, "viewer", c.identity)
			if c.point != "" {
				r.pointPolicy(t, c.point)
			}
			if c.bucket != "" {
				r.bucketPolicy(t, c.bucket)
			}
			code := map[bool]string{true: "", false: "AccessDenied"}
			wantCode(t, "GetObject through the access point", r.get(viewer, point, "a.jpg"), code[c.viaPoint])
			wantCode(t, "GetObject of the bucket", r.get(viewer, bucket, "a.jpg"), code[c.direct])
		})
	}
}

// The effective setting is the more restrictive of the bucket's and the access point's, flag by flag.
// (Amazon S3 User Guide, "Blocking public access to your Amazon S3 storage".)
func TestBlockPublicAccess(t *testing.T) {
	everybody := func(resource string) string { return to("Allow", `"*"`, "s3:GetObject", resource) }
	named := func(resource string) string {
		return everybody(resource) + "," + to("Allow", `{"Service":"cloudfront.amazonaws.com"}`, "s3:GetObject", resource) + "," +
			to("Allow", roleNamed("viewer"), "s3:GetObject", resource)
	}
	newPoint := func(t *testing.T, r *rig, bucketBlock, pointBlock PublicAccessBlock) Target {
		t.Helper()
		if err := r.PutPublicAccessBlock(t.Context(), r.root, "photos", bucketBlock); err != nil {
			t.Fatal(err)
		}
		if _, err := r.CreateAccessPoint(t.Context(), r.root, NewAccessPoint{Name: "open-ap", Bucket: "photos", Block: pointBlock}); err != nil {
			t.Fatal(err)
		}
		return Target{AccessPoint: "open-ap"}
	}
	openARN := strings.Replace(pointARN, "photos-ap", "open-ap", 1)
	policy, restrict := PublicAccessBlock{BlockPublicPolicy: true}, PublicAccessBlock{RestrictPublicBuckets: true}
	acls := PublicAccessBlock{BlockPublicAcls: true, IgnorePublicAcls: true}
	for _, c := range []struct {
		name                    string
		bucket, point           PublicAccessBlock
		putPoint, putBucket     string // what putting a public policy answers
		anyPoint, anyBucket     string // what nobody reads then
		frontPoint, frontBucket string
	}{
		{"all off", PublicAccessBlock{}, PublicAccessBlock{}, "", "", "", "", "", ""},
		{"flags about ACLs only", acls, acls, "", "", "", "", "", ""},
		{"BlockPublicPolicy of the bucket", policy, PublicAccessBlock{}, "AccessDenied", "AccessDenied", "AccessDenied", "AccessDenied", "AccessDenied", "AccessDenied"},
		{"BlockPublicPolicy of the access point", PublicAccessBlock{}, policy, "AccessDenied", "", "AccessDenied", "", "AccessDenied", ""},
		{"RestrictPublicBuckets of the bucket", restrict, PublicAccessBlock{}, "", "", "AccessDenied", "AccessDenied", "", ""},
		{"RestrictPublicBuckets of the access point", PublicAccessBlock{}, restrict, "", "", "AccessDenied", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			viewer := r.role(t, "viewer", "")
			open := newPoint(t, r, c.bucket, c.point)
			wantCode(t, "PutAccessPointPolicy", r.PutAccessPointPolicy(t.Context(), r.root, "open-ap", document(named(openARN+"/object/*"))), c.putPoint)
			wantCode(t, "PutBucketPolicy", r.PutBucketPolicy(t.Context(), r.root, "photos", document(named(bucketARN+"/*"))), c.putBucket)
			wantCode(t, "nobody through the access point", r.get(nobody, open, "a.jpg"), c.anyPoint)
			wantCode(t, "nobody at the bucket", r.get(nobody, bucket, "a.jpg"), c.anyBucket)
			wantCode(t, "a service through the access point", r.get(front, open, "a.jpg"), c.frontPoint)
			wantCode(t, "a service at the bucket", r.get(front, bucket, "a.jpg"), c.frontBucket)
			wantCode(t, "a principal of the account at the bucket", r.get(viewer, bucket, "a.jpg"), c.putBucket)
		})
	}
}

// A policy that everybody at one address may use is not public, and nothing restricts it.
func TestPolicyThatIsNotPublicIsNotRestricted(t *testing.T) {
	r := newRig(t)
	r.bucketPolicy(t, `{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"`+bucketARN+`/*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}`)
	at := func(ip string) iam.Caller { return iam.Caller{Context: iam.Context{"aws:sourceip": {ip}}} }
	wantCode(t, "nobody at the address", r.get(at("192.0.2.1"), bucket, "a.jpg"), "")
	wantCode(t, "nobody elsewhere", r.get(at("198.51.100.1"), bucket, "a.jpg"), "AccessDenied")
}

// 404 shows what exists, so it is for those who may list. (S3 API Reference, GetObject, "Permissions".)
func TestAbsentKey(t *testing.T) {
	for _, c := range []struct {
		name, identity string
		point, bucket  string // what GetObject of an absent key answers
		otherBucket    string // what a bucket that is not there answers
	}{
		{"may list both", allow("s3:*", "*"), "NoSuchKey", "NoSuchKey", "NoSuchBucket"},
		{"may not list", allow("s3:GetObject", "*"), "AccessDenied", "AccessDenied", "NoSuchBucket"},
		{"may list the bucket only", allow("s3:GetObject", "*") + "," + allow("s3:ListBucket", bucketARN), "AccessDenied", "NoSuchKey", "NoSuchBucket"},
		{"may list through the access point only", allow("s3:GetObject", "*") + "," + allow("s3:ListBucket", pointARN), "AccessDenied", "AccessDenied", "NoSuchBucket"},
		{"may list but not read", allow("s3:ListBucket", "*"), "AccessDenied", "AccessDenied", "NoSuchBucket"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			viewer := r.role(t, "viewer", c.identity)
			for target, want := range map[Target]string{point: c.point, bucket: c.bucket, {Bucket: "absent"}: c.otherBucket} {
				wantCode(t, "GetObject", r.get(viewer, target, "absent.jpg"), want)
				_, err := r.HeadObject(t.Context(), viewer, target, "absent.jpg", "")
				wantCode(t, "HeadObject", err, want)
			}
		})
	}
}

// Nobody and the principals of others read the same, whatever exists.
func TestStrangersSeeNothing(t *testing.T) {
	r := newRig(t)
	stranger := iam.Caller{Principal: iam.Principal{Kind: iam.User, Account: "999999999999", ID: "AIDA", ARN: "arn:aws:iam::999999999999:user/x"}}
	for name, err := range map[string]error{
		"a key that is there": r.get(nobody, bucket, "a.jpg"), "a key that is not": r.get(nobody, bucket, "b.jpg"),
		"a bucket that is not": r.get(nobody, Target{Bucket: "absent"}, "a.jpg"), "an access point that is not": r.get(nobody, Target{AccessPoint: "absent"}, "a.jpg"),
		"another account's principal": r.get(stranger, bucket, "a.jpg"), "a service": r.get(front, bucket, "a.jpg"),
	} {
		if err == nil || err.Error() != "AccessDenied: Access Denied" {
			t.Errorf("%s = %v, want the short AccessDenied", name, err)
		}
	}
	own := r.role(t, "own", "")
	if err := r.get(own, bucket, "a.jpg"); err == nil || !strings.Contains(err.Error(), "s3:GetObject") {
		t.Errorf("a principal of the account reads %v, want the reason", err)
	}
}

// Who is deleted and made anew under the same name is another.
func TestRemadeRoleGetsNothingFromOldPolicies(t *testing.T) {
	r := newRig(t)
	r.role(t, "viewer", "")
	r.bucketPolicy(t, to("Allow", roleNamed("viewer"), "s3:*", bucketARN+"/*"))
	r.pointPolicy(t, to("Allow", roleNamed("viewer"), "s3:*", pointARN+"/object/*"))
	r.deleteRole(t, "viewer")
	namesake := r.role(t, "viewer", "")
	wantCode(t, "GetObject of the bucket", r.get(namesake, bucket, "a.jpg"), "AccessDenied")
	r.bucketPolicy(t, to("Allow", roleNamed("viewer"), "s3:*", bucketARN+"/*"))
	wantCode(t, "GetObject after the bucket's policy was put anew", r.get(namesake, bucket, "a.jpg"), "")
	wantCode(t, "GetObject through the access point", r.get(namesake, point, "a.jpg"), "AccessDenied")
	doc, err := r.GetAccessPointPolicy(t.Context(), r.root, "photos-ap")
	if err != nil || strings.Contains(doc, "role/viewer") || !strings.Contains(doc, `"AROA`) {
		t.Errorf("GetAccessPointPolicy = %s, %v, want the id of who is gone", doc, err)
	}
}

// A policy that cannot be read might deny.
func TestPolicyThatDoesNotParseDeniesEverybody(t *testing.T) {
	r := newRig(t)
	if _, err := r.buckets.Update(t.Context(), "photos", func(b Bucket, _ bool) (Bucket, error) { b.Policy = "{"; return b, nil }); err != nil {
		t.Fatal(err)
	}
	if err := r.get(r.root, bucket, "a.jpg"); err == nil {
		t.Error("GetObject works")
	}
	if err := r.DeleteBucketPolicy(t.Context(), r.root, "photos"); err != nil {
		t.Errorf("DeleteBucketPolicy by root = %v: nobody can mend it", err)
	}
	wantCode(t, "GetObject afterwards", r.get(r.root, bucket, "a.jpg"), "")
}

// Each operation asks for its own action.
func TestActionOfEachOperation(t *testing.T) {
	ctx := context.Background()
	for _, op := range []struct {
		action, resource string
		do               func(r *rig, c iam.Caller) error
	}{
		{"s3:GetObject", bucketARN + "/a.jpg", func(r *rig, c iam.Caller) error { return r.get(c, bucket, "a.jpg") }},
		{"s3:GetObject", bucketARN + "/a.jpg", func(r *rig, c iam.Caller) error { _, err := r.HeadObject(ctx, c, bucket, "a.jpg", ""); return err }},
		{"s3:PutObject", bucketARN + "/new.jpg", func(r *rig, c iam.Caller) error { return r.put(ctx, c, bucket, "new.jpg") }},
		{"s3:DeleteObject", bucketARN + "/a.jpg", func(r *rig, c iam.Caller) error {
			_, err := r.DeleteObject(ctx, c, bucket, "a.jpg", store.DeleteOptions{})
			return err
		}},
		{"s3:ListBucket", bucketARN, func(r *rig, c iam.Caller) error {
			_, _, err := r.ListObjects(ctx, c, bucket, store.ListOptions{})
			return err
		}},
		{"s3:ListBucket", bucketARN, func(r *rig, c iam.Caller) error { _, err := r.HeadBucket(ctx, c, bucket); return err }},
		{"s3:ListAllMyBuckets", "*", func(r *rig, c iam.Caller) error { _, err := r.Buckets(ctx, c); return err }},
		{"s3:CreateBucket", "arn:aws:s3:::another", func(r *rig, c iam.Caller) error { _, err := r.CreateBucket(ctx, c, "another", ""); return err }},
		{"s3:DeleteBucket", "arn:aws:s3:::empty", func(r *rig, c iam.Caller) error { return r.DeleteBucket(ctx, c, "empty") }},
		{"s3:PutBucketPublicAccessBlock", bucketARN, func(r *rig, c iam.Caller) error { return r.PutPublicAccessBlock(ctx, c, "photos", BlockAll) }},
		{"s3:PutBucketPublicAccessBlock", bucketARN, func(r *rig, c iam.Caller) error { return r.DeletePublicAccessBlock(ctx, c, "photos") }},
		{"s3:GetBucketPublicAccessBlock", bucketARN, func(r *rig, c iam.Caller) error { _, err := r.GetPublicAccessBlock(ctx, c, "photos"); return err }},
		{"s3:PutBucketPolicy", bucketARN, func(r *rig, c iam.Caller) error {
			return r.PutBucketPolicy(ctx, c, "photos", document(to("Allow", roleNamed("other"), "s3:GetObject", bucketARN+"/*")))
		}},
		{"s3:GetBucketPolicy", bucketARN, func(r *rig, c iam.Caller) error { _, err := r.GetBucketPolicy(ctx, c, "photos"); return err }},
		{"s3:DeleteBucketPolicy", bucketARN, func(r *rig, c iam.Caller) error { return r.DeleteBucketPolicy(ctx, c, "photos") }},
		{"s3:CreateAccessPoint", strings.Replace(pointARN, "photos-ap", "new-ap", 1), func(r *rig, c iam.Caller) error {
			_, err := r.CreateAccessPoint(ctx, c, NewAccessPoint{Name: "new-ap", Bucket: "photos"})
			return err
		}},
		{"s3:GetAccessPoint", pointARN, func(r *rig, c iam.Caller) error {
			ap, err := r.GetAccessPoint(ctx, c, "photos-ap")
			if ap.Policy != "" || ap.PolicyIDs != nil {
				return errors.New("GetAccessPoint shows the policy")
			}
			return err
		}},
		{"s3:PutAccessPointPolicy", pointARN, func(r *rig, c iam.Caller) error {
			return r.PutAccessPointPolicy(ctx, c, "photos-ap", document(to("Allow", roleNamed("other"), "s3:GetObject", pointARN+"/object/*")))
		}},
		{"s3:GetAccessPointPolicy", pointARN, func(r *rig, c iam.Caller) error { _, err := r.GetAccessPointPolicy(ctx, c, "photos-ap"); return err }},
		{"s3:DeleteAccessPointPolicy", pointARN, func(r *rig, c iam.Caller) error { return r.DeleteAccessPointPolicy(ctx, c, "photos-ap") }},
		{"s3:DeleteAccessPoint", pointARN, func(r *rig, c iam.Caller) error { return r.DeleteAccessPoint(ctx, c, "photos-ap") }},
	} {
		t.Run(op.action, func(t *testing.T) {
			r := newRig(t)
			if _, err := r.CreateBucket(ctx, r.root, "empty", ""); err != nil {
				t.Fatal(err)
			}
			r.role(t, "other", "")
			r.bucketPolicy(t, to("Allow", roleNamed("other"), "s3:GetObject", bucketARN+"/*"))
			r.pointPolicy(t, to("Allow", roleNamed("other"), "s3:GetObject", pointARN+"/object/*"))
			wantCode(t, "without the right", op.do(r, r.role(t, "none", `{"Effect":"Allow","NotAction":"`+op.action+`","Resource":"*"}`)), "AccessDenied")
			wantCode(t, "with it", op.do(r, r.role(t, "one", allow(op.action, op.resource))), "")
		})
	}
}

func TestListingAsksWithPrefixAndDelimiter(t *testing.T) {
	r := newRig(t)
	viewer := r.role(t, "viewer", `{"Effect":"Allow","Action":"s3:ListBucket","Resource":"`+bucketARN+`","Condition":{"StringEquals":{"s3:prefix":"a","s3:delimiter":"/"}}}`)
	for _, c := range []struct {
		opt  store.ListOptions
		want string
	}{
		{store.ListOptions{Prefix: "a", Delimiter: "/"}, ""},
		{store.ListOptions{Prefix: "a"}, "AccessDenied"},
		{store.ListOptions{Prefix: "b", Delimiter: "/"}, "AccessDenied"},
	} {
		b, page, err := r.ListObjects(t.Context(), viewer, bucket, c.opt)
		wantCode(t, "ListObjects", err, c.want)
		if c.want == "" && (b.Name != "photos" || !slices.ContainsFunc(page.Objects, func(i store.Info) bool { return i.Key == "a.jpg" })) {
			t.Errorf("ListObjects = %s, %v", b.Name, page)
		}
	}
}
