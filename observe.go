package glassine

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"glassine/lambda"
	"glassine/telemetry"
	"glassine/transform"
)

// openTelemetry makes the metrics and the traces, and what exports them.
func (s *System) openTelemetry() {
	s.metrics = telemetry.NewMetrics(Version())
	s.traces = telemetry.NewTraces(tracesKept)
	if o := s.cfg.OTLP; o.URL != "" {
		if o.Log == nil {
			o.Log = s.cfg.Log
		}
		s.exporter = telemetry.NewExporter(o)
		s.traces.Export = s.exporter.Export
		s.onClose(s.exporter.Close)
	}
	s.metrics.Tracing(s.traces.Dropped, s.exporter.Counts)
	s.metrics.Certificates(s.certificateTimes)
	s.metrics.Concurrency(func() map[string]int { return s.Lambda.Running() })
}

// functionObserved counts what lambda tells.
func (s *System) functionObserved(ctx context.Context, e lambda.Event) {
	if e.Result == lambda.Deleted {
		s.metrics.FunctionGone(e.Function)
		return
	}
	s.metrics.Invoked(telemetry.Invocation{Function: e.Function, Result: e.Result, Took: e.Took, Init: e.Init, TraceID: telemetry.TraceIDOf(ctx)})
}

// pictureAnswered counts what the image function tells.
func (s *System) pictureAnswered(ctx context.Context, e transform.Event) {
	s.metrics.Transformed(e.Op, e.Format, e.Took, e.Pixels, telemetry.TraceIDOf(ctx))
	for _, r := range e.Removed {
		s.metrics.MetadataRemoved(string(r.Kind), r.Blocks, r.Bytes)
	}
}

// certificateTimes are when the certificates end that somebody has to see to: those of the directory, those of the authority for
// public names, and our own authority. What that issues is made anew by itself.
func (s *System) certificateTimes() []telemetry.Certificate {
	out := []telemetry.Certificate{{Source: "ca", Name: s.ca.cert.Subject.CommonName, Expiry: s.ca.cert.NotAfter}}
	c := s.viewers.certificates
	if dir := c.dir.Load(); dir != nil {
		for name, until := range dir.Expiry() {
			out = append(out, telemetry.Certificate{Source: "directory", Name: name, Expiry: until})
		}
	}
	if c.acme != nil {
		for _, name := range s.cfg.ACME.Domains {
			name = strings.ToLower(name)
			if found := c.acme.Certificate(&tls.ClientHelloInfo{ServerName: name}); found != nil && found.Leaf != nil {
				out = append(out, telemetry.Certificate{Source: "acme", Name: name, Expiry: found.Leaf.NotAfter})
			}
		}
	}
	return out
}

// joinLife is how long what comes with a function's secrets belongs to the trace of its request: the longest that one can run.
const joinLife = 15 * time.Minute

// joined puts a request that a function outside of this process makes into the trace of the request that it answers, which its
// secret tells: the access key of a presigned URL, or the token of WriteGetObjectResponse. What header fields say of traces is not
// read, whoever sends them.
func (s *System) joined(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if telemetry.RecorderOf(r.Context()) != nil {
			next.ServeHTTP(w, r) // it came inside the process
			return
		}
		secret := r.Header.Get("X-Amz-Request-Token")
		if secret == "" && strings.Contains(r.URL.RawQuery, "X-Amz-Credential=") {
			secret, _, _ = strings.Cut(r.URL.Query().Get("X-Amz-Credential"), "/")
		}
		if secret == "" {
			next.ServeHTTP(w, r)
			return
		}
		point := s.joins.Find(secret, s.cfg.Now())
		ctx, span := telemetry.StartSpan(point.Context(r.Context()), hopName(r, r.Host), "url.path", r.URL.Path)
		if span == nil {
			next.ServeHTTP(w, r)
			return
		}
		status := &statusWriter{ResponseWriter: w}
		defer func() { span.End("http.response.status_code", statusText(status.status)) }()
		next.ServeHTTP(status, r.WithContext(ctx))
	})
}

// requestLog is a slog.Handler that puts the id of the viewer's request on every line about it, whichever component writes it. The
// id of a hop of its own, which AWS's clients are told, is then under hop.
type requestLog struct{ slog.Handler }

// Handle implements slog.Handler.
func (h requestLog) Handle(ctx context.Context, r slog.Record) error {
	id := telemetry.RecorderOf(ctx).RequestID()
	if id == "" {
		return h.Handler.Handle(ctx, r)
	}
	out := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	out.AddAttrs(slog.String("request", id))
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "request" {
			if a.Value.String() == id {
				return true
			}
			a.Key = "hop"
		}
		out.AddAttrs(a)
		return true
	})
	return h.Handler.Handle(ctx, out)
}

// WithAttrs implements slog.Handler.
func (h requestLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestLog{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h requestLog) WithGroup(name string) slog.Handler { return requestLog{h.Handler.WithGroup(name)} }

// writable reports whether a file can be made in dir.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".ready-*")
	if err != nil {
		return err
	}
	name := f.Name()
	if err := f.Close(); err != nil {
		return err
	}
	return os.Remove(filepath.Clean(name))
}
