package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Sign adds X-Amz-Date, X-Amz-Content-Sha256, X-Amz-Security-Token (when c has a token) and Authorization to req. It
// signs the host, every X-Amz-* header and Content-Type; the path and query are those that net/http will send.
// payloadHash is the hex SHA-256 of the body, UnsignedPayload, or "" for an empty body.
func Sign(req *http.Request, c Credentials, region, service, payloadHash string, now time.Time) {
	if payloadHash == "" {
		payloadHash = EmptyPayload
	}
	req.Header.Set("X-Amz-Date", now.UTC().Format(timeFormat))
	req.Header.Set("X-Amz-Content-Sha256", payloadHash)
	if c.SessionToken != "" {
		req.Header.Set("X-Amz-Security-Token", c.SessionToken)
	}
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	signed := map[string][]string{"host": {host}}
	for name, values := range req.Header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") || lower == "content-type" {
			signed[lower] = append(signed[lower], values...)
		}
	}
	req.Header.Set("Authorization", Authorize(req.Method, req.URL.EscapedPath(), req.URL.RawQuery, signed, c, region, service, payloadHash, now))
}

// Authorize returns the Authorization header of a request whose parts are given as they go on the wire: the raw path and
// query, and the headers to sign under their lower-case names. For callers that hold no *http.Request, such as an edge
// function.
func Authorize(method, rawPath, rawQuery string, signed map[string][]string, c Credentials, region, service, payloadHash string, now time.Time) string {
	names := make([]string, 0, len(signed))
	for n := range signed {
		names = append(names, n)
	}
	slices.Sort(names)
	headers := make([]header, len(names))
	for i, n := range names {
		headers[i] = header{n, joinValues(signed[n])}
	}
	sc := scope{now.UTC().Format("20060102"), region, service}
	cr := canonicalRequest(method, canonicalPath(service, rawPath), canonicalQuery(splitQuery(rawQuery), ""), headers, names, payloadHash)
	sig := mac(sc.key(c.SecretAccessKey), stringToSign(now, sc, cr))
	return Algorithm + " Credential=" + c.AccessKeyID + "/" + sc.String() +
		", SignedHeaders=" + strings.Join(names, ";") + ", Signature=" + hex.EncodeToString(sig)
}

// Presign returns u with the query form of a signature that holds for life from now. Only the host is signed, so that
// whoever uses the URL needs to send no header; the body is not signed. u.RawQuery may hold parameters of its own.
func Presign(method string, u *url.URL, c Credentials, region, service string, now time.Time, life time.Duration) *url.URL {
	sc := scope{now.UTC().Format("20060102"), region, service}
	own := []parameter{
		{"X-Amz-Security-Token", c.SessionToken},
		{"X-Amz-Algorithm", Algorithm},
		{"X-Amz-Date", now.UTC().Format(timeFormat)},
		{"X-Amz-SignedHeaders", "host"},
		{"X-Amz-Expires", strconv.Itoa(int(life / time.Second))},
		{"X-Amz-Credential", c.AccessKeyID + "/" + sc.String()},
	}
	if c.SessionToken == "" {
		own = own[1:]
	}
	cr := canonicalRequest(method, canonicalPath(service, u.EscapedPath()), canonicalQuery(append(splitQuery(u.RawQuery), own...), ""),
		[]header{{"host", foldSpaces(u.Host)}}, []string{"host"}, UnsignedPayload)
	sig := mac(sc.key(c.SecretAccessKey), stringToSign(now, sc, cr))

	var q strings.Builder
	q.WriteString(u.RawQuery)
	for _, p := range append(own, parameter{"X-Amz-Signature", hex.EncodeToString(sig)}) {
		if q.Len() > 0 {
			q.WriteByte('&')
		}
		q.WriteString(encode(p.key, false) + "=" + encode(p.value, false))
	}
	signed := *u
	signed.RawQuery = q.String()
	return &signed
}

// PayloadSHA256 is the payload hash of a body that is at hand.
func PayloadSHA256(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

func joinValues(values []string) string {
	if len(values) == 1 {
		return foldSpaces(values[0])
	}
	folded := make([]string, len(values))
	for i, v := range values {
		folded[i] = foldSpaces(v)
	}
	return strings.Join(folded, ",")
}

// equal compares two signatures in constant time.
func equal(a, b []byte) bool { return hmac.Equal(a, b) }
