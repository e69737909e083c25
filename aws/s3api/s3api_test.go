package s3api

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
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

// change may set what the buckets stand on.
func newRig(t testing.TB, change ...func(*s3.Config)) *rig {
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
	cfg := s3.Config{State: records, Store: &memory.Store{}, IAM: identity}
	for _, f := range change {
		f(&cfg)
	}
	buckets, err := s3.New(ctx, cfg)
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
		{"encryption that is not to be had", http.Header{"X-Amz-Server-Side-Encryption": {"aws:kms"}}, "NotImplemented"},
		{"encryption without a master key", http.Header{"X-Amz-Server-Side-Encryption": {"AES256"}}, "NotImplemented"},
		{"encryption under the customer's key", http.Header{"X-Amz-Server-Side-Encryption-Customer-Algorithm": {"AES256"}}, "NotImplemented"},
		{"another storage class", http.Header{"X-Amz-Storage-Class": {"GLACIER"}}, "NotImplemented"},
		{"no storage class", http.Header{"X-Amz-Storage-Class": {"SHELF"}}, "InvalidStorageClass"},
		{"an object lock", http.Header{"X-Amz-Object-Lock-Legal-Hold": {"ON"}}, "InvalidRequest"},
		{"half of a retention", http.Header{"X-Amz-Object-Lock-Mode": {"GOVERNANCE"}}, "InvalidArgument"},
		{"a retention of an unknown mode", http.Header{"X-Amz-Object-Lock-Mode": {"FOREVER"}, "X-Amz-Object-Lock-Retain-Until-Date": {"2999-01-01T00:00:00Z"}}, "InvalidArgument"},
		{"a retention until the past", http.Header{"X-Amz-Object-Lock-Mode": {"GOVERNANCE"}, "X-Amz-Object-Lock-Retain-Until-Date": {"1999-01-01T00:00:00Z"}}, "InvalidArgument"},
		{"a legal hold of an unknown state", http.Header{"X-Amz-Object-Lock-Legal-Hold": {"MAYBE"}}, "InvalidArgument"},
		{"a redirect to nowhere", http.Header{"X-Amz-Website-Redirect-Location": {"ftp://x"}}, "InvalidRedirectLocation"},
		{"both conditions", http.Header{"If-Match": {"x"}, "If-None-Match": {"*"}}, "NotImplemented"},
		{"a redirect", http.Header{"X-Amz-Website-Redirect-Location": {"/x"}}, "NotImplemented"},
		{"a grant", http.Header{"X-Amz-Grant-Read": {"id=x"}}, "AccessControlListNotSupported"},
		{"an ACL that is none", http.Header{"X-Amz-Acl": {"everybody"}}, "InvalidArgument"},
		{"an algorithm without a checksum", http.Header{"X-Amz-Sdk-Checksum-Algorithm": {"CRC32"}}, "InvalidRequest"},
		{"an MD5 as a checksum", http.Header{"X-Amz-Checksum-Md5": {b64(good[:])}}, ""},
		{"another MD5 as a checksum", http.Header{"X-Amz-Checksum-Md5": {b64(other[:])}}, "BadDigest"},
		{"XXHash", http.Header{"X-Amz-Checksum-Xxhash64": {"JseCfYifbaM="}}, ""},
		{"another XXHash", http.Header{"X-Amz-Checksum-Xxhash3": {"JseCfYibTi0="}}, "BadDigest"},
		{"no SHA-512", http.Header{"X-Amz-Checksum-Sha512": {"x"}}, "InvalidRequest"},
		{"an algorithm that does not exist", http.Header{"X-Amz-Checksum-Rot13": {"x"}}, "InvalidRequest"},
		{"tags", http.Header{"X-Amz-Tagging": {"a=b&c=d%20e"}}, ""},
		{"one tag twice", http.Header{"X-Amz-Tagging": {"a=b&a=c"}}, "InvalidArgument"},
		{"a tag that is not allowed", http.Header{"X-Amz-Tagging": {"a=%21"}}, "InvalidTag"},
		{"another owner", http.Header{"X-Amz-Expected-Bucket-Owner": {"210987654321"}}, "AccessDenied"},
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
		query := "list-type=2&max-keys=2"
		if token != "" {
			query += "&continuation-token=" + strings.ReplaceAll(token, "=", "%3D")
		}
		r := list(query)
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
		{"GET", bucketURL + "/k?torrent"},
		{"POST", bucketURL + "/k?restore"},
		{"POST", bucketURL + "/k?select&select-type=2"},
		{"PUT", bucketURL + "/k?legal-hold"},
		{"PUT", bucketURL + "/k?renameObject"},
		{"GET", bucketURL + "/?inventory"},
		{"PUT", bucketURL + "/?website"},
		{"PUT", bucketURL + "/?notification"},
		{"PUT", bucketURL + "/?replication"},
		{"POST", lambdaURL + "/"}, // a form
		{"PUT", lambdaURL + "/"},
		{"GET", lambdaURL + "/?cors"},
		{"GET", lambdaURL + "/k?attributes"},
		{"POST", lambdaURL + "/k?select&select-type=2"},
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

// as makes the rig's requests those of a role with one statement.
func (g *rig) as(t *testing.T, statement string) {
	t.Helper()
	ctx := t.Context()
	role, err := g.IAM.CreateRole(ctx, g.IAM.Root(), iam.NewRole{Name: "tester", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.IAM.PutRolePolicy(ctx, g.IAM.Root(), "tester", "p", `{"Version":"2012-10-17","Statement":[`+statement+`]}`); err != nil {
		t.Fatal(err)
	}
	c, err := g.IAM.AssumeForService(ctx, role.ARN, []string{"lambda.amazonaws.com"}, "test", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	g.root = sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}
}
