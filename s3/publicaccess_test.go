package s3

import (
	"errors"
	"strings"
	"testing"

	"glassine/aws/fault"
	"glassine/iam"
)

// openPoint is an access point that blocks nothing by itself.
var openPoint = Target{AccessPoint: "open-ap"}

// blocked is a rig whose bucket, access point "open-ap" and account block what they are told to.
func blocked(t *testing.T, ofAccount, ofBucket, ofPoint PublicAccessBlock) *rig {
	t.Helper()
	r := newRig(t)
	if err := errors.Join(
		r.PutAccountPublicAccessBlock(t.Context(), r.root, ofAccount),
		r.PutPublicAccessBlock(t.Context(), r.root, "photos", ofBucket),
	); err != nil {
		t.Fatal(err)
	}
	if _, err := r.CreateAccessPoint(t.Context(), r.root, NewAccessPoint{Name: "open-ap", Bucket: "photos", Block: ofPoint}); err != nil {
		t.Fatal(err)
	}
	return r
}

// levels are where the four flags can be set, and whether what is set there holds for the bucket and for the access point.
var levels = []struct {
	name          string
	bucket, point bool
	set           func(*testing.T, PublicAccessBlock) *rig
}{
	{"account", true, true, func(t *testing.T, b PublicAccessBlock) *rig {
		return blocked(t, b, PublicAccessBlock{}, PublicAccessBlock{})
	}},
	{"bucket", true, true, func(t *testing.T, b PublicAccessBlock) *rig {
		return blocked(t, PublicAccessBlock{}, b, PublicAccessBlock{})
	}},
	{"access point", false, true, func(t *testing.T, b PublicAccessBlock) *rig {
		return blocked(t, PublicAccessBlock{}, PublicAccessBlock{}, b)
	}},
}

var openARN = strings.Replace(pointARN, "photos-ap", "open-ap", 1)

// wantText wants an error of exactly that code and message; "" wants none.
func wantText(t *testing.T, what string, err error, want string) {
	t.Helper()
	got := ""
	if f, ok := errors.AsType[*fault.Error](err); ok {
		got = f.Code + ": " + f.Message
	} else if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("%s = %q, want %q", what, got, want)
	}
}

// publish puts public policies on the access point and on the bucket.
func (r *rig) publish(t *testing.T) (point, bucket error) {
	t.Helper()
	point = r.PutAccessPointPolicy(t.Context(), r.root, "open-ap", document(to("Allow", `"*"`, "s3:GetObject", openARN+"/object/*")))
	return point, r.PutBucketPolicy(t.Context(), r.root, "photos", document(to("Allow", `"*"`, "s3:GetObject", bucketARN+"/*")))
}

// BlockPublicPolicy refuses to put a public policy on what it holds for.
// (S3 User Guide, "Blocking public access to your Amazon S3 storage", block public access settings.)
func TestBlockPublicPolicyAtEachLevel(t *testing.T) {
	refused := func(action, resource string) string {
		return "AccessDenied: User: arn:aws:iam::" + account + ":root is not authorized to perform: " + action + ` on resource: "` + resource +
			`" because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.`
	}
	for _, level := range levels {
		t.Run(level.name, func(t *testing.T) {
			r := level.set(t, PublicAccessBlock{BlockPublicPolicy: true})
			onBucket, onPoint := "", ""
			if level.bucket {
				onBucket = refused("s3:PutBucketPolicy", bucketARN)
			}
			if level.point {
				onPoint = refused("s3:PutAccessPointPolicy", openARN)
			}
			pointErr, bucketErr := r.publish(t)
			wantText(t, "PutAccessPointPolicy of a public policy", pointErr, onPoint)
			wantText(t, "PutBucketPolicy of a public policy", bucketErr, onBucket)
			_, err := r.GetAccessPointPolicy(t.Context(), r.root, "open-ap")
			wantCode(t, "GetAccessPointPolicy of what was refused", err, "NoSuchAccessPointPolicy")

			// What is not public is put.
			r.role(t, "viewer", "")
			wantText(t, "PutAccessPointPolicy that names a role", r.PutAccessPointPolicy(t.Context(), r.root, "open-ap",
				document(to("Allow", roleNamed("viewer"), "s3:GetObject", openARN+"/object/*"))), "")
			wantText(t, "PutBucketPolicy that names a role", r.PutBucketPolicy(t.Context(), r.root, "photos",
				document(to("Allow", roleNamed("viewer"), "s3:GetObject", bucketARN+"/*"))), "")
		})
	}
}

// The flag judges what is put, not what is there. (S3 API Reference, PublicAccessBlockConfiguration, BlockPublicPolicy.)
func TestBlockPublicPolicyLeavesWhatIsThere(t *testing.T) {
	r := blocked(t, PublicAccessBlock{}, PublicAccessBlock{}, PublicAccessBlock{})
	pointErr, bucketErr := r.publish(t)
	if err := errors.Join(pointErr, bucketErr, r.PutPublicAccessBlock(t.Context(), r.root, "photos", PublicAccessBlock{BlockPublicPolicy: true})); err != nil {
		t.Fatal(err)
	}
	wantText(t, "GetObject by nobody", r.get(nobody, bucket, "a.jpg"), "")
	wantText(t, "GetObject by nobody through the access point", r.get(nobody, openPoint, "a.jpg"), "")
}

// RestrictPublicBuckets leaves what has a public policy to AWS's services and to the owner's account.
// (S3 API Reference, PublicAccessBlockConfiguration, RestrictPublicBuckets.)
func TestRestrictPublicBucketsAtEachLevel(t *testing.T) {
	stranger := iam.Caller{Principal: iam.Principal{Kind: iam.User, Account: "999999999999", ID: "AIDA", ARN: "arn:aws:iam::999999999999:user/x"}}
	const denied = "AccessDenied: Access Denied"
	for _, level := range levels {
		t.Run(level.name, func(t *testing.T) {
			r := level.set(t, PublicAccessBlock{RestrictPublicBuckets: true})
			viewer := r.role(t, "viewer", "")
			if err := errors.Join(r.publish(t)); err != nil {
				t.Fatal(err)
			}
			onBucket := ""
			if level.bucket {
				onBucket = denied
			}
			wantText(t, "GetObject by nobody", r.get(nobody, bucket, "a.jpg"), onBucket)
			wantText(t, "GetObject by nobody through the access point", r.get(nobody, openPoint, "a.jpg"), denied)
			wantText(t, "GetObject by another account through the access point", r.get(stranger, openPoint, "a.jpg"), denied)
			for _, target := range []Target{bucket, openPoint} {
				wantText(t, "GetObject by a role of the account", r.get(viewer, target, "a.jpg"), "")
				wantText(t, "GetObject by an AWS service", r.get(front, target, "a.jpg"), "")
			}

			// What is not public is not restricted. (A Deny for everybody does not make a policy public.)
			if err := r.PutAccessPointPolicy(t.Context(), r.root, "open-ap", document(to("Allow", `{"Service":"cloudfront.amazonaws.com"}`, "s3:GetObject", openARN+"/object/*")+","+
				to("Deny", `"*"`, "s3:PutObject", openARN+"/object/*"))); err != nil {
				t.Fatal(err)
			}
			wantText(t, "GetObject by an AWS service under a policy that is not public", r.get(front, openPoint, "a.jpg"), "")
		})
	}
}

// ACLs are off (BucketOwnerEnforced), so there is nothing for BlockPublicAcls to block or for IgnorePublicAcls to ignore: a
// request that sets an ACL is refused and nobody gets anything by one, whatever the two flags say, at whatever level.
// (S3 User Guide, "Controlling ownership of objects and disabling ACLs": 400 AccessControlListNotSupported.)
func TestFlagsAboutACLsAtEachLevel(t *testing.T) {
	const refused = "AccessControlListNotSupported: The bucket does not allow ACLs"
	for _, flags := range []PublicAccessBlock{{}, {BlockPublicAcls: true}, {IgnorePublicAcls: true}, {BlockPublicAcls: true, IgnorePublicAcls: true}} {
		for _, level := range levels {
			r := level.set(t, flags)
			ctx := t.Context()
			wantText(t, "PutBucketAcl", r.PutBucketACL(ctx, r.root, "photos"), refused)
			wantText(t, "PutObjectAcl", r.PutObjectACL(ctx, r.root, bucket, "a.jpg", ""), refused)
			wantText(t, "PutObjectAcl through the access point", r.PutObjectACL(ctx, r.root, openPoint, "a.jpg", ""), refused)
			wantText(t, "GetBucketAcl", r.BucketACL(ctx, r.root, "photos"), "")
			_, err := r.ObjectACL(ctx, r.root, openPoint, "a.jpg", "")
			wantText(t, "GetObjectAcl", err, "")
			wantText(t, "GetObject by nobody", r.get(nobody, bucket, "a.jpg"), "AccessDenied: Access Denied")
			wantText(t, "GetObject by nobody through the access point", r.get(nobody, openPoint, "a.jpg"), "AccessDenied: Access Denied")

			// They are no matter of policies: these two flags leave a public policy alone.
			if err := errors.Join(r.publish(t)); err != nil {
				t.Errorf("public policies where %s has %+v: %v", level.name, flags, err)
			}
			wantText(t, "GetObject by nobody under public policies", r.get(nobody, openPoint, "a.jpg"), "")
		}
	}
}

// The settings are read back as they were set, and each level keeps its own.
func TestFlagsAreReadBack(t *testing.T) {
	ofAccount, ofBucket, ofPoint := PublicAccessBlock{BlockPublicAcls: true}, PublicAccessBlock{IgnorePublicAcls: true}, PublicAccessBlock{RestrictPublicBuckets: true}
	r := blocked(t, ofAccount, ofBucket, ofPoint)
	if got, err := r.AccountPublicAccessBlock(t.Context(), r.root); err != nil || got != ofAccount {
		t.Errorf("of the account: %+v, %v, want %+v", got, err, ofAccount)
	}
	if got, err := r.GetPublicAccessBlock(t.Context(), r.root, "photos"); err != nil || got != ofBucket {
		t.Errorf("of the bucket: %+v, %v, want %+v", got, err, ofBucket)
	}
	if got, err := r.GetAccessPoint(t.Context(), r.root, "open-ap"); err != nil || got.Block != ofPoint {
		t.Errorf("of the access point: %+v, %v, want %+v", got.Block, err, ofPoint)
	}
	if b, err := r.CreateBucket(t.Context(), r.root, "fresh", ""); err != nil || b.block() != BlockAll {
		t.Errorf("a new bucket has %+v, %v, want all four on", b.block(), err)
	}
}
