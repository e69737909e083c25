// Package packed writes numbers and texts one after another into bytes, and reads them back: the form of what is kept on disk,
// or given away in a token. A number is a varint (encoding/binary), a text its length and its bytes, a list its count and its
// texts. There are no names, no types and no version in it: whoever writes says what comes when, and puts a version first.
//
// It is not for what others wrote; they have formats of their own.
//
// Start at Reader, and write with AppendText, AppendTexts and encoding/binary.
package packed

import "encoding/binary"

// AppendText appends a text, which Reader.Text reads.
func AppendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// AppendTexts appends a list of texts, which Reader.Texts reads.
func AppendTexts(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = AppendText(b, s)
	}
	return b
}

// Reader takes bytes apart from the front. After something that is not there all is zero and empty, and Bad is true: ask it
// once, at the end. No input makes it hold more than a few times its own length.
type Reader struct {
	// Rest is what was not read yet. A Reader is made of what it shall read.
	Rest []byte
	bad  bool
}

// Bad reports whether something was not there, or Fail was called.
func (r *Reader) Bad() bool { return r.bad }

// Whole reports whether everything was there and nothing is left.
func (r *Reader) Whole() bool { return !r.bad && len(r.Rest) == 0 }

// Fail says that what was read cannot be.
func (r *Reader) Fail() { r.Rest, r.bad = nil, true }

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if len(r.Rest) == 0 {
		r.Fail()
		return 0
	}
	c := r.Rest[0]
	r.Rest = r.Rest[1:]
	return c
}

// Int reads what binary.AppendVarint wrote.
func (r *Reader) Int() int64 {
	n, size := binary.Varint(r.Rest)
	if size <= 0 {
		r.Fail()
		return 0
	}
	r.Rest = r.Rest[size:]
	return n
}

// Uint reads what binary.AppendUvarint wrote.
func (r *Reader) Uint() uint64 {
	n, size := binary.Uvarint(r.Rest)
	if size <= 0 {
		r.Fail()
		return 0
	}
	r.Rest = r.Rest[size:]
	return n
}

// Count is Uint for a number of things that have a byte each at least: one that cannot be, because less is left, is bad.
func (r *Reader) Count() int {
	n := r.Uint()
	if n > uint64(len(r.Rest)) {
		r.Fail()
		return 0
	}
	return int(n)
}

// Bytes reads n bytes, nil when fewer are left. They are a part of what the Reader was made of, and cannot grow into the rest.
func (r *Reader) Bytes(n int) []byte {
	if n > len(r.Rest) {
		r.Fail()
		return nil
	}
	b := r.Rest[:n:n]
	r.Rest = r.Rest[n:]
	return b
}

// Counted reads bytes that AppendText wrote, as Bytes does.
func (r *Reader) Counted() []byte { return r.Bytes(r.Count()) }

// Text reads a text.
func (r *Reader) Text() string { return string(r.Counted()) }

// Texts reads a list, nil of none.
func (r *Reader) Texts() []string {
	var list []string
	for n := r.Count(); n > 0 && !r.bad; n-- {
		list = append(list, r.Text())
	}
	return list
}
