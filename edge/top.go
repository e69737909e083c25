package edge

import (
	"cmp"
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"glassine/iam"
)

// Top is what viewers of a distribution asked for most, since the start of the process. Numbers are estimates: of hits that a
// loop answers one in topSample is counted, for as many; and a URL that came late has taken over the count of a rarer one.
type Top struct {
	URLs   []TopURL `json:"urls"`   // by requests, the most first
	Misses []TopURL `json:"misses"` // by requests that were not answered from the cache alone
}

// TopURL is what is counted of a path, without its query.
type TopURL struct {
	Path     string           `json:"path"`
	Requests int64            `json:"requests"`
	Misses   int64            `json:"misses"`
	Reasons  map[string]int64 `json:"reasons,omitempty"` // why they were misses, in a few words
}

// How much is counted: paths of a distribution, distributions, the bytes of a path that are told apart, how many a list has,
// and the share of hits of a loop.
const (
	topPaths  = 256
	topSites  = 64
	topPath   = 512
	topListed = 20
	topSample = 16
)

// tops counts requests by path. It is Space-Saving: a path that has no place takes over that of the rarest, with its count, so
// that what is frequent is always there. (Metwally, Agrawal, El Abbadi, "Efficient Computation of Frequent and Top-k Elements in
// Data Streams", 2005.) The zero value is ready. Safe for many goroutines.
type tops struct {
	mu    sync.Mutex                    // guards what follows
	sites map[string]map[string]*TopURL // by distribution and path
}

// add counts n requests of a path; reason is "" for hits.
func (t *tops) add(site, path string, n int64, reason string) {
	path = path[:min(len(path), topPath)]
	t.mu.Lock()
	defer t.mu.Unlock()
	paths := t.sites[site]
	if paths == nil {
		if len(t.sites) == topSites {
			return
		}
		if t.sites == nil {
			t.sites = map[string]map[string]*TopURL{}
		}
		paths = map[string]*TopURL{}
		t.sites[site] = paths
	}
	u := paths[path]
	if u == nil {
		u = &TopURL{Path: strings.Clone(path)}
		if len(paths) == topPaths {
			rarest := u
			for _, other := range paths {
				if rarest == u || other.Requests < rarest.Requests {
					rarest = other
				}
			}
			delete(paths, rarest.Path)
			u.Requests = rarest.Requests
		}
		paths[u.Path] = u
	}
	u.Requests += n
	if reason == "" {
		return // a hit
	}
	u.Misses += n
	if u.Reasons == nil {
		u.Reasons = map[string]int64{}
	}
	if _, known := u.Reasons[reason]; known || len(u.Reasons) < 8 {
		u.Reasons[reason] += n
	}
}

// list returns copies.
func (t *tops) list(site string) []TopURL {
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []TopURL
	for _, u := range t.sites[site] {
		c := *u
		c.Reasons = maps.Clone(u.Reasons)
		out = append(out, c)
	}
	return out
}

// countLooped counts a hit that a loop answered, by sample.
func (x *exchange) countLooped() {
	if rand.Uint32()%topSample == 0 {
		x.edge.top.add(x.site.id, x.asked, topSample, "")
	}
}

// count counts a request that ServeHTTP answered.
func (x *exchange) count() {
	if x.site != nil && x.behavior != nil {
		x.edge.top.add(x.site.id, x.asked, 1, x.missed())
	}
}

// missed says why x's request was not answered from the cache alone, "" when it was.
func (x *exchange) missed() string {
	switch {
	case x.result == resultError:
		return cmp.Or(x.detail, string(x.result))
	case x.handled == handledHit:
		return ""
	case x.handled == handledStale:
		return ""
	case x.handled == handledRefresh:
		return "was stale, asked again"
	case x.handled == handledJoined:
		return "waited for another's fetch"
	case x.handled == handledBypass:
		return "is not cached"
	case x.handled == handledMiss:
		return "was not in the cache"
	}
	return string(x.result) // a redirect, a refusal, a function's answer
}

// Top returns what a distribution's viewers asked for most. The caller needs glassine:TraceRequest on the distribution. Errors:
// AccessDenied, NoSuchDistribution.
func (e *Edge) Top(ctx context.Context, c iam.Caller, id string) (Top, error) {
	if err := e.authorize(ctx, c, iam.Ask{Action: traceAction, Resources: []string{e.arn("distribution/" + id)}}); err != nil {
		return Top{}, err
	}
	e.control.Lock()
	_, err := e.find(id)
	e.control.Unlock()
	if err != nil {
		return Top{}, err
	}
	all := e.top.list(id)
	most := func(of func(TopURL) int64) []TopURL {
		list := slices.DeleteFunc(slices.Clone(all), func(u TopURL) bool { return of(u) == 0 })
		slices.SortFunc(list, func(a, b TopURL) int {
			return cmp.Or(cmp.Compare(of(b), of(a)), strings.Compare(a.Path, b.Path))
		})
		return list[:min(topListed, len(list))]
	}
	return Top{
		URLs:   most(func(u TopURL) int64 { return u.Requests }),
		Misses: most(func(u TopURL) int64 { return u.Misses }),
	}, nil
}
