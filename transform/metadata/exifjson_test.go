package metadata_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glassine/transform/metadata"
	"glassine/transform/sample"
)

const goldenDir = "../../e2e/testdata/exif-golden"

func exifJSON(t testing.TB, b []byte) string {
	t.Helper()
	block, err := metadata.EXIF(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatalf("EXIF: %v", err)
	}
	text, err := metadata.ExifJSON(block)
	if err != nil {
		t.Fatalf("ExifJSON: %v", err)
	}
	return string(text)
}

func TestExifJSONEqualsTheReferenceFunctions(t *testing.T) {
	files, err := filepath.Glob(goldenDir + "/*.json")
	if err != nil || len(files) < 3 {
		t.Fatalf("golden pairs: got %d, %v", len(files), err)
	}
	for _, golden := range append(files, samples(t, "exif-golden/*.json")...) {
		name := strings.TrimSuffix(golden, ".json")
		t.Run(filepath.Base(name), func(t *testing.T) {
			picture := sample.JPEG
			if filepath.Base(name) != sample.Name {
				picture = readFile(t, name)
			}
			if got, want := exifJSON(t, picture), string(readFile(t, golden)); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// block makes an Exif block of one directory with one entry, in big-endian order; data follows the directory at 26.
func block(tag, typ uint16, count uint32, value, data string) string {
	b := []byte("MM\x00*\x00\x00\x00\x08\x00\x01")
	b = binary.BigEndian.AppendUint16(b, tag)
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint32(b, count)
	return string(b) + (value + "\x00\x00\x00\x00")[:4] + "\x00\x00\x00\x00" + data
}

// exifCases are blocks with what exif-reader 2.0.3 makes of them; TestExifReaderAgrees asks it about every one.
var exifCases = []struct{ name, block, want string }{
	{"rational", block(0x11a, 5, 1, "\x00\x00\x00\x1a", "\x00\x00\x00\x01\x00\x00\x00\x03"), `{"bigEndian":true,"Image":{"XResolution":0.3333333333333333}}`},
	{"small rational has an exponent", block(0x11a, 5, 1, "\x00\x00\x00\x1a", "\x00\x00\x00\x01\xff\xff\xff\xff"), `{"bigEndian":true,"Image":{"XResolution":2.3283064370807974e-10}}`},
	{"one in ten million", block(0x11a, 5, 1, "\x00\x00\x00\x1a", "\x00\x00\x00\x01\x00\x98\x96\x80"), `{"bigEndian":true,"Image":{"XResolution":1e-7}}`},
	{"one in a million has none", block(0x11a, 5, 1, "\x00\x00\x00\x1a", "\x00\x00\x00\x01\x00\x0f\x42\x40"), `{"bigEndian":true,"Image":{"XResolution":0.000001}}`},
	{"0/0 is null", block(0x11a, 5, 1, "\x00\x00\x00\x1a", "\x00\x00\x00\x00\x00\x00\x00\x00"), `{"bigEndian":true,"Image":{"XResolution":null}}`},
	{"1/0 is null", block(0x11a, 5, 1, "\x00\x00\x00\x1a", "\x00\x00\x00\x01\x00\x00\x00\x00"), `{"bigEndian":true,"Image":{"XResolution":null}}`},
	{"negative zero", block(0x11a, 10, 1, "\x00\x00\x00\x1a", "\x00\x00\x00\x00\xff\xff\xff\xff"), `{"bigEndian":true,"Image":{"XResolution":0}}`},
	{"signed types", block(0x11a, 8, 2, "\xff\xfe\x00\x02", ""), `{"bigEndian":true,"Image":{"XResolution":[-2,2]}}`},
	{"signed bytes", block(0x11a, 6, 3, "\xff\x80\x7f", ""), `{"bigEndian":true,"Image":{"XResolution":[-1,-128,127]}}`},
	{"no values", block(0x11a, 3, 0, "", ""), `{"bigEndian":true,"Image":{"XResolution":[]}}`},
	{"float is an unknown type", block(0x11a, 11, 1, "", ""), `{"bigEndian":true,"Image":{"XResolution":null}}`},
	{"type 0", block(0x11a, 0, 1, "", ""), `{"bigEndian":true,"Image":{"XResolution":null}}`},
	{"array cut by the end of the block", block(0x11a, 4, 1000, "\x00\x00\x00\x1a", "\x00\x00\x00\x07\x00\x00"), `{"bigEndian":true,"Image":{"XResolution":[7,null]}}`},
	{"value beyond the block", block(0x11a, 4, 2, "\xff\xff\xff\xff", ""), `{"bigEndian":true,"Image":{"XResolution":[]}}`},
	{"one value beyond the block", block(0x11a, 5, 1, "\xff\xff\xff\xff", ""), `{"bigEndian":true,"Image":{"XResolution":null}}`},
	{"text without its NUL", block(0x10f, 2, 4, "abc\x00", ""), `{"bigEndian":true,"Image":{"Make":"abc"}}`},
	{"only one NUL goes", block(0x10f, 2, 4, "a\x00\x00\x00", ""), `{"bigEndian":true,"Image":{"Make":"a\u0000\u0000"}}`},
	{"escapes", block(0x10f, 2, 9, "\x00\x00\x00\x1a", "\b\t\n\f\r\"\\\x1f\x7f"), `{"bigEndian":true,"Image":{"Make":"\b\t\n\f\r\"\\\u001f` + "\x7f" + `"}}`},
	{"text that is not ASCII is a buffer", block(0x10f, 2, 2, "\xe9\x00", ""), `{"bigEndian":true,"Image":{"Make":{"type":"Buffer","data":[233,0]}}}`},
	{"text cut by the end of the block", block(0x10f, 2, 99, "\x00\x00\x00\x1a", "abc"), `{"bigEndian":true,"Image":{"Make":"abc"}}`},
	{"empty text", block(0x10f, 2, 0, "", ""), `{"bigEndian":true,"Image":{"Make":""}}`},
	{"empty buffer", block(0x10f, 7, 0, "", ""), `{"bigEndian":true,"Image":{"Make":{"type":"Buffer","data":[]}}}`},
	{"date", block(0x132, 2, 20, "\x00\x00\x00\x1a", "2008:11:01 21:15:07\x00"), `{"bigEndian":true,"Image":{"DateTime":"2008-11-01T21:15:07.000Z"}}`},
	{"date that overflows carries over", block(0x132, 2, 20, "\x00\x00\x00\x1a", "2008:13:45 25:61:99\x00"), `{"bigEndian":true,"Image":{"DateTime":"2009-02-15T02:02:39.000Z"}}`},
	{"date of zeros", block(0x132, 2, 20, "\x00\x00\x00\x1a", "0000:00:00 00:00:00\x00"), `{"bigEndian":true,"Image":{"DateTime":"1899-11-30T00:00:00.000Z"}}`},
	{"date in year 99", block(0x132, 2, 20, "\x00\x00\x00\x1a", "0099:12:31 00:00:00\x00"), `{"bigEndian":true,"Image":{"DateTime":"1999-12-31T00:00:00.000Z"}}`},
	{"date in year 100", block(0x132, 2, 20, "\x00\x00\x00\x1a", "0100:00:01 00:00:00\x00"), `{"bigEndian":true,"Image":{"DateTime":"0099-12-01T00:00:00.000Z"}}`},
	{"date past year 9999", block(0x132, 2, 20, "\x00\x00\x00\x1a", "9999:99:99 99:99:99\x00"), `{"bigEndian":true,"Image":{"DateTime":"+010007-06-11T04:40:39.000Z"}}`},
	{"blank date", block(0x132, 2, 20, "\x00\x00\x00\x1a", "    :  :     :  :  \x00"), `{"bigEndian":true,"Image":{"DateTime":null}}`},
	{"date with a newline", block(0x132, 2, 20, "\x00\x00\x00\x1a", "2008:11:01 21:15:07\n"), `{"bigEndian":true,"Image":{"DateTime":null}}`},
	{"date that is a number", block(0x132, 4, 1, "\x00\x00\x00\x1a", ""), `{"bigEndian":true,"Image":{"DateTime":null}}`},
	{"tag without a name", block(0xfff0, 3, 1, "\x00\x09", ""), `{"bigEndian":true,"Image":{"65520":9}}`},
	{"ExifTag beyond the block", block(0x8769, 4, 1, "\x00\x01\x00\x00", ""), `{"bigEndian":true,"Image":{"ExifTag":65536},"Photo":null}`},
	{"ExifTag of 1/0", block(0x8769, 5, 1, "\x00\x00\x00\x1a", "\x00\x00\x00\x01\x00\x00\x00\x00"), `{"bigEndian":true,"Image":{"ExifTag":null},"Photo":null}`},
	{"ExifTag of 1/2", block(0x8769, 5, 1, "\x00\x00\x00\x1a", "\x00\x00\x00\x01\x00\x00\x00\x02"), `{"bigEndian":true,"Image":{"ExifTag":0.5}}`},
	{"GPSTag that leads to itself", block(0x8825, 4, 1, "\x00\x00\x00\x08", ""), `{"bigEndian":true,"Image":{"GPSTag":8},"GPSInfo":{"34853":8}}`},
	{"directory that is cut", "II*\x00\x08\x00\x00\x00\x09\x00\x0f\x01", `{"bigEndian":false,"Image":null}`},
	{"directory beyond the block", "II*\x00\xff\x00\x00\x00\x09", `{"bigEndian":false,"Image":null}`},
	{"entry without its whole value", "II*\x00\x08\x00\x00\x00\x01\x00\x0f\x01\x03\x00\x01\x00\x00\x00\x05", `{"bigEndian":false,"Image":{"Make":null}}`},
	{
		"names after numbers, the last of two values in the first's place", "MM\x00*\x00\x00\x00\x08\x00\x04" +
			"\x01\x1a\x00\x03\x00\x00\x00\x01\x00\x01\x00\x00" + "\xff\xf1\x00\x03\x00\x00\x00\x01\x00\x02\x00\x00" +
			"\x00\x05\x00\x03\x00\x00\x00\x01\x00\x03\x00\x00" + "\x01\x1a\x00\x03\x00\x00\x00\x01\x00\x04\x00\x00" + "\x00\x00\x00\x00",
		`{"bigEndian":true,"Image":{"5":3,"65521":2,"XResolution":4}}`,
	},
	{"byte order", "XX*\x00\x08\x00\x00\x00\x09", "error: Invalid EXIF data: expected byte order marker."},
	{"empty", "", "error: Invalid EXIF data: expected byte order marker."},
	{"not 42", "II+\x00\x08\x00\x00\x00\x09", "error: Invalid EXIF data: expected 0x002A."},
	{"three bytes", "II*", "error: Invalid EXIF data: expected 0x002A."},
	{"eight bytes", "II*\x00\x08\x00\x00\x00", "error: Invalid EXIF data: Ends before ifdOffset"},
	{"directory in the header", "II*\x00\x01\x00\x00\x00\x09", "error: Invalid EXIF data: ifdOffset < 8"},
}

// answer is ExifJSON's text, or "error: " and the error's.
func answer(block string) string {
	text, err := metadata.ExifJSON([]byte(block))
	if err != nil {
		return "error: " + err.Error()
	}
	return string(text)
}

func TestExifJSON(t *testing.T) {
	for _, c := range exifCases {
		if got := answer(c.block); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.name, got, c.want)
		}
	}
	if got, err := metadata.ExifJSON(nil); string(got) != "{}" || err != nil {
		t.Errorf("no EXIF: got %s, %v, want {}", got, err)
	}
}

func TestExifJSONThatWouldGrowWithoutBoundIsRefused(t *testing.T) {
	// 4000 entries that all point at the same 60 KB.
	b := []byte("MM\x00*\x00\x00\x00\x08\x0f\xa0")
	for i := range 4000 {
		b = binary.BigEndian.AppendUint16(b, uint16(i))
		b = append(b, 0, 7, 0, 0, 0xea, 0x60, 0, 0, 0, 8)
	}
	b = append(b, make([]byte, 65000-len(b))...)
	if _, err := metadata.ExifJSON(b); err == nil || !strings.Contains(err.Error(), "16 MiB") {
		t.Errorf("got %v, want an error that names the limit", err)
	}
}

func TestEXIF(t *testing.T) {
	exif := func(s string) string { return seg(0xe1, "Exif\x00\x00"+s) }
	base := baseline(t)
	basePNG := pngOf(t, scene(9, 9))
	tiff := orientedTIFF(binary.LittleEndian, 3)
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"none", base, ""},
		{"JPEG", afterSOI(base, exif(tiff)), tiff},
		{"the first of two counts", afterSOI(base, seg(0xe1, "http://ns.adobe.com/xap/1.0/\x00x"), exif(tiff), exif("other")), tiff},
		{"padding of another value", afterSOI(base, seg(0xe1, "Exif\x00\xff"+tiff)), tiff},
		{"Exif in another segment is none", afterSOI(base, seg(0xe2, "Exif\x00\x00"+tiff)), ""},
		{"Exif behind the picture is none", append(bytes.Clone(base), exif(tiff)...), ""},
		{"PNG without", basePNG, ""},
		{"PNG", beforeChunk(basePNG, "IDAT", pngChunk("eXIf", tiff)), tiff},
		{"PNG after the picture", beforeChunk(basePNG, "IEND", pngChunk("eXIf", tiff)), tiff},
		{"PNG with JPEG's prefix is none", beforeChunk(basePNG, "IDAT", pngChunk("eXIf", "Exif\x00\x00"+tiff)), ""},
		{"PNG with a wrong CRC is none", beforeChunk(basePNG, "IDAT", strings.Replace(pngChunk("eXIf", tiff), "make", "meke", 1)), ""},
	} {
		got, err := metadata.EXIF(bytes.NewReader(c.file), int64(len(c.file)))
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %q, %v, want %q", c.name, got, err, c.want)
		}
		if c.want == "" && got != nil {
			t.Errorf("%s: got an empty block, want nil", c.name)
		}
	}
}

func FuzzExifJSON(f *testing.F) {
	for _, c := range exifCases {
		f.Add([]byte(c.block))
	}
	if b, err := os.ReadFile(goldenDir + "/Portrait_3.jpg"); err == nil {
		if block, err := metadata.EXIF(bytes.NewReader(b), int64(len(b))); err == nil {
			f.Add(block)
		}
	}
	f.Fuzz(func(t *testing.T, block []byte) {
		text, err := metadata.ExifJSON(block)
		if err == nil && (len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}') {
			t.Errorf("no JSON object: %q", text)
		}
		if len(text) > 17<<20 {
			t.Errorf("%d bytes of JSON", len(text))
		}
	})
}
