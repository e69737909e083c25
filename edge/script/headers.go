package script

import (
	"net/http"
	"slices"
	"strings"
)

// hiddenHeaders are not shown to functions, and adding one is an error.
// CloudFront Developer Guide, "Restrictions on edge functions", "Disallowed headers".
var hiddenHeaders = []string{
	"Connection", "Expect", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Trailer", "Upgrade",
	"X-Accel-Buffering", "X-Accel-Charset", "X-Accel-Limit-Rate", "X-Accel-Redirect", "X-Amzn-Auth", "X-Amzn-Cf-Billing", "X-Amzn-Cf-Id",
	"X-Amzn-Cf-Xff", "X-Amzn-Errortype", "X-Amzn-Fle-Profile", "X-Amzn-Header-Count", "X-Amzn-Header-Order",
	"X-Amzn-Lambda-Integration-Tag", "X-Amzn-Requestid", "X-Cache", "X-Forwarded-Proto", "X-Real-Ip",
}

// hidden takes a canonical name.
func hidden(name string) bool {
	return strings.HasPrefix(name, "X-Amz-Cf-") || strings.HasPrefix(name, "X-Edge-") || slices.Contains(hiddenHeaders, name)
}

// readOnly are headers that a function sees and must leave as they are, by event ("Restrictions on edge functions", "Read-only
// headers").
func readOnly(response bool) []string {
	if response {
		return []string{"Warning", "Via"}
	}
	return []string{"Content-Length", "Host", "Transfer-Encoding", "Via"}
}

// checkHeaders tells whether after is what a function may make of before, and puts back what it did not see.
func checkHeaders(before, after http.Header, response bool) *Error {
	for name, lines := range after {
		if hidden(name) {
			return badResult("it added the header %s, which functions may not", strings.ToLower(name))
		}
		if !isToken(name) {
			return badResult("%q is no header name", name)
		}
		for _, line := range lines {
			if strings.ContainsAny(line, "\r\n\x00") {
				return badResult("the value of header %s has a line break in it", strings.ToLower(name))
			}
		}
	}
	for _, name := range readOnly(response) {
		if !slices.Equal(before[name], after[name]) {
			return badResult("it changed the header %s, which is read-only", strings.ToLower(name))
		}
	}
	for name, lines := range before {
		if hidden(name) {
			after[name] = lines
		}
	}
	return nil
}

// isToken tells whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}
