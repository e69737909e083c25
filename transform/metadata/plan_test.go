package metadata_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"glassine/transform/metadata"
	"glassine/transform/sample"
)

func TestPlanReader(t *testing.T) {
	in := sample.JPEG
	want, p := strip(t, in)
	if p.Format != metadata.JPEG || p.ContentType != "image/jpeg" || p.Orientation != 6 {
		t.Errorf("plan: got %s, %s, orientation %d", p.Format, p.ContentType, p.Orientation)
	}
	if err := iotest.TestReader(p.Reader(bytes.NewReader(in)), want); err != nil {
		t.Error(err)
	}
	var b bytes.Buffer
	r := p.Reader(bytes.NewReader(in))
	io.CopyN(&b, onlyReader{r}, 1001)
	n, err := r.(io.WriterTo).WriteTo(&b)
	if err != nil || n != p.Size-1001 || !bytes.Equal(b.Bytes(), want) {
		t.Errorf("WriteTo after 1001 bytes: got %d more, %v, want %d", n, err, p.Size-1001)
	}
	if _, err := p.Reader(bytes.NewReader(in)).(io.WriterTo).WriteTo(shortWriter{}); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("WriteTo of a writer that fails: got %v", err)
	}
	_, err = io.ReadAll(p.Reader(bytes.NewReader(in[:len(in)/2])))
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("source that has become shorter: got %v, want io.ErrUnexpectedEOF", err)
	}
}

type onlyReader struct{ io.Reader }

type shortWriter struct{}

func (shortWriter) Write(p []byte) (int, error) { return 0, io.ErrShortWrite }

func TestSourceThatFails(t *testing.T) {
	broken := errors.New("disk on fire")
	for _, f := range []func(io.ReaderAt, int64) error{
		func(r io.ReaderAt, n int64) error { _, err := metadata.Strip(r, n); return err },
		func(r io.ReaderAt, n int64) error { _, err := metadata.EXIF(r, n); return err },
	} {
		for _, at := range []int64{0, 100, 70000, int64(len(sample.JPEG)) - 1} {
			err := f(&failing{bytes.NewReader(sample.JPEG), at, broken}, int64(len(sample.JPEG)))
			if err != nil && !errors.Is(err, broken) {
				t.Errorf("source that fails from %d on: got %v", at, err)
			}
		}
		if err := f(&failing{bytes.NewReader(sample.JPEG), 0, broken}, int64(len(sample.JPEG))); !errors.Is(err, broken) {
			t.Errorf("source that fails at once: got %v, want its error", err)
		}
	}
	if _, err := metadata.Strip(&failing{bytes.NewReader(sample.JPEG), 70000, broken}, int64(len(sample.JPEG))); !errors.Is(err, broken) {
		t.Errorf("source that fails in the scan: got %v, want its error", err)
	}
	if _, err := metadata.Strip(bytes.NewReader(sample.JPEG), int64(len(sample.JPEG))+10); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("source shorter than its size: got %v, want io.ErrUnexpectedEOF", err)
	}
}

// failing is a source that cannot be read past at.
type failing struct {
	r   *bytes.Reader
	at  int64
	err error
}

func (f *failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.at {
		return 0, f.err
	}
	return f.r.ReadAt(p, off)
}

// TestWindowBoundaries moves every marker of a scan across the boundary between two windows of 64 KiB.
func TestWindowBoundaries(t *testing.T) {
	base := baseline(t)
	sos := bytes.Index(base, []byte("\xff\xda"))
	head := base[:sos+14]
	for _, c := range []struct{ tail, kept string }{
		{"\xff\xd9CANARY", "\xff\xd9"},
		{"\xff\x00\xff\xd9CANARY", "\xff\x00\xff\xd9"},
		{"\xff\xff\x00\xff\xff\xd9CANARY", "\xff\xff\x00\xff\xd9"},
		{"\xff\xd0\xff\xff\xd1\xff\xd9CANARY", "\xff\xd0\xff\xff\xd1\xff\xd9"},
		{"\xff\xff\xff", "\xff\xd9"},
		{"\xff", "\xff\xd9"},
	} {
		for pad := 64<<10 - len(head) - 8; pad < 64<<10-len(head)+3; pad++ {
			scan := strings.Repeat("a", pad)
			out, _ := strip(t, append(bytes.Clone(head), scan+c.tail...))
			want := append(bytes.Clone(head), scan+c.kept...)
			if !bytes.Equal(out, want) {
				t.Errorf("scan of %d bytes and % x: copy ends in % x, want % x", pad, c.tail, out[len(out)-8:], want[len(want)-8:])
			}
		}
	}
}

// virtual is a JPEG of any size: head, then a scan of zeros, then EOI.
type virtual struct {
	head []byte
	size int64
}

func (v *virtual) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), v.size-off))
	clear(p[:n])
	if off < int64(len(v.head)) {
		copy(p[:n], v.head[off:])
	}
	for i, c := range []byte{0xff, 0xd9} {
		if at := v.size - 2 + int64(i) - off; at >= 0 && at < int64(n) {
			p[at] = c
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// TestMemory holds a strip to a fixed amount of memory, whatever the size of the file.
func TestMemory(t *testing.T) {
	base := baseline(t)
	many := strings.Repeat(seg(0xdd, "\x00\x00")+seg(0xfe, ""), 2000)
	head := afterSOI(base[:bytes.Index(base, []byte("\xff\xda"))+14], many)
	src := &virtual{head, 1 << 30}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	p, err := metadata.Strip(src, src.size)
	if err != nil {
		t.Fatal(err)
	}
	n, err := p.Reader(src).(io.WriterTo).WriteTo(io.Discard)
	runtime.ReadMemStats(&after)
	if err != nil || n != p.Size || n != src.size-2000*4 {
		t.Errorf("wrote %d bytes, %v; plan has %d", n, err, p.Size)
	}
	// 376 KiB on 2026-11-26: windows of 64 KiB, the plan's 2001 parts and the slices they grew from.
	const limit = 1 << 20
	if got := after.TotalAlloc - before.TotalAlloc; got > limit {
		t.Errorf("a strip of 1 GiB allocated %d bytes in all, want at most %d", got, limit)
	}
}

func BenchmarkStrip(b *testing.B) {
	in := sample.JPEG
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		src := bytes.NewReader(in)
		p, err := metadata.Strip(src, int64(len(in)))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := p.Reader(src).(io.WriterTo).WriteTo(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkExifJSON(b *testing.B) {
	block, err := metadata.EXIF(bytes.NewReader(sample.JPEG), int64(len(sample.JPEG)))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := metadata.ExifJSON(block); err != nil {
			b.Fatal(err)
		}
	}
}

// padded is a file of any size: head, zeros, tail.
type padded struct {
	head, tail string
	size       int64
}

func (v *padded) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), v.size-off))
	clear(p[:n])
	if off < int64(len(v.head)) {
		copy(p[:n], v.head[off:])
	}
	if at := v.size - int64(len(v.tail)); off+int64(n) > at {
		copy(p[max(at-off, 0):n], v.tail[max(off-at, 0):])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// TestMemoryOfContainers is TestMemory for the other formats.
func TestMemoryOfContainers(t *testing.T) {
	const size = 1 << 30
	le32 := func(v int) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(v))) }
	tiff := tiffImage()
	tiff.tags[8] = tiffTag{279, 4, []uint32{4, size - 4096}}
	h := heifIn{
		brands: heicBrands, items: []heifItemIn{{id: 1, kind: "hvc1", data: "x", properties: "\x81"}},
		properties: []string{isoBox("hvcC", "CONFIG")},
	}
	heif := string(h.write())
	mdat := strings.LastIndex(heif, "mdat") - 4
	heif = strings.Replace(heif[:mdat]+be32(size-mdat)+"mdat", be32(mdat+8)+be32(1), be32(mdat+8)+be32(size-mdat-8), 1)
	png := string(pngOf(t, scene(3, 3)))
	for _, c := range []struct {
		name string
		src  *padded
	}{
		{"WebP", &padded{head: "RIFF" + le32(size-8) + "WEBPVP8 " + le32(size-20) + vp8, size: size}},
		{"TIFF", &padded{head: string(writeTIFF(false, tiff)), size: size}},
		{"HEIF", &padded{head: heif, size: size}},
		{"JPEG XL", &padded{head: jxlHead + be32(size-32) + "jxlc" + jxlStream, size: size}},
		{"PNG, with a chunk of 1 GiB that goes", &padded{head: png[:33] + be32(size-len(png)-12) + "prVt", size: size, tail: "\x00\x00\x00\x00" + png[33:]}},
	} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		_, err := metadata.Strip(c.src, c.src.size)
		runtime.ReadMemStats(&after)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
			t.Errorf("%s: a strip of 1 GiB allocated %d bytes in all, want at most 1 MiB", c.name, got)
		}
	}
}
