package glassine

import (
	"fmt"
	"net/netip"
	"path/filepath"

	"glassine/edge"
	"glassine/edge/geo"
	"glassine/state"
	"glassine/telemetry"
	"glassine/transform"
)

// tracesKept is how many of the last requests that were no hits can be looked back at: 512 of some 5 KiB each.
const tracesKept = 512

// strictNames are what Config.Strict may name, each a thing that is done better than AWS does it: docs/aws-differences.md.
var strictNames = []string{"vary", "targeted", "must-revalidate", "truncated", "authorization", "edge-functions"}

// strictness reads Config.Strict. functions is about what functions at the edge may have.
func strictness(names []string) (s edge.Strict, functions bool, err error) {
	for _, name := range names {
		switch name {
		case "all":
			return edge.Strict{Vary: true, Targeted: true, MustRevalidate: true, Truncated: true, Authorization: true}, true, nil
		case "vary":
			s.Vary = true
		case "targeted":
			s.Targeted = true
		case "must-revalidate":
			s.MustRevalidate = true
		case "truncated":
			s.Truncated = true
		case "authorization":
			s.Authorization = true
		case "edge-functions":
			functions = true
		default:
			return s, false, fmt.Errorf("strict: %q is none of %v, nor all", name, strictNames)
		}
	}
	return s, functions, nil
}

// geography is edge/geo's databases as the edge asks them.
type geography struct{ followed *geo.Followed }

// Place implements edge.Geo.
func (g geography) Place(a netip.Addr) edge.Place { return edge.Place(g.followed.Place(a)) }

// edgeConfig is how the edge of s works, with what it logs to and where it finds places. What it opens is closed after the edge.
func (s *System) edgeConfig(records state.Store, httpsPort string) (edge.Config, error) {
	cfg := s.cfg
	strict, _, err := strictness(cfg.Strict)
	if err != nil {
		return edge.Config{}, err
	}
	functions := newFunctionLog(s.Logs, s.IAM.Root(), cfg.Log)
	s.edgeLogs = functions
	s.onClose(functions.Close)
	out := edge.Config{
		State: records, IAM: s.IAM, Invoker: tracedFunctions{s}, Origin: s.local, Account: cfg.Account, HTTPSPort: httpsPort,
		HTTP3Port: s.quicPort(), SameCertificate: s.viewers.certificates.same,
		Derived: map[string]edge.Derive{transform.AcceptHeader: transform.Canonical}, CacheBytes: cfg.CacheBytes, AccessLog: cfg.AccessLog,
		Strict: strict, CacheStatus: cfg.CacheStatus, FunctionLog: functions.add,
		StandardLog: edge.StandardLog{Delivery: logDelivery{s.IAM, s.S3}, Dir: filepath.Join(cfg.Data, "edge-logs"), Every: cfg.LogEvery},
		Traces:      s.traces, Metrics: s.metrics.Requests(), Log: cfg.Log, Now: cfg.Now,
	}
	out.CacheDir, out.DiskBytes = edgeCache(cfg)
	if len(cfg.GeoDatabases) > 0 {
		places, err := geo.Follow(cfg.GeoDatabases, func(err error) {
			cfg.Log.Error("location database not taken up", "error", err.Error())
		})
		if err != nil {
			return out, err
		}
		s.onClose(places.Close)
		out.Geo = geography{places}
	}
	s.metrics.Edge(func() telemetry.EdgeCounts {
		l, c := s.Edge.LogStats(), s.Edge.CacheStats()
		return telemetry.EdgeCounts{
			LogLines: l.Lines, LogLinesLost: l.Lost, LogFiles: l.Files, LogFailures: l.Failed, LogBytesWaiting: l.Waiting, FunctionLinesLost: functions.lost.Load(),
			MemoryObjects: int64(c.Objects), MemoryBytes: c.Bytes, DiskObjects: int64(c.Disk.Objects), DiskBytes: c.Disk.Bytes,
			MemoryFull: c.Evicted, DiskFull: c.Disk.Evicted, Purged: c.Purged, Damaged: c.Disk.Damaged, Unwritten: c.Disk.Unwritten,
		}
	})
	return out, nil
}
