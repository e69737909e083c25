package edge

import (
	"net/http"
)

// errorPage is what viewers get in place of an error.
type errorPage struct {
	path   string // raw
	status int
}

// customError answers with the distribution's page for the error with which x would be answered; false when it has none, or
// when the page cannot be had: the error itself is then the answer. The page is fetched by GET through the behavior that its
// path matches, and kept there; protocol, signature and country were looked at for the request itself.
// CloudFront Developer Guide, "Generate custom error responses".
func (x *exchange) customError(status int) bool {
	if x.site == nil || x.behavior == nil {
		return false
	}
	p, ok := x.site.pages[status]
	if !ok {
		return false
	}
	y := &exchange{edge: x.edge, viewer: x.viewer, w: x.w, r: x.r, id: x.id, site: x.site, path: p.path, asked: p.path, behavior: x.site.behavior(p.path)}
	y.method, y.body, y.length = http.MethodGet, false, 0
	y.derive()
	key := y.cacheKey()
	view, err := x.edge.cache.Fetch(x.r.Context(), key, y.fill(key))
	if err != nil {
		return false
	}
	defer view.Close()
	e := view.Entry
	if e.Status != http.StatusOK || e.Meta.(*stored).page != nil {
		return false
	}
	x.result = resultError
	x.head(e, false)
	x.start(p.status)
	if x.method != http.MethodHead {
		s := source{entry: e, view: view}
		s.seek(0, -1)
		x.broken = !x.stream(&s)
	}
	return true
}
