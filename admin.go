package glassine

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"glassine/aws/wire"
)

// adminHandler serves the admin port: health, readiness and metrics, which show no secret and change nothing, and the web console, which
// asks who is there.
func (s *System) adminHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]string{"status": "ok"}) // a failed write is the client's leaving
	})
	mux.HandleFunc("GET /readyz", s.isReady)
	mux.Handle("GET /metrics", s.metrics.Handler())
	mux.Handle("/", s.console)
	return mux
}

// logRequests writes a line for each request on the AWS endpoint, without its query and headers: they may hold secrets.
func (s *System) logRequests(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.cfg.Log.Enabled(r.Context(), slog.LevelDebug) {
			next.ServeHTTP(w, r)
			return
		}
		started := time.Now()
		defer func() {
			s.cfg.Log.LogAttrs(r.Context(), slog.LevelDebug, "aws request",
				slog.String("request", w.Header().Get("X-Amz-Request-Id")), slog.String("method", r.Method),
				slog.String("host", wire.Hostname(r.Host)), slog.String("path", r.URL.Path), slog.Duration("took", time.Since(started)))
		}()
		next.ServeHTTP(w, r)
	})
}
