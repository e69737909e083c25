package s3

import "testing"

// The account's setting holds for each bucket and access point, over what they say themselves.
func TestAccountsBlockPublicAccess(t *testing.T) {
	r := newRig(t)
	ctx := t.Context()
	public := document(to("Allow", `"*"`, "s3:GetObject", bucketARN+"/*"))
	publicPoint := document(to("Allow", `"*"`, "s3:GetObject", pointARN+"/object/*"))
	if err := r.DeletePublicAccessBlock(ctx, r.root, "photos"); err != nil {
		t.Fatal(err)
	}
	try := func(t *testing.T, block PublicAccessBlock, put, read string) {
		t.Helper()
		if err := r.PutAccountPublicAccessBlock(ctx, r.root, block); err != nil {
			t.Fatal(err)
		}
		if got, err := r.AccountPublicAccessBlock(ctx, r.root); err != nil || got != block {
			t.Errorf("AccountPublicAccessBlock = %+v, %v, want %+v", got, err, block)
		}
		wantCode(t, "PutBucketPolicy", r.PutBucketPolicy(ctx, r.root, "photos", public), put)
		wantCode(t, "PutAccessPointPolicy", r.PutAccessPointPolicy(ctx, r.root, "photos-ap", publicPoint), put)
		wantCode(t, "GetObject by nobody", r.get(nobody, bucket, "a.jpg"), read)
		wantCode(t, "GetObject by nobody through the access point", r.get(nobody, point, "a.jpg"), read)
	}
	_, err := r.AccountPublicAccessBlock(ctx, r.root)
	wantCode(t, "AccountPublicAccessBlock before it is set", err, "NoSuchPublicAccessBlockConfiguration")
	try(t, PublicAccessBlock{BlockPublicPolicy: true}, "AccessDenied", "AccessDenied")
	try(t, PublicAccessBlock{}, "", "")
	try(t, PublicAccessBlock{RestrictPublicBuckets: true}, "", "AccessDenied")
	for range 2 {
		wantCode(t, "DeleteAccountPublicAccessBlock", r.DeleteAccountPublicAccessBlock(ctx, r.root), "")
	}
	wantCode(t, "GetObject by nobody afterwards", r.get(nobody, bucket, "a.jpg"), "")

	accountARN := "arn:aws:s3::" + account + ":account"
	setter := r.role(t, "setter", allow("s3:PutAccountPublicAccessBlock", accountARN))
	wantCode(t, "PutAccountPublicAccessBlock by one who may", r.PutAccountPublicAccessBlock(ctx, setter, BlockAll), "")
	_, err = r.AccountPublicAccessBlock(ctx, r.role(t, "getter", allow("s3:GetAccountPublicAccessBlock", accountARN)))
	wantCode(t, "AccountPublicAccessBlock by one who may", err, "")
	none := r.role(t, "none", allow("s3:*Bucket*", "*"))
	_, get := r.AccountPublicAccessBlock(ctx, none)
	wantCode(t, "AccountPublicAccessBlock by another", get, "AccessDenied")
	wantCode(t, "PutAccountPublicAccessBlock by another", r.PutAccountPublicAccessBlock(ctx, none, PublicAccessBlock{}), "AccessDenied")
	wantCode(t, "DeleteAccountPublicAccessBlock by another", r.DeleteAccountPublicAccessBlock(ctx, none), "AccessDenied")
}
