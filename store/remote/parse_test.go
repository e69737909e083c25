package remote

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"glassine/store"
)

// FuzzChunked reads frames back as the receiver of aws-chunked does.
func FuzzChunked(f *testing.F) {
	f.Add([]byte(""), 1)
	f.Add([]byte("x"), 7)
	f.Add(bytes.Repeat([]byte("0123456789abcdef"), frameSize/8), 1000)
	f.Add(bytes.Repeat([]byte("y"), frameSize+1), frameSize)
	f.Fuzz(func(t *testing.T, body []byte, portion int) {
		h, err := newHashing(store.CRC32C)
		if err != nil {
			t.Fatal(err)
		}
		accepted := false
		c := newChunked(bytes.NewReader(body), int64(len(body)), "X-Amz-Checksum-Crc32c", h, func(d digest) error {
			accepted = d.size == int64(len(body))
			return nil
		})
		var framed bytes.Buffer
		buf := make([]byte, 1+(portion&0xffff))
		if _, err := io.CopyBuffer(struct{ io.Writer }{&framed}, struct{ io.Reader }{c}, buf); err != nil || int64(framed.Len()) != c.length || !accepted {
			t.Fatalf("%d bytes came framed as %d, %v; %d were announced", len(body), framed.Len(), err, c.length)
		}
		var got []byte
		rest := framed.String()
		for {
			head, after, ok := strings.Cut(rest, "\r\n")
			n, err := strconv.ParseInt(head, 16, 64)
			if !ok || err != nil {
				t.Fatalf("a frame begins with %.20q", rest)
			}
			if n == 0 {
				if want := "x-amz-checksum-crc32c:" + h.digest().checksum.Value + "\r\n\r\n"; !strings.EqualFold(after, want) {
					t.Fatalf("the trailer is %q, want %q", after, want)
				}
				break
			}
			got = append(got, after[:n]...)
			rest = strings.TrimPrefix(after[n:], "\r\n")
		}
		if !bytes.Equal(got, body) {
			t.Fatalf("%d bytes came back as %d", len(body), len(got))
		}
		if ended, failed := c.stop(); !ended || failed != nil {
			t.Fatalf("stop = %v, %v", ended, failed)
		}
		if _, err := c.Read(buf); !errors.Is(err, errStopped) {
			t.Fatalf("Read after stop: %v", err)
		}
	})
}

func FuzzParseCredentials(f *testing.F) {
	f.Add([]byte("[default]\naws_access_key_id = a\naws_secret_access_key = b\n"), "default")
	f.Add([]byte("# x\n[ p ]\r\nAWS_ACCESS_KEY_ID=a\naws_secret_access_key=b=c\naws_session_token=d\n[q]\n"), "p")
	f.Add([]byte("["), "")
	f.Fuzz(func(t *testing.T, raw []byte, profile string) {
		key, err := parseCredentials(raw, profile)
		if err == nil && (key.ID == "" || key.Secret == "" || !bytes.Contains(raw, []byte(key.ID)) || !bytes.Contains(raw, []byte(key.Secret))) {
			t.Errorf("parseCredentials(%q, %q) = %#v", raw, profile, key)
		}
	})
}

func TestParseCredentials(t *testing.T) {
	const file = "# a comment\n[default]\naws_access_key_id = A\naws_secret_access_key = S=1\nregion = x\n\n[two]\n; another\nAWS_ACCESS_KEY_ID=B\naws_secret_access_key=T\naws_session_token=U\n[half]\naws_access_key_id=C\n"
	for _, tt := range []struct {
		profile string
		want    Key
		fails   string
	}{
		{"default", Key{"A", "S=1", ""}, ""},
		{"two", Key{"B", "T", "U"}, ""},
		{"half", Key{}, "lacks"},
		{"none", Key{}, "no profile [none]"},
	} {
		got, err := parseCredentials([]byte(file), tt.profile)
		if got != tt.want || (err != nil) != (tt.fails != "") || err != nil && !strings.Contains(err.Error(), tt.fails) {
			t.Errorf("profile %s: %s %s %s, %v; want %s, an error that says %q", tt.profile, got.ID, got.Secret, got.SessionToken, err, tt.want, tt.fails)
		}
	}
}

func TestACredentialsFileIsReadAnewWhenItChanged(t *testing.T) {
	name := filepath.Join(t.TempDir(), "credentials")
	write := func(id string, at time.Time) {
		t.Helper()
		if err := os.WriteFile(name, []byte("[default]\naws_access_key_id = "+id+"\naws_secret_access_key = S\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
	f := &File{Name: name}
	at := time.Now()
	for _, id := range []string{"FIRST", "OTHER"} {
		at = at.Add(time.Second)
		write(id, at)
		if key, err := f.Key(); err != nil || key.ID != id {
			t.Errorf("Key = %v, %v; want %s", key, err, id)
		}
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Key(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Key of a file that is gone: %v", err)
	}
}

func FuzzExtent(f *testing.F) {
	f.Add("10", "bytes 0-9/100", int64(0), int64(9))
	f.Add("5", "", int64(-1), int64(5))
	f.Add("-1", "bytes */100", int64(3), int64(-1))
	f.Fuzz(func(t *testing.T, length, given string, start, end int64) {
		h := http.Header{"Content-Length": {length}, "Content-Range": {given}}
		r := &store.Range{Start: start, End: end}
		offset, n, size, err := extent(h, r)
		if err == nil && (offset < 0 || n < 0 || offset+n > size) {
			t.Errorf("extent(%q, %q, %+v) = %d, %d of %d", length, given, r, offset, n, size)
		}
	})
}

func FuzzReadOrder(f *testing.F) {
	f.Add([]byte(`<ListVersionsResult><Version><Key>k</Key></Version><DeleteMarker><Owner/></DeleteMarker></ListVersionsResult>`))
	f.Add([]byte(`<a><b><Version/></b></a></c></d><Version>`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if n := len(readOrder(raw)); n > bytes.Count(raw, []byte("Version"))+bytes.Count(raw, []byte("DeleteMarker")) {
			t.Errorf("readOrder(%q) found %d entries", raw, n)
		}
	})
}

func TestReadOrder(t *testing.T) {
	got := readOrder([]byte(`<?xml version="1.0"?><ListVersionsResult xmlns="x"><Name>Version</Name><DeleteMarker><Key>a</Key></DeleteMarker>` +
		`<Version><Key>a</Key><Owner><Version/></Owner></Version><CommonPrefixes><Prefix>b</Prefix></CommonPrefixes><DeleteMarker/></ListVersionsResult>`))
	if len(got) != 3 || !got[0] || got[1] || !got[2] {
		t.Errorf("readOrder = %v, want a marker, a version, a marker", got)
	}
}

func TestWithoutChunked(t *testing.T) {
	for coding, want := range map[string]string{"": "", "gzip": "gzip", "aws-chunked": "", "aws-chunked,gzip": "gzip", "aws-chunked, br": "br", "aws-chunkedx": "aws-chunkedx"} {
		if got := withoutChunked(coding); got != want {
			t.Errorf("withoutChunked(%q) = %q, want %q", coding, got, want)
		}
	}
}

func TestPartCount(t *testing.T) {
	for etag, want := range map[string]int{"": 0, "d41d8cd98f00b204e9800998ecf8427e": 0, "d41d8cd98f00b204e9800998ecf8427e-3": 3, "x-10000": 10_000, "x-10001": 0, "x-0": 0, "x--1": 0, "x-f": 0} {
		if got := partCount(etag); got != want {
			t.Errorf("partCount(%q) = %d, want %d", etag, got, want)
		}
	}
}
