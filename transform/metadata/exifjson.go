package metadata

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxExifJSON bounds what ExifJSON makes of one block: directories may point at the same bytes thousands of times.
const maxExifJSON = 16 << 20

// ExifJSON returns the JSON text that JSON.stringify makes of exif-reader 2.0.3's result for the Exif block tiff, which
// begins with its TIFF header; byte for byte, key order included. nil gives "{}", as the reference function answers for a
// picture without Exif.
//
// The error of a block that exif-reader throws on has exif-reader's text. A block whose JSON would be larger than 16 MiB
// is an error too.
func ExifJSON(tiff []byte) ([]byte, error) {
	if tiff == nil {
		return []byte("{}"), nil
	}
	t, err := parseTIFF(tiff)
	if err != nil {
		return nil, err
	}
	e := &exifEncoder{tiffBlock: t}
	image := e.directory(t.ifd0, imageTags)
	type group struct {
		name string
		ifd  *directory
	}
	groups := []group{{"Image", image}}
	add := func(name string, ifd *directory) { groups = append(groups, group{name, ifd}) }
	if next, ok := e.nextDirectory(); ok {
		add("Thumbnail", e.directory(next, imageTags))
	}
	var photo *directory
	if at, ok := image.pointer(0x8769); ok {
		photo = e.directory(at, photoTags)
		add("Photo", photo)
	}
	if at, ok := image.pointer(0x8825); ok {
		add("GPSInfo", e.directory(at, gpsTags))
	}
	if at, ok := photo.pointer(0xa005); ok {
		add("Iop", e.directory(at, iopTags))
	}
	if e.tooLarge {
		return nil, errors.New("EXIF data describes more than 16 MiB")
	}
	out := append(make([]byte, 0, e.size+256), `{"bigEndian":`...)
	out = strconv.AppendBool(out, t.big)
	for _, g := range groups {
		out = append(out, ',', '"')
		out = append(out, g.name...)
		out = append(out, '"', ':')
		out = g.ifd.appendJSON(out)
	}
	return append(out, '}'), nil
}

type exifEncoder struct {
	*tiffBlock
	// size is how much JSON the values have come to.
	size     int
	tooLarge bool
}

// directory is an IFD as exif-reader returns it; nil is its null.
type directory struct {
	fields []field
	// index finds a field by its tag.
	index map[uint16]int
	names map[uint16]string
}

type field struct {
	tag  uint16
	json []byte
	// num is the value when it is one number, else NaN.
	num float64
}

// nextDirectory returns the offset behind the first directory's entries, and false when it is 0 or missing.
func (e *exifEncoder) nextDirectory() (int64, bool) {
	if !e.has(e.ifd0, 2) {
		return 0, false
	}
	at := e.ifd0 + 2 + 12*int64(e.u16(e.ifd0))
	if !e.has(at, 4) {
		return 0, false
	}
	next := int64(e.u32(at))
	return next, next != 0
}

// pointer returns the value of the tag as an offset. As in exif-reader any positive whole number will do, whatever its
// type, and 1/0 is one.
func (d *directory) pointer(tag uint16) (int64, bool) {
	if d == nil {
		return 0, false
	}
	i, ok := d.index[tag]
	if !ok {
		return 0, false
	}
	v := d.fields[i].num
	if !(v > 0) || v != math.Floor(v) {
		return 0, false
	}
	return int64(min(v, 1<<40)), true
}

// directory reads the IFD at off. It is nil when the block ends within its entries.
func (e *exifEncoder) directory(off int64, names map[uint16]string) *directory {
	if !e.has(off, 2) {
		return nil
	}
	d := &directory{index: make(map[uint16]int), names: names}
	n := int(e.u16(off))
	off += 2
	for range n {
		if !e.has(off, 2) {
			return nil
		}
		if e.tooLarge {
			return d
		}
		f := e.field(off)
		switch names[f.tag] {
		case "DateTime", "DateTimeOriginal", "DateTimeDigitized":
			f.json, f.num = dateJSON(f.json), math.NaN()
		}
		// A tag that comes twice keeps its first place and its last value.
		if i, ok := d.index[f.tag]; ok {
			d.fields[i] = f
		} else {
			d.index[f.tag] = len(d.fields)
			d.fields = append(d.fields, f)
		}
		off += 12
	}
	return d
}

func (d *directory) appendJSON(out []byte) []byte {
	if d == nil {
		return append(out, "null"...)
	}
	// JavaScript puts keys that are whole numbers first, ascending: here the tags without a name.
	fields := slices.Clone(d.fields)
	slices.SortStableFunc(fields, func(a, b field) int {
		an, bn := d.names[a.tag] == "", d.names[b.tag] == ""
		switch {
		case an && bn:
			return int(a.tag) - int(b.tag)
		case an:
			return -1
		case bn:
			return 1
		}
		return 0
	})
	out = append(out, '{')
	for i, f := range fields {
		if i > 0 {
			out = append(out, ',')
		}
		key := d.names[f.tag]
		if key == "" {
			key = strconv.Itoa(int(f.tag))
		}
		out = append(out, '"')
		out = append(out, key...)
		out = append(out, '"', ':')
		out = append(out, f.json...)
	}
	return append(out, '}')
}

// dateJSON makes of a JSON string "YYYY:MM:DD hh:mm:ss" the ISO form that Date.UTC and toJSON give, and null of anything
// else. Months past 12 and days past 31 carry over; years 0 to 99 mean 1900 to 1999.
func dateJSON(s []byte) []byte {
	const pattern = `"0000:00:00 00:00:00"`
	if len(s) != len(pattern) {
		return []byte("null")
	}
	var part [6]int
	k := 0
	for i := range pattern {
		switch {
		case pattern[i] == '0' && s[i] >= '0' && s[i] <= '9':
			part[k] = part[k]*10 + int(s[i]-'0')
		case pattern[i] != '0' && s[i] == pattern[i]:
			if pattern[i] != '"' {
				k++
			}
		default:
			return []byte("null")
		}
	}
	if part[0] < 100 {
		part[0] += 1900
	}
	t := time.Date(part[0], time.Month(part[1]), part[2], part[3], part[4], part[5], 0, time.UTC)
	if t.Year() > 9999 {
		// ECMA-262 section 21.4.1.32: expanded years have a sign and six digits.
		return fmt.Appendf(nil, `"+%06d%s"`, t.Year(), t.Format("-01-02T15:04:05.000Z"))
	}
	return t.AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`)
}

// appendString appends s, which is ASCII, as JSON.stringify does.
func appendString(out []byte, s []byte) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	for _, c := range s {
		switch i := strings.IndexByte("\b\t\n\f\r\"\\", c); {
		case i >= 0:
			out = append(out, '\\', `btnfr"\`[i])
		case c < 0x20:
			out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			out = append(out, c)
		}
	}
	return append(out, '"')
}

// appendNumber appends v as JSON.stringify does: the shortest digits that read back as v, exponents from 1e21 up and
// below 1e-6, null for what is not finite (ECMA-262 sections 6.1.6.1.20 and 25.5.2).
func appendNumber(out []byte, v float64) []byte {
	switch abs := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return append(out, "null"...)
	case v == 0:
		return append(out, '0') // also -0
	case abs >= 1e-6 && abs < 1e21:
		return strconv.AppendFloat(out, v, 'f', -1, 64)
	}
	// Go writes two digits of exponent at least, JavaScript as few as it can.
	s := strconv.FormatFloat(v, 'e', -1, 64)
	s = strings.Replace(strings.Replace(s, "e-0", "e-", 1), "e+0", "e+", 1)
	return append(out, s...)
}
