package s3

import (
	"context"
	"strings"
	"testing"

	"glassine/iam"
	"glassine/store"
)

// versions makes two versions of a.jpg, tagged, and returns the id of the older.
func (r *rig) versions(t testing.TB) string {
	t.Helper()
	ctx := context.Background()
	if err := r.PutBucketVersioning(ctx, r.root, "photos", VersioningEnabled); err != nil {
		t.Fatal(err)
	}
	var first string
	for i := range 2 {
		info, err := r.PutObject(ctx, r.root, bucket, "a.jpg", strings.NewReader("body"), store.PutOptions{Tags: map[string]string{"kind": "photo"}})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = info.VersionID
		}
	}
	return first
}

// begin begins an upload of a.jpg with one part.
func (r *rig) begin(t testing.TB) (id string, part store.Part) {
	t.Helper()
	ctx := context.Background()
	_, up, err := r.CreateMultipartUpload(ctx, r.root, bucket, "a.jpg", store.UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	part, _, err = r.UploadPart(ctx, r.root, bucket, "a.jpg", up.ID, 1, strings.NewReader("part"), Digest{})
	if err != nil {
		t.Fatal(err)
	}
	return up.ID, part
}

// Operations on objects ask for their actions: all of these, and no more.
func TestActionsOfObjectOperations(t *testing.T) {
	ctx := context.Background()
	const object = bucketARN + "/a.jpg"
	type made struct {
		version, upload string
		part            store.Part
	}
	tagged := map[string]string{"a": "b"}
	for _, op := range []struct {
		name    string
		actions []string // each on object, or bucketARN where it is about the bucket
		do      func(r *rig, c iam.Caller, m made) error
	}{
		{"put with tags", []string{"s3:PutObject", "s3:PutObjectTagging"}, func(r *rig, c iam.Caller, _ made) error {
			_, err := r.PutObject(ctx, c, bucket, "a.jpg", strings.NewReader("x"), store.PutOptions{Tags: tagged})
			return err
		}},
		{"put with an ACL", []string{"s3:PutObject", "s3:PutObjectAcl"}, func(r *rig, c iam.Caller, _ made) error {
			return r.put(ctx, c.WithContext(iam.Context{keyACL: {"private"}}), bucket, "a.jpg")
		}},
		{"get a version", []string{"s3:GetObjectVersion"}, func(r *rig, c iam.Caller, m made) error {
			o, err := r.GetObject(ctx, c, bucket, "a.jpg", store.GetOptions{VersionID: m.version})
			if err == nil {
				o.Body.Close()
			}
			return err
		}},
		{"head a version", []string{"s3:GetObjectVersion"}, func(r *rig, c iam.Caller, m made) error {
			_, err := r.HeadObject(ctx, c, bucket, "a.jpg", m.version)
			return err
		}},
		{"get a part", []string{"s3:GetObject"}, func(r *rig, c iam.Caller, _ made) error {
			o, err := r.GetObjectPart(ctx, c, bucket, "a.jpg", "", 1)
			if err == nil {
				o.Body.Close()
			}
			return err
		}},
		{"attributes", []string{"s3:GetObject", "s3:GetObjectAttributes"}, func(r *rig, c iam.Caller, _ made) error {
			_, err := r.ObjectAttributes(ctx, c, bucket, "a.jpg", "")
			return err
		}},
		{"attributes of a version", []string{"s3:GetObjectVersion", "s3:GetObjectVersionAttributes"}, func(r *rig, c iam.Caller, m made) error {
			_, err := r.ObjectAttributes(ctx, c, bucket, "a.jpg", m.version)
			return err
		}},
		{"ACL", []string{"s3:GetObjectAcl"}, func(r *rig, c iam.Caller, _ made) error {
			_, err := r.ObjectACL(ctx, c, bucket, "a.jpg", "")
			return err
		}},
		{"delete a version", []string{"s3:DeleteObjectVersion"}, func(r *rig, c iam.Caller, m made) error {
			_, err := r.DeleteObject(ctx, c, bucket, "a.jpg", store.DeleteOptions{VersionID: m.version})
			return err
		}},
		{"get tags", []string{"s3:GetObjectTagging"}, func(r *rig, c iam.Caller, _ made) error {
			_, err := r.ObjectTagging(ctx, c, bucket, "a.jpg", "")
			return err
		}},
		{"get a version's tags", []string{"s3:GetObjectVersionTagging"}, func(r *rig, c iam.Caller, m made) error {
			_, err := r.ObjectTagging(ctx, c, bucket, "a.jpg", m.version)
			return err
		}},
		{"put tags", []string{"s3:PutObjectTagging"}, func(r *rig, c iam.Caller, _ made) error {
			_, err := r.PutObjectTagging(ctx, c, bucket, "a.jpg", "", tagged)
			return err
		}},
		{"put a version's tags", []string{"s3:PutObjectVersionTagging"}, func(r *rig, c iam.Caller, m made) error {
			_, err := r.PutObjectTagging(ctx, c, bucket, "a.jpg", m.version, tagged)
			return err
		}},
		{"delete tags", []string{"s3:DeleteObjectTagging"}, func(r *rig, c iam.Caller, _ made) error {
			_, err := r.DeleteObjectTagging(ctx, c, bucket, "a.jpg", "")
			return err
		}},
		{"delete a version's tags", []string{"s3:DeleteObjectVersionTagging"}, func(r *rig, c iam.Caller, m made) error {
			_, err := r.DeleteObjectTagging(ctx, c, bucket, "a.jpg", m.version)
			return err
		}},
		{"begin an upload", []string{"s3:PutObject"}, func(r *rig, c iam.Caller, _ made) error {
			_, _, err := r.CreateMultipartUpload(ctx, c, bucket, "a.jpg", store.UploadOptions{})
			return err
		}},
		{"upload a part", []string{"s3:PutObject"}, func(r *rig, c iam.Caller, m made) error {
			_, _, err := r.UploadPart(ctx, c, bucket, "a.jpg", m.upload, 2, strings.NewReader("x"), Digest{})
			return err
		}},
		{"complete an upload", []string{"s3:PutObject"}, func(r *rig, c iam.Caller, m made) error {
			_, _, err := r.CompleteMultipartUpload(ctx, c, bucket, "a.jpg", m.upload, Complete{Parts: []store.Part{m.part}, Size: -1})
			return err
		}},
		{"list parts", []string{"s3:ListMultipartUploadParts"}, func(r *rig, c iam.Caller, m made) error {
			_, _, err := r.ListParts(ctx, c, bucket, "a.jpg", m.upload, 0, 1)
			return err
		}},
		{"abort an upload", []string{"s3:AbortMultipartUpload"}, func(r *rig, c iam.Caller, m made) error {
			return r.AbortMultipartUpload(ctx, c, bucket, "a.jpg", m.upload)
		}},
		{"list uploads", []string{"s3:ListBucketMultipartUploads"}, func(r *rig, c iam.Caller, _ made) error {
			_, _, err := r.ListMultipartUploads(ctx, c, bucket, store.EntryOptions{})
			return err
		}},
		{"list versions", []string{"s3:ListBucketVersions"}, func(r *rig, c iam.Caller, _ made) error {
			_, _, err := r.ListObjectVersions(ctx, c, bucket, store.EntryOptions{})
			return err
		}},
		{"copy with the source's tags", []string{"s3:GetObject", "s3:GetObjectTagging", "s3:PutObject", "s3:PutObjectTagging"}, func(r *rig, c iam.Caller, _ made) error {
			_, err := r.CopyObject(ctx, c, Copy{Source: CopySource{Target: bucket, Key: "a.jpg"}, Target: bucket, Key: "a.jpg", ReplaceMetadata: true})
			return err
		}},
		{"copy without tags", []string{"s3:GetObject", "s3:PutObject"}, func(r *rig, c iam.Caller, _ made) error {
			_, err := r.CopyObject(ctx, c, Copy{Source: CopySource{Target: bucket, Key: "a.jpg"}, Target: bucket, Key: "a.jpg", ReplaceMetadata: true, ReplaceTags: true})
			return err
		}},
		{"copy a version", []string{"s3:GetObjectVersion", "s3:GetObjectVersionTagging", "s3:PutObject", "s3:PutObjectTagging"}, func(r *rig, c iam.Caller, m made) error {
			_, err := r.CopyObject(ctx, c, Copy{Source: CopySource{Target: bucket, Key: "a.jpg", VersionID: m.version}, Target: bucket, Key: "a.jpg"})
			return err
		}},
		{"copy a part", []string{"s3:GetObject", "s3:PutObject"}, func(r *rig, c iam.Caller, m made) error {
			_, err := r.UploadPartCopy(ctx, c, PartCopy{Source: CopySource{Target: bucket, Key: "a.jpg"}, Target: bucket, Key: "a.jpg", Upload: m.upload, Number: 3})
			return err
		}},
	} {
		t.Run(op.name, func(t *testing.T) {
			r := newRig(t)
			var m made
			m.version = r.versions(t)
			m.upload, m.part = r.begin(t)
			resource := object
			if strings.HasPrefix(op.actions[0], "s3:ListBucket") {
				resource = bucketARN
			}
			all := `"` + strings.Join(op.actions, `","`) + `"`
			for i, missing := range op.actions {
				c := r.role(t, "without"+string(rune('a'+i)), `{"Effect":"Allow","NotAction":"`+missing+`","Resource":"*"}`)
				wantCode(t, "without "+missing, op.do(r, c, m), "AccessDenied")
			}
			c := r.role(t, "with", `{"Effect":"Allow","Action":[`+all+`],"Resource":"`+resource+`"}`)
			wantCode(t, "with "+all, op.do(r, c, m), "")
		})
	}
}

// Operations on a bucket's configuration ask for their actions.
func TestActionsOfBucketConfiguration(t *testing.T) {
	ctx := context.Background()
	rules := []CORSRule{{AllowedMethods: []string{"GET"}, AllowedOrigins: []string{"*"}}}
	life := []LifecycleRule{{ID: "a", Enabled: true, ExpireDays: 1}}
	for _, op := range []struct {
		action string
		do     func(r *rig, c iam.Caller) error
	}{
		{"s3:PutBucketVersioning", func(r *rig, c iam.Caller) error {
			return r.PutBucketVersioning(ctx, c, "photos", VersioningSuspended)
		}},
		{"s3:GetBucketVersioning", func(r *rig, c iam.Caller) error { _, err := r.BucketVersioning(ctx, c, "photos"); return err }},
		{"s3:PutBucketTagging", func(r *rig, c iam.Caller) error {
			return r.PutBucketTagging(ctx, c, "photos", map[string]string{"a": "b"})
		}},
		{"s3:PutBucketTagging", func(r *rig, c iam.Caller) error { return r.DeleteBucketTagging(ctx, c, "photos") }},
		{"s3:GetBucketTagging", func(r *rig, c iam.Caller) error { _, err := r.BucketTagging(ctx, c, "photos"); return err }},
		{"s3:PutBucketCORS", func(r *rig, c iam.Caller) error { return r.PutBucketCORS(ctx, c, "photos", rules) }},
		{"s3:PutBucketCORS", func(r *rig, c iam.Caller) error { return r.DeleteBucketCORS(ctx, c, "photos") }},
		{"s3:GetBucketCORS", func(r *rig, c iam.Caller) error { _, err := r.BucketCORS(ctx, c, "photos"); return err }},
		{"s3:PutLifecycleConfiguration", func(r *rig, c iam.Caller) error { return r.PutBucketLifecycle(ctx, c, "photos", life) }},
		{"s3:PutLifecycleConfiguration", func(r *rig, c iam.Caller) error { return r.DeleteBucketLifecycle(ctx, c, "photos") }},
		{"s3:GetLifecycleConfiguration", func(r *rig, c iam.Caller) error { _, err := r.BucketLifecycle(ctx, c, "photos"); return err }},
		{"s3:PutEncryptionConfiguration", func(r *rig, c iam.Caller) error { return r.PutBucketEncryption(ctx, c, "photos", AES256) }},
		{"s3:PutEncryptionConfiguration", func(r *rig, c iam.Caller) error { return r.DeleteBucketEncryption(ctx, c, "photos") }},
		{"s3:GetEncryptionConfiguration", func(r *rig, c iam.Caller) error { _, err := r.BucketEncryption(ctx, c, "photos"); return err }},
		{"s3:PutBucketOwnershipControls", func(r *rig, c iam.Caller) error {
			return r.PutBucketOwnershipControls(ctx, c, "photos", BucketOwnerEnforced)
		}},
		{"s3:PutBucketOwnershipControls", func(r *rig, c iam.Caller) error { return r.DeleteBucketOwnershipControls(ctx, c, "photos") }},
		{"s3:GetBucketOwnershipControls", func(r *rig, c iam.Caller) error { _, err := r.BucketOwnershipControls(ctx, c, "photos"); return err }},
		{"s3:GetBucketAcl", func(r *rig, c iam.Caller) error { return r.BucketACL(ctx, c, "photos") }},
		{"s3:GetBucketPolicyStatus", func(r *rig, c iam.Caller) error { _, err := r.BucketPolicyIsPublic(ctx, c, "photos"); return err }},
		{"s3:GetBucketLogging", func(r *rig, c iam.Caller) error { return r.NeverSet(ctx, c, "s3:GetBucketLogging", "photos") }},
	} {
		t.Run(op.action, func(t *testing.T) {
			r := newRig(t)
			r.cfg.Encrypts = true
			for _, err := range []error{
				r.PutBucketTagging(ctx, r.root, "photos", map[string]string{"a": "b"}), r.PutBucketCORS(ctx, r.root, "photos", rules),
				r.PutBucketLifecycle(ctx, r.root, "photos", life), r.PutBucketEncryption(ctx, r.root, "photos", AES256),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			r.role(t, "other", "")
			r.bucketPolicy(t, to("Allow", roleNamed("other"), "s3:GetObject", bucketARN+"/*"))
			wantCode(t, "without the right", op.do(r, r.role(t, "none", `{"Effect":"Allow","NotAction":"`+op.action+`","Resource":"*"}`)), "AccessDenied")
			wantCode(t, "with it", op.do(r, r.role(t, "one", allow(op.action, bucketARN))), "")
		})
	}
}

// What a request is about can be tested by policies.
func TestConditionKeys(t *testing.T) {
	ctx := context.Background()
	get := func(version string) func(*rig, iam.Caller) error {
		return func(r *rig, c iam.Caller) error {
			_, err := r.HeadObject(ctx, c, bucket, "a.jpg", version)
			return err
		}
	}
	put := func(opt store.PutOptions) func(*rig, iam.Caller) error {
		return func(r *rig, c iam.Caller) error {
			_, err := r.PutObject(ctx, c, bucket, "new.jpg", strings.NewReader("x"), opt)
			return err
		}
	}
	list := func(most int) func(*rig, iam.Caller) error {
		return func(r *rig, c iam.Caller) error {
			_, _, err := r.ListObjects(ctx, c, bucket, store.ListOptions{Max: most})
			return err
		}
	}
	for _, c := range []struct {
		name, condition string
		yes, no         func(*rig, iam.Caller) error
	}{
		{"a tag of the object", `{"StringEquals":{"s3:ExistingObjectTag/kind":"photo"}}`, get(""), func(r *rig, c iam.Caller) error {
			_, err := r.HeadObject(ctx, c, bucket, "untagged.jpg", "")
			return err
		}},
		{"a version", `{"StringEquals":{"s3:versionid":"null"}}`, get("null"), get("")},
		{"a tag that comes with the object", `{"StringEquals":{"s3:RequestObjectTag/Kind":"photo"}}`, put(store.PutOptions{Tags: map[string]string{"Kind": "photo"}}), put(store.PutOptions{Tags: map[string]string{"Kind": "film"}})},
		{"names of tags", `{"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["Kind"]},"Null":{"s3:RequestObjectTagKeys":"false"}}`, put(store.PutOptions{Tags: map[string]string{"Kind": "x"}}), put(store.PutOptions{Tags: map[string]string{"Kind": "x", "Other": "y"}})},
		{"encryption", `{"StringEquals":{"s3:x-amz-server-side-encryption":"AES256"}}`, put(store.PutOptions{Encrypt: true}), put(store.PutOptions{})},
		{"only if absent", `{"Null":{"s3:if-none-match":"false"}}`, put(store.PutOptions{IfNoneMatch: "*"}), put(store.PutOptions{})},
		{"max-keys", `{"NumericLessThanEquals":{"s3:max-keys":"10"}}`, list(10), list(11)},
		{"max-keys that is not said", `{"NumericLessThanEquals":{"s3:max-keys":"10"}}`, list(1), list(0)},
		{"the resource's account", `{"StringEquals":{"s3:ResourceAccount":"` + account + `"}}`, get(""), nil},
		{"where a copy is from", `{"StringLikeIfExists":{"s3:x-amz-copy-source":"photos/a*"}}`, func(r *rig, c iam.Caller) error {
			_, err := r.CopyObject(ctx, c, Copy{Source: CopySource{Target: bucket, Key: "a.jpg"}, Target: bucket, Key: "to.jpg", ReplaceTags: true})
			return err
		}, func(r *rig, c iam.Caller) error {
			_, err := r.CopyObject(ctx, c, Copy{Source: CopySource{Target: bucket, Key: "untagged.jpg"}, Target: bucket, Key: "to.jpg", ReplaceTags: true})
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.cfg.Encrypts = true
			if err := r.put(ctx, r.root, bucket, "untagged.jpg"); err != nil {
				t.Fatal(err)
			}
			if _, err := r.PutObjectTagging(ctx, r.root, bucket, "a.jpg", "", map[string]string{"kind": "photo"}); err != nil {
				t.Fatal(err)
			}
			caller := r.role(t, "viewer", `{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":`+c.condition+`}`)
			wantCode(t, "the request that meets it", c.yes(r, caller), "")
			if c.no != nil {
				wantCode(t, "the request that does not", c.no(r, caller), "AccessDenied")
			}
		})
	}
}
