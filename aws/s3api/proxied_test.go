package s3api

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"glassine/aws/wire"
	"glassine/iam"
	"glassine/lambda"
	"glassine/objectlambda"
)

// What no function answers goes to the supporting access point and comes back as S3 answers it.
func TestOperationsThroughAnObjectLambdaAccessPoint(t *testing.T) {
	g := newRig(t)
	ask := func(method, pathQuery, body string, header http.Header, status int, want string) {
		t.Helper()
		w := g.ask(t, method, lambdaURL+pathQuery, body, header)
		if w.Code != status || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s %s = %d %s, want %d %s", method, pathQuery, w.Code, w.Body, status, want)
		}
		if id := w.Header().Get("X-Amz-Request-Id"); strings.Count(id, "-") != 4 {
			t.Errorf("%s %s has the request id %q, want a UUID as at Object Lambda", method, pathQuery, id)
		}
	}
	ask("PUT", "/dir/k", "hello", http.Header{"X-Amz-Meta-Album": {"a"}}, 200, "")
	if w := g.ask(t, "GET", bucketURL+"/dir/k", "", nil); w.Body.String() != "hello" || w.Result().Header["x-amz-meta-album"][0] != "a" { //nolint:staticcheck // in lower case, as S3 writes it
		t.Errorf("the bucket has %s %v", w.Body, w.Header())
	}
	ask("HEAD", "/dir/k", "", nil, 200, "")
	ask("HEAD", "/dir/k", "", http.Header{"Range": {"bytes=0-1"}}, 206, "") // not transformed, so the range passes
	ask("PUT", "/dir/k?tagging", `<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>`, nil, 200, "")
	ask("GET", "/dir/k?tagging", "", nil, 200, "<Key>a</Key>")
	ask("DELETE", "/dir/k?tagging", "", nil, 204, "")
	ask("GET", "/dir/k?acl", "", nil, 200, "FULL_CONTROL")
	ask("PUT", "/copy", "", http.Header{"X-Amz-Copy-Source": {"photos/dir/k"}}, 200, "CopyObjectResult")
	ask("PUT", "/copy2", "", http.Header{"X-Amz-Copy-Source": {g.lambda.Alias + "/dir/k"}}, 501, "NotImplemented")
	ask("GET", "/?list-type=2&prefix=dir%2F", "", nil, 200, "<Key>dir/k</Key>")
	ask("GET", "/", "", nil, 200, "<Key>copy</Key>")
	ask("GET", "/?versions", "", nil, 200, "ListVersionsResult")
	ask("GET", "/?uploads", "", nil, 200, "ListMultipartUploadsResult")
	ask("GET", "/?location", "", nil, 200, "LocationConstraint")
	ask("HEAD", "/", "", nil, 200, "")
	ask("GET", "/absent?tagging", "", nil, 404, "NoSuchKey")

	created := g.ask(t, "POST", lambdaURL+"/large?uploads", "", nil)
	_, rest, _ := strings.Cut(created.Body.String(), "<UploadId>")
	id, _, _ := strings.Cut(rest, "<")
	part := g.ask(t, "PUT", lambdaURL+"/large?partNumber=1&uploadId="+id, "part", nil)
	ask("GET", "/large?uploadId="+id, "", nil, 200, "<PartNumber>1</PartNumber>")
	ask("POST", "/large?uploadId="+id, `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>`+part.Header().Get("ETag")+`</ETag></Part></CompleteMultipartUpload>`, nil, 200, "CompleteMultipartUploadResult")
	aborted := g.ask(t, "POST", lambdaURL+"/gone?uploads", "", nil)
	_, rest, _ = strings.Cut(aborted.Body.String(), "<UploadId>")
	id, _, _ = strings.Cut(rest, "<")
	ask("DELETE", "/gone?uploadId="+id, "", nil, 204, "")

	many := `<Delete><Object><Key>copy</Key></Object><Object><Key>large</Key></Object></Delete>`
	sum := md5.Sum([]byte(many))
	ask("POST", "/?delete", many, http.Header{"Content-Md5": {base64.StdEncoding.EncodeToString(sum[:])}}, 200, "<Deleted><Key>large</Key></Deleted>")
	ask("DELETE", "/dir/k", "", nil, 204, "")
	if w := g.ask(t, "GET", bucketURL+"/?list-type=2", "", nil); !strings.Contains(w.Body.String(), "<KeyCount>0</KeyCount>") {
		t.Errorf("left in the bucket: %s", w.Body)
	}
}

// The access point and the bucket decide about what passes through, each for the caller.
func TestWhatPassesThroughIsDecidedAtEachStep(t *testing.T) {
	for _, c := range []struct {
		name, statements string
		status           int
	}{
		{"all three", `{"Effect":"Allow","Action":["s3-object-lambda:PutObject","s3:PutObject"],"Resource":"*"}`, 200},
		{"no Object Lambda access point", `{"Effect":"Allow","Action":"s3:PutObject","Resource":"*"}`, 403},
		{"no access point", `{"Effect":"Allow","Action":"s3-object-lambda:PutObject","Resource":"*"},{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/*"}`, 403},
		{"no bucket", `{"Effect":"Allow","Action":"s3-object-lambda:PutObject","Resource":"*"},{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:us-east-1:` + account + `:accesspoint/view/object/*"}`, 403},
		{"only when Object Lambda asks", `{"Effect":"Allow","Action":"s3-object-lambda:PutObject","Resource":"*"},{"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{"ForAnyValue:StringEquals":{"aws:CalledVia":"s3-object-lambda.amazonaws.com"}}}`, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t)
			ctx, root := context.Background(), g.IAM.Root()
			if _, err := g.IAM.CreateUser(ctx, root, iam.NewUser{Name: "u"}); err != nil {
				t.Fatal(err)
			}
			if err := g.IAM.PutUserPolicy(ctx, root, "u", "p", `{"Version":"2012-10-17","Statement":[`+c.statements+`]}`); err != nil {
				t.Fatal(err)
			}
			key, _, err := g.IAM.CreateAccessKey(ctx, root, "u")
			if err != nil {
				t.Fatal(err)
			}
			g.root.AccessKeyID, g.root.SecretAccessKey = key.AccessKeyID, key.SecretAccessKey
			if w := g.ask(t, "PUT", lambdaURL+"/k", "x", nil); w.Code != c.status {
				t.Errorf("PUT = %d %s, want %d", w.Code, w.Body, c.status)
			}
		})
	}
}

// HEAD and the lists as the function returned them, on the wire.
func TestReturnedAnswersOnTheWire(t *testing.T) {
	g := newRig(t)
	if err := g.ObjectLambda.PutConfiguration(context.Background(), g.IAM.Root(), "olap", objectlambda.Configuration{
		SupportingAccessPoint: g.point.ARN(),
		Transformations: []objectlambda.Transformation{{
			Actions: []string{objectlambda.HeadObject, objectlambda.ListObjects, objectlambda.ListObjectsV2}, Function: "f",
		}},
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, method, pathQuery, returned string
		status                            int
		want                              string // in the body
		header, value                     string
	}{
		{"HEAD", "HEAD", "/k", `{"statusCode":200,"headers":{"Content-Length":5,"ETag":"\"e\"","x-amz-meta-A":"b"}}`, 200, "", "Content-Length", "5"},
		{"HEAD without a type", "HEAD", "/k", `{"statusCode":200,"headers":{"Content-Length":0}}`, 200, "", "Content-Type", ""},
		{"HEAD that fails", "HEAD", "/k", `{"statusCode":404,"errorCode":"NoSuchKey"}`, 404, "", "", ""},
		{"HEAD of a function that says nothing", "HEAD", "/k", `null`, 400, "", "", ""},
		{
			"a list of ours", "GET", "/?list-type=2", `{"statusCode":200,"listBucketResult":{"name":"b","maxKeys":1,"isTruncated":false,"keyCount":1,"contents":[{"key":"a<b","size":3,"owner":{"displayName":"d","id":"i"}}],"commonPrefixes":[{"prefix":"p/"}]}}`, 200,
			`<Contents><Key>a&lt;b</Key><Size>3</Size><Owner><ID>i</ID><DisplayName>d</DisplayName></Owner></Contents><CommonPrefixes><Prefix>p/</Prefix></CommonPrefixes>`, "Content-Type", "application/xml",
		},
		{"a list of version 1", "GET", "/", `{"statusCode":200,"listBucketResult":{"name":"b","maxKeys":1,"isTruncated":true,"nextMarker":"n"}}`, 200, `<Marker></Marker><NextMarker>n</NextMarker>`, "", ""},
		{"XML as it stands", "GET", "/", `{"statusCode":200,"listResultXml":"<Mine/>"}`, 200, `<Mine/>`, "Content-Length", "7"},
		{"a list that fails", "GET", "/", `{"statusCode":403,"errorMessage":"no <way>"}`, 403, `<Code>AccessDenied</Code><Message>no &lt;way&gt;</Message>`, "", ""},
		{"a list that is none", "GET", "/", `{"statusCode":200}`, 400, `<Code>LambdaInvalidResponse</Code>`, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g.function.invoke = func(context.Context, []byte) (lambda.Result, error) {
				return lambda.Result{Payload: []byte(c.returned)}, nil
			}
			w := g.ask(t, c.method, lambdaURL+c.pathQuery, "", nil)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || c.method == "HEAD" && w.Body.Len() > 0 {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, c.status, c.want)
			}
			if got := w.Header().Get(c.header); c.header != "" && got != c.value {
				t.Errorf("%s = %q, want %q", c.header, got, c.value)
			}
		})
	}
}

// taker takes a body over, as the hop inside the process does.
type taker struct{ http.ResponseWriter }

func (taker) TakeBody(io.Reader) (int64, bool, error) { return 7, true, nil }

func TestABodyThatIsHandedOverIsCounted(t *testing.T) {
	w := &meteredWriter{ResponseWriter: taker{httptest.NewRecorder()}, now: time.Now}
	if n, err := wire.Send(w, strings.NewReader("a body"), 6); n != 7 || err != nil || w.n != 7 {
		t.Errorf("Send = %d, %v, counted %d, want what was handed over", n, err, w.n)
	}
}
