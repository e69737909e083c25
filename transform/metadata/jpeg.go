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
	o    Options
	plan *Plan
	icc  iccChunks
	ties gainMapTies

	// inner is a JPEG within another file: no Exif stays, and no profile.
	inner      bool
	jfif, exif bool
	// components is the number that SOF declares; 0 before SOF.
	components int
	// noHeight is set while SOF says 0 lines and DNL has not said better.
	noHeight bool
	scans    int
	dnl      bool
	c2pa     map[uint16]bool // boxes of APP11 that are C2PA's
}

func stripJPEG(w *window, o Options) (*Plan, error) {
	s := &jpegStripper{w: w, o: o, plan: &Plan{Format: JPEG, ContentType: JPEG.ContentType(), Orientation: 1}}
	return s.strip()
}

func (s *jpegStripper) strip() (*Plan, error) {
	s.plan.keep(0, 2)
	for at := int64(2); ; {
		seg, err := nextSegment(s.w, at)
		if errors.Is(err, io.EOF) || errors.Is(err, errCut) {
			return s.cut()
		}
		if err != nil {
			return nil, err
		}
		if seg.marker == mEOI {
			// What follows EOI is no part of the picture: trailers, further pictures, videos. A gain map is.
			if err := s.complete(seg.off); err != nil {
				return nil, err
			}
			s.plan.keep(seg.off, seg.size)
			return s.finish(seg.end())
		}
		if at, err = s.segment(seg); err != nil {
			return nil, err
		}
		if len(s.plan.parts) > maxParts {
			return nil, seg.damaged("too many segments to drop")
		}
	}
}

// stripInnerJPEG plans the JPEG that lies in the n bytes at off of w, as a picture within another file: its parts count
// from the start of w, and neither its orientation nor its profile stays, unless profile is set.
func stripInnerJPEG(w *window, off, n int64, profile bool) (*Plan, error) {
	in := newWindow(io.NewSectionReader(w.src, off, n), n)
	defer in.free()
	head, err := in.at(0, int(min(n, 3)))
	if err != nil {
		return nil, err
	}
	if Sniff(head) != JPEG {
		return nil, &DamagedError{Format: JPEG, Offset: off, Reason: "no JPEG where one should be"}
	}
	s := &jpegStripper{w: in, plan: &Plan{Format: JPEG, ContentType: JPEG.ContentType(), Orientation: 1}, inner: true}
	if !profile {
		s.o.ICC = ICCStrip
	}
	plan, err := s.strip()
	if err != nil {
		return nil, err
	}
	for i := range plan.parts {
		plan.parts[i].off += off
	}
	for i := range plan.notes {
		plan.notes[i].off += off
	}
	return plan, nil
}

// finish adds the gain map of a picture that ends at eoi.
func (s *jpegStripper) finish(eoi int64) (*Plan, error) {
	if s.inner {
		return s.plan.finish(), nil
	}
	g, err := s.findGainMap(eoi)
	if err == nil && g != nil {
		err = s.addGainMap(g)
	}
	if err != nil {
		return nil, err
	}
	return s.plan.finish(), nil
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
	if m := seg.marker; s.ties.tables == 0 && m >= mSOF0 && m <= mDRI && (m < mRST0 || m >= mDQT) && m != mDNL {
		s.ties.tables = seg.off
	}
	switch m := seg.marker; {
	case m >= mRST0 && m <= mRST7 || m == mTEM:
		return next, nil // stray; decoders pass over it
	case m == mCOM:
		s.plan.note(KindComment, seg.off, seg.size)
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
	b, err := seg.payload(s.w)
	if err != nil {
		return err
	}
	s.noteApplication(seg, b)
	if m := seg.marker; m > mAPP2 && m != mAPP14 {
		return nil
	}
	s.ties.application(seg, b)
	switch seg.marker {
	case mAPP0:
		if !s.jfif && len(b) >= 14 && bytes.HasPrefix(b, jfifID) {
			s.jfif = true
			s.plan.put(jfifSegment(b))
		}
	case mAPP1:
		if !s.exif && !s.inner && isExif(b) {
			s.exif = true
			e := s.o.essence(b[6:])
			s.plan.Orientation = e.orientation
			if block := e.block(); block != nil {
				s.plan.put(appSegment(mAPP1, append([]byte("Exif\x00\x00"), block...)))
			}
		}
	case mAPP2:
		if s.o.profile() && len(b) >= 14 && bytes.HasPrefix(b, iccID) {
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

// appSegment returns a marker segment with the payload b, which is at most 65533 bytes long.
func appSegment(marker byte, b []byte) []byte {
	n := len(b) + 2
	return append([]byte{0xff, marker, byte(n >> 8), byte(n)}, b...)
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
