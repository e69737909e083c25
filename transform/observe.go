package transform

import (
	"context"
	"time"

	"glassine/transform/metadata"
)

// What the function can have done.
const (
	OpStrip    = "strip"    // the pixels are the original's own
	OpRender   = "render"   // the pixels were made anew
	OpEXIF     = "exif"     // showExif
	OpDescribe = "describe" // format=json
	OpRefuse   = "refuse"   // an error
)

// Event is one answer of the function. It holds no key and nothing of the picture.
type Event struct {
	Op     string
	Format string // of the answer: jpeg, webp, json, ...; "none" of an error
	Took   time.Duration
	Pixels int64 // of the original that were decoded, all frames together
	// Removed is what of the original did not go out that said something besides the picture. Of a picture that was made anew it
	// is what a lossless copy would not have had.
	Removed []metadata.Removal
}

// tell tells the observer of an answer.
func (f *Function) tell(ctx context.Context, a *answer, took time.Duration) {
	if f.Observe == nil {
		return
	}
	a.did.Took = took
	f.Observe(ctx, a.did)
}
