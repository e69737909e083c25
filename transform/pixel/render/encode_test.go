package render

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"math/rand/v2"
	"testing"

	"golang.org/x/image/tiff"
)

// noise is a picture that compresses badly.
func noise(width, height int) *image.NRGBA {
	m := scene(width, height)
	random := rand.New(rand.NewPCG(1, 2))
	for i := range m.Pix {
		if i%4 != 3 {
			m.Pix[i] = uint8(max(0, min(255, int(m.Pix[i])+random.IntN(40)-20)))
		}
	}
	return m
}

func TestFormats(t *testing.T) {
	r := renderer(t)
	m := scene(200, 150)
	sources := map[string][]byte{"png": asPNG(t, m), "jpeg": asJPEG(t, m)}
	for _, format := range []string{"webp", "gif", "tiff", "avif"} {
		sources[format] = sharpFile(t, sources["png"], []any{format})
	}
	for from, file := range sources {
		for _, c := range []struct {
			to   string
			said string // sharp's name
			most float64
		}{{"jpeg", "jpeg", 6}, {"png", "png", 6}, {"webp", "webp", 6}, {"gif", "gif", 8}, {"tiff", "tiff", 6}, {"avif", "heif", 8}} {
			t.Run(from+" to "+c.to, func(t *testing.T) {
				got := render(t, r, Job{Source: from, SourceWidth: 200, SourceHeight: 150, Width: 100, Format: c.to}, file)
				said := inspect(t, got.Body)
				if said.Format != c.said || said.Width != 100 || said.Height != 75 || got.Format != c.to || got.Width != 100 || got.Height != 75 || got.Frames != 1 {
					t.Errorf("result = %s %d x %d, sharp finds %s %d x %d", got.Format, got.Width, got.Height, said.Format, said.Width, said.Height)
				}
				want := sharpPixels(t, file, []any{"resize", 100})
				if d := difference(t, sharpPixels(t, got.Body), want); d > c.most {
					t.Errorf("mean difference from sharp's resize = %.2f, want at most %v", d, c.most)
				}
			})
		}
	}
}

func TestSettings(t *testing.T) {
	r := renderer(t)
	m := noise(160, 120)
	file := asPNG(t, m)
	size := func(t *testing.T, job func(*Job)) int {
		t.Helper()
		return len(render(t, r, pngJob(160, 120).with(job), file).Body)
	}
	for _, format := range []string{"jpeg", "webp", "avif"} {
		t.Run(format+" is smaller at a lower quality, and has a default", func(t *testing.T) {
			at := func(quality int) int {
				return size(t, func(j *Job) { j.Format, j.Quality = format, quality })
			}
			if low, usual, high := at(20), at(0), at(95); low >= usual || usual >= high || usual != at(DefaultQuality(format)) {
				t.Errorf("bytes at 20, by default, at 95 = %d, %d, %d; at %d %d", low, usual, high, DefaultQuality(format), at(DefaultQuality(format)))
			}
		})
	}
	t.Run("JPEG is progressive when asked", func(t *testing.T) {
		for _, c := range []struct {
			baseline, progressive, want bool
		}{{false, false, false}, {true, false, false}, {false, true, true}, {true, true, false}} {
			got := render(t, r, pngJob(160, 120).with(func(j *Job) { j.Format, j.Baseline, j.Progressive = "jpeg", c.baseline, c.progressive }), file)
			if said := inspect(t, got.Body); said.IsProgressive != c.want {
				t.Errorf("baseline %v, progressive %v: sharp finds progressive = %v", c.baseline, c.progressive, said.IsProgressive)
			}
		}
	})
	t.Run("PNG is interlaced when asked", func(t *testing.T) {
		got := render(t, r, pngJob(160, 120).with(func(j *Job) { j.Progressive = true }), file)
		if interlace := got.Body[28]; interlace != 1 {
			t.Errorf("interlace method = %d, want 1", interlace)
		}
	})
	t.Run("PNG has a palette when asked", func(t *testing.T) {
		got := render(t, r, pngJob(160, 120).with(func(j *Job) { j.Palette = true }), file)
		if _, ok := decode(t, got.Body).(*image.Paletted); !ok {
			t.Errorf("decoded to %T", decode(t, got.Body))
		}
	})
	t.Run("lossless is", func(t *testing.T) {
		for _, format := range []string{"webp", "avif"} {
			got := render(t, r, pngJob(160, 120).with(func(j *Job) { j.Format, j.Lossless = format, true }), file)
			most := 0.0
			if format == "avif" {
				most = 1 // the way to Y'CbCr and back rounds
			}
			if d := difference(t, sharpPixels(t, got.Body), m); d > most {
				t.Errorf("%s: mean difference = %v", format, d)
			}
		}
		for _, format := range []string{"png", "tiff"} {
			got := render(t, r, pngJob(160, 120).with(func(j *Job) { j.Format = format }), file)
			if d := difference(t, sharpPixels(t, got.Body), m); d != 0 {
				t.Errorf("%s: mean difference = %v", format, d)
			}
		}
	})
	t.Run("fast still makes the picture", func(t *testing.T) {
		for _, format := range []string{"jpeg", "png", "webp", "avif", "gif"} {
			got := render(t, r, pngJob(160, 120).with(func(j *Job) { j.Format, j.Fast = format, true }), file)
			if d := difference(t, sharpPixels(t, got.Body), m); d > 15 {
				t.Errorf("%s: mean difference = %v", format, d)
			}
		}
	})
}

// The smallest results, and the longest.
func TestExtremeSizes(t *testing.T) {
	r := renderer(t)
	file := asPNG(t, scene(40, 30))
	for _, format := range []string{"jpeg", "png", "webp", "gif", "tiff", "avif"} {
		for _, size := range [][2]int{{1, 1}, {2, 1}, {1, 3}, {MaxSide, 2}, {2, MaxSide}} {
			job := pngJob(40, 30).with(func(j *Job) { j.Width, j.Height, j.Fit, j.Format, j.Fast = size[0], size[1], FitSqueeze, format, true })
			got := render(t, r, job, file)
			if said := inspect(t, got.Body); said.Width != size[0] || said.Height != size[1] {
				t.Errorf("%s of %v: sharp finds %d x %d", format, size, said.Width, said.Height)
			}
		}
	}
}

func TestMaxBytes(t *testing.T) {
	r := renderer(t)
	file := asPNG(t, noise(160, 120))
	for _, format := range []string{"jpeg", "webp", "avif"} {
		t.Run(format, func(t *testing.T) {
			job := pngJob(160, 120).with(func(j *Job) { j.Format, j.Quality, j.Fast = format, 90, true })
			full := render(t, r, job, file)
			loose := render(t, r, job.with(func(j *Job) { j.MaxBytes = int64(len(full.Body)) }), file)
			if !bytes.Equal(loose.Body, full.Body) {
				t.Errorf("a bound that is met changes the result: %d bytes, want %d", len(loose.Body), len(full.Body))
			}
			limit := int64(len(full.Body) / 2)
			got := render(t, r, job.with(func(j *Job) { j.MaxBytes = limit }), file)
			if n := int64(len(got.Body)); n > limit || n < limit/2 {
				t.Errorf("%d bytes within %d", n, limit)
			}
			_, err := r.Render(job.with(func(j *Job) { j.MaxBytes = 50 }), file)
			if fault, ok := errors.AsType[*InputError](err); !ok {
				t.Errorf("50 bytes: %v, want an *InputError", err)
			} else {
				t.Log(fault.Reason)
			}
		})
	}
	t.Run("a format without quality", func(t *testing.T) {
		job := pngJob(160, 120)
		full := render(t, r, job, file)
		if _, err := r.Render(job.with(func(j *Job) { j.MaxBytes = int64(len(full.Body)) - 1 }), file); !isInput(err) {
			t.Errorf("%v, want an *InputError", err)
		}
		render(t, r, job.with(func(j *Job) { j.MaxBytes = int64(len(full.Body)) }), file)
	})
}

func isInput(err error) bool {
	_, ok := errors.AsType[*InputError](err)
	return ok
}

// Pictures of other kinds of pixel than 8 bits of RGB.
func TestKindsOfPixel(t *testing.T) {
	r := renderer(t)
	m := scene(120, 90)
	deep := image.NewNRGBA64(m.Rect)
	deepGrey := image.NewGray16(m.Rect)
	bits := image.NewPaletted(m.Rect, color.Palette{color.Black, color.White})
	for y := range 90 {
		for x := range 120 {
			deep.Set(x, y, m.At(x, y))
			deepGrey.Set(x, y, m.At(x, y))
			bits.SetColorIndex(x, y, uint8(x/40%2))
		}
	}
	var deepTIFF, cmykJPEG bytes.Buffer
	if err := tiff.Encode(&deepTIFF, deep, nil); err != nil {
		t.Fatal(err)
	}
	cmykJPEG.Write(sharpFile(t, asPNG(t, m), []any{"toColourspace", "cmyk"}, []any{"jpeg", map[string]any{"quality": 98, "chromaSubsampling": "4:4:4"}}))
	if said := inspect(t, cmykJPEG.Bytes()); said.Space != "cmyk" {
		t.Fatalf("sharp made a JPEG of %s", said.Space)
	}
	encodeGIF := func() []byte {
		var b bytes.Buffer
		if err := gif.Encode(&b, bits, nil); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for _, c := range []struct {
		name, source string
		file         []byte
		want         image.Image
		most         float64
		channels     int // of a PNG result
	}{
		{"16 bits", "png", asPNG(t, deep), m, 0.5, 3},
		{"16 bits of TIFF", "tiff", deepTIFF.Bytes(), m, 0.5, 4},
		{"grey", "png", asPNG(t, greyed(m)), greyed(m), 0, 1},
		{"16 bits of grey", "png", asPNG(t, deepGrey), greyed(m), 1, 1},
		{"grey JPEG", "jpeg", asJPEG(t, greyed(m)), greyed(m), 2, 1},
		{"a palette", "gif", encodeGIF(), bits, 0, 3},
		{"one bit", "png", asPNG(t, bits), bits, 0, 3},
		{"CMYK", "jpeg", cmykJPEG.Bytes(), nil, 2, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			job := pngJob(120, 90)
			job.Source = c.source
			got := render(t, r, job, c.file)
			want := c.want
			if want == nil {
				want = sharpPixels(t, c.file) // by the profile inside
			}
			if d := difference(t, decode(t, got.Body), want); d > c.most {
				t.Errorf("mean difference = %.2f, want at most %v", d, c.most)
			}
			said := inspect(t, got.Body)
			if said.Channels != c.channels || c.name == "CMYK" && said.HasProfile {
				t.Errorf("%d channels, profile %v; want %d channels", said.Channels, said.HasProfile, c.channels)
			}
			config, err := png.DecodeConfig(bytes.NewReader(got.Body))
			if err != nil || config.ColorModel == color.NRGBA64Model || config.ColorModel == color.RGBA64Model || config.ColorModel == color.Gray16Model {
				t.Errorf("PNG of %v, %v; want 8 bits", config.ColorModel, err)
			}
			for _, format := range []string{"jpeg", "webp", "gif", "avif", "tiff"} {
				job.Format, job.Width, job.Blur, job.Sharpen, job.Padding, job.Radius = format, 60, 1, 1, [4]int{1, 1, 1, 1}, 3
				job.Texts = []Text{{Text: "x", Size: 10, Colour: Colour{A: 255}}}
				if res := render(t, r, job, c.file); res.Width != 62 {
					t.Errorf("%s: width = %d, want 62", format, res.Width)
				}
			}
		})
	}
}

func TestAlphaOnJPEG(t *testing.T) {
	r := renderer(t)
	file := asPNG(t, plainColour(32, 32, color.NRGBA{200, 0, 0, 128}))
	job := pngJob(32, 32).with(func(j *Job) { j.Format, j.Quality = "jpeg", 98 })
	expect(t, decode(t, render(t, r, job, file).Body), 16, 16, color.NRGBA{227, 127, 127, 255}, 4)
	job.Background = &Colour{0, 0, 200, 255}
	expect(t, decode(t, render(t, r, job, file).Body), 16, 16, color.NRGBA{100, 0, 100, 255}, 4)
	job.Background = &Colour{0, 0, 0, 0} // transparent, which JPEG is not
	expect(t, decode(t, render(t, r, job, file).Body), 16, 16, color.NRGBA{227, 127, 127, 255}, 4)
	job.Background, job.Radius = nil, 10
	expect(t, decode(t, render(t, r, job, file).Body), 0, 0, white, 12)
}

func TestICC(t *testing.T) {
	r := renderer(t)
	plain := asPNG(t, plainColour(40, 40, color.NRGBA{200, 60, 60, 255}))
	// withIccProfile converts: the same colour has other numbers in P3.
	wide := sharpFile(t, plain, []any{"withIccProfile", "p3"}, []any{"png"})
	numbers := pixel(decode(t, wide), 20, 20)
	if near(numbers, color.NRGBA{200, 60, 60, 255}, 4) {
		t.Fatalf("sharp made P3 with the numbers of sRGB: %v", numbers)
	}
	for _, c := range []struct {
		icc, format string
		want        color.NRGBA
		profile     bool
	}{
		{"", "png", numbers, true},
		{"", "webp", numbers, true},
		{"", "tiff", numbers, true},
		{"srgb", "png", color.NRGBA{200, 60, 60, 255}, false},
		{"strip", "png", numbers, false},
		{"", "gif", color.NRGBA{200, 60, 60, 255}, false}, // it has no place for a profile
	} {
		t.Run(c.icc+" "+c.format, func(t *testing.T) {
			got := render(t, r, pngJob(40, 40).with(func(j *Job) { j.ICC, j.Format, j.Lossless = c.icc, c.format, true }), wide)
			if said := inspect(t, got.Body); said.HasProfile != c.profile {
				t.Errorf("sharp finds a profile: %v, want %v", said.HasProfile, c.profile)
			}
			stored := sharp(t, question{Input: got.Body, Options: map[string]any{"ignoreIcc": true}, Want: "raw"}).Data
			if p := (color.NRGBA{stored[0], stored[1], stored[2], 255}); !near(p, c.want, 3) {
				t.Errorf("colour = %v, want %v", p, c.want)
			}
		})
	}
	t.Run("JPEG and AVIF keep it too", func(t *testing.T) {
		for _, format := range []string{"jpeg", "avif"} {
			got := render(t, r, pngJob(40, 40).with(func(j *Job) { j.Format = format }), wide)
			if said := inspect(t, got.Body); !said.HasProfile {
				t.Errorf("%s: sharp finds no profile", format)
			}
		}
	})
}
