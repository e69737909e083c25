package metadata

import "bytes"

// Format is a kind of picture file, as its content shows it. The zero value is unknown.
type Format string

// The formats that Sniff tells apart and Strip supports.
const (
	JPEG Format = "jpeg"
	PNG  Format = "png"
	GIF  Format = "gif"
	WebP Format = "webp"
	TIFF Format = "tiff"
	AVIF Format = "avif"
	HEIF Format = "heif"
	SVG  Format = "svg"
	JXL  Format = "jxl"
)

// SniffLen is how many bytes of a file Sniff looks at.
const SniffLen = 512

// ContentType returns the media type of f, such as "image/jpeg", and "" for an unknown format.
func (f Format) ContentType() string {
	switch f {
	case "":
		return ""
	case SVG:
		return "image/svg+xml"
	}
	return "image/" + string(f)
}

// Sniff returns the format of a file that begins with head, by content alone. SniffLen bytes are enough; with fewer it
// answers as far as they go.
func Sniff(head []byte) Format {
	head = head[:min(len(head), SniffLen)]
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.prefix)) {
			return m.format
		}
	}
	if len(head) >= 12 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WEBP" {
		return WebP
	}
	if len(head) >= 12 && string(head[4:8]) == "ftyp" {
		return sniffBrands(head)
	}
	if sniffSVG(head) {
		return SVG
	}
	return ""
}

var magics = []struct {
	prefix string
	format Format
}{
	{"\xff\xd8\xff", JPEG},
	{pngSignature, PNG},
	{"GIF87a", GIF},
	{"GIF89a", GIF},
	{"II*\x00", TIFF},
	{"MM\x00*", TIFF},
	{"II+\x00", TIFF}, // BigTIFF
	{"MM\x00+", TIFF},
	{"\xff\x0a", JXL}, // bare codestream, ISO/IEC 18181-1
	{"\x00\x00\x00\x0cJXL \x0d\x0a\x87\x0a", JXL}, // container, ISO/IEC 18181-2
}

// sniffBrands tells AVIF from the other HEIF files by the brands of the ftyp box that head begins with (ISO/IEC 14496-12
// section 4.3).
func sniffBrands(head []byte) Format {
	end := min(len(head), int(head[2])<<8|int(head[3]))
	if head[0] != 0 || head[1] != 0 {
		end = len(head)
	}
	var heif bool
	for at := 8; at+4 <= end; at += 4 {
		if at == 12 {
			continue // the minor version
		}
		switch string(head[at : at+4]) {
		case "avif", "avis":
			return AVIF
		case "heic", "heix", "heim", "heis", "hevc", "hevx", "hevm", "hevs", "mif1", "msf1":
			heif = true
		}
	}
	if heif {
		return HEIF
	}
	return ""
}

// sniffSVG reports whether head is XML text whose first element is svg, as far as head goes.
func sniffSVG(head []byte) bool {
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	for {
		head = bytes.TrimLeft(head, " \t\r\n")
		var end string
		switch {
		case bytes.HasPrefix(head, []byte("<svg")):
			return len(head) > 4 && bytes.IndexByte([]byte(" \t\r\n>/"), head[4]) >= 0
		case bytes.HasPrefix(head, []byte("<?")):
			end = "?>"
		case bytes.HasPrefix(head, []byte("<!--")):
			end = "-->"
		case bytes.HasPrefix(head, []byte("<!DOCTYPE svg")):
			return true
		default:
			return false
		}
		i := bytes.Index(head, []byte(end))
		if i < 0 {
			return false
		}
		head = head[i+len(end):]
	}
}
