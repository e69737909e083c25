package metadata

// Keep says which metadata may stay in a copy.
type Keep string

const (
	// KeepNone keeps the orientation alone. It is what "" means.
	KeepNone Keep = "none"
	// KeepCopyright also keeps the texts of Exif's Artist and Copyright (Exif 3.0 section 4.6.5.4), up to 4 KiB each, where
	// the format has a place for Exif: not in GIF and SVG. They are read from the Exif block only, not from XMP or IPTC.
	KeepCopyright Keep = "copyright"
	// KeepAll keeps the file as it is, byte for byte, after its structure was checked. An SVG is made safe all the
	// same, and keeps its titles and descriptions.
	KeepAll Keep = "keep"
)

// ICC says what becomes of a colour profile.
type ICC string

const (
	// ICCKeep keeps the profile as it is. It is what "" means.
	ICCKeep ICC = "keep"
	// ICCStrip drops it. Colours that are not sRGB then look wrong.
	ICCStrip ICC = "strip"
	// ICCsRGB converts the pixels to sRGB, which this package cannot.
	ICCsRGB ICC = "srgb"
)

// Options say what a copy may keep. The zero value keeps the orientation and the colour profile.
type Options struct {
	Metadata Keep
	ICC      ICC
}

// PixelsError is matched by the error of a wish that only an engine that decodes pixels can fulfil.
type PixelsError struct {
	// Wish is the option as its user wrote it, such as "icc=srgb".
	Wish string
}

func (e *PixelsError) Error() string {
	return e.Wish + " needs the pixels of the picture, and there is no pixel engine here"
}

// OptionsError is what the options ask for and no copy can be.
type OptionsError struct{ Reason string }

func (e *OptionsError) Error() string { return e.Reason }

// Check returns what is wrong with o, an *OptionsError or a *PixelsError.
func (o Options) Check() error {
	switch o.Metadata {
	case "", KeepNone, KeepCopyright, KeepAll:
	default:
		return &OptionsError{"metadata=" + string(o.Metadata) + " is not known; allowed are none, copyright and keep"}
	}
	switch o.ICC {
	case "", ICCKeep:
	case ICCStrip:
		if o.Metadata == KeepAll {
			return &OptionsError{"icc=strip goes with metadata=none and metadata=copyright; metadata=keep changes nothing"}
		}
	case ICCsRGB:
		return &PixelsError{Wish: "icc=srgb"}
	default:
		return &OptionsError{"icc=" + string(o.ICC) + " is not known; allowed are keep, strip and srgb"}
	}
	return nil
}

// profile reports whether a colour profile stays.
func (o Options) profile() bool { return o.ICC != ICCStrip }
