package metadata_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"glassine/transform/metadata"
	"glassine/transform/sample"
)

// exiftoolGroups are exiftool's names of the directories, and ours.
var exiftoolGroups = map[string]string{"IFD0": "Image", "IFD1": "Thumbnail", "ExifIFD": "Photo", "GPS": "GPSInfo", "InteropIFD": "Iop"}

// knownDifferences are how ExifJSON and exiftool may differ, by the reason, with how often they do on the files that are shipped.
var knownDifferences = map[string]int{pointerDiffers: 8, offsetDiffers: 1}

const (
	pointerDiffers   = "exiftool follows pointers to directories and does not show them"
	makerDiffers     = "exiftool reads maker notes into groups of their own"
	printDiffers     = "exiftool reads print matching into a group of its own"
	blockDiffers     = "exiftool reads XMP, IPTC, Photoshop's resources and colour profiles within a TIFF into groups of their own"
	cfaDiffers       = "exiftool reads the size of a colour filter's pattern as two numbers, exif-reader all as bytes"
	nulDiffers       = "exiftool ends a text at its first NUL"
	undefinedDiffers = "0/0 is null in JSON, and text in exiftool"
	offsetDiffers    = "exiftool counts offsets from the start of the file, the block from its own"
)

// TestExiftoolReadsTheSame compares every tag and value with exiftool's, numbers to 1e-6 of their size.
func TestExiftoolReadsTheSame(t *testing.T) {
	shipped := map[string][]byte{"sample.jpg": sample.JPEG, "Portrait_3.jpg": readFile(t, goldenDir+"/Portrait_3.jpg"), "Portrait_6.jpg": readFile(t, goldenDir+"/Portrait_6.jpg")}
	maps.Copy(shipped, withExiftool(t, map[string][]byte{"rich.jpg": baseline(t), "rich.png": pngOf(t, scene(9, 9))}, richTags...))
	counts, tags := differences(t, shipped)
	if tags < 150 {
		t.Errorf("only %d tags were compared", tags)
	}
	if !maps.Equal(counts, knownDifferences) {
		t.Errorf("differences on the shipped files: got %v, want %v", counts, knownDifferences)
	}
	more := withSamples(t, map[string][]byte{}, "exif-golden/*.jpg", "photos/*.jpg", "formats/*")
	maps.DeleteFunc(more, func(name string, _ []byte) bool { return name == "truncated.gif" }) // exiftool refuses it
	if len(more) > 0 {
		counts, tags := differences(t, more)
		t.Logf("%d files of GLASSINE_SAMPLES, %d tags; differences: %v", len(more), tags, counts)
	}
}

// richTags are tags of every type.
var richTags = []string{
	"-GPSLatitude=12.5", "-GPSLatitudeRef=N", "-GPSLongitude=7.25", "-GPSLongitudeRef=W", "-GPSAltitude=3.5", "-GPSAltitudeRef#=1", "-GPSTimeStamp=12:34:56.78",
	"-GPSDateStamp=2026:01:02", "-GPSDestBearing=359.99", "-GPSImgDirection=0.01", "-GPSAreaInformation=somewhere", "-Make=M\"q\\", "-Model=tab\there",
	"-ImageDescription=a description", "-UserComment=note", "-XPTitle=Titel", "-Copyright=(c) x", "-ExposureTime=1/8000", "-FNumber=1.4", "-ISO=102400",
	"-DateTimeOriginal=2026:02:03 05:00:00", "-CreateDate=2026:01:02 03:04:05", "-SubSecTimeOriginal=123", "-OffsetTimeOriginal=+05:30", "-LensInfo=24 70 2.8 2.8",
	"-ExposureCompensation=-0.333", "-BrightnessValue=-1.25", "-SerialNumber=SN-1", "-Flash=16", "-ComponentsConfiguration=1 2 3 0", "-SubjectArea=1 2 3 4",
	"-Gamma=2.2", "-AmbientTemperature=-12.5", "-Orientation#=7", "-XResolution=71.99", "-ResolutionUnit=cm", "-YCbCrCoefficients=0.299 0.587 0.114",
	"-InteropIndex=R98 - DCF basic file (sRGB)", "-RelatedImageWidth=640", "-WhitePoint=0.3127 0.329", "-ReferenceBlackWhite=0 255 0 255 0 255",
}

// differences compares all files and counts the known differences by reason. Any other fails the test.
func differences(t *testing.T, files map[string][]byte) (counts map[string]int, tags int) {
	t.Helper()
	counts = make(map[string]int)
	theirs := exiftoolTags(t, files)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		b := files[name]
		block, err := metadata.EXIF(bytes.NewReader(b), int64(len(b)))
		if err != nil || block == nil {
			if len(theirs[name]) > 0 {
				t.Errorf("%s: exiftool reads %d tags, and EXIF says %v", name, len(theirs[name]), err)
			}
			continue
		}
		ours := ourTags(t, name, block)
		keys := make(map[string]bool)
		for k := range ours {
			keys[k] = true
		}
		for k := range theirs[name] {
			keys[k] = true
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			tags++
			a, b := ours[key], theirs[name][key]
			if a != nil && b != nil && sameValue(key, a, b) {
				continue
			}
			reason := knownDifference(key, a, b)
			if reason == "" {
				t.Errorf("%s, %s: got %.200v, exiftool says %.200v", name, key, a, b)
			}
			counts[reason]++
		}
	}
	return counts, tags
}

// exiftoolTags asks exiftool for the tags of all files, by names such as "Image 0x010f".
func exiftoolTags(t *testing.T, files map[string][]byte) map[string]map[string]any {
	t.Helper()
	var list []map[string]json.RawMessage
	out := run(t, nil, tool(t, "exiftool", "libimage-exiftool-perl"), "-q", "-m", "-j", "-n", "-G1", "-H", "-a", "-U", "-IFD0:all", "-IFD1:all", "-ExifIFD:all", "-GPS:all", "-InteropIFD:all", writeFiles(t, files))
	if err := json.Unmarshal(out, &list); err != nil {
		t.Fatal(err)
	}
	all := make(map[string]map[string]any)
	for _, about := range list {
		var file string
		if err := json.Unmarshal(about["SourceFile"], &file); err != nil {
			t.Fatal(err)
		}
		tags := make(map[string]any)
		all[filepath.Base(file)] = tags
		for name, raw := range about {
			group, _, _ := strings.Cut(name, ":")
			var v struct {
				ID  string `json:"id"`
				Val any    `json:"val"`
			}
			if exiftoolGroups[group] == "" || strings.HasSuffix(name, ":ThumbnailImage") {
				continue // a thumbnail is what two other tags point to
			}
			if err := json.Unmarshal(raw, &v); err != nil {
				t.Fatalf("%s: %s", name, raw)
			}
			tags[exiftoolGroups[group]+" "+v.ID] = v.Val
		}
	}
	return all
}

// ourTags returns what ExifJSON says, by the same names.
func ourTags(t *testing.T, name string, block []byte) map[string]any {
	t.Helper()
	text, err := metadata.ExifJSON(block)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	var groups map[string]json.RawMessage
	if err := json.Unmarshal(text, &groups); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	tags := make(map[string]any)
	for group, raw := range groups {
		var values map[string]any
		if json.Unmarshal(raw, &values) != nil {
			continue // bigEndian
		}
		numbers := metadata.TagNumbers(group)
		for tag, v := range values {
			n, ok := numbers[tag]
			if !ok {
				x, err := strconv.ParseUint(tag, 10, 16)
				if err != nil {
					t.Fatalf("%s: %s has no number", name, tag)
				}
				n = uint16(x)
			}
			tags[fmt.Sprintf("%s 0x%04x", group, n)] = v
		}
	}
	return tags
}

var isoDate = regexp.MustCompile(`^(\d{4})-(\d\d)-(\d\d)T(\d\d:\d\d:\d\d)\.000Z$`)

// sameValue compares a value of ExifJSON with one of exiftool -n.
func sameValue(key string, ours, theirs any) bool {
	if parts, ok := ours.([]any); ok && len(parts) == 3 {
		switch key {
		case "GPSInfo 0x0002", "GPSInfo 0x0004", "GPSInfo 0x0014", "GPSInfo 0x0016":
			return sameNumbers([]any{sixtieths(parts)}, theirs)
		case "GPSInfo 0x0007": // hours, minutes and seconds with colons
			var fields []any
			for field := range strings.SplitSeq(fmt.Sprint(theirs), ":") {
				n, err := strconv.ParseFloat(field, 64)
				if err != nil {
					return false
				}
				fields = append(fields, n)
			}
			return len(fields) == 3 && sameNumbers([]any{sixtieths(parts)}, sixtieths(fields))
		}
	}
	text := strings.TrimRight(fmt.Sprint(theirs), " \x00")
	switch v := ours.(type) {
	case float64:
		// exiftool turns the logarithms of APEX into seconds and f-numbers (Exif 3.0 annex C).
		switch key {
		case "Photo 0x9201":
			v = math.Exp2(-v)
		case "Photo 0x9202", "Photo 0x9205":
			v = math.Exp2(v / 2)
		}
		return sameNumbers([]any{v}, theirs)
	case string:
		if m := isoDate.FindStringSubmatch(v); m != nil {
			v = m[1] + ":" + m[2] + ":" + m[3] + " " + m[4]
		}
		if n, ok := theirs.(float64); ok { // text that looks like a number
			x, err := strconv.ParseFloat(strings.TrimRight(v, " \x00"), 64)
			return err == nil && x == n
		}
		return strings.TrimRight(v, " \x00") == text
	case []any:
		return sameNumbers(v, theirs) || textOfBytes(v) == text
	case map[string]any: // a Buffer
		data, _ := v["data"].([]any)
		return sameBytes(data, text)
	}
	return false
}

// sixtieths returns an angle or a time of three parts as one number.
func sixtieths(parts []any) float64 {
	sum := 0.0
	for i, unit := range []float64{1, 60, 3600} {
		v, _ := parts[i].(float64)
		sum += v / unit
	}
	return sum
}

// sameNumbers compares numbers one by one.
func sameNumbers(ours []any, theirs any) bool {
	fields := strings.Fields(fmt.Sprint(theirs))
	if n, ok := theirs.(float64); ok {
		fields = []string{strconv.FormatFloat(n, 'g', -1, 64)}
	}
	if len(fields) != len(ours) {
		return false
	}
	for i, field := range fields {
		want, err := strconv.ParseFloat(field, 64)
		got, ok := ours[i].(float64)
		if ours[i] == nil && (field == "undef" || field == "inf") {
			continue // a fraction of nothing: JSON has no such number
		}
		if err != nil || !ok || math.Abs(got-want) > 1e-6*math.Abs(want) {
			return false
		}
	}
	return true
}

func toBytes(values []any) (out []byte) {
	for _, v := range values {
		if f, ok := v.(float64); ok {
			out = append(out, byte(f))
		}
	}
	return out
}

// textOfBytes reads what Windows writes: UTF-16, as bytes.
func textOfBytes(values []any) string {
	b := toBytes(values)
	var units []uint16
	for ; len(b) > 1; b = b[2:] {
		units = append(units, uint16(b[0])|uint16(b[1])<<8)
	}
	return strings.TrimRight(string(utf16.Decode(units)), " \x00")
}

var binaryData = regexp.MustCompile(`^\(Binary data (\d+) bytes`)

// sameBytes compares a Buffer with the text that exiftool makes of it: as it is, without the name of a character set, numbers, or
// its length.
func sameBytes(data []any, text string) bool {
	b := toBytes(data)
	if m := binaryData.FindStringSubmatch(text); m != nil {
		return m[1] == strconv.Itoa(len(b))
	}
	plain := func(b []byte) string { return strings.TrimRight(string(b), " \x00") }
	if plain(b) == text || len(b) >= 8 && plain(b[8:]) == text {
		return true
	}
	return sameNumbers(data, text)
}

// knownDifference returns the reason of a difference, "" of one that is not known.
func knownDifference(key string, ours, theirs any) string {
	a, isNumber := ours.(float64)
	b, _ := theirs.(float64)
	switch key {
	case "Image 0x8769", "Image 0x8825", "Photo 0xa005":
		if isNumber && theirs == nil {
			return pointerDiffers
		}
	case "Photo 0x927c", "Image 0x927c":
		if _, isBuffer := ours.(map[string]any); isBuffer && theirs == nil {
			return makerDiffers
		}
	case "Image 0xc4a5":
		if theirs == nil {
			return printDiffers
		}
	case "Image 0x02bc", "Image 0x83bb", "Image 0x8649", "Image 0x8773":
		if theirs == nil {
			return blockDiffers
		}
	case "Photo 0xa302":
		v, _ := ours.(map[string]any)
		if data, _ := v["data"].([]any); len(data) > 4 && sameNumbers(append([]any{data[1], data[3]}, data[4:]...), theirs) {
			return cfaDiffers
		}
	case "Thumbnail 0x0201":
		if isNumber && b > a {
			return offsetDiffers
		}
	}
	if text, ok := ours.(string); ok {
		if start, _, cut := strings.Cut(text, "\x00"); cut && strings.TrimRight(start, " ") == theirs {
			return nulDiffers
		}
	}
	if list, ok := ours.([]any); (ours == nil || ok && !slices.ContainsFunc(list, func(v any) bool { return v != nil })) && (theirs == "" || theirs == "undef") {
		return undefinedDiffers
	}
	return ""
}
