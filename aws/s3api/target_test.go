package s3api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestTargets(t *testing.T) {
	g := newRig(t)
	scope := func(service string) http.Header {
		return http.Header{"Authorization": {"AWS4-HMAC-SHA256 Credential=A/20261124/us-east-1/" + service + "/aws4_request, SignedHeaders=host, Signature=" + strings.Repeat("0", 64)}, "X-Amz-Date": {"20261124T120000Z"}}
	}
	for _, c := range []struct {
		name, url string
		header    http.Header
		want      target
	}{
		{"no bucket", "https://s3.us-east-1.amazonaws.com/", nil, target{kind: service}},
		{"path style", "https://s3.us-east-1.amazonaws.com/photos/a/b", nil, target{bucket, "photos", "a/b", false}},
		{"virtual host", bucketURL + "/a/b", nil, target{bucket, "photos", "a/b", false}},
		{"virtual host without a region", "https://photos.s3.amazonaws.com/a", nil, target{bucket, "photos", "a", false}},
		{"dual stack", "https://photos.s3.dualstack.us-east-1.amazonaws.com/a", nil, target{bucket, "photos", "a", false}},
		{"a bucket with dots", "https://a.b.c.s3.us-east-1.amazonaws.com/a", nil, target{bucket, "a.b.c", "a", false}},
		{"an old regional host", "https://s3-eu-west-1.amazonaws.com/photos/a", nil, target{bucket, "photos", "a", false}},
		{"our address", "http://127.0.0.1:4566/photos/a", nil, target{bucket, "photos", "a", false}},
		{"a label before our name", "http://photos.localhost:4566/a", nil, target{bucket, "photos", "a", false}},
		{"an access point's host", pointURL + "/a", nil, target{accessPoint, "view", "a", false}},
		{"an access point before our address", "http://view-" + account + ".127.0.0.1:4566/a", scope("s3"), target{accessPoint, "view", "a", false}},
		{"an Object Lambda access point's host", lambdaURL + "/a", nil, target{objectLambda, "olap", "a", false}},
		{"an Object Lambda access point before our name", "http://olap-" + account + ".localhost/a", scope("s3-object-lambda"), target{objectLambda, "olap", "a", false}},
		{"an alias as a host", "https://" + g.lambda.Alias + ".s3.us-east-1.amazonaws.com/a", nil, target{objectLambda, "olap", "a", true}},
		{"an alias in the path", "http://127.0.0.1/" + g.point.Alias + "/a", nil, target{accessPoint, "view", "a", true}},
		{"keys are not cleaned", bucketURL + "/a//b/../c/./d", nil, target{bucket, "photos", "a//b/../c/./d", false}},
		{"a key that begins with a slash", bucketURL + "//a", nil, target{bucket, "photos", "/a", false}},
		{"keys are decoded once", bucketURL + "/a%2520b%2Fc+d", nil, target{bucket, "photos", "a%20b/c+d", false}},
		{"a key that looks like an access point's path", bucketURL + "/v20180820/x", nil, target{bucket, "photos", "v20180820/x", false}},
	} {
		r := httptest.NewRequest("GET", c.url, nil)
		r.RequestURI = r.URL.RequestURI()
		for name, v := range c.header {
			r.Header[name] = v
		}
		if got, err := g.parseTarget(r); err != nil || got != c.want {
			t.Errorf("%s: %+v (%v), want %+v", c.name, got, err, c.want)
		}
	}
	for _, url := range []string{"https://nobody-" + "999999999999" + ".s3-accesspoint.us-east-1.amazonaws.com/a", "https://short.s3-accesspoint.us-east-1.amazonaws.com/a", "http://127.0.0.1/x--ol-s3/a"} {
		r := httptest.NewRequest("GET", url, nil)
		if got, err := g.parseTarget(r); err == nil {
			t.Errorf("%s = %+v, want an error", url, got)
		}
	}
}

func FuzzTarget(f *testing.F) {
	g := newRig(f)
	f.Add("photos.s3.us-east-1.amazonaws.com", "/a%2")
	f.Add("x-123456789012.localhost:1", "//../%00")
	f.Add("[::1]:80", "http://a/b?c")
	f.Fuzz(func(_ *testing.T, host, uri string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host, r.RequestURI = host, uri
		_, _ = g.parseTarget(r) // must not panic
	})
}
