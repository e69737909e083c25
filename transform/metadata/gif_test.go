package metadata_test

import (
	"bytes"
	"errors"
	"image"
	"image/color/palette"
	"image/draw"
	"image/gif"
	"strings"
	"testing"

	"glassine/transform/metadata"
)

const (
	gifHead  = "GIF89a\x02\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff" // 2 by 1 pixels, two colours
	gifFrame = "\x2c\x00\x00\x00\x00\x02\x00\x01\x00\x00\x02\x02\x0c\x0a\x00"
	control  = "\x21\xf9\x04\x04\x0a\x00\x00\x00"
	netscape = "\x21\xff\x0bNETSCAPE2.0\x03\x01\x05\x00\x00"
)

// subBlocks splits s as GIF does.
func subBlocks(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		n := min(len(s), 255)
		b.WriteByte(byte(n))
		b.WriteString(s[:n])
		s = s[n:]
	}
	return b.String() + "\x00"
}

// xmpInGIF is an XMP packet as Adobe puts it into a GIF, with its 258 bytes that lead every reader to the end.
func xmpInGIF(packet string) string {
	b := []byte("\x21\xff\x0bXMP DataXMP" + packet + "\x01")
	for i := 255; i >= 0; i-- {
		b = append(b, byte(i))
	}
	return string(append(b, 0))
}

func TestGIFPixelsAreTheSame(t *testing.T) {
	files := withSamples(t, makePictures(t, "gif"), "formats/*.gif")
	for name, in := range files {
		files[name] = bytes.Replace(in, []byte("\x21\xf9"), []byte("\x21\xfe"+subBlocks("CANARY")+"\x21\xf9"), 1)
	}
	samePixels(t, files, stripped(t))
	// And with Go's own decoder, all frames.
	m := gif.GIF{LoopCount: 3}
	for i := range 3 {
		p := image.NewPaletted(image.Rect(0, 0, 40, 30), palette.Plan9)
		draw.Draw(p, p.Rect, scene(40, 30), image.Pt(i, i), draw.Src)
		m.Image, m.Delay = append(m.Image, p), append(m.Delay, 10*i)
	}
	var in bytes.Buffer
	if err := gif.EncodeAll(&in, &m); err != nil {
		t.Fatal(err)
	}
	out, _ := strip(t, append(in.Bytes(), "CANARY"...))
	got, err := gif.DecodeAll(bytes.NewReader(out))
	if err != nil || len(got.Image) != 3 || got.LoopCount != 3 {
		t.Fatalf("copy: %d frames, loop %d, %v", len(got.Image), got.LoopCount, err)
	}
	for i := range got.Image {
		if !bytes.Equal(got.Image[i].Pix, m.Image[i].Pix) || got.Delay[i] != m.Delay[i] {
			t.Errorf("frame %d differs", i)
		}
	}
}

func TestGIFBlocksThatStay(t *testing.T) {
	icc := func(p string) string { return "\x21\xff\x0bICCRGBG1012" + subBlocks(p) }
	profile := iccProfile(600, 600)
	for _, c := range []struct{ name, in, want string }{
		{"picture", gifFrame, gifFrame},
		{"control, repetition, profile", netscape + icc(profile) + control + gifFrame, netscape + icc(profile) + control + gifFrame},
		{"ANIMEXTS1.0", strings.Replace(netscape, "NETSCAPE2.0", "ANIMEXTS1.0", 1) + gifFrame, strings.Replace(netscape, "NETSCAPE2.0", "ANIMEXTS1.0", 1) + gifFrame},
		{"comments and text go", "\x21\xfe" + subBlocks("CANARY") + control + "\x21\x01" + subBlocks("CANARY") + gifFrame + "\x21\xfe" + subBlocks(strings.Repeat("CANARY", 90)), control + gifFrame},
		{"XMP goes", xmpInGIF("<x:xmpmeta>CANARY,;</x:xmpmeta>") + gifFrame, gifFrame},
		{"unknown applications and labels go", "\x21\xff\x0bMGK8BIM0000" + subBlocks("CANARY") + "\x21\x77" + subBlocks("CANARY") + gifFrame, gifFrame},
		{"repetition loses what follows it", "\x21\xff\x0bNETSCAPE2.0\x03\x01\x05\x00\x06CANARY\x00" + gifFrame, netscape + gifFrame},
		{"a buffer size goes", "\x21\xff\x0bNETSCAPE2.0\x05\x02\x00\x00\x01\x00\x00" + gifFrame, gifFrame},
		{"control loses what follows it", "\x21\xf9\x0a\x04\x0a\x00\x00CANARY\x00" + gifFrame, control + gifFrame},
		{"profile of another length goes", icc(profile+"CANARY") + gifFrame, gifFrame},
		{"profile behind the picture goes", gifFrame + icc(profile), gifFrame},
		{"trailer goes", gifFrame + ";CANARY", gifFrame},
	} {
		in := gifHead + c.in + ";"
		if out, _ := strip(t, []byte(in)); string(out) != gifHead+c.want+";" {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, out, gifHead+c.want+";")
		}
	}
}

func TestEndOfAGIF(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"no trailer", gifFrame, gifFrame},
		{"cut between blocks of data", strings.TrimSuffix(gifFrame, "\x00"), strings.TrimSuffix(gifFrame, "\x00")},
		{"cut in a block of data", control + "\x21\xfe\x00" + gifFrame + gifFrame[:13], control + gifFrame + gifFrame[:13]},
		{"cut behind a block's length", gifFrame[:12], gifFrame[:12]},
		{"cut in a later description", gifFrame + gifFrame[:5], gifFrame},
		{"cut in a later extension", gifFrame + "\x21\xfe\x10CAN", gifFrame},
	} {
		if out, _ := strip(t, []byte(gifHead+c.in)); string(out) != gifHead+c.want {
			t.Errorf("%s:\ngot  %q\nwant %q", c.name, out, gifHead+c.want)
		}
	}
}

func TestDamagedGIF(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"cut in the head", gifHead[:10], "ends before its picture"},
		{"cut in the colours", gifHead[:15], "ends before its picture"},
		{"head alone", gifHead, "ends before its picture"},
		{"no picture", gifHead + ";", "without a picture"},
		{"cut before the first picture", gifHead + "\x21\xfe\x10CAN", "ends before its picture"},
		{"unknown block", gifHead + "\x55" + gifFrame, "unknown kind"},
		{"LZW codes of 12 bits", gifHead + strings.Replace(gifFrame, "\x00\x02\x02\x0c", "\x00\x0c\x02\x0c", 1), "LZW"},
	} {
		_, err := metadata.Strip(strings.NewReader(c.in), int64(len(c.in)))
		if !errors.Is(err, metadata.ErrDamaged) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want a *DamagedError with %q", c.name, err, c.want)
		}
	}
}

func FuzzStripGIF(f *testing.F) {
	f.Add([]byte(gifHead + netscape + control + gifFrame + "\x21\xfe" + subBlocks("x") + gifFrame + ";trailer"))
	f.Add([]byte(gifHead + xmpInGIF("<x/>") + "\x21\xff\x0bICCRGBG1012" + subBlocks(iccProfile(300, 300)) + gifFrame))
	f.Add([]byte(gifHead + gifFrame[:12]))
	f.Fuzz(stripFuzz)
}
