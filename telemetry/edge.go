package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// EdgeCounts are what the edge counted since the start, and what it has now.
type EdgeCounts struct {
	LogLines, LogLinesLost int64 // of standard logs
	LogFiles, LogFailures  int64 // deliveries of their files
	LogBytesWaiting        int64 // on disk, not yet delivered
	FunctionLinesLost      int64 // that functions at the edge wrote and nobody could take

	// What the cache has in memory and on disk, and why what it had went: it gave way to others there, a purge took it, or what
	// was read was not what had been written.
	MemoryObjects, MemoryBytes, DiskObjects, DiskBytes int64
	MemoryFull, DiskFull, Purged, Damaged              int64
	Unwritten                                          int64 // responses that found the queue to the disk full
}

// Edge adds the counts that read returns to the metrics. It is called once.
func (m *Metrics) Edge(read func() EdgeCounts) {
	counter := func(name, help string, value func(EdgeCounts) int64) {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "glassine_edge_" + name, Help: help}, func() float64 {
			return float64(value(read()))
		}))
	}
	counter("standard_log_lines_total", "Lines of distributions' standard logs.", func(c EdgeCounts) int64 { return c.LogLines })
	counter("standard_log_lost_lines_total", "Lines of standard logs that were lost: memory or disk was full, or delivery failed for too long.", func(c EdgeCounts) int64 { return c.LogLinesLost })
	counter("standard_log_files_total", "Files of standard logs that were delivered.", func(c EdgeCounts) int64 { return c.LogFiles })
	counter("standard_log_delivery_failures_total", "Deliveries of standard logs that failed; they are tried again.", func(c EdgeCounts) int64 { return c.LogFailures })
	counter("function_log_lost_lines_total", "Lines of functions at the edge that were not written to their log group.", func(c EdgeCounts) int64 { return c.FunctionLinesLost })
	counter("cache_unwritten_total", "Responses that were not written to disk because too many waited for it.", func(c EdgeCounts) int64 { return c.Unwritten })
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "glassine_edge_standard_log_waiting_bytes", Help: "Bytes of standard logs on disk that wait for their delivery.",
	}, func() float64 { return float64(read().LogBytesWaiting) }))
	objects := prometheus.NewDesc("glassine_edge_cache_objects", "Responses in the edge's cache, by where: memory, disk.", []string{"tier"}, nil)
	bytes := prometheus.NewDesc("glassine_edge_cache_bytes", "Bytes that the edge's cache takes, by where: memory, disk.", []string{"tier"}, nil)
	evictions := prometheus.NewDesc("glassine_edge_cache_evictions_total", "Responses that went from the edge's cache before their time: memory_full, disk_full, purged, damaged.", []string{"reason"}, nil)
	m.registry.MustRegister(collectorFunc{[]*prometheus.Desc{objects, bytes, evictions}, func(to chan<- prometheus.Metric) {
		now := read()
		show := func(desc *prometheus.Desc, kind prometheus.ValueType, value int64, label string) {
			to <- prometheus.MustNewConstMetric(desc, kind, float64(value), label)
		}
		show(objects, prometheus.GaugeValue, now.MemoryObjects, "memory")
		show(objects, prometheus.GaugeValue, now.DiskObjects, "disk")
		show(bytes, prometheus.GaugeValue, now.MemoryBytes, "memory")
		show(bytes, prometheus.GaugeValue, now.DiskBytes, "disk")
		show(evictions, prometheus.CounterValue, now.MemoryFull, "memory_full")
		show(evictions, prometheus.CounterValue, now.DiskFull, "disk_full")
		show(evictions, prometheus.CounterValue, now.Purged, "purged")
		show(evictions, prometheus.CounterValue, now.Damaged, "damaged")
	}})
}

// Certificate is one that is in use and ends.
type Certificate struct {
	Source string // directory, acme or ca
	Name   string // the first name that it is for
	Expiry time.Time
}

// Certificates adds when certificates end, as read tells it. Of two for one name the one that ends first counts. It is called once.
func (m *Metrics) Certificates(read func() []Certificate) {
	expiry := prometheus.NewDesc("glassine_certificate_expiry_timestamp_seconds",
		"When a certificate ends, in seconds since 1970, by where it is from (directory, acme, ca) and the first name that it is for.", []string{"source", "name"}, nil)
	m.registry.MustRegister(collectorFunc{[]*prometheus.Desc{expiry}, func(to chan<- prometheus.Metric) {
		first := map[[2]string]time.Time{}
		for _, c := range read() {
			key := [2]string{c.Source, c.Name}
			if at, ok := first[key]; !ok || c.Expiry.Before(at) {
				first[key] = c.Expiry
			}
		}
		for key, at := range first {
			to <- prometheus.MustNewConstMetric(expiry, prometheus.GaugeValue, float64(at.Unix()), key[0], key[1])
		}
	}})
}

// Tracing adds how many traces were dropped, and what became of spans that are exported. It is called once.
func (m *Metrics) Tracing(dropped func() (ring, limit int64), exported func() ExportCounts) {
	drops := prometheus.NewDesc("glassine_trace_dropped_total", "Traces that went from memory to make room for later ones (ring), and steps of traces that were too long (limit).", []string{"reason"}, nil)
	spans := prometheus.NewDesc("glassine_trace_exported_spans_total", "Spans for the OTLP endpoint, by what became of them: sent, rejected (by the receiver), failed (it could not be reached), dropped (too many waited).", []string{"result"}, nil)
	m.registry.MustRegister(collectorFunc{[]*prometheus.Desc{drops, spans}, func(to chan<- prometheus.Metric) {
		show := func(desc *prometheus.Desc, value int64, label string) {
			to <- prometheus.MustNewConstMetric(desc, prometheus.CounterValue, float64(value), label)
		}
		ring, limit := dropped()
		show(drops, ring, "ring")
		show(drops, limit, "limit")
		c := exported()
		show(spans, c.Sent, "sent")
		show(spans, c.Rejected, "rejected")
		show(spans, c.Failed, "failed")
		show(spans, c.Dropped, "dropped")
	}})
}

// collectorFunc is a collector of a function.
type collectorFunc struct {
	descs   []*prometheus.Desc
	collect func(chan<- prometheus.Metric)
}

// Describe implements prometheus.Collector.
func (c collectorFunc) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c collectorFunc) Collect(to chan<- prometheus.Metric) { c.collect(to) }
