package render

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"testing"
)

// stored is how a picture lies in a file of an orientation.
func stored(upright *image.NRGBA, orientation int) *image.NRGBA {
	t := uprightTurn(orientation)
	width, height := t.size(upright.Rect.Dx(), upright.Rect.Dy())
	out := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			at := t.rect(rect{x, y, 1, 1}, width, height)
			out.SetNRGBA(x, y, upright.NRGBAAt(at.x, at.y))
		}
	}
	return out
}

func TestOrientations(t *testing.T) {
	r := renderer(t)
	upright := scene(96, 64)
	for _, c := range []struct {
		format  string
		options map[string]any
		most    float64 // mean difference
	}{
		{"jpeg", map[string]any{"quality": 95, "chromaSubsampling": "4:4:4"}, 3},
		{"png", map[string]any{}, 0},
		{"webp", map[string]any{"lossless": true}, 0},
		{"tiff", map[string]any{"compression": "lzw"}, 0},
		{"avif", map[string]any{"quality": 90}, 3},
	} {
		for orientation := 1; orientation <= 8; orientation++ {
			t.Run(fmt.Sprintf("%s of orientation %d", c.format, orientation), func(t *testing.T) {
				m := stored(upright, orientation)
				file := sharpFile(t, asPNG(t, m),
					[]any{"withMetadata", map[string]any{"orientation": orientation}}, []any{c.format, c.options})
				if said := inspect(t, file); orientation > 1 && c.format != "avif" && said.Orientation != orientation {
					t.Fatalf("sharp wrote orientation %d", said.Orientation)
				}
				job := pngJob(m.Rect.Dx(), m.Rect.Dy())
				job.Source, job.Orientation = c.format, orientation
				got := decode(t, render(t, r, job, file).Body)
				if d := difference(t, got, upright); d > c.most {
					t.Errorf("mean difference from the upright picture = %.2f, want at most %v", d, c.most)
				}
				small := render(t, r, job.with(func(j *Job) { j.Width = 24 }), file)
				if small.Width != 24 || small.Height != 16 {
					t.Errorf("24 wide = %d x %d, want 24 x 16", small.Width, small.Height)
				}
				for i, at := range []image.Point{{2, 2}, {21, 2}, {21, 13}, {2, 13}} {
					expect(t, decode(t, small.Body), at.X, at.Y, corner[i], 25)
				}
			})
		}
	}
}

// An Exif block that is put in says what a viewer does with the pixels, so it must say that they are upright.
func TestExifDoesNotTurnAgain(t *testing.T) {
	r := renderer(t)
	upright := scene(96, 64)
	file := asPNG(t, stored(upright, 6))
	for _, order := range []binary.AppendByteOrder{binary.BigEndian, binary.LittleEndian} {
		block := exifBlock(order, 6, "A canary of the maker")
		for _, format := range []string{"jpeg", "png", "webp", "avif"} {
			result := render(t, r, Job{Source: "png", SourceWidth: 64, SourceHeight: 96, Orientation: 6, Format: format, Exif: block, Quality: 95}, file)
			if said := inspect(t, result.Body); said.Orientation > 1 || said.Exif == 0 || said.Width != 96 {
				t.Errorf("%s, %v: sharp finds orientation %d, %d bytes of Exif, width %d; want none, some, 96",
					format, order, said.Orientation, said.Exif, said.Width)
			}
			if !bytes.Contains(result.Body, []byte("A canary of the maker")) {
				t.Errorf("%s, %v: what the block says is not in the result", format, order)
			}
			got := sharpPixels(t, result.Body, []any{"autoOrient"})
			if d := difference(t, got, upright); d > 6 {
				t.Errorf("%s, %v: turned by sharp, the mean difference is %.2f", format, order, d)
			}
		}
		if block[0] == 'M' && !bytes.Equal(block, exifBlock(order, 6, "A canary of the maker")) {
			t.Error("the caller's block was changed")
		}
	}
}

// exifBlock is a block that says an orientation and a maker (TIFF 6.0, section 2).
func exifBlock(order binary.AppendByteOrder, orientation uint16, maker string) []byte {
	b := []byte("II*\x00")
	if order == binary.AppendByteOrder(binary.BigEndian) {
		b = []byte("MM\x00*")
	}
	maker += "\x00"
	b = order.AppendUint32(b, 8)
	b = order.AppendUint16(b, 2)
	b = order.AppendUint32(order.AppendUint16(order.AppendUint16(b, 271), 2), uint32(len(maker)))
	b = order.AppendUint32(b, 8+2+2*12+4)
	b = order.AppendUint32(order.AppendUint16(order.AppendUint16(b, 274), 3), 1)
	b = order.AppendUint16(order.AppendUint16(b, orientation), 0)
	b = order.AppendUint32(b, 0)
	return append(b, maker...)
}

// An Exif block comes from a stranger's file.
func FuzzUprightExif(f *testing.F) {
	f.Add(exifBlock(binary.BigEndian, 6, "maker"))
	f.Add(exifBlock(binary.LittleEndian, 8, "maker"))
	f.Add([]byte("MM\x00*\xff\xff\xff\xff"))
	f.Add([]byte("II"))
	f.Fuzz(func(t *testing.T, block []byte) {
		if got := uprightExif(block); len(got) != len(block) {
			t.Errorf("%d bytes of %d", len(got), len(block))
		}
	})
}
