package pixel

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"glassine/transform/metadata"
	"glassine/transform/pixel/render"
)

func TestLimits(t *testing.T) {
	jpeg := metadata.Header{Format: metadata.JPEG, Width: 1000, Height: 1000, Frames: 1}
	with := func(change func(*metadata.Header)) metadata.Header {
		h := jpeg
		change(&h)
		return h
	}
	for _, c := range []struct {
		name     string
		h        metadata.Header
		size     int64
		limits   Limits
		limit    string // of the error, "" for none
		max, got int64
	}{
		{"a usual picture", jpeg, 1 << 20, Limits{}, "", 0, 0},
		{"the largest file", jpeg, 64 << 20, Limits{}, "", 0, 0},
		{"a larger file", jpeg, 64<<20 + 1, Limits{}, "SourceBytes", 64 << 20, 64<<20 + 1},
		{"100 million pixels of a JPEG", with(func(h *metadata.Header) { h.Width, h.Height = 10000, 10000 }), 1, Limits{}, "", 0, 0},
		{"more of a JPEG", with(func(h *metadata.Header) { h.Width, h.Height = 10000, 10001 }), 1, Limits{}, "BaselinePixels", 100e6, 100010000},
		{"as many of a PNG", with(func(h *metadata.Header) { h.Format, h.Width, h.Height = metadata.PNG, 10000, 10000 }), 1, Limits{}, "Pixels", 50e6, 100e6},
		{"50 million of a PNG", with(func(h *metadata.Header) { h.Format, h.Width, h.Height = metadata.PNG, 10000, 5000 }), 1, Limits{}, "", 0, 0},
		{"as many of an interlaced PNG", with(func(h *metadata.Header) { h.Format, h.Width, h.Height, h.Interlaced = metadata.PNG, 10000, 5000, true }), 1, Limits{}, "InterlacedPixels", 32e6, 50e6},
		{"as many of a progressive JPEG", with(func(h *metadata.Header) { h.Width, h.Height, h.Interlaced = 10000, 5000, true }), 1, Limits{}, "InterlacedPixels", 32e6, 50e6},
		{"pixels beyond 64 bits", with(func(h *metadata.Header) { h.Width, h.Height = math.MaxInt64/2, 3 }), 1, Limits{}, "BaselinePixels", 100e6, math.MaxInt64},
		{"300 frames", with(func(h *metadata.Header) {
			h.Format, h.Frames, h.Animated, h.Width, h.Height = metadata.GIF, 300, true, 100, 100
		}), 1, Limits{}, "", 0, 0},
		{"301 frames", with(func(h *metadata.Header) {
			h.Format, h.Frames, h.Animated, h.Width, h.Height = metadata.GIF, 301, true, 100, 100
		}), 1, Limits{}, "Frames", 300, 301},
		{"301 pages", with(func(h *metadata.Header) { h.Format, h.Frames = metadata.TIFF, 301 }), 1, Limits{}, "", 0, 0},
		{"too much of all frames", with(func(h *metadata.Header) { h.Format, h.Frames, h.Animated = metadata.WebP, 251, true }), 1, Limits{}, "FramePixels", 250e6, 251e6},
		{"frames beyond 64 bits", with(func(h *metadata.Header) {
			h.Format, h.Frames, h.Animated, h.Width = metadata.GIF, 300, true, math.MaxInt64/1001
		}), 1, Limits{Pixels: math.MaxInt64}, "FramePixels", 250e6, math.MaxInt64},
		{"a picture whose frames only a decoder counts", with(func(h *metadata.Header) { h.Format, h.Frames, h.Animated = metadata.WebP, 0, true }), 1, Limits{}, "", 0, 0},
		{"an SVG without a size", metadata.Header{Format: metadata.SVG, Frames: 1}, 1, Limits{}, "", 0, 0},
		{"a limit of one's own", jpeg, 1, Limits{BaselinePixels: 5}, "BaselinePixels", 5, 1e6},
	} {
		check(t, c.name, c.limits.Check(c.h, c.size), c.limit, c.max, c.got)
	}
}

func check(t *testing.T, name string, err error, limit string, most, got int64) {
	t.Helper()
	e, _ := errors.AsType[*LimitError](err)
	switch {
	case limit == "" && err != nil:
		t.Errorf("%s: %v, want no error", name, err)
	case limit != "" && (e == nil || *e != LimitError{limit, most, got}):
		t.Errorf("%s: %+v (%v), want %s, %d of %d", name, e, err, limit, got, most)
	}
}

func TestResultLimits(t *testing.T) {
	source := render.Job{Source: "jpeg", SourceWidth: 9000, SourceHeight: 3000}
	thin := render.Job{Source: "png", SourceWidth: 10, SourceHeight: 10000}
	with := func(j render.Job, change func(*render.Job)) render.Job {
		change(&j)
		return j
	}
	for _, c := range []struct {
		name     string
		job      render.Job
		limit    string
		max, got int64
	}{
		{"the source's own size", source, "ResultSide", 8192, 9000},
		{"made smaller", with(source, func(j *render.Job) { j.Width = 800 }), "", 0, 0},
		{"not enlarged", with(source, func(j *render.Job) { j.SourceWidth, j.Width = 900, 16000 }), "", 0, 0},
		{"enlarged", with(source, func(j *render.Job) { j.Width, j.Fit = 8193, render.FitContain }), "ResultSide", 8192, 8193},
		{"as large as can be", with(source, func(j *render.Job) { j.Width, j.Fit = 8192, render.FitContain }), "", 0, 0},
		{"a side that follows from the other", with(thin, func(j *render.Job) { j.Width, j.Fit = 800, render.FitCover }), "ResultSide", 8192, 800000},
		{"a side that follows, not enlarged", with(thin, func(j *render.Job) { j.Width, j.Height = 800, 8000 }), "", 0, 0},
		{"around an area", with(thin, func(j *render.Job) { j.Width, j.Height, j.Fit = 100, 100, render.FitOutside }), "ResultSide", 8192, 100000},
		{"cut to an area", with(thin, func(j *render.Job) { j.Width, j.Height, j.Fit = 100, 100, render.FitCover }), "", 0, 0},
		{"cut, not enlarged", with(thin, func(j *render.Job) { j.Width, j.Height, j.Fit = 5, 100, render.FitCrop }), "", 0, 0},
		{"stretched", with(thin, func(j *render.Job) { j.Width, j.Height, j.Fit = 8192, 8192, render.FitSqueeze }), "", 0, 0},
		{"a part", with(source, func(j *render.Job) { j.Crop = &render.Crop{Width: 8000} }), "", 0, 0},
		{"a part by fractions", with(source, func(j *render.Job) { j.Crop = &render.Crop{Width: 0.5, Height: 1, Relative: true} }), "", 0, 0},
		{"a part that is no number", with(source, func(j *render.Job) { j.Crop = &render.Crop{Width: math.Inf(1), Height: math.NaN(), Relative: true} }), "ResultSide", 8192, 9000},
		{"turned", with(source, func(j *render.Job) { j.Orientation, j.Height, j.Fit = 6, 8000, render.FitContain }), "", 0, 0},
		{"turned twice", with(source, func(j *render.Job) { j.Orientation, j.Rotate, j.Height, j.Fit = 6, 90, 8000, render.FitContain }), "ResultSide", 8192, 24000},
		{"padded", with(source, func(j *render.Job) { j.Width, j.Padding = 8000, [4]int{0, 100, 0, 93} }), "ResultSide", 8192, 8193},
		{"many frames", with(source, func(j *render.Job) { j.SourceWidth, j.SourceHeight, j.Frames = 1000, 1000, 251 }), "FramePixels", 250e6, 251e6},
		{"an SVG without a size", render.Job{Source: "svg", Width: 8193}, "ResultSide", 8192, 8193},
	} {
		check(t, c.name, Limits{}.CheckResult(c.job), c.limit, c.max, c.got)
	}
	if text := (&LimitError{"ResultSide", 8192, 9000}).Error(); text != "Too many pixels of the result's longer side: 9000, and 8192 are the most." {
		t.Errorf("text = %q", text)
	}
}

// bomb is a PNG of nothing but zeros: bits per pixel 1 (greys) or 32 (RGBA).
func bomb(t *testing.T, side, bits int, interlaced bool) []byte {
	t.Helper()
	var idat bytes.Buffer
	z, err := zlib.NewWriterLevel(&idat, zlib.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	rows := func(width, height int) {
		row := make([]byte, 1+(width*bits+7)/8) // a filter byte before each (PNG, section 7.2)
		for range height {
			if _, err := z.Write(row); err != nil {
				t.Fatal(err)
			}
		}
	}
	method := byte(0)
	if interlaced {
		method = 1
		// Adam7's seven passes: where each begins and its steps (PNG, section 8.2).
		for _, p := range [][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}} {
			rows((side-p[0]+p[2]-1)/p[2], (side-p[1]+p[3]-1)/p[3])
		}
	} else {
		rows(side, side)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	depth, colour := byte(1), byte(0)
	if bits == 32 {
		depth, colour = 8, 6
	}
	out := []byte("\x89PNG\r\n\x1a\n")
	chunk := func(name string, data []byte) {
		out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
		begin := len(out)
		out = append(append(out, name...), data...)
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[begin:]))
	}
	head := binary.BigEndian.AppendUint32(nil, uint32(side))
	head = binary.BigEndian.AppendUint32(head, uint32(side))
	chunk("IHDR", append(head, depth, colour, 0, 0, method))
	chunk("IDAT", idat.Bytes())
	chunk("IEND", nil)
	return out
}

// The two PNG files that cost the most in measurements never come to a decoder.
func TestBombsAreRefusedByTheirHeaders(t *testing.T) {
	if testing.Short() {
		t.Skip("compresses a gigabyte of zeros")
	}
	for _, c := range []struct {
		name       string
		side, bits int
		interlaced bool
		limit      string
	}{
		{"30000 x 30000, 1 bit", 30000, 1, false, "Pixels"},
		{"16000 x 16000 RGBA, interlaced", 16000, 32, true, "InterlacedPixels"},
	} {
		file := bomb(t, c.side, c.bits, c.interlaced)
		if len(file) > 8<<20 {
			t.Fatalf("%s: the file has %d bytes", c.name, len(file))
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		h, err := metadata.ReadHeader(readerAt{bytes.NewReader(file)}, int64(len(file)))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		err = Limits{}.Check(h, int64(len(file)))
		runtime.ReadMemStats(&after)
		e, ok := errors.AsType[*LimitError](err)
		if !ok || e.Limit != c.limit || e.Got != int64(c.side)*int64(c.side) || !strings.Contains(e.Error(), "pixels") {
			t.Errorf("%s: %v, want the limit %s", c.name, err, c.limit)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 256<<10 {
			t.Errorf("%s: reading its header took %d bytes of memory", c.name, used)
		}
	}
}

// readerAt hides that the bytes are in memory already.
type readerAt struct{ io.ReaderAt }

func FuzzLimits(f *testing.F) {
	f.Add(int64(1000), int64(1000), 1, int64(5), true, 800, 600, 6, 90, 0.5, 0.5, true, "cover")
	f.Add(int64(math.MaxInt64), int64(math.MaxInt64), math.MaxInt, int64(math.MaxInt64), true, math.MaxInt, math.MaxInt, 8, 270, math.Inf(1), math.NaN(), false, "outside")
	f.Add(int64(0), int64(0), 0, int64(0), false, 0, 0, 0, 0, 0.0, 0.0, false, "")
	f.Fuzz(func(t *testing.T, w, h int64, frames int, size int64, animated bool, width, height, orientation, rotate int, cropW, cropH float64, relative bool, fit string) {
		if w < 0 || h < 0 || width < 0 || height < 0 {
			return // ReadHeader and the parameters' parser give none
		}
		_ = Limits{}.Check(metadata.Header{Format: metadata.GIF, Width: w, Height: h, Frames: frames, Animated: animated}, size)
		err := Limits{}.CheckResult(render.Job{
			SourceWidth: w, SourceHeight: h, Width: width, Height: height, Orientation: orientation, Rotate: rotate, Frames: frames, Fit: render.Fit(fit),
			Crop: &render.Crop{Width: cropW, Height: cropH, Relative: relative},
		})
		// Where the area is the result, it is bounded.
		if err == nil && fit == string(render.FitSqueeze) && max(width, height) > 8192 {
			t.Errorf("a result of %d x %d passes", width, height)
		}
	})
}
