package disk

import (
	"bytes"
	"encoding/binary"
	"math"

	"glassine/store"
)

// Versions and uploads have a key of two parts in the index: the object's key, and a tail that orders the entries of one
// key. The key is escaped so that the order of the whole is that of the keys and then of the tails: 00 is written 00 FF,
// and 00 01 ends the key.

// escapeKey appends key, escaped and without its end, to b.
func escapeKey(b []byte, key string) []byte {
	for i := range len(key) {
		b = append(b, key[i])
		if key[i] == 0 {
			b = append(b, 0xFF)
		}
	}
	return b
}

// entryKey returns the key of an entry.
func entryKey(key string, tail []byte) []byte {
	b := escapeKey(make([]byte, 0, len(key)+2+len(tail)), key)
	return append(append(b, 0, 1), tail...)
}

// splitEntryKey is the inverse of entryKey. The tail is a part of b.
func splitEntryKey(b []byte) (key string, tail []byte, ok bool) {
	var raw []byte
	for {
		i := bytes.IndexByte(b, 0)
		if i < 0 || i+1 >= len(b) {
			return "", nil, false
		}
		raw = append(raw, b[:i]...)
		end := b[i+1]
		b = b[i+2:]
		switch end {
		case 1:
			return string(raw), b, true
		case 0xFF:
			raw = append(raw, 0)
		default:
			return "", nil, false
		}
	}
}

// versionTail is the tail of a version: the newest comes first.
func versionTail(nanos uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, math.MaxUint64-nanos)
}

// versionKey is the key of a version's record.
func versionKey(key string, id store.ID) []byte { return entryKey(key, versionTail(id.Nanos())) }
