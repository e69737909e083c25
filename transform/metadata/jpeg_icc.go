package metadata

// An ICC profile is spread over APP2 segments: "ICC_PROFILE\0", the chunk's number from 1, the number of chunks, the data
// (ICC.1:2022 annex B.4).

const (
	iccHeadLen   = 4 + 14 // marker, length, name, number and count before the data
	iccHeaderLen = 128    // the profile's own header
)

// iccChunk is one APP2 segment, planned as the part at index part.
type iccChunk struct {
	part          int
	off           int64 // of its segment
	n             int64 // bytes of data
	number, count byte
}

// iccChunks collects the profile's segments until it is known whether they make a profile.
type iccChunks struct {
	chunks []iccChunk
	// declared is the profile's length by its own header; 0 when chunk 1 holds no such header.
	declared int64
	bad      bool
}

// add plans the segment and remembers it, or notes that the set cannot be a profile.
func (c *iccChunks) add(p *Plan, seg segment, payload []byte) {
	if c.bad || len(c.chunks) == 255 {
		c.bad = true
		return
	}
	data := payload[14:]
	k := iccChunk{part: len(p.parts), off: seg.off, n: int64(len(data)), number: payload[12], count: payload[13]}
	if k.number == 1 && len(data) >= iccHeaderLen && string(data[36:40]) == "acsp" {
		c.declared = int64(data[0])<<24 | int64(data[1])<<16 | int64(data[2])<<8 | int64(data[3])
	}
	c.chunks = append(c.chunks, k)
	p.parts = append(p.parts, part{off: seg.off, n: seg.size, alone: true})
}

// settle decides at the first scan what goes out. A set that jpeg_read_icc_profile would refuse is dropped whole: a
// decoder ignores it, so it can only carry something else. Bytes behind the profile's own end are cut off.
func (c *iccChunks) settle(p *Plan) {
	if len(c.chunks) == 0 {
		return
	}
	surplus, ok := c.surplus()
	replaced := make(map[int][]part, len(c.chunks))
	for _, k := range c.chunks {
		switch {
		case !ok:
			replaced[k.part] = nil
		case k.number == k.count && surplus > 0:
			replaced[k.part] = k.shortened(surplus)
		}
	}
	parts := p.parts
	p.parts = nil
	for i, old := range parts {
		list, found := replaced[i]
		if !found {
			list = []part{old}
		}
		for _, q := range list {
			if q.lit != nil {
				p.put(q.lit)
			} else {
				p.keep(q.off, q.n)
			}
		}
	}
}

// surplus returns how many bytes the last chunk holds beyond the profile's length; ok is false when the chunks are no
// profile. A profile that is cut short is left to the decoder.
func (c *iccChunks) surplus() (n int64, ok bool) {
	if c.bad || c.declared < iccHeaderLen {
		return 0, false
	}
	var seen [256]bool
	var total, last int64
	for _, k := range c.chunks {
		if int(k.count) != len(c.chunks) || k.number == 0 || k.number > k.count || seen[k.number] {
			return 0, false
		}
		seen[k.number] = true
		total += k.n
		if k.number == k.count {
			last = k.n
		}
	}
	n = max(total-c.declared, 0)
	return n, n == 0 || n < last
}

// shortened returns the parts of a segment without its last n bytes.
func (k iccChunk) shortened(n int64) []part {
	keep := k.n - n
	size := iccHeadLen - 2 + keep
	head := append([]byte{0xff, mAPP2, byte(size >> 8), byte(size)}, iccID...)
	return []part{{lit: append(head, k.number, k.count)}, {off: k.off + iccHeadLen, n: keep}}
}
