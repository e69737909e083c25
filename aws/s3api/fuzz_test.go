package s3api

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"glassine/s3"
	"glassine/store"
)

func FuzzRange(f *testing.F) {
	for _, s := range []string{"bytes=0-1", "bytes=-5", "bytes=7-", "bytes=", "bytes=1-0", "bytes=0-1,3-4", "bytes=99999999999999999999-"} {
		f.Add(s, int64(10))
	}
	f.Fuzz(func(t *testing.T, v string, size int64) {
		r, err := parseRange(v)
		if err != nil || r == nil || size < 0 {
			return
		}
		offset, length, err := r.Resolve(size)
		if err == nil && (offset < 0 || length <= 0 || offset+length > size) {
			t.Errorf("%q of %d bytes = %d bytes at %d", v, size, length, offset)
		}
	})
}

func FuzzCopySource(f *testing.F) {
	g := newRig(f)
	for _, s := range []string{"photos/a", "/photos/a%2Fb?versionId=null", "%2Fphotos%2Fa", g.point.ARN() + "/object/k", g.point.Alias + "/k", "arn:aws:s3:::x", "%", "?versionId=", "//"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		r := httptest.NewRequest("PUT", "/photos/to", nil)
		r.Header["X-Amz-Copy-Source"] = []string{v}
		src, err := g.copySource(&request{Request: r})
		if err == nil && (src.Key == "" || src.Target == (s3.Target{})) {
			t.Errorf("%q names %+v", v, src)
		}
	})
}

func FuzzTaggingHeader(f *testing.F) {
	for _, s := range []string{"a=b&c=d", "&&", "a%20=%2B", "=", "a=b&a=c", "%"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, v string) {
		tags, err := taggingHeader(v)
		if _, ok := tags[""]; ok || err != nil && tags != nil {
			t.Errorf("%q = %v, %v", v, tags, err)
		}
	})
}

func FuzzPostPolicy(f *testing.F) {
	for _, s := range []string{
		`{"expiration":"2030-01-01T00:00:00Z","conditions":[{"bucket":"b"},["eq","$key","k"],["starts-with","$a",""],["content-length-range",0,"9"]]}`,
		`{"expiration":1,"conditions":{}}`, `{"conditions":[[]]}`, `[`, `{"expiration":"2030-01-01T00:00:00Z","conditions":[null,1,"x",{},["eq"]]}`,
	} {
		f.Add(s, "k")
	}
	f.Fuzz(func(t *testing.T, doc, key string) {
		policy := base64.StdEncoding.EncodeToString([]byte(doc))
		form := &form{fields: map[string]string{"key": key, "policy": policy}, order: []string{"key", "policy"}}
		limits, err := checkPolicy(form, "b", time.Unix(0, 0))
		if err == nil && (limits.least < 0 || limits.most > maxPut) {
			t.Errorf("limits %+v", limits)
		}
	})
}

func FuzzForm(f *testing.F) {
	f.Add("--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nk\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nbody\r\n--b--\r\n")
	f.Add("--b\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n")
	f.Add("--b--")
	f.Fuzz(func(t *testing.T, body string) {
		r := httptest.NewRequest("POST", "/photos", strings.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		got, err := readForm(&request{Request: r})
		if err != nil {
			return
		}
		if _, ok := got.fields["key"]; !ok || got.file == nil {
			t.Errorf("a form without a key or a file is taken: %+v", got)
		}
	})
}

// The bodies of configuration requests.
func FuzzConfigurationBodies(f *testing.F) {
	for _, s := range []string{
		`<LifecycleConfiguration><Rule><ID>a</ID><Status>Enabled</Status><Filter><And><Prefix>p</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>`,
		`<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>`,
		`<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>`, `<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`,
		`<Delete><Object><Key>a</Key></Object></Delete>`, `<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>`,
	} {
		f.Add(s)
	}
	g := newRig(f)
	f.Fuzz(func(t *testing.T, body string) {
		for _, sub := range []string{"lifecycle", "cors", "tagging", "versioning", "encryption", "ownershipControls"} {
			w := g.ask(t, "PUT", bucketURL+"/?"+sub, body, nil)
			if w.Code >= 500 && w.Code != http.StatusNotImplemented {
				t.Errorf("?%s = %d %s", sub, w.Code, w.Body)
			}
			if got := g.ask(t, "GET", bucketURL+"/?"+sub, "", nil); got.Code == 200 && xml.Unmarshal(got.Body.Bytes(), new(struct{})) != nil {
				t.Errorf("?%s gives %s", sub, got.Body)
			}
		}
		for _, url := range []string{bucketURL + "/?delete", bucketURL + "/k?uploadId=" + store.NewID(1).String()} {
			if w := g.ask(t, "POST", url, body, nil); w.Code >= 500 && w.Code != http.StatusNotImplemented {
				t.Errorf("%s = %d %s", url, w.Code, w.Body)
			}
		}
	})
}
