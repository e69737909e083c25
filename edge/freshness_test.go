package edge

import (
	"net/http"
	"testing"
	"time"
)

func fields(pairs ...string) http.Header {
	h := http.Header{"Date": {"Wed, 21 Oct 2015 07:28:00 GMT"}}
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}

func TestHowLongAResponseIsKept(t *testing.T) {
	usual, none := ttlPolicy{0, 86400, 31536000}, ttlPolicy{0, 0, 31536000}
	least := ttlPolicy{60, 3600, 7200}
	const day = 24 * time.Hour
	for _, test := range []struct {
		name         string
		policy       ttlPolicy
		status       int
		header       http.Header
		ttl          time.Duration
		store, share bool
	}{
		{"nothing said: DefaultTTL", usual, 200, fields(), day, true, true},
		{"nothing said, MinTTL is larger than DefaultTTL", ttlPolicy{60, 30, 90}, 200, fields(), time.Minute, true, true},
		{"max-age", usual, 200, fields("Cache-Control", "max-age=60"), time.Minute, true, true},
		{"s-maxage beats max-age", usual, 200, fields("Cache-Control", "max-age=60, s-maxage=120"), 2 * time.Minute, true, true},
		{"max-age beats Expires", usual, 200, fields("Cache-Control", "max-age=60", "Expires", "Wed, 21 Oct 2015 08:28:00 GMT"), time.Minute, true, true},
		{"Expires minus Date", usual, 200, fields("Expires", "Wed, 21 Oct 2015 08:28:00 GMT"), time.Hour, true, true},
		{"Expires that has passed", usual, 200, fields("Expires", "Wed, 21 Oct 2015 07:00:00 GMT"), 0, false, false},
		{"Expires that is no date", usual, 200, fields("Expires", "0"), 0, false, false},
		{"max-age below MinTTL", least, 200, fields("Cache-Control", "max-age=1"), time.Minute, true, true},
		{"max-age above MaxTTL", least, 200, fields("Cache-Control", "max-age=9999"), 2 * time.Hour, true, true},
		{"max-age=0", usual, 200, fields("Cache-Control", "max-age=0"), 0, false, false},
		{"max-age=0 with a validator", usual, 200, fields("Cache-Control", "max-age=0", "Etag", `"1"`), 0, true, false},
		{"max-age that is no number", usual, 200, fields("Cache-Control", "max-age=x"), 0, false, false},
		{"max-age in quotes", usual, 200, fields("Cache-Control", `max-age="60"`), time.Minute, true, true},
		{"max-age beyond every number", usual, 200, fields("Cache-Control", "max-age=99999999999999999999"), 365 * day, true, true},
		{"first of two", usual, 200, fields("Cache-Control", "max-age=60", "Cache-Control", "max-age=1"), time.Minute, true, true},
		{"in another directive's quotes", usual, 200, fields("Cache-Control", `x="max-age=5, no-store", max-age=60`), time.Minute, true, true},
		{"Age counts", usual, 200, fields("Cache-Control", "max-age=60", "Age", "20"), 40 * time.Second, true, true},
		{"Age beyond max-age", usual, 200, fields("Cache-Control", "max-age=60", "Age", "61", "Etag", `"1"`), 0, true, false},
		{"no-store", usual, 200, fields("Cache-Control", "no-store"), 0, false, false},
		{"private", usual, 200, fields("Cache-Control", "PRIVATE, max-age=60"), 0, false, false},
		{"private field", usual, 200, fields("Cache-Control", `private="x"`), 0, false, false},
		{"no-cache", usual, 200, fields("Cache-Control", "no-cache"), 0, false, false},
		{"no-cache with a validator", usual, 200, fields("Cache-Control", "no-cache", "Last-Modified", "x"), 0, true, false},
		{"no-store with a validator", usual, 200, fields("Cache-Control", "no-store, no-cache", "Etag", `"1"`), 0, false, false},
		{"no-store with MinTTL", least, 200, fields("Cache-Control", "no-store"), time.Minute, true, true},
		{"no-cache and max-age with MinTTL", least, 200, fields("Cache-Control", "no-cache, max-age=999"), time.Minute, true, true},
		{"DefaultTTL zero", none, 200, fields(), 0, false, false},
		{"Vary: *", usual, 200, fields("Vary", "*"), 0, false, false},
		{"Vary: * with MinTTL", least, 200, fields("Vary", "*"), time.Hour, true, true},
		{"redirect", usual, 301, fields(), day, true, true},
		{"temporary redirect", usual, 302, fields(), day, true, true},
		{"307", usual, 307, fields(), 0, false, true},
		{"307 with Cache-Control", usual, 307, fields("Cache-Control", "max-age=60"), time.Minute, true, true},
		{"partial response", usual, 206, fields(), 0, false, false},
		{"401", usual, 401, fields("Cache-Control", "max-age=60"), 0, false, true},
		{"500", usual, 500, fields(), 10 * time.Second, true, true},
		{"500 with no-store", usual, 500, fields("Cache-Control", "no-store"), 10 * time.Second, true, true},
		{"500 with max-age beyond MaxTTL", least, 500, fields("Cache-Control", "max-age=99999"), 2 * time.Hour, true, true},
		{"404 with Expires", usual, 404, fields("Expires", "Wed, 21 Oct 2015 08:28:00 GMT"), time.Hour, true, true},
		{"403", usual, 403, fields(), 0, false, true},
		{"403 with s-maxage", usual, 403, fields("Cache-Control", "s-maxage=60"), time.Minute, true, true},
	} {
		got := test.policy.judge(Strict{}, test.status, test.header, 10*time.Second)
		if got.ttl != test.ttl || got.store != test.store || got.share != test.share {
			t.Errorf("%s: ttl %v, store %v, share %v; want %v, %v, %v", test.name, got.ttl, got.store, got.share, test.ttl, test.store, test.share)
		}
	}
}

func FuzzCacheControl(f *testing.F) {
	for _, seed := range []string{"max-age=60, s-maxage=1", `private="a,b", no-cache`, `x="\"`, "max-age", ",,=,", "stale-if-error=0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		cc := parseCacheControl([]string{line})
		for _, n := range []int64{cc.maxAge, cc.sMaxAge, cc.staleIfError, cc.staleWhile} {
			if n < -1 || n > 1<<31 {
				t.Errorf("%q: %d seconds", line, n)
			}
		}
		// A directive that comes first counts, whatever follows it.
		if got := parseCacheControl([]string{"max-age=7," + line}); got.maxAge != 7 {
			t.Errorf("max-age=7,%s: max-age = %d", line, got.maxAge)
		}
	})
}
