package console

import (
	"slices"
	"strconv"
	"strings"

	"glassine/console/client"
)

// editDistribution does what a form for origins, behaviors or triggers asks, and says what was done.
func (q *request) editDistribution(id string) (text string, err error) {
	field := func(name string) string { return strings.TrimSpace(q.form(name)) }
	switch q.form("do") {
	case "origin":
		return q.putOrigin(id, field("origin"), field("domain"), field("path"))
	case "drop-origin":
		origin := field("origin")
		return "The origin " + origin + " is gone.", q.aws.EditDistribution(q.ctx(), id, `del(.Origins.Items[] | select(.Id == `+jsonText(origin)+`)) | .Origins.Quantity = (.Origins.Items | length)`, func(c *client.Element) error {
			origins := c.Of("Origins")
			origins.SetItems(slices.DeleteFunc(slices.Clone(origins.Items()), func(o *client.Element) bool { return o.Get("Id") == origin }))
			return nil
		})
	case "behavior":
		return q.putBehavior(id, behaviorForm{field("pattern"), field("origin"), field("policy"), field("viewers"), field("compress") != ""})
	case "drop-behavior":
		pattern := field("pattern")
		return "The behavior of " + pattern + " is gone.", q.aws.EditDistribution(q.ctx(), id, `del(.CacheBehaviors.Items[] | select(.PathPattern == `+jsonText(pattern)+`)) | .CacheBehaviors.Quantity = (.CacheBehaviors.Items | length)`, func(c *client.Element) error {
			all := c.Of("CacheBehaviors")
			all.SetItems(slices.DeleteFunc(slices.Clone(all.Items()), func(b *client.Element) bool { return b.Get("PathPattern") == pattern }))
			return nil
		})
	}
	return q.putTrigger(id, field("pattern"), field("event"), field("function"))
}

// jsonText is s as JSON, and so as a text of jq.
func jsonText(s string) string { return strconv.Quote(strings.ToValidUTF8(s, "\ufffd")) }

// putOrigin makes an origin, or gives the one of that name another domain and path. Buckets and access points of S3 are asked
// over TLS alone, as all are that the console makes.
func (q *request) putOrigin(id, name, domain, path string) (string, error) {
	if name == "" || domain == "" {
		return "", &asked{"An origin has a name and a domain.", "Both fields are needed.", ""}
	}
	filter := `.Origins.Items |= map(if .Id == ` + jsonText(name) + ` then .DomainName = ` + jsonText(domain) + ` | .OriginPath = ` + jsonText(path) + ` else . end)`
	return "The origin " + name + " is " + domain + path + ".", q.aws.EditDistribution(q.ctx(), id, filter, func(c *client.Element) error {
		all := c.Of("Origins").Items()
		for _, o := range all {
			if o.Get("Id") == name {
				o.Set(domain, "DomainName")
				o.Set(path, "OriginPath")
				return nil
			}
		}
		o := client.NewElement("Origin", "Id", name, "DomainName", domain, "OriginPath", path)
		custom := o.Of("CustomOriginConfig")
		custom.Children = client.NewElement("", "HTTPPort", "80", "HTTPSPort", "443", "OriginProtocolPolicy", "https-only").Children
		custom.Of("OriginSslProtocols").SetItems([]*client.Element{{Name: "SslProtocol", Text: "TLSv1.2"}})
		c.Of("Origins").SetItems(append(slices.Clone(all), o))
		return nil
	})
}

// behaviorForm is what the form of a behavior has; Pattern "*" is the default behavior, which there always is.
type behaviorForm struct {
	Pattern, Origin, Policy, Viewers string
	Compress                         bool
}

func (q *request) putBehavior(id string, f behaviorForm) (string, error) {
	if f.Pattern == "" {
		return "", &asked{"A behavior has a path pattern.", "*, which is the default behavior, or one such as /album/*.", ""}
	}
	set := func(b *client.Element) {
		b.Set(f.Origin, "TargetOriginId")
		b.Set(f.Viewers, "ViewerProtocolPolicy")
		b.Set(strconv.FormatBool(f.Compress), "Compress")
		if f.Policy != "" {
			b.Set(f.Policy, "CachePolicyId")
			for _, legacy := range []string{"ForwardedValues", "MinTTL", "DefaultTTL", "MaxTTL"} { // a policy says all of it
				b.Drop(legacy)
			}
		}
	}
	changes := `.TargetOriginId = ` + jsonText(f.Origin) + ` | .ViewerProtocolPolicy = ` + jsonText(f.Viewers) + ` | .CachePolicyId = ` + jsonText(f.Policy) + ` | .Compress = ` + strconv.FormatBool(f.Compress)
	filter := `.CacheBehaviors.Items |= map(if .PathPattern == ` + jsonText(f.Pattern) + ` then ` + changes + ` else . end)`
	if f.Pattern == "*" {
		filter = `.DefaultCacheBehavior |= (` + changes + `)`
	}
	return "The behavior of " + f.Pattern + " is set.", q.aws.EditDistribution(q.ctx(), id, filter, func(c *client.Element) error {
		if b := behaviorOf(c, f.Pattern); b != nil {
			set(b)
			return nil
		}
		b := client.NewElement("CacheBehavior", "PathPattern", f.Pattern)
		set(b)
		c.Of("CacheBehaviors").SetItems(append(slices.Clone(c.Of("CacheBehaviors").Items()), b))
		return nil
	})
}

// behaviorOf finds the behavior of a pattern in a configuration, nil for none.
func behaviorOf(c *client.Element, pattern string) *client.Element {
	if pattern == "*" {
		return c.Of("DefaultCacheBehavior")
	}
	for _, b := range c.Of("CacheBehaviors").Items() {
		if b.Get("PathPattern") == pattern {
			return b
		}
	}
	return nil
}

// events are where a Lambda@Edge function may run. (CloudFront API Reference, LambdaFunctionAssociation.)
var events = []string{"viewer-request", "origin-request", "origin-response", "viewer-response"}

// putTrigger has a numbered version of a function run at an event of a behavior; "" takes away what does.
func (q *request) putTrigger(id, pattern, event, function string) (string, error) {
	if !slices.Contains(events, event) {
		return "", &asked{"There is no such event.", "A function runs at one of: " + strings.Join(events, ", ") + ".", ""}
	}
	text := "Nothing runs at " + event + " of " + pattern + " any more."
	item := ""
	if function != "" {
		text = functionName(function) + " runs at " + event + " of " + pattern + "."
		item = ` + [{LambdaFunctionARN: ` + jsonText(function) + `, EventType: ` + jsonText(event) + `, IncludeBody: false}]`
	}
	change := `.LambdaFunctionAssociations.Items = ([.LambdaFunctionAssociations.Items[]? | select(.EventType != ` + jsonText(event) + `)]` + item +
		`) | .LambdaFunctionAssociations.Quantity = (.LambdaFunctionAssociations.Items | length)`
	filter := `.DefaultCacheBehavior |= (` + change + `)`
	if pattern != "*" {
		filter = `.CacheBehaviors.Items |= map(if .PathPattern == ` + jsonText(pattern) + ` then ` + change + ` else . end)`
	}
	return text, q.aws.EditDistribution(q.ctx(), id, filter, func(c *client.Element) error {
		b := behaviorOf(c, pattern)
		if b == nil {
			return &asked{"There is no such behavior.", "Load the page again.", ""}
		}
		list := b.Of("LambdaFunctionAssociations")
		all := slices.DeleteFunc(slices.Clone(list.Items()), func(e *client.Element) bool { return e.Get("EventType") == event })
		if function != "" {
			all = append(all, client.NewElement("LambdaFunctionAssociation", "LambdaFunctionARN", function, "EventType", event, "IncludeBody", "false"))
		}
		list.SetItems(all)
		return nil
	})
}
