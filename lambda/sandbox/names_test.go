package sandbox

import (
	"context"
	"net"
	"strings"
	"testing"
)

// query is a question for one name, as a resolver sends it.
func query(name string, kind byte) []byte {
	q := []byte{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for label := range strings.SplitSeq(name, ".") {
		q = append(append(q, byte(len(label))), label...)
	}
	return append(q, 0, 0, kind, 0, 1)
}

// Go's own resolver reads the answers.
func TestNamesResolve(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go serveNames(conn)
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
	for _, name := range []string{"a-bucket.s3.eu-west-1.amazonaws.com.", "S3.AmazonAWS.com.", "s3.cn-north-1.amazonaws.com.cn."} {
		if got, err := r.LookupHost(t.Context(), name); err != nil || len(got) != 1 || got[0] != "127.0.0.1" {
			t.Errorf("%s = %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"example.com.", "amazonaws.com.", "amazonaws.com.example.com.", "notamazonaws.com."} {
		if got, err := r.LookupHost(t.Context(), name); err == nil || !strings.Contains(err.Error(), "no such host") {
			t.Errorf("%s = %q, %v, want no such host", name, got, err)
		}
	}
}

func TestNameAnswers(t *testing.T) {
	for _, c := range []struct {
		name  string
		query []byte
		code  int // -1: no answer
		count byte
	}{
		{"an address", query("s3.amazonaws.com", 1), 0, 1},
		{"an address of version 6, of which there is none", query("s3.amazonaws.com", 28), 0, 0},
		{"another name", query("example.com", 1), 3, 0},
		{"a short message", []byte{1, 2, 3}, -1, 0},
		{"an answer", append([]byte{0, 0, 0x80}, query("s3.amazonaws.com", 1)[3:]...), -1, 0},
		{"a name that breaks off", query("s3.amazonaws.com", 1)[:20], 4, 0},
		{"a compressed name", append(query("x", 1)[:12], 0xc0, 12, 0, 1, 0, 1), 4, 0},
	} {
		got := answerName(c.query)
		if c.code < 0 {
			if got != nil {
				t.Errorf("%s = %x, want no answer", c.name, got)
			}
			continue
		}
		if len(got) < dnsHeader || int(got[3]&15) != c.code || got[7] != c.count || got[0] != c.query[0] {
			t.Errorf("%s = %x, want code %d and %d records", c.name, got, c.code, c.count)
		}
	}
}

func FuzzAnswerName(f *testing.F) {
	f.Add(query("s3.amazonaws.com", 1))
	f.Add(query("example.com", 28))
	f.Add(append(query("x", 1)[:12], 0xc0, 12))
	f.Fuzz(func(t *testing.T, q []byte) {
		a := answerName(q)
		if a != nil && (len(a) < dnsHeader || a[2]&0x80 == 0 || len(a) > len(q)+16) {
			t.Errorf("%x = %x", q, a)
		}
	})
}
