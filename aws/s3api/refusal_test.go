package s3api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"glassine/aws/sigv4"
)

// What S3 says of requests that it does not take, and in which order it looks at them.
func TestRefusals(t *testing.T) {
	g := newRig(t)
	const absent = "https://absent.s3.us-east-1.amazonaws.com"
	const day = "2026-11-26T00:00:00Z"
	for _, c := range []struct {
		name, method, url, body string
		header                  http.Header
		status                  int
		want                    string // a part of the answer
	}{
		{"an absent bucket before a bad header", "GET", absent + "/k?attributes", "", nil, 404, "<Code>NoSuchBucket</Code>"},
		{"an absent bucket before a bad copy source", "PUT", absent + "/k?partNumber=1&uploadId=u", "", http.Header{"X-Amz-Copy-Source": {"nothing"}}, 404, "<Code>NoSuchBucket</Code>"},
		{"an absent bucket before what is not built", "PUT", absent + "/?website", "<x/>", nil, 404, "<Code>NoSuchBucket</Code>"},
		{"an empty body of another hash before an absent bucket", "PUT", absent + "/k?tagging", "", http.Header{"X-Amz-Content-Sha256": {sigv4.PayloadSHA256([]byte("x"))}}, 400, "<S3ComputedContentSHA256>" + sigv4.EmptyPayload},
		{"a method that the account has not", "POST", "https://s3.us-east-1.amazonaws.com/", "", nil, 405, "<Method>POST</Method><ResourceType>SERVICE</ResourceType>"},
		{"a method that an upload has not", "PUT", bucketURL + "/k?uploadId=u", "", nil, 405, "<ResourceType>UPLOAD</ResourceType>"},
		{"a method that a policy has not", "POST", bucketURL + "/?policy", "", nil, 405, "<ResourceType>BUCKETPOLICY</ResourceType>"},
		{"a copy source where nothing is copied", "POST", bucketURL + "/?uploadId=u", "", http.Header{"X-Amz-Copy-Source": {"b/k"}}, 400, "<ArgumentValue>b/k</ArgumentValue>"},
		{"a part without an upload", "PUT", bucketURL + "/k?partNumber=1", "", nil, 400, "<ArgumentName>partNumber</ArgumentName>"},
		{"very long headers", "GET", bucketURL + "/k", "", http.Header{"X-Amz-Meta-A": {strings.Repeat("x", 8<<10)}}, 400, "<MaxSizeAllowed>8192</MaxSizeAllowed>"},
		{"a negative number of keys", "GET", bucketURL + "/?max-keys=-1", "", nil, 400, "<Message>Argument maxKeys must be"},
		{"If-None-Match of an ETag", "PUT", bucketURL + "/k", "x", http.Header{"If-None-Match": {`"e"`}}, 501, "<Header>If-None-Match</Header><additionalMessage>"},
		{"a delete on condition of its size", "DELETE", bucketURL + "/k", "", http.Header{"X-Amz-If-Match-Size": {"1"}}, 501, "<Header>x-amz-if-match-size</Header>"},
		{"a delete on condition of its time", "DELETE", bucketURL + "/k", "", http.Header{"X-Amz-If-Match-Last-Modified-Time": {day}}, 501, "<Header>x-amz-if-match-last-modified-time</Header>"},
		{"an abort on condition of its time", "DELETE", bucketURL + "/k?uploadId=u", "", http.Header{"X-Amz-If-Match-Initiated-Time": {day}}, 501, "<Header>x-amz-if-match-initiated-time</Header>"},
		{"unsigned chunks that are no object", "PUT", bucketURL + "/?tagging", "0\r\n\r\n", http.Header{"X-Amz-Content-Sha256": {sigv4.StreamingUnsignedTrailer}}, 400, "<Message>The value of x-amz-content-sha256 header is invalid."},
		{"a key that climbs out of its bucket", "PUT", bucketURL + "/a/../../b", "x", nil, 400, "<Message>Bad Request</Message>"},
		{"a copy from no bucket's name", "PUT", bucketURL + "/k", "", http.Header{"X-Amz-Copy-Source": {"192.168.1.1/k"}}, 400, "<Message>Invalid copy source bucket name"},
		{"a copy from no key", "PUT", bucketURL + "/k", "", http.Header{"X-Amz-Copy-Source": {"photos/../k"}}, 400, "<Message>Invalid copy source object key"},
		{"another MD5", "PUT", bucketURL + "/k", "hello", http.Header{"Content-Md5": {"XrY7u+Ae7tCTyyK7j1rNww=="}}, 400, "<ExpectedDigest>5eb63bbbe01eeed093cb22bb8f5acdc3</ExpectedDigest><CalculatedDigest>XUFAKrxLKna5cZ2REBfFkg==</CalculatedDigest>"},
		{"a bucket with an ACL", "PUT", "https://another.s3.us-east-1.amazonaws.com/", "", http.Header{"X-Amz-Acl": {"public-read"}}, 400, "<Code>InvalidBucketAclWithObjectOwnership</Code>"},
		{"a bucket in us-east-1 by name", "PUT", "https://another.s3.us-east-1.amazonaws.com/", "<CreateBucketConfiguration><LocationConstraint>us-east-1</LocationConstraint></CreateBucketConfiguration>", nil, 400, "<Code>InvalidLocationConstraint</Code>"},
		{"a bucket with a bad tag", "PUT", "https://another.s3.us-east-1.amazonaws.com/", "<CreateBucketConfiguration><Tags><Tag><Key>a!</Key><Value>b</Value></Tag></Tags></CreateBucketConfiguration>", nil, 400, "<Code>InvalidTag</Code>"},
		{"a CORS header with a quote", "PUT", bucketURL + "/?cors", `<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin><AllowedHeader>a"b</AllowedHeader></CORSRule></CORSConfiguration>`, nil, 400, "<Message>AllowedHeader &#34;a&#34;b&#34; contains invalid character.</Message>"},
		{"a preflight for no header", "OPTIONS", bucketURL + "/k", "", http.Header{"Origin": {"https://x.example"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"a, b/c"}}, 400, "<Message>Access-Control-Request-Headers &#34; b/c&#34; contains"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := g.ask(t, c.method, c.url, c.body, c.header)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%s %s = %d %s, want %d with %s", c.method, c.url, w.Code, w.Body, c.status, c.want)
			}
		})
	}
	if w := g.ask(t, "PUT", bucketURL+"/?policyStatus", "", nil); w.Header().Get("Allow") != "GET" {
		t.Errorf("PUT of the policy's status: %d, Allow %q; want it to allow GET", w.Code, w.Header().Get("Allow"))
	}
	if w := g.ask(t, "GET", "https://another.s3.us-east-1.amazonaws.com/", "", nil); w.Code != 404 {
		t.Errorf("a bucket that was refused is there: %d %s", w.Code, w.Body)
	}
}

func TestBucketIsMadeWithItsTags(t *testing.T) {
	g := newRig(t)
	const url = "https://another.s3.us-east-1.amazonaws.com/"
	if w := g.ask(t, "PUT", url, "<CreateBucketConfiguration><Tags><Tag><Key>team</Key><Value>photo</Value></Tag></Tags></CreateBucketConfiguration>", nil); w.Code != 200 {
		t.Fatalf("PUT = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "GET", url+"?tagging", "", nil); !strings.Contains(w.Body.String(), "<Key>team</Key><Value>photo</Value>") {
		t.Errorf("its tags = %d %s", w.Code, w.Body)
	}
}

// A form's refusals tell its sender what was compared.
func TestRefusalsOfForms(t *testing.T) {
	g := newRig(t)
	eqKey, key := []string{"eq", "$key", "k"}, [2]string{"key", "k"}
	form := func(conditions ...any) upload {
		return upload{fields: append(g.signedFields(t, time.Minute, append(conditions, eqKey)...), key), file: "ten bytes.", name: "f"}
	}
	unsigned := form()
	unsigned.fields[4][1] = "of somebody else"
	for _, c := range []struct {
		name string
		form upload
		want string
	}{
		{"the policy that was signed", unsigned, "<StringToSign>" + unsigned.fields[3][1] + "</StringToSign><SignatureProvided>of somebody else</SignatureProvided>"},
		{"how long the file is", form([]any{"content-length-range", 0, 9}), "<ProposedSize>10</ProposedSize><MaxSizeAllowed>9</MaxSizeAllowed>"},
		{"a condition on no field", form([]string{"eq", "key", "k"}), `<Message>Invalid according to Policy: Policy Condition failed: [&#34;eq&#34;,&#34;key&#34;,&#34;k&#34;]</Message>`},
		{"a condition of a number", form([]any{"eq", "$key", 1}), "<Message>Invalid Policy: Invalid JSON.</Message>"},
		{"a range of no number", form([]any{"content-length-range", "x", 1}), "<Message>Invalid Policy: Invalid JSON.</Message>"},
	} {
		if w := c.form.send(t, g); w.Code < 400 || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s, want %s", c.name, w.Code, w.Body, c.want)
		}
	}
}
