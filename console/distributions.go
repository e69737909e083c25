package console

import (
	"cmp"
	"maps"
	"math"
	"net/url"
	"slices"
	"strings"
	"unicode"

	"glassine/console/client"
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
	PolicyList    []client.CachePolicy
	Invalidations []client.Invalidation
	Asked         string // a URL's path and query, to see its cache key
	Key           *keyParts
	Top, Misses   []topRow
	NoTop         string // why there are none
	HitRate       chart
	Rate          string   // of the last half hour, "" when nothing was asked
	Versions      []string // ARNs of numbered versions in us-east-1, which may run at the edge
	Buckets       []string // domains that an origin may have
	Behaviors     []client.Behavior
}

// topRow is a URL that was asked for often.
type topRow struct {
	client.TopURL
	Share int // of the most, in per cent
	Why   string
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
	d.Behaviors = append(slices.Clone(d.Config.Behaviors), d.Config.Default)
	d.URL = q.c.viewerURL(hostOf(d.Distribution))
	if all, err := q.aws.ListCachePolicies(q.ctx()); err == nil { // else ids are shown
		d.PolicyList = all
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
		if t, err := q.aws.ExplainKey(q.ctx(), d.URL+d.Asked, ""); err != nil {
			q.problem = problemOf(err)
		} else {
			parts := keyOfFacts(t.Facts)
			d.Key = &parts
		}
	}
	d.HitRate, d.Rate = q.c.hitRate(id)
	q.top(&d)
	q.choices(&d)
	return q.show("distribution", "globe", id, d, "key.js")
}

// top asks what was asked for most.
func (q *request) top(d *distributionData) {
	top, err := q.aws.TopURLs(q.ctx(), d.Id)
	if err != nil {
		d.NoTop = problemOf(err).Why
		return
	}
	rows := func(all []client.TopURL, of func(client.TopURL) int64) (out []topRow) {
		for _, u := range all[:min(len(all), 10)] {
			r := topRow{TopURL: u, Share: int(100 * of(u) / max(1, of(all[0])))}
			for _, reason := range slices.SortedFunc(maps.Keys(u.Reasons), func(a, b string) int { return cmp.Compare(u.Reasons[b], u.Reasons[a]) }) {
				if r.Why != "" {
					r.Why += ", "
				}
				r.Why += grouped(u.Reasons[reason]) + " × "
				if unicode.IsLower([]rune(reason)[0]) { // "was not in the cache"; others are CloudFront's own words, such as Error
					r.Why += "it "
				}
				r.Why += reason
			}
			out = append(out, r)
		}
		return out
	}
	d.Top = rows(top.URLs, func(u client.TopURL) int64 { return u.Requests })
	d.Misses = rows(top.Misses, func(u client.TopURL) int64 { return u.Misses })
}

// choices are what the forms offer. Who may not list something writes it.
func (q *request) choices(d *distributionData) {
	_ = q.inRegion("us-east-1", func(aws *client.Client) error { // the page is of use without
		all, err := aws.ListFunctions(q.ctx())
		if err != nil {
			return err
		}
		for _, f := range all {
			versions, err := aws.ListVersions(q.ctx(), f.FunctionName)
			if err != nil {
				return err
			}
			for _, v := range versions {
				if v.Version != "$LATEST" {
					d.Versions = append(d.Versions, v.FunctionArn)
				}
			}
		}
		return nil
	})
	if points, err := q.aws.ListObjectLambdas(q.ctx()); err == nil {
		for _, p := range points {
			d.Buckets = append(d.Buckets, p.Name+"-"+q.c.cfg.Account+".s3-object-lambda."+q.c.cfg.Region+".amazonaws.com")
		}
	}
	if buckets, err := q.aws.ListBuckets(q.ctx()); err == nil {
		for _, b := range buckets {
			d.Buckets = append(d.Buckets, b.Name+".s3."+q.c.cfg.Region+".amazonaws.com")
		}
	}
}

// hitRate is the share of a distribution's requests that the cache answered, over the readings there are, and as one number.
func (c *Console) hitRate(id string) (chart, string) {
	const metric = "glassine_edge_requests_total"
	total := func(s sample) (hits, all float64) {
		for key, v := range s.values {
			result, ok := strings.CutPrefix(key, metric+"{distribution="+id+",result=")
			if !ok {
				continue
			}
			if all += v; result == "Hit}" || result == "RefreshHit}" {
				hits += v
			}
		}
		return hits, all
	}
	share := func(a, b sample) float64 {
		hits, all := total(b)
		hitsBefore, allBefore := total(a)
		if all <= allBefore {
			return math.NaN()
		}
		return 100 * (hits - hitsBefore) / (all - allBefore)
	}
	readings := c.series.samples()
	out := plot{"hits", "Hit rate", "Of this distribution's requests, how many the cache answered.", " %", decimals, metric, []plotLine{{"hits", share}}}.draw(readings)
	if len(readings) < 2 {
		return out, ""
	}
	if v := share(readings[0], readings[len(readings)-1]); !math.IsNaN(v) {
		return out, decimals(v) + " %"
	}
	return out, ""
}

// keyPreview is the cache key of a path and query, for a script that asks as one types.
func keyPreview(q *request) error {
	d, _, err := q.aws.GetDistribution(q.ctx(), q.r.PathValue("id"))
	if err != nil {
		return err
	}
	asked := strings.TrimSpace(q.arg("ask"))
	if !strings.HasPrefix(asked, "/") {
		asked = "/" + asked
	}
	t, err := q.aws.ExplainKey(q.ctx(), q.c.viewerURL(hostOf(d))+asked, q.arg("accept"))
	if err != nil {
		return err
	}
	return q.json(keyOfFacts(readable(t).Facts))
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
	case "origin", "drop-origin", "behavior", "drop-behavior", "trigger":
		text, err = q.editDistribution(id)
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

func (c *Console) edgeRoutes(show, do, send func(string, handler)) {
	show("/distributions", distributionsPage)
	show("/distributions/{id}", distributionPage)
	send("/distributions/{id}/key", c.scripted(keyPreview))
	do("/distributions/{id}", distributionAction)
	show("/cache-policies", cachePoliciesPage)
	do("/cache-policies", createCachePolicy)
}
