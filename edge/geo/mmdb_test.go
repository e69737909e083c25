package geo

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// network is a record of a database that a test makes.
type network struct {
	prefix string
	value  any
}

// database writes a file in the MaxMind DB format (MaxMind DB File Format Specification 2.0): an IPv6 tree with records of 24 bits.
func database(t testing.TB, kind string, networks ...network) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), kind+".mmdb")
	if err := os.WriteFile(file, databaseBytes(kind, networks...), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func databaseBytes(kind string, networks ...network) []byte {
	type node [2]int    // 0 is empty, n>0 is node n, -n is the data at n-1
	nodes := []node{{}} // node 0 is the root, which nothing points to
	var data []byte     // the data section
	for _, n := range networks {
		prefix := netip.MustParsePrefix(n.prefix)
		bits, address := prefix.Bits(), prefix.Addr().As16()
		if prefix.Addr().Is4() { // IPv4 is at ::/96
			address = [16]byte{}
			v4 := prefix.Addr().As4()
			copy(address[12:], v4[:])
			bits += 96
		}
		offset := len(data)
		data = append(data, encoded(n.value)...)
		at := 0
		for i := range bits {
			side := int(address[i/8]>>(7-i%8)) & 1
			if i == bits-1 {
				nodes[at][side] = -(offset + 1)
				break
			}
			if nodes[at][side] == 0 {
				nodes = append(nodes, node{})
				nodes[at][side] = len(nodes) - 1
			}
			at = nodes[at][side]
		}
	}
	var out []byte
	for _, n := range nodes {
		for _, r := range n {
			v := r
			switch {
			case r == 0:
				v = len(nodes)
			case r < 0:
				v = len(nodes) + 16 + (-r - 1)
			}
			out = append(out, byte(v>>16), byte(v>>8), byte(v))
		}
	}
	out = append(out, make([]byte, 16)...)
	out = append(out, data...)
	out = append(out, "\xab\xcd\xefMaxMind.com"...)
	return append(out, encoded(map[string]any{
		"binary_format_major_version": uint16(2), "binary_format_minor_version": uint16(0), "build_epoch": uint64(1_800_000_000),
		"database_type": kind, "description": map[string]any{"en": "test"}, "ip_version": uint16(6), "languages": []any{"en"},
		"node_count": uint32(len(nodes)), "record_size": uint16(24),
	})...)
}

// encoded is a value of the data section.
func encoded(v any) []byte {
	control := func(kind, size int) []byte {
		var tail []byte
		if size >= 29 {
			if size >= 29+256 {
				panic("too long for a test")
			}
			tail = []byte{byte(size - 29)}
			size = 29
		}
		if kind > 7 {
			return append([]byte{byte(size), byte(kind - 7)}, tail...)
		}
		return append([]byte{byte(kind<<5 | size)}, tail...)
	}
	switch v := v.(type) {
	case string:
		return append(control(2, len(v)), v...)
	case float64:
		return binary.BigEndian.AppendUint64(control(3, 8), math.Float64bits(v))
	case uint16:
		return binary.BigEndian.AppendUint16(control(5, 2), v)
	case uint32:
		return binary.BigEndian.AppendUint32(control(6, 4), v)
	case uint64:
		return binary.BigEndian.AppendUint64(control(9, 8), v)
	case map[string]any:
		out := control(7, len(v))
		for _, name := range slices.Sorted(maps.Keys(v)) {
			out = append(append(out, encoded(name)...), encoded(v[name])...)
		}
		return out
	case []any:
		out := control(11, len(v))
		for _, one := range v {
			out = append(out, encoded(one)...)
		}
		return out
	}
	panic(fmt.Sprintf("%T is not encoded here", v))
}
