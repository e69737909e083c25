package main

import (
	"bytes"
	"cmp"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"glassine/telemetry"
)

// topCounts are what a server had counted at a time. Counters only grow, but when it was started anew.
type topCounts struct {
	at        time.Time
	version   string
	started   time.Time
	memory    int64
	results   map[string]float64  // requests at the edge, by result
	buckets   map[float64]float64 // of these, those that took at most so many seconds
	bytes     float64             // sent to viewers
	objects   map[string]float64  // in the cache, by tier
	cached    map[string]float64  // bytes in the cache, by tier
	functions map[string]*functionCounts
}

type functionCounts struct{ invocations, errors, cold, running float64 }

// countsOf reads what the program exports.
func countsOf(text []byte, at time.Time) topCounts {
	c := topCounts{
		at: at, results: map[string]float64{}, buckets: map[float64]float64{}, objects: map[string]float64{}, cached: map[string]float64{},
		functions: map[string]*functionCounts{},
	}
	function := func(s telemetry.Sample) *functionCounts {
		name := s.Labels["function"]
		if c.functions[name] == nil {
			c.functions[name] = &functionCounts{}
		}
		return c.functions[name]
	}
	for s := range telemetry.Samples(bytes.NewReader(text)) {
		switch s.Name {
		case "glassine_build_info":
			c.version = s.Labels["version"]
		case "process_start_time_seconds":
			c.started = time.UnixMilli(int64(s.Value * 1000)).UTC()
		case "process_resident_memory_bytes":
			c.memory = int64(s.Value)
		case "glassine_edge_requests_total":
			c.results[s.Labels["result"]] += s.Value
		case "glassine_edge_request_duration_seconds_bucket":
			if le, err := strconv.ParseFloat(s.Labels["le"], 64); err == nil {
				c.buckets[le] += s.Value
			}
		case "glassine_edge_response_bytes_total":
			c.bytes += s.Value
		case "glassine_edge_cache_objects":
			c.objects[s.Labels["tier"]] += s.Value
		case "glassine_edge_cache_bytes":
			c.cached[s.Labels["tier"]] += s.Value
		case "glassine_lambda_invocations_total":
			f := function(s)
			f.invocations += s.Value
			if s.Labels["result"] != "success" {
				f.errors += s.Value
			}
		case "glassine_lambda_init_duration_seconds_count":
			function(s).cold += s.Value
		case "glassine_lambda_concurrency":
			function(s).running += s.Value
		}
	}
	return c
}

// topView is what is shown of a server: what went on between two looks.
type topView struct {
	Version   string
	Ready     bool
	At        time.Time
	Started   time.Time
	Memory    int64   `json:"MemoryBytes"` // resident
	Seconds   float64 // between the looks; 0 of the first one, whose rates are 0
	Edge      topEdge
	Cache     map[string]topTier // by tier: memory, disk
	Functions []topFunction
	Last      []topRequest `json:",omitempty"` // the latest first
	Problems  []string     `json:",omitempty"`

	paused bool
}

// topEdge is what viewers asked for. Times are in seconds, 0 where there was no request.
type topEdge struct {
	RequestsPerSecond float64
	ByResult          map[string]float64 `json:"RequestsPerSecondByResult"`
	HitRatio          float64
	P50, P95, P99     float64
	BytesPerSecond    float64
}

type topTier struct{ Objects, Bytes int64 }

type topFunction struct {
	Name                                                       string
	InvocationsPerSecond, ErrorsPerSecond, ColdStartsPerSecond float64
	Running                                                    int
}

// topRequest is one of the last requests that were no hits.
type topRequest struct {
	At             time.Time
	Status, Result string
	Took           float64 `json:"TookSeconds"`
	Path           string
}

// between is what went on from one look to the next. A server that was started anew meanwhile has counted from 0.
func between(before, after topCounts) *topView {
	v := &topView{
		Version: after.version, At: after.at, Started: after.started, Memory: after.memory, Cache: map[string]topTier{}, Functions: []topFunction{},
		Edge: topEdge{ByResult: map[string]float64{}},
	}
	anew := !before.started.Equal(after.started)
	if !before.at.IsZero() {
		v.Seconds = after.at.Sub(before.at).Seconds()
	}
	grown := func(b, a float64) float64 {
		if anew || a < b {
			b = 0
		}
		return a - b
	}
	rate := func(b, a float64) float64 {
		if v.Seconds <= 0 {
			return 0
		}
		return grown(b, a) / v.Seconds
	}
	for result, n := range after.results {
		r := rate(before.results[result], n)
		v.Edge.ByResult[result] = r
		v.Edge.RequestsPerSecond += r
	}
	if v.Edge.RequestsPerSecond > 0 {
		v.Edge.HitRatio = (v.Edge.ByResult["Hit"] + v.Edge.ByResult["RefreshHit"]) / v.Edge.RequestsPerSecond
		taken := map[float64]float64{}
		for le, n := range after.buckets {
			taken[le] = grown(before.buckets[le], n)
		}
		v.Edge.P50, v.Edge.P95, v.Edge.P99 = quantile(0.50, taken), quantile(0.95, taken), quantile(0.99, taken)
	}
	v.Edge.BytesPerSecond = rate(before.bytes, after.bytes)
	for tier, n := range after.objects {
		v.Cache[tier] = topTier{int64(n), int64(after.cached[tier])}
	}
	for name, f := range after.functions {
		b := before.functions[name]
		if b == nil {
			b = &functionCounts{}
		}
		v.Functions = append(v.Functions, topFunction{name, rate(b.invocations, f.invocations), rate(b.errors, f.errors), rate(b.cold, f.cold), int(f.running)})
	}
	slices.SortFunc(v.Functions, func(a, b topFunction) int {
		return cmp.Or(cmp.Compare(b.InvocationsPerSecond, a.InvocationsPerSecond), cmp.Compare(a.Name, b.Name))
	})
	return v
}

// quantile estimates below which time a part of the requests was, of how many took at most the times that are the keys: evenly
// spread within a bucket, and of the last one its lower end. (Prometheus documentation, histogram_quantile.)
func quantile(part float64, buckets map[float64]float64) float64 {
	ends := slices.Sorted(maps.Keys(buckets))
	if len(ends) == 0 || buckets[ends[len(ends)-1]] == 0 {
		return 0
	}
	rank := part * buckets[ends[len(ends)-1]]
	from, below := 0.0, 0.0
	for _, end := range ends {
		n := buckets[end]
		if n >= rank && n > below {
			if math.IsInf(end, 1) {
				return from
			}
			return from + (end-from)*(rank-below)/(n-below)
		}
		from, below = end, max(below, n)
	}
	return from
}
