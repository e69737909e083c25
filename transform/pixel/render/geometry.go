package render

import "math"

// rect is a part of a picture, in whole pixels.
type rect struct{ x, y, w, h int }

// turn is one of the eight ways a picture can lie: mirrored left to right first, if mirror, then turned clockwise by quarters.
type turn struct {
	mirror   bool
	quarters int // 0 to 3
}

// uprightTurn is what makes a picture of an Exif orientation upright (Exif 3.0, section 4.6.5.1.6, tag 274).
func uprightTurn(orientation int) turn {
	switch orientation {
	case 2:
		return turn{mirror: true}
	case 3:
		return turn{quarters: 2}
	case 4:
		return turn{mirror: true, quarters: 2}
	case 5:
		return turn{mirror: true, quarters: 3}
	case 6:
		return turn{quarters: 1}
	case 7:
		return turn{mirror: true, quarters: 1}
	case 8:
		return turn{quarters: 3}
	}
	return turn{}
}

// then is t followed by next. A mirror behind a turn is a mirror before the opposite turn.
func (t turn) then(next turn) turn {
	if next.mirror {
		return turn{!t.mirror, (next.quarters - t.quarters + 4) % 4}
	}
	return turn{t.mirror, (t.quarters + next.quarters) % 4}
}

// inverse undoes t.
func (t turn) inverse() turn {
	if t.mirror {
		return t // a mirror and a turn undo themselves
	}
	return turn{false, (4 - t.quarters) % 4}
}

// swaps says whether width and height change places.
func (t turn) swaps() bool { return t.quarters%2 == 1 }

// size is the size of a picture of w x h after t.
func (t turn) size(w, h int) (int, int) {
	if t.swaps() {
		return h, w
	}
	return w, h
}

// rect is where a part of a picture of w x h lies after t.
func (t turn) rect(r rect, w, h int) rect {
	if t.mirror {
		r.x = w - r.x - r.w
	}
	for range t.quarters {
		r = rect{h - r.y - r.h, r.x, r.h, r.w}
		w, h = h, w
	}
	return r
}

// turn is the whole turn that the job asks for.
func (j *Job) turn(orientation int) turn {
	t := uprightTurn(orientation).then(turn{quarters: j.Rotate / 90 % 4})
	if j.FlipHorizontal {
		t = t.then(turn{mirror: true})
	}
	if j.FlipVertical {
		t = t.then(turn{mirror: true, quarters: 2})
	}
	return t
}

// pixels is the crop within an upright picture of w x h, false when nothing of it lies inside.
func (c *Crop) pixels(w, h int) (rect, bool) {
	left, top, width, height := c.Left, c.Top, c.Width, c.Height
	if c.Relative {
		left, width = left*float64(w), width*float64(w)
		top, height = top*float64(h), height*float64(h)
	}
	x0, x1 := edges(left, width, w)
	y0, y1 := edges(top, height, h)
	return rect{x0, y0, x1 - x0, y1 - y0}, x1 > x0 && y1 > y0
}

// edges rounds a stretch to whole pixels, at least one, within 0 to limit. No width is the rest.
func edges(start, length float64, limit int) (int, int) {
	if length == 0 {
		length = float64(limit) - start
	}
	from := clamp(math.Round(start), limit)
	to := clamp(math.Round(start+length), limit)
	if to == from && length > 0 && start < float64(limit) && start+length > 0 {
		if to = from + 1; to > limit {
			from, to = limit-1, limit
		}
	}
	return from, to
}

func clamp(v float64, limit int) int {
	return int(math.Max(0, math.Min(v, float64(limit))))
}

// fitted is how a picture meets an area: it is scaled to width x height, and of that, or of more around that, comes outWidth x
// outHeight.
type fitted struct{ width, height, outWidth, outHeight int }

// fit does Job.Fit for a picture of w x h.
func (j *Job) fit(w, h int) fitted {
	if j.Width == 0 && j.Height == 0 {
		return fitted{w, h, w, h}
	}
	areaW, areaH := float64(j.Width), float64(j.Height)
	if j.Width == 0 {
		areaW = max(1, areaH*float64(w)/float64(h))
	}
	if j.Height == 0 {
		areaH = max(1, areaW*float64(h)/float64(w))
	}
	scaleX, scaleY := areaW/float64(w), areaH/float64(h)
	var scale float64
	switch j.Fit {
	case FitSqueeze:
		out := fitted{width: whole(areaW), height: whole(areaH)}
		out.outWidth, out.outHeight = out.width, out.height
		return out
	case FitCover, FitOutside:
		scale = max(scaleX, scaleY)
	case FitCrop:
		scale = min(1, max(scaleX, scaleY))
	case FitContain, FitPad:
		scale = min(scaleX, scaleY)
	default:
		scale = min(1, scaleX, scaleY)
	}
	out := fitted{width: whole(float64(w) * scale), height: whole(float64(h) * scale)}
	out.outWidth, out.outHeight = out.width, out.height
	switch j.Fit {
	case FitCover, FitPad:
		out.outWidth, out.outHeight = whole(areaW), whole(areaH)
	case FitCrop:
		out.outWidth, out.outHeight = min(out.width, whole(areaW)), min(out.height, whole(areaH))
	}
	return out
}

// whole rounds a length to pixels, at least one.
func whole(v float64) int { return max(1, int(math.Round(v))) }

// around is where a length of size begins in room to have a point in its middle, as far as the ends let. The point is given
// by a gravity of -1 to 1.
func around(size, room int, gravity float64) int {
	point := float64(room) * (gravity + 1) / 2
	return clamp(math.Round(point-float64(size)/2), room-size)
}

// place is where a length of size begins in room to lie at a gravity: -1 at the beginning, 0 in the middle, 1 at the end.
func place(size, room int, gravity float64) int {
	return int(math.Round(float64(room-size) * (gravity + 1) / 2))
}
