package s3api

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/lambda"
	"glassine/objectlambda"
	"glassine/s3"
	"glassine/state"
	"glassine/store/memory"
)

const account = "123456789012"

// invoker is a function: it gets the event and may answer through the rig.
type invoker struct {
	invoke func(ctx context.Context, event []byte) (lambda.Result, error)
}

func (f *invoker) Invoke(ctx context.Context, _ iam.Caller, _ string, event []byte) (lambda.Result, error) {
	return f.invoke(ctx, event)
}

// rig is a handler over real services in memory, with a bucket, an access point and an Object Lambda access point.
type rig struct {
	*Handler
	root     sigv4.Credentials
	function *invoker
	point    s3.AccessPoint
	lambda   objectlambda.AccessPoint
}

func newRig(t testing.TB) *rig {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	records := &state.Memory{}
	identity, err := iam.New(ctx, iam.Config{State: records, Account: account, Key: [32]byte{1}})
	must(err)
	key, _, err := identity.EnsureRoot(ctx)
	must(err)
	buckets, err := s3.New(ctx, s3.Config{State: records, Store: &memory.Store{}, IAM: identity})
	must(err)
	g := &rig{root: sigv4.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey}, function: &invoker{}}
	points, err := objectlambda.New(ctx, objectlambda.Config{State: records, IAM: identity, S3: buckets, Invoker: g.function})
	must(err)
	g.Handler = &Handler{IAM: identity, S3: buckets, ObjectLambda: points, Endpoints: []string{"localhost", "127.0.0.1"}}
	_, err = buckets.CreateBucket(ctx, identity.Root(), "photos", "")
	must(err)
	g.point, err = buckets.CreateAccessPoint(ctx, identity.Root(), s3.NewAccessPoint{Name: "view", Bucket: "photos", Block: s3.BlockAll})
	must(err)
	g.lambda, err = points.Create(ctx, identity.Root(), "olap", objectlambda.Configuration{
		SupportingAccessPoint: g.point.ARN(),
		Transformations:       []objectlambda.Transformation{{Actions: []string{objectlambda.GetObject}, Function: "f"}},
	})
	must(err)
	return g
}

// ask sends a request to the handler, signed by root unless sign is false.
func (g *rig) ask(t testing.TB, method, url, body string, header http.Header) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	g.ServeHTTP(w, g.request(t, method, url, body, header))
	return w
}

func (g *rig) request(t testing.TB, method, url, body string, header http.Header) *http.Request {
	t.Helper()
	r := httptest.NewRequest(method, url, strings.NewReader(body))
	r.RequestURI = r.URL.RequestURI()
	r.RemoteAddr = "127.0.0.1:1"
	for name, values := range header {
		r.Header[name] = values
	}
	service := "s3"
	if strings.Contains(r.Host, "s3-object-lambda") {
		service = "s3-object-lambda"
	}
	hash := sigv4.PayloadSHA256([]byte(body))
	if h := header.Get("X-Amz-Content-Sha256"); h != "" {
		hash = h
	}
	sigv4.Sign(r, g.root, "us-east-1", service, hash, time.Now())
	return r
}

const (
	bucketURL = "https://photos.s3.us-east-1.amazonaws.com"
	pointURL  = "https://view-" + account + ".s3-accesspoint.us-east-1.amazonaws.com"
	lambdaURL = "https://olap-" + account + ".s3-object-lambda.us-east-1.amazonaws.com"
	writeURL  = "https://io-use1-001.s3-object-lambda.us-east-1.amazonaws.com/WriteGetObjectResponse"
)

func code(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	if w.Code < 400 {
		return ""
	}
	var e struct{ Code string }
	if err := xml.Unmarshal(w.Body.Bytes(), &e); err != nil {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	return e.Code
}

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

func TestObjectsKeepTheirHeaders(t *testing.T) {
	g := newRig(t)
	put := g.ask(t, "PUT", bucketURL+"/k", "hello", http.Header{"Content-Type": {"text/plain"}, "Cache-Control": {"max-age=60"}, "X-Amz-Meta-Album": {"summer"}})
	sum := fmt.Sprintf(`"%x"`, md5.Sum([]byte("hello")))
	if put.Code != 200 || put.Header().Get("ETag") != sum {
		t.Fatalf("PUT = %d %v %s", put.Code, put.Header(), put.Body)
	}
	for _, method := range []string{"GET", "HEAD"} {
		w := g.ask(t, method, bucketURL+"/k", "", nil)
		h := w.Header()
		if w.Code != 200 || h.Get("Content-Type") != "text/plain" || h.Get("Cache-Control") != "max-age=60" || !slices.Equal(h[metaAlbum], []string{"summer"}) ||
			h.Get("ETag") != sum || h.Get("Content-Length") != "5" || h.Get("Accept-Ranges") != "bytes" {
			t.Errorf("%s = %d %v", method, w.Code, h)
		}
	}
	w := g.ask(t, "GET", bucketURL+"/k?response-content-type=image%2Fpng&response-cache-control=no-store", "", nil)
	if w.Header().Get("Content-Type") != "image/png" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("overridden headers = %v", w.Header())
	}
	if w := g.ask(t, "DELETE", bucketURL+"/k", "", nil); w.Code != 204 {
		t.Errorf("DELETE = %d", w.Code)
	}
	if w := g.ask(t, "GET", bucketURL+"/k", "", nil); code(t, w) != "NoSuchKey" {
		t.Errorf("after DELETE: %d %s", w.Code, w.Body)
	}
}

func TestRangesAndConditions(t *testing.T) {
	g := newRig(t)
	g.ask(t, "PUT", bucketURL+"/k", "0123456789", nil)
	etag := fmt.Sprintf(`"%x"`, md5.Sum([]byte("0123456789")))
	past, future := "Mon, 02 Jan 2006 15:04:05 GMT", "Mon, 02 Jan 2040 15:04:05 GMT"
	for _, c := range []struct {
		name, header, value string
		status              int
		body                string
	}{
		{"first bytes", "Range", "bytes=0-3", 206, "0123"},
		{"from the middle", "Range", "bytes=7-", 206, "789"},
		{"last bytes", "Range", "bytes=-2", 206, "89"},
		{"beyond the end", "Range", "bytes=5-99", 206, "56789"},
		{"several ranges are ignored", "Range", "bytes=0-1,3-4", 200, "0123456789"},
		{"another unit is ignored", "Range", "lines=1-2", 200, "0123456789"},
		{"nothing of it is there", "Range", "bytes=10-", 416, ""},
		{"no bytes", "Range", "bytes=-0", 416, ""},
		{"the same ETag", "If-None-Match", etag, 304, ""},
		{"another ETag", "If-None-Match", `"x"`, 200, "0123456789"},
		{"a matching ETag wanted", "If-Match", etag, 200, "0123456789"},
		{"another ETag wanted", "If-Match", `"x"`, 412, ""},
		{"changed since", "If-Modified-Since", past, 200, "0123456789"},
		{"not changed since", "If-Modified-Since", future, 304, ""},
		{"unchanged since wanted", "If-Unmodified-Since", past, 412, ""},
	} {
		w := g.ask(t, "GET", bucketURL+"/k", "", http.Header{c.header: {c.value}})
		if w.Code != c.status || c.status < 300 && w.Body.String() != c.body {
			t.Errorf("%s: %d %q, want %d %q", c.name, w.Code, w.Body, c.status, c.body)
		}
		if h := g.ask(t, "HEAD", bucketURL+"/k", "", http.Header{c.header: {c.value}}); h.Code != c.status || h.Body.Len() != 0 {
			t.Errorf("%s: HEAD = %d with %d bytes, want %d and none", c.name, h.Code, h.Body.Len(), c.status)
		}
	}
	if w := g.ask(t, "PUT", bucketURL+"/k", "new", http.Header{"If-None-Match": {"*"}}); code(t, w) != "PreconditionFailed" {
		t.Errorf("PUT only if absent = %d", w.Code)
	}
	if w := g.ask(t, "PUT", bucketURL+"/k", "new", http.Header{"If-Match": {etag}}); w.Code != 200 {
		t.Errorf("PUT if unchanged = %d", w.Code)
	}
}

func TestABodyThatIsNotWhatWasSaidIsNotStored(t *testing.T) {
	g := newRig(t)
	b64 := base64.StdEncoding.EncodeToString
	good, other := md5.Sum([]byte("hello")), md5.Sum([]byte("other"))
	for _, c := range []struct {
		name   string
		header http.Header
		code   string
	}{
		{"its own MD5", http.Header{"Content-Md5": {b64(good[:])}}, ""},
		{"another MD5", http.Header{"Content-Md5": {b64(other[:])}}, "BadDigest"},
		{"no MD5 at all", http.Header{"Content-Md5": {"abc"}}, "InvalidDigest"},
		{"CRC32", http.Header{"X-Amz-Checksum-Crc32": {"NhCmhg=="}}, ""},
		{"CRC32C", http.Header{"X-Amz-Checksum-Crc32c": {"mnG7TA=="}}, ""},
		{"CRC64NVME", http.Header{"X-Amz-Checksum-Crc64nvme": {"M3eFcAZSQlc="}}, ""},
		{"SHA-1", http.Header{"X-Amz-Checksum-Sha1": {"qvTGHdzF6KLavt4PO0gs2a6pQ00="}}, ""},
		{"another CRC32", http.Header{"X-Amz-Checksum-Crc32": {"NhCmhw=="}}, "BadDigest"},
		{"a checksum of the wrong size", http.Header{"X-Amz-Checksum-Crc32": {"NhCm"}}, "InvalidRequest"},
		{"two checksums", http.Header{"X-Amz-Checksum-Crc32": {"NhCmhg=="}, "X-Amz-Checksum-Sha1": {"qvTGHdzF6KLavt4PO0gs2a6pQ00="}}, "InvalidRequest"},
		{"another body than was signed", http.Header{"X-Amz-Content-Sha256": {sigv4.PayloadSHA256([]byte("other"))}}, "XAmzContentSHA256Mismatch"},
		{"a public ACL", http.Header{"X-Amz-Acl": {"public-read"}}, "AccessControlListNotSupported"},
		{"a copy", http.Header{"X-Amz-Copy-Source": {"photos/x"}}, "NotImplemented"},
		{"too much metadata", http.Header{"X-Amz-Meta-A": {strings.Repeat("x", 2050)}}, "MetadataTooLarge"},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := "/" + strings.ReplaceAll(c.name, " ", "-")
			if w := g.ask(t, "PUT", bucketURL+key, "hello", c.header); code(t, w) != c.code {
				t.Errorf("PUT = %d %s, want %q", w.Code, w.Body, c.code)
			}
			stored := g.ask(t, "GET", bucketURL+key, "", nil)
			if (stored.Code == 200) != (c.code == "") {
				t.Errorf("afterwards GET = %d", stored.Code)
			}
		})
	}
	r := g.request(t, "PUT", bucketURL+"/no-length", "hello", nil)
	r.ContentLength = -1
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if code(t, w) != "MissingContentLength" {
		t.Errorf("no Content-Length = %d", w.Code)
	}
}

func TestListing(t *testing.T) {
	g := newRig(t)
	for _, key := range []string{"a", "b/1", "b/2", "c d", "e+f"} {
		g.ask(t, "PUT", bucketURL+"/"+strings.NewReplacer(" ", "%20").Replace(key), "x", nil)
	}
	type result struct {
		Contents              []struct{ Key, ETag, StorageClass string }
		CommonPrefixes        []struct{ Prefix string }
		NextContinuationToken string
		NextMarker            string
		KeyCount              int
		IsTruncated           bool
	}
	list := func(query string) result {
		t.Helper()
		w := g.ask(t, "GET", bucketURL+"/?"+query, "", nil)
		var r result
		if err := xml.Unmarshal(w.Body.Bytes(), &r); err != nil || w.Code != 200 {
			t.Fatalf("?%s = %d %s (%v)", query, w.Code, w.Body, err)
		}
		return r
	}
	names := func(r result) string {
		var out []string
		for _, c := range r.Contents {
			out = append(out, c.Key)
		}
		for _, p := range r.CommonPrefixes {
			out = append(out, p.Prefix+"*")
		}
		return strings.Join(out, " ")
	}
	if got := names(list("list-type=2&delimiter=%2F")); got != "a c d e+f b/*" {
		t.Errorf("with a delimiter: %q", got)
	}
	if got := names(list("list-type=2&prefix=b%2F")); got != "b/1 b/2" {
		t.Errorf("with a prefix: %q", got)
	}
	if got := names(list("list-type=2&encoding-type=url&start-after=b%2F2")); got != "c+d e%2Bf" {
		t.Errorf("encoded: %q", got)
	}
	var pages []string
	token := ""
	for range 10 {
		r := list("list-type=2&max-keys=2&continuation-token=" + strings.ReplaceAll(token, "=", "%3D"))
		pages = append(pages, names(r))
		if token = r.NextContinuationToken; r.IsTruncated != (token != "") {
			t.Errorf("IsTruncated %v with token %q", r.IsTruncated, token)
		}
		if token == "" {
			break
		}
	}
	if got := strings.Join(pages, "|"); got != "a b/1|b/2 c d|e+f" {
		t.Errorf("pages = %q", got)
	}
	first := list("max-keys=2&delimiter=%2F")
	if got := names(list("max-keys=9&delimiter=%2F&marker=" + first.NextMarker)); names(first) != "a b/*" || got != "c d e+f" {
		t.Errorf("version 1: %q then %q (marker %q)", names(first), got, first.NextMarker)
	}
	for _, query := range []string{"list-type=3", "max-keys=x", "max-keys=-1", "encoding-type=base64"} {
		if w := g.ask(t, "GET", bucketURL+"/?"+query, "", nil); code(t, w) != "InvalidArgument" {
			t.Errorf("?%s = %d %s", query, w.Code, w.Body)
		}
	}
}

func TestWhatIsNotBuiltSaysSo(t *testing.T) {
	g := newRig(t)
	g.ask(t, "PUT", bucketURL+"/k", "x", nil)
	for _, c := range []struct{ method, url string }{
		{"GET", bucketURL + "/k?tagging"},
		{"GET", bucketURL + "/k?versionId=1"},
		{"PUT", bucketURL + "/k?partNumber=1&uploadId=x"},
		{"POST", bucketURL + "/k?uploads"},
		{"GET", bucketURL + "/?versioning"},
		{"GET", bucketURL + "/?acl"},
		{"POST", bucketURL + "/?delete"},
		{"HEAD", lambdaURL + "/k"},
		{"PUT", lambdaURL + "/k"},
		{"GET", lambdaURL + "/?list-type=2"},
		{"DELETE", bucketURL + "/k?versionId=1"},
	} {
		w := g.ask(t, c.method, c.url, "", nil)
		if w.Code != http.StatusNotImplemented {
			t.Errorf("%s %s = %d %s, want 501", c.method, c.url, w.Code, w.Body)
		}
	}
	if w := g.ask(t, "GET", bucketURL+"/k", "", nil); w.Code != 200 {
		t.Errorf("the object after all that = %d", w.Code)
	}
}

func TestBucketConfiguration(t *testing.T) {
	g := newRig(t)
	const host = "https://s3.us-east-1.amazonaws.com/"
	if w := g.ask(t, "PUT", host+"second", `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>`, nil); w.Code != 200 {
		t.Fatalf("CreateBucket = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "GET", host+"second?location", "", nil); !strings.Contains(w.Body.String(), ">eu-west-1<") {
		t.Errorf("GetBucketLocation = %s", w.Body)
	}
	if w := g.ask(t, "PUT", host+"second", "", nil); code(t, w) != "BucketAlreadyOwnedByYou" {
		t.Errorf("again = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "PUT", host+"X", "", nil); code(t, w) != "InvalidBucketName" {
		t.Errorf("a bad name = %d %s", w.Code, w.Body)
	}
	public := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::second/*"}]}`
	if w := g.ask(t, "PUT", host+"second?policy", public, nil); code(t, w) != "AccessDenied" {
		t.Errorf("a public policy under Block Public Access = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "GET", host+"second?publicAccessBlock=", "", nil); strings.Count(w.Body.String(), "true") != 4 {
		t.Errorf("GetPublicAccessBlock = %s", w.Body)
	}
	if w := g.ask(t, "DELETE", host+"second?publicAccessBlock", "", nil); w.Code != 204 {
		t.Errorf("DeletePublicAccessBlock = %d", w.Code)
	}
	if w := g.ask(t, "PUT", host+"second?policy", public, nil); w.Code != 204 {
		t.Errorf("the policy then = %d %s", w.Code, w.Body)
	}
	g.ask(t, "PUT", host+"second/k", "x", nil)
	w := httptest.NewRecorder()
	anonymous := httptest.NewRequest("GET", host+"second/k", nil)
	g.ServeHTTP(w, anonymous)
	if w.Code != 200 || w.Body.String() != "x" {
		t.Errorf("anonymous, by the policy = %d %s", w.Code, w.Body)
	}
	all := `<PublicAccessBlockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>true</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>`
	if w := g.ask(t, "PUT", host+"second?publicAccessBlock", all, nil); w.Code != 200 {
		t.Errorf("PutPublicAccessBlock = %d %s", w.Code, w.Body)
	}
	w = httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest("GET", host+"second/k", nil))
	if code(t, w) != "AccessDenied" {
		t.Errorf("anonymous, restricted = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "DELETE", host+"second", "", nil); code(t, w) != "BucketNotEmpty" {
		t.Errorf("DeleteBucket of a full one = %d %s", w.Code, w.Body)
	}
	g.ask(t, "DELETE", host+"second/k", "", nil)
	if w := g.ask(t, "DELETE", host+"second", "", nil); w.Code != 204 {
		t.Errorf("DeleteBucket = %d %s", w.Code, w.Body)
	}
}

// metaAlbum is a header as S3 writes it, in lower case, which is not the form of net/http.
var metaAlbum = "x-amz-meta-album"

// event is what a test's function needs of its event.
type event struct {
	GetObjectContext struct{ InputS3Url, OutputRoute, OutputToken string }
}

// answer makes the function answer with WriteGetObjectResponse, and returns what the caller and the function got.
func (g *rig) answer(t *testing.T, url string, header http.Header, write http.Header, body io.Reader, length int64) (caller, function *httptest.ResponseRecorder) {
	t.Helper()
	function = httptest.NewRecorder()
	ended := make(chan struct{})
	g.function.invoke = func(_ context.Context, raw []byte) (lambda.Result, error) {
		defer close(ended)
		var e event
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Error(err)
		}
		h := http.Header{"X-Amz-Request-Route": {e.GetObjectContext.OutputRoute}, "X-Amz-Request-Token": {e.GetObjectContext.OutputToken}, "X-Amz-Content-Sha256": {sigv4.UnsignedPayload}}
		for name, v := range write {
			h[name] = v
		}
		r := g.request(t, "POST", writeURL, "", h)
		r.Body, r.ContentLength = io.NopCloser(body), length
		g.ServeHTTP(function, r)
		return lambda.Result{}, nil
	}
	defer func() { <-ended }() // the function may end after its caller
	return g.ask(t, "GET", url, "", header), function
}

func TestWriteGetObjectResponseReachesTheCaller(t *testing.T) {
	g := newRig(t)
	for _, c := range []struct {
		name          string
		write         http.Header
		body          string
		length        int64
		status        int
		code          string
		function      int
		want          string
		header, value string
	}{
		{"a body", http.Header{"X-Amz-Fwd-Header-Content-Type": {"image/png"}}, "png", 3, 200, "", 200, "png", "Content-Type", "image/png"},
		{"a body of unknown length", nil, "png", -1, 200, "", 200, "png", "Content-Length", ""},
		{"no type is made up", nil, "<html>", 6, 200, "", 200, "<html>", "Content-Type", ""},
		{"metadata", http.Header{"X-Amz-Meta-Album": {"a"}}, "x", 1, 200, "", 200, "x", "x-amz-meta-album", "a"},
		{"an unknown header passes", http.Header{"X-Amz-Fwd-Header-Vary": {"Accept"}}, "x", 1, 200, "", 200, "x", "Vary", "Accept"},
		{"hop-by-hop headers do not", http.Header{"X-Amz-Fwd-Header-Connection": {"close"}}, "x", 1, 200, "", 200, "x", "Connection", ""},
		{"206 with its range", http.Header{"X-Amz-Fwd-Status": {"206"}, "X-Amz-Fwd-Header-Content-Range": {"bytes 0-0/2"}}, "x", 1, 206, "", 200, "x", "Content-Range", "bytes 0-0/2"},
		{"304", http.Header{"X-Amz-Fwd-Status": {"304"}}, "", 0, 304, "", 200, "", "", ""},
		{"an error with its code", http.Header{"X-Amz-Fwd-Status": {"404"}, "X-Amz-Fwd-Error-Code": {"NoSuchPhoto"}, "X-Amz-Fwd-Error-Message": {"gone <b>"}}, "", 0, 404, "NoSuchPhoto", 200, "gone &lt;b&gt;", "", ""},
		{"an error status alone", http.Header{"X-Amz-Fwd-Status": {"403"}}, "", 0, 403, "AccessDenied", 200, "", "", ""},
		{"a message without a code", http.Header{"X-Amz-Fwd-Status": {"400"}, "X-Amz-Fwd-Error-Message": {"no"}}, "", 0, 400, "InvalidRequest", 200, "no", "", ""},
		{"an error status with a body of its own", http.Header{"X-Amz-Fwd-Status": {"404"}}, "<Error><Code>Mine</Code></Error>", 32, 404, "Mine", 200, "", "", ""},
		{"a message in Latin-1", http.Header{"X-Amz-Fwd-Status": {"500"}, "X-Amz-Fwd-Error-Message": {"caf\xe9"}}, "", 0, 500, "InternalError", 200, "café", "", ""},
		{"a status that is not allowed", http.Header{"X-Amz-Fwd-Status": {"201"}}, "", 0, 400, "LambdaInvalidResponse", 400, "", "", ""},
		{"an error code with a good status", http.Header{"X-Amz-Fwd-Error-Code": {"Oops"}}, "", 0, 400, "LambdaInvalidResponse", 400, "", "", ""},
		{"an error code of a wrong form", http.Header{"X-Amz-Fwd-Status": {"400"}, "X-Amz-Fwd-Error-Code": {"not_ok"}}, "", 0, 400, "LambdaInvalidResponse", 400, "", "", ""},
		{"two checksums", http.Header{"X-Amz-Fwd-Header-X-Amz-Checksum-Crc32": {"a"}, "X-Amz-Fwd-Header-X-Amz-Checksum-Sha1": {"b"}}, "", 0, 400, "LambdaInvalidResponse", 400, "", "", ""},
		{"another route", http.Header{"X-Amz-Request-Route": {"io-use1-002"}}, "", 0, 500, "LambdaResponseNotReceived", 400, "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			caller, function := g.answer(t, lambdaURL+"/k", nil, c.write, strings.NewReader(c.body), c.length)
			if caller.Code != c.status || code(t, caller) != c.code || !strings.Contains(caller.Body.String(), c.want) {
				t.Errorf("caller got %d %q, want %d %s %q", caller.Code, caller.Body, c.status, c.code, c.want)
			}
			if function.Code != c.function {
				t.Errorf("function got %d %s, want %d", function.Code, function.Body, c.function)
			}
			if c.header != "" {
				got := strings.Join(caller.Header()[c.header], ",")
				if got != c.value {
					t.Errorf("%s = %q, want %q", c.header, got, c.value)
				}
			}
		})
	}
}

func TestABodyThatBreaksOffResetsTheCaller(t *testing.T) {
	g := newRig(t)
	for _, c := range []struct {
		name   string
		body   io.Reader
		length int64
	}{
		{"fewer bytes than announced", strings.NewReader("half"), 8},
		{"a read that fails", io.MultiReader(strings.NewReader("half"), failing{}), -1},
	} {
		t.Run(c.name, func(t *testing.T) {
			defer func() {
				if p, _ := recover().(error); !errors.Is(p, http.ErrAbortHandler) {
					t.Errorf("the handler ended with %v, want http.ErrAbortHandler", p)
				}
			}()
			g.answer(t, lambdaURL+"/k", nil, nil, c.body, c.length)
		})
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestRangeNeedsAnAllowedFeature(t *testing.T) {
	g := newRig(t)
	for _, ask := range []func() *httptest.ResponseRecorder{
		func() *httptest.ResponseRecorder {
			return g.ask(t, "GET", lambdaURL+"/k", "", http.Header{"Range": {"bytes=0-1"}})
		},
		func() *httptest.ResponseRecorder { return g.ask(t, "GET", lambdaURL+"/k?Range=bytes%3D0-1", "", nil) },
		func() *httptest.ResponseRecorder { return g.ask(t, "GET", lambdaURL+"/k?partNumber=1", "", nil) },
	} {
		if w := ask(); w.Code != 501 || code(t, w) != "NotImplemented" || !strings.Contains(w.Body.String(), "Operation Not Implemented.") {
			t.Errorf("answer = %d %s, want AWS's 501", w.Code, w.Body)
		}
	}
}

func TestObjectLambdaOverPlaintextOnLoopbackOnly(t *testing.T) {
	g := newRig(t)
	r := g.request(t, "GET", strings.Replace(lambdaURL, "https", "http", 1)+"/k", "", nil)
	r.TLS, r.RemoteAddr = nil, "192.0.2.1:1"
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if code(t, w) != "AccessDenied" || !strings.Contains(w.Body.String(), "HTTPS") {
		t.Errorf("plaintext from elsewhere = %d %s", w.Code, w.Body)
	}
}
