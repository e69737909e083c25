package http1

import "strings"

// verdict is what became of the bytes of a request.
type verdict int

const (
	partial verdict = iota // it has not ended yet, and is usual so far
	usual                  // it is whole
	unusual                // it is net/http's, and with it all that follows
)

// Limits of what the loop takes; more is net/http's to judge.
const (
	maxHeader = 16 << 10 // bytes
	maxFields = 64
)

// parse reads the request at the beginning of text into r and returns its length. It takes what browsers and libraries
// send: origin form, lines that end with CRLF, at most one space after the colon and none elsewhere, no body, and no
// field that changes how the connection is used. That is less than RFC 9112 allows, so that nobody can read it otherwise.
func (r *Request) parse(text string) (int, verdict) {
	line, at, ok := cutLine(text, 0)
	if !ok {
		return 0, beginning(text)
	}
	if !r.requestLine(line) {
		return 0, unusual
	}
	r.names, r.values = r.names[:0], r.values[:0]
	r.close, r.hostAt = false, -1
	pragma, control := false, false
	for {
		if line, at, ok = cutLine(text, at); !ok {
			return 0, incomplete(text[at:])
		}
		if line == "" {
			break
		}
		name, value, ok := cutField(line)
		if !ok || len(r.names) == maxFields {
			return 0, unusual
		}
		switch len(name) { // of the fields that matter here
		case 4, 6, 7, 10, 13, 14, 17:
			switch known(name) {
			case "Host":
				if r.hostAt >= 0 || !validHost(value) {
					return 0, unusual
				}
				r.Host, r.hostAt = value, len(r.names)
			case "Connection":
				if !r.connection(value) {
					return 0, unusual
				}
			case "Pragma":
				pragma = true
			case "Cache-Control":
				control = true
			case "Content-Length", "Transfer-Encoding", "Expect", "Trailer", "Upgrade":
				return 0, unusual
			}
		}
		r.names, r.values = append(r.names, name), append(r.values, value)
	}
	if r.hostAt < 0 {
		return 0, unusual
	}
	r.pragma = pragma && !control
	return at, usual
}

// connection takes a Connection field; false for a second one and for what changes the protocol.
func (r *Request) connection(value string) bool {
	for _, name := range r.names {
		if len(name) == len("Connection") && sameName(name, "Connection") {
			return false
		}
	}
	r.close = len(value) == len("close") && sameName(value, "close")
	return r.close || len(value) == len("keep-alive") && sameName(value, "keep-alive")
}

// cutLine returns the line of text that begins at from, without its CRLF, and where the next one begins. It is not ok when
// the end has not come, or is a bare LF; then next is from.
func cutLine(text string, from int) (line string, next int, ok bool) {
	i := strings.IndexByte(text[from:], '\n')
	if i < 1 || text[from+i-1] != '\r' {
		return "", from, false
	}
	return text[from : from+i-1], from + i + 1, true
}

// incomplete judges a line that cutLine did not take.
func incomplete(text string) verdict {
	if strings.IndexByte(text, '\n') >= 0 {
		return unusual
	}
	return partial
}

// beginning judges a request line that has not ended.
func beginning(text string) verdict {
	for _, m := range [...]string{"GET /", "HEAD /", "OPTIONS /"} {
		if n := min(len(m), len(text)); text[:n] == m[:n] {
			return incomplete(text)
		}
	}
	return unusual
}

// requestLine takes method and target.
func (r *Request) requestLine(line string) bool {
	target, ok := strings.CutSuffix(line, " HTTP/1.1")
	if !ok {
		return false
	}
	switch {
	case strings.HasPrefix(target, "GET /"):
		r.Method, r.Target = "GET", target[len("GET "):]
	case strings.HasPrefix(target, "HEAD /"):
		r.Method, r.Target = "HEAD", target[len("HEAD "):]
	case strings.HasPrefix(target, "OPTIONS /"):
		r.Method, r.Target = "OPTIONS", target[len("OPTIONS "):]
	default:
		return false
	}
	return validTarget(r.Target)
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
	return true
}

// cutField cuts a field line: a token, a colon, at most one space, and a value that neither begins nor ends with one and
// has no control characters.
func cutField(line string) (name, value string, ok bool) {
	i := 0
	for i < len(line) && class[line[i]]&token != 0 {
		i++
	}
	if i == 0 || i == len(line) || line[i] != ':' {
		return "", "", false
	}
	name, value = line[:i], line[i+1:]
	if value != "" && value[0] == ' ' {
		value = value[1:]
	}
	if value == "" {
		return name, value, true
	}
	if value[0] == ' ' || value[len(value)-1] == ' ' {
		return "", "", false
	}
	for j := range len(value) {
		if class[value[j]] == 0 && value[j] != ' ' {
			return "", "", false
		}
	}
	return name, value, true
}

// validHost reports whether s is a host, with a port or not, of the bytes that hosts have.
func validHost(s string) bool {
	for i := range len(s) {
		if class[s[i]]&host == 0 {
			return false
		}
	}
	return s != ""
}

// known returns the canonical spelling of a field name that says how to read a request, or "".
func known(name string) string {
	for _, k := range [...]string{
		"Host", "Connection", "Cache-Control", "Pragma", "Content-Length", "Transfer-Encoding", "Expect", "Trailer", "Upgrade",
	} {
		if len(k) == len(name) && sameName(name, k) {
			return k
		}
	}
	return ""
}

// Classes of bytes. Those of class 0 are spaces and control characters.
const (
	other = 1 << iota // visible, or not ASCII
	token             // RFC 9110, section 5.6.2
	hex
	host
)

var class = func() (c [256]uint8) {
	for i := range c {
		b := byte(i)
		if b <= ' ' || b == 0x7f {
			continue
		}
		c[i] = other
		letter := b|0x20 >= 'a' && b|0x20 <= 'z'
		digit := b >= '0' && b <= '9'
		if letter || digit || strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0 {
			c[i] |= token
		}
		if digit || b|0x20 >= 'a' && b|0x20 <= 'f' {
			c[i] |= hex
		}
		if letter || digit || strings.IndexByte(".-:_[]", b) >= 0 {
			c[i] |= host
		}
	}
	return c
}()
