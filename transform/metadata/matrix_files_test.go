package metadata_test

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	kindCanary = regexp.MustCompile(`CANARY-([a-z0-9]+)`)
	base64Text = regexp.MustCompile(`[A-Za-z0-9+/]{16,}={0,2}`)
)

// inflated returns what every place of b that reads as a zlib stream holds, up to 1 MiB of each.
func inflated(b []byte) (list [][]byte) {
	for i := 0; i+2 < len(b); i++ {
		if b[i]&15 != 8 || b[i] > 0x78 || (int(b[i])<<8|int(b[i+1]))%31 != 0 {
			continue // RFC 1950 section 2.2
		}
		z, err := zlib.NewReader(bytes.NewReader(b[i:]))
		if err != nil {
			continue
		}
		out, _ := io.ReadAll(io.LimitReader(z, 1<<20)) // what comes before an error counts
		if len(out) > 0 {
			list = append(list, out)
		}
	}
	return list
}

func pixelsOfPNG(t *testing.T, b []byte) []byte {
	t.Helper()
	m, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for y := m.Bounds().Min.Y; y < m.Bounds().Max.Y; y++ {
		for x := m.Bounds().Min.X; x < m.Bounds().Max.X; x++ {
			r, g, b, a := m.At(x, y).RGBA()
			out = append(out, byte(r>>8), byte(g>>8), byte(b>>8), byte(a>>8))
		}
	}
	return out
}

// leakExif is an Exif block, or the metadata of a TIFF page, with a place, a number, an owner, maker notes and a thumbnail.
func leakTags() []tiffTag {
	exif := &tiffDir{tags: []tiffTag{
		{0x927c, 7, "CANARY-maker, as long as maker notes are at least"}, {0xa430, 2, "CANARY-owner\x00"}, {0xa431, 2, "CANARY-serial\x00"},
	}}
	gps := &tiffDir{tags: []tiffTag{
		{1, 2, "N\x00"}, {2, 5, []uint32{48, 1, 52, 1, 36, 1}}, {3, 2, "E\x00"}, {4, 5, []uint32{2, 1, 20, 1, 5, 1}}, {0x1c, 7, "ASCII\x00\x00\x00CANARY-gps"},
	}}
	return []tiffTag{{34665, 4, []*tiffDir{exif}}, {34853, 4, []*tiffDir{gps}}}
}

func leakExif(t testing.TB) string {
	first := &tiffDir{tags: append([]tiffTag{{0x112, 3, []uint16{1}}}, leakTags()...)}
	thumbnail := string(afterSOI(baseline(t), seg(0xfe, "CANARY-thumb")))
	first.next = &tiffDir{tags: []tiffTag{{259, 3, []uint16{6}}, {513, 4, tiffStrips{thumbnail}}, {514, 4, []uint32{uint32(len(thumbnail))}}}}
	return string(writeTIFF(false, first))
}

// leakXMP is an XMP packet; with more, it also carries what other formats have in Exif, as XMP's own Exif schema has it.
func leakXMP(more bool) string {
	s := `<dc:creator><rdf:Seq><rdf:li>CANARY-xmp</rdf:li></rdf:Seq></dc:creator>`
	if more {
		s += `<exif:GPSAreaInformation>CANARY-gps</exif:GPSAreaInformation><aux:SerialNumber>CANARY-serial</aux:SerialNumber><aux:OwnerName>CANARY-owner</aux:OwnerName>` +
			`<xmp:Thumbnails><rdf:Alt><rdf:li rdf:parseType="Resource"><xmpGImg:format>JPEG</xmpGImg:format><xmpGImg:image>` +
			base64.StdEncoding.EncodeToString([]byte("a picture: CANARY-thumb")) + `</xmpGImg:image></rdf:li></rdf:Alt></xmp:Thumbnails>`
	}
	return `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" ` +
		`xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:aux="http://ns.adobe.com/exif/1.0/aux/" ` +
		`xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:xmpGImg="http://ns.adobe.com/xap/1.0/g/img/">` + s + `</rdf:Description></rdf:RDF></x:xmpmeta>`
}

const leakIPTC = "\x1c\x02\x50\x00\x0bCANARY-iptc"

// leakJPEGSegments are all kinds that stand between the segments of a JPEG.
func leakJPEGSegments(t testing.TB, packet string) string {
	// XMP Specification Part 3, section 1.1.3.1; the name should be the MD5 of what extends the packet.
	const guid = "0123456789ABCDEF0123456789ABCDEF"
	main := strings.Replace(packet, "<dc:creator>", `<xmpNote:HasExtendedXMP xmlns:xmpNote="http://ns.adobe.com/xmp/note/">`+guid+`</xmpNote:HasExtendedXMP><dc:creator>`, 1)
	extension := strings.NewReplacer("dc:creator", "dc:contributor", "CANARY-xmp", "CANARY-extended", "rdf:Seq", "rdf:Bag").Replace(leakXMP(false))
	n := len(extension)
	return seg(0xe1, xmpHead+main) + seg(0xe1, "http://ns.adobe.com/xmp/extension/\x00"+guid+be32(n)+be32(0)+extension) + leakOldSegments(t) +
		seg(0xeb, "JP\x00\x01\x00\x00\x00\x01"+jumbf()) + seg(0xfe, "CANARY-comment") + seg(0xe7, "CANARY-private")
}

// leakOldSegments are Exif and IPTC.
func leakOldSegments(t testing.TB) string {
	resources := "8BIM\x04\x04\x00\x00" + be32(len(leakIPTC)) + leakIPTC
	return seg(0xe1, "Exif\x00\x00"+leakExif(t)) + seg(0xed, "Photoshop 3.0\x00"+resources)
}

// jumbf is a box as C2PA has it, with its manifest store in it.
func jumbf() string {
	return isoBox("jumb", isoBox("jumd", "c2pa\x00\x11\x00\x10\x80\x00\x00\xaa\x00\x38\x9b\x71\x03c2pa\x00"), isoBox("json", `{"claim":"CANARY-c2pa"}`))
}

// leakFiles writes every kind into every format. What exiftool can write it does, from a JPEG that has it all.
func leakFiles(t testing.TB) map[string][]byte {
	t.Helper()
	pictures := makePictures(t, "webp", "gif", "tiff", "avif")
	source := afterSOI(baseline(t), leakJPEGSegments(t, leakXMP(false)))
	written := writtenFrom(t, afterSOI(baseline(t), leakOldSegments(t)+seg(0xe1, xmpHead+leakXMP(false))+seg(0xfe, "CANARY-comment")), map[string][]byte{
		"png.png": pngOf(t, scene(40, 30)), "apng.png": animation(t), "webp.webp": pictures["lossy.webp"], "webp-animation.webp": pictures["animation.webp"],
		"gif.gif": pictures["animation.gif"], "tiff.tiff": leakTIFF(t, false), "avif.avif": pictures["lossy.avif"], "heic.heic": readFile(t, "testdata/grid.heic"),
		"jxl.jxl": readFile(t, "testdata/boxes.jxl"),
	})
	files := map[string][]byte{
		"jpeg":      append(source, " CANARY-trailer"...),
		"ultra-hdr": leakUltraHDR(t),
		"bigtiff":   leakTIFF(t, true), "tiff": append(written["tiff.tiff"], " CANARY-trailer"...),
		"svg": leakSVG(),
	}
	for _, name := range []string{"png", "apng"} {
		b := beforeChunk(written[name+".png"], "IDAT", pngChunk("caBX", jumbf()), pngChunk("prVt", "CANARY-private"))
		b = beforeChunk(b, "IEND", pngChunk("zTXt", "Comment\x00\x00"+deflate("CANARY-comment")))
		files[name] = append(b, " CANARY-trailer"...)
	}
	for _, name := range []string{"webp", "webp-animation"} {
		b := append(written[name+".webp"], riff("C2PA", jumbf())+riff("prvt", "CANARY-private")...)
		binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-8))
		files[name] = append(b, " CANARY-trailer"...)
	}
	head := 13 + 3<<(written["gif.gif"][10]&7+1)
	gif := append([]byte(nil), written["gif.gif"][:head]...)
	gif = append(gif, xmpInGIF(leakXMP(true))+"\x21\xfe"+subBlocks("CANARY-comment")+"\x21\xff\x0bC2PA_GIF\x01\x00\x00"+subBlocks(jumbf())+"\x21\xff\x0bPRIVATE1.00"+subBlocks("CANARY-private")...)
	files["gif"] = append(append(gif, written["gif.gif"][head:]...), " CANARY-trailer"...)
	for _, name := range []string{"avif", "heic"} {
		const c2pa = "\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c\x92\x97\x58\x28\x87\x7e\xc4\x81" // C2PA 2.1, annex A.5
		more := isoBox("uuid", c2pa+"\x00\x00\x00\x00manifest\x00", be32(0), be32(0), jumbf()) + isoBox("prvt", "CANARY-private") + isoBox("mpvd", "CANARY-trailer of a motion photo") + " CANARY-trailer"
		files[name] = append(written[name+"."+name], more...)
	}
	boxes := isoBox("jumb", jumbf()[8:]) + isoBox("prvt", "CANARY-private") + isoBox("free", "CANARY-trailer") + " CANARY-trailer"
	files["jxl"] = append(written["jxl.jxl"], boxes...)
	compressed := append([]byte(nil), readFile(t, "testdata/boxes.jxl")...)
	compressed = dropBoxes(compressed, "Exif", "xml ")
	for kind, data := range map[string]string{"Exif": "\x00\x00\x00\x00" + leakExif(t), "xml ": leakXMP(false), "jumb": jumbf()[8:], "prvt": "CANARY-private", "free": "CANARY-trailer"} {
		compressed = append(compressed, isoBox("brob", kind, string(brotli(t, "brotliCompressSync", []byte(data))))...)
	}
	files["jxl-brotli"] = compressed
	return files
}

// dropBoxes returns a JPEG XL without its boxes of the kinds.
func dropBoxes(b []byte, kinds ...string) (out []byte) {
	for len(b) >= 8 {
		n := int(binary.BigEndian.Uint32(b))
		if n == 0 {
			n = len(b)
		}
		if !strings.Contains(strings.Join(kinds, ","), string(b[4:8])) {
			out = append(out, b[:n]...)
		}
		b = b[n:]
	}
	return out
}

// writtenFrom lets exiftool copy all that source says into files, and a picture of its own into a TIFF's sub-directory.
func writtenFrom(t testing.TB, source []byte, files map[string][]byte) map[string][]byte {
	t.Helper()
	from := writeFile(t, "source.jpg", source)
	dir := writeFiles(t, files)
	run(t, nil, tool(t, "exiftool", "libimage-exiftool-perl"), "-q", "-q", "-m", "-z", "-overwrite_original", "-tagsFromFile", from,
		"-all:all", "-makernotes", "-unsafe", "-thumbnailimage", "-comment", "-iptc:all", dir)
	out := make(map[string][]byte)
	for name := range files {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		out[name] = b
	}
	return out
}

// leakUltraHDR has every kind beside the picture, beside its gain map, and behind both.
func leakUltraHDR(t testing.TB) []byte {
	tie := func(packet, attributes string) string {
		return strings.Replace(packet, `rdf:about="" `, `rdf:about="" `+hdrgmNS+` `+attributes+` `, 1)
	}
	primary := leakJPEGSegments(t, tie(leakXMP(false), `hdrgm:Version="1.0"`))
	gains := leakJPEGSegments(t, tie(leakXMP(false), `hdrgm:Version="1.0" hdrgm:GainMapMax="2.5" hdrgm:HDRCapacityMax="2.5"`))
	return ultraHDR(baseline(t), primary, afterSOI(baseline(t), gains), "CANARY-trailer")
}

// leakTIFF is written by hand, since exiftool writes no BigTIFF.
func leakTIFF(t testing.TB, big bool) []byte {
	c2pa := tiffTag{52545, 7, jumbf()} // C2PA 2.1, annex A.3.5
	first := tiffImage(append([]tiffTag{
		{270, 2, "CANARY-comment\x00"}, {700, 1, leakXMP(false)}, {33723, 7, leakIPTC}, c2pa, {60000, 2, "CANARY-private\x00"},
	}, leakTags()...)...)
	first.next = tiffImage(tiffTag{254, 4, []uint32{1}}, tiffTag{305, 2, "CANARY-thumb\x00"})
	return append(writeTIFF(big, first), " CANARY-trailer"...)
}

func leakSVG() []byte {
	return fmt.Appendf(nil, `<?xml version="1.0"?><!--CANARY-comment--><svg xmlns="http://www.w3.org/2000/svg" width="60" height="40">`+
		`<metadata>%s<c2pa:manifest xmlns:c2pa="http://c2pa.org/manifest">%s</c2pa:manifest></metadata>`+
		`<g data-name="CANARY-private"><rect width="30" height="20" fill="red"/><circle cx="40" cy="20" r="15" fill="#00f"/></g></svg><?x CANARY-trailer?>`,
		leakXMP(true), base64.StdEncoding.EncodeToString([]byte(jumbf())))
}
