package edge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"glassine/aws/fault"
)

func TestTagsOfADistribution(t *testing.T) {
	rg := newRig(t, setup{origin: always(200, "ok")})
	defer rg.Close()
	ctx := t.Context()
	cfg := plainDistribution(rg.dist.Config.DefaultCacheBehavior.CachePolicyID)
	cfg.CallerReference, cfg.Enabled = "tagged", false
	d, err := rg.CreateDistributionWithTags(ctx, rg.root, cfg, []Tag{{"b", "2"}, {"a", "1"}})
	if err != nil {
		t.Fatal(err)
	}
	tags := func() string {
		got, err := rg.TagsOf(ctx, rg.root, d.ARN)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprint(got)
	}
	at(t, tags(), "[{a 1} {b 2}]", "tags of the new distribution")
	if err := rg.TagResource(ctx, rg.root, d.ARN, []Tag{{"a", "3"}, {"c", ""}}); err != nil {
		t.Fatal(err)
	}
	at(t, tags(), "[{a 3} {b 2} {c }]", "tags after more")
	if err := rg.UntagResource(ctx, rg.root, d.ARN, []string{"b", "x"}); err != nil {
		t.Fatal(err)
	}
	at(t, tags(), "[{a 3} {c }]", "tags after fewer")
	for _, test := range []struct{ name, arn, key, value, code string }{
		{"no distribution", "arn:aws:cloudfront::" + account + ":distribution/E0", "a", "", "NoSuchResource"},
		{"another service", "arn:aws:s3:::b", "a", "", "InvalidArgument"},
		{"key of AWS's", d.ARN, "aws:x", "", "InvalidTagging"},
		{"no key", d.ARN, "", "", "InvalidTagging"},
		{"key of 129 characters", d.ARN, strings.Repeat("a", 129), "", "InvalidTagging"},
		{"value of 257 characters", d.ARN, "a", strings.Repeat("a", 257), "InvalidTagging"},
		{"value with a quote", d.ARN, "a", `"`, "InvalidTagging"},
		{"letters of any script", d.ARN, "größe", "大", ""},
	} {
		if err := rg.TagResource(ctx, rg.root, test.arn, []Tag{{test.key, test.value}}); fault.Code(err) != test.code {
			t.Errorf("%s: %v, want %q", test.name, err, test.code)
		}
	}
	many := make([]Tag, 51)
	for i := range many {
		many[i].Key = fmt.Sprint("k", i)
	}
	if err := rg.TagResource(ctx, rg.root, d.ARN, many); !fault.Is(err, "InvalidTagging") {
		t.Errorf("51 tags: %v", err)
	}
	if err := rg.DeleteDistribution(ctx, rg.root, d.ID, d.ETag); err != nil {
		t.Fatal(err)
	}
	if left, err := rg.cfg.State.List(ctx, "cloudfront/tags", ""); err != nil || len(left) != 0 {
		t.Errorf("%d records of tags left after the distribution, %v", len(left), err)
	}
}

func TestDistributionsAreListedByWhatTheyUse(t *testing.T) {
	const policy = "67f7725c-6f97-4210-82d7-5512b31e9d03"
	rg := newRig(t, setup{origin: always(200, "ok"), dist: func(c *DistributionConfig) { c.DefaultCacheBehavior.ResponseHeadersPolicyID = policy }})
	defer rg.Close()
	for _, test := range []struct {
		action, id, code string
		found            bool
	}{
		{"ListDistributionsByCachePolicyId", rg.dist.Config.DefaultCacheBehavior.CachePolicyID, "", true},
		{"ListDistributionsByCachePolicyId", "658327ea-f89d-4fab-a63d-7e88639e58f6", "", false},
		{"ListDistributionsByCachePolicyId", "x", "NoSuchCachePolicy", false},
		{"ListDistributionsByResponseHeadersPolicyId", policy, "", true},
		{"ListDistributionsByOriginRequestPolicyId", "216adef6-5c7f-47e4-b989-5492eafa07d3", "", false},
		{"ListDistributionsByKeyGroup", "x", "NoSuchResource", false},
		{"ListDistributionsByMood", "x", "NotImplemented", false},
	} {
		ids, err := rg.ListDistributionsUsing(t.Context(), rg.root, test.action, test.id)
		if fault.Code(err) != test.code || slices.Contains(ids, rg.dist.ID) != test.found {
			t.Errorf("%s %s: %v, %v; want it listed: %v, code %q", test.action, test.id, ids, err, test.found, test.code)
		}
	}
}
