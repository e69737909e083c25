package http2

// tableSize is how many bytes of fields the peer's encoder may have us remember: the default, which we leave as it is
// (RFC 7541, section 4.2).
const tableSize = 4096

// fieldOverhead is what a field counts besides its bytes (RFC 7541, section 4.1).
const fieldOverhead = 32

// field is a header field as it came, and what it means here.
type field struct {
	name, value string
	kind        kind
}

func (f *field) size() int { return len(f.name) + len(f.value) + fieldOverhead }

// decoder is a connection's decoding context: the dynamic table.
type decoder struct {
	entries []field // the oldest first, those before first evicted
	first   int
	size    int
	limit   int // of size; at most tableSize
}

// decode reads a header block into r.fields, as far as r.room reaches: what is beyond that is read, so that the context
// stays right, and dropped.
func (d *decoder) decode(r *Request, block []byte) error {
	began := false
	for len(block) > 0 {
		switch b := block[0]; {
		case b&0x80 != 0: // indexed (section 6.1)
			i, rest, ok := readInt(block, 7)
			f := d.at(i)
			if !ok || f == nil {
				return errCompression
			}
			r.take(*f)
			block, began = rest, true
		case b&0x40 != 0: // literal, to be indexed (section 6.2.1)
			rest, err := d.literal(r, block, 6, true)
			if err != nil {
				return err
			}
			block, began = rest, true
		case b&0x20 != 0: // a new size of the table, before all fields (sections 4.2 and 6.3)
			n, rest, ok := readInt(block, 5)
			if !ok || began || n > tableSize {
				return errCompression
			}
			d.limit = int(n)
			d.evict()
			block = rest
		default: // literal, not to be indexed (sections 6.2.2 and 6.2.3)
			rest, err := d.literal(r, block, 4, false)
			if err != nil {
				return err
			}
			block, began = rest, true
		}
	}
	return nil
}

var errCompression = connError{compressionError, "the header block is malformed"}

// literal reads a literal field whose name's index has the given bits.
func (d *decoder) literal(r *Request, block []byte, bits uint8, keep bool) ([]byte, error) {
	i, rest, ok := readInt(block, bits)
	if !ok {
		return nil, errCompression
	}
	r.scratch = r.scratch[:0]
	f := field{}
	if i > 0 {
		indexed := d.at(i)
		if indexed == nil {
			return nil, errCompression
		}
		f.name = indexed.name
	} else if rest, ok = r.readString(rest); !ok {
		return nil, errCompression
	}
	name := len(r.scratch)
	if rest, ok = r.readString(rest); !ok {
		return nil, errCompression
	}
	size := name + len(f.name) + len(r.scratch) - name + fieldOverhead
	switch {
	case keep && size <= d.limit:
		text := string(r.scratch) // the table's own, for as long as it has the field
		if i == 0 {
			f.name = text[:name]
		}
		f.value = text[name:]
		f.kind = kindOf(f.name, f.value)
		d.add(f)
	case size > r.room:
		r.room = -1
		if keep {
			d.clear()
		}
		return rest, nil
	default:
		text := r.text.of(r.scratch)
		if i == 0 {
			f.name = text[:name]
		}
		f.value = text[name:]
		f.kind = kindOf(f.name, f.value)
		if keep {
			d.clear()
		}
	}
	r.take(f)
	return rest, nil
}

// at returns the field with an index, or nil (RFC 7541, section 2.3.3).
func (d *decoder) at(i uint32) *field {
	if i == 0 {
		return nil
	}
	if i <= uint32(len(static)) {
		return &static[i-1]
	}
	i -= uint32(len(static))
	if n := len(d.entries); i <= uint32(n-d.first) {
		return &d.entries[n-int(i)]
	}
	return nil
}

// add puts a field that has room into the table (RFC 7541, section 4.4).
func (d *decoder) add(f field) {
	d.entries = append(d.entries, f)
	d.size += f.size()
	d.evict()
}

// clear empties the table, as a field that is too large for it does.
func (d *decoder) clear() {
	clear(d.entries)
	d.entries, d.first, d.size = d.entries[:0], 0, 0
}

func (d *decoder) evict() {
	for d.size > d.limit {
		d.size -= d.entries[d.first].size()
		d.entries[d.first] = field{}
		d.first++
	}
	if d.first > len(d.entries)/2 {
		n := copy(d.entries, d.entries[d.first:])
		clear(d.entries[n:])
		d.entries, d.first = d.entries[:n], 0
	}
}

// readInt reads an integer whose first octet gives it some bits (RFC 7541, section 5.1). It is not ok beyond 28 bits more.
func readInt(b []byte, bits uint8) (n uint32, rest []byte, ok bool) {
	if len(b) == 0 {
		return 0, nil, false
	}
	most := uint32(1)<<bits - 1
	n, b = uint32(b[0])&most, b[1:]
	if n < most {
		return n, b, true
	}
	for shift := 0; shift < 28 && len(b) > 0; shift += 7 {
		c := b[0]
		b = b[1:]
		n += uint32(c&0x7f) << shift
		if c&0x80 == 0 {
			return n, b, true
		}
	}
	return 0, nil, false
}

// readString appends a string to r.scratch (RFC 7541, section 5.2).
func (r *Request) readString(b []byte) (rest []byte, ok bool) {
	n, rest, ok := readInt(b, 7)
	if !ok || uint64(n) > uint64(len(rest)) {
		return nil, false
	}
	s, rest := rest[:n], rest[n:]
	if b[0]&0x80 == 0 {
		r.scratch = append(r.scratch, s...)
		return rest, true
	}
	r.scratch, ok = appendHuffman(r.scratch, s)
	return rest, ok
}
