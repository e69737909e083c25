package s3api

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// upload is a form as a browser sends it: fields in their order, then the file.
type upload struct {
	fields [][2]string
	file   string
	after  [][2]string // fields behind the file
	name   string
	header http.Header
}

func (u upload) send(t *testing.T, g *rig) *httptest.ResponseRecorder {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for _, f := range u.fields {
		must(t, m.WriteField(f[0], f[1]))
	}
	if u.name != "" {
		w, err := m.CreateFormFile("file", u.name)
		must(t, err)
		_, err = w.Write([]byte(u.file))
		must(t, err)
	}
	for _, f := range u.after {
		must(t, m.WriteField(f[0], f[1]))
	}
	must(t, m.Close())
	r := httptest.NewRequest("POST", bucketURL+"/", &b)
	r.RequestURI = "/"
	for k, v := range u.header {
		r.Header[k] = v
	}
	r.Header.Set("Content-Type", m.FormDataContentType())
	w := httptest.NewRecorder()
	g.ServeHTTP(w, r)
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// signedFields are the fields that sign a policy with the conditions, expiring in so long.
func (g *rig) signedFields(t *testing.T, life time.Duration, conditions ...any) [][2]string {
	t.Helper()
	now := time.Now().UTC()
	date := now.Format("20060102T150405Z")
	credential := g.root.AccessKeyID + "/" + date[:8] + "/us-east-1/s3/aws4_request"
	conditions = append(conditions, map[string]string{"x-amz-algorithm": "AWS4-HMAC-SHA256"}, map[string]string{"x-amz-credential": credential}, map[string]string{"x-amz-date": date})
	if g.root.SessionToken != "" {
		conditions = append(conditions, map[string]string{"x-amz-security-token": g.root.SessionToken})
	}
	doc, err := json.Marshal(map[string]any{"expiration": now.Add(life).Format(time.RFC3339), "conditions": conditions})
	must(t, err)
	policy := base64.StdEncoding.EncodeToString(doc)
	signature := hex.EncodeToString(policySignature(g.root.SecretAccessKey, strings.Split(credential, "/"), policy))
	fields := [][2]string{{"x-amz-algorithm", "AWS4-HMAC-SHA256"}, {"x-amz-credential", credential}, {"x-amz-date", date}, {"policy", policy}, {"X-Amz-Signature", signature}}
	if g.root.SessionToken != "" {
		fields = append(fields, [2]string{"x-amz-security-token", g.root.SessionToken})
	}
	return fields
}

func TestFormsAreStored(t *testing.T) {
	g := newRig(t)
	fields := g.signedFields(t, time.Minute, []string{"starts-with", "$key", "user/"}, map[string]string{"bucket": "photos"}, []string{"starts-with", "$Content-Type", "image/"},
		[]any{"content-length-range", 1, "10"}, []string{"starts-with", "$x-amz-meta-album", ""}, map[string]string{"success_action_status": "201"}, []string{"starts-with", "$tagging", ""})
	fields = append(fields, [2]string{"key", "user/${filename}"}, [2]string{"Content-Type", "image/png"}, [2]string{"x-amz-meta-album", "summer"}, [2]string{"success_action_status", "201"},
		[2]string{"tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"}, [2]string{"x-ignore-me", "yes"})
	w := upload{fields: fields, file: "a picture", name: "me & you.png", after: [][2]string{{"submit", "Upload"}}}.send(t, g)
	if w.Code != 201 || !strings.Contains(w.Body.String(), "<Key>user/me &amp; you.png</Key>") || !strings.Contains(w.Header().Get("Location"), "/user/me%20&%20you.png") || w.Header().Get("ETag") == "" {
		t.Fatalf("POST = %d %s %v", w.Code, w.Body, w.Header())
	}
	got := g.ask(t, "GET", bucketURL+"/user/me%20%26%20you.png", "", nil)
	if got.Body.String() != "a picture" || got.Header().Get("Content-Type") != "image/png" || got.Header()[metaAlbum] == nil || got.Header().Get("X-Amz-Tagging-Count") != "1" {
		t.Errorf("stored = %q %v", got.Body, got.Header())
	}
	for field, want := range map[string]struct {
		status   int
		location string
	}{
		"https://app.example/done?x=1": {303, "https://app.example/done?bucket=photos&etag=%22"},
		"javascript:alert(1)":          {204, bucketURL + "/k"},
	} {
		fields := append(g.signedFields(t, time.Minute, map[string]string{"key": "k"}, []string{"eq", "$success_action_redirect", field}), [2]string{"key", "k"}, [2]string{"success_action_redirect", field})
		w := upload{fields: fields, file: "x", name: "f"}.send(t, g)
		if w.Code != want.status || !strings.HasPrefix(w.Header().Get("Location"), want.location) {
			t.Errorf("redirect to %s = %d %v", field, w.Code, w.Header())
		}
	}
}

func TestFormsThatAreRefused(t *testing.T) {
	key := [2]string{"key", "k"}
	eqKey := []string{"eq", "$key", "k"}
	good := func(t *testing.T, g *rig) upload {
		return upload{fields: append(g.signedFields(t, time.Minute, eqKey), key), file: "x", name: "f"}
	}
	change := func(u upload, name, value string) upload {
		for i, f := range u.fields {
			if strings.EqualFold(f[0], name) {
				u.fields[i][1] = value
			}
		}
		return u
	}
	with := func(conditions []any, fields ...[2]string) func(*testing.T, *rig) upload {
		return func(t *testing.T, g *rig) upload {
			return upload{fields: append(g.signedFields(t, time.Minute, conditions...), fields...), file: "0123456789", name: "f"}
		}
	}
	for _, c := range []struct {
		name, code string
		status     int
		form       func(*testing.T, *rig) upload
	}{
		{"a good one", "", 204, good},
		{"anonymous", "AccessDenied", 403, func(*testing.T, *rig) upload { return upload{fields: [][2]string{key}, file: "x", name: "f"} }},
		{"an expired policy", "AccessDenied", 403, func(t *testing.T, g *rig) upload {
			return upload{fields: append(g.signedFields(t, -time.Second, eqKey), key), file: "x", name: "f"}
		}},
		{"another signature", "SignatureDoesNotMatch", 403, func(t *testing.T, g *rig) upload {
			return change(good(t, g), "x-amz-signature", strings.Repeat("0", 64))
		}},
		{"another policy under the signature", "SignatureDoesNotMatch", 403, func(t *testing.T, g *rig) upload {
			other := g.signedFields(t, time.Minute, []string{"eq", "$key", "other"})
			return change(good(t, g), "policy", other[3][1])
		}},
		{"an unknown key", "InvalidAccessKeyId", 403, func(t *testing.T, g *rig) upload {
			u := good(t, g)
			return change(u, "x-amz-credential", strings.Replace(u.fields[1][1], g.root.AccessKeyID, "AKIAABSENT", 1))
		}},
		{"a credential of another service", "InvalidArgument", 400, func(t *testing.T, g *rig) upload {
			u := good(t, g)
			return change(u, "x-amz-credential", strings.Replace(u.fields[1][1], "/s3/", "/ec2/", 1))
		}},
		{"no policy but a signature", "InvalidArgument", 400, func(t *testing.T, g *rig) upload {
			u := good(t, g)
			u.fields = append(u.fields[:3:3], u.fields[4:]...)
			return u
		}},
		{"a field that no condition covers", "AccessDenied", 403, with([]any{eqKey}, key, [2]string{"x-amz-meta-a", "b"})},
		{"a field that is not what it must be", "AccessDenied", 403, with([]any{eqKey}, [2]string{"key", "kk"})},
		{"one kind of content that is not what all must be", "AccessDenied", 403, with([]any{eqKey, []string{"starts-with", "$Content-Type", "image/"}}, key, [2]string{"Content-Type", "image/png, text/html"})},
		{"another bucket's policy", "AccessDenied", 403, with([]any{eqKey, map[string]string{"bucket": "other"}}, key)},
		{"too many bytes", "EntityTooLarge", 400, with([]any{eqKey, []any{"content-length-range", 0, 9}}, key)},
		{"too few", "EntityTooSmall", 400, with([]any{eqKey, []any{"content-length-range", 11, 20}}, key)},
		{"just as many", "", 204, with([]any{eqKey, []any{"content-length-range", 10, 10}}, key)},
		{"no key", "InvalidArgument", 400, with([]any{eqKey})},
		{"no file", "InvalidArgument", 400, func(t *testing.T, g *rig) upload { u := good(t, g); u.name = ""; return u }},
		{"the key behind the file", "InvalidArgument", 400, func(t *testing.T, g *rig) upload {
			u := good(t, g)
			u.fields, u.after = u.fields[:len(u.fields)-1], [][2]string{key}
			return u
		}},
		{"a field twice", "InvalidArgument", 400, with([]any{eqKey}, key, key)},
		{"very long fields", "MaxPostPreDataLengthExceeded", 400, with([]any{eqKey}, key, [2]string{"x-ignore-me", strings.Repeat("x", maxFormFields)})},
		{"an ACL", "AccessControlListNotSupported", 400, with([]any{eqKey, map[string]string{"acl": "public-read"}}, key, [2]string{"acl", "public-read"})},
		{"a checksum that is not the file's", "BadDigest", 400, with([]any{eqKey, []string{"starts-with", "$x-amz-checksum-crc32", ""}}, key, [2]string{"x-amz-checksum-crc32", "AAAAAA=="})},
		{"a policy that is no JSON", "InvalidPolicyDocument", 400, func(t *testing.T, g *rig) upload {
			u := good(t, g)
			policy := base64.StdEncoding.EncodeToString([]byte("{"))
			change(u, "policy", policy)
			return change(u, "x-amz-signature", hex.EncodeToString(policySignature(g.root.SecretAccessKey, strings.Split(u.fields[1][1], "/"), policy)))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newRig(t)
			w := c.form(t, g).send(t, g)
			if w.Code != c.status || code(t, w) != c.code {
				t.Errorf("POST = %d %s, want %d %s", w.Code, w.Body, c.status, c.code)
			}
			if got := g.ask(t, "HEAD", bucketURL+"/k", "", nil); (got.Code == 200) != (c.code == "") {
				t.Errorf("afterwards HEAD = %d", got.Code)
			}
		})
	}
}

// Fields are signed, headers are not: a policy's conditions see the fields.
func TestFormIsDecidedByItsFields(t *testing.T) {
	g := newRig(t)
	g.as(t, `{"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{"StringEquals":{"s3:authType":"POST","s3:x-amz-storage-class":"STANDARD"},"NumericLessThan":{"s3:signatureAge":"60000"}}}`)
	fields := append(g.signedFields(t, time.Minute, []string{"eq", "$key", "k"}, []string{"eq", "$x-amz-storage-class", "STANDARD"}), [2]string{"key", "k"})
	if w := (upload{fields: fields, file: "x", name: "f", header: http.Header{"X-Amz-Storage-Class": {"STANDARD"}}}).send(t, g); code(t, w) != "AccessDenied" {
		t.Errorf("with the header = %d %s, want it to count for nothing", w.Code, w.Body)
	}
	fields = append(fields, [2]string{"x-amz-storage-class", "STANDARD"})
	if w := (upload{fields: fields, file: "x", name: "f"}).send(t, g); w.Code != 204 {
		t.Errorf("with the field = %d %s", w.Code, w.Body)
	}
}

func TestFormThatBreaksOffIsNotStored(t *testing.T) {
	g := newRig(t)
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	for _, f := range append(g.signedFields(t, time.Minute, []string{"eq", "$key", "k"}), [2]string{"key", "k"}) {
		must(t, m.WriteField(f[0], f[1]))
	}
	w, err := m.CreateFormFile("file", "f")
	must(t, err)
	_, err = w.Write([]byte("half of i"))
	must(t, err)
	r := httptest.NewRequest("POST", bucketURL+"/", &b) // no closing boundary
	r.RequestURI = "/"
	r.Header.Set("Content-Type", m.FormDataContentType())
	got := httptest.NewRecorder()
	g.ServeHTTP(got, r)
	if code(t, got) != "MalformedPOSTRequest" {
		t.Errorf("POST = %d %s", got.Code, got.Body)
	}
	if w := g.ask(t, "HEAD", bucketURL+"/k", "", nil); w.Code != 404 {
		t.Errorf("afterwards HEAD = %d", w.Code)
	}
	plain := httptest.NewRequest("POST", bucketURL+"/", strings.NewReader("x"))
	plain.RequestURI = "/"
	got = httptest.NewRecorder()
	g.ServeHTTP(got, plain)
	if got.Code != 412 {
		t.Errorf("a POST that is no form = %d %s", got.Code, got.Body)
	}
}
