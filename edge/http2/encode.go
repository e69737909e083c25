package http2

import (
	"bytes"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Answers are encoded without a dynamic table and without Huffman's code: a field is its bytes, names of the static table
// one octet (RFC 7541, section 6.2.2). That is some 100 bytes more for an answer than the shortest encoding, and costs
// what copying costs.

// appendStatus appends :status.
func appendStatus(b []byte, status int) []byte {
	if i := staticStatus(status); i > 0 {
		return append(b, 0x80|i)
	}
	b = append(b, statusName, 3)
	return strconv.AppendInt(b, int64(status), 10)
}

// appendField appends a field with a name in canonical form.
func appendField(b, name []byte, value string) []byte {
	return append(appendName(b, name, len(value)), value...)
}

// appendName appends a field as far as the length of its value.
func appendName(b, name []byte, value int) []byte {
	if i := staticName(name); i > 0 {
		b = appendInt(b, 4, uint32(i))
	} else {
		b = appendInt(append(b, 0), 7, uint32(len(name)))
		for _, c := range name {
			if c >= 'A' && c <= 'Z' {
				c |= 0x20
			}
			b = append(b, c)
		}
	}
	return appendInt(b, 7, uint32(value))
}

// appendInt appends an integer whose first octet gives it some bits and has 0 in the others (RFC 7541, section 5.1).
func appendInt(b []byte, bits uint8, n uint32) []byte {
	most := uint32(1)<<bits - 1
	if n < most {
		return append(b, byte(n))
	}
	b = append(b, byte(most))
	for n -= most; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// appendHead appends a head of HTTP/1.1, status line and header lines with their ends.
func appendHead(b, head []byte) []byte {
	status, _ := strconv.Atoi(string(head[len("HTTP/1.1 "):len("HTTP/1.1 200")])) // its maker knows how it looks
	b = appendStatus(b, status)
	for at := bytes.IndexByte(head, '\n') + 1; at < len(head); {
		line := head[at:]
		end := bytes.IndexByte(line, '\r')
		colon := bytes.IndexByte(line, ':')
		name, value := line[:colon], line[colon+len(": "):end]
		if !unsent(name) {
			b = append(appendName(b, name, len(value)), value...)
		}
		at += end + len("\r\n")
	}
	return b
}

// unsent reports whether a field of HTTP/1.1 has no place in HTTP/2 (RFC 9113, section 8.2.2).
func unsent(name []byte) bool {
	switch string(name) {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade":
		return true
	}
	return false
}

// appendMap appends the fields of h that can be sent, or of names alone if there are any.
func appendMap(b []byte, h http.Header, names []string) []byte {
	if names == nil {
		names = make([]string, 0, len(h))
		for name := range h {
			names = append(names, name)
		}
		slices.Sort(names)
	}
	for _, name := range names {
		bytes := []byte(name)
		if !validMethod(name) || unsent(bytes) {
			continue
		}
		for _, value := range h[name] {
			if value = strings.Trim(value, " \t"); validValue(value) {
				b = appendField(b, bytes, value)
			}
		}
	}
	return b
}
