package s3

import (
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"glassine/store"
)

func TestNewBucketIsPrivate(t *testing.T) {
	r := newRig(t)
	block, err := r.GetPublicAccessBlock(t.Context(), r.root, "photos")
	if err != nil || block != BlockAll {
		t.Errorf("Block Public Access of a new bucket = %+v, %v, want all on", block, err)
	}
	_, err = r.GetBucketPolicy(t.Context(), r.root, "photos")
	wantCode(t, "GetBucketPolicy", err, "NoSuchBucketPolicy")
	if err := r.DeletePublicAccessBlock(t.Context(), r.root, "photos"); err != nil {
		t.Fatal(err)
	}
	_, err = r.GetPublicAccessBlock(t.Context(), r.root, "photos")
	wantCode(t, "GetPublicAccessBlock after its deletion", err, "NoSuchPublicAccessBlockConfiguration")
}

func TestCreateBucket(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ name, bucket, region, wantRegion, want string }{
		{"in the service's region", "new-1", "", "us-east-1", ""},
		{"in another region", "new-2", "ap-northeast-2", "ap-northeast-2", ""},
		{"in Europe's old name", "new-3", "EU", "eu-west-1", ""},
		{"in a region that no ARN can hold", "new-4", "a:b", "", "InvalidLocationConstraint"},
		{"again", "photos", "", "", "BucketAlreadyOwnedByYou"},
		{"under a bad name", "Photos", "", "", "InvalidBucketName"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, err := r.CreateBucket(t.Context(), r.root, c.bucket, c.region)
			wantCode(t, "CreateBucket", err, c.want)
			if b.Region != c.wantRegion {
				t.Errorf("region = %q, want %q", b.Region, c.wantRegion)
			}
		})
	}
}

func TestCreateTaggedBucket(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	tags := map[string]string{"team": "photo"}
	may := r.role(t, "maker", allow("s3:CreateBucket", "*"))
	_, err := r.CreateTaggedBucket(ctx, may, "tagged", "", tags)
	wantCode(t, "by one who may not tag", err, "AccessDenied")
	_, err = r.CreateTaggedBucket(ctx, r.root, "tagged", "", map[string]string{"aws:team": "x"})
	wantCode(t, "with a system tag", err, "InvalidTag")
	if r.HasBucket("tagged") {
		t.Error("what was refused is there")
	}
	if _, err := r.CreateTaggedBucket(ctx, r.root, "tagged", "", tags); err != nil {
		t.Fatal(err)
	}
	if got, err := r.BucketTagging(ctx, r.root, "tagged"); err != nil || got["team"] != "photo" {
		t.Errorf("BucketTagging = %v, %v, want %v", got, err, tags)
	}
	_, err = r.CreateTaggedBucket(ctx, may, "bare", "", nil)
	wantCode(t, "without tags by one who may not tag", err, "")
}

func TestDeleteBucket(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	wantCode(t, "bucket with an access point", r.DeleteBucket(ctx, r.root, "photos"), "BucketHasAccessPointsAttached")
	if err := r.DeleteAccessPoint(ctx, r.root, "photos-ap"); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "bucket with an object", r.DeleteBucket(ctx, r.root, "photos"), "BucketNotEmpty")
	if _, err := r.DeleteObject(ctx, r.root, bucket, "a.jpg", store.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "empty bucket", r.DeleteBucket(ctx, r.root, "photos"), "")
	wantCode(t, "bucket that is gone", r.DeleteBucket(ctx, r.root, "photos"), "NoSuchBucket")
	if r.HasBucket("photos") {
		t.Error("HasBucket of what is gone")
	}
}

// What was uploaded into a bucket that was deleted meanwhile is nowhere.
func TestUploadThatOutlivesItsBucket(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	if _, err := r.CreateBucket(ctx, r.root, "brief", ""); err != nil {
		t.Fatal(err)
	}
	body := io.MultiReader(strings.NewReader("x"), readerFunc(func([]byte) (int, error) {
		return 0, errors.Join(r.DeleteBucket(ctx, r.root, "brief"), io.EOF)
	}))
	_, err := r.PutObject(ctx, r.root, Target{Bucket: "brief"}, "k", eofReader{body}, store.PutOptions{})
	wantCode(t, "PutObject", err, "NoSuchBucket")
	if _, err := r.store.Head(ctx, "brief", "k"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the object is still stored: %v", err)
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// eofReader gives io.EOF itself for an error that holds it.
type eofReader struct{ r io.Reader }

func (e eofReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return n, err
}

func TestNoAccessPointOfABucketThatIsGone(t *testing.T) {
	for range 100 {
		r := newRig(t)
		if _, err := r.CreateBucket(t.Context(), r.root, "brief", ""); err != nil {
			t.Fatal(err)
		}
		var both sync.WaitGroup
		var deleted, created error
		both.Go(func() { deleted = r.DeleteBucket(t.Context(), r.root, "brief") })
		both.Go(func() {
			_, created = r.CreateAccessPoint(t.Context(), r.root, NewAccessPoint{Name: "brief-ap", Bucket: "brief"})
		})
		both.Wait()
		if (deleted == nil) == (created == nil) {
			t.Fatalf("DeleteBucket = %v and CreateAccessPoint = %v, want one to work", deleted, created)
		}
	}
}

func TestObjectErrors(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	wantCode(t, "key of 1024 bytes", r.put(ctx, r.root, bucket, strings.Repeat("k", 1024)), "")
	wantCode(t, "key of 1025 bytes", r.put(ctx, r.root, bucket, strings.Repeat("k", 1025)), "KeyTooLongError")
	wantCode(t, "no key", r.put(ctx, r.root, bucket, ""), "InvalidURI")
	wantCode(t, "key that looks like a path", r.put(ctx, r.root, bucket, "a/../b//c"), "")
	wantCode(t, "the same through the access point", r.get(r.root, point, "a/../b//c"), "")
	_, err := r.GetObject(ctx, r.root, bucket, "a.jpg", store.GetOptions{Range: &store.Range{Start: 10, End: -1}})
	wantCode(t, "range past the end", err, "InvalidRange")
	_, err = r.PutObject(ctx, r.root, bucket, "a.jpg", strings.NewReader("y"), store.PutOptions{IfNoneMatch: "*"})
	wantCode(t, "conditional put", err, "PreconditionFailed")
	broken := errors.New("hash mismatch")
	if _, err := r.PutObject(ctx, r.root, bucket, "bad", iotest.ErrReader(broken), store.PutOptions{}); !errors.Is(err, broken) {
		t.Errorf("PutObject of a bad body = %v, want the body's own error", err)
	}
	wantCode(t, "what it left", r.get(r.root, bucket, "bad"), "NoSuchKey")
	_, err = r.DeleteObject(ctx, r.root, bucket, "absent", store.DeleteOptions{})
	wantCode(t, "delete of an absent key", err, "")
	r.store.Limit = 1
	wantCode(t, "full store", r.put(ctx, r.root, bucket, "more"), "InsufficientStorage")
}

// (S3 API Reference, PutBucketPolicy: root of the owner's account.)
func TestRootIsNotLockedOutByABucketPolicy(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	admin := r.role(t, "admin", allow("s3:*", "*"))
	deny := document(`{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["` + bucketARN + `","` + bucketARN + `/*"]}`)
	if err := r.PutBucketPolicy(ctx, admin, "photos", deny); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "GetObject by root", r.get(r.root, bucket, "a.jpg"), "AccessDenied")
	wantCode(t, "DeleteBucketPolicy by another", r.DeleteBucketPolicy(ctx, admin, "photos"), "AccessDenied")
	wantCode(t, "PutBucketPolicy by another", r.PutBucketPolicy(ctx, admin, "photos", deny), "AccessDenied")
	_, err := r.GetBucketPolicy(ctx, r.root, "photos")
	wantCode(t, "GetBucketPolicy by root", err, "")
	wantCode(t, "PutBucketPolicy by root", r.PutBucketPolicy(ctx, r.root, "photos", deny), "")
	wantCode(t, "DeleteBucketPolicy by root", r.DeleteBucketPolicy(ctx, r.root, "photos"), "")
	wantCode(t, "GetObject by root afterwards", r.get(r.root, bucket, "a.jpg"), "")
}

func TestCheckOfBucketPolicies(t *testing.T) {
	r := newRig(t)
	r.role(t, "viewer", "")
	one := to("Allow", roleNamed("viewer"), "s3:GetObject", bucketARN+"/*")
	for _, c := range []struct{ name, doc, want string }{
		{"objects of the bucket", document(one), ""},
		{"the bucket", document(to("Allow", roleNamed("viewer"), "s3:ListBucket", bucketARN)), ""},
		{"another bucket", document(to("Allow", roleNamed("viewer"), "s3:GetObject", "arn:aws:s3:::other/*")), "MalformedPolicy"},
		{"a bucket whose name begins alike", document(to("Allow", roleNamed("viewer"), "s3:GetObject", bucketARN+"2/*")), "MalformedPolicy"},
		{"all but another bucket's", document(strings.Replace(to("Allow", roleNamed("viewer"), "s3:GetObject", "arn:aws:s3:::other/*"), `"Resource"`, `"NotResource"`, 1)), "MalformedPolicy"},
		{"one good and one bad statement", document(one + "," + to("Allow", roleNamed("viewer"), "s3:GetObject", "arn:aws:s3:::other/*")), "MalformedPolicy"},
		{"a role that nobody has", document(to("Allow", roleNamed("nobody"), "s3:GetObject", bucketARN+"/*")), "MalformedPolicy"},
		{"public", document(to("Allow", `"*"`, "s3:GetObject", bucketARN+"/*")), "AccessDenied"},
		{"a Deny of everybody is not public", document(to("Deny", `"*"`, "s3:GetObject", bucketARN+"/*")), ""},
		{"20 KB", document(one) + strings.Repeat(" ", 20<<10-len(document(one))), ""},
		{"one byte more", document(one) + strings.Repeat(" ", 20<<10-len(document(one))+1), "MalformedPolicy"},
		{"no JSON", "{", "MalformedPolicy"},
		{"nothing", "", "MalformedPolicy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantCode(t, "PutBucketPolicy", r.PutBucketPolicy(t.Context(), r.root, "photos", c.doc), c.want)
		})
	}
	wantCode(t, "policy of an absent bucket", r.PutBucketPolicy(t.Context(), r.root, "absent", document(one)), "NoSuchBucket")
}
