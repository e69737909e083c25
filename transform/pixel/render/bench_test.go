package render

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"glassine/transform/sample"
)

// photographs are of a camera's size: those that GLASSINE_SAMPLES names, else the sample enlarged.
func photographs(b *testing.B, r *Renderer) [][]byte {
	if dir := os.Getenv("GLASSINE_SAMPLES"); dir != "" {
		names, _ := filepath.Glob(filepath.Join(dir, "photos", "*.jpg"))
		var out [][]byte
		for _, name := range names {
			data, err := os.ReadFile(name)
			if err != nil {
				b.Fatal(err)
			}
			out = append(out, data)
		}
		if len(out) > 0 {
			return out
		}
	}
	large := render(b, r, Job{Source: "jpeg", SourceWidth: 1200, SourceHeight: 1600, Orientation: 6, Width: 4800, Fit: FitContain, Format: "jpeg", Quality: 90}, sample.JPEG)
	return [][]byte{large.Body}
}

// BenchmarkRender800 makes pictures of a camera's size 800 pixels wide. It reports CPU time of the process besides ns/op.
func BenchmarkRender800(b *testing.B) {
	r := renderer(b)
	photos := photographs(b, r)
	for _, format := range []string{"jpeg", "webp", "png", "avif"} {
		b.Run(format, func(b *testing.B) {
			var bytes int64
			before, n := cpu(b), 0
			for b.Loop() {
				photo := photos[n%len(photos)]
				width, height := sizeOf(b, photo)
				res := render(b, r, Job{Source: "jpeg", SourceWidth: width, SourceHeight: height, Width: 800, Format: format}, photo)
				bytes += int64(len(res.Body))
				n++
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/1000/float64(n), "cpu-ms/op")
			b.ReportMetric(float64(bytes)/float64(n), "bytes/op")
		})
	}
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
