package edge

import (
	"net/http"
	"strings"
	"testing"
)

// lower is a Derive that takes the query in lower case and says whether Accept names WebP.
func lower(query string, h http.Header) (string, string) {
	if strings.Contains(h.Get("Accept"), "webp") {
		return strings.ToLower(query), "webp"
	}
	return strings.ToLower(query), ""
}

func TestDerivedHeaderIsInTheKeyAndGoesToTheOrigin(t *testing.T) {
	for _, test := range []struct {
		name   string
		listed bool // the cache policy lists the header
		target string
		fields []string
		hit    bool   // after GET /a?showExif=x with Accept: image/webp
		sent   string // header at the origin, of a miss
		query  string // query at the origin, of a miss
	}{
		{"other words, same meaning", true, "/a?SHOWEXIF=X", []string{"Accept", "text/html, image/webp"}, true, "", ""},
		{"another meaning", true, "/a?showExif=x", []string{"Accept", "*/*"}, false, "", "showexif=x"},
		{"what the viewer says itself does not count", true, "/a?showExif=y", []string{"X-Made", "forged"}, false, "", "showexif=y"},
		{"where no policy lists it, nothing is derived", false, "/a?SHOWEXIF=X", []string{"Accept", "image/webp", "X-Made", "forged"}, false, "", "SHOWEXIF=X"},
	} {
		t.Run(test.name, func(t *testing.T) {
			rg := newRig(t, setup{
				origin: always(200, "x", "Content-Type", "image/jpeg"),
				config: func(c *Config) { c.Derived = map[string]Derive{"X-Made": lower} },
				policy: func(p *CachePolicyConfig) {
					p.QueryStrings.Names = []string{"showexif", "showExif", "SHOWEXIF"}
					if test.listed {
						p.Headers = Selection{Behavior: "whitelist", Names: []string{"x-made"}}
					}
				},
			})
			defer rg.Close()
			rg.get("/a?showExif=x", "Accept", "image/webp")
			if got := rg.requests[0].Header.Get("X-Made"); (got == "webp") != test.listed {
				t.Errorf("the origin got X-Made: %q", got)
			}
			a := rg.get(test.target, test.fields...)
			if hit := a.xCache() == "Hit"; hit != test.hit {
				t.Fatalf("X-Cache = %q, want a hit: %v", a.xCache(), test.hit)
			}
			if test.hit {
				return
			}
			r := rg.requests[1]
			if got := r.Header.Get("X-Made"); got != test.sent || r.URL.RawQuery != test.query {
				t.Errorf("the origin got ?%s with X-Made: %q, want ?%s and %q", r.URL.RawQuery, got, test.query, test.sent)
			}
			if log := rg.log.String(); !strings.Contains(log, strings.TrimPrefix(test.target, "/a?")) {
				t.Errorf("the access log has not the query as it was asked: %s", log)
			}
		})
	}
}
