package s3api

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"glassine/store"
)

func (g *rig) createUpload(t *testing.T, key string, header http.Header) string {
	t.Helper()
	w := g.ask(t, "POST", bucketURL+"/"+key+"?uploads", "", header)
	var out struct{ Bucket, Key, UploadId string }
	if err := xml.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 || out.Bucket != "photos" || out.UploadId == "" {
		t.Fatalf("CreateMultipartUpload = %d %s (%v)", w.Code, w.Body, err)
	}
	return out.UploadId
}

func completeBody(parts ...string) string {
	return "<CompleteMultipartUpload xmlns=\"" + xmlns + "\">" + strings.Join(parts, "") + "</CompleteMultipartUpload>"
}

// completed is the answer to CompleteMultipartUpload.
type completed struct{ Location, Bucket, Key, ETag, ChecksumCRC32, ChecksumType string }

func TestMultipartUploadOnTheWire(t *testing.T) {
	g := newRig(t)
	done := g.multipart(t)
	g.multipartObject(t, done)
	id := g.createUpload(t, "c", nil)
	if w := g.ask(t, "DELETE", bucketURL+"/c?uploadId="+id, "", nil); w.Code != 204 {
		t.Errorf("abort = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "GET", bucketURL+"/c?uploadId="+id, "", nil); code(t, w) != "NoSuchUpload" {
		t.Errorf("parts of what was aborted = %d %s", w.Code, w.Body)
	}
}

// multipart uploads a/b in two parts, looking at every answer on the way.
func (g *rig) multipart(t *testing.T) completed {
	t.Helper()
	id := g.createUpload(t, "a/b", http.Header{"Content-Type": {"text/plain"}, "X-Amz-Meta-Album": {"summer"}, "X-Amz-Checksum-Algorithm": {"crc32"}, "X-Amz-Checksum-Type": {"FULL_OBJECT"}})
	part := strings.Repeat("x", store.MinPartSize)
	w := g.ask(t, "PUT", bucketURL+"/a/b?partNumber=1&uploadId="+id, part, nil)
	etag := fmt.Sprintf(`"%x"`, md5.Sum([]byte(part)))
	if w.Code != 200 || w.Header().Get("ETag") != etag || w.Header().Get("X-Amz-Checksum-Crc32") == "" {
		t.Fatalf("UploadPart = %d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := g.ask(t, "PUT", bucketURL+"/a/b?partNumber=0&uploadId="+id, "x", nil); code(t, w) != "InvalidArgument" {
		t.Errorf("part 0 = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "PUT", bucketURL+"/a/b?partNumber=1", "x", nil); code(t, w) != "InvalidArgument" {
		t.Errorf("a part of no upload = %d %s", w.Code, w.Body)
	}
	g.ask(t, "PUT", bucketURL+"/from", "0123456789", nil)
	w = g.ask(t, "PUT", bucketURL+"/a/b?partNumber=2&uploadId="+id, "", http.Header{"X-Amz-Copy-Source": {"/photos/from"}, "X-Amz-Copy-Source-Range": {"bytes=2-4"}})
	var copied struct{ ETag, ChecksumCRC32 string }
	if err := xml.Unmarshal(w.Body.Bytes(), &copied); err != nil || w.Code != 200 || copied.ChecksumCRC32 == "" {
		t.Fatalf("UploadPartCopy = %d %s (%v)", w.Code, w.Body, err)
	}
	if w := g.ask(t, "PUT", bucketURL+"/a/b?partNumber=2&uploadId="+id, "", http.Header{"X-Amz-Copy-Source": {"/photos/from"}, "X-Amz-Copy-Source-Range": {"bytes=2-"}}); code(t, w) != "InvalidArgument" {
		t.Errorf("an open range of a source = %d %s", w.Code, w.Body)
	}
	var parts struct {
		UploadId, ChecksumAlgorithm, ChecksumType string
		Part                                      []struct {
			PartNumber          int
			ETag, ChecksumCRC32 string
			Size                int64
		}
		NextPartNumberMarker int
		IsTruncated          bool
	}
	w = g.ask(t, "GET", bucketURL+"/a/b?max-parts=1&uploadId="+id, "", nil)
	if err := xml.Unmarshal(w.Body.Bytes(), &parts); err != nil || len(parts.Part) != 1 || parts.Part[0].Size != store.MinPartSize || !parts.IsTruncated || parts.NextPartNumberMarker != 1 || parts.ChecksumType != "FULL_OBJECT" {
		t.Errorf("ListParts = %s (%v)", w.Body, err)
	}
	w = g.ask(t, "GET", bucketURL+"/?uploads&prefix=a", "", nil)
	if !strings.Contains(w.Body.String(), "<UploadId>"+id+"</UploadId>") || !strings.Contains(w.Body.String(), "<Key>a/b</Key>") {
		t.Errorf("ListMultipartUploads = %s", w.Body)
	}
	w = g.ask(t, "GET", bucketURL+"/?uploads&delimiter=/", "", nil)
	if !strings.Contains(w.Body.String(), "<CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>") {
		t.Errorf("ListMultipartUploads with a delimiter = %s", w.Body)
	}
	for name, body := range map[string]string{
		"no parts": completeBody(), "no number": completeBody("<Part><ETag>x</ETag></Part>"), "no ETag": completeBody("<Part><PartNumber>1</PartNumber></Part>"),
		"another element": "<Complete/>", "no XML": "{}",
	} {
		if w := g.ask(t, "POST", bucketURL+"/a/b?uploadId="+id, body, nil); code(t, w) != "MalformedXML" {
			t.Errorf("complete with %s = %d %s", name, w.Code, w.Body)
		}
	}
	body := completeBody("<Part><PartNumber>1</PartNumber><ETag>"+strings.ReplaceAll(etag, `"`, "&quot;")+"</ETag></Part>", "<Part><PartNumber>2</PartNumber><ETag>"+strings.Trim(copied.ETag, `"`)+"</ETag></Part>")
	w = g.ask(t, "POST", bucketURL+"/a/b?uploadId="+id, body, http.Header{"X-Amz-Mp-Object-Size": {fmt.Sprint(store.MinPartSize + 3)}})
	var done completed
	if err := xml.Unmarshal(w.Body.Bytes(), &done); err != nil || w.Code != 200 || done.Location != bucketURL+"/a/b" || !strings.HasSuffix(done.ETag, `-2"`) || done.ChecksumType != "FULL_OBJECT" {
		t.Fatalf("CompleteMultipartUpload = %d %s (%v)", w.Code, w.Body, err)
	}
	return done
}

// multipartObject reads what multipart made.
func (g *rig) multipartObject(t *testing.T, done completed) {
	t.Helper()
	w := g.ask(t, "GET", bucketURL+"/a/b?partNumber=2", "", http.Header{"X-Amz-Checksum-Mode": {"ENABLED"}})
	h := w.Header()
	if w.Code != 206 || w.Body.String() != "234" || h.Get("X-Amz-Mp-Parts-Count") != "2" || h.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", store.MinPartSize, store.MinPartSize+2, store.MinPartSize+3) || h.Get("X-Amz-Checksum-Crc32") != "" {
		t.Errorf("part 2 = %d %q %v", w.Code, w.Body, h)
	}
	if w := g.ask(t, "GET", bucketURL+"/a/b?partNumber=2", "", http.Header{"Range": {"bytes=0-1"}}); code(t, w) != "InvalidRequest" {
		t.Errorf("a part and a range = %d", w.Code)
	}
	if w := g.ask(t, "GET", bucketURL+"/a/b?partNumber=3", "", nil); code(t, w) != "InvalidPartNumber" || w.Code != 416 {
		t.Errorf("part 3 = %d %s", w.Code, w.Body)
	}
	w = g.ask(t, "HEAD", bucketURL+"/a/b", "", http.Header{"X-Amz-Checksum-Mode": {"ENABLED"}})
	if w.Header().Get("X-Amz-Checksum-Crc32") != done.ChecksumCRC32 || w.Header().Get("X-Amz-Checksum-Type") != "FULL_OBJECT" || w.Header().Get("Content-Type") != "text/plain" {
		t.Errorf("HEAD = %v, want the checksum %s", w.Header(), done.ChecksumCRC32)
	}
	w = g.ask(t, "GET", bucketURL+"/a/b?attributes", "", http.Header{"X-Amz-Object-Attributes": {"ETag, ObjectParts", "ObjectSize"}, "X-Amz-Max-Parts": {"1"}})
	for _, want := range []string{"<ETag>" + strings.Trim(done.ETag, `"`) + "</ETag>", "<PartsCount>2</PartsCount>", "<IsTruncated>true</IsTruncated>", "<ObjectSize>5242883</ObjectSize>"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("attributes lack %s: %s", want, w.Body)
		}
	}
	if strings.Contains(w.Body.String(), "StorageClass") {
		t.Errorf("attributes that nobody asked for: %s", w.Body)
	}
	if w := g.ask(t, "GET", bucketURL+"/a/b?attributes", "", http.Header{"X-Amz-Object-Attributes": {"Weight"}}); code(t, w) != "InvalidArgument" {
		t.Errorf("an attribute that there is not = %d %s", w.Code, w.Body)
	}
}

func TestCopyOnTheWire(t *testing.T) {
	g := newRig(t)
	g.ask(t, "PUT", bucketURL+"/a%20b%2Bc%253Fd", "body", http.Header{"X-Amz-Meta-Album": {"summer"}, "X-Amz-Tagging": {"k=v"}})
	for _, c := range []struct {
		name, source string
		header       http.Header
		code         string
	}{
		{"encoded", "photos/a%20b%2Bc%253Fd", nil, ""},
		{"with a slash in front", "/photos/a%20b%2Bc%253Fd", nil, ""},
		{"all of it encoded", "%2Fphotos%2Fa%20b%2Bc%253Fd", nil, ""},
		{"by an access point's ARN", g.point.ARN() + "/object/a%20b%2Bc%253Fd", nil, ""},
		{"by an access point's ARN, encoded", strings.ReplaceAll(strings.ReplaceAll(g.point.ARN(), ":", "%3A"), "/", "%2F") + "%2Fobject%2Fa%20b%2Bc%253Fd", nil, ""},
		{"by an access point's alias", g.point.Alias + "/a%20b%2Bc%253Fd", nil, ""},
		{"the null version", "photos/a%20b%2Bc%253Fd?versionId=null", nil, ""},
		{"the null version, all of it encoded", "photos%2Fa%20b%2Bc%253Fd%3FversionId%3Dnull", nil, ""},
		{"an absent key", "photos/absent", nil, "NoSuchKey"},
		{"an absent bucket", "absent/k", nil, "NoSuchBucket"},
		{"no key", "photos", nil, "InvalidArgument"},
		{"no bucket", "/", nil, "InvalidArgument"},
		{"a stray percent sign", "photos/100%", nil, "InvalidArgument"},
		{"an Object Lambda access point", g.lambda.Alias + "/k", nil, "NotImplemented"},
		{"an ARN of no object", g.point.ARN(), nil, "InvalidArgument"},
		{"an ARN of another account", strings.Replace(g.point.ARN(), account, "210987654321", 1) + "/object/k", nil, "AccessDenied"},
		{"a version that is none", "photos/a%20b%2Bc%253Fd?versionId=1", nil, "InvalidArgument"},
		{"a directive that is none", "photos/a%20b%2Bc%253Fd", http.Header{"X-Amz-Metadata-Directive": {"MERGE"}}, "InvalidArgument"},
		{"a condition that fails", "photos/a%20b%2Bc%253Fd", http.Header{"X-Amz-Copy-Source-If-Match": {"x"}}, "PreconditionFailed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := http.Header{"X-Amz-Copy-Source": {c.source}}
			for k, v := range c.header {
				h[k] = v
			}
			w := g.ask(t, "PUT", bucketURL+"/to", "", h)
			if code(t, w) != c.code {
				t.Fatalf("copy = %d %s, want %q", w.Code, w.Body, c.code)
			}
			if c.code != "" {
				return
			}
			if !strings.Contains(w.Body.String(), "<CopyObjectResult") || !strings.Contains(w.Body.String(), fmt.Sprintf("%x", md5.Sum([]byte("body")))) {
				t.Errorf("answer = %s", w.Body)
			}
			got := g.ask(t, "GET", bucketURL+"/to", "", nil)
			if got.Body.String() != "body" || got.Header()[metaAlbum] == nil || got.Header().Get("X-Amz-Tagging-Count") != "1" {
				t.Errorf("the copy = %q %v", got.Body, got.Header())
			}
			g.ask(t, "DELETE", bucketURL+"/to", "", nil)
		})
	}
	if w := g.ask(t, "GET", bucketURL+"/a%20b%2Bc%253Fd", "", http.Header{"X-Amz-Copy-Source": {"photos/x"}}); code(t, w) != "InvalidArgument" {
		t.Errorf("a copy source on GET = %d %s", w.Code, w.Body)
	}
	w := g.ask(t, "PUT", bucketURL+"/to", "", http.Header{
		"X-Amz-Copy-Source": {"photos/a%20b%2Bc%253Fd"}, "X-Amz-Metadata-Directive": {"REPLACE"}, "X-Amz-Tagging-Directive": {"REPLACE"}, "Content-Type": {"text/x"}, "X-Amz-Checksum-Algorithm": {"SHA256"},
	})
	if !strings.Contains(w.Body.String(), "<ChecksumSHA256>") {
		t.Errorf("a copy with a checksum of its own = %s", w.Body)
	}
	got := g.ask(t, "HEAD", bucketURL+"/to", "", nil)
	if got.Header()[metaAlbum] != nil || got.Header().Get("X-Amz-Tagging-Count") != "" || got.Header().Get("Content-Type") != "text/x" {
		t.Errorf("the copy that replaces = %v", got.Header())
	}
}

func TestDeleteObjectsOnTheWire(t *testing.T) {
	g := newRig(t)
	md5Of := func(body string) http.Header {
		sum := md5.Sum([]byte(body))
		return http.Header{"Content-Md5": {base64.StdEncoding.EncodeToString(sum[:])}}
	}
	for _, key := range []string{"1", "2", "3"} {
		g.ask(t, "PUT", bucketURL+"/"+key, "x", nil)
	}
	const body = `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>1</Key></Object><Object><Key>absent</Key></Object><Object><Key>2</Key><VersionId>?</VersionId></Object></Delete>`
	if w := g.ask(t, "POST", bucketURL+"/?delete", body, nil); code(t, w) != "InvalidRequest" {
		t.Errorf("without a digest = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "POST", bucketURL+"/?delete", body, md5Of("other")); code(t, w) != "BadDigest" {
		t.Errorf("with another digest = %d %s", w.Code, w.Body)
	}
	w := g.ask(t, "POST", bucketURL+"/?delete", body, md5Of(body))
	if got := w.Body.String(); !strings.Contains(got, "<Deleted><Key>1</Key></Deleted><Deleted><Key>absent</Key></Deleted><Error><Key>2</Key><VersionId>?</VersionId><Code>InvalidArgument</Code>") {
		t.Errorf("DeleteObjects = %d %s", w.Code, got)
	}
	quiet := `<Delete><Quiet>true</Quiet><Object><Key>3</Key></Object></Delete>`
	if w := g.ask(t, "POST", bucketURL+"/?delete", quiet, http.Header{"X-Amz-Checksum-Sha1": {sha1Of(quiet)}}); w.Code != 200 || strings.Contains(w.Body.String(), "Deleted>") {
		t.Errorf("quiet = %d %s", w.Code, w.Body)
	}
	for key, want := range map[string]int{"1": 404, "2": 200, "3": 404} {
		if w := g.ask(t, "HEAD", bucketURL+"/"+key, "", nil); w.Code != want {
			t.Errorf("%s afterwards = %d, want %d", key, w.Code, want)
		}
	}
	many := "<Delete>" + strings.Repeat("<Object><Key>k</Key></Object>", 1001) + "</Delete>"
	for name, body := range map[string]string{"1001 keys": many, "no key": "<Delete></Delete>"} {
		if w := g.ask(t, "POST", bucketURL+"/?delete", body, md5Of(body)); code(t, w) != "MalformedXML" {
			t.Errorf("%s = %d %s", name, w.Code, w.Body)
		}
	}
}

func sha1Of(body string) string {
	h, err := store.NewHash(store.SHA1)
	if err != nil {
		panic(err)
	}
	h.Write([]byte(body))
	return store.SumOf(store.SHA1, h).Value
}

func TestVersionsOnTheWire(t *testing.T) {
	g := newRig(t)
	if w := g.ask(t, "GET", bucketURL+"/?versioning", "", nil); w.Code != 200 || strings.Contains(w.Body.String(), "Status") {
		t.Errorf("a bucket without versions = %d %s", w.Code, w.Body)
	}
	if w := g.ask(t, "PUT", bucketURL+"/?versioning", `<VersioningConfiguration><Status>Enabled</Status><MfaDelete>Enabled</MfaDelete></VersioningConfiguration>`, nil); w.Code != 501 {
		t.Errorf("MFA delete = %d", w.Code)
	}
	if w := g.ask(t, "PUT", bucketURL+"/?versioning", `<VersioningConfiguration xmlns="`+xmlns+`"><Status>Enabled</Status></VersioningConfiguration>`, nil); w.Code != 200 {
		t.Fatalf("PutBucketVersioning = %d %s", w.Code, w.Body)
	}
	first := g.ask(t, "PUT", bucketURL+"/k", "first", nil).Header().Get("X-Amz-Version-Id")
	second := g.ask(t, "PUT", bucketURL+"/k", "second", nil).Header().Get("X-Amz-Version-Id")
	if first == "" || second == "" {
		t.Fatal("no version ids")
	}
	if w := g.ask(t, "GET", bucketURL+"/k?versionId="+first, "", nil); w.Body.String() != "first" || w.Header().Get("X-Amz-Version-Id") != first {
		t.Errorf("the first version = %q %v", w.Body, w.Header())
	}
	w := g.ask(t, "DELETE", bucketURL+"/k", "", nil)
	marker := w.Header().Get("X-Amz-Version-Id")
	if w.Code != 204 || w.Header().Get("X-Amz-Delete-Marker") != "true" || marker == "" {
		t.Errorf("DELETE = %d %v", w.Code, w.Header())
	}
	for _, method := range []string{"GET", "HEAD"} {
		w := g.ask(t, method, bucketURL+"/k", "", nil)
		if w.Code != 404 || w.Header().Get("X-Amz-Delete-Marker") != "true" || w.Header().Get("X-Amz-Version-Id") != marker {
			t.Errorf("%s under a marker = %d %v", method, w.Code, w.Header())
		}
		w = g.ask(t, method, bucketURL+"/k?versionId="+marker, "", nil)
		if w.Code != 405 || w.Header().Get("X-Amz-Delete-Marker") != "true" || w.Header().Get("Allow") != "DELETE" {
			t.Errorf("%s of the marker = %d %v", method, w.Code, w.Header())
		}
	}
	w = g.ask(t, "GET", bucketURL+"/?versions", "", nil)
	got := w.Body.String()
	if i, j, k := strings.Index(got, "<DeleteMarker><Key>k</Key><VersionId>"+marker), strings.Index(got, "<Version><Key>k</Key><VersionId>"+second), strings.Index(got, "<Version><Key>k</Key><VersionId>"+first); i < 0 || j < i || k < j {
		t.Errorf("ListObjectVersions = %s", got)
	}
	w = g.ask(t, "GET", bucketURL+"/?versions&max-keys=1", "", nil)
	if !strings.Contains(w.Body.String(), "<NextVersionIdMarker>"+marker) || !strings.Contains(w.Body.String(), "<IsTruncated>true") {
		t.Errorf("a page of versions = %s", w.Body)
	}
	if w := g.ask(t, "GET", bucketURL+"/?versions&version-id-marker="+first, "", nil); code(t, w) != "InvalidArgument" {
		t.Errorf("a version marker without a key = %d", w.Code)
	}
	w = g.ask(t, "DELETE", bucketURL+"/k?versionId="+marker, "", nil)
	if w.Code != 204 || w.Header().Get("X-Amz-Delete-Marker") != "true" || w.Header().Get("X-Amz-Version-Id") != marker {
		t.Errorf("DELETE of the marker = %d %v", w.Code, w.Header())
	}
	if w := g.ask(t, "GET", bucketURL+"/k", "", nil); w.Body.String() != "second" {
		t.Errorf("without the marker = %q", w.Body)
	}
}
