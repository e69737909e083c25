package edge

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"glassine/edge/cache"
)

func TestConcurrentMissesAreCollapsedWhereTheyMay(t *testing.T) {
	cookies := func(c *CachePolicyConfig) { c.Cookies = Selection{Behavior: "all"} }
	for _, c := range []struct {
		name   string
		policy func(*CachePolicyConfig)
		header []string
		dist   func(*DistributionConfig)
		want   int // requests that the origin sees of ten viewers
	}{
		{"one key is fetched once", nil, nil, nil, 1},
		{"not with caching disabled", nil, nil, func(c *DistributionConfig) {
			c.DefaultCacheBehavior.CachePolicyID = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
		}, 10},
		{"not where cookies are forwarded", cookies, nil, nil, 10},
		{"not for max-age=0, which the first answer shows", nil, []string{"Cache-Control", "max-age=0"}, nil, 10},
		{"for max-age=0 with MinTTL", ttls(1, 2, 3), []string{"Cache-Control", "max-age=0"}, nil, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, setup{policy: c.policy, dist: c.dist, origin: func(*http.Request) (*http.Response, error) {
				time.Sleep(time.Second)
				return response(200, "ok", c.header...), nil
			}}, func(t *testing.T, rg *rig) {
				var all sync.WaitGroup
				for range 10 {
					all.Go(func() { at(t, rg.get("/a").body, "ok", "body") })
				}
				all.Wait()
				at(t, len(rg.requests), c.want, "requests at the origin")
			})
		})
	}
}

// corsS3Origin forwards Origin, which is not in the key: what poisons CloudFront's caches with one site's CORS headers.
func corsS3Origin(c *DistributionConfig) {
	c.DefaultCacheBehavior.OriginRequestPolicyID = "88a5eaf4-2fd4-4709-b370-b4c650ea3fcf"
}

func TestViewersWhoWaitForAnotherVariantGetTheirOwn(t *testing.T) {
	inBubble(t, setup{dist: corsS3Origin, origin: func(r *http.Request) (*http.Response, error) {
		time.Sleep(time.Second)
		return response(200, r.Header.Get("Origin"), "Vary", "Origin"), nil
	}}, func(t *testing.T, rg *rig) {
		var all sync.WaitGroup
		for i := range 30 {
			origin := fmt.Sprintf("https://%d.example", i%3)
			all.Go(func() { at(t, rg.get("/a", "Origin", origin).body, origin, "body for "+origin) })
		}
		all.Wait()
		synctest.Wait()
		at(t, len(rg.requests), 3, "requests at the origin")
		// Each is fetched anew under its own key.
		time.Sleep(25 * time.Hour)
		for i := range 3 {
			origin := fmt.Sprintf("https://%d.example", i)
			at(t, rg.get("/a", "Origin", origin).body, origin, "body after a day")
		}
		at(t, len(rg.requests), 6, "requests at the origin after a day")
	})
}

func TestVariantsAreBounded(t *testing.T) {
	v := newVariants()
	for i := range mostVariants + 100 {
		v.learn(cache.Key{Bytes: []byte(fmt.Sprint(i))}, []string{"Foo"})
	}
	at(t, len(v.names), mostVariants, "keys remembered")
	at(t, len(v.of(cache.Key{Bytes: []byte(fmt.Sprint(mostVariants + 99))})), 1, "fields of the last key")
}
