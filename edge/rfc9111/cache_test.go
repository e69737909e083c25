package rfc9111

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// mapCache is the smallest reverse-proxy cache over this package: a map, no eviction, no collapsing. It shows in which order
// the functions are called, and is what http-cache-tests is run against.
type mapCache struct {
	policy *Policy
	origin *url.URL
	client http.RoundTripper

	mu      sync.Mutex
	entries map[string][]*mapEntry // by URI
	refresh sync.WaitGroup
}

type mapEntry struct {
	*Stored
	body []byte
}

func (c *mapCache) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u := *r.URL
	u.Scheme, u.Host = "http", r.Host
	q := Request{Method: r.Method, URL: &u, Header: r.Header}
	body, _ := io.ReadAll(r.Body)
	e := c.find(q)
	now := time.Now()
	var d Decision
	if e == nil {
		d = c.policy.Decide(q, nil, now)
	} else {
		d = c.policy.Decide(q, e.Stored, now)
	}
	switch d.Action {
	case Serve:
		e.serve(w, q, now)
	case ServeStale:
		e.serve(w, q, now)
		c.refresh.Go(func() { c.fetch(q, body, e, d) })
	case Refuse:
		w.WriteHeader(http.StatusGatewayTimeout)
	default:
		c.forward(w, q, body, e, d)
	}
}

// find is the stored response that may answer q, with the range it asks for.
func (c *mapCache) find(q Request) *mapEntry {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.entries[q.URL.String()]
	all := make([]*Stored, len(list))
	for i, e := range list {
		all[i] = e.Stored
	}
	s := c.policy.Select(all, q)
	if s == nil {
		return nil
	}
	e := list[slices.Index(all, s)]
	if s.Status == http.StatusPartialContent {
		if ranges, ok := ParseRange(q.Header.Get("Range"), 1); !ok {
			return nil
		} else if _, ok := ranges[0].Within(s.Part); !ok {
			return nil
		}
	}
	return e
}

// forward asks the origin and answers with what came of it.
func (c *mapCache) forward(w http.ResponseWriter, q Request, body []byte, e *mapEntry, d Decision) {
	got, status, header, content := c.fetch(q, body, e, d)
	now := time.Now()
	switch {
	case (status == 0 || IsOriginError(status)) && d.StaleOnError:
		e.serve(w, q, now)
	case status == 0:
		w.WriteHeader(http.StatusGatewayTimeout)
	case got != nil && d.Condition != nil && q.Method == http.MethodGet:
		got.serve(w, q, now)
	default:
		for name, lines := range header {
			w.Header()[name] = lines
		}
		w.WriteHeader(status)
		if q.Method != http.MethodHead {
			w.Write(content)
		}
	}
}

// fetch asks the origin once and stores the answer. status
// is 0 when there is none; got is the stored response that may answer now.
func (c *mapCache) fetch(q Request, body []byte, e *mapEntry, d Decision) (got *mapEntry, status int, header http.Header, content []byte) {
	h := StripConnection(q.Header)
	if d.Condition != nil {
		for _, name := range []string{"If-None-Match", "If-Modified-Since", "If-Range", "Range"} {
			h.Del(name)
		}
		for name, lines := range d.Condition {
			h[name] = lines
		}
	}
	if own := c.policy.Capability(h.Get("Surrogate-Capability")); own != "" {
		h.Set("Surrogate-Capability", own)
	}
	u := *q.URL
	u.Scheme, u.Host = c.origin.Scheme, c.origin.Host
	out := &http.Request{Method: q.Method, URL: &u, Host: q.URL.Host, Header: h, ContentLength: int64(len(body))}
	if len(body) > 0 {
		out.Body = io.NopCloser(bytes.NewReader(body))
	}
	r := Response{Requested: time.Now()}
	resp, err := c.client.RoundTrip(out)
	if err != nil {
		return nil, 0, nil, nil
	}
	defer resp.Body.Close()
	r.Status, r.Header, r.Received = resp.StatusCode, resp.Header, time.Now()
	content, err = io.ReadAll(resp.Body)
	if err != nil {
		return nil, 0, nil, nil
	}
	for _, u := range Invalidated(q, r) {
		c.drop(u.String())
	}
	header = StripConnection(r.Header)
	switch {
	case r.Status == http.StatusNotModified && d.Condition != nil:
		s, _ := c.policy.Refresh(e.Stored, r)
		got = &mapEntry{s, e.body}
		c.put(q, got, e)
	case q.Method == http.MethodHead && e != nil:
		s, ok := c.policy.Head(e.Stored, r)
		if !ok {
			c.drop(q.URL.String())
			break
		}
		c.put(q, &mapEntry{s, e.body}, e)
	default:
		s, _ := c.policy.Admit(q, r)
		if s == nil || s.Status == http.StatusPartialContent && s.Part.Length() != int64(len(content)) {
			break
		}
		got = &mapEntry{s, content}
		c.put(q, got, e)
	}
	return got, r.Status, header, content
}

// put stores e in place of old and of anything that the same request fields choose.
func (c *mapCache) put(q Request, e, old *mapEntry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	key := q.URL.String()
	list := slices.DeleteFunc(slices.Clone(c.entries[key]), func(o *mapEntry) bool {
		return o == old || slices.Equal(o.Vary, e.Vary) && o.VaryKey == e.VaryKey
	})
	c.entries[key] = append(list, e)
}

func (c *mapCache) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.entries, key)
}

// serve answers q with e, as 200, 206, 304 or what e's status is.
func (e *mapEntry) serve(w http.ResponseWriter, q Request, now time.Time) {
	h := e.ServeHeader(now)
	status, body := e.Status, e.body
	switch {
	case e.NotModified(q.Header):
		status, body, h = http.StatusNotModified, nil, NotModifiedHeader(h)
	case q.Header.Get("Range") != "" && (status == 200 || status == 206) && IfRange(q.Header, h):
		held := e.Part
		if status == 200 {
			held = Part{0, int64(len(body)) - 1, int64(len(body))}
		}
		ranges, ok := ParseRange(q.Header.Get("Range"), 1)
		if !ok {
			break
		}
		part, ok := ranges[0].Within(held)
		if !ok {
			break
		}
		status, body = http.StatusPartialContent, body[part.First-held.First:part.Last-held.First+1]
		h.Set("Content-Range", part.String())
		h.Set("Content-Length", strconv.Itoa(len(body)))
	}
	for name, lines := range h {
		w.Header()[name] = lines
	}
	w.WriteHeader(status)
	if q.Method != http.MethodHead && !strings.HasPrefix(strconv.Itoa(status), "1") && status != 204 && status != 304 {
		w.Write(body)
	}
}
