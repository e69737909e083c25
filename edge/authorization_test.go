package edge

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

func TestAnAnswerToOneViewersAuthorizationIsNotAnothers(t *testing.T) {
	managed := func(id string) func(*DistributionConfig) {
		return func(c *DistributionConfig) { c.DefaultCacheBehavior.OriginRequestPolicyID = id }
	}
	const allViewer, andCloudFront, exceptHost = "216adef6-5c7f-47e4-b989-5492eafa07d3", "33f36d7e-f396-46d9-90e0-52428a34d9dc", "b689b0a8-53d0-40ab-baf2-68738e2966ac"
	for _, test := range []struct {
		name   string
		dist   func(*DistributionConfig)
		policy func(*CachePolicyConfig)
		strict Strict
		header []string // of the origin's answer
		want   string   // what a second viewer with another Authorization gets
		anyone string   // and one without any
	}{
		{"AllViewer", managed(allViewer), nil, Strict{}, nil, "2", "3"},
		{"AllViewerAndCloudFrontHeaders-2022-06", managed(andCloudFront), nil, Strict{}, nil, "2", "3"},
		{"AllViewerExceptHostHeader", managed(exceptHost), nil, Strict{}, nil, "2", "3"},
		{"max-age alone does not say that all may have it", managed(allViewer), nil, Strict{}, []string{"Cache-Control", "max-age=60"}, "2", "3"},
		{"public does", managed(allViewer), nil, Strict{}, []string{"Cache-Control", "public, max-age=60"}, "1", "1"},
		{"s-maxage does", managed(allViewer), nil, Strict{}, []string{"Cache-Control", "s-maxage=60"}, "1", "1"},
		{"must-revalidate does", managed(allViewer), nil, Strict{}, []string{"Cache-Control", "max-age=60, must-revalidate"}, "1", "1"},
		{"CDN-Cache-Control may say so too", managed(allViewer), nil, Strict{}, []string{"CDN-Cache-Control", "public, max-age=60", "Cache-Control", "max-age=60"}, "1", "1"},
		{"an error is not shared either", managed(allViewer), nil, Strict{}, []string{":status", "404"}, "2", "3"},
		{"where it is switched off, all get the first answer", managed(allViewer), nil, Strict{Authorization: true}, nil, "1", "1"},
		{"Authorization that does not reach the origin does not matter", nil, nil, Strict{}, nil, "1", "1"},
		{"a policy without Authorization", managed("acba4595-bd28-49b8-b9fe-13317c0390fa"), nil, Strict{}, nil, "1", "1"},
		{"in the cache key each has an answer of its own, which is kept", managed(allViewer), func(c *CachePolicyConfig) {
			c.Headers = Selection{"whitelist", []string{"Authorization"}}
		}, Strict{}, nil, "2", "3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			asked := 0
			inBubble(t, setup{
				dist: test.dist, policy: test.policy, config: func(c *Config) { c.Strict = test.strict },
				origin: func(*http.Request) (*http.Response, error) {
					asked++
					if len(test.header) > 0 && test.header[0] == ":status" {
						return response(404, itoa(asked)), nil
					}
					return response(200, itoa(asked), test.header...), nil
				},
			}, func(t *testing.T, rg *rig) {
				at(t, rg.get("/a", "Authorization", "Bearer one").body, "1", "body for the first viewer")
				at(t, rg.get("/a", "Authorization", "Bearer two").body, test.want, "body for the second")
				at(t, rg.get("/a").body, test.anyone, "body for one without Authorization")
				at(t, rg.get("/a").body, test.anyone, "body for the next one without, which is kept")
			})
		})
	}
}

func TestViewersWhoWaitForAnotherAuthorizationGetTheirOwn(t *testing.T) {
	inBubble(t, setup{
		dist: func(c *DistributionConfig) {
			c.DefaultCacheBehavior.OriginRequestPolicyID = "216adef6-5c7f-47e4-b989-5492eafa07d3"
		},
		origin: func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return response(200, r.Header.Get("Authorization"), "ETag", `"same"`), nil
		},
	}, func(t *testing.T, rg *rig) {
		var all sync.WaitGroup
		for i := range 10 {
			token := "Bearer " + itoa(i)
			all.Go(func() { at(t, rg.get("/a", "Authorization", token).body, token, "body") })
		}
		all.Wait()
		// What anybody may have is stored, and then given to all: RFC 9111, section 3.5, is about storing.
		at(t, rg.get("/a").body, "", "body for one without Authorization")
	})
}
