package edge

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"glassine/aws/fault"
)

func TestOriginShieldIsValidatedAndKept(t *testing.T) {
	for region, code := range map[string]string{"": "", "eu-west-1": "", "ap-southeast-2": "", "Europe": "InvalidArgument", "eu-west": "InvalidArgument", "eu-west-10": "InvalidArgument"} {
		rg := newRig(t, setup{origin: always(200, "")})
		defer rg.Close()
		cfg := rg.dist.Config
		cfg.Origins[0].ShieldRegion = region
		d, err := rg.UpdateDistribution(t.Context(), rg.root, rg.dist.ID, rg.dist.ETag, cfg)
		at(t, fault.Code(err), code, "error for "+region)
		if err == nil {
			at(t, d.Config.Origins[0].ShieldRegion, region, "region")
		}
	}
}

// What a shield is for: viewers who ask at once cost the origin one request. It is so without one too.
func TestShieldedOriginSeesOneRequest(t *testing.T) {
	for _, region := range []string{"", "us-east-1"} {
		inBubble(t, setup{
			dist: func(c *DistributionConfig) { c.Origins[0].ShieldRegion = region },
			origin: func(*http.Request) (*http.Response, error) {
				time.Sleep(time.Second)
				return response(200, "ok"), nil
			},
		}, func(t *testing.T, rg *rig) {
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() { at(t, rg.get("/a").body, "ok", "body") })
			}
			all.Wait()
			at(t, len(rg.requests), 1, "requests at the origin, shield "+region)
		})
	}
}
