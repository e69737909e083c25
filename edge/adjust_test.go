package edge

import (
	"net/http"
	"testing"
)

func TestAdjustHoldsForRequestsFromNowOn(t *testing.T) {
	rg := newRig(t, setup{dist: corsS3Origin, origin: func(r *http.Request) (*http.Response, error) {
		return response(200, r.Header.Get("Origin"), "Vary", "Origin"), nil
	}})
	const one, two = "https://1.example", "https://2.example"
	rg.get("/a", "Origin", one)
	before := rg.get("/a", "Origin", two)
	at(t, before.body, two, "body for the second site, where Vary counts")
	at(t, before.header.Get("Cache-Status"), "", "Cache-Status")

	rg.Adjust(Adjustable{Strict: Strict{Vary: true}, CacheStatus: true})
	rg.get("/b", "Origin", one)
	after := rg.get("/b", "Origin", two)
	at(t, after.body, one, "body for the second site, where Vary is CloudFront's")
	if got := after.header.Get("Cache-Status"); got == "" {
		t.Error("no Cache-Status after it was asked for")
	}

	rg.Adjust(Adjustable{})
	rg.get("/c", "Origin", one)
	again := rg.get("/c", "Origin", two)
	at(t, again.body, two, "body for the second site, where Vary counts again")
	at(t, again.header.Get("Cache-Status"), "", "Cache-Status")
}
