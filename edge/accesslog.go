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

// accessLog writes one JSON object a line for each request, with the names and the order of CloudFront's standard log.
// Every value is a string, "-" for none. Bytes are counted as HTTP/1.1 would carry them, whatever the connection does.
// A query string is logged as it came, but without the parameters of signed URLs where a behavior takes them.
// CloudFront Developer Guide, "Standard logging reference", "Log file fields".
type accessLog struct {
	location string

	mu  sync.Mutex // guards w and buf
	w   io.Writer
	buf []byte
}

// line writes the line of x, which is over.
func (l *accessLog) line(x *exchange) {
	now := x.edge.cfg.Now()
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
		protocol, cipher = strings.ReplaceAll(tls.VersionName(x.tls.Version), "TLS 1", "TLSv1"), tls.CipherSuiteName(x.tls.CipherSuite)
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	b := append(l.buf[:0], '{')
	for _, f := range [...]struct{ name, value string }{
		{"date", began.Format(time.DateOnly)},
		{"time", began.Format(time.TimeOnly)},
		{"x-edge-location", l.location},
		{"sc-bytes", strconv.FormatInt(sent, 10)},
		{"c-ip", host},
		{"cs-method", x.method},
		{"cs(Host)", domain},
		{"cs-uri-stem", x.asked},
		{"sc-status", status},
		{"cs(Referer)", x.field("Referer")},
		{"cs(User-Agent)", x.field("User-Agent")},
		{"cs-uri-query", x.askedQuery},
		{"cs(Cookie)", ""}, // only with IncludeCookies, which is not offered
		{"x-edge-result-type", string(x.result)},
		{"x-edge-request-id", x.id},
		{"x-host-header", x.host},
		{"cs-protocol", x.scheme()},
		{"cs-bytes", strconv.FormatInt(int64(len(x.method)+len(x.uri)+x.header.Size()+len("  HTTP/1.1\r\nHost: \r\n\r\n")+len(x.host))+max(0, x.length), 10)},
		{"time-taken", seconds(now.Sub(x.began))},
		{"x-forwarded-for", strings.Join(x.header.Values("X-Forwarded-For"), ", ")},
		{"ssl-protocol", protocol},
		{"ssl-cipher", cipher},
		{"x-edge-response-result-type", string(x.result)},
		{"cs-protocol-version", x.proto},
		{"fle-status", ""},
		{"fle-encrypted-fields", ""},
		{"c-port", port},
		{"time-to-first-byte", seconds(first.Sub(x.began))},
		{"x-edge-detailed-result-type", detail},
		{"sc-content-type", x.answered("Content-Type")},
		{"sc-content-len", x.answered("Content-Length")},
		{"sc-range-start", from},
		{"sc-range-end", to},
	} {
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), f.name...), `":"`...)
		if f.value == "" {
			b = append(b, '-')
		}
		b = append(appendText(b, f.value), '"')
	}
	b = append(b, "}\n"...)
	_, _ = l.w.Write(b) // a full disk must not stop answers
	l.buf = b
}

func seconds(d time.Duration) string {
	return strconv.FormatFloat(max(0, d.Seconds()), 'f', 3, 64)
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
