package metadata_test

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"glassine/transform/metadata"
)

func TestSniff(t *testing.T) {
	for _, c := range []struct {
		name, head string
		want       metadata.Format
	}{
		{"JPEG", "\xff\xd8\xff\xe0", metadata.JPEG},
		{"PNG", "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", metadata.PNG},
		{"PNG after a text-mode transfer", "\x89PNG\n\x1a\n", ""},
		{"GIF", "GIF89a", metadata.GIF},
		{"WebP", "RIFF\x10\x00\x00\x00WEBPVP8 ", metadata.WebP},
		{"WAV", "RIFF\x10\x00\x00\x00WAVEfmt ", ""},
		{"TIFF", "II*\x00\x08\x00\x00\x00", metadata.TIFF},
		{"TIFF, big-endian", "MM\x00*\x00\x00\x00\x08", metadata.TIFF},
		{"BigTIFF", "II+\x00\x08\x00", metadata.TIFF},
		{"AVIF", "\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1", metadata.AVIF},
		{"AVIF under a general brand", "\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00avif", metadata.AVIF},
		{"HEIC", "\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1", metadata.HEIF},
		{"brand behind the box", "\x00\x00\x00\x14ftypmif1\x00\x00\x00\x00heicavif", metadata.HEIF},
		{"version is no brand", "\x00\x00\x00\x14ftypisomavifmp42", ""},
		{"MP4", "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isom", ""},
		{"SVG", "<svg xmlns='http://www.w3.org/2000/svg'>", metadata.SVG},
		{"SVG after a declaration, comments and white space", "\xef\xbb\xbf <?xml version='1.0'?>\n<!-- <svg> -->\n<!DOCTYPE svg PUBLIC ''><svg>", metadata.SVG},
		{"HTML", "<!-- <svg> --><html><svg>", ""},
		{"XML that never gets to an element", "<?xml version='1.0'?>", ""},
		{"a name that begins with svg", "<svgx>", ""},
		{"JXL", "\xff\x0a\xfa", metadata.JXL},
		{"JXL in a container", "\x00\x00\x00\x0cJXL \r\n\x87\n", metadata.JXL},
		{"text", "hello", ""},
		{"nothing", "", ""},
	} {
		if got := metadata.Sniff([]byte(c.head)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	for ext, want := range map[string]metadata.Format{
		"webp": metadata.WebP, "gif": metadata.GIF, "avif": metadata.AVIF, "HEIC": metadata.HEIF,
		"heic": metadata.HEIF, "tif": metadata.TIFF, "svg": metadata.SVG, "png": metadata.PNG, "jpg": metadata.JPEG,
	} {
		for _, f := range samples(t, "formats/*."+ext) {
			if got := metadata.Sniff(readFile(t, f)); got != want {
				t.Errorf("%s: got %q, want %q", filepath.Base(f), got, want)
			}
		}
	}
}

func TestUnsupportedFilesAreNamed(t *testing.T) {
	const want = "File type unknown is not supported; supported types are image/jpeg, image/png, image/webp, image/gif, image/avif, image/heif, image/tiff, image/jxl and image/svg+xml"
	for _, in := range []string{"hello", "", "<html/>", "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00isom"} {
		_, stripErr := metadata.Strip(strings.NewReader(in), int64(len(in)))
		_, exifErr := metadata.EXIF(strings.NewReader(in), int64(len(in)))
		_, describeErr := metadata.Describe(strings.NewReader(in), int64(len(in)))
		for _, err := range []error{stripErr, exifErr, describeErr} {
			if !errors.Is(err, metadata.ErrUnsupported) || err.Error() != want {
				t.Errorf("%q: got %v, want %s", in, err, want)
			}
		}
	}
}

// mostSize is the largest that the copy of n bytes may be: an Exif block of one tag more, and in TIFF and HEIF, whose tables are written
// anew, numbers of four and eight bytes where the source has one or two.
func mostSize(f metadata.Format, n int) int {
	if f == metadata.TIFF || f == metadata.HEIF || f == metadata.AVIF {
		return 8*n + 1<<10
	}
	return n + 1<<10
}

// stripFuzz holds for any input: no panic, an error or a copy that is not much larger, has the announced size, and is its own copy.
func stripFuzz(t *testing.T, in []byte) {
	p, err := metadata.Strip(bytes.NewReader(in), int64(len(in)))
	if err != nil {
		if !errors.Is(err, metadata.ErrUnsupported) && !errors.Is(err, metadata.ErrDamaged) {
			t.Errorf("error of another kind: %v", err)
		}
		return
	}
	out, _ := strip(t, in)
	if len(out) > mostSize(p.Format, len(in)) {
		t.Errorf("%d bytes became %d", len(in), len(out))
	}
	again, q := strip(t, out)
	if !bytes.Equal(out, again) || p.Orientation != q.Orientation || p.Format != q.Format {
		t.Errorf("the copy's copy differs: %d bytes and orientation %d, %d and %d", len(out), p.Orientation, len(again), q.Orientation)
	}
	if block, err := metadata.EXIF(bytes.NewReader(out), int64(len(out))); err != nil || len(block) > 26 && p.Format != metadata.TIFF {
		t.Errorf("EXIF of the copy: %d bytes, %v", len(block), err)
	}
	if info, err := metadata.Describe(bytes.NewReader(in), int64(len(in))); err == nil {
		if _, err := info.JSON(); err != nil {
			t.Errorf("JSON: %v", err)
		}
	}
	kept := metadata.Options{Metadata: metadata.KeepCopyright, ICC: metadata.ICCStrip}
	if out, err := tryStrip(kept, in); err == nil {
		if again, err := tryStrip(kept, out); err != nil || !bytes.Equal(out, again) {
			t.Errorf("with %+v the copy's copy differs (%v)", kept, err)
		}
	}
	if block, err := metadata.EXIF(bytes.NewReader(in), int64(len(in))); err == nil {
		metadata.ExifJSON(block)
	}
}

func FuzzStripJPEG(f *testing.F) {
	base := baseline(f)
	f.Add(base)
	f.Add(afterSOI(base, seg(0xe0, "JFIF\x00\x01\x02\x01\x00\x48\x00\x48\x00\x00"), seg(0xe1, "Exif\x00\x00"+block(0x112, 3, 1, "\x00\x06", "")),
		seg(0xe2, "ICC_PROFILE\x00\x01\x02"+iccProfile(200, 150)), seg(0xfe, "x"), seg(0xe2, "ICC_PROFILE\x00\x02\x02"+strings.Repeat("a", 60)),
		seg(0xee, "Adobe\x00\x64\x00\x00\x00\x00\x01more"), "\xff\xffjunk", seg(0xdd, "\x00\x10")))
	f.Add(beforeLast(base, "\xff\xd9", seg(0xdc, "\x00\x3d")+"\xff\xff\xff\xd0junk"))
	f.Add(base[:len(base)-2])
	f.Fuzz(stripFuzz)
}

func FuzzStripPNG(f *testing.F) {
	base := pngOf(f, scene(3, 2))
	f.Add(base)
	f.Add(animation(f))
	f.Add(append(beforeChunk(base, "IDAT", pngChunk("iCCP", "name\x00\x00"+deflate(iccProfile(200, 200))+"x"), pngChunk("eXIf", block(0x112, 3, 1, "\x00\x06", "")),
		pngChunk("gAMA", "abcd"), pngChunk("tEXt", "k\x00v")), "trailer"...))
	f.Fuzz(stripFuzz)
}
