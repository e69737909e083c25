package render

import "math"

// factsSide is the longest side of the picture that facts are found on: the most that ThumbHash takes.
const factsSide = 100

// facts finds Result.Facts.
func (w *work) facts() (*Result, error) {
	j := *w.job
	j.Width, j.Height, j.Fit, j.Format = factsSide, factsSide, FitScaleDown, "png"
	w.job = &j
	loaded, plan, err := w.load()
	if err != nil {
		return nil, err
	}
	image, err := w.frame(loaded, 0, plan)
	if err == nil {
		image, err = through(image, w.normalise, w.adjust, w.withAlpha)
	}
	if err != nil {
		return nil, w.explain(err)
	}
	pixels, err := w.Pixels(image)
	if err != nil {
		return nil, w.explain(err)
	}
	width, height := image.Width(), image.Height()
	f := &Facts{Dominant: dominant(pixels), ThumbHash: thumbHash(pixels, width, height)}
	if height > width {
		f.BlurHash = blurHash(pixels, width, height, 3, 4)
	} else {
		f.BlurHash = blurHash(pixels, width, height, 4, 3)
	}
	result := &Result{Frames: 1, Facts: f}
	result.Width, result.Height = plan.turn.size(w.header.width, w.header.height)
	return result, nil
}

// dominant is the average of the fullest of 16 x 16 x 16 boxes of colour, by alpha. Pixels are RGBA.
func dominant(pixels []byte) Colour {
	type box struct{ r, g, b, weight int }
	boxes := make(map[int]*box)
	var fullest *box
	for p := 0; p+4 <= len(pixels); p += 4 {
		r, g, b, a := int(pixels[p]), int(pixels[p+1]), int(pixels[p+2]), int(pixels[p+3])
		key := r>>4<<8 | g>>4<<4 | b>>4
		x := boxes[key]
		if x == nil {
			x = &box{}
			boxes[key] = x
		}
		x.r, x.g, x.b, x.weight = x.r+r*a, x.g+g*a, x.b+b*a, x.weight+a
		if fullest == nil || x.weight > fullest.weight {
			fullest = x
		}
	}
	if fullest == nil || fullest.weight == 0 {
		return Colour{}
	}
	mean := func(sum int) uint8 { return uint8((sum + fullest.weight/2) / fullest.weight) }
	return Colour{mean(fullest.r), mean(fullest.g), mean(fullest.b), 255}
}

// base83 are the digits of BlurHash.
const base83 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz#$%*+,-.:;=?@[]^_{|}~"

// blurHash is the BlurHash of RGBA pixels over white, with nx x ny components (github.com/woltapp/blurhash, Algorithm.md and
// TypeScript/src/encode.ts).
func blurHash(pixels []byte, width, height, nx, ny int) string {
	linear := make([][3]float64, width*height)
	for i := range linear {
		a := float64(pixels[4*i+3])
		for c := range 3 {
			linear[i][c] = decodeSRGB((float64(pixels[4*i+c])*a + 255*(255-a)) / 255)
		}
	}
	factors := make([][3]float64, 0, nx*ny)
	for j := range ny {
		for i := range nx {
			factors = append(factors, blurFactor(linear, width, height, i, j))
		}
	}
	var largest float64
	for _, f := range factors[1:] {
		largest = max(largest, math.Abs(f[0]), math.Abs(f[1]), math.Abs(f[2]))
	}
	quantised := max(0, min(82, int(math.Floor(largest*166-0.5))))
	scale := float64(quantised+1) / 166
	out := digits(nil, nx-1+(ny-1)*9, 1)
	out = digits(out, quantised, 1)
	dc := factors[0]
	out = digits(out, encodeSRGB(dc[0])<<16|encodeSRGB(dc[1])<<8|encodeSRGB(dc[2]), 4)
	for _, f := range factors[1:] {
		v := 0
		for c := range 3 {
			root := math.Copysign(math.Sqrt(math.Abs(f[c]/scale)), f[c])
			v = v*19 + max(0, min(18, int(math.Floor(root*9+9.5))))
		}
		out = digits(out, v, 2)
	}
	return string(out)
}

func blurFactor(linear [][3]float64, width, height, i, j int) [3]float64 {
	norm := 2.0
	if i == 0 && j == 0 {
		norm = 1
	}
	var sum [3]float64
	for y := range height {
		fy := norm * math.Cos(math.Pi*float64(j)*float64(y)/float64(height))
		for x := range width {
			basis := fy * math.Cos(math.Pi*float64(i)*float64(x)/float64(width))
			p := linear[y*width+x]
			sum[0], sum[1], sum[2] = sum[0]+basis*p[0], sum[1]+basis*p[1], sum[2]+basis*p[2]
		}
	}
	n := float64(width * height)
	return [3]float64{sum[0] / n, sum[1] / n, sum[2] / n}
}

func digits(out []byte, v, length int) []byte {
	for place := length - 1; place >= 0; place-- {
		out = append(out, base83[v/int(math.Pow(83, float64(place)))%83])
	}
	return out
}

// decodeSRGB makes linear light, 0 to 1, of a value of 0 to 255 (IEC 61966-2-1).
func decodeSRGB(v float64) float64 {
	v /= 255
	if v <= 0.04045 {
		return v / 12.92
	}
	return math.Pow((v+0.055)/1.055, 2.4)
}

func encodeSRGB(v float64) int {
	v = math.Max(0, math.Min(1, v))
	if v <= 0.0031308 {
		return int(v*12.92*255 + 0.5)
	}
	return int((1.055*math.Pow(v, 1/2.4)-0.055)*255 + 0.5)
}

// thumbHash is the ThumbHash of RGBA pixels of at most 100 x 100 (github.com/evanw/thumbhash, js/thumbhash.js).
func thumbHash(pixels []byte, width, height int) []byte {
	n := width * height
	var average [3]float64
	var alphaSum float64
	for i := range n {
		a := float64(pixels[4*i+3]) / 255
		for c := range 3 {
			average[c] += a / 255 * float64(pixels[4*i+c])
		}
		alphaSum += a
	}
	if alphaSum > 0 {
		for c := range 3 {
			average[c] /= alphaSum
		}
	}
	hasAlpha := alphaSum < float64(n)
	// Luminance, yellow-blue, red-green, alpha.
	var planes [4][]float64
	for c := range planes {
		planes[c] = make([]float64, n)
	}
	for i := range n {
		a := float64(pixels[4*i+3]) / 255
		mix := func(c int) float64 { return average[c]*(1-a) + a/255*float64(pixels[4*i+c]) }
		r, g, b := mix(0), mix(1), mix(2)
		planes[0][i], planes[1][i], planes[2][i], planes[3][i] = (r+g+b)/3, (r+g)/2-b, r-g, a
	}
	limit := 7.0
	if hasAlpha {
		limit = 5
	}
	longer := float64(max(width, height))
	lx := max(1, roundHalfUp(limit*float64(width)/longer))
	ly := max(1, roundHalfUp(limit*float64(height)/longer))
	l := thumbChannel(planes[0], width, height, max(3, lx), max(3, ly))
	p := thumbChannel(planes[1], width, height, 3, 3)
	q := thumbChannel(planes[2], width, height, 3, 3)
	channels := []channel{l, p, q}
	header24 := roundHalfUp(63*l.dc) | roundHalfUp(31.5+31.5*p.dc)<<6 | roundHalfUp(31.5+31.5*q.dc)<<12 | roundHalfUp(31*l.scale)<<18
	header16 := lx | roundHalfUp(63*p.scale)<<3 | roundHalfUp(63*q.scale)<<9
	if width > height {
		header16 = header16&^7 | ly | 1<<15
	}
	if hasAlpha {
		header24 |= 1 << 23
	}
	hash := []byte{byte(header24), byte(header24 >> 8), byte(header24 >> 16), byte(header16), byte(header16 >> 8)}
	if hasAlpha {
		a := thumbChannel(planes[3], width, height, 5, 5)
		channels = append(channels, a)
		hash = append(hash, byte(roundHalfUp(15*a.dc)|roundHalfUp(15*a.scale)<<4))
	}
	half := false
	for _, c := range channels {
		for _, f := range c.ac {
			v := byte(roundHalfUp(15 * f))
			if half {
				hash[len(hash)-1] |= v << 4
			} else {
				hash = append(hash, v)
			}
			half = !half
		}
	}
	return hash
}

// channel is a plane of colour as ThumbHash tells it: the average, waves of 0 to 1, and what they are to be scaled by.
type channel struct {
	dc, scale float64
	ac        []float64
}

func thumbChannel(plane []float64, width, height, nx, ny int) channel {
	var out channel
	fx := make([]float64, width)
	for cy := range ny {
		for cx := 0; cx*ny < nx*(ny-cy); cx++ {
			for x := range fx {
				fx[x] = math.Cos(math.Pi / float64(width) * float64(cx) * (float64(x) + 0.5))
			}
			var f float64
			for y := range height {
				fy := math.Cos(math.Pi / float64(height) * float64(cy) * (float64(y) + 0.5))
				for x := range fx {
					f += plane[x+y*width] * fx[x] * fy
				}
			}
			f /= float64(width * height)
			if cx == 0 && cy == 0 {
				out.dc = f
				continue
			}
			out.ac = append(out.ac, f)
			out.scale = max(out.scale, math.Abs(f))
		}
	}
	if out.scale > 0 {
		for i := range out.ac {
			out.ac[i] = 0.5 + 0.5/out.scale*out.ac[i]
		}
	}
	return out
}

func roundHalfUp(v float64) int { return int(math.Floor(v + 0.5)) }
