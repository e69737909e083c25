package render

import (
	"encoding/binary"
	"math"

	"glassine/transform/pixel/vips"
)

// maxBlur is the largest Job.Blur: its mask grows with it, and so does the work.
const maxBlur = 250

// normalise makes 8 bits of RGB or grey, with or without alpha, and settles what Job.ICC says of the profile: afterwards the
// picture has a profile only if it is to be kept.
func (w *work) normalise(image *vips.Image) (*vips.Image, error) {
	profile, err := w.profile(image)
	if err != nil {
		return nil, err
	}
	cmyk := image.Interpretation() == "cmyk"
	space := profileSpace(profile)
	fits := space == "RGB " && image.Bands() >= 3 || space == "GRAY" && image.Bands() <= 2
	keep := fits && w.job.ICC == "" && !cmyk && w.job.Format != "gif" && !w.job.Facts
	if space == "GRAY" && w.paints() {
		keep = false // there will be colours, which a profile of greys has no room for
	}
	if cmyk || fits && !keep && w.job.ICC != "strip" {
		if image, err = w.toProfile(image); err != nil {
			return nil, err
		}
	}
	if image, err = w.toSRGB(image); err != nil {
		return nil, err
	}
	if image.Bands() < 3 && w.paints() {
		if image, err = w.Image("colourspace", vips.Args{"in": image, "space": "srgb"}); err != nil {
			return nil, err
		}
	}
	if image, err = w.Image("copy", vips.Args{"in": image}); err != nil {
		return nil, err
	}
	if keep {
		return image, w.SetField(image, profileField, profile)
	}
	image.RemoveField(profileField)
	return image, nil
}

const profileField = "icc-profile-data"

// profile returns the picture's ICC profile, as long as its header says (ICC.1:2022, section 7.2): what a file has behind it is no
// profile. nil when there is none.
func (w *work) profile(image *vips.Image) ([]byte, error) {
	data, err := w.Field(image, profileField)
	if err != nil || data == nil {
		return nil, err
	}
	b := data.([]byte)
	if len(b) < 128 || string(b[36:40]) != "acsp" {
		return nil, nil
	}
	size := binary.BigEndian.Uint32(b)
	if size < 128 || uint64(size) > uint64(len(b)) {
		return nil, nil
	}
	return b[:size], nil
}

// profileSpace is the colour space that a profile is for, such as "RGB " (ICC.1:2022, section 7.2.8); "" without one.
func profileSpace(profile []byte) string {
	if profile == nil {
		return ""
	}
	return string(profile[16:20])
}

// toProfile converts to sRGB by the picture's own profile, or for CMYK without one by a common one. A profile that cannot be
// used counts as none.
func (w *work) toProfile(image *vips.Image) (*vips.Image, error) {
	args := vips.Args{"in": image, "output_profile": "srgb", "embedded": true, "intent": "perceptual"}
	if image.Interpretation() == "cmyk" {
		args["input_profile"] = "cmyk"
	}
	out, err := w.Image("icc_transform", args)
	if err == nil {
		return out, nil
	}
	if image, err = w.Image("copy", vips.Args{"in": image}); err != nil {
		return nil, err
	}
	image.RemoveField(profileField)
	return image, nil
}

// paints says whether the job may put colours on the picture.
func (w *work) paints() bool {
	j := w.job
	return j.Background != nil || j.Border != nil || len(j.Watermarks) > 0 || len(j.Texts) > 0 || j.Facts
}

// adjust does Brightness, Contrast, Saturation and Gamma, in this order.
func (w *work) adjust(image *vips.Image) (*vips.Image, error) {
	j := w.job
	brightness, contrast, saturation, gamma := value(j.Brightness), value(j.Contrast), value(j.Saturation), value(j.Gamma)
	first := func(v float64) float64 { return (v*brightness-0.5)*contrast + 0.5 }
	second := func(v float64) float64 { return math.Pow(v, 1/gamma) }
	if saturation == 1 || image.Bands() < 3 {
		both := func(v float64) float64 { return second(math.Max(0, math.Min(1, first(v)))) }
		return w.curve(image, both)
	}
	return through(image,
		func(image *vips.Image) (*vips.Image, error) { return w.curve(image, first) },
		func(image *vips.Image) (*vips.Image, error) { return w.saturate(image, saturation) },
		func(image *vips.Image) (*vips.Image, error) { return w.curve(image, second) })
}

// curve maps every value of colour, 0 to 1, by f.
func (w *work) curve(image *vips.Image, f func(float64) float64) (*vips.Image, error) {
	bands, colours := image.Bands(), image.Bands()
	if image.HasAlpha() {
		colours--
	}
	table := make([]byte, 256*bands)
	same := true
	for v := range 256 {
		mapped := byte(math.Round(255 * math.Max(0, math.Min(1, f(float64(v)/255)))))
		same = same && int(mapped) == v
		for band := range bands {
			table[v*bands+band] = byte(v)
			if band < colours {
				table[v*bands+band] = mapped
			}
		}
	}
	if same {
		return image, nil
	}
	lut, err := w.Memory(table, 256, 1, bands)
	if err != nil {
		return nil, err
	}
	return w.Image("maplut", vips.Args{"in": image, "lut": lut})
}

// saturate moves colours from the grey of their luminance, by the matrix of Filter Effects Module Level 1, feColorMatrix,
// type saturate.
func (w *work) saturate(image *vips.Image, s float64) (*vips.Image, error) {
	matrix := []float64{
		0.213 + 0.787*s, 0.715 - 0.715*s, 0.072 - 0.072*s,
		0.213 - 0.213*s, 0.715 + 0.285*s, 0.072 - 0.072*s,
		0.213 - 0.213*s, 0.715 - 0.715*s, 0.072 + 0.928*s,
	}
	n := 3
	if image.HasAlpha() {
		n = 4
		matrix = []float64{
			matrix[0], matrix[1], matrix[2], 0,
			matrix[3], matrix[4], matrix[5], 0,
			matrix[6], matrix[7], matrix[8], 0,
			0, 0, 0, 1,
		}
	}
	m, err := w.Matrix(matrix, n, n)
	if err != nil {
		return nil, err
	}
	image, err = w.Image("recomb", vips.Args{"in": image, "m": m})
	if err != nil {
		return nil, err
	}
	return w.cast("uchar")(image)
}

// blur does Job.Blur.
func (w *work) blur(image *vips.Image) (*vips.Image, error) {
	const ends = 0.05 // the mask ends where it falls below this
	if math.Exp(-1/(2*w.job.Blur*w.job.Blur)) < ends {
		return image, nil // the mask would be one pixel
	}
	return w.premultiplied(image, func(image *vips.Image) (*vips.Image, error) {
		return w.Image("gaussblur", vips.Args{"in": image, "sigma": w.job.Blur, "min_ampl": ends})
	})
}

// sharpen does Job.Sharpen: on lightness alone, and not in flat areas, so that noise stays.
func (w *work) sharpen(image *vips.Image) (*vips.Image, error) {
	if w.job.Sharpen == 0 {
		return image, nil
	}
	space := image.Interpretation()
	image, err := w.Image("sharpen", vips.Args{"in": image, "sigma": 1.0, "m1": 0.0, "m2": 2 * w.job.Sharpen})
	if err != nil {
		return nil, err
	}
	if image.Interpretation() != space {
		if image, err = w.Image("colourspace", vips.Args{"in": image, "space": space}); err != nil {
			return nil, err
		}
	}
	return w.cast("uchar")(image)
}
