package metadata_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"glassine/transform/metadata"
)

func deflate(s string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	w.Write([]byte(s))
	w.Close()
	return b.String()
}

// pngs are PNGs of every colour type, and an animation.
func pngs(t *testing.T) map[string][]byte {
	picture := scene(50, 40)
	convert := func(m interface {
		image.Image
		Set(x, y int, c color.Color)
	},
	) []byte {
		for y := range 40 {
			for x := range 50 {
				m.Set(x, y, picture.At(x, y))
			}
		}
		return pngOf(t, m)
	}
	r := picture.Rect
	clear := image.NewNRGBA(r)
	copy(clear.Pix, picture.Pix)
	clear.Pix[3] = 7
	files := map[string][]byte{
		"RGB": pngOf(t, picture), "RGBA": pngOf(t, clear), "gray": convert(image.NewGray(r)), "gray 16": convert(image.NewGray16(r)),
		"RGBA 16": convert(image.NewNRGBA64(r)), "RGB 16": convert(image.NewRGBA64(r)),
		"palette":                   convert(image.NewPaletted(r, color.Palette{color.Black, color.White, color.NRGBA{250, 0, 20, 255}})),
		"palette with transparency": convert(image.NewPaletted(r, color.Palette{color.NRGBA{}, color.White, color.NRGBA{250, 0, 20, 255}})),
	}
	files["animation"] = animation(t)
	for _, f := range samples(t, "formats/*.png") {
		files[filepath.Base(f)] = readFile(t, f)
	}
	return files
}

// animation is an APNG of two frames.
func animation(t testing.TB) []byte {
	b := pngOf(t, scene(20, 10))
	frame := func(n int) string {
		d := binary.BigEndian.AppendUint32(nil, uint32(n))
		d = binary.BigEndian.AppendUint32(d, 20)
		d = binary.BigEndian.AppendUint32(d, 10)
		return pngChunk("fcTL", string(append(d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 10, 0, 0)))
	}
	i := bytes.Index(b, []byte("IDAT"))
	data := string(b[i+4 : i+4+int(binary.BigEndian.Uint32(b[i-4:]))])
	b = beforeChunk(b, "IDAT", pngChunk("acTL", "\x00\x00\x00\x02\x00\x00\x00\x00"), frame(0))
	return beforeChunk(b, "IEND", frame(1), pngChunk("tEXt", "k\x00CANARY"), pngChunk("fdAT", "\x00\x00\x00\x02"+data))
}

func TestPNGPixelsAreTheSame(t *testing.T) {
	dir := t.TempDir()
	var names []string
	var questions []map[string]string
	for name, in := range pngs(t) {
		for o := 1; o <= 8; o++ {
			in := beforeChunk(in, "IDAT", pngChunk("eXIf", orientedTIFF(binary.BigEndian, o)), pngChunk("tEXt", "Author\x00CANARY"))
			out, p := strip(t, in)
			if p.Orientation != o {
				t.Errorf("%s: orientation %d became %d", name, o, p.Orientation)
			}
			for _, b := range [][]byte{in, out} {
				file := filepath.Join(dir, fmt.Sprintf("%d.png", len(questions)))
				if err := os.WriteFile(file, b, 0o666); err != nil {
					t.Fatal(err)
				}
				questions = append(questions, map[string]string{"op": "upright", "file": file})
			}
			names = append(names, fmt.Sprintf("%s, orientation %d", name, o))
			if _, err := png.Decode(bytes.NewReader(out)); err != nil {
				t.Errorf("%s: Go does not decode the copy: %v", name, err)
			}
		}
	}
	answers := ask(t, questions...)
	for i, name := range names {
		if answers[2*i] != answers[2*i+1] || strings.HasPrefix(answers[2*i], "error") {
			t.Errorf("%s: upright, sharp sees %s before and %s after", name, answers[2*i], answers[2*i+1])
		}
	}
}

func TestChunksThatStay(t *testing.T) {
	gray, rgb := pngOf(t, image.NewGray(image.Rect(0, 0, 4, 4))), pngOf(t, scene(4, 4))
	palette := pngOf(t, image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.Black, color.White}))
	c := pngChunk
	profile := deflate(iccProfile(200, 200))
	exif := func(o int) string { return c("eXIf", orientedTIFF(binary.LittleEndian, o)) }
	oneTag := c("eXIf", "MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00")
	wrongCRC := func(s string) string { return s[:len(s)-1] + string([]byte{s[len(s)-1] ^ 1}) }
	for _, k := range []struct {
		name, before string
		file         []byte
		in, want     string
	}{
		{"colour", "IDAT", rgb, c("cHRM", strings.Repeat("a", 32)) + c("gAMA", "abcd") + c("sRGB", "\x00") + c("sBIT", "\x08\x08\x08") + c("cICP", "\x09\x10\x00\x01") + c("mDCV", strings.Repeat("a", 24)) + c("cLLI", "abcdefgh"), "same"},
		{"background, transparency, pixel size", "IDAT", rgb, c("bKGD", "abcdef") + c("tRNS", "abcdef") + c("pHYs", "abcdefgh\x01"), "same"},
		{"of gray", "IDAT", gray, c("sBIT", "\x08") + c("bKGD", "ab") + c("tRNS", "ab"), "same"},
		{"lengths of another colour type", "IDAT", gray, c("sBIT", "\x08\x08\x08") + c("bKGD", "abcdef") + c("tRNS", "abcdef"), ""},
		{"lengths that are wrong", "IDAT", rgb, c("gAMA", "abcde") + c("cHRM", "") + c("sRGB", "ab") + c("pHYs", "abc") + c("cICP", "abc"), ""},
		{"second of a kind", "IDAT", rgb, c("gAMA", "abcd") + c("gAMA", "efgh"), c("gAMA", "abcd")},
		{"colour before the palette", "PLTE", palette, c("gAMA", "abcd") + c("sBIT", "\x08\x08\x08"), "same"},
		{"colour after the palette", "IDAT", palette, c("gAMA", "abcd") + c("iCCP", "a\x00\x00"+profile), ""},
		{"transparency and background after the palette", "IDAT", palette, c("tRNS", "ab") + c("bKGD", "a"), "same"},
		{"transparency before the palette", "PLTE", palette, c("tRNS", "ab"), ""},
		{"transparency of more colours than there are", "IDAT", palette, c("tRNS", "abc"), ""},
		{"after the picture", "IEND", rgb, c("gAMA", "abcd") + c("pHYs", "abcdefgh\x01") + c("tEXt", "k\x00v"), ""},
		{"wrong CRC", "IDAT", rgb, wrongCRC(c("gAMA", "abcd")), ""},
		{"wrong CRC of a chunk that goes", "IDAT", rgb, wrongCRC(c("tEXt", "k\x00v")), ""},
		{"profile under a new name", "IDAT", rgb, c("iCCP", "Camera of Alex\x00\x00"+profile), c("iCCP", "icc\x00\x00"+profile)},
		{"profile without what follows it", "IDAT", rgb, c("iCCP", "icc\x00\x00"+profile+"more"), c("iCCP", "icc\x00\x00"+profile)},
		{"profile of another length than it says", "IDAT", rgb, c("iCCP", "icc\x00\x00"+deflate(iccProfile(200, 201))), ""},
		{"profile that is none", "IDAT", rgb, c("iCCP", "icc\x00\x00"+deflate(strings.Repeat("x", 200))), ""},
		{"profile cut", "IDAT", rgb, c("iCCP", "icc\x00\x00"+profile[:len(profile)-5]), ""},
		{"profile without a name", "IDAT", rgb, c("iCCP", "\x00\x00"+profile), ""},
		{"profile that inflates to 9 MB", "IDAT", rgb, c("iCCP", "icc\x00\x00"+deflate(iccProfile(9<<20, 9<<20))), ""},
		{"orientation 6", "IDAT", rgb, exif(6), oneTag},
		{"orientation 1", "IDAT", rgb, exif(1), ""},
		{"orientation after the picture", "IEND", rgb, exif(6), oneTag},
		{"second orientation", "IDAT", rgb, exif(6) + exif(3), oneTag},
		{"orientation with a wrong CRC", "IDAT", rgb, wrongCRC(exif(6)), ""},
		{"frames without acTL", "IEND", rgb, c("fcTL", strings.Repeat("a", 26)) + c("fdAT", "abcdefgh"), ""},
		{"private and unknown", "IDAT", rgb, c("prVt", "x") + c("abCd", "x") + c("tIME", "1234567") + c("sPLT", "x"), ""},
	} {
		in := beforeChunk(k.file, k.before, k.in)
		want := beforeChunk(k.file, k.before, strings.Replace(k.want, "same", k.in, 1))
		if out, _ := strip(t, in); !bytes.Equal(out, want) {
			t.Errorf("%s:\ngot  %q\nwant %q", k.name, out, want)
		}
	}
}

func TestDamagedPNG(t *testing.T) {
	rgb, gray := pngOf(t, scene(4, 4)), pngOf(t, image.NewGray(image.Rect(0, 0, 4, 4)))
	palette := pngOf(t, image.NewPaletted(image.Rect(0, 0, 4, 4), color.Palette{color.Black, color.White}))
	c := pngChunk
	header := func(s string) []byte {
		return append([]byte("\x89PNG\r\n\x1a\n"+c("IHDR", s)), rgb[33:]...)
	}
	flip := func(b []byte, kind string) []byte {
		b = bytes.Clone(b)
		b[bytes.Index(b, []byte(kind))+5] ^= 1
		return b
	}
	for _, k := range []struct {
		name string
		in   []byte
		want string
	}{
		{"signature alone", rgb[:8], "ends before IEND"},
		{"cut between chunks", rgb[:len(rgb)-12], "ends before IEND"},
		{"cut in a chunk", rgb[:60], "ends in a IDAT chunk"},
		{"cut in a CRC", rgb[:len(rgb)-1], "ends in a IEND chunk"},
		{"chunk of 4 GB", beforeChunk(rgb, "IDAT", "\xff\xff\xff\xfftEXt"), "ends in a tEXt chunk"},
		{"type that is not letters", beforeChunk(rgb, "IDAT", c("tE\x00t", "x")), "not four letters"},
		{"no IHDR", append(bytes.Clone(rgb[:8]), rgb[33:]...), "IHDR is not the first"},
		{"two IHDR", beforeChunk(rgb, "IDAT", string(rgb[8:33])), "IHDR is not the first"},
		{"long IHDR", header("\x00\x00\x00\x04\x00\x00\x00\x04\x08\x02\x00\x00\x00CANARY"), "IHDR of a wrong length"},
		{"no width", header("\x00\x00\x00\x00\x00\x00\x00\x04\x08\x02\x00\x00\x00"), "impossible size"},
		{"height over 2^31", header("\x00\x00\x00\x04\x80\x00\x00\x00\x08\x02\x00\x00\x00"), "impossible size"},
		{"RGB of 4 bits", header("\x00\x00\x00\x04\x00\x00\x00\x04\x04\x02\x00\x00\x00"), "bit depth"},
		{"colour type 5", header("\x00\x00\x00\x04\x00\x00\x00\x04\x08\x05\x00\x00\x00"), "bit depth"},
		{"depth 33", header("\x00\x00\x00\x04\x00\x00\x00\x04\x21\x02\x00\x00\x00"), "bit depth"},
		{"interlace 2", header("\x00\x00\x00\x04\x00\x00\x00\x04\x08\x02\x00\x00\x02"), "interlace"},
		{"wrong CRC of IHDR", flip(rgb, "IHDR"), "wrong CRC in a IHDR"},
		{"wrong CRC of IDAT", flip(rgb, "IDAT"), "wrong CRC in a IDAT"},
		{"wrong CRC of PLTE", flip(palette, "PLTE"), "wrong CRC in a PLTE"},
		{"wrong CRC of a frame", flip(animation(t), "fcTL"), "wrong CRC in a fcTL"},
		{"frame data before the picture", beforeChunk(animation(t), "IDAT", c("fdAT", "abcdefgh")), "out of its place"},
		{"palette of gray", beforeChunk(gray, "IDAT", c("PLTE", "abc")), "PLTE out of its place"},
		{"two palettes", beforeChunk(palette, "IDAT", c("PLTE", "abcdef")), "PLTE out of its place"},
		{"palette of four bytes", beforeChunk(rgb, "IDAT", c("PLTE", "abcd")), "PLTE of a wrong length"},
		{"palette of 257 colours", beforeChunk(rgb, "IDAT", c("PLTE", strings.Repeat("abc", 257))), "PLTE of a wrong length"},
		{"palette larger than the depth", bytes.Replace(palette, palette[33:33+18], []byte(c("PLTE", "abcdefghi")), 1), "PLTE of a wrong length"},
		{"no palette", append(bytes.Clone(palette[:33]), palette[bytes.Index(palette, []byte("IDAT"))-4:]...), "no PLTE"},
		{"IDAT apart", beforeChunk(rgb, "IEND", c("tEXt", "k\x00v"), c("IDAT", "x")), "not together"},
		{"no IDAT", append(bytes.Clone(rgb[:33]), c("IEND", "")...), "IEND without a picture"},
		{"IEND with data", append(bytes.Clone(rgb[:len(rgb)-12]), c("IEND", "x")...), "IEND without a picture"},
		{"unknown critical chunk", beforeChunk(rgb, "IDAT", c("CgBI", "x")), "critical chunk CgBI"},
		{"thousands of chunks to drop", beforeChunk(animation(t), "fcTL", strings.Repeat(c("fcTL", strings.Repeat("a", 26))+c("tEXt", ""), 5000)), "too many chunks"},
	} {
		_, err := metadata.Strip(bytes.NewReader(k.in), int64(len(k.in)))
		if !errors.Is(err, metadata.ErrDamaged) || !strings.Contains(err.Error(), k.want) {
			t.Errorf("%s: got %v, want a *DamagedError with %q", k.name, err, k.want)
		}
	}
}
