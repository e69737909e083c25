package transform

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"glassine/aws/sigv4"
	"glassine/transform/metadata"
)

const (
	testRoute = "io-use1-001"
	testToken = "token-1"
	testInput = "https://my-ap-111122223333.s3-accesspoint.us-east-1.amazonaws.com/dir/a.jpg?X-Amz-SignedHeaders=host"
)

var (
	testCreds = Credentials{AccessKeyID: "ASIAEXAMPLE", SecretAccessKey: "secret", SessionToken: "session", Region: "us-east-1"}
	testTime  = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// picture returns a small JPEG with an Exif block, a comment and a trailer.
func picture(t testing.TB) []byte {
	t.Helper()
	img := image.NewGray(image.Rect(0, 0, 40, 30))
	for i := range img.Pix {
		img.Pix[i] = color.Gray{Y: uint8(i * 7)}.Y
	}
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, nil); err != nil {
		t.Fatal(err)
	}
	exif := "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x02" +
		"\x01\x0f\x00\x02\x00\x00\x00\x04Acm\x00" + // Make
		"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00" + // Orientation
		"\x00\x00\x00\x00"
	b := []byte("\xff\xd8\xff\xe1\x00" + string(rune(len(exif)+2)) + exif + "\xff\xfe\x00\x08secret")
	return append(append(b, buf.Bytes()[2:]...), "trailer"...)
}

// stripped is what picture's copy must be.
func stripped(t testing.TB, b []byte) []byte {
	t.Helper()
	p, err := metadata.Strip(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(p.Reader(bytes.NewReader(b)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func testEvent(userURL string) []byte {
	b, err := json.Marshal(map[string]any{
		"xAmzRequestId":    "1a5ed718-5f53-471d-b6fe-5cf62d88d02a",
		"getObjectContext": map[string]string{"inputS3Url": testInput, "outputRoute": testRoute, "outputToken": testToken},
		"configuration":    map[string]string{"payload": ""},
		"userRequest":      map[string]any{"url": userURL, "headers": map[string]string{"Host": "x"}},
		"protocolVersion":  "1.00",
	})
	if err != nil {
		panic(err)
	}
	return b
}

// written is one WriteGetObjectResponse as the double received it.
type written struct {
	header http.Header
	length int64
	body   []byte
}

// double stands for S3 and for the Object Lambda endpoint, behind real TLS connections.
type double struct {
	s3     http.HandlerFunc
	status int // of WriteGetObjectResponse; 0 means 200
	got    []written
}

// function returns a Function whose requests all end at d.
func (d *double) function(t *testing.T) *Function {
	t.Helper()
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Host, ".s3-accesspoint.") {
			d.s3(w, r)
			return
		}
		d.write(t, w, r)
	}))
	t.Cleanup(srv.Close)
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, srv.Listener.Addr().String())
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &Function{Transport: tr, Now: func() time.Time { return testTime }}
}

func (d *double) write(t *testing.T, w http.ResponseWriter, r *http.Request) {
	if r.Host != testRoute+".s3-object-lambda.us-east-1.amazonaws.com" || r.URL.Path != "/WriteGetObjectResponse" || r.Method != "POST" {
		t.Errorf("answer went to %s %s%s", r.Method, r.Host, r.URL.Path)
	}
	sig, err := sigv4.Parse(r)
	if err == nil {
		err = sig.Verify(r, testCreds.SecretAccessKey)
	}
	if err != nil {
		t.Errorf("signature of WriteGetObjectResponse: %v", err)
	}
	if got := r.Header.Get("X-Amz-Security-Token"); got != testCreds.SessionToken {
		t.Errorf("X-Amz-Security-Token: got %q, want the role's", got)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Errorf("read WriteGetObjectResponse: %v", err)
	}
	d.got = append(d.got, written{r.Header, r.ContentLength, body})
	if d.status != 0 {
		w.WriteHeader(d.status)
	}
}

// object answers every GET with b.
func object(b []byte, contentType string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Content-Length", fmt.Sprint(len(b)))
		w.Header().Set("ETag", `"0123456789abcdef"`)
		w.Header().Set("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
		w.Header().Set("Cache-Control", "max-age=60")
		w.Header().Set("X-Amz-Meta-Owner", "nobody")
		w.Write(b)
	}
}

func TestPictureGoesOutWithoutItsMetadata(t *testing.T) {
	in := picture(t)
	d := &double{s3: object(in, "text/plain")} // the stored type does not count
	result, err := d.function(t).Handle(t.Context(), testEvent("https://olap/dir/a.jpg"), testCreds)
	if err != nil || string(result) != `{"statusCode":200}` {
		t.Fatalf("Handle: got %s, %v", result, err)
	}
	if len(d.got) != 1 {
		t.Fatalf("got %d answers, want 1", len(d.got))
	}
	got, want := d.got[0], stripped(t, in)
	if !bytes.Equal(got.body, want) || got.length != int64(len(want)) {
		t.Errorf("body: got %d bytes with Content-Length %d, want the %d bytes of the plan", len(got.body), got.length, len(want))
	}
	if bytes.Contains(got.body, []byte("secret")) || bytes.Contains(got.body, []byte("Acm")) || bytes.Contains(got.body, []byte("trailer")) {
		t.Error("body still holds metadata")
	}
	for name, want := range map[string]string{
		"X-Amz-Request-Route":               testRoute,
		"X-Amz-Request-Token":               testToken,
		"X-Amz-Fwd-Status":                  "200",
		"X-Amz-Fwd-Header-Content-Type":     "image/jpeg",
		"X-Amz-Fwd-Header-Etag":             `"0123456789abcdef-glassine2"`,
		"X-Amz-Fwd-Header-Last-Modified":    "Fri, 02 Jan 2026 03:04:05 GMT",
		"X-Amz-Fwd-Header-Cache-Control":    "max-age=60",
		"X-Amz-Fwd-Header-X-Amz-Meta-Owner": "",
		"X-Amz-Meta-Owner":                  "",
		"X-Amz-Fwd-Error-Code":              "",
		"X-Amz-Content-Sha256":              "UNSIGNED-PAYLOAD",
	} {
		if g := got.header.Get(name); g != want {
			t.Errorf("%s: got %q, want %q", name, g, want)
		}
	}
}

func TestShowExif(t *testing.T) {
	in := picture(t)
	const exif = `{"bigEndian":true,"Image":{"Make":"Acm","Orientation":6}}`
	for _, c := range []struct {
		name, query, contentType, etag, body string
	}{
		{"true answers the EXIF", "?showExif=true", "application/json", `"0123456789abcdef-glassine2-exif"`, exif},
		{"true in any case", "?a=b&showExif=TrUe", "application/json", `"0123456789abcdef-glassine2-exif"`, exif},
		{"1 is not true", "?showExif=1", "image/jpeg", `"0123456789abcdef-glassine2"`, string(stripped(t, in))},
		{"the name's case counts", "?showexif=true", "image/jpeg", `"0123456789abcdef-glassine2"`, string(stripped(t, in))},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &double{s3: object(in, "image/jpeg")}
			if _, err := d.function(t).Handle(t.Context(), testEvent("https://olap/a.jpg"+c.query), testCreds); err != nil {
				t.Fatal(err)
			}
			got := d.got[0]
			if string(got.body) != c.body || got.length != int64(len(c.body)) {
				t.Errorf("body: got %.200q, want %.200q", got.body, c.body)
			}
			if g := got.header.Get("X-Amz-Fwd-Header-Content-Type"); g != c.contentType {
				t.Errorf("Content-Type: got %q, want %q", g, c.contentType)
			}
			if g := got.header.Get("X-Amz-Fwd-Header-Etag"); g != c.etag {
				t.Errorf("ETag: got %q, want %q", g, c.etag)
			}
		})
	}
}

func TestWhatIsWrongWithTheOriginalIsToldToTheCaller(t *testing.T) {
	in := picture(t)
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(code) }
	}
	for _, c := range []struct {
		name, query, message string
		s3                   http.HandlerFunc
	}{
		{"S3 refuses", "", "Request failed with status code 403", status(403)},
		{"no such key", "?showExif=true", "Request failed with status code 404", status(404)},
		{"text", "", "File type text/plain is not supported; supported types are " + metadata.SupportedTypes, object([]byte("hello"), "text/plain; charset=utf-8")},
		{"text asked for EXIF", "?showExif=true", "File type text/plain is not supported; supported types are " + metadata.SupportedTypes, object([]byte("hello"), "text/plain")},
		{"empty", "", "File type application/octet-stream is not supported; supported types are " + metadata.SupportedTypes, object(nil, "application/octet-stream")},
		{"text stored as a picture", "", "File type unknown (stored as image/jpeg, which it is not) is not supported; supported types are " + metadata.SupportedTypes, object([]byte("hello"), "image/jpeg")},
		{"GIF stored as JPEG", "", "The file is damaged: damaged gif at byte 12: file ends before its picture", object([]byte("GIF89a......"), "image/jpeg")},
		{"cut before its picture", "", "The file is damaged: damaged jpeg at byte 90: file ends before its picture", object(in[:90], "image/jpeg")},
		{"EXIF that exif-reader throws on", "?showExif=true", "Invalid EXIF data: expected 0x002A.", object(bytes.Replace(in, []byte("MM\x00*"), []byte("MM\x00+"), 1), "image/jpeg")},
		{"announced too large", "", "The original is larger than 64 MiB", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(maxSource+1))
		}},
		{"too large without saying so", "", "The original is larger than 64 MiB", func(w http.ResponseWriter, r *http.Request) {
			chunk := make([]byte, 1<<20)
			for range 65 {
				w.Write(chunk)
			}
		}},
		{"S3 breaks off", "", "The original could not be read", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(len(in)))
			w.Write(in[:100])
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}},
		{"S3 breaks off a large one", "", "The original could not be read", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(40<<20))
			w.Write(in)
			http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &double{s3: c.s3}
			f := d.function(t)
			var log bytes.Buffer
			f.Log = slog.New(slog.NewTextHandler(&log, nil))
			result, err := f.Handle(t.Context(), testEvent("https://olap/a.jpg"+c.query), testCreds)
			if err != nil || string(result) != `{"statusCode":200}` {
				t.Fatalf("Handle: got %s, %v", result, err)
			}
			got := d.got[0]
			if len(got.body) != 0 || got.length != 0 {
				t.Errorf("an error has no body: got %d bytes, Content-Length %d", len(got.body), got.length)
			}
			for name, want := range map[string]string{
				"X-Amz-Fwd-Status": "500", "X-Amz-Fwd-Error-Code": "InternalLambdaError", "X-Amz-Fwd-Error-Message": c.message,
			} {
				if g := got.header.Get(name); g != want {
					t.Errorf("%s: got %q, want %q", name, g, want)
				}
			}
			if !strings.Contains(log.String(), "original refused") || strings.Contains(log.String(), "X-Amz-") {
				t.Errorf("log: got %q, want one record without the presigned URL", log.String())
			}
		})
	}
}

func TestLargeOriginals(t *testing.T) {
	in := picture(t)
	large := append(bytes.Clone(in), make([]byte, 40<<20)...)
	want := stripped(t, in)
	for _, c := range []struct {
		name string
		s3   http.HandlerFunc
	}{
		{"of known length", object(large, "image/jpeg")},
		{"of unknown length", func(w http.ResponseWriter, r *http.Request) {
			for b := large; len(b) > 0; b = b[min(len(b), 1<<20):] {
				w.Write(b[:min(len(b), 1<<20)])
			}
		}},
		{"small and of unknown length", func(w http.ResponseWriter, r *http.Request) {
			for b := large[:300<<10]; len(b) > 0; b = b[min(len(b), 10<<10):] {
				w.Write(b[:min(len(b), 10<<10)])
				http.NewResponseController(w).Flush()
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := &double{s3: c.s3}
			if _, err := d.function(t).Handle(t.Context(), testEvent("https://olap/a.jpg"), testCreds); err != nil {
				t.Fatal(err)
			}
			if got := d.got[0]; !bytes.Equal(got.body, want) {
				t.Errorf("got %d bytes and message %q, want %d bytes", len(got.body), got.header.Get("X-Amz-Fwd-Error-Message"), len(want))
			}
		})
	}
}

func TestWriteGetObjectResponseIsRefused(t *testing.T) {
	d := &double{s3: object(picture(t), "image/jpeg"), status: 403}
	f := d.function(t)
	var log bytes.Buffer
	f.Log = slog.New(slog.NewTextHandler(&log, nil))
	result, err := f.Handle(t.Context(), testEvent("https://olap/a.jpg"), testCreds)
	if err != nil || string(result) != `{"statusCode":403}` {
		t.Errorf("Handle: got %s, %v; the function ends well, so that the caller sees LambdaResponseNotReceived", result, err)
	}
	if !strings.Contains(log.String(), "WriteGetObjectResponse was refused") || !strings.Contains(log.String(), "status=403") {
		t.Errorf("log: got %q", log.String())
	}
}

func TestSignedHeadersAreSent(t *testing.T) {
	d := &double{}
	d.s3 = func(w http.ResponseWriter, r *http.Request) {
		if g := r.Header.Get("X-Amz-Checksum-Mode"); g != "ENABLED" {
			t.Errorf("X-Amz-Checksum-Mode: got %q, want the caller's", g)
		}
		if g := r.Header.Get("Cookie"); g != "" {
			t.Errorf("Cookie: got %q, which nobody signed", g)
		}
		object(picture(t), "image/jpeg")(w, r)
	}
	ev := bytes.Replace(testEvent("https://olap/a.jpg"), []byte("SignedHeaders=host"), []byte("SignedHeaders=host%3Bx-amz-checksum-mode"), 1)
	ev = bytes.Replace(ev, []byte(`"Host":"x"`), []byte(`"Host":"x","X-Amz-Checksum-Mode":"ENABLED","Cookie":"a=b"`), 1)
	if _, err := d.function(t).Handle(t.Context(), ev, testCreds); err != nil {
		t.Fatal(err)
	}
	if g := d.got[0].header.Get("X-Amz-Fwd-Status"); g != "200" {
		t.Errorf("status: got %s, want 200", g)
	}
}

func TestEventsThatAreNotGetObject(t *testing.T) {
	f := &Function{Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, errors.New("no") })}
	for _, c := range []struct{ name, event, want string }{
		{"HeadObject", `{"headObjectContext":{"inputS3Url":"x"}}`, "not HeadObject"},
		{"ListObjects", `{"listObjectsContext":{"inputS3Url":"x"}}`, "not ListObjects"},
		{"ListObjectsV2", `{"listObjectsV2Context":{"inputS3Url":"x"}}`, "not ListObjects"},
		{"another service's", `{"Records":[]}`, "no getObjectContext"},
		{"not JSON", `hello`, "parse the Object Lambda event"},
		{"a route that would choose another host", strings.Replace(string(testEvent("https://olap/a")), testRoute, "evil.example/", 1), "not a host label"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := f.Handle(t.Context(), []byte(c.event), testCreds); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func FuzzHandle(f *testing.F) {
	f.Add(testEvent("https://olap/a.jpg?showExif=true"), picture(f))
	f.Add([]byte(`{"getObjectContext":{}}`), []byte("GIF89a"))
	f.Fuzz(func(t *testing.T, event, original []byte) {
		fn := &Function{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return &http.Response{StatusCode: 200, Header: http.Header{}, ContentLength: -1, Body: io.NopCloser(bytes.NewReader(original))}, nil
			}
			n, err := io.Copy(io.Discard, r.Body)
			if err != nil || n != r.ContentLength {
				t.Errorf("body: got %d bytes, %v; Content-Length says %d", n, err, r.ContentLength)
			}
			return &http.Response{StatusCode: 200, Header: http.Header{}, Body: http.NoBody}, nil
		})}
		fn.Handle(t.Context(), event, testCreds)
	})
}
