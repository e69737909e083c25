package metadata_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"glassine/transform/metadata"
	"glassine/transform/sample"
)

func exifFor(t testing.TB, keep metadata.Keep, b []byte) []byte {
	t.Helper()
	block, err := metadata.ExifFor(metadata.Options{Metadata: keep}, bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatalf("ExifFor: %v", err)
	}
	return block
}

// TestExifForANewPicture puts the blocks into a JPEG and asks exiftool what it says before and after.
func TestExifForANewPicture(t *testing.T) {
	exiftool := tool(t, "exiftool", "libimage-exiftool-perl")
	thumbnail := writeFile(t, "thumb.jpg", afterSOI(baseline(t), seg(0xfe, "CANARY-in-the-thumbnail")))
	file := writeFile(t, "a.jpg", afterSOI(baseline(t), seg(0xe1, "Exif\x00\x00"+orientedTIFF(binary.LittleEndian, 6))))
	run(t, nil, exiftool, append(append([]string{"-q", "-m", "-overwrite_original", "-ThumbnailImage<=" + thumbnail}, exifCanaries(6)...), file)...)
	all := makePictures(t, "webp", "tiff", "avif")
	written := withExiftool(t, map[string][]byte{"a.webp": all["lossy.webp"], "a.tiff": all["lzw.tiff"], "a.avif": all["lossy.avif"], "a.png": pngOf(t, scene(9, 9))}, exifCanaries(6)...)
	written["a.jpg"], written["sample.jpg"] = readFile(t, file), sample.JPEG
	before := exiftoolReads(t, written, "-n", "-G1", "-IFD0:all", "-ExifIFD:all", "-GPS:all")
	after := make(map[string][]byte)
	for name, b := range written {
		kept := exifFor(t, metadata.KeepAll, b)
		if bytes.Contains(kept, []byte("CANARY-in-the-thumbnail")) || bytes.Contains(kept, []byte("JFIF")) {
			t.Errorf("%s: the thumbnail is still there", name)
		}
		after[name+".jpg"] = afterSOI(baseline(t), seg(0xe1, "Exif\x00\x00"+string(kept)))
		texts := exifFor(t, metadata.KeepCopyright, b)
		if got := canary.FindAllString(string(texts), -1); name != "sample.jpg" && !slices.Equal(got, []string{"CANARY-EXIF-Artist", "CANARY-EXIF-Copyright"}) {
			t.Errorf("%s: metadata=copyright carries %q", name, got)
		}
		if strings.Contains(string(texts), "\x01\x12\x00\x03") {
			t.Errorf("%s: metadata=copyright carries an orientation", name)
		}
		if none := exifFor(t, metadata.KeepNone, b); none != nil {
			t.Errorf("%s: metadata=none carries %q", name, none)
		}
	}
	got := exiftoolReads(t, after, "-n", "-G1", "-a", "-IFD0:all", "-ExifIFD:all", "-GPS:all", "-IFD1:all")
	for name := range written {
		want := maps.Clone(before[name])
		want["IFD0:Orientation"] = float64(1)
		for tag := range want {
			// Of a TIFF's first directory what tells about its pixels stays behind; so do other blocks within it.
			if strings.HasSuffix(name, ".tiff") && slices.Contains(strings.Fields(tiffOnly), strings.TrimPrefix(tag, "IFD0:")) {
				delete(want, tag)
			}
		}
		if len(want) < 10 {
			t.Errorf("%s: only %d tags before", name, len(want))
		}
		if fmt.Sprint(got[name+".jpg"]) != fmt.Sprint(want) {
			t.Errorf("%s:\ngot  %v\nwant %v", name, got[name+".jpg"], want)
		}
	}
}

const tiffOnly = `SubfileType ImageWidth ImageHeight BitsPerSample Compression PhotometricInterpretation FillOrder StripOffsets SamplesPerPixel RowsPerStrip
	StripByteCounts PlanarConfiguration Predictor SampleFormat ApplicationNotes PageNumber ExtraSamples`

func TestExifForWhatCannotBeRead(t *testing.T) {
	long := afterSOI(baseline(t), seg(0xe1, "Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff"))
	for name, b := range map[string][]byte{
		"no block":           baseline(t),
		"no TIFF header":     afterSOI(baseline(t), seg(0xe1, "Exif\x00\x00nonsense")),
		"no picture":         []byte("hello"),
		"JPEG that ends":     baseline(t)[:30],
		"GIF":                makePictures(t, "gif")["still.gif"],
		"TIFF without pages": []byte("II*\x00\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
	} {
		for _, keep := range []metadata.Keep{metadata.KeepAll, metadata.KeepCopyright} {
			if got := exifFor(t, keep, b); got != nil {
				t.Errorf("%s, metadata=%s: got %q", name, keep, got)
			}
		}
	}
	if got := exifFor(t, metadata.KeepAll, long); !strings.HasPrefix(string(got), "MM\x00*") {
		t.Errorf("a directory that is cut short: got %q", got)
	}
	_, err := metadata.ExifFor(metadata.Options{Metadata: "all"}, bytes.NewReader(nil), 0)
	if _, ok := errors.AsType[*metadata.OptionsError](err); !ok {
		t.Errorf("metadata=all: got %v, want an *OptionsError", err)
	}
	// The pixel engine converts to another profile by itself.
	if _, err := metadata.ExifFor(metadata.Options{Metadata: metadata.KeepCopyright, ICC: metadata.ICCsRGB}, bytes.NewReader(sample.JPEG), int64(len(sample.JPEG))); err != nil {
		t.Errorf("icc=srgb: %v", err)
	}
}

// FuzzExifFor: what it makes of a block is stable, upright, no longer, and readable when the block was.
func FuzzExifFor(f *testing.F) {
	for _, b := range exifSeeds(f) {
		f.Add(b)
	}
	f.Add([]byte(orientedTIFF(binary.LittleEndian, 6)))
	base := baseline(f)
	f.Fuzz(func(t *testing.T, block []byte) {
		if len(block) > 65000 {
			return
		}
		in := afterSOI(base, seg(0xe1, "Exif\x00\x00"+string(block)))
		out := exifFor(t, metadata.KeepAll, in)
		if len(out) > len(block) {
			t.Errorf("%d bytes became %d", len(block), len(out))
		}
		turned := afterSOI(base, seg(0xe1, "Exif\x00\x00"+string(out)))
		if h := header(t, turned); h.Orientation != 1 {
			t.Errorf("orientation %d", h.Orientation)
		}
		exifFor(t, metadata.KeepCopyright, in)
	})
}
