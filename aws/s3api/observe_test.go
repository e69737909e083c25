package s3api

import (
	"net/http/httptest"
	"testing"
)

func TestOperationsHaveS3sNames(t *testing.T) {
	for _, c := range []struct {
		method, query, key string
		kind               kind
		want               string
	}{
		{"GET", "", "", service, "ListBuckets"},
		{"POST", "", "", service, ""},
		{"PUT", "", "", bucket, "CreateBucket"},
		{"DELETE", "", "", bucket, "DeleteBucket"},
		{"HEAD", "", "", bucket, "HeadBucket"},
		{"GET", "list-type=2", "", bucket, "ListObjectsV2"},
		{"PUT", "policy", "", bucket, "PutBucketPolicy"},
		{"GET", "cors", "", bucket, "GetBucketCors"},
		{"OPTIONS", "", "k", bucket, "Preflight"},
		{"GET", "", "k", bucket, "GetObject"},
		{"GET", "attributes", "k", bucket, "GetObjectAttributes"},
		{"PUT", "partNumber=1&uploadId=u", "k", accessPoint, "UploadPart"},
		{"POST", "", "", bucket, "PostObject"},
		{"BREW", "", "k", bucket, ""},
		{"GET", "metrics", "", bucket, ""},
	} {
		req := &request{Request: httptest.NewRequest(c.method, "/", nil), target: target{kind: c.kind, key: c.key}, query: parseQuery(c.query)}
		if got := anyOperation(req); got != c.want {
			t.Errorf("%s ?%s of kind %d, key %q: %q, want %q", c.method, c.query, c.kind, c.key, got, c.want)
		}
	}
}
