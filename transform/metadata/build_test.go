package metadata_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"glassine/transform/metadata"
)

// scene is a picture with edges and gradients, w by h pixels.
func scene(w, h int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA{uint8(x * 255 / w), uint8(y * 255 / h), uint8((x ^ y) * 3), 255}
			if (x-w/3)*(x-w/3)+(y-h/2)*(y-h/2) < h*h/9 {
				c = color.NRGBA{250, uint8(x * 5), 20, 255}
			}
			img.SetNRGBA(x, y, c)
		}
	}
	return img
}

func baseline(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, scene(97, 61), &jpeg.Options{Quality: 88}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func ppm(img *image.NRGBA) []byte {
	b := fmt.Appendf(nil, "P6 %d %d 255\n", img.Rect.Dx(), img.Rect.Dy())
	for i := 0; i < len(img.Pix); i += 4 {
		b = append(b, img.Pix[i:i+3]...)
	}
	return b
}

func pngOf(t testing.TB, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// seg is one JPEG marker segment.
func seg(marker byte, payload string) string {
	return "\xff" + string([]byte{marker, byte((len(payload) + 2) >> 8), byte(len(payload) + 2)}) + payload
}

// afterSOI returns b with segments put where a camera puts its own.
func afterSOI(b []byte, segments ...string) []byte {
	out := bytes.Clone(b[:2])
	for _, s := range segments {
		out = append(out, s...)
	}
	return append(out, b[2:]...)
}

// beforeLast returns b with s put before the last occurrence of sep.
func beforeLast(b []byte, sep, s string) []byte {
	i := bytes.LastIndex(b, []byte(sep))
	return append(append(bytes.Clone(b[:i]), s...), b[i:]...)
}

// pngChunk is one PNG chunk with its CRC.
func pngChunk(kind, data string) string {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return string(binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:])))
}

// beforeChunk returns the PNG b with chunks put before its first chunk of the kind.
func beforeChunk(b []byte, kind string, chunks ...string) []byte {
	i := bytes.Index(b, []byte(kind)) - 4
	out := bytes.Clone(b[:i])
	for _, c := range chunks {
		out = append(out, c...)
	}
	return append(out, b[i:]...)
}

// orientedTIFF is an Exif block with a maker and an orientation.
func orientedTIFF(order binary.ByteOrder, o int) string {
	b := []byte("MM")
	if order == binary.LittleEndian {
		b = []byte("II")
	}
	u16 := func(v int) { b = append(b, 0, 0); order.PutUint16(b[len(b)-2:], uint16(v)) }
	u32 := func(v int) { b = append(b, 0, 0, 0, 0); order.PutUint32(b[len(b)-4:], uint32(v)) }
	u16(42)
	u32(8)
	u16(2)
	u16(0x10f) // Make, "CANARY-make"
	u16(2)
	u32(12)
	u32(8 + 2 + 24 + 4)
	u16(0x112)
	u16(3)
	u32(1)
	u16(o)
	u16(0)
	u32(0)
	return string(append(b, "CANARY-make\x00"...))
}

// iccProfile is a profile by its header only, n bytes long; declared is the length that it says it has.
func iccProfile(declared, n int) string {
	b := make([]byte, n)
	binary.BigEndian.PutUint32(b, uint32(declared))
	copy(b[36:], "acsp")
	return string(b)
}

// strip returns b's copy and fails the test when there is none.
func strip(t testing.TB, b []byte) ([]byte, *metadata.Plan) {
	t.Helper()
	p, err := metadata.Strip(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatalf("Strip: %v", err)
	}
	out, err := io.ReadAll(p.Reader(bytes.NewReader(b)))
	if err != nil {
		t.Fatalf("read the plan: %v", err)
	}
	if int64(len(out)) != p.Size {
		t.Fatalf("plan has Size %d and yields %d bytes", p.Size, len(out))
	}
	checkAccount(t, int64(len(b)), p)
	return out, p
}

// tool returns the path of an independent program that the tests ask. It is never skipped: without it they fail.
func tool(t testing.TB, name, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("this test asks %s: apt-get install %s", name, debianPackage)
	}
	return path
}

// run runs a program with in as its standard input and returns its standard output.
func run(t testing.TB, in []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(in)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && filepath.Base(name) == "djpeg" && exit.ExitCode() == 2 {
		err = nil // djpeg's way of saying that it decoded with a warning
	}
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", filepath.Base(name), args, err, errs.Bytes())
	}
	return out.Bytes()
}

// decode returns the pixels that djpeg, of libjpeg-turbo, makes of b.
func decode(t testing.TB, b []byte) []byte {
	t.Helper()
	return run(t, b, tool(t, "djpeg", "libjpeg-turbo-progs"), "-pnm")
}

func writeFile(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// samples returns the files of GLASSINE_SAMPLES that match pattern; none when it is not set.
func samples(t testing.TB, pattern string) []string {
	t.Helper()
	dir := os.Getenv("GLASSINE_SAMPLES")
	if dir == "" {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("GLASSINE_SAMPLES has no %s: %v", pattern, err)
	}
	return files
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
