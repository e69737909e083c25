package http1

import (
	"bufio"
	"net/http"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestParse(t *testing.T) {
	line := func(s string) string { return s + "\r\nHost: a\r\n\r\n" }
	field := func(s string) string { return "GET / HTTP/1.1\r\nHost: a\r\n" + s + "\r\n\r\n" }
	for _, test := range []struct {
		name, text string
		want       verdict
	}{
		{"a request", line("GET / HTTP/1.1"), usual},
		{"HEAD", line("HEAD /a?b HTTP/1.1"), usual},
		{"OPTIONS, which is not the loop's but plain", line("OPTIONS / HTTP/1.1"), usual},
		{"bytes above ASCII in target and value", "GET /caf\xe9?\xff HTTP/1.1\r\nHost: a\r\nX: \xe4\r\n\r\n", usual},
		{"percent signs", line("GET /%7e%2F?%zz% HTTP/1.1"), usual},
		{"host with a port", "GET / HTTP/1.1\r\nhOST:[::1]:80\r\n\r\n", usual},
		{"no space after the colon", field("A:b"), usual},
		{"empty value", field("A:") + "", usual},
		{"empty value after a space", field("A: "), usual},
		{"spaces inside a value", field("A: b  c"), usual},
		{"keep-alive in any case", field("connection: Keep-Alive"), usual},
		{"a line twice", field("A: b\r\nA: c"), usual},

		{"nothing", "", partial},
		{"half a method", "GE", partial},
		{"half a target", "GET /a", partial},
		{"half a line", "GET / HTTP/1.1\r", partial},
		{"half a header", "GET / HTTP/1.1\r\nHost: a\r\n", partial},
		{"half an end", "GET / HTTP/1.1\r\nHost: a\r\n\r", partial},

		{"another method", line("POST / HTTP/1.1"), unusual},
		{"half of another method", "P", unusual},
		{"method in lower case", line("get / HTTP/1.1"), unusual},
		{"PRI of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", unusual},
		{"absolute form", line("GET http://a/ HTTP/1.1"), unusual},
		{"asterisk form", line("OPTIONS * HTTP/1.1"), unusual},
		{"HTTP/1.0", line("GET / HTTP/1.0"), unusual},
		{"HTTP/1.2", line("GET / HTTP/1.2"), unusual},
		{"HTTP/0.9", "GET /\r\n", unusual},
		{"two spaces before the target", line("GET  / HTTP/1.1"), unusual},
		{"two spaces before the version", line("GET /  HTTP/1.1"), unusual},
		{"space in the target", line("GET /a b HTTP/1.1"), unusual},
		{"space behind the version", line("GET / HTTP/1.1 "), unusual},
		{"tab in the target", line("GET /a\tb HTTP/1.1"), unusual},
		{"fragment", line("GET /a#b HTTP/1.1"), unusual},
		{"percent sign that net/url refuses", line("GET /%zz HTTP/1.1"), unusual},
		{"percent sign at the end", line("GET /a%2 HTTP/1.1"), unusual},
		{"NUL in the target", line("GET /\x00 HTTP/1.1"), unusual},
		{"CR in the target", line("GET /\rx HTTP/1.1"), unusual},
		{"empty line first", "\r\n" + line("GET / HTTP/1.1"), unusual},
		{"bare LF", "GET / HTTP/1.1\nHost: a\n\n", unusual},
		{"bare LF behind a field", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", unusual},
		{"bare LF at the end", "GET / HTTP/1.1\r\nHost: a\r\n\n", unusual},
		{"bare LF of a header that goes on", "GET / HTTP/1.1\r\nHost: a\n", unusual},
		{"bare CR in a value", field("A: b\rc"), unusual},
		{"two CRs", field("A: b\r"), unusual},
		{"folded line", field("A: b\r\n c"), unusual},
		{"line that begins with a tab", field("\tA: b"), unusual},
		{"space before the colon", field("Content-Length : 5"), unusual},
		{"tab before the colon", field("A\t: b"), unusual},
		{"tab after the colon", field("A:\tb"), unusual},
		{"two spaces after the colon", field("A:  b"), unusual},
		{"space behind the value", field("A: b "), unusual},
		{"tab in a value", field("A: b\tc"), unusual},
		{"NUL in a value", field("A: \x00"), unusual},
		{"DEL in a value", field("A: \x7f"), unusual},
		{"no colon", field("A"), unusual},
		{"no name", field(": b"), unusual},
		{"name that is no token", field("A(: b"), unusual},
		{"name above ASCII", field("\xe4: b"), unusual},
		{"no host", "GET / HTTP/1.1\r\nA: b\r\n\r\n", unusual},
		{"empty host", "GET / HTTP/1.1\r\nHost:\r\n\r\n", unusual},
		{"two hosts", field("Host: b"), unusual},
		{"two equal hosts", field("host: a"), unusual},
		{"host with a path", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", unusual},
		{"host with a user", "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", unusual},
		{"Content-Length", field("Content-Length: 5"), unusual},
		{"Content-Length 0", field("Content-Length: 0"), unusual},
		{"Content-Length in other letters", field("cONTENT-lENGTH: 5"), unusual},
		{"Transfer-Encoding", field("Transfer-Encoding: chunked"), unusual},
		{"Transfer-Encoding with nonsense", field("Transfer-Encoding: x, chunked"), unusual},
		{"Expect", field("Expect: 100-continue"), unusual},
		{"Upgrade", field("Upgrade: h2c"), unusual},
		{"Trailer", field("Trailer: A"), unusual},
		{"Connection: Upgrade", field("Connection: Upgrade"), unusual},
		{"Connection with a list", field("Connection: keep-alive, A"), unusual},
		{"two Connections", field("Connection: keep-alive\r\nConnection: close"), unusual},
		{"empty Connection", field("Connection:"), unusual},
		{"too many fields", field(strings.Repeat("A: b\r\n", maxFields) + "A: b"), unusual},
	} {
		n, got := new(Request).parse(test.text)
		if got != test.want || got == usual && n != len(test.text) {
			t.Errorf("%s: verdict %d with %d bytes, want %d", test.name, got, n, test.want)
		}
		if got == usual {
			compare(t, test.text)
		}
	}
}

// compare checks that net/http reads the same request from the same bytes.
func compare(t *testing.T, text string) {
	t.Helper()
	r := new(Request)
	n, v := r.parse(text)
	if v != usual {
		return
	}
	source := strings.NewReader(text)
	br := bufio.NewReader(source)
	h, err := http.ReadRequest(br)
	if err != nil {
		t.Fatalf("net/http refuses %q: %v", text[:n], err)
	}
	if read := len(text) - source.Len() - br.Buffered(); read != n {
		t.Errorf("%q: %d bytes, net/http reads %d", text, n, read)
	}
	if h.Method != r.Method || h.RequestURI != r.Target || h.Host != r.Host || h.Close != r.close || h.ProtoMajor != 1 || h.ProtoMinor != 1 {
		t.Errorf("%q: %s %s of %s, close %v; net/http has %s %s of %s, close %v", text[:n], r.Method, r.Target, r.Host, r.close, h.Method, h.RequestURI, h.Host, h.Close)
	}
	if h.ContentLength != 0 || h.Body != http.NoBody || len(h.TransferEncoding) > 0 || h.Trailer != nil {
		t.Errorf("%q: net/http has a body of %d bytes", text[:n], h.ContentLength)
	}
	delete(h.Header, "Host")
	if r.pragma {
		delete(h.Header, "Cache-Control") // net/http made it of Pragma; the loop leaves such a request alone
	}
	header, size := http.Header{}, 0
	r.AddTo(header)
	if !reflect.DeepEqual(h.Header, header) {
		t.Errorf("%q: header %q, net/http has %q", text[:n], header, h.Header)
	}
	for name, values := range h.Header {
		if got := r.Values(name); !reflect.DeepEqual(got, values) {
			t.Errorf("%q: Values(%q) = %q, want %q", text[:n], name, got, values)
		}
		for _, value := range values {
			size += len(name) + len(value) + 4
		}
	}
	if r.Size() != size || r.Values("Host") != nil || r.Values("Absent-Here") != nil {
		t.Errorf("%q: Size %d, want %d; Values(Host) = %q", text[:n], r.Size(), size, r.Values("Host"))
	}
}

// FuzzParse: what the loop takes, net/http takes, and understands alike.
func FuzzParse(f *testing.F) {
	for _, text := range []string{
		get("/a?b=%7e", "Accept-Encoding: gzip, br", "accept-encoding: zstd", "Cookie: a=b"), get("/", "Connection: close", "Pragma: no-cache"),
		"HEAD / HTTP/1.1\r\nhOST:a:80\r\nA:\r\n\r\nGET / HTTP/1.1\r\n", "GET //a/%2F HTTP/1.1\r\nHost: [::1]\r\nX: \xff y\r\n\r\n",
		get("/", "Content-Length: 3", "Transfer-Encoding: chunked") + "abc", "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n",
		"OPTIONS /*?#/% HTTP/1.1\r\nHost: a\r\nKeep-Alive: 1\r\nTE: trailers\r\n\r\n",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		compare(t, text)
		// More bytes do not change the verdict.
		n, v := new(Request).parse(text)
		for cut := range min(len(text), 200) {
			if m, w := new(Request).parse(text[:cut]); w == unusual && v == usual && cut <= n || w == usual && (v != usual || m != n) {
				t.Errorf("%q: verdict %d of the first %d bytes, %d of all", text, w, cut, v)
			}
		}
	})
}

var date = regexp.MustCompile(`Date: [^\r]*\r\n`)

// transcript is what a server answers to text, whether it then closed the connection, and what it answers to a hit after.
func transcript(t *testing.T, r Responder, text string) (out string) {
	synctest.Test(t, func(t *testing.T) {
		rg := newRig(t, r, nil)
		c := rg.connect()
		out = c.say(text)
		if c.ended() {
			out += "[closed]"
		} else {
			out += "[open]" + c.say(get("/hit/after"))
			if c.ended() {
				out += "[closed]"
			}
		}
		time.Sleep(2 * time.Minute) // all timeouts
		out += c.take()
		c.Conn.Close()
		rg.Server.Close()
	})
	return date.ReplaceAllString(out, "")
}

// nobody is a Responder that knows nothing: its server is net/http.
type nobody struct{}

func (nobody) Answer(*Request) bool { return false }

// plainTranscript is transcript with net/http alone.
func plainTranscript(t *testing.T, text string) (out string) {
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		srv := &http.Server{ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, MaxHeaderBytes: 32 << 10, Handler: http.HandlerFunc(echo)}
		go func() { _ = srv.Serve(l) }()
		c := newClient(l.dial())
		out = c.say(text)
		if c.ended() {
			out += "[closed]"
		} else {
			out += "[open]" + c.say(get("/hit/after"))
			if c.ended() {
				out += "[closed]"
			}
		}
		time.Sleep(2 * time.Minute)
		out += c.take()
		c.Conn.Close()
		srv.Close()
	})
	return date.ReplaceAllString(out, "")
}

// smuggling are streams that two readers may cut in different places, and streams that are malformed.
var smuggling = []string{
	// Two lengths, in every way that front ends were fooled with (RFC 9112, section 11.2).
	"POST /hit HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
	"POST /hit HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n",
	"POST /hit HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
	"POST /hit HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
	"POST /hit HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
	"POST /hit HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
	"POST /hit HTTP/1.1\r\nHost: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST /hit HTTP/1.1\r\nHost: a\r\nX: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	"POST /hit HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhelloG",
	"POST /hit HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello",
	"POST /hit HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
	"POST /hit HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
	"POST /hit HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello",
	"POST /hit HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
	"GET /hit HTTP/1.1\r\nHost: a\r\nContent-Length: 26\r\n\r\nGET /hit/2 HTTP/1.1\r\nX: y\r\n\r\n",
	"GET /hit HTTP/1.1\r\nHost: a\r\nContent-Length : 26\r\n\r\nGET /hit/2 HTTP/1.1\r\nX: y\r\n\r\n",
	"GET /hit HTTP/1.1\r\nHost: a\r\nContent-Length\r\n: 26\r\n\r\n",
	"GET /hit HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\nGET /hit/2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"HEAD /hit HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
	"GET /miss HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /hit HTTP/1.1\r\nHost: a\r\n\r\n",
	"POST /miss HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /hit HTTP/1.1\r\nHost: a\r\n\r\n",
	// Line ends.
	"GET /hit HTTP/1.1\nHost: a\n\nGET /hit/2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /hit HTTP/1.1\r\nHost: a\r\n\nGET /hit/2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /hit HTTP/1.1\r\nHost: a\n\r\nGET /hit/2 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /hit HTTP/1.1\r\nHost: a\r\rX: y\r\n\r\n",
	"GET /hit HTTP/1.1\r\nHost: a\r\nX: y\rZ: z\r\n\r\n",
	"GET /hit HTTP/1.1\rHost: a\r\r",
	"\r\nGET /hit HTTP/1.1\r\nHost: a\r\n\r\n",
	"\r\n\r\nGET /hit HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /hit HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET /hit/2 HTTP/1.1\r\nHost: a\r\n\r\n",
	// Whose host is it.
	"GET /hit HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET /hit HTTP/1.1\r\nHost: a, b\r\n\r\n", "GET /hit HTTP/1.1\r\nHost: a b\r\n\r\n",
	"GET /hit HTTP/1.1\r\nHost: a\r\n : b\r\n\r\n", "GET /hit HTTP/1.1\r\nHost : a\r\n\r\n", "GET /hit HTTP/1.1\r\n\r\n", "GET /hit HTTP/1.1\r\nHost:\r\n\r\n",
	"GET http://b/hit HTTP/1.1\r\nHost: a\r\n\r\n", "GET //b/hit HTTP/1.1\r\nHost: a\r\n\r\n", "GET a/hit HTTP/1.1\r\nHost: a\r\n\r\n", "GET /hit HTTP/1.1\r\nHost: a\x00\r\n\r\n",
	// Names and values.
	"GET /hit HTTP/1.1\r\nHost: a\r\nX Y: z\r\n\r\n", "GET /hit HTTP/1.1\r\nHost: a\r\nX\x00: z\r\n\r\n", "GET /hit HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
	"GET /hit HTTP/1.1\r\nHost: a\r\n: z\r\n\r\n", "GET /hit HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", "GET /hit HTTP/1.1\r\nHost: a\r\nX: y\x7f\r\n\r\n", "GET /hit HTTP/1.1\r\nHost: a\r\n\xff: y\r\n\r\n",
	// Versions, methods and targets.
	"GET /hit\r\n", "GET /hit HTTP/1.0\r\n\r\n", "GET /hit HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", "GET /hit HTTP/2.0\r\nHost: a\r\n\r\n", "GET /hit HTTP/1.10\r\nHost: a\r\n\r\n",
	"GET /hit HTTP/01.1\r\nHost: a\r\n\r\n", "GET /hit http/1.1\r\nHost: a\r\n\r\n", "GET  /hit HTTP/1.1\r\nHost: a\r\n\r\n", "GET /hit  HTTP/1.1\r\nHost: a\r\n\r\n", "GET /hit HTTP/1.1 \r\nHost: a\r\n\r\n",
	"GET\t/hit\tHTTP/1.1\r\nHost: a\r\n\r\n", " GET /hit HTTP/1.1\r\nHost: a\r\n\r\n", "get /hit HTTP/1.1\r\nHost: a\r\n\r\n", "G@T /hit HTTP/1.1\r\nHost: a\r\n\r\n", "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /hit%zz HTTP/1.1\r\nHost: a\r\n\r\n", "GET /hit%0 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /hit\x01 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /hit#x HTTP/1.1\r\nHost: a\r\n\r\n", "GET /hit?%zz HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "GET ? HTTP/1.1\r\nHost: a\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
	// Connections that change.
	"GET /hit HTTP/1.1\r\nHost: a\r\nConnection: close, keep-alive\r\n\r\n", "GET /hit HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", "GET /hit HTTP/1.1\r\nHost: a\r\nConnection: CLOSE\r\n\r\n",
	"GET /hit HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n",
	"GET /hit HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n", "GET /hit HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n", "GET /hit HTTP/1.1\r\nHost: a\r\nTrailer: X\r\n\r\n",
	"POST /hit HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
	// What never ends.
	"GET /hit HTTP/1.1\r\nHost: a\r\n", "GET /hit", "G", "POST /hit HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel", "GET /hit HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 80000) + "\r\n\r\n",
	"GET /hit" + strings.Repeat("x", 80000) + " HTTP/1.1\r\nHost: a\r\n\r\n", strings.Repeat("GET /hit HTTP/1.1\r\nHost: a\r\n\r\n", 200),
}

// The loop answers nothing that net/http would answer otherwise, and changes nothing of what net/http answers; neither in
// front of a stream, nor behind a hit or a miss.
func TestMalformedAndSmuggledStreamsAreAnsweredAsByNetHTTP(t *testing.T) {
	for _, text := range smuggling {
		for _, before := range []string{"", get("/hit/before"), get("/before"), get("/hit/before") + get("/before")} {
			stream := before + text
			want := plainTranscript(t, stream)
			for name, r := range map[string]Responder{"loop": memory{}, "loop that knows nothing": nobody{}} {
				if got := transcript(t, r, stream); got != want {
					t.Errorf("%s: %.200q\ngot  %.600q\nwant %.600q", name, stream, got, want)
				}
			}
		}
	}
}
