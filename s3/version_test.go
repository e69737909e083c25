package s3

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"glassine/store"
)

func TestVersionsOfAKey(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	put := func(body string) string {
		t.Helper()
		info, err := r.PutObject(ctx, r.root, bucket, "k", strings.NewReader(body), store.PutOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return info.VersionID
	}
	if id := put("before"); id != "" {
		t.Errorf("a bucket without versions says %q", id)
	}
	if err := r.PutBucketVersioning(ctx, r.root, "photos", VersioningEnabled); err != nil {
		t.Fatal(err)
	}
	first, second := put("first"), put("second")
	if first == "" || first == second {
		t.Fatalf("version ids %q and %q", first, second)
	}
	d, err := r.DeleteObject(ctx, r.root, bucket, "k", store.DeleteOptions{})
	if err != nil || !d.Marker || d.VersionID == "" {
		t.Fatalf("DeleteObject = %+v, %v, want a marker", d, err)
	}

	_, err = r.HeadObject(ctx, r.root, bucket, "k", "")
	wantCode(t, "the current object under a marker", err, "NoSuchKey")
	if m, ok := errors.AsType[*store.MarkerError](err); !ok || m.VersionID != d.VersionID || m.Named {
		t.Errorf("its error says %+v of the marker", m)
	}
	_, err = r.HeadObject(ctx, r.root, bucket, "k", d.VersionID)
	wantCode(t, "the marker itself", err, "MethodNotAllowed")
	if m, ok := errors.AsType[*store.MarkerError](err); !ok || !m.Named {
		t.Errorf("its error says %+v of the marker", m)
	}
	for id, want := range map[string]string{"null": "before", first: "first", second: "second"} {
		if got := r.read(t, bucket, "k", id); got != want {
			t.Errorf("version %s = %q, want %q", id, got, want)
		}
	}
	_, err = r.HeadObject(ctx, r.root, bucket, "k", store.NewID(1).String())
	wantCode(t, "a version that is not there", err, "NoSuchVersion")
	_, err = r.HeadObject(ctx, r.root, bucket, "k", "../k")
	wantCode(t, "what is no version id", err, "InvalidArgument")

	_, page, err := r.ListObjectVersions(ctx, r.root, bucket, store.EntryOptions{Prefix: "k"})
	var ids []string
	for _, e := range page.Entries {
		ids = append(ids, e.VersionID)
	}
	if want := []string{d.VersionID, second, first, "null"}; err != nil || !slices.Equal(ids, want) {
		t.Errorf("versions = %q, %v, want %q", ids, err, want)
	}
	wantCode(t, "DeleteBucket with versions", r.DeleteBucket(ctx, r.root, "photos"), "BucketHasAccessPointsAttached")

	undone, err := r.DeleteObject(ctx, r.root, bucket, "k", store.DeleteOptions{VersionID: d.VersionID})
	if err != nil || !undone.Marker || undone.VersionID != d.VersionID {
		t.Errorf("DeleteObject of the marker = %+v, %v", undone, err)
	}
	if got := r.read(t, bucket, "k", ""); got != "second" {
		t.Errorf("without the marker = %q, want second", got)
	}
	cp, err := r.CopyObject(ctx, r.root, Copy{Source: CopySource{Target: bucket, Key: "k", VersionID: first}, Target: bucket, Key: "k"})
	if err != nil || cp.SourceVersionID != first || r.read(t, bucket, "k", "") != "first" {
		t.Errorf("restored by a copy = %+v, %v", cp, err)
	}
	if err := r.PutBucketVersioning(ctx, r.root, "photos", VersioningSuspended); err != nil {
		t.Fatal(err)
	}
	if id := put("suspended"); id != "" || r.read(t, bucket, "k", "null") != "suspended" || r.read(t, bucket, "k", second) != "second" {
		t.Errorf("a put while suspended made %q, want the null version and the others kept", id)
	}
	wantCode(t, "back to no versions", r.PutBucketVersioning(ctx, r.root, "photos", ""), "MalformedXML")
}

func TestBucketWithVersionsIsNotEmpty(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	second := Target{Bucket: "second"}
	if _, err := r.CreateBucket(ctx, r.root, "second", ""); err != nil {
		t.Fatal(err)
	}
	if err := r.PutBucketVersioning(ctx, r.root, "second", VersioningEnabled); err != nil {
		t.Fatal(err)
	}
	if err := r.put(ctx, r.root, second, "k"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.DeleteObject(ctx, r.root, second, "k", store.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "DeleteBucket with old versions alone", r.DeleteBucket(ctx, r.root, "second"), "BucketNotEmpty")
}

func TestDeleteObjectsDecidesAboutEach(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	for _, key := range []string{"mine/1", "mine/2", "yours"} {
		if err := r.put(ctx, r.root, bucket, key); err != nil {
			t.Fatal(err)
		}
	}
	cleaner := r.role(t, "cleaner", allow("s3:DeleteObject", bucketARN+"/mine/*"))
	objects := []ToDelete{{Key: "mine/1"}, {Key: "yours"}, {Key: "mine/absent"}, {Key: ""}, {Key: "mine/2", VersionID: "?"}, {Key: "mine/2", IfMatch: "x"}}
	results, err := r.DeleteObjects(ctx, cleaner, bucket, objects)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"", "AccessDenied", "", "InvalidURI", "InvalidArgument", "PreconditionFailed"} {
		wantCode(t, "deletion of "+objects[i].Key, results[i].Err, want)
	}
	_, err = r.HeadObject(ctx, r.root, bucket, "mine/1", "")
	wantCode(t, "what was deleted", err, "NoSuchKey")
	wantCode(t, "what was not", r.get(r.root, bucket, "yours"), "")
	_, err = r.DeleteObjects(ctx, r.root, Target{Bucket: "absent"}, objects)
	wantCode(t, "an absent bucket", err, "NoSuchBucket")
}

func TestTagsOfObjects(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	old := r.versions(t)
	info, err := r.PutObjectTagging(ctx, r.root, bucket, "a.jpg", old, map[string]string{"old": "yes"})
	if err != nil || info.VersionID != old {
		t.Fatalf("PutObjectTagging = %+v, %v", info, err)
	}
	for version, want := range map[string]string{old: "old", "": "kind"} {
		info, err := r.ObjectTagging(ctx, r.root, bucket, "a.jpg", version)
		if _, ok := info.Tags[want]; err != nil || !ok || len(info.Tags) != 1 {
			t.Errorf("tags of version %q = %v, %v, want %s", version, info.Tags, err, want)
		}
	}
	if _, err := r.DeleteObjectTagging(ctx, r.root, bucket, "a.jpg", ""); err != nil {
		t.Fatal(err)
	}
	if info, _ := r.ObjectTagging(ctx, r.root, bucket, "a.jpg", ""); len(info.Tags) != 0 {
		t.Errorf("tags after DeleteObjectTagging = %v", info.Tags)
	}
	_, err = r.PutObjectTagging(ctx, r.root, bucket, "absent", "", nil)
	wantCode(t, "tags of an absent key", err, "NoSuchKey")
	eleven := map[string]string{}
	for _, c := range "abcdefghijk" {
		eleven[string(c)] = ""
	}
	for name, c := range map[string]struct {
		tags map[string]string
		code string
	}{
		"ten and one":             {eleven, "BadRequest"},
		"an empty key":            {map[string]string{"": "x"}, "InvalidTag"},
		"a long key":              {map[string]string{strings.Repeat("k", 129): ""}, "InvalidTag"},
		"a long value":            {map[string]string{"k": strings.Repeat("v", 257)}, "InvalidTag"},
		"a key of AWS's own":      {map[string]string{"aws:x": ""}, "InvalidTag"},
		"letters of any alphabet": {map[string]string{"Größe": "日本 +-=._:/@"}, ""},
		"what is not allowed":     {map[string]string{"k": "a!"}, "InvalidTag"},
	} {
		_, err := r.PutObjectTagging(ctx, r.root, bucket, "a.jpg", "", c.tags)
		wantCode(t, name, err, c.code)
		_, err = r.PutObject(ctx, r.root, bucket, "new", strings.NewReader("x"), store.PutOptions{Tags: c.tags})
		wantCode(t, "PutObject with "+name, err, c.code)
	}
	_, err = r.BucketTagging(ctx, r.root, "photos")
	wantCode(t, "tags of a bucket that has none", err, "NoSuchTagSet")
}

func TestEncryption(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	_, err := r.BucketEncryption(ctx, r.root, "photos")
	wantCode(t, "the configuration where the store cannot encrypt", err, "ServerSideEncryptionConfigurationNotFoundError")
	wantCode(t, "setting it there", r.PutBucketEncryption(ctx, r.root, "photos", AES256), "NotImplemented")
	_, err = r.PutObject(ctx, r.root, bucket, "k", strings.NewReader("x"), store.PutOptions{Encrypt: true})
	wantCode(t, "asking for it there", err, "NotImplemented")

	r.cfg.Encrypts = true
	if _, err := r.CreateBucket(ctx, r.root, "second", ""); err != nil {
		t.Fatal(err)
	}
	if got, err := r.BucketEncryption(ctx, r.root, "second"); got != AES256 || err != nil {
		t.Errorf("a new bucket has %q, %v, want AES256", got, err)
	}
	for _, c := range []struct {
		bucket string
		ask    bool
		want   bool
	}{{"photos", false, false}, {"photos", true, true}, {"second", false, true}} {
		target := Target{Bucket: c.bucket}
		info, err := r.PutObject(ctx, r.root, target, "k", strings.NewReader("x"), store.PutOptions{Encrypt: c.ask})
		if err != nil || info.Encrypted != c.want {
			t.Errorf("put into %s, asking %v: encrypted %v, %v, want %v", c.bucket, c.ask, info.Encrypted, err, c.want)
		}
		_, up, err := r.CreateMultipartUpload(ctx, r.root, target, "k", store.UploadOptions{Encrypt: c.ask})
		if err != nil || up.Options.Encrypt != c.want {
			t.Errorf("upload into %s, asking %v: encrypted %v, %v, want %v", c.bucket, c.ask, up.Options.Encrypt, err, c.want)
		}
		cp, err := r.CopyObject(ctx, r.root, Copy{Source: CopySource{Target: bucket, Key: "a.jpg"}, Target: target, Key: "copy", Encrypt: c.ask})
		if err != nil || cp.Encrypted != c.want {
			t.Errorf("copy into %s, asking %v: encrypted %v, %v, want %v", c.bucket, c.ask, cp.Encrypted, err, c.want)
		}
	}
	wantCode(t, "KMS", r.PutBucketEncryption(ctx, r.root, "photos", "aws:kms"), "NotImplemented")
	wantCode(t, "nonsense", r.PutBucketEncryption(ctx, r.root, "photos", "rot13"), "InvalidArgument")
	wantCode(t, "AES256", r.PutBucketEncryption(ctx, r.root, "photos", AES256), "")
	wantCode(t, "removing it", r.DeleteBucketEncryption(ctx, r.root, "second"), "")
	if got, _ := r.BucketEncryption(ctx, r.root, "second"); got != AES256 {
		t.Errorf("after removal %q, want AES256 as on AWS", got)
	}
}

func TestOwnership(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	wantCode(t, "ObjectWriter", r.PutBucketOwnershipControls(ctx, r.root, "photos", "ObjectWriter"), "NotImplemented")
	wantCode(t, "nonsense", r.PutBucketOwnershipControls(ctx, r.root, "photos", "Nobody"), "MalformedXML")
	wantCode(t, "deletion", r.DeleteBucketOwnershipControls(ctx, r.root, "photos"), "")
	_, err := r.BucketOwnershipControls(ctx, r.root, "photos")
	wantCode(t, "after deletion", err, "OwnershipControlsNotFoundError")
	wantCode(t, "BucketOwnerEnforced", r.PutBucketOwnershipControls(ctx, r.root, "photos", BucketOwnerEnforced), "")
	wantCode(t, "PutBucketAcl", r.PutBucketACL(ctx, r.root, "photos"), "AccessControlListNotSupported")
	wantCode(t, "PutObjectAcl", r.PutObjectACL(ctx, r.root, bucket, "a.jpg", ""), "AccessControlListNotSupported")
	wantCode(t, "PutObjectAcl of an absent key", r.PutObjectACL(ctx, r.root, bucket, "absent", ""), "NoSuchKey")
}
