package console

import (
	"net/url"
	"slices"
	"strings"

	"glassine/console/client"
	"glassine/telemetry"
)

func distributionsPage(q *request) error {
	all, err := q.aws.ListDistributions(q.ctx())
	if err != nil {
		return err
	}
	return q.show("distributions", "globe", "Distributions", all)
}

// distributionData is a distribution's page.
type distributionData struct {
	client.Distribution
	ETag          string
	URL           string // for viewers, without a path
	Policies      map[string]client.CachePolicy
	Invalidations []client.Invalidation
	Asked         string // a URL's path and query, to see its cache key
	Key           *client.Traced
	Facts         []telemetry.Fact
}

// maxPurges is how many invalidations a page shows with their paths.
const maxPurges = 12

func distributionPage(q *request) error {
	d := distributionData{Asked: strings.TrimSpace(q.arg("ask")), Policies: map[string]client.CachePolicy{}}
	id := q.r.PathValue("id")
	var err error
	if d.Distribution, d.ETag, err = q.aws.GetDistribution(q.ctx(), id); err != nil {
		return err
	}
	d.URL = q.c.viewerURL(hostOf(d.Distribution))
	if all, err := q.aws.ListCachePolicies(q.ctx()); err == nil { // else ids are shown
		for _, p := range all {
			d.Policies[p.Id] = p
		}
	}
	if all, err := q.aws.ListInvalidations(q.ctx(), id); err == nil {
		slices.SortFunc(all, func(a, b client.Invalidation) int { return b.CreateTime.Compare(a.CreateTime) })
		for _, i := range all[:min(maxPurges, len(all))] {
			if whole, err := q.aws.GetInvalidation(q.ctx(), id, i.Id); err == nil {
				i = whole
			}
			d.Invalidations = append(d.Invalidations, i)
		}
	}
	if d.Asked != "" {
		if !strings.HasPrefix(d.Asked, "/") {
			d.Asked = "/" + d.Asked
		}
		traced, err := q.aws.Trace(q.ctx(), d.URL+d.Asked)
		if err != nil {
			q.problem = problemOf(err)
		} else {
			d.Key, d.Facts = &traced, traced.Trace.Facts
		}
	}
	return q.show("distribution", "globe", id, d)
}

func distributionAction(q *request) error {
	id := q.r.PathValue("id")
	to := "/distributions/" + url.PathEscape(id)
	text := ""
	err := error(&asked{"This form asks for nothing.", "Load the page again.", ""})
	switch q.form("do") {
	case "purge":
		var paths []string
		for p := range strings.FieldsSeq(q.form("paths")) {
			if !strings.HasPrefix(p, "/") {
				p = "/" + p
			}
			paths = append(paths, p)
		}
		var i client.Invalidation
		if i, err = q.aws.CreateInvalidation(q.ctx(), id, q.c.reference(), paths); err == nil {
			text = counted(len(paths), "path") + " purged: invalidation " + i.Id + " is " + i.Status + "."
		}
	case "enable", "disable":
		text = "The distribution is " + q.form("do") + "d."
		err = q.aws.SetEnabled(q.ctx(), id, q.form("do") == "enable")
	case "delete":
		text, to = "Deleted the distribution "+id+".", "/distributions"
		err = q.aws.DeleteDistribution(q.ctx(), id, q.form("etag"))
	}
	if err != nil {
		return q.again(err, distributionPage)
	}
	return q.done(to, text)
}

func cachePoliciesPage(q *request) error {
	all, err := q.aws.ListCachePolicies(q.ctx())
	if err != nil {
		return err
	}
	slices.SortStableFunc(all, func(a, b client.CachePolicy) int { return strings.Compare(a.Type, b.Type) }) // one's own first
	return q.show("cachepolicies", "policy", "Cache policies", all)
}

func createCachePolicy(q *request) error {
	name := strings.TrimSpace(q.form("name"))
	id, err := q.aws.CreateCachePolicy(q.ctx(), name, strings.Fields(q.form("queries")))
	if err != nil {
		return q.again(err, cachePoliciesPage)
	}
	return q.done("/cache-policies", "Made the cache policy "+name+" ("+id+").")
}

func (c *Console) edgeRoutes(show, do func(string, handler)) {
	show("/distributions", distributionsPage)
	show("/distributions/{id}", distributionPage)
	do("/distributions/{id}", distributionAction)
	show("/cache-policies", cachePoliciesPage)
	do("/cache-policies", createCachePolicy)
}
