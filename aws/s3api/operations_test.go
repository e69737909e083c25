package s3api

import (
	"strings"
	"testing"
)

// Every operation that clients of the reference set-up need is here: whatever it says to these requests, it is not that there
// is no such operation.
func TestOperationsAreServed(t *testing.T) {
	g := newRig(t)
	all := map[string]string{
		"ListBuckets": "GET /", "CreateBucket": "PUT /another", "HeadBucket": "HEAD /photos", "DeleteBucket": "DELETE /another", "GetBucketLocation": "GET /photos?location",
		"GetBucketPolicyStatus": "GET /photos?policyStatus", "GetBucketAcl": "GET /photos?acl",
		"ListObjects": "GET /photos", "ListObjectsV2": "GET /photos?list-type=2", "ListObjectVersions": "GET /photos?versions",
		"PutObject": "PUT /photos/k", "GetObject": "GET /photos/k", "HeadObject": "HEAD /photos/k", "DeleteObject": "DELETE /photos/k", "DeleteObjects": "POST /photos?delete",
		"GetObjectAttributes": "GET /photos/k?attributes", "PutObjectTagging": "PUT /photos/k?tagging", "GetObjectTagging": "GET /photos/k?tagging", "DeleteObjectTagging": "DELETE /photos/k?tagging",
		"CreateMultipartUpload": "POST /photos/k?uploads", "UploadPart": "PUT /photos/k?partNumber=1&uploadId=x", "CompleteMultipartUpload": "POST /photos/k?uploadId=x",
		"AbortMultipartUpload": "DELETE /photos/k?uploadId=x", "ListParts": "GET /photos/k?uploadId=x", "ListMultipartUploads": "GET /photos?uploads",
		"PutBucketVersioning": "PUT /photos?versioning", "GetBucketVersioning": "GET /photos?versioning",
	}
	for name, sub := range map[string]string{
		"PublicAccessBlock": "publicAccessBlock", "BucketEncryption": "encryption", "BucketPolicy": "policy", "BucketTagging": "tagging", "BucketOwnershipControls": "ownershipControls",
		"BucketLifecycleConfiguration": "lifecycle", "BucketCors": "cors",
	} {
		for method, verb := range map[string]string{"PUT": "Put", "GET": "Get", "DELETE": "Delete"} {
			all[verb+name] = method + " /photos?" + sub
		}
	}
	for name, line := range all {
		method, target, _ := strings.Cut(line, " ")
		w := g.ask(t, method, "http://localhost"+target, "", nil)
		body := w.Body.String()
		if w.Code == 405 || w.Code == 501 || strings.Contains(body, "<Code>MethodNotAllowed") || strings.Contains(body, "<Code>NotImplemented") {
			t.Errorf("%s: %s = %d %s", name, line, w.Code, body)
		}
	}
	// CopyObject, UploadPartCopy and WriteGetObjectResponse are told by more than method and query: see TestCopies and others.
	if len(all) != 48 {
		t.Errorf("tried %d operations, want 48", len(all))
	}
	// The check is worth something: what is not here says so, also where without its name in the query it would be another operation.
	for name, line := range map[string]string{
		"PutBucketReplication": "PUT /photos?replication", "PutBucketAbac": "PUT /photos?abac", "GetBucketAbac": "GET /photos?abac",
		"UpdateBucketMetadataInventoryTableConfiguration": "PUT /photos?metadataInventoryTable", "UpdateBucketMetadataJournalTableConfiguration": "PUT /photos?metadataJournalTable",
	} {
		method, target, _ := strings.Cut(line, " ")
		if w := g.ask(t, method, "http://localhost"+target, "", nil); w.Code != 501 {
			t.Errorf("%s: %s = %d, want 501", name, line, w.Code)
		}
	}
}
