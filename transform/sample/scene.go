//go:build ignore

package main

import (
	"image"
	"image/color"
	"math"
)

// rgb is a colour in linear light.
type rgb struct{ r, g, b float64 }

func (a rgb) mix(b rgb, t float64) rgb {
	t = max(0, min(1, t))
	return rgb{a.r + (b.r-a.r)*t, a.g + (b.g-a.g)*t, a.b + (b.b-a.b)*t}
}
func (a rgb) add(b rgb, k float64) rgb { return rgb{a.r + b.r*k, a.g + b.g*k, a.b + b.b*k} }
func (a rgb) times(k float64) rgb      { return rgb{a.r * k, a.g * k, a.b * k} }

// hash returns a number in [0,1) for a lattice point.
func hash(x, y, seed int) float64 {
	h := uint64(x)*0x9e3779b97f4a7c15 ^ uint64(y)*0xc2b2ae3d27d4eb4f ^ uint64(seed)*0x165667b19e3779f9
	h ^= h >> 31
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 29
	h *= 0x94d049bb133111eb
	h ^= h >> 32
	return float64(h>>11) / (1 << 53)
}

// noise is value noise in [0,1).
func noise(x, y float64, seed int) float64 {
	fx, fy := math.Floor(x), math.Floor(y)
	ix, iy := int(fx), int(fy)
	tx, ty := x-fx, y-fy
	tx, ty = tx*tx*tx*(tx*(tx*6-15)+10), ty*ty*ty*(ty*(ty*6-15)+10)
	a := hash(ix, iy, seed) + (hash(ix+1, iy, seed)-hash(ix, iy, seed))*tx
	b := hash(ix, iy+1, seed) + (hash(ix+1, iy+1, seed)-hash(ix, iy+1, seed))*tx
	return a + (b-a)*ty
}

// fractal sums octaves of noise, about 0.5 on average.
func fractal(x, y float64, octaves, seed int) float64 {
	sum, amp, norm := 0.0, 1.0, 0.0
	for o := range octaves {
		sum += amp * noise(x, y, seed+o)
		norm += amp
		amp *= 0.5
		x, y = x*2.03+17.1, y*2.03+9.7
	}
	return sum / norm
}

// ridged has sharp crests, as mountains have.
func ridged(x float64, octaves, seed int) float64 {
	sum, amp, norm := 0.0, 1.0, 0.0
	for o := range octaves {
		n := 1 - math.Abs(2*noise(x, 3.7, seed+o)-1)
		sum += amp * n * n
		norm += amp
		amp *= 0.48
		x = x*2.11 + 5.3
	}
	return sum / norm
}

const (
	horizon    = 0.64 // of the height, where the lake begins
	sunX, sunY = 0.62, 0.545
)

// sky returns the colour of the sky; u and v are 0 to 1, v downward.
func sky(u, v, aspect float64) rgb {
	top, high, middle, low := rgb{0.016, 0.032, 0.105}, rgb{0.075, 0.080, 0.235}, rgb{0.52, 0.20, 0.20}, rgb{1.10, 0.52, 0.18}
	t := v / horizon
	c := top.mix(high, t/0.45)
	if t > 0.35 {
		c = c.mix(middle, (t-0.35)/0.40)
	}
	if t > 0.65 {
		c = c.mix(low, (t-0.65)/0.30)
	}
	d := math.Hypot((u-sunX)*aspect, v-sunY)
	c = c.add(rgb{1.5, 0.72, 0.24}, 0.55*math.Exp(-d*9)).add(rgb{0.9, 0.30, 0.16}, 0.45*math.Exp(-d*2.6))

	// A few early stars.
	if gx, gy := int(u*400), int(v*300); hash(gx, gy, 901) > 0.9965 {
		dx, dy := u*400-float64(gx)-0.5, v*300-float64(gy)-0.5
		c = c.add(rgb{0.9, 0.95, 1}, 0.8*math.Exp(-(dx*dx+dy*dy)*14)*(1-smooth(0.15, 0.55, t)))
	}

	// Two layers of cloud, stretched along the horizon and lit from below.
	for layer := range 2 {
		s := float64(layer)
		x, y := u*aspect*(2.2+2.0*s), v*(7+6*s)
		warp := fractal(x*0.9, y*0.9, 4, 40+layer*10)
		n := fractal(x+1.4*warp, y+0.9*warp, 6, 60+layer*10)
		cover := smooth(0.52, 0.74, n) * smooth(0.02, 0.25, t) * (1 - smooth(0.86, 1.0, t))
		shade := smooth(0.50, 0.90, n)
		lit := rgb{1.25, 0.46, 0.26}.mix(rgb{1.5, 0.95, 0.5}, math.Exp(-d*4)).times(0.35 + 0.95*math.Exp(-d*1.6))
		dark := rgb{0.11, 0.075, 0.15}.mix(rgb{0.30, 0.13, 0.14}, t)
		c = c.mix(lit.mix(dark, shade), cover*(0.80-0.2*s))
	}
	disc := smooth(0.0305, 0.0285, d)
	return c.mix(rgb{3.2, 2.1, 1.05}, disc)
}

func smooth(a, b, x float64) float64 {
	t := max(0, min(1, (x-a)/(b-a)))
	return t * t * (3 - 2*t)
}

// ridge is one range of mountains.
type ridge struct {
	base, height, scale float64
	seed                int
	color               rgb
	haze                float64
	trees               float64 // how far trees stand out of the crest
}

var ridges = []ridge{
	{0.600, 0.235, 2.1, 100, rgb{0.150, 0.085, 0.150}, 0.62, 0},
	{0.620, 0.165, 3.0, 130, rgb{0.085, 0.050, 0.100}, 0.40, 0},
	{0.632, 0.105, 4.1, 160, rgb{0.040, 0.030, 0.060}, 0.20, 0},
	{0.640, 0.052, 6.0, 190, rgb{0.010, 0.012, 0.020}, 0.04, 0.020},
}

// crest returns the height of r's edge at u.
func (r *ridge) crest(u, aspect float64) float64 {
	x := u*aspect*r.scale + float64(r.seed)
	h := r.height * ridged(x, 7, r.seed)
	// A gap where the sun stands.
	h *= 1 - 0.45*math.Exp(-math.Pow((u-sunX)*4.2, 2))
	if r.trees > 0 {
		n := math.Floor(u * 210)
		f := u*210 - n
		tall := 0.35 + 0.65*hash(int(n), 1, r.seed)
		h += r.trees * tall * (1 - math.Abs(2*f-1)) * (0.75 + 0.5*noise(u*900, 0.5, r.seed))
	}
	return r.base - h
}

// land returns the view above the water.
func land(u, v, aspect, pixel float64) rgb {
	c := sky(u, v, aspect)
	d := math.Hypot((u-sunX)*aspect, v-sunY)
	for i := range ridges {
		r := &ridges[i]
		top := r.crest(u, aspect)
		if v < top-pixel {
			continue
		}
		// Slopes: darker and lighter faces, snow high up, haze below.
		face := fractal(u*aspect*r.scale*6, v*30, 5, r.seed+50)
		col := r.color.times(0.55 + 0.9*face)
		deep := (v - top) / max(r.height, 0.01)
		if i < 2 {
			snow := smooth(0.55, 0.72, fractal(u*aspect*r.scale*9+4, v*60, 5, r.seed+70)) * (1 - smooth(0.05, 0.45, deep))
			col = col.mix(rgb{0.62, 0.36, 0.38}, 0.55*snow)
		}
		glow := rgb{0.85, 0.36, 0.19}.times(0.35 + 0.9*math.Exp(-d*3))
		col = col.mix(glow, r.haze*(0.35+0.65*smooth(0, 1.0, deep)))
		col = col.add(rgb{1.2, 0.55, 0.2}, 0.25*math.Exp(-deep*40)*math.Exp(-d*5)*(1-r.trees*40))
		c = c.mix(col, smooth(top-pixel, top+pixel, v))
	}
	return c
}

// water returns the lake: the view mirrored, shaken by waves that grow towards the shore.
func water(u, v, aspect, pixel float64) rgb {
	depth := (v - horizon) / (1 - horizon)
	k := 1 / (0.03 + depth)
	wave := fractal(u*aspect*14*k*0.35, v*260*math.Sqrt(k)*0.35, 5, 300) - 0.5
	swell := fractal(u*aspect*3, v*60, 4, 330) - 0.5
	amp := 0.004 + 0.055*depth
	mu := u + (wave*0.35+swell*0.15)*amp
	mv := horizon - (v-horizon)*(0.98+0.25*depth) + wave*amp*1.5
	c := land(mu, max(0.001, min(mv, horizon-0.0005)), aspect, pixel*3)
	// Seen steeply, water reflects less and is darker.
	c = c.times(0.80-0.42*depth).mix(rgb{0.008, 0.016, 0.040}, 0.10+0.30*depth)
	// The sun's road.
	road := math.Exp(-math.Pow((u-sunX)*aspect/(0.018+0.12*depth), 2))
	c = c.add(rgb{1.9, 0.95, 0.36}, road*smooth(0.02, 0.20, wave+0.06)*(0.9-0.6*depth))
	return c
}

// shore draws the near bank: stones and grass, black against the water.
func shore(c rgb, u, v, aspect float64) rgb {
	edge := 0.965 - 0.10*math.Pow(math.Abs(u-0.42)*1.25, 1.6) + 0.020*(fractal(u*aspect*7, 1.5, 5, 400)-0.5)
	blades := 0.0
	for layer := range 3 {
		n := 320 + 130*float64(layer)
		x := u*n + 6*(fractal(u*9, v*9, 2, 410+layer)-0.5)
		i := math.Floor(x)
		tall := 0.055 * math.Pow(hash(int(i), layer, 420), 2.2) * smooth(0.12, 0.5, math.Abs(u-0.42))
		f := math.Abs(2*(x-i)-1) + (hash(int(i), layer, 430)-0.5)*0.5
		blades = max(blades, tall*(1-f))
	}
	ground := rgb{0.010, 0.010, 0.014}.times(0.5 + 1.4*fractal(u*aspect*40, v*55, 5, 440))
	return c.mix(ground, smooth(edge-blades-0.0012, edge-blades+0.0012, v))
}

// tone maps linear light to an 8-bit value of sRGB, with a soft shoulder.
func tone(v float64) float64 {
	v = v * (1 + v/9) / (1 + v*0.85)
	if v <= 0.0031308 {
		return 12.92 * v
	}
	return 1.055*math.Pow(min(v, 1), 1/2.4) - 0.055
}

// render computes the picture as it is meant to be seen.
func render(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	aspect, pixel := float64(w)/float64(h), 0.7/float64(h)
	for y := range h {
		for x := range w {
			u, v := (float64(x)+0.5)/float64(w), (float64(y)+0.5)/float64(h)
			var c rgb
			if v < horizon {
				c = land(u, v, aspect, pixel)
			} else {
				c = water(u, v, aspect, pixel)
			}
			c = shore(c, u, v, aspect)
			// The lens darkens the corners; the film has grain.
			vignette := 1 - 0.38*(math.Pow((u-0.5)*1.25, 2)+math.Pow((v-0.5)*1.15, 2))
			c = c.times(1.25 * vignette)
			grain := (hash(x, y, 777) + hash(x, y, 778) - 1) * 0.011
			put := func(l float64) uint8 { return uint8(max(0, min(255, math.Round((tone(l)+grain)*255)))) }
			img.SetRGBA(x, y, color.RGBA{put(c.r), put(c.g), put(c.b), 255})
		}
	}
	return img
}
