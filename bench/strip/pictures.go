package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"path/filepath"

	"glassine/transform/sample"
)

// pictures returns the files to work on: the camera JPEGs of GLASSINE_SAMPLES, else ones made from the sample in dir.
func pictures(dir string) (files []string, origin string, err error) {
	if samples := os.Getenv("GLASSINE_SAMPLES"); samples != "" {
		files, err = filepath.Glob(filepath.Join(samples, "photos", "*.jpg"))
		if err == nil && len(files) == 0 {
			err = fmt.Errorf("GLASSINE_SAMPLES has no photos/*.jpg")
		}
		return files, "camera JPEGs of GLASSINE_SAMPLES", err
	}
	for n := 1; n <= 3; n++ {
		b, err := tiled(n)
		if err != nil {
			return nil, "", err
		}
		file := filepath.Join(dir, fmt.Sprintf("sample-%dx%d.jpg", n, n))
		if err := os.WriteFile(file, b, 0o666); err != nil {
			return nil, "", err
		}
		files = append(files, file)
	}
	return files, "the sample picture, and 2x2 and 3x3 tiles of it", nil
}

// tiled returns the sample n times as wide and as high, with the sample's metadata.
func tiled(n int) ([]byte, error) {
	if n == 1 {
		return sample.JPEG, nil
	}
	img, err := jpeg.Decode(bytes.NewReader(sample.JPEG))
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, tiles{img, n}, &jpeg.Options{Quality: 91}); err != nil {
		return nil, err
	}
	// The metadata are the segments between SOI and the first quantization table.
	end := 2
	for sample.JPEG[end+1] != 0xdb {
		end += 2 + int(binary.BigEndian.Uint16(sample.JPEG[end+2:]))
	}
	return append(bytes.Clone(sample.JPEG[:end]), b.Bytes()[2:]...), nil
}

// tiles repeats a picture.
type tiles struct {
	image.Image
	n int
}

func (t tiles) Bounds() image.Rectangle {
	r := t.Image.Bounds()
	return image.Rect(0, 0, r.Dx()*t.n, r.Dy()*t.n)
}

func (t tiles) At(x, y int) color.Color {
	r := t.Image.Bounds()
	return t.Image.At(x%r.Dx(), y%r.Dy())
}
