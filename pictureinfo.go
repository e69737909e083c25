package glassine

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"glassine/console"
	"glassine/transform/metadata"
)

// riskNames are what the console calls a metadata.Risk, the worst first.
var riskNames = [...]string{
	metadata.RiskLocation: "Location", metadata.RiskPeople: "People", metadata.RiskTime: "Time", metadata.RiskDevice: "Device", metadata.RiskTechnical: "Technical",
}

// lookInto is what the console shows of a picture: what it says, grouped by risk. The error is a sentence for people.
func lookInto(src io.ReaderAt, size int64) (*console.Picture, error) {
	about, err := metadata.Describe(src, size)
	if err != nil {
		return nil, err
	}
	text, err := about.JSON()
	if err != nil {
		return nil, err
	}
	var all struct {
		EXIF      map[string]json.RawMessage
		XMP, IPTC map[string]any
	}
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	out := &console.Picture{ContentType: about.Format.ContentType(), Width: int(about.Width), Height: int(about.Height), Bytes: about.Bytes, Notes: about.Notes}
	if about.Orientation >= 5 { // shown lying on its side
		out.Width, out.Height = out.Height, out.Width
	}
	groups := make([]console.PictureGroup, len(riskNames))
	for i, name := range riskNames {
		groups[i] = console.PictureGroup{Name: name, Risky: metadata.Risk(i) != metadata.RiskTechnical}
	}
	add := func(source string, values map[string]any) {
		for _, name := range slices.Sorted(maps.Keys(values)) {
			value := said(values[name])
			if value == "" || about.GPS != nil && (strings.HasPrefix(name, "GPSLatitude") || strings.HasPrefix(name, "GPSLongitude") || strings.HasPrefix(name, "GPSAltitude")) {
				continue
			}
			// How a picture is to be shown stays in it and says nothing of anybody; the others say where things are in the file.
			if name == "Orientation" || name == "ExifTag" || name == "GPSTag" || name == "InteroperabilityTag" || strings.HasPrefix(name, "JPEGInterchangeFormat") {
				continue
			}
			g := &groups[metadata.RiskOf(name)]
			g.Fields = append(g.Fields, console.PictureField{Name: name, Value: value, Source: source})
		}
	}
	if p := about.GPS; p != nil {
		groups[metadata.RiskLocation].Fields = append(groups[metadata.RiskLocation].Fields, position(p)...)
	}
	for _, name := range slices.Sorted(maps.Keys(all.EXIF)) {
		var tags map[string]any
		if json.Unmarshal(all.EXIF[name], &tags) != nil { // bigEndian, which is no group
			continue
		}
		if name == "Thumbnail" {
			out.Thumbnail = thumbnail(about.EXIF, tags)
			continue
		}
		add("Exif", tags)
	}
	add("XMP", all.XMP)
	add("IPTC", all.IPTC)
	for _, g := range groups {
		if len(g.Fields) > 0 {
			out.Groups = append(out.Groups, g)
		}
	}
	return out, nil
}

// position is where a picture was taken, as people write it, and what that reveals.
func position(p *metadata.Position) []console.PictureField {
	dms := func(v float64, plus, minus string) string {
		if v < 0 {
			v, plus = -v, minus
		}
		seconds := v * 3600
		return fmt.Sprintf("%d° %02d′ %04.1f″ %s", int(seconds/3600), int(seconds/60)%60, seconds-float64(int(seconds/60))*60, plus)
	}
	out := []console.PictureField{
		{Name: "Position", Value: dms(p.Latitude, "N", "S") + ", " + dms(p.Longitude, "E", "W"), Source: "Exif"},
		{Name: "Decimal", Value: fmt.Sprintf("%.6f, %.6f", p.Latitude, p.Longitude), Source: "Exif"},
	}
	if p.Altitude != nil {
		out = append(out, console.PictureField{Name: "Altitude", Value: fmt.Sprintf("%.0f m", *p.Altitude), Source: "Exif"})
	}
	// A second of latitude is 31 m; cameras write hundredths of it, which is less than their receivers know.
	return append(out, console.PictureField{Name: "What it reveals", Value: "Where the photographer stood, to a few metres: a house, often a room.", Source: "glassine"})
}

// thumbnail is the JPEG that a Thumbnail group points at, of at most 64 KiB, or nil. (Exif 3.0 section 4.5.5: offsets count
// from the TIFF header.)
func thumbnail(exif []byte, tags map[string]any) []byte {
	offset, ok1 := tags["JPEGInterchangeFormat"].(float64)
	length, ok2 := tags["JPEGInterchangeFormatLength"].(float64)
	if !ok1 || !ok2 || offset < 8 || length < 4 || length > 64<<10 || offset+length > float64(len(exif)) {
		return nil
	}
	jpeg := exif[int(offset) : int(offset)+int(length)]
	if binary.BigEndian.Uint16(jpeg) != 0xffd8 {
		return nil
	}
	return jpeg
}

// said is a value for people, "" for one that says nothing.
func said(v any) string {
	switch v := v.(type) {
	case string:
		return strings.Trim(strings.ToValidUTF8(v, "\ufffd"), " \x00")
	case float64:
		return strconv.FormatFloat(v, 'g', 10, 64)
	case bool:
		return strconv.FormatBool(v)
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, said(x))
		}
		return strings.Join(parts, ", ")
	case map[string]any:
		if data, ok := v["data"].([]any); ok && v["type"] == "Buffer" {
			return saidBytes(data)
		}
		var parts []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			parts = append(parts, name+" "+said(v[name]))
		}
		return strings.Join(parts, ", ")
	}
	return ""
}

// saidBytes shows bytes as text when they are, without the name of a character set that stands before (Exif 3.0 section
// 4.6.6.1.4).
func saidBytes(data []any) string {
	b := make([]byte, 0, len(data))
	for _, x := range data {
		n, _ := x.(float64)
		b = append(b, byte(n))
	}
	s := strings.Trim(strings.TrimPrefix(strings.TrimPrefix(string(b), "ASCII\x00\x00\x00"), "UNICODE\x00"), "\x00 ")
	if s == "" || utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	return fmt.Sprintf("%d bytes", len(b))
}
