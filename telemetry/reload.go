package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// settingsMetrics tell whether the settings in force are those of the file. The names are Prometheus's own for its configuration,
// so that rules that people have fit.
type settingsMetrics struct{ ok, at prometheus.Gauge }

func newSettingsMetrics(r *prometheus.Registry) settingsMetrics {
	s := settingsMetrics{
		ok: prometheus.NewGauge(prometheus.GaugeOpts{Name: "glassine_config_last_reload_successful", Help: "Whether the settings were taken when they were last read: 1 or 0."}),
		at: prometheus.NewGauge(prometheus.GaugeOpts{Name: "glassine_config_last_reload_success_timestamp_seconds", Help: "When settings were last read and taken, in seconds since 1970."}),
	}
	r.MustRegister(s.ok, s.at)
	return s
}

// SettingsLoaded counts that settings were read, at the start or by a reload, and whether they were taken.
func (m *Metrics) SettingsLoaded(ok bool, at time.Time) {
	if !ok {
		m.settings.ok.Set(0)
		return
	}
	m.settings.ok.Set(1)
	m.settings.at.Set(float64(at.UnixMilli()) / 1000)
}
