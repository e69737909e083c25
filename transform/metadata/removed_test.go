package metadata_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"glassine/transform/metadata"
	"glassine/transform/sample"
)

// checkAccount checks that what a plan says went is all that went: the source has as many bytes as the copy, less what the copy
// has of its own, and with what it says in other words and what it does not say.
func checkAccount(t testing.TB, size int64, p *metadata.Plan) {
	t.Helper()
	removed := int64(0)
	for _, r := range p.Removed {
		if r.Blocks < 1 || r.Bytes < 1 {
			t.Errorf("%s: removed %+v, which is nothing", p.Format, r)
		}
		removed += r.Bytes
	}
	if got := p.Size - p.Added + p.Rewritten + removed; got != size {
		t.Errorf("%s of %d bytes: the copy has %d, of which %d are new, %d were rewritten and %d removed, which makes %d", p.Format, size, p.Size, p.Added, p.Rewritten, removed, got)
	}
}

func removals(p *metadata.Plan) string {
	var out []string
	for _, r := range p.Removed {
		out = append(out, fmt.Sprintf("%s %d/%d", r.Kind, r.Blocks, r.Bytes))
	}
	return strings.Join(out, ", ")
}

func TestRemovalsAreOfTheirKindAndSize(t *testing.T) {
	comment, text := seg(0xfe, "a comment"), pngChunk("tEXt", "Title\x00a title")
	xmp := seg(0xe1, "http://ns.adobe.com/xap/1.0/\x00<x:xmpmeta/>")
	iptc := "8BIM\x04\x04\x00\x00\x00\x00\x00\x05\x1c\x02\x05\x00\x00\x00"
	photoshop := seg(0xed, "Photoshop 3.0\x00"+iptc+"8BIM\x04\x0c\x00\x00\x00\x00\x00\x04abcd")
	base := baseline(t)
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"a picture that says nothing", base, ""},
		{"a comment", afterSOI(base, comment), "comment 1/13"},
		{"two comments and XMP", afterSOI(base, comment, xmp, comment), fmt.Sprintf("comment 2/26, xmp 1/%d", len(xmp))},
		{"IPTC and a thumbnail among Photoshop's resources, whose own head is other", afterSOI(base, photoshop), fmt.Sprintf("iptc 1/18, other 1/%d, thumbnail 1/16", len(photoshop)-18-16)},
		{"C2PA in two segments", afterSOI(base, seg(0xeb, "JP\x00\x01\x00\x00\x00\x01\x00\x00\x00\x40jumb\x00\x00\x00\x10jumdc2pa"), seg(0xeb, "JP\x00\x01\x00\x00\x00\x02rest")), "c2pa 2/48"},
		{"JUMBF that is not C2PA", afterSOI(base, seg(0xeb, "JP\x00\x01\x00\x00\x00\x01\x00\x00\x00\x40jumbabcdefgh")), "other 1/28"},
		{"a thumbnail in JFIF, whose head is written anew", afterSOI(base, seg(0xe0, "JFIF\x00\x01\x02\x00\x00\x01\x00\x01\x01\x01rgb")), "thumbnail 1/3"},
		{"what follows the picture", append(bytes.Clone(base), "a trailer"...), "other 1/9"},
		{"a colour profile that is none", afterSOI(base, seg(0xe2, "ICC_PROFILE\x00\x01\x01not a profile")), "icc 1/31"},
		{"an orientation, which is written anew", afterSOI(base, seg(0xe1, "Exif\x00\x00"+orientedTIFF(binary.BigEndian, 6))), fmt.Sprintf("exif 1/%d", 10+len(orientedTIFF(binary.BigEndian, 6)))},
		{"a title in a PNG", beforeChunk(pngOf(t, scene(9, 9)), "IDAT", text, pngChunk("tIME", "1234567")), "other 1/19, text 1/25"},
		{"XMP and a comment in a PNG", beforeChunk(pngOf(t, scene(9, 9)), "IDAT", pngChunk("iTXt", "XML:com.adobe.xmp\x00\x00\x00\x00\x00<x/>"), pngChunk("tEXt", "Comment\x00hi")), "comment 1/22, xmp 1/38"},
		{"an SVG with a title and a comment", []byte(`<svg xmlns="http://www.w3.org/2000/svg"><!-- me --><title>a</title><rect/><script>1</script></svg>`), "comment 1/11, other 1/18, text 1/16"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := metadata.Strip(bytes.NewReader(c.in), int64(len(c.in)))
			if err != nil {
				t.Fatal(err)
			}
			if got := removals(p); got != c.want {
				t.Errorf("removed %q, want %q", got, c.want)
			}
			checkAccount(t, int64(len(c.in)), p)
			keep, err := metadata.Options{Metadata: metadata.KeepAll}.Strip(bytes.NewReader(c.in), int64(len(c.in)))
			if err != nil || len(keep.Removed) > 0 && keep.Format != metadata.SVG {
				t.Errorf("with metadata=keep: removed %q, %v, want nothing", removals(keep), err)
			}
		})
	}
}

// The demo's photograph has what cameras and editors write. The sizes are those that exiftool 12.57 shows with -v3.
func TestRemovalsOfTheSample(t *testing.T) {
	p, err := metadata.Strip(bytes.NewReader(sample.JPEG), int64(len(sample.JPEG)))
	if err != nil {
		t.Fatal(err)
	}
	checkAccount(t, int64(len(sample.JPEG)), p)
	if got, want := removals(p), "comment 1/43, exif 1/821, gps 1/205, iptc 1/62, maker_note 1/60, other 1/18, thumbnail 1/3326, xmp 1/492"; got != want {
		t.Errorf("removed %q, want %q", got, want)
	}
}

// kindOfLeak names the columns of the leak matrix as Removals do.
var kindOfLeak = map[string]metadata.Kind{
	"gps": metadata.KindGPS, "owner": metadata.KindExif, "xmp": metadata.KindXMP, "extended": metadata.KindXMP, "iptc": metadata.KindIPTC, "c2pa": metadata.KindC2PA,
	"maker": metadata.KindMakerNote, "thumb": metadata.KindThumbnail, "comment": metadata.KindComment, "trailer": metadata.KindOther, "private": metadata.KindOther,
}

// leakWithin are the kinds that a format has within a block of another kind.
var leakWithin = map[string]string{
	"gif": "gps owner thumb", "svg": "gps owner thumb c2pa trailer private", "jxl-brotli": "gps maker thumb", "tiff": "comment", "bigtiff": "comment", "png": "", "apng": "",
}

// Whatever the leak matrix puts into a file is among what is said to be removed, and all that is removed is said.
func TestRemovalsOfAllFormats(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(leakMatrix), "\n")
	names := strings.Fields(lines[0])
	files := leakFiles(t)
	for _, line := range lines[1:] {
		row := strings.Fields(line)
		b := files[row[0]]
		p, err := metadata.Strip(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Errorf("%s: %v", row[0], err)
			continue
		}
		checkAccount(t, int64(len(b)), p)
		found := map[metadata.Kind]bool{}
		for _, r := range p.Removed {
			found[r.Kind] = true
		}
		for i, cell := range row[1:] {
			kind, ok := kindOfLeak[names[i]]
			if !ok || cell == "-" || slices.Contains(strings.Fields(leakWithin[row[0]]), names[i]) {
				continue
			}
			if !found[kind] {
				t.Errorf("%s: nothing of kind %s was removed, but %s", row[0], kind, removals(p))
			}
		}
	}
}

func BenchmarkStripAccount(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := metadata.Strip(bytes.NewReader(sample.JPEG), int64(len(sample.JPEG))); err != nil {
			b.Fatal(err)
		}
	}
}
