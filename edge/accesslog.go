package edge

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// logNames are the fields of CloudFront's standard log, in its order. CloudFront Developer Guide, "Standard logging reference",
// "Log file fields".
var logNames = [...]string{
	"date", "time", "x-edge-location", "sc-bytes", "c-ip", "cs-method", "cs(Host)", "cs-uri-stem", "sc-status", "cs(Referer)",
	"cs(User-Agent)", "cs-uri-query", "cs(Cookie)", "x-edge-result-type", "x-edge-request-id", "x-host-header", "cs-protocol",
	"cs-bytes", "time-taken", "x-forwarded-for", "ssl-protocol", "ssl-cipher", "x-edge-response-result-type",
	"cs-protocol-version", "fle-status", "fle-encrypted-fields", "c-port", "time-to-first-byte", "x-edge-detailed-result-type",
	"sc-content-type", "sc-content-len", "sc-range-start", "sc-range-end",
}

// cookieField is the place of cs(Cookie), which is empty but in a standard log that includes cookies.
const cookieField = 12

// logFields are the values of logNames for one request, as they are; "" where there is none.
type logFields [len(logNames)]string

// logged reports whether x's request leaves a line anywhere.
func (x *exchange) logged() bool { return x.edge.access != nil || x.site != nil && x.site.log != nil }

// log writes the lines of x, which is over.
func (e *Edge) log(x *exchange) {
	now := e.cfg.Now()
	f := x.logFields(now)
	if e.access != nil {
		e.access.write(&f)
	}
	if x.site != nil && x.site.log != nil {
		x.site.log.write(x, &f, now)
	}
}

// logFields are the values for x, which ends now. Bytes are counted as HTTP/1.1 would carry them, whatever the connection does.
// A query string is as it came, but without the parameters of signed URLs where a behavior takes them.
func (x *exchange) logFields(now time.Time) logFields {
	began := x.began.UTC()
	domain, detail, host := "", x.detail, x.clientIP()
	if x.site != nil {
		domain = x.site.domain
	}
	if detail == "" {
		detail = string(x.result)
	}
	_, port, _ := net.SplitHostPort(x.remote)
	first := now
	if !x.firstByte.IsZero() {
		first = x.firstByte
	}
	from, to, _ := strings.Cut(x.ranged, "-")
	status, sent := "000", int64(0)
	if x.status != 0 {
		status, sent = strconv.Itoa(x.status), x.sent+int64(x.headSize()+len("HTTP/1.1 200 OK\r\n\r\n"))
	}
	var protocol, cipher string
	if x.tls != nil {
		protocol, cipher = strings.ReplaceAll(tls.VersionName(x.tls.Version), "TLS 1", "TLSv1"), cipherName(x.tls)
	}
	received := int64(len(x.method)+len(x.uri)+x.header.Size()+len("  HTTP/1.1\r\nHost: \r\n\r\n")+len(x.host)) + max(0, x.length)
	return logFields{
		began.Format(time.DateOnly), began.Format(time.TimeOnly), x.edge.cfg.Location, strconv.FormatInt(sent, 10), host, x.method,
		domain, x.asked, status, x.field("Referer"), x.field("User-Agent"), x.askedQuery, "", string(x.result), x.id, x.host, x.scheme(),
		strconv.FormatInt(received, 10), seconds(now.Sub(x.began)), strings.Join(x.header.Values("X-Forwarded-For"), ", "), protocol,
		cipher, string(x.result), x.proto, "", "", port, seconds(first.Sub(x.began)), detail, x.answered("Content-Type"),
		x.answered("Content-Length"), from, to,
	}
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(max(0, d.Seconds()), 'f', 3, 64)
}

// cipherName is a cipher suite's name as OpenSSL has it, which CloudFront logs: those of TLS 1.3 are IANA's.
func cipherName(c *tls.ConnectionState) string {
	name := tls.CipherSuiteName(c.CipherSuite)
	if c.Version >= tls.VersionTLS13 {
		return name
	}
	name, ok := strings.CutPrefix(name, "TLS_")
	if !ok {
		return name
	}
	name = strings.TrimPrefix(name, "RSA_WITH_") // key exchange by RSA is not named
	return cipherWords.Replace(name)
}

var cipherWords = strings.NewReplacer(
	"AES_128_CBC_", "AES128-", "AES_256_CBC_", "AES256-", "AES_128_", "AES128-", "AES_256_", "AES256-",
	"CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305", "3DES_EDE_CBC_SHA", "DES-CBC3-SHA", "_WITH_", "-", "_", "-",
)

// accessLog writes one JSON object a line for each request. Every value is a string, "-" for none.
type accessLog struct {
	mu  sync.Mutex // guards w and buf
	w   io.Writer
	buf []byte
}

func (l *accessLog) write(f *logFields) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := append(l.buf[:0], '{')
	for i, name := range logNames {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), name...), `":"`...)
		if f[i] == "" {
			b = append(b, '-')
		}
		b = append(appendText(b, f[i]), '"')
	}
	b = append(b, "}\n"...)
	_, _ = l.w.Write(b) // a full disk must not stop answers
	l.buf = b
}

const hexDigits = "0123456789abcdef"

// appendText appends s as the inside of a JSON string.
func appendText(b []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r < ' ' || r == 0x7f:
			b = append(b, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return b
}

var _ http.Handler = (*Edge)(nil)
