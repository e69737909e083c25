package objectlambda

import (
	"context"
	"encoding/json"
	"maps"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/lambda"
)

// (Amazon S3 User Guide, "Writing Lambda functions", HeadObject; functions return S3's raw headers, in lower case.)
func TestHeadAnswer(t *testing.T) {
	for _, c := range []struct {
		name, returned string
		want           Answer // its Headers in the order of their names
		code           string
	}{
		{
			"as documented", `{"statusCode":200,"headers":{"Content-Length":123,"Content-Type":"image/jpeg","x-amz-delete-marker":false}}`,
			Answer{Status: 200, Length: 123, Headers: []Header{{"Content-Type", "image/jpeg"}, {"X-Amz-Delete-Marker", "false"}}},
			"",
		},
		{
			"raw headers of S3", `{"statusCode":"200","headers":{"content-length":"7","etag":"\"x\"","x-amz-meta-Album":"a","x-amz-id-2":"i","server":"S3","date":"d","x-amz-tagging-count":"2"}}`,
			Answer{Status: 200, Length: 7, Headers: []Header{{"Etag", `"x"`}, {"X-Amz-Tagging-Count", "2"}, {"x-amz-meta-album", "a"}}},
			"",
		},
		{"an error", `{"statusCode":404,"errorCode":"NoSuchKey","errorMessage":"gone"}`, Answer{Status: 404, ErrorCode: "NoSuchKey", ErrorMessage: "gone", Length: -1}, ""},
		{"an error status alone", `{"statusCode":403,"headers":null}`, Answer{Status: 403, Length: -1}, ""},
		{"not modified", `{"statusCode":304,"headers":{"ETag":"\"x\""}}`, Answer{Status: 304, Length: -1, Headers: []Header{{"Etag", `"x"`}}}, ""},
		{"nothing", `null`, Answer{}, "LambdaInvalidResponse"},
		{"a string", `"ok"`, Answer{}, "LambdaInvalidResponse"},
		{"two values", `{} {}`, Answer{}, "LambdaInvalidResponse"},
		{"no status", `{"headers":{"Content-Length":1}}`, Answer{}, "LambdaInvalidResponse"},
		{"a status that is not allowed", `{"statusCode":201,"headers":{"Content-Length":1}}`, Answer{}, "LambdaInvalidResponse"},
		{"no length", `{"statusCode":200,"headers":{}}`, Answer{}, "LambdaInvalidResponse"},
		{"a length that is none", `{"statusCode":200,"headers":{"Content-Length":"many"}}`, Answer{}, "LambdaInvalidResponse"},
		{"a negative length", `{"statusCode":200,"headers":{"Content-Length":-1}}`, Answer{}, "LambdaInvalidResponse"},
		{"headers that are a list", `{"statusCode":200,"headers":[]}`, Answer{}, "LambdaInvalidResponse"},
		{"a header that is an object", `{"statusCode":200,"headers":{"Content-Length":1,"ETag":{}}}`, Answer{}, "LambdaInvalidResponse"},
		{"a header with a line end", `{"statusCode":200,"headers":{"Content-Length":1,"ETag":"a\r\nSet-Cookie: b"}}`, Answer{}, "LambdaInvalidResponse"},
		{"an error code with success", `{"statusCode":200,"errorCode":"X","headers":{"Content-Length":1}}`, Answer{}, "LambdaInvalidResponse"},
		{"an error code of a wrong form", `{"statusCode":400,"errorCode":"not ok"}`, Answer{}, "LambdaInvalidResponse"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := headAnswer([]byte(c.returned))
			wantCode(t, "headAnswer", err, c.code)
			if err != nil {
				return
			}
			slices.SortFunc(a.Headers, func(a, b Header) int { return strings.Compare(a.Name, b.Name) })
			if diff := cmp.Diff(c.want, a, cmp.AllowUnexported(Answer{}), cmp.Comparer(func(a, b iam.Principal) bool { return a == b })); diff != "" {
				t.Errorf("headAnswer, want -, got +:\n%s", diff)
			}
		})
	}
}

func TestListAnswer(t *testing.T) {
	whole := `{"name":"b","prefix":"p","maxKeys":"1000","isTruncated":"false","keyCount":1,"delimiter":"/","contents":[
		{"key":"k","lastModified":"2026-01-01T00:00:00.000Z","eTag":"\"e\"","size":"3","storageClass":"STANDARD","checksumAlgorithm":["CRC32"],"owner":{"displayName":"d","id":"i"}}],
		"commonPrefixes":[{"prefix":"p/a/"}]}`
	listing := Listing{
		Name: "b", Prefix: new("p"), Delimiter: new("/"), KeyCount: new(int64(1)), MaxKeys: 1000,
		Contents:       []Listed{{Key: "k", LastModified: "2026-01-01T00:00:00.000Z", ETag: `"e"`, StorageClass: "STANDARD", ChecksumAlgorithm: []string{"CRC32"}, Size: 3, Owner: &Owner{"d", "i"}}},
		CommonPrefixes: []string{"p/a/"},
	}
	for _, c := range []struct {
		name, returned string
		v2             bool
		want           Listing
		xml, code      string
	}{
		{"a listBucketResult", `{"statusCode":200,"listBucketResult":` + whole + `}`, true, listing, "", ""},
		{
			"what xmltodict makes of one object", `{"statusCode":200,"listBucketResult":{"name":"b","prefix":null,"maxKeys":"1","isTruncated":"true","marker":"m","contents":{"key":"k","size":"3"},"commonPrefixes":{"prefix":"p/"}}}`, false,
			Listing{Name: "b", MaxKeys: 1, IsTruncated: true, Marker: new("m"), Contents: []Listed{{Key: "k", Size: 3}}, CommonPrefixes: []string{"p/"}},
			"", "",
		},
		{"XML as it stands", `{"statusCode":200,"listResultXml":"<ListBucketResult/>"}`, true, Listing{}, "<ListBucketResult/>", ""},
		{"an error", `{"statusCode":404,"errorCode":"NoSuchBucket"}`, true, Listing{}, "", ""},
		{"both", `{"statusCode":200,"listResultXml":"<a/>","listBucketResult":` + whole + `}`, true, Listing{}, "", "LambdaInvalidResponse"},
		{"neither", `{"statusCode":200}`, true, Listing{}, "", "LambdaInvalidResponse"},
		{"no name", `{"statusCode":200,"listBucketResult":{"maxKeys":1,"isTruncated":false,"keyCount":0}}`, true, Listing{}, "", "LambdaInvalidResponse"},
		{"no key count", `{"statusCode":200,"listBucketResult":{"name":"b","maxKeys":1,"isTruncated":false}}`, true, Listing{}, "", "LambdaInvalidResponse"},
		{"an object without a size", `{"statusCode":200,"listBucketResult":{"name":"b","maxKeys":1,"isTruncated":false,"contents":[{"key":"k"}]}}`, false, Listing{}, "", "LambdaInvalidResponse"},
		{"a key that is a list", `{"statusCode":200,"listBucketResult":{"name":"b","maxKeys":1,"isTruncated":false,"contents":[{"key":[],"size":1}]}}`, false, Listing{}, "", "LambdaInvalidResponse"},
		{"contents that are a string", `{"statusCode":200,"listBucketResult":{"name":"b","maxKeys":1,"isTruncated":false,"contents":"k"}}`, false, Listing{}, "", "LambdaInvalidResponse"},
		{"truncated that is a word", `{"statusCode":200,"listBucketResult":{"name":"b","maxKeys":1,"isTruncated":"maybe"}}`, false, Listing{}, "", "LambdaInvalidResponse"},
		{"an owner without an id", `{"statusCode":200,"listBucketResult":{"name":"b","maxKeys":1,"isTruncated":false,"contents":[{"key":"k","size":1,"owner":{"displayName":"d"}}]}}`, false, Listing{}, "", "LambdaInvalidResponse"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := listAnswer([]byte(c.returned), c.v2)
			wantCode(t, "listAnswer", err, c.code)
			if err != nil {
				return
			}
			if diff := cmp.Diff(c.want, a.Listing); diff != "" || a.XML != c.xml {
				t.Errorf("XML %q, want %q; listing, want -, got +:\n%s", a.XML, c.xml, diff)
			}
		})
	}
}

func FuzzReturned(f *testing.F) {
	f.Add([]byte(`{"statusCode":200,"headers":{"Content-Length":1}}`))
	f.Add([]byte(`{"statusCode":200,"listBucketResult":{"name":"b","maxKeys":1,"isTruncated":false,"contents":{"key":"k","size":3}}}`))
	f.Fuzz(func(t *testing.T, returned []byte) {
		if a, err := headAnswer(returned); err == nil {
			if checkStatus(a.Status) != nil || a.Status < 300 && a.Length < 0 {
				t.Errorf("headAnswer(%s) = %+v", returned, a)
			}
			for _, h := range a.Headers {
				if !headerText(h.Value) {
					t.Errorf("headAnswer(%s) has the header %q", returned, h)
				}
			}
		}
		if a, err := listAnswer(returned, true); err == nil && a.Status < 300 && a.XML == "" && a.Listing.KeyCount == nil {
			t.Errorf("listAnswer(%s) = %+v", returned, a)
		}
	})
}

// The URL in the event reads what the caller asked for, as the caller, and nothing else.
func TestInputURLOfEachOperation(t *testing.T) {
	for _, c := range []struct {
		name      string
		request   Request
		method    string
		path      string
		query     []string // those that are not the signature's
		inContext string
	}{
		{"GetObject of a version", Request{Operation: GetObject, Key: "a b/c+d", VersionID: "v+1"}, "GET", "/a%20b/c%2Bd", []string{"versionId=v+1"}, "getObjectContext"},
		{"HeadObject", Request{Operation: HeadObject, Key: "k", Signed: []Header{{"x-amz-expected-bucket-owner", account}}}, "HEAD", "/k", []string{"x-amz-expected-bucket-owner=" + account}, "headObjectContext"},
		{"ListObjects", Request{Operation: ListObjects, Query: "prefix=a%2Fb&X-Amz-Signature=0&max-keys=5"}, "GET", "/", []string{"max-keys=5", "prefix=a/b"}, "listObjectsContext"},
		{"ListObjectsV2", Request{Operation: ListObjectsV2, Query: "list-type=2"}, "GET", "/", []string{"list-type=2"}, "listObjectsV2Context"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			defer r.Close()
			cfg := configuration()
			cfg.Transformations[0].Actions = []string{GetObject, HeadObject, ListObjects, ListObjectsV2}
			if err := r.PutConfiguration(t.Context(), r.iam.Root(), "photos", cfg); err != nil {
				t.Fatal(err)
			}
			var got map[string]json.RawMessage
			r.function.invoke = func(_ context.Context, _ iam.Caller, _ string, payload []byte) (lambda.Result, error) {
				if err := json.Unmarshal(payload, &got); err != nil {
					t.Error(err)
				}
				return lambda.Result{Failed: true}, nil
			}
			c.request.ID, c.request.Caller, c.request.AccessPoint, c.request.URL = "id", r.iam.Root(), "photos", "https://h/"
			call := r.Begin(c.request)
			if err := call.Authorize(t.Context()); err != nil {
				t.Fatal(err)
			}
			var err error
			switch c.request.Operation {
			case GetObject:
				err = call.GetObject(t.Context(), never(t))
			case HeadObject:
				_, err = call.HeadObject(t.Context())
			default:
				_, err = call.List(t.Context())
			}
			wantCode(t, c.name, err, "LambdaRuntimeError")
			var in struct{ InputS3URL, OutputRoute, OutputToken string }
			if err := json.Unmarshal(got[c.inContext], &in); err != nil {
				t.Fatalf("%s: %v in %v", c.inContext, err, slices.Sorted(maps.Keys(got)))
			}
			if (in.OutputToken == "") != (c.request.Operation != GetObject) || (in.OutputRoute == "") != (c.request.Operation != GetObject) {
				t.Errorf("context = %+v", in)
			}
			u := mustParseURL(t, in.InputS3URL)
			var query []string
			for name, values := range u.Query() {
				if !signatureParameter(name) {
					query = append(query, name+"="+values[0])
				}
			}
			slices.Sort(query)
			if u.EscapedPath() != c.path || !slices.Equal(query, c.query) || u.Query().Get("X-Amz-SignedHeaders") != "host" {
				t.Errorf("inputS3Url = %s, want path %s and query %v", u, c.path, c.query)
			}
			signed := verifies(t, r, c.method, in.InputS3URL)
			if other := map[string]string{"GET": "HEAD", "HEAD": "GET"}[c.method]; !signed || verifies(t, r, other, in.InputS3URL) {
				t.Errorf("the URL is signed for %s: %t", c.method, signed)
			}
		})
	}
}

// verifies reports whether the URL's signature holds for a method.
func verifies(t *testing.T, r *rig, method, raw string) bool {
	t.Helper()
	u := mustParseURL(t, raw)
	q := u.Query()
	secret, _, err := r.iam.Lookup(t.Context(), strings.Split(q.Get("X-Amz-Credential"), "/")[0], q.Get("X-Amz-Security-Token"))
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest(method, raw, nil)
	req.RequestURI = u.RequestURI()
	sig, err := sigv4.Parse(req)
	if err != nil {
		t.Fatal(err)
	}
	return sig.Verify(req, secret) == nil
}
