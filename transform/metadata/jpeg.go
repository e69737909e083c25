package metadata

import (
	"bytes"
	"errors"
	"io"
)

var (
	jfifID  = []byte("JFIF\x00")
	exifID  = []byte("Exif\x00")
	iccID   = []byte("ICC_PROFILE\x00")
	adobeID = []byte("Adobe")
)

// jpegStripper is the walk through one JPEG.
type jpegStripper struct {
	w    *window
	plan *Plan
	icc  iccChunks

	jfif, exif bool
	// components is the number that SOF declares; 0 before SOF.
	components int
	// noHeight is set while SOF says 0 lines and DNL has not said better.
	noHeight bool
	scans    int
	dnl      bool
}

func stripJPEG(w *window) (*Plan, error) {
	s := &jpegStripper{w: w, plan: &Plan{Format: JPEG, ContentType: JPEG.ContentType(), Orientation: 1}}
	s.plan.keep(0, 2)
	for at := int64(2); ; {
		seg, err := nextSegment(w, at)
		if errors.Is(err, io.EOF) || errors.Is(err, errCut) {
			return s.cut()
		}
		if err != nil {
			return nil, err
		}
		if seg.marker == mEOI {
			// What follows EOI is no part of the picture: trailers, MPF images, gain maps, videos.
			if err := s.complete(seg.off); err != nil {
				return nil, err
			}
			s.plan.keep(seg.off, seg.size)
			return s.plan.finish(), nil
		}
		if at, err = s.segment(seg); err != nil {
			return nil, err
		}
		if len(s.plan.parts) > maxParts {
			return nil, seg.damaged("too many segments to drop")
		}
	}
}

// cut ends the plan of a file that stops before EOI. Decoders show what is there, so once a scan has begun it passes, and
// gets the EOI it lacks.
func (s *jpegStripper) cut() (*Plan, error) {
	if err := s.complete(s.w.size); err != nil {
		return nil, err
	}
	s.plan.put([]byte{0xff, mEOI})
	return s.plan.finish(), nil
}

// complete reports what a picture that ends at off lacks.
func (s *jpegStripper) complete(off int64) error {
	if s.scans == 0 {
		return &DamagedError{Format: JPEG, Offset: off, Reason: "file ends before its picture"}
	}
	if s.noHeight {
		return &DamagedError{Format: JPEG, Offset: off, Reason: "picture never tells its height"}
	}
	return nil
}

// segment plans one segment, with the scan data that follows an SOS, and returns where to go on.
func (s *jpegStripper) segment(seg segment) (next int64, err error) {
	next = seg.end()
	switch m := seg.marker; {
	case m >= mRST0 && m <= mRST7 || m == mTEM:
		return next, nil // stray; decoders pass over it
	case m == mCOM:
		return next, nil
	case m >= mAPP0 && m <= mAPP15:
		if s.scans > 0 {
			return next, nil // too late to mean anything to a decoder
		}
		return next, s.application(seg)
	case m == mSOI:
		return 0, seg.damaged("second SOI")
	case m == mSOS:
		return s.scan(seg)
	case m == mDNL:
		return next, s.lines(seg)
	case m == mDQT || m == mDHT || m == mDAC || m == mDRI:
		b, err := seg.payload(s.w)
		if err != nil {
			return 0, err
		}
		if reason := checkTables(m, b); reason != "" {
			return 0, seg.damaged(reason)
		}
		s.plan.keep(seg.off, seg.size)
		return next, nil
	case m >= mSOF0 && m <= mSOF15 && m != mJPG:
		return next, s.frame(seg)
	}
	return 0, seg.damaged("marker that no decoder knows")
}

// frame plans the frame header.
func (s *jpegStripper) frame(seg segment) error {
	// SOF5 to 7 and 13 to 15 are frames of a hierarchical picture (T.81 annex J).
	if seg.marker&4 != 0 {
		return &UnsupportedError{Format: JPEG, Detail: "hierarchical"}
	}
	if s.components > 0 {
		return seg.damaged("second frame header")
	}
	b, err := seg.payload(s.w)
	if err != nil {
		return err
	}
	if reason := checkFrame(b); reason != "" {
		return seg.damaged(reason)
	}
	s.components = int(b[5])
	s.noHeight = b[1] == 0 && b[2] == 0
	s.plan.keep(seg.off, seg.size)
	return nil
}

// scan plans a scan header and its entropy-coded data.
func (s *jpegStripper) scan(seg segment) (next int64, err error) {
	if s.components == 0 {
		return 0, seg.damaged("scan before the frame header")
	}
	b, err := seg.payload(s.w)
	if err != nil {
		return 0, err
	}
	if reason := checkScan(b, s.components); reason != "" {
		return 0, seg.damaged(reason)
	}
	if s.scans++; s.scans == 1 {
		s.icc.settle(s.plan)
	}
	end, err := scanEnd(s.w, seg.end())
	if err != nil {
		return 0, err
	}
	s.plan.keep(seg.off, end-seg.off)
	return end, nil
}

// lines plans DNL, which tells the height after the first scan and nowhere else (T.81 B.2.5).
func (s *jpegStripper) lines(seg segment) error {
	if s.scans != 1 || s.dnl {
		return nil
	}
	b, err := seg.payload(s.w)
	if err != nil {
		return err
	}
	if len(b) != 2 {
		return seg.damaged("DNL of a wrong length")
	}
	if b[0]|b[1] != 0 {
		s.noHeight = false
	}
	s.dnl = true
	s.plan.keep(seg.off, seg.size)
	return nil
}

// application plans an APPn segment before the first scan: the four kinds that change how the picture looks.
func (s *jpegStripper) application(seg segment) error {
	if m := seg.marker; m > mAPP2 && m != mAPP14 {
		return nil
	}
	b, err := seg.payload(s.w)
	if err != nil {
		return err
	}
	switch seg.marker {
	case mAPP0:
		if !s.jfif && len(b) >= 14 && bytes.HasPrefix(b, jfifID) {
			s.jfif = true
			s.plan.put(jfifSegment(b))
		}
	case mAPP1:
		if !s.exif && isExif(b) {
			s.exif = true
			if o := orientation(b[6:]); o > 1 {
				s.plan.Orientation = o
				s.plan.put(append([]byte{0xff, mAPP1, 0, 34, 'E', 'x', 'i', 'f', 0, 0}, orientationTIFF(o)...))
			}
		}
	case mAPP2:
		if len(b) >= 14 && bytes.HasPrefix(b, iccID) {
			s.icc.add(s.plan, seg, b)
		}
	case mAPP14:
		// Adobe's transform flag decides between YCbCr and RGB, YCCK and CMYK. Only these 12 bytes have a meaning
		// (Adobe Technical Note 5116).
		if len(b) >= 12 && bytes.HasPrefix(b, adobeID) {
			s.plan.put(append([]byte{0xff, mAPP14, 0, 14}, b[:12]...))
		}
	}
	return nil
}

// jfifSegment returns an APP0 with the version and density of the JFIF payload b, without its thumbnail.
func jfifSegment(b []byte) []byte {
	return append(append([]byte{0xff, mAPP0, 0, 16}, b[:12]...), 0, 0)
}

// isExif reports whether b is the payload of an Exif APP1. The sixth byte is padding: 0, but 0xff was seen and browsers
// do not care.
func isExif(b []byte) bool { return len(b) >= 6 && bytes.HasPrefix(b, exifID) }

func exifJPEG(w *window) ([]byte, error) {
	for at := int64(2); ; {
		seg, err := nextSegment(w, at)
		if errors.Is(err, io.EOF) || errors.Is(err, errCut) {
			return nil, &DamagedError{Format: JPEG, Offset: w.size, Reason: "file ends before its picture"}
		}
		if err != nil {
			return nil, err
		}
		switch seg.marker {
		case mSOS, mEOI:
			return nil, nil
		case mAPP1:
			b, err := seg.payload(w)
			if err != nil {
				return nil, err
			}
			if isExif(b) {
				return bytes.Clone(b[6:]), nil
			}
		}
		at = seg.end()
	}
}
