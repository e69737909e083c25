package metadata

// Coded pictures hold small messages beside the picture: encoders put their name and settings, times and private data there.
// These functions find such messages by the heads of the units that a picture is made of; they decode nothing.

const (
	// AV1 OBU types and metadata types (AV1 Bitstream & Decoding Process Specification, sections 6.2.2 and 6.7.1).
	obuMetadata = 5
	obuPadding  = 15
	// HEVC NAL unit types of messages (ITU-T H.265 table 7-1), and the message of private data (annex D.2.1).
	nalPrefixSEI       = 39
	nalSuffixSEI       = 40
	seiUnregistered    = 5
	hvccHead           = 23
	av1cHead           = 4
	maxUnits           = 4096
	maxMessageHeadSize = 16
)

// obuGoes reports whether an AV1 unit of the type goes, whose payload begins with b: padding, and metadata other than light
// levels, mastering display and scalability.
func obuGoes(kind byte, b []byte) bool {
	return kind == obuPadding || kind == obuMetadata && (len(b) == 0 || b[0] < 1 || b[0] > 3)
}

// nalGoes reports whether the HEVC unit that begins with b goes: a message of private data.
func nalGoes(b []byte) bool {
	if len(b) < 3 {
		return false
	}
	kind := b[0] >> 1 & 0x3f
	return (kind == nalPrefixSEI || kind == nalSuffixSEI) && b[2] == seiUnregistered
}

// unit is one OBU or NAL unit: how long it is in all, and whether it goes. n is 0 when it cannot be read.
type unit struct {
	n    int64
	goes bool
}

// readOBU measures the OBU that b begins with, of which left bytes remain.
func readOBU(b []byte, left int64) unit {
	if len(b) < 2 || b[0]&0x81 != 0 {
		return unit{}
	}
	kind, head := b[0]>>3&15, 1
	if b[0]&4 != 0 {
		head = 2
	}
	n := left - int64(head)
	if b[0]&2 != 0 {
		v, width := leb128(b[min(head, len(b)):])
		if width == 0 {
			return unit{}
		}
		n, head = v, head+width
	}
	if n < 0 || n > left-int64(head) {
		return unit{}
	}
	return unit{int64(head) + n, obuGoes(kind, b[min(head, len(b)):])}
}

// leb128 reads a number of up to 8 bytes (AV1 specification, section 4.10.5); width is 0 when there is none.
func leb128(b []byte) (v int64, width int) {
	for i := range min(len(b), 8) {
		v |= int64(b[i]&0x7f) << (7 * i)
		if b[i]&0x80 == 0 {
			return v, i + 1
		}
	}
	return 0, 0
}

// readNAL measures the NAL unit that b begins with, behind its length of size bytes.
func readNAL(b []byte, left int64, size int) unit {
	c := &cursor{b: b}
	n := c.uint(size)
	if c.short || n > left-int64(size) {
		return unit{}
	}
	return unit{int64(size) + n, nalGoes(c.b)}
}

// streamReader returns how the units of an item are read; nil for a codec that is left alone.
func (f *heifFile) streamReader(it *heifItem) func(b []byte, left int64) unit {
	switch it.kind {
	case "av01":
		return readOBU
	case "hvc1", "hev1":
		if p, ok := f.property(it, "hvcC"); ok && len(p) >= hvccHead {
			size := int(p[21]&3) + 1
			return func(b []byte, left int64) unit { return readNAL(b, left, size) }
		}
	}
	return nil
}

// trim returns the extents of an item without the messages that go. What cannot be read as units stays as it is: no decoder
// shows it.
func (f *heifFile) trim(it *heifItem) ([]extent, error) {
	read := f.streamReader(it)
	if read == nil || len(it.extents) != 1 {
		return it.extents, nil
	}
	whole := it.extents[0]
	var kept []extent
	for at, end := whole.off, whole.off+whole.n; at < end; {
		b, err := f.w.at(at, int(min(maxMessageHeadSize, end-at)))
		if err != nil {
			return nil, err
		}
		u := read(b, end-at)
		if u.n == 0 || len(kept) > maxUnits {
			return it.extents, nil
		}
		if k := len(kept) - 1; !u.goes && k >= 0 && kept[k].off+kept[k].n == at {
			kept[k].n += u.n
		} else if !u.goes {
			kept = append(kept, extent{at, u.n})
		}
		at += u.n
	}
	return kept, nil
}

// cleanConfig returns av1C or hvcC without such messages: both may hold units that belong to every picture.
func cleanConfig(p memBox) []byte {
	switch p.kind {
	case "av1C":
		if len(p.data) < av1cHead {
			return p.whole
		}
		out, b := p.data[:av1cHead:av1cHead], p.data[av1cHead:]
		for len(b) > 0 {
			u := readOBU(b, int64(len(b)))
			if u.n == 0 {
				return p.whole
			}
			if !u.goes {
				out = append(out, b[:u.n]...)
			}
			b = b[u.n:]
		}
		return appendBox(nil, p.kind, out)
	case "hvcC":
		return cleanHVCC(p)
	}
	return p.whole
}

// cleanHVCC drops the arrays of messages that hold private data (ISO/IEC 14496-15 section 8.3.2.1).
func cleanHVCC(p memBox) []byte {
	if len(p.data) < hvccHead {
		return p.whole
	}
	out := append([]byte(nil), p.data[:hvccHead]...)
	out[hvccHead-1] = 0
	c := &cursor{b: p.data[hvccHead:]}
	for range p.data[hvccHead-1] {
		before := c.b
		kind := byte(c.uint(1)) & 0x3f
		goes := false
		for n := c.uint(2); n > 0 && !c.short; n-- {
			goes = nalGoes(c.bytes(int(c.uint(2)))) || goes
		}
		if c.short {
			return p.whole
		}
		if goes && (kind == nalPrefixSEI || kind == nalSuffixSEI) {
			continue
		}
		out = append(out, before[:len(before)-len(c.b)]...)
		out[hvccHead-1]++
	}
	return appendBox(nil, "hvcC", out)
}
