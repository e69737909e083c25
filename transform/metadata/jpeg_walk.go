package metadata

import (
	"bytes"
	"errors"
	"io"
)

// JPEG marker codes, ITU-T T.81 table B.1.
const (
	mSOF0  = 0xc0
	mDHT   = 0xc4
	mJPG   = 0xc8
	mDAC   = 0xcc
	mSOF15 = 0xcf
	mRST0  = 0xd0
	mRST7  = 0xd7
	mSOI   = 0xd8
	mEOI   = 0xd9
	mSOS   = 0xda
	mDQT   = 0xdb
	mDNL   = 0xdc
	mDRI   = 0xdd
	mDHP   = 0xde
	mEXP   = 0xdf
	mAPP0  = 0xe0
	mAPP1  = 0xe1
	mAPP2  = 0xe2
	mAPP11 = 0xeb
	mAPP13 = 0xed
	mAPP14 = 0xee
	mAPP15 = 0xef
	mCOM   = 0xfe
	mTEM   = 0x01
)

// segment is one marker segment of a JPEG.
type segment struct {
	marker byte
	// off is where its last 0xff stands, and size counts from there to its end: 2 for a marker that stands alone.
	off, size int64
}

func (s segment) end() int64 { return s.off + s.size }

// payload returns what follows the length of s, valid until w is read again.
func (s segment) payload(w *window) ([]byte, error) { return w.at(s.off+4, int(s.size-4)) }

// errCut is the file that ends within a segment.
var errCut = errors.New("file ends in a segment")

// nextSegment finds the first marker at or after at and measures its segment. Junk, stuffed zeros and fill bytes before
// the marker are passed over, as libjpeg's next_marker does. It returns io.EOF when no marker follows, errCut when the
// segment does not fit in the file, and a *DamagedError when its length cannot be.
func nextSegment(w *window, at int64) (segment, error) {
	for {
		ff, ok, err := w.index(at, 0xff)
		if err != nil {
			return segment{}, err
		}
		if !ok {
			return segment{}, io.EOF
		}
		code, c, err := afterFill(w, ff)
		if err != nil {
			return segment{}, err
		}
		if c == 0 {
			at = code + 1
			continue
		}
		s := segment{marker: c, off: code - 1, size: 2}
		if c == mTEM || c >= mRST0 && c <= mEOI {
			return s, nil
		}
		return s, s.measure(w)
	}
}

func (s *segment) measure(w *window) error {
	b, err := w.at(s.off+2, 2)
	if errors.Is(err, io.EOF) {
		return errCut
	}
	if err != nil {
		return err
	}
	n := int64(b[0])<<8 | int64(b[1])
	if n < 2 {
		return s.damaged("segment is shorter than its own length field")
	}
	if s.size = 2 + n; s.end() > w.size {
		return errCut
	}
	return nil
}

func (s *segment) damaged(reason string) error {
	return &DamagedError{Format: JPEG, Offset: s.off, Reason: reason}
}

// afterFill returns the first byte that is not 0xff after the 0xff at offset ff, and where it stands. It returns io.EOF
// when the file ends in 0xff.
func afterFill(w *window, ff int64) (at int64, c byte, err error) {
	for at = ff + 1; ; {
		p, err := w.peek(at)
		if err != nil {
			return at, 0, err
		}
		for i, c := range p {
			if c != 0xff {
				return at + int64(i), c, nil
			}
		}
		at += int64(len(p))
	}
}

// scanEnd returns where the entropy-coded data at offset at ends: the first 0xff that leads to a marker other than RSTn,
// or the end of the file without a last, lone 0xff (T.81 B.1.1.5).
func scanEnd(w *window, at int64) (int64, error) {
	for at < w.size {
		p, err := w.peek(at)
		if err != nil {
			return 0, err
		}
		i := scanWindow(p)
		at += int64(i)
		if i == len(p) {
			continue
		}
		// p[i] is a 0xff followed by a marker, by another 0xff or by the end of the window.
		code, c, err := afterFill(w, at)
		if errors.Is(err, io.EOF) {
			return at, nil
		}
		if err != nil {
			return 0, err
		}
		if c != 0 && (c < mRST0 || c > mRST7) {
			return at, nil
		}
		at = code + 1
	}
	return w.size, nil
}

// scanWindow returns the index of the first 0xff in p that is not seen to be data or RSTn, or len(p).
func scanWindow(p []byte) int {
	for i := 0; ; {
		k := bytes.IndexByte(p[i:], 0xff)
		if k < 0 {
			return len(p)
		}
		i += k
		if i+1 == len(p) {
			return i
		}
		if c := p[i+1]; c != 0 && (c < mRST0 || c > mRST7) {
			return i
		}
		i += 2
	}
}
