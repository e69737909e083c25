package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// contentMetrics are those of what the image function does to pictures.
type contentMetrics struct {
	duration               *prometheus.HistogramVec
	pixels                 prometheus.Counter
	removed, removedBlocks *prometheus.CounterVec
}

func newContentMetrics(r *prometheus.Registry) contentMetrics {
	m := contentMetrics{
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "glassine_transform_duration_seconds", Buckets: seconds,
			Help: "Time from a request to the image function to the end of its answer, by what it did (strip, render, exif, describe, refuse) and the format of the answer.",
		}, []string{"op", "format"}),
		pixels: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "glassine_transform_pixels_total", Help: "Pixels of the originals that were decoded.",
		}),
		removed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "glassine_metadata_removed_bytes_total", Help: "Bytes of originals that said something besides the picture and did not go out, by kind.",
		}, []string{"kind"}),
		removedBlocks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "glassine_metadata_removed_total", Help: "Blocks of originals that said something besides the picture and did not go out, by kind.",
		}, []string{"kind"}),
	}
	r.MustRegister(m.duration, m.pixels, m.removed, m.removedBlocks)
	return m
}

// Transformed counts an answer of the image function: op is what it did, format that of the answer, pixels what was decoded for it.
func (m *Metrics) Transformed(op, format string, took time.Duration, pixels int64, traceID string) {
	observe(m.content.duration.WithLabelValues(op, format), took, traceID)
	m.content.pixels.Add(float64(max(pixels, 0)))
}

// MetadataRemoved counts metadata that did not go out: so many blocks of a kind, of so many bytes together.
func (m *Metrics) MetadataRemoved(kind string, blocks int, bytes int64) {
	m.content.removed.WithLabelValues(kind).Add(float64(bytes))
	m.content.removedBlocks.WithLabelValues(kind).Add(float64(blocks))
}
