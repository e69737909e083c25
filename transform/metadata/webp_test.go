package metadata_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"glassine/transform/metadata"
)

// riff is one RIFF chunk, padded.
func riff(kind, data string) string {
	b := string(binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(data)))) + data
	return b + strings.Repeat("\x00", len(data)%2)
}

// webpFile is a WebP of the chunks.
func webpFile(chunks ...string) []byte {
	body := "WEBP" + strings.Join(chunks, "")
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

const (
	vp8l   = "\x2f\x03\x40\x00\x00LOSSLESS-" // 4 by 2 pixels
	vp8    = "\x10\x00\x00\x9d\x01\x2a\x04\x00\x02\x00LOSSY!"
	canvas = "\x03\x00\x00\x01\x00\x00" // 4 by 2
)

func vp8x(flags byte) string { return riff("VP8X", string([]byte{flags, 0, 0, 0})+canvas) }

func TestWebPPixelsAreTheSame(t *testing.T) {
	samePixels(t, withSamples(t, makePictures(t, "webp"), "formats/*.webp"), stripped(t))
}

func TestWebPChunksThatStay(t *testing.T) {
	exif := func(o int) string { return riff("EXIF", orientedTIFF(binary.LittleEndian, o)) }
	oneTag := riff("EXIF", "MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00")
	profile := iccProfile(201, 201)
	anim := riff("ANIM", "\xff\xff\xff\xff\x00\x00")
	place := strings.Repeat("\x00", 6) + "\x03\x00\x00\x01\x00\x00\x64\x00\x00\x00"
	for _, c := range []struct {
		name     string
		in, want []byte
	}{
		{"simple", webpFile(riff("VP8 ", vp8)), webpFile(riff("VP8 ", vp8))},
		{"lossless, of an odd length", webpFile(riff("VP8L", vp8l+"x")), webpFile(riff("VP8L", vp8l+"x"))},
		{"pad byte becomes zero", webpFile("VP8L\x0f\x00\x00\x00" + vp8l + "xC"), webpFile(riff("VP8L", vp8l+"x"))},
		{"pad byte that is missing is added", webpFile("VP8L\x0f\x00\x00\x00" + vp8l + "x"), webpFile(riff("VP8L", vp8l+"x"))},
		{"chunks of a simple file go", webpFile(riff("VP8 ", vp8), exif(6), riff("XMP ", "CANARY"), riff("ICCP", profile)), webpFile(riff("VP8 ", vp8))},
		{"metadata goes, and its flags", webpFile(vp8x(0x2c|0xc1), riff("VP8 ", vp8), exif(1), riff("XMP ", "CANARY"), riff("C2PA", "CANARY"), riff("prvt", "CANARY")), webpFile(vp8x(0), riff("VP8 ", vp8))},
		{"orientation stays", webpFile(vp8x(0x08), riff("VP8 ", vp8), exif(6)), webpFile(vp8x(0x08), riff("VP8 ", vp8), oneTag)},
		{"orientation in a block with a JPEG's prefix", webpFile(vp8x(0x08), riff("VP8 ", vp8), riff("EXIF", "Exif\x00\x00"+orientedTIFF(binary.BigEndian, 6))), webpFile(vp8x(0x08), riff("VP8 ", vp8), oneTag)},
		{"the first Exif counts", webpFile(vp8x(0x08), riff("VP8 ", vp8), exif(6), exif(3)), webpFile(vp8x(0x08), riff("VP8 ", vp8), oneTag)},
		{"alpha and profile", webpFile(vp8x(0x30), riff("ICCP", profile), riff("ALPH", "\x00alp"), riff("VP8 ", vp8)), webpFile(vp8x(0x30), riff("ICCP", profile), riff("ALPH", "\x00alp"), riff("VP8 ", vp8))},
		{"profile without what follows it", webpFile(vp8x(0x20), riff("ICCP", profile+"CANARY"), riff("VP8 ", vp8)), webpFile(vp8x(0x20), riff("ICCP", profile), riff("VP8 ", vp8))},
		{"profile that is none", webpFile(vp8x(0x20), riff("ICCP", "CANARY"), riff("VP8 ", vp8)), webpFile(vp8x(0), riff("VP8 ", vp8))},
		{"profile behind the picture", webpFile(vp8x(0x20), riff("VP8 ", vp8), riff("ICCP", profile)), webpFile(vp8x(0), riff("VP8 ", vp8))},
		{"second picture and second alpha go", webpFile(vp8x(0x10), riff("ALPH", "\x00a"), riff("ALPH", "CANARY"), riff("VP8 ", vp8), riff("VP8 ", vp8), riff("ALPH", "CANARY")), webpFile(vp8x(0x10), riff("ALPH", "\x00a"), riff("VP8 ", vp8))},
		{
			"animation", webpFile(vp8x(0x02), anim, riff("ANMF", place+riff("ALPH", "\x00a")+riff("VP8 ", vp8)), riff("ANMF", place+riff("VP8L", vp8l))),
			webpFile(vp8x(0x02), anim, riff("ANMF", place+riff("ALPH", "\x00a")+riff("VP8 ", vp8)), riff("ANMF", place+riff("VP8L", vp8l))),
		},
		{
			"what else is in a frame goes", webpFile(vp8x(0x02), riff("ANIM", "\xff\xff\xff\xff\x00\x00CANARY"), riff("ANMF", place+riff("EXIF", "CANARY")+riff("VP8 ", vp8)+riff("XMP ", "CANARY")), riff("VP8 ", vp8)),
			webpFile(vp8x(0x02), anim, riff("ANMF", place+riff("VP8 ", vp8))),
		},
		{"trailer", append(webpFile(riff("VP8 ", vp8)), "CANARY"...), webpFile(riff("VP8 ", vp8))},
		{"VP8X that is too long", webpFile(riff("VP8X", "\x00\x00\x00\x00"+canvas+"CANARY"), riff("VP8 ", vp8)), webpFile(vp8x(0), riff("VP8 ", vp8))},
	} {
		if out, _ := strip(t, c.in); !bytes.Equal(out, c.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, out, c.want)
		}
	}
}

func TestDamagedWebP(t *testing.T) {
	whole := webpFile(riff("VP8 ", vp8))
	short := bytes.Clone(whole)
	short[4] += 2
	for _, c := range []struct {
		name string
		in   []byte
		want string
	}{
		{"shorter than it says", short, "shorter than it says"},
		{"cut", whole[:20], "shorter than it says"},
		{"no picture", webpFile(vp8x(0)), "without a picture"},
		{"empty", webpFile(), "without a picture"},
		{"chunk longer than the file", webpFile("VP8 \xff\xff\xff\x7f" + vp8), "ends in a chunk"},
		{"half a head", webpFile(riff("VP8 ", vp8), "EXIF"), "head of a chunk"},
		{"short VP8X", webpFile(riff("VP8X", "\x00"), riff("VP8 ", vp8)), "VP8X of a wrong length"},
		{"bitstream that is none", webpFile(riff("VP8 ", "CANARY-CANARY")), "no decoder knows"},
		{"lossless of another version", webpFile(riff("VP8L", "\x2f\x00\x00\x00\xff")), "no decoder knows"},
		{"animation without ANIM", webpFile(vp8x(2), riff("ANMF", strings.Repeat("\x00", 16)+riff("VP8 ", vp8))), "without ANIM"},
		{"frame without a picture", webpFile(vp8x(2), riff("ANIM", "abcdef"), riff("ANMF", strings.Repeat("\x00", 16))), "frame without a picture"},
		{"short frame", webpFile(vp8x(2), riff("ANIM", "abcdef"), riff("ANMF", "x")), "ANMF of a wrong length"},
		{"short ANIM", webpFile(vp8x(2), riff("ANIM", "abc")), "ANIM of a wrong length"},
	} {
		_, err := metadata.Strip(bytes.NewReader(c.in), int64(len(c.in)))
		if !errors.Is(err, metadata.ErrDamaged) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want a *DamagedError with %q", c.name, err, c.want)
		}
	}
}

func FuzzStripWebP(f *testing.F) {
	f.Add(webpFile(vp8x(0x3c), riff("ICCP", iccProfile(200, 210)), riff("ALPH", "\x00a"), riff("VP8 ", vp8), riff("EXIF", orientedTIFF(binary.BigEndian, 6)), riff("XMP ", "x")))
	f.Add(webpFile(vp8x(0x02), riff("ANIM", "abcdef"), riff("ANMF", strings.Repeat("\x00", 16)+riff("VP8L", vp8l+"x")+riff("abcd", "x"))))
	f.Add(webpFile(riff("VP8 ", vp8)))
	f.Fuzz(stripFuzz)
}
