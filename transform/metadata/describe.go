package metadata

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// Info is what a picture file says about itself and its maker. Fields that the file does not fill are zero.
type Info struct {
	Format Format
	// Bytes is the size of the file.
	Bytes int64
	// Width and Height are in pixels, as the file stores them, before the picture is turned. Of an SVG they are what its root
	// element asks for, rounded; 0 when it does not.
	Width, Height int64
	// Frames is how many pictures an animation or a file of pages has, else 1; 0 when only a decoder could tell.
	Frames int
	// Orientation is as in Exif, 1 to 8: of AVIF and HEIF from the properties irot and imir, of JPEG XL from the codestream, of
	// others from Exif.
	Orientation int
	// ICC is the description of the colour profile.
	ICC string
	// EXIF is the Exif block, as the function EXIF returns it.
	EXIF []byte
	// XMP holds the properties of the XMP packet by their names, such as "dc:creator": a string, a []any of values, or a
	// map[string]any of a structure. Alternatives in several languages are given in the default one.
	XMP map[string]any
	// IPTC holds the data sets of IPTC's application record by their names, such as "City": a string, or a []any of strings.
	IPTC map[string]any
	// GPS is the position in the Exif block.
	GPS *Position
	// Notes say what could not be read of this, each as a sentence.
	Notes []string
}

// Position is a place on Earth: degrees, south and west negative, and metres above sea level.
type Position struct {
	Latitude  float64  `json:"latitude"`
	Longitude float64  `json:"longitude"`
	Altitude  *float64 `json:"altitude,omitempty"`
}

// facts is what a format's reader finds.
type facts struct {
	width, height int64
	frames        int
	orientation   int
	icc           []byte
	xmp, iptc     []byte
	// photoshop holds image resource blocks, of which IPTC may be one.
	photoshop []byte
	// extended holds what extends the XMP packet of a JPEG, by its name.
	extended map[string]*extendedXMP
}

// Describe reads what a picture says. A part that cannot be read is a note; the error is of a file that cannot be read at all,
// and one that Strip would return. Of the source at most a few MiB are held.
func Describe(src io.ReaderAt, size int64) (*Info, error) {
	w := newWindow(src, size)
	defer w.free()
	format, err := w.sniff()
	if err != nil {
		return nil, err
	}
	describe := describerOf(format)
	if describe == nil {
		return nil, &UnsupportedError{Format: format}
	}
	f := &facts{frames: 1}
	if err := describe(w, f); err != nil {
		return nil, err
	}
	i := &Info{
		Format: format, Bytes: w.size, Width: f.width, Height: f.height, Frames: f.frames, Orientation: f.orientation,
		ICC: profileName(f.icc),
	}
	if i.EXIF, err = EXIF(src, size); err != nil {
		if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrUnsupported) {
			return nil, err
		}
		i.Notes = append(i.Notes, "EXIF: "+err.Error())
	}
	if i.Orientation == 0 {
		i.Orientation = orientation(i.EXIF)
	}
	i.GPS = position(i.EXIF)
	if len(f.xmp) > 0 {
		if i.XMP = parseXMP(f.xmp); i.XMP == nil {
			i.Notes = append(i.Notes, "XMP: not readable as RDF in XML")
		} else if err := f.extend(i.XMP); err != nil {
			i.Notes = append(i.Notes, "XMP: "+err.Error())
		}
	}
	if f.iptc == nil {
		f.iptc = photoshopIPTC(f.photoshop)
	}
	i.IPTC = parseIPTC(f.iptc)
	return i, nil
}

func describerOf(f Format) func(*window, *facts) error {
	switch f {
	case JPEG:
		return describeJPEG
	case PNG:
		return describePNG
	case WebP:
		return describeWebP
	case GIF:
		return describeGIF
	case TIFF:
		return describeTIFF
	case AVIF, HEIF:
		return describeHEIF
	case JXL:
		return describeJXL
	case SVG:
		return describeSVG
	}
	return nil
}

// JSON returns i as one JSON object: type, bytes, width, height, frames, orientation, and, as far as the picture has them, icc,
// gps, exif (as ExifJSON has it), xmp, iptc and notes.
func (i *Info) JSON() ([]byte, error) {
	out := struct {
		Type        string          `json:"type"`
		Bytes       int64           `json:"bytes"`
		Width       int64           `json:"width,omitempty"`
		Height      int64           `json:"height,omitempty"`
		Frames      int             `json:"frames,omitempty"`
		Orientation int             `json:"orientation"`
		ICC         string          `json:"icc,omitempty"`
		GPS         *Position       `json:"gps,omitempty"`
		EXIF        json.RawMessage `json:"exif,omitempty"`
		XMP         map[string]any  `json:"xmp,omitempty"`
		IPTC        map[string]any  `json:"iptc,omitempty"`
		Notes       []string        `json:"notes,omitempty"`
	}{
		Type: i.Format.ContentType(), Bytes: i.Bytes, Width: i.Width, Height: i.Height, Frames: i.Frames, Orientation: i.Orientation,
		ICC: i.ICC, GPS: i.GPS, XMP: i.XMP, IPTC: i.IPTC, Notes: i.Notes,
	}
	if i.EXIF != nil {
		text, err := ExifJSON(i.EXIF)
		if err != nil {
			out.Notes = append(out.Notes, "EXIF: "+err.Error())
		}
		out.EXIF = text
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		return nil, err
	}
	return []byte(strings.TrimSuffix(b.String(), "\n")), nil
}

// position returns the place in an Exif block (Exif 3.0 section 4.6.7), nil when it has none.
func position(block []byte) *Position {
	t, err := parseTIFF(block)
	if err != nil {
		return nil
	}
	at, ok := t.find(t.ifd0, tagGPSIFD)
	if !ok || !t.has(at+8, 4) {
		return nil
	}
	gps := int64(t.u32(at + 8))
	latitude, ok1 := t.degrees(gps, 1, 2, 'S')
	longitude, ok2 := t.degrees(gps, 3, 4, 'W')
	if !ok1 || !ok2 || latitude < -90 || latitude > 90 || longitude < -180 || longitude > 180 {
		return nil
	}
	p := &Position{Latitude: latitude, Longitude: longitude}
	if v, ok := t.rationals(gps, 6, 1); ok {
		altitude := v[0]
		if at, ok := t.find(gps, 5); ok && t.b[at+8] == 1 && altitude > 0 {
			altitude = -altitude
		}
		p.Altitude = &altitude
	}
	return p
}

// find returns where the entry of a tag stands in the directory at ifd.
func (t *tiffBlock) find(ifd int64, tag uint16) (int64, bool) {
	if !t.has(ifd, 2) {
		return 0, false
	}
	n := int64(t.u16(ifd))
	for at := ifd + 2; n > 0 && t.has(at, 12); n, at = n-1, at+12 {
		if t.u16(at) == tag {
			return at, true
		}
	}
	return 0, false
}

// rationals returns the n RATIONAL values of a tag; ok is false when there are others, or one is not a number.
func (t *tiffBlock) rationals(ifd int64, tag uint16, n int) (out []float64, ok bool) {
	at, ok := t.find(ifd, tag)
	if !ok || t.u16(at+2) != typeRational || int(t.u32(at+4)) != n {
		return nil, false
	}
	at = int64(t.u32(at + 8))
	if !t.has(at, int64(8*n)) {
		return nil, false
	}
	for range n {
		num, den := t.u32(at), t.u32(at+4)
		if den == 0 {
			return nil, false
		}
		out = append(out, float64(num)/float64(den))
		at += 8
	}
	return out, true
}

// degrees returns an angle of degrees, minutes and seconds, negative where its reference is the letter negative.
func (t *tiffBlock) degrees(ifd int64, refTag, tag uint16, negative byte) (float64, bool) {
	v, ok := t.rationals(ifd, tag, 3)
	if !ok {
		return 0, false
	}
	d := v[0] + v[1]/60 + v[2]/3600
	if at, ok := t.find(ifd, refTag); ok && t.b[at+8]&^0x20 == negative {
		d = -d
	}
	return d, true
}
