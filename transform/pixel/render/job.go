// Package render makes one picture out of another with libvips, in this very process. A fault of the C library ends the
// process, so a server never calls it: package pixel does, in worker processes.
//
// Start at Open and Renderer.Render.
package render

// Job is what is to become of a picture. The zero value decodes it, turns it upright and encodes it in Format. The steps
// are done in the order of the fields. All lengths are pixels of the result: whoever makes the Job has multiplied them by
// the device pixel ratio, but for Crop and Trim, which count in the upright source.
type Job struct {
	// Source is the source's format by its content: "jpeg", "png", "webp", "gif", "tiff", "avif", "svg".
	Source string `json:"source"`
	// SourceWidth and SourceHeight are the source's as its header says them, before it is turned. A picture that decodes to another size
	// is refused, but for one that is the same turned (AVIF is turned by its decoder). An SVG may leave them out, and be a pixel
	// larger or smaller.
	SourceWidth  int64 `json:"sourceWidth"`
	SourceHeight int64 `json:"sourceHeight"`
	// Frames is the most frames to read: 0 and 1 mean the first alone. What the source has beyond is not looked at. Only GIF and WebP
	// sources and results hold more than one.
	Frames int `json:"frames,omitempty"`
	// Strict refuses a source that is damaged anywhere; else what can be decoded of it is used.
	Strict bool `json:"strict,omitempty"`

	// Orientation is the Exif orientation of the source, 1 to 8; the picture is turned upright by it first. 0 is 1. That of an
	// AVIF is not used: its properties irot and imir are part of decoding.
	Orientation int   `json:"orientation,omitempty"`
	Crop        *Crop `json:"crop,omitempty"`
	Trim        *Trim `json:"trim,omitempty"`
	// Rotate is clockwise, in degrees: 0, 90, 180 or 270.
	Rotate         int  `json:"rotate,omitempty"`
	FlipHorizontal bool `json:"flipHorizontal,omitempty"` // left becomes right
	FlipVertical   bool `json:"flipVertical,omitempty"`

	// Width and Height are the area that Fit is about; 0 follows from the other and the picture's proportions. Both 0: the
	// size stays.
	Width  int `json:"width,omitempty"`
	Height int `json:"height,omitempty"`
	// Fit is "" for FitScaleDown.
	Fit Fit `json:"fit,omitempty"`
	// Gravity says what stays when FitCover and FitCrop cut, and where FitPad puts the picture. Zero is the centre.
	Gravity Gravity `json:"gravity,omitzero"`

	// Brightness, Contrast, Saturation and Gamma are factors on sRGB-coded values, 1 changing nothing; nil is 1. Saturation 0 is
	// greys. Gamma above 1 makes the middle tones lighter.
	Brightness *float64 `json:"brightness,omitempty"`
	Contrast   *float64 `json:"contrast,omitempty"`
	Saturation *float64 `json:"saturation,omitempty"`
	Gamma      *float64 `json:"gamma,omitempty"`
	Blur       float64  `json:"blur,omitempty"`    // standard deviation, pixels, at most 250; below 0.41 nothing is done
	Sharpen    float64  `json:"sharpen,omitempty"` // strength, 0 to 10

	// Background fills transparent pixels, and what Fit, Padding and Radius lay bare. nil: transparent where the result can
	// be, else white. This and all colours below are laid on as numbers: in a picture that keeps a wide profile they look stronger.
	Background *Colour `json:"background,omitempty"`
	// Padding is put around the picture: top, right, bottom, left.
	Padding    [4]int      `json:"padding,omitzero"`
	Border     *Border     `json:"border,omitempty"`     // inside the picture's edge, over it
	Radius     int         `json:"radius,omitempty"`     // of rounded corners; RadiusMax makes an ellipse
	Watermarks []Watermark `json:"watermarks,omitempty"` // in this order, the last on top
	Texts      []Text      `json:"texts,omitempty"`      // above the watermarks

	// ICC says what becomes of the colour profile: "" keeps it, "srgb" converts the pixels to sRGB and drops it, "strip" drops
	// it. CMYK always becomes sRGB, and so does what has a profile that the result cannot hold: every GIF, and grey that is
	// painted on in colour. Results have 8 bits a value.
	ICC string `json:"icc,omitempty"`
	// Exif is a block to put in, from its TIFF header on; nil for none. It is put in as it is, but says orientation 1 where it says
	// one. GIF and TIFF results get none. No other metadata of the source stays.
	Exif []byte `json:"exif,omitempty"`

	// Format is "jpeg", "png", "webp", "gif", "tiff" or "avif".
	Format string `json:"format"`
	// Quality is 1 to 100; 0 is the format's default (DefaultQuality). It counts for JPEG, WebP, AVIF, and PNG with a Palette.
	Quality int `json:"quality,omitempty"`
	// Progressive makes a JPEG that is progressive, or a PNG that is interlaced. Neither is by default: it costs more to encode
	// and to decode. Baseline wins over it.
	Baseline    bool `json:"baseline,omitempty"`
	Progressive bool `json:"progressive,omitempty"`
	Lossless    bool `json:"lossless,omitempty"` // WebP and AVIF
	Palette     bool `json:"palette,omitempty"`  // PNG of at most 256 colours
	// Fast spends the least CPU on compressing.
	Fast bool `json:"fast,omitempty"`
	// MaxBytes lowers the quality, of formats that have one, until the result is no larger: the highest that is, found in at most
	// eight encodings. A result that cannot be is an *InputError. 0 is no bound.
	MaxBytes int64 `json:"maxBytes,omitempty"`

	// Facts makes no picture but Result.Facts, of the picture cropped, trimmed, turned and adjusted. Fit and what is painted do
	// not count.
	Facts bool `json:"facts,omitempty"`
}

// Fit is how a picture is made to meet an area.
type Fit string

// The ways there are; each is what Cloudflare Images calls so, but for "outside", which is sharp's.
const (
	FitScaleDown Fit = "scale-down" // within the area, never enlarged
	FitContain   Fit = "contain"    // within the area, as large as it can be
	FitCover     Fit = "cover"      // fills the area, and is cut
	FitCrop      Fit = "crop"       // like FitCover, never enlarged: a smaller picture is cut to the area's sides where it is larger
	FitPad       Fit = "pad"        // like FitContain, with background to fill the area
	FitSqueeze   Fit = "squeeze"    // exactly the area; proportions change
	FitOutside   Fit = "outside"    // covers the area, and is not cut
)

// Gravity is a point of the picture by which it is cut or placed.
type Gravity struct {
	// Mode is "" for a point, "attention" for what catches the eye, "entropy" for the most detail.
	Mode string `json:"mode,omitempty"`
	// X and Y move the point from the centre: -1 is left or top, 0 the centre, 1 right or bottom. What is cut has the point in its
	// middle, as far as the edges let; what is placed lies as far along its room.
	X float64 `json:"x,omitempty"`
	Y float64 `json:"y,omitempty"`
}

// Crop is a part of the upright source. Each of its numbers is pixels, or with Relative a fraction of the picture. What stands over
// the edge is left out; no Width or Height is the rest.
type Crop struct {
	Left, Top, Width, Height float64
	Relative                 bool
}

// Trim removes edges of one colour.
type Trim struct {
	Threshold float64 // how far from the colour still counts as it, 0 to 255; 0 is 10
	Keep      int     // pixels of the edge to leave
	Colour    *Colour // nil: the colour of the top left pixel
}

// Colour is sRGB, with alpha 255 for opaque.
type Colour struct{ R, G, B, A uint8 }

// Border is a frame of one colour.
type Border struct {
	Width  int
	Colour Colour
}

// RadiusMax is a Radius that makes the corners meet.
const RadiusMax = 1 << 20

// Watermark is a picture laid over another.
type Watermark struct {
	// Image is a whole picture file, in Format as Job.Source. Upright, by Orientation.
	Image       []byte
	Format      string
	Orientation int
	// Scale is the watermark's width as a part of the picture's, 0 to 1; 0 keeps its own size, or what fits.
	Scale   float64
	Opacity float64 // 0 to 1; 0 is 1
	Gravity Gravity // where; Mode is not for watermarks
	X, Y    int     // moved from there, in pixels, inwards from the edge that Gravity names, right and down from the centre
	Tile    bool    // repeated over the whole picture
}

// Text is a line of text laid over a picture, in the typeface Go (go.dev/blog/go-fonts), or for scripts that it lacks in one of
// the system's. It is not broken, and what does not fit is cut. Its place is that of its ink.
type Text struct {
	Text    string
	Size    float64 // height of the font, pixels
	Colour  Colour
	Bold    bool
	Opacity float64
	Gravity Gravity
	X, Y    int
	Tile    bool
}

// Result is what a Job made.
type Result struct {
	Format        string // as Job.Format; "" with Job.Facts
	Width, Height int    // of one frame
	Frames        int
	Body          []byte `json:"-"`
	Facts         *Facts `json:",omitempty"`
}

// Facts are what only a picture's pixels tell.
type Facts struct {
	Dominant  Colour // the colour that most of the picture is near to
	BlurHash  string // github.com/woltapp/blurhash, 4 x 3 components, or 3 x 4 for an upright picture
	ThumbHash []byte // evanw.github.io/thumbhash
}

// InputError is a picture, or a wish about it, that libvips cannot serve. Its text is for the caller.
type InputError struct{ Reason string }

func (e *InputError) Error() string { return e.Reason }
