package metadata

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode/utf8"
)

// iptcNames are the data sets of the application record (IPTC-NAA Information Interchange Model 4.2, chapter 6) under exiftool's
// names.
var iptcNames = map[byte]string{
	3: "ObjectTypeReference", 4: "ObjectAttributeReference", 5: "ObjectName", 7: "EditStatus", 8: "EditorialUpdate", 10: "Urgency",
	12: "SubjectReference", 15: "Category", 20: "SupplementalCategories", 22: "FixtureIdentifier", 25: "Keywords",
	26: "ContentLocationCode", 27: "ContentLocationName", 30: "ReleaseDate", 35: "ReleaseTime", 37: "ExpirationDate", 38: "ExpirationTime",
	40: "SpecialInstructions", 42: "ActionAdvised", 45: "ReferenceService", 47: "ReferenceDate", 50: "ReferenceNumber", 55: "DateCreated",
	60: "TimeCreated", 62: "DigitalCreationDate", 63: "DigitalCreationTime", 65: "OriginatingProgram", 70: "ProgramVersion",
	75: "ObjectCycle", 80: "By-line", 85: "By-lineTitle", 90: "City", 92: "Sub-location", 95: "Province-State",
	100: "Country-PrimaryLocationCode", 101: "Country-PrimaryLocationName", 103: "OriginalTransmissionReference", 105: "Headline",
	110: "Credit", 115: "Source", 116: "CopyrightNotice", 118: "Contact", 120: "Caption-Abstract", 121: "LocalCaption", 122: "Writer-Editor",
	130: "ImageType", 131: "ImageOrientation", 135: "LanguageIdentifier",
}

// photoshopIPTC returns the IPTC block among Photoshop's image resources (Adobe Photoshop File Formats, "Image Resource Blocks"):
// resource 0x0404.
func photoshopIPTC(b []byte) []byte {
	for len(b) >= 12 && string(b[:4]) == "8BIM" {
		id := binary.BigEndian.Uint16(b[4:])
		name := 1 + int(b[6])
		at := 6 + name + name&1
		if at+4 > len(b) {
			return nil
		}
		n := int64(binary.BigEndian.Uint32(b[at:]))
		if b = b[at+4:]; n > int64(len(b)) {
			return nil
		}
		if id == 0x0404 {
			return b[:n]
		}
		b = b[min(n+n&1, int64(len(b))):]
	}
	return nil
}

// parseIPTC returns the data sets of the application record; nil when there are none.
func parseIPTC(b []byte) map[string]any {
	var out map[string]any
	utf := false
	for len(b) >= 5 && b[0] == 0x1c {
		record, set, n := b[1], b[2], int(binary.BigEndian.Uint16(b[3:]))
		if b = b[5:]; n > len(b) { // also the extended form, which starts at 32768
			break
		}
		data := b[:n]
		b = b[n:]
		if record == 1 && set == 90 {
			utf = bytes.Equal(data, []byte("\x1b%G")) // ISO 2022: UTF-8 follows
		}
		name := iptcNames[set]
		if record != 2 || name == "" {
			continue
		}
		if out == nil {
			out = make(map[string]any)
		}
		text := iptcText(data, utf)
		switch old := out[name].(type) {
		case nil:
			out[name] = text
		case []any:
			out[name] = append(old, text)
		default:
			out[name] = []any{old, text}
		}
	}
	return out
}

// iptcText reads a text: UTF-8 when the block says so or it can be nothing else, else Latin-1, which is what most writers mean.
func iptcText(b []byte, utf bool) string {
	b = bytes.TrimRight(b, "\x00")
	if utf || utf8.Valid(b) {
		return strings.ToValidUTF8(string(b), "\ufffd")
	}
	var out strings.Builder
	for _, c := range b {
		out.WriteRune(rune(c))
	}
	return out.String()
}
