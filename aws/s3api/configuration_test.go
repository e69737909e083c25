package s3api

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"glassine/aws/sigv4"
	"glassine/s3"
)

// What is put comes back as it was, and goes.
func TestBucketConfigurationsComeBack(t *testing.T) {
	g := newRig(t)
	const ns = ` xmlns="` + xmlns + `"`
	for _, c := range []struct{ sub, body, absent, absentCode string }{
		{"tagging", `<Tagging` + ns + `><TagSet><Tag><Key>a</Key><Value>b + c</Value></Tag></TagSet></Tagging>`, "", "NoSuchTagSet"},
		{"cors", `<CORSConfiguration` + ns + `><CORSRule><ID>i</ID><AllowedHeader>*</AllowedHeader><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod><AllowedOrigin>https://a.example</AllowedOrigin><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>0</MaxAgeSeconds></CORSRule></CORSConfiguration>`, "", "NoSuchCORSConfiguration"},
		{"lifecycle", `<LifecycleConfiguration` + ns + `><Rule><ID>old</ID><Prefix>p/</Prefix><Status>Enabled</Status><Expiration><Days>3</Days></Expiration></Rule>` +
			`<Rule><ID>all</ID><Status>Disabled</Status><Filter><Prefix></Prefix></Filter><NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays><NewerNoncurrentVersions>4</NewerNoncurrentVersions></NoncurrentVersionExpiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule>` +
			`<Rule><ID>and</ID><Status>Enabled</Status><Filter><And><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></Tag><ObjectSizeGreaterThan>0</ObjectSizeGreaterThan></And></Filter><Expiration><Date>2030-01-01T00:00:00.000Z</Date></Expiration></Rule>` +
			`<Rule><ID>tag</ID><Status>Enabled</Status><Filter><Tag><Key>k</Key><Value>v</Value></Tag></Filter><Expiration><Days>1</Days></Expiration></Rule>` +
			`<Rule><ID>markers</ID><Status>Enabled</Status><Filter><Prefix>m</Prefix></Filter><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule></LifecycleConfiguration>`, "", "NoSuchLifecycleConfiguration"},
		{"ownershipControls", `<OwnershipControls` + ns + `><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>`, "", "OwnershipControlsNotFoundError"},
	} {
		t.Run(c.sub, func(t *testing.T) {
			if w := g.ask(t, "PUT", bucketURL+"/?"+c.sub, c.body, nil); w.Code/100 != 2 {
				t.Fatalf("PUT = %d %s", w.Code, w.Body)
			}
			w := g.ask(t, "GET", bucketURL+"/?"+c.sub, "", nil)
			_, got, _ := strings.Cut(w.Body.String(), "?>\n")
			if got != c.body {
				t.Errorf("GET = %d\n%s\nwant\n%s", w.Code, got, c.body)
			}
			if w := g.ask(t, "PUT", bucketURL+"/?"+c.sub, "<x/>", nil); code(t, w) != "MalformedXML" {
				t.Errorf("PUT of another element = %d %s", w.Code, w.Body)
			}
			if w := g.ask(t, "DELETE", bucketURL+"/?"+c.sub, "", nil); w.Code != 204 {
				t.Errorf("DELETE = %d %s", w.Code, w.Body)
			}
			if w := g.ask(t, "GET", bucketURL+"/?"+c.sub, "", nil); code(t, w) != c.absentCode || w.Code != 404 {
				t.Errorf("GET afterwards = %d %s, want 404 %s", w.Code, w.Body, c.absentCode)
			}
			if w := g.ask(t, "POST", bucketURL+"/?"+c.sub, "", nil); code(t, w) != "MethodNotAllowed" {
				t.Errorf("POST = %d", w.Code)
			}
			if w := g.ask(t, "GET", pointURL+"/?"+c.sub, "", nil); code(t, w) != "MethodNotAllowed" {
				t.Errorf("GET through an access point = %d", w.Code)
			}
		})
	}
}

func TestLifecycleThatIsNotTaken(t *testing.T) {
	g := newRig(t)
	for name, c := range map[string]struct{ rule, code string }{
		"a transition":              {`<Status>Enabled</Status><Filter/><Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition>`, "NotImplemented"},
		"a noncurrent transition":   {`<Status>Enabled</Status><Filter/><NoncurrentVersionTransition><NoncurrentDays>30</NoncurrentDays></NoncurrentVersionTransition>`, "NotImplemented"},
		"no status":                 {`<Filter/><Expiration><Days>1</Days></Expiration>`, "MalformedXML"},
		"neither filter nor prefix": {`<Status>Enabled</Status><Expiration><Days>1</Days></Expiration>`, "MalformedXML"},
		"both":                      {`<Status>Enabled</Status><Filter/><Prefix/><Expiration><Days>1</Days></Expiration>`, "MalformedXML"},
		"two filters without And":   {`<Status>Enabled</Status><Filter><Prefix>a</Prefix><ObjectSizeLessThan>4</ObjectSizeLessThan></Filter><Expiration><Days>1</Days></Expiration>`, "MalformedXML"},
		"no days":                   {`<Status>Enabled</Status><Filter/><Expiration><Days>0</Days></Expiration>`, "InvalidArgument"},
		"a date that is none":       {`<Status>Enabled</Status><Filter/><Expiration><Date>soon</Date></Expiration>`, "MalformedXML"},
	} {
		w := g.ask(t, "PUT", bucketURL+"/?lifecycle", "<LifecycleConfiguration><Rule>"+c.rule+"</Rule></LifecycleConfiguration>", nil)
		if code(t, w) != c.code {
			t.Errorf("%s = %d %s, want %s", name, w.Code, w.Body, c.code)
		}
	}
}

func TestWhatABucketSaysOfItself(t *testing.T) {
	g := newRig(t)
	owner := "<ID>" + account + "</ID>"
	for _, c := range []struct {
		sub, want, code string
		status          int
	}{
		{"acl", "<Permission>FULL_CONTROL</Permission>", "", 200},
		{"acl", owner, "", 200},
		{"encryption", "", "ServerSideEncryptionConfigurationNotFoundError", 404},
		{"policyStatus", "", "NoSuchBucketPolicy", 404},
		{"accelerate", "<AccelerateConfiguration", "", 200},
		{"logging", "<BucketLoggingStatus", "", 200},
		{"notification", "<NotificationConfiguration", "", 200},
		{"requestPayment", "<Payer>BucketOwner</Payer>", "", 200},
		{"website", "", "NoSuchWebsiteConfiguration", 404},
		{"replication", "", "ReplicationConfigurationNotFoundError", 404},
		{"object-lock", "", "ObjectLockConfigurationNotFoundError", 404},
	} {
		w := g.ask(t, "GET", bucketURL+"/?"+c.sub, "", nil)
		if w.Code != c.status || code(t, w) != c.code || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("?%s = %d %s, want %d %s %s", c.sub, w.Code, w.Body, c.status, c.code, c.want)
		}
	}
	const kms = `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm></ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>`
	if w := g.ask(t, "PUT", bucketURL+"/?encryption", kms, nil); w.Code != 501 || !strings.Contains(w.Body.String(), "KMS") {
		t.Errorf("KMS = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "PUT", bucketURL+"/?acl", "", http.Header{"X-Amz-Acl": {"public-read"}}); code(t, w) != "AccessControlListNotSupported" {
		t.Errorf("PutBucketAcl = %d %s", w.Code, w.Body)
	}
	g.ask(t, "PUT", bucketURL+"/k", "x", nil)
	if w := g.ask(t, "GET", bucketURL+"/k?acl", "", nil); w.Code != 200 || !strings.Contains(w.Body.String(), owner) {
		t.Errorf("GetObjectAcl = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "GET", bucketURL+"/k?retention", "", nil); code(t, w) != "InvalidRequest" {
		t.Errorf("GetObjectRetention = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "PUT", bucketURL+"/k?tagging", `<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag><Tag><Key>a</Key><Value>c</Value></Tag></TagSet></Tagging>`, nil); code(t, w) != "InvalidTag" {
		t.Errorf("one tag twice = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "GET", "https://s3.us-east-1.amazonaws.com/?max-buckets=1&prefix=pho", "", nil); !strings.Contains(w.Body.String(), "<Name>photos</Name>") || strings.Contains(w.Body.String(), "ContinuationToken") {
		t.Errorf("ListBuckets with a prefix = %s", w.Body)
	}
}

// Only what is encrypted is said to be.
func TestEncryptionOnTheWire(t *testing.T) {
	const name = "X-Amz-Server-Side-Encryption"
	for _, encrypts := range []bool{false, true} {
		g := newRig(t, func(cfg *s3.Config) { cfg.Encrypts = encrypts })
		want := ""
		if encrypts {
			want = "AES256"
		}
		g.ask(t, "PUT", bucketURL+"/from", "x", nil)
		id := g.createUpload(t, "up", nil)
		for what, w := range map[string]*httptest.ResponseRecorder{
			"put":         g.ask(t, "PUT", bucketURL+"/k", "x", nil),
			"get":         g.ask(t, "GET", bucketURL+"/from", "", nil),
			"head":        g.ask(t, "HEAD", bucketURL+"/from", "", nil),
			"copy":        g.ask(t, "PUT", bucketURL+"/to", "", http.Header{"X-Amz-Copy-Source": {"photos/from"}}),
			"upload":      g.ask(t, "POST", bucketURL+"/k?uploads", "", nil),
			"upload part": g.ask(t, "PUT", bucketURL+"/up?partNumber=1&uploadId="+id, "x", nil),
		} {
			if w.Code/100 != 2 || w.Header().Get(name) != want {
				t.Errorf("%s where the store encrypts is %v: %d, %q, want %q", what, encrypts, w.Code, w.Header().Get(name), want)
			}
		}
		w := g.ask(t, "GET", bucketURL+"/?encryption", "", nil)
		if strings.Contains(w.Body.String(), "<SSEAlgorithm>AES256</SSEAlgorithm>") != encrypts {
			t.Errorf("GetBucketEncryption where the store encrypts is %v: %d %s", encrypts, w.Code, w.Body)
		}
	}
}

func TestObjectTagsOnTheWire(t *testing.T) {
	g := newRig(t)
	g.ask(t, "PUT", bucketURL+"/k", "x", nil)
	const tags = `<Tagging xmlns="` + xmlns + `"><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>`
	if w := g.ask(t, "PUT", bucketURL+"/k?tagging", tags, nil); w.Code != 200 {
		t.Fatalf("PutObjectTagging = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "GET", bucketURL+"/k?tagging", "", nil); !strings.HasSuffix(w.Body.String(), tags) {
		t.Errorf("GetObjectTagging = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "PUT", bucketURL+"/k?tagging", "<Tagging/>", nil); code(t, w) != "MalformedXML" {
		t.Errorf("without a set = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "DELETE", bucketURL+"/k?tagging", "", nil); w.Code != 204 {
		t.Errorf("DeleteObjectTagging = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "GET", bucketURL+"/k?tagging", "", nil); !strings.Contains(w.Body.String(), "<TagSet></TagSet>") {
		t.Errorf("GetObjectTagging afterwards = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "GET", bucketURL+"/absent?tagging", "", nil); code(t, w) != "NoSuchKey" {
		t.Errorf("of an absent key = %d", w.Code)
	}
	if w := g.ask(t, "POST", bucketURL+"/k?tagging", "", nil); code(t, w) != "MethodNotAllowed" {
		t.Errorf("POST = %d", w.Code)
	}
	if w := g.ask(t, "HEAD", bucketURL, "", nil); w.Code != 200 || w.Header().Get("X-Amz-Bucket-Region") != "us-east-1" {
		t.Errorf("HeadBucket = %d %v", w.Code, w.Header())
	}
}

func TestCrossOriginRequests(t *testing.T) {
	g := newRig(t)
	const rules = `<CORSConfiguration><CORSRule><AllowedOrigin>https://a.example</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>`
	preflight := func(url string, h http.Header) *httptest.ResponseRecorder {
		r := httptest.NewRequest("OPTIONS", url, nil)
		r.RequestURI, r.Header = r.URL.RequestURI(), h
		w := httptest.NewRecorder()
		g.ServeHTTP(w, r)
		return w
	}
	good := http.Header{"Origin": {"https://a.example"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"x-amz-date, X-Amz-Meta-A"}}
	if w := preflight(bucketURL+"/k", good); w.Code != 403 || code(t, w) != "AccessForbidden" || !strings.Contains(w.Body.String(), "CORS is not enabled") {
		t.Errorf("preflight without rules = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "PUT", bucketURL+"/?cors", rules, nil); w.Code != 200 {
		t.Fatalf("PutBucketCors = %d %s", w.Code, w.Body)
	}
	w := preflight(bucketURL+"/k", good)
	h := w.Header()
	if w.Code != 200 || h.Get("Access-Control-Allow-Origin") != "https://a.example" || h.Get("Access-Control-Allow-Methods") != "GET" || h.Get("Access-Control-Allow-Headers") != "x-amz-date, x-amz-meta-a" ||
		h.Get("Access-Control-Max-Age") != "60" || h.Get("Access-Control-Expose-Headers") != "ETag" || h.Get("Access-Control-Allow-Credentials") != "true" || !strings.Contains(h.Get("Vary"), "Origin") {
		t.Errorf("preflight = %d %v", w.Code, h)
	}
	for name, h := range map[string]http.Header{
		"another origin": {"Origin": {"https://b.example"}, "Access-Control-Request-Method": {"GET"}},
		"another method": {"Origin": {"https://a.example"}, "Access-Control-Request-Method": {"PUT"}},
		"another header": {"Origin": {"https://a.example"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"range"}},
	} {
		if w := preflight(bucketURL+"/k", h); w.Code != 403 || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("preflight from %s = %d %v", name, w.Code, w.Header())
		}
	}
	for name, h := range map[string]http.Header{
		"no origin":             {"Access-Control-Request-Method": {"GET"}},
		"no method":             {"Origin": {"https://a.example"}},
		"a header that is none": {"Origin": {"https://a.example"}, "Access-Control-Request-Method": {"GET"}, "Access-Control-Request-Headers": {"a/b"}},
		"a method that is none": {"Origin": {"https://a.example"}, "Access-Control-Request-Method": {"BREW"}},
	} {
		if w := preflight(bucketURL+"/k", h); w.Code != 400 || code(t, w) != "BadRequest" {
			t.Errorf("preflight with %s = %d %s", name, w.Code, w.Body)
		}
	}
	g.ask(t, "PUT", bucketURL+"/k", "x", nil)
	w = g.ask(t, "GET", bucketURL+"/k", "", http.Header{"Origin": {"https://a.example"}})
	if w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "https://a.example" {
		t.Errorf("GET from the origin = %d %v", w.Code, w.Header())
	}
	w = g.ask(t, "GET", bucketURL+"/absent", "", http.Header{"Origin": {"https://a.example"}})
	if w.Code != 404 || w.Header().Get("Access-Control-Allow-Origin") != "https://a.example" {
		t.Errorf("an error for the origin = %d %v", w.Code, w.Header())
	}
	if w := g.ask(t, "GET", bucketURL+"/k", "", http.Header{"Origin": {"https://b.example"}}); w.Code != 200 || w.Header().Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("GET from another = %d %v", w.Code, w.Header())
	}
}

// The JavaScript SDK's presigner puts headers into the query.
func TestPresignedParametersStandForHeaders(t *testing.T) {
	g := newRig(t)
	r := httptest.NewRequest("PUT", bucketURL+"/k", strings.NewReader("xyz"))
	q := r.URL.Query()
	for k, v := range map[string]string{"x-amz-meta-album": "summer", "x-amz-tagging": "a=b", "x-amz-checksum-crc32": "AAAAAA==", "x-amz-sdk-checksum-algorithm": "CRC32"} {
		q.Set(k, v)
	}
	r.URL.RawQuery = q.Encode()
	r.URL = sigv4.Presign("PUT", r.URL, g.root, "us-east-1", "s3", time.Now(), time.Minute)
	r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:1"
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if w.Code != 200 {
		t.Fatalf("presigned PUT = %d %s", w.Code, w.Body)
	}
	got := g.ask(t, "GET", bucketURL+"/k", "", nil)
	if got.Body.String() != "xyz" || got.Header()[metaAlbum] == nil || got.Header().Get("X-Amz-Tagging-Count") != "1" {
		t.Errorf("stored = %q %v", got.Body, got.Header())
	}
}

// A presigned URL covers no body, whatever else its query says.
func TestPresignedRequestsHaveAnUnsignedPayload(t *testing.T) {
	g := newRig(t)
	g.as(t, `{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":{"StringNotEquals":{"s3:x-amz-content-sha256":"UNSIGNED-PAYLOAD"}}}`)
	r := httptest.NewRequest("PUT", bucketURL+"/k?x-amz-content-sha256="+sigv4.PayloadSHA256(nil), strings.NewReader("xyz"))
	r.URL = sigv4.Presign("PUT", r.URL, g.root, "us-east-1", "s3", time.Now(), time.Minute)
	r.RequestURI, r.RemoteAddr = r.URL.RequestURI(), "127.0.0.1:1"
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	if code(t, w) != "AccessDenied" {
		t.Errorf("presigned PUT = %d %s", w.Code, w.Body)
	}
}

// A policy can tell how a request came.
func TestConditionKeysOfTheRequest(t *testing.T) {
	for _, c := range []struct {
		name, condition string
		header          http.Header
		allowed         bool
	}{
		{"signed in the header", `{"StringEquals":{"s3:authType":"REST-HEADER"}}`, nil, true},
		{"signed in the query wanted", `{"StringEquals":{"s3:authType":"REST-QUERY-STRING"}}`, nil, false},
		{"version 4", `{"StringEquals":{"s3:signatureversion":"AWS4-HMAC-SHA256"}}`, nil, true},
		{"TLS 1.2 and later", `{"NumericGreaterThanEquals":{"s3:TlsVersion":"1.2"}}`, nil, true},
		{"TLS 1.4", `{"NumericGreaterThanEquals":{"s3:TlsVersion":"1.4"}}`, nil, false},
		{"no age of a header's signature", `{"Null":{"s3:signatureAge":"true"}}`, nil, true},
		{"an ACL", `{"StringEquals":{"s3:x-amz-acl":"bucket-owner-full-control"}}`, http.Header{"X-Amz-Acl": {"bucket-owner-full-control"}}, true},
		{"another ACL", `{"StringEquals":{"s3:x-amz-acl":"bucket-owner-full-control"}}`, http.Header{"X-Amz-Acl": {"private"}}, false},
		{"a storage class", `{"StringEquals":{"s3:x-amz-storage-class":"STANDARD"}}`, http.Header{"X-Amz-Storage-Class": {"STANDARD"}}, true},
		{"a signed payload", `{"StringNotEquals":{"s3:x-amz-content-sha256":"UNSIGNED-PAYLOAD"}}`, nil, true},
		{"an unsigned one", `{"StringNotEquals":{"s3:x-amz-content-sha256":"UNSIGNED-PAYLOAD"}}`, http.Header{"X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t)
			g.as(t, `{"Effect":"Allow","Action":"s3:*","Resource":"*","Condition":`+c.condition+`}`)
			w := g.ask(t, "PUT", bucketURL+"/k", "x", c.header)
			if (w.Code == 200) != c.allowed || w.Code != 200 && code(t, w) != "AccessDenied" {
				t.Errorf("PUT = %d %s, want allowed: %v", w.Code, w.Body, c.allowed)
			}
		})
	}
}

var etagQuotes = regexp.MustCompile(`<ETag>&#34;[0-9a-f]{32}&#34;</ETag>`)

func TestListingsSayOwnersWhereTheyAreAsked(t *testing.T) {
	g := newRig(t)
	g.ask(t, "PUT", bucketURL+"/k", "x", nil)
	for query, owner := range map[string]bool{"": true, "list-type=2": false, "list-type=2&fetch-owner=true": true} {
		w := g.ask(t, "GET", bucketURL+"/?"+query, "", nil)
		if strings.Contains(w.Body.String(), "<Owner>") != owner || !etagQuotes.MatchString(w.Body.String()) || !strings.Contains(w.Body.String(), "<ChecksumAlgorithm>CRC64NVME<") {
			t.Errorf("?%s = %s, want an owner: %v", query, w.Body, owner)
		}
	}
}
