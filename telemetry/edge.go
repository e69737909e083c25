package telemetry

import "github.com/prometheus/client_golang/prometheus"

// EdgeCounts are what the edge counted since the start.
type EdgeCounts struct {
	LogLines, LogLinesLost int64 // of standard logs
	LogFiles, LogFailures  int64 // deliveries of their files
	LogBytesWaiting        int64 // on disk, not yet delivered
	FunctionLinesLost      int64 // that functions at the edge wrote and nobody could take
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
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "glassine_edge_standard_log_waiting_bytes", Help: "Bytes of standard logs on disk that wait for their delivery.",
	}, func() float64 { return float64(read().LogBytesWaiting) }))
}
