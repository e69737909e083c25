package edge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/edge/cache"
	"glassine/edge/rfc9111"
)

// A request for a range of what is not stored does not fetch the whole: the object is fetched and stored in slices, each under a
// key of its own, and the whole is put together from them when it is asked for. So is an object that is too large to be stored in
// one piece. (CloudFront Developer Guide, "How CloudFront processes partial requests for an object (range GETs)": it "may request a
// larger range than the client requested", and keeps what it got.)
//
// Slices belong together by their strong validator alone (RFC 9110, section 15.3.7.3). Where the origin has none, takes no ranges,
// or makes what it sends (Object Lambda would run its function for every slice), the whole is fetched. Where RFC 9111 rules, parts
// are what the viewer asked for: parts.go.

// sliceSize is how many bytes a slice has: small enough that the viewer of a few bytes waits for little, large enough that the
// requests of a long one cost little.
const sliceSize = 1 << 20

// object is what is fetched in slices.
type object struct {
	fetching *fetching // as of a request for the whole
	key      cache.Key // of the whole
}

// errChanged says that slices are not of one representation.
var errChanged = errors.New("the object changed while it was fetched in slices")

// inSlices returns the object that x's request names if it may be fetched in slices, or nil. key is the whole's.
func (x *exchange) inSlices(key cache.Key, f *fetching) *object {
	b := x.behavior
	switch {
	case x.method != http.MethodGet || b.rfc != nil || f.personal || b.forwardsCookies():
		return nil
	case x.edge.cache.MaxObject() < sliceSize || b.makesObjects() || f.q.accepted.Key != "":
		return nil
	case x.edge.unsliced.has(key):
		return nil
	}
	return &object{f.clone(), cache.Key{Bytes: slices.Clone(key.Bytes), Path: key.Path}}
}

// makesObjects reports whether the behavior's origin is an Object Lambda access point.
func (b *behavior) makesObjects() bool {
	return strings.Contains(b.origin.DomainName, ".s3-object-lambda.") || strings.Contains(b.origin.DomainName, "--ol-s3.")
}

// keyOf is where slice n is stored.
func (o *object) keyOf(n int64) cache.Key {
	return cache.Key{Bytes: strconv.AppendInt(append(slices.Clone(o.key.Bytes), "\x00slice\x00"...), n, 10), Path: o.key.Path}
}

// fetch returns slice n, or in its place what came (stored.came).
func (o *object) fetch(ctx context.Context, n int64) (*cache.View, error) {
	return o.fetching.edge.cache.Fetch(ctx, o.keyOf(n), o.fill(n))
}

func (o *object) fill(n int64) cache.Fill {
	f := o.fetching.clone()
	return func(ctx context.Context, stale *cache.Entry) (*cache.Response, error) {
		if f.edge.unsliced.has(o.key) {
			return instead(f, new(came)), nil // it was found out while this request waited
		}
		f.q.forFill(stale)
		f.q.header.Set("Range", fmt.Sprintf("bytes=%d-%d", n*sliceSize, (n+1)*sliceSize-1))
		answer, err := f.edge.originateApart(ctx, f.q)
		if err != nil {
			return nil, err
		}
		if answer.page != nil {
			return instead(f, &came{o: answer}), nil
		}
		if stale != nil && answer.status() == http.StatusNotModified {
			r := f.cached(answer, stale)
			r.Meta.(*stored).slice = stale.Meta.(*stored).slice
			return r, nil
		}
		part, ok := sliceOf(answer.resp, n)
		if !ok {
			if s := answer.status(); s == http.StatusOK || s == http.StatusPartialContent {
				f.edge.unsliced.add(o.key)
			}
			return instead(f, &came{o: answer}), nil
		}
		answer.resp.StatusCode = http.StatusOK // its header is the whole's
		delete(answer.resp.Header, "Content-Range")
		r := f.cached(answer, nil)
		delete(r.Header, "Content-Length")
		m := r.Meta.(*stored)
		r.Status, m.slice, m.plain = http.StatusPartialContent, &part, false
		return r, nil
	}
}

// instead is a response that hands on what came to who asked. What is stored stands in for an error.
func instead(f *fetching, c *came) *cache.Response {
	r := &cache.Response{Status: http.StatusPartialContent, Meta: &stored{came: c}, Body: c, Length: -1}
	if c.o != nil && c.o.status() >= 500 {
		r.Failed, r.Retry = true, max(f.site.errorMin(c.o.status()), 1)
	}
	return r
}

// sliceOf returns what an answer has, if that is slice n with all that makes it one.
func sliceOf(r *http.Response, n int64) (rfc9111.Part, bool) {
	p, err := rfc9111.ParseContentRange(r.Header.Get("Content-Range"))
	whole := r.StatusCode == http.StatusPartialContent && err == nil && p.Total >= 0 && p.First == n*sliceSize &&
		p.Last == min((n+1)*sliceSize, p.Total)-1 && r.ContentLength == p.Length()
	return p, whole && validator(r.Header.Get) != ""
}

// validator returns the strong validator of a header, or "": an entity tag that is not weak, or a Last-Modified at least a second
// before Date (RFC 9110, section 8.8).
func validator(get func(string) string) string {
	if tag := get("Etag"); tag != "" {
		if strings.HasPrefix(tag, `"`) {
			return tag
		}
		return ""
	}
	modified, err := http.ParseTime(get("Last-Modified"))
	date, err2 := http.ParseTime(get("Date"))
	if err != nil || err2 == nil && date.Sub(modified) < time.Second {
		return ""
	}
	return get("Last-Modified")
}

// sameObject reports whether two slices are of one representation.
func sameObject(a, b *cache.Entry) bool {
	x, y := a.Meta.(*stored), b.Meta.(*stored)
	return x.slice != nil && y.slice != nil && x.slice.Total == y.slice.Total && x.varyKey == y.varyKey &&
		validator(a.Header.Get) == validator(b.Header.Get)
}

// bySlices answers a request for one range from slices. It returns false when the whole is to be fetched for it; what came from
// the origin is then in x.came.
func (x *exchange) bySlices(k cache.Key) (answered, whole bool) {
	r, ok := x.wantsPart()
	if !ok {
		return false, true
	}
	key := x.variant(k)
	o := x.inSlices(key, x.newFetching())
	if o == nil {
		return false, true
	}
	w := &walk{object: o, ctx: x.r.Context()}
	defer w.close()
	if err := w.to(max(r.First, 0) / sliceSize); err != nil {
		return true, x.unfetched(err)
	}
	meta := w.view.Entry.Meta.(*stored)
	if meta.came != nil {
		return x.otherwise(meta.came.take())
	}
	if meta.vary != nil {
		x.edge.variants.learn(k, meta.vary)
	}
	total := meta.slice.Total
	p := x.chooseOf(w.view.Entry, meta, total)
	if !x.matches(w.view.Entry) || p.kind == partWhole {
		return false, true
	}
	aged := x.took(w.view)
	w.last = (p.first + p.length - 1) / sliceSize
	if p.kind == partRange {
		// A range counted from the end begins where nobody knew.
		if err := w.to(p.first / sliceSize); err != nil {
			return true, x.unfetched(err)
		}
	}
	x.head(w.model, aged)
	delete(x.w.Header(), "Content-Length")
	if x.begin(p, p.status(w.model), total) {
		return true, true
	}
	return true, x.sendSlices(w, p)
}

// otherwise goes on with what came in place of a slice.
func (x *exchange) otherwise(o *origination) (answered, whole bool) {
	if o == nil {
		return false, true
	}
	switch status := o.status(); {
	case o.page != nil, status == http.StatusOK, status >= 400 && status != http.StatusRequestedRangeNotSatisfiable && status != http.StatusPreconditionFailed:
		x.came = &came{o: o} // it answers a request for the whole
	case status == http.StatusPartialContent:
		o.resp.Body.Close() // of another range than this viewer's
	default:
		return true, x.passOn(o)
	}
	return false, true
}

// sendSlices sends the range p, at whose first slice w is.
func (x *exchange) sendSlices(w *walk, p part) bool {
	for at, end := p.first, p.first+p.length; at < end; {
		n := at / sliceSize
		if err := w.to(n); err != nil {
			x.result = resultError
			return x.ended(err)
		}
		w.ahead()
		run := min(end, (n+1)*sliceSize) - at
		s := source{entry: w.view.Entry, view: w.view}
		s.seek(at-n*sliceSize, run)
		before := x.sent
		if !x.stream(&s) {
			return false
		}
		if x.sent < before+run {
			return true // the viewer is gone
		}
		at += run
	}
	return true
}
