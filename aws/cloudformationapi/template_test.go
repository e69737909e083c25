package cloudformationapi

import (
	"strings"
	"testing"
)

// FuzzTemplateURL takes URLs apart: what is taken names a bucket and a key.
func FuzzTemplateURL(f *testing.F) {
	for _, s := range []string{
		"s3://b/k", "https://b.s3.eu-west-1.amazonaws.com/k?versionId=1", "https://s3-eu-west-1.amazonaws.com/b/k/l", "http://b.localhost:4566/k", "http://[::1]:4566/b/k", "https://.s3.amazonaws.com//", "%",
	} {
		f.Add(s)
	}
	h := &Handler{Endpoints: []string{"localhost", "127.0.0.1"}}
	f.Fuzz(func(t *testing.T, from string) {
		bucket, key, _, ok := h.object(from)
		if ok && (bucket == "" || key == "" || strings.Contains(bucket, "/")) {
			t.Errorf("%q is bucket %q, key %q", from, bucket, key)
		}
	})
}
