package metadata

import (
	"encoding/binary"
	"errors"
	"io"
)

// box is one box of the ISO base media file format (ISO/IEC 14496-12 section 4.2), which AVIF, HEIF and JPEG XL use.
type box struct {
	kind string
	// off is where its length stands, head how long its head is, size the length of all.
	off, head, size int64
}

func (b box) data() int64 { return b.off + b.head }
func (b box) end() int64  { return b.off + b.size }

// readBox measures the box at off, which must end at end or before.
func readBox(w *window, f Format, off, end int64) (box, error) {
	x := box{off: off, head: 8}
	damaged := &DamagedError{Format: f, Offset: off, Reason: "file ends in a box"}
	b, err := w.at(off, 8)
	if errors.Is(err, io.EOF) || off+8 > end {
		return x, damaged
	}
	if err != nil {
		return x, err
	}
	x.size, x.kind = int64(binary.BigEndian.Uint32(b)), string(b[4:8])
	switch x.size {
	case 0:
		x.size = end - off // to the end of what it stands in
	case 1:
		if b, err = w.at(off+8, 8); errors.Is(err, io.EOF) {
			return x, damaged
		}
		if err != nil {
			return x, err
		}
		x.head, x.size = 16, int64(min(binary.BigEndian.Uint64(b), 1<<62))
	}
	if x.size < x.head || x.size > end-off {
		return x, damaged
	}
	return x, nil
}

// eachBox calls fn for the boxes from off to end.
func eachBox(w *window, f Format, off, end int64, fn func(box) error) error {
	for off < end {
		b, err := readBox(w, f, off, end)
		if err == nil {
			err = fn(b)
		}
		if err != nil {
			return err
		}
		off = b.end()
	}
	return nil
}

// eachBoxCut calls fn for the boxes from off to the end of the file, of which the last may be longer than the file.
func eachBoxCut(w *window, f Format, off int64, fn func(box) error) error {
	for off < w.size {
		b, err := readBox(w, f, off, 1<<62)
		if err == nil {
			err = fn(b)
		}
		if err != nil {
			return err
		}
		if off = b.end(); b.end() > w.size {
			return nil
		}
	}
	return nil
}

// appendBox appends a box with data.
func appendBox(out []byte, kind string, data ...[]byte) []byte {
	n := 8
	for _, d := range data {
		n += len(d)
	}
	out = append(binary.BigEndian.AppendUint32(out, uint32(n)), kind...)
	for _, d := range data {
		out = append(out, d...)
	}
	return out
}

// fullHead is the version and the flags that a full box begins with.
func fullHead(version byte, flags uint32) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(version)<<24|flags)
}

// cursor reads fields one after the other. Past the end it gives zeros and sets short.
type cursor struct {
	b     []byte
	short bool
}

func (c *cursor) bytes(n int) []byte {
	if n < 0 || n > len(c.b) {
		c.b, c.short = nil, true
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

// uint reads a number of n bytes, at most 8. What is 2^62 or more counts as 2^62.
func (c *cursor) uint(n int) int64 {
	v := uint64(0)
	for _, x := range c.bytes(n) {
		v = v<<8 | uint64(x)
	}
	return int64(min(v, 1<<62))
}

// text reads up to the next NUL, or to the end.
func (c *cursor) text() string {
	for i, x := range c.b {
		if x == 0 {
			s := string(c.b[:i])
			c.b = c.b[i+1:]
			return s
		}
	}
	s := string(c.b)
	c.b = nil
	return s
}

// memBox is a box that was read into memory.
type memBox struct {
	kind string
	// whole is all of it, data what follows the head.
	whole, data []byte
}

// splitBoxes returns the boxes in b; ok is false when they do not fill it.
func splitBoxes(b []byte) (list []memBox, ok bool) {
	for len(b) > 0 {
		if len(b) < 8 {
			return list, false
		}
		n, head := int64(binary.BigEndian.Uint32(b)), 8
		if n == 1 && len(b) >= 16 {
			n, head = int64(min(binary.BigEndian.Uint64(b[8:]), 1<<62)), 16
		}
		if n == 0 {
			n = int64(len(b))
		}
		if n < int64(head) || n > int64(len(b)) {
			return list, false
		}
		list = append(list, memBox{string(b[4:8]), b[:n], b[head:n]})
		b = b[n:]
	}
	return list, true
}

// findBox returns the first of the boxes of a kind; ok is false when there is none.
func findBox(list []memBox, kind string) (memBox, bool) {
	for _, b := range list {
		if b.kind == kind {
			return b, true
		}
	}
	return memBox{}, false
}
