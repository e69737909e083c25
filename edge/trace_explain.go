package edge

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/edge/cache"
)

// explainRoute notes which distribution and behavior serve x's request, and why.
func (x *exchange) explainRoute() {
	if !x.explained || x.site == nil {
		return
	}
	host := strings.ToLower(strings.TrimSuffix(hostName(x.host), "."))
	why := "the Host " + host + " is one of its alternate domain names"
	if host == x.site.domain {
		why = "the Host is its domain name"
	}
	x.trace.Fact("glassine.distribution.id", x.site.id, why)
	if !x.site.enabled {
		x.trace.Fact("glassine.distribution.enabled", "false", "a disabled distribution answers nobody")
	}
	if x.behavior == nil {
		return
	}
	why = "no path pattern matches " + x.path + ", so it is the default behavior"
	if x.behavior.name != "*" {
		why = "it is the first whose path pattern matches " + x.path
	}
	x.trace.Fact("glassine.behavior", x.behavior.name, why)
	x.trace.Fact("glassine.origin", x.behavior.origin.ID+" ("+x.behavior.origin.DomainName+")", "")
}

// explainUncached notes why the cache is not asked.
func (x *exchange) explainUncached() {
	if !x.explained {
		return
	}
	why := "requests with the method " + x.method + " are not cached"
	if !x.behavior.caching {
		why = "the cache policy's MinTTL, DefaultTTL and MaxTTL are all 0, which turns caching off"
	}
	x.trace.Fact("glassine.cache", "bypass", why)
}

// explainKey notes the parts of the cache key of x's request, and what does not belong to it.
func (x *exchange) explainKey() {
	if !x.explained {
		return
	}
	t, p := x.trace, &x.behavior.policy
	t.Fact("glassine.cache.key.distribution", x.site.domain, "always; the scheme never")
	why := "always, as it came"
	if x.path != x.asked {
		why = "in place of " + x.asked + ": the default root object, or what a function made of it"
	}
	t.Fact("glassine.cache.key.path", x.path, why)
	chosen := string(p.appendQuery(nil, x.query))
	switch {
	case x.query == "" && x.askedQuery == "":
	case x.query != x.askedQuery:
		t.Fact("glassine.cache.key.query", chosen, "what a function or the query's canonical form made of "+x.askedQuery)
	case chosen == x.query:
		t.Fact("glassine.cache.key.query", chosen, "the cache policy takes all of it")
	default:
		t.Fact("glassine.cache.key.query", chosen, "the cache policy leaves out: "+strings.Join(leftOut(x.query, &p.query), " "))
	}
	if p.gzip || p.brotli {
		encoding, why := p.encoding(&x.viewer), "of the viewer's Accept-Encoding, what the cache policy enables"
		if encoding == "" || encoding == "identity" {
			encoding, why = "", "the viewer takes none of the encodings that the cache policy enables"
		}
		t.Fact("glassine.cache.key.encoding", encoding, why)
	}
	for _, name := range p.headers {
		value := strings.Join(x.header.Values(name), ", ")
		if name == "Host" {
			value = x.host
		}
		if name == "Authorization" && value != "" {
			value = "(not shown)"
		}
		t.Fact("glassine.cache.key.header."+strings.ToLower(name), value, "the cache policy lists it")
	}
	if !p.cookies.none() {
		names := cookieNames(string(p.appendCookies(nil, x.header.Values("Cookie"))))
		t.Fact("glassine.cache.key.cookies", strings.Join(names, " "), "names of the cookies that the cache policy takes; values are not shown")
	}
	if f := x.behavior.forward; f != nil && f.sends("Authorization") && len(x.header.Values("Authorization")) > 0 && !p.has("Authorization") {
		t.Fact("glassine.cache.authorization", "forwarded", "outside the key: the answer is another viewer's only where it says public, must-revalidate or s-maxage")
	}
}

// leftOut are the names of a query's parameters that c does not choose.
func leftOut(query string, c *chooser) (names []string) {
	for part := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(part, "="); name != "" && !c.has(name) && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func cookieNames(line string) (names []string) {
	for part := range strings.SplitSeq(line, ";") {
		if name, _, _ := strings.Cut(strings.TrimSpace(part), "="); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// explainLookup notes what the memory has under k, and why that answers x's request or does not.
func (x *exchange) explainLookup(k cache.Key) {
	if !x.explained {
		return
	}
	now := x.edge.cfg.Now()
	found, e, filling := x.edge.cache.Explain(k)
	var value, why string
	switch found {
	case cache.Absent:
		value, why = "miss", "nothing is in memory under this key: it was never fetched, has given way to others, or its purge was noticed"
	case cache.Purged:
		value, why = "miss", "what is stored was purged"
	case cache.Unshared:
		value, why = "miss", "the last response may be nobody else's, so that each viewer's request goes to the origin"
	case cache.Softened:
		value, why = "stale", "what is stored was purged softly: it is to be revalidated"
	case cache.Lapsed:
		value, why = "stale", "its TTL ended "+ago(now.Sub(e.Expires()))
	default:
		value, why = "hit", "stored "+ago(now.Sub(e.Since()))+", fresh for "+e.Expires().Sub(now).Round(time.Second).String()+" more"
		if found == cache.InFile {
			why += ", on disk"
		}
	}
	if e != nil && found != cache.Unshared && found != cache.Purged && !x.matches(e) {
		value, why = "miss", "what is stored under the key was chosen by other values of the fields in its Vary: "+strings.Join(e.Header.Map()["Vary"], ", ")
	}
	if filling {
		why += "; another request fetches it right now, and this one waits for that"
	}
	x.trace.Fact("glassine.cache.lookup", value, why)
	if value == "hit" || value == "stale" {
		x.explainTTL(e.Status, e.Header.Map())
	}
}

func ago(d time.Duration) string {
	if d = d.Round(time.Second); d <= 0 {
		return "just now"
	}
	return d.String() + " ago"
}

// explainTTL notes how long a response with that header is kept, by CloudFront's rules, and what that is computed from.
func (x *exchange) explainTTL(status int, h http.Header) {
	if x.behavior.rfc != nil {
		x.trace.Fact("glassine.cache.rules", "RFC 9111", "the cache policy lists "+SemanticsHeader)
		return
	}
	l := x.behavior.ttl.judge(x.edge.strict(), status, h, x.site.errorMin(status))
	p := x.behavior.ttl
	limits := "MinTTL " + strconv.FormatInt(p.least, 10) + ", DefaultTTL " + strconv.FormatInt(p.normal, 10) + ", MaxTTL " + strconv.FormatInt(p.most, 10)
	x.trace.Fact("glassine.cache.ttl", l.ttl.String(), l.why+" ("+limits+")")
}

// explainView notes what a fetch came to.
func (x *exchange) explainView(v *cache.View) {
	if !x.explained {
		return
	}
	why := map[cache.How]string{
		cache.Hit: "it came to be there meanwhile, or was on disk", cache.Shared: "another request's fetch brought it", cache.Filled: "this request's fetch brought it",
		cache.Refreshed: "the origin said that what is stored is still good (304)", cache.Kept: "the origin failed, and what is stored must do",
		cache.Stale: "what is stored is served stale while it is refreshed",
	}[v.How]
	x.trace.Fact("glassine.cache.fetch", strings.TrimPrefix(string(handledBy(v.How)), "; "), why)
	if meta := v.Entry.Meta.(*stored); meta.page != nil {
		x.trace.Fact("glassine.error", strconv.Itoa(meta.page.status)+" "+meta.page.detail, meta.page.cause)
	}
	h := v.Entry.Header.Map()
	x.explainTTL(v.Entry.Status, h)
	if fields := x.behavior.varies(h); fields != nil && !x.edge.strict().Vary {
		x.trace.Fact("glassine.cache.vary", strings.Join(fields, ", "), "these fields go to the origin outside the key and its Vary names them: each of their values has a response of its own")
	}
	if v.How == cache.Filled && v.Entry.Expires().Before(x.edge.cfg.Now()) {
		x.trace.Fact("glassine.cache.stored", "false", "it is not fresh for anybody who comes later")
	}
}
