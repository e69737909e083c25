package transform

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"glassine/transform/metadata"
	"glassine/transform/sample"
)

// What is told of an answer is what was done, and what the original's plan removes; of an answer that did not go out nothing is.
func TestAnswersAreObserved(t *testing.T) {
	gps := func(e Event) int64 {
		for _, r := range e.Removed {
			if r.Kind == metadata.KindGPS {
				return r.Bytes
			}
		}
		return 0
	}
	for _, c := range []struct {
		name, url  string
		status     int
		op, format string
		gps        int64
		told       int
	}{
		{"a picture without its metadata", "https://olap/a.jpg", 0, OpStrip, "jpeg", 205, 1},
		{"a picture that keeps it", "https://olap/a.jpg?metadata=keep", 0, OpStrip, "jpeg", 0, 1},
		{"its EXIF, which removes nothing", "https://olap/a.jpg?showExif=true", 0, OpEXIF, "json", 0, 1},
		{"all that it says", "https://olap/a.jpg?format=json", 0, OpDescribe, "json", 0, 1},
		{"a wish that cannot be", "https://olap/a.jpg?metadata=some", 0, OpRefuse, "none", 0, 1},
		{"an answer that Object Lambda refuses", "https://olap/a.jpg", 400, "", "", 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var told []Event
			d := &double{s3: object(sample.JPEG, "image/jpeg"), status: c.status}
			f := d.function(t)
			f.Observe = func(_ context.Context, e Event) { told = append(told, e) }
			if _, err := f.Handle(t.Context(), testEvent(c.url), testCreds); err != nil {
				t.Fatal(err)
			}
			if len(told) != c.told {
				t.Fatalf("told %+v, want %d", told, c.told)
			}
			if c.told == 0 {
				return
			}
			if e := told[0]; e.Op != c.op || e.Format != c.format || gps(e) != c.gps || e.Took <= 0 || e.Took > time.Minute {
				t.Errorf("told %+v, want %s to %s with %d bytes of GPS removed", e, c.op, c.format, c.gps)
			}
		})
	}
}

// What a picture loses that is made anew is what a lossless copy would have lost, and of a damaged one nobody can tell.
func TestWhatIsLostToARenderedPicture(t *testing.T) {
	of := func(b []byte) []metadata.Removal {
		return lost(&source{at: bytes.NewReader(b), size: int64(len(b))}, wish{})
	}
	p, err := metadata.Strip(bytes.NewReader(sample.JPEG), int64(len(sample.JPEG)))
	if err != nil {
		t.Fatal(err)
	}
	if got := of(sample.JPEG); len(got) != len(p.Removed) || len(got) == 0 {
		t.Errorf("lost %v, want %v", got, p.Removed)
	}
	if got := of([]byte(strings.Repeat("x", 100))); got != nil {
		t.Errorf("of no picture %v is lost", got)
	}
}
