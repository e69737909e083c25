package http2

import "strings"

// kind is what a field of a request means to the protocol.
type kind uint8

const (
	regular kind = iota
	pseudoMethod
	pseudoScheme
	pseudoPath
	pseudoAuthority
	fieldHost
	fieldCookie
	fieldContentLength
	fieldExpect
	fieldTrailer
	malformed // whatever the request
)

// kindOf judges a field (RFC 9113, sections 8.2 and 8.3). A field of the table is judged once.
func kindOf(name, value string) kind {
	if !validValue(value) {
		return malformed
	}
	switch name {
	case ":method":
		return pseudoMethod
	case ":scheme":
		return pseudoScheme
	case ":path":
		return pseudoPath
	case ":authority":
		return pseudoAuthority
	case "host":
		return fieldHost
	case "cookie":
		return fieldCookie
	case "content-length":
		return fieldContentLength
	case "expect":
		return fieldExpect
	case "trailer":
		return fieldTrailer
	case "connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade": // section 8.2.2
		return malformed
	case "te":
		if value != "trailers" {
			return malformed
		}
	case "":
		return malformed
	}
	for i := range len(name) {
		if class[name[i]]&lowerToken == 0 {
			return malformed
		}
	}
	return regular
}

// validValue reports whether s has no control characters and neither begins nor ends with white space (RFC 9113, section
// 8.2.1, and RFC 9110, section 5.5).
func validValue(s string) bool {
	for i := range len(s) {
		if class[s[i]] == 0 && s[i] != ' ' && s[i] != '\t' {
			return false
		}
	}
	return s == "" || class[s[0]] != 0 && class[s[len(s)-1]] != 0
}

// validTarget reports whether net/url takes s as path and query: no space or control character, and a path whose percent
// signs are followed by two hexadecimal digits. A # is nothing that a client sends.
func validTarget(s string) bool {
	query := false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case class[c] == 0 || c == '#':
			return false
		case c == '?':
			query = true
		case c == '%' && !query:
			if i+2 >= len(s) || class[s[i+1]]&hex == 0 || class[s[i+2]]&hex == 0 {
				return false
			}
		}
	}
	return s != "" && s[0] == '/'
}

// validHost reports whether s has only the bytes that a host with a port has. There is no user in it (RFC 9113, section
// 8.3.1).
func validHost(s string) bool {
	for i := range len(s) {
		if class[s[i]]&host == 0 {
			return false
		}
	}
	return true
}

// validMethod reports whether s is a token (RFC 9110, section 9.1).
func validMethod(s string) bool {
	for i := range len(s) {
		if class[s[i]]&token == 0 {
			return false
		}
	}
	return s != ""
}

// sameName compares the name of a request's field, which is in lower case, with one of the same length in canonical form.
func sameName(lower, name string) bool {
	for i := range len(name) {
		a, b := lower[i], name[i]
		if a != b && (b < 'A' || b > 'Z' || a != b|0x20) {
			return false
		}
	}
	return true
}

// Classes of bytes. Those of class 0 are spaces and control characters.
const (
	visible    = 1 << iota // or not ASCII
	token                  // RFC 9110, section 5.6.2
	lowerToken             // the same without capitals
	hex
	host
)

var class = func() (c [256]uint8) {
	for i := range c {
		b := byte(i)
		if b <= ' ' || b == 0x7f {
			continue
		}
		c[i] = visible
		letter := b|0x20 >= 'a' && b|0x20 <= 'z'
		digit := b >= '0' && b <= '9'
		if letter || digit || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0 {
			c[i] |= token
			if b < 'A' || b > 'Z' {
				c[i] |= lowerToken
			}
		}
		if digit || b|0x20 >= 'a' && b|0x20 <= 'f' {
			c[i] |= hex
		}
		if letter || digit || strings.IndexByte("-._~!$&'()*+,;=%:[]", b) >= 0 { // RFC 3986, section 3.2
			c[i] |= host
		}
	}
	return c
}()
