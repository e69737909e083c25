package sandbox

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
)

// Inside a strict sandbox AWS's names lead to the loopback interface, where the AWS endpoint listens, and no other name
// leads anywhere. The names that need no lookup are in /etc/hosts; for the rest, such as buckets, there is a name server.

// hosts is /etc/hosts of a sandbox.
func hosts(region string) string {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n")
	for _, name := range []string{"s3." + region, "io-use1-001.s3-object-lambda." + region, "sts." + region, "sts", "s3", "lambda." + region, "logs." + region, "ssm." + region, "iam"} {
		fmt.Fprintf(&b, "127.0.0.1 %s.amazonaws.com\n", name)
	}
	return b.String()
}

// awsName reports whether a host name is one of AWS's, without regard to case and a last dot.
func awsName(name string) bool {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return strings.HasSuffix(name, ".amazonaws.com") || strings.HasSuffix(name, ".amazonaws.com.cn")
}

// serveNames answers questions until conn is closed.
func serveNames(conn net.PacketConn) {
	buf := make([]byte, 512) // the most that DNS over UDP carries without extensions (RFC 1035, section 2.3.4)
	for {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := answerName(buf[:n]); answer != nil {
			_, _ = conn.WriteTo(answer, from) // who asked asks again
		}
	}
}

// Of the DNS. (RFC 1035, sections 3.2 and 4.1.)
const (
	dnsHeader   = 12
	typeA       = 1
	classIN     = 1
	responseBit = 0x8000
	opcodeMask  = 0x7800
	recursion   = 0x0100
	available   = 0x0080
	nameError   = 3
	notServed   = 4
)

// answerName answers a query for one name: AWS's names have the address 127.0.0.1 and no other record, and no other name
// exists. nil means that the message deserves no answer.
func answerName(query []byte) []byte {
	if len(query) < dnsHeader {
		return nil
	}
	flags := binary.BigEndian.Uint16(query[2:])
	if flags&responseBit != 0 {
		return nil
	}
	answer := make([]byte, dnsHeader, 512)
	copy(answer, query[:2])
	head := responseBit | available | flags&(opcodeMask|recursion)
	name, rest, ok := questionName(query[dnsHeader:])
	if flags&opcodeMask != 0 || binary.BigEndian.Uint16(query[4:]) != 1 || !ok || len(rest) < 4 {
		binary.BigEndian.PutUint16(answer[2:], head|notServed)
		return answer
	}
	kind, class := binary.BigEndian.Uint16(rest), binary.BigEndian.Uint16(rest[2:])
	answer = append(answer, query[dnsHeader:len(query)-len(rest)+4]...)
	binary.BigEndian.PutUint16(answer[4:], 1)
	switch {
	case !awsName(name) || class != classIN:
		head |= nameError
	case kind == typeA:
		binary.BigEndian.PutUint16(answer[6:], 1)
		answer = append(answer, 0xc0, dnsHeader, 0, typeA, 0, classIN, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1) // the name is the question's
	}
	binary.BigEndian.PutUint16(answer[2:], head)
	return answer
}

// questionName reads the name that a question begins with, and returns what comes after it. Questions are not compressed.
func questionName(b []byte) (name string, rest []byte, ok bool) {
	var labels []string
	for total := 0; len(b) > 0 && total <= 255; {
		n := int(b[0])
		if n == 0 {
			return strings.Join(labels, "."), b[1:], true
		}
		if n > 63 || len(b) < 1+n {
			break
		}
		labels = append(labels, string(b[1:1+n]))
		total += 1 + n
		b = b[1+n:]
	}
	return "", nil, false
}

// hashed is a file name for a list of names.
func hashed(names []string) string {
	sum := sha256.Sum256([]byte(strings.Join(names, "\x00")))
	return hex.EncodeToString(sum[:16])
}
