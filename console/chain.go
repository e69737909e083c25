package console

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"glassine/aws/arn"
	"glassine/console/client"
)

// chain is a whole way from a viewer to a bucket: a distribution whose origin is an Object Lambda access point.
type chain struct {
	Distribution  client.Distribution
	Host          string // what viewers ask
	Signer        string // ARN of the function at origin-request, or ""
	AccessControl bool   // the edge signs by itself
	ObjectLambda  string // name
	Point         string // name of the supporting access point
	Bucket        string
	Function      string // ARN, or the URL of a webhook
	CachePolicy   string // id
	// Note says why the chain ends before the bucket.
	Note string
}

// Complete reports whether the way ends in a bucket.
func (c *chain) Complete() bool { return c.Bucket != "" }

// chains finds every such way, from what the user may list. Distributions in front of anything else are left out.
func chains(ctx context.Context, aws *client.Client) ([]*chain, error) {
	distributions, err := aws.ListDistributions(ctx)
	if err != nil {
		return nil, err
	}
	var out []*chain
	var points []client.ObjectLambda
	for _, d := range distributions {
		for _, o := range d.Config.Origins {
			if o.Id != d.Config.Default.TargetOriginId {
				continue
			}
			name, alias, ok := objectLambdaOf(o.DomainName)
			if !ok {
				continue
			}
			if alias != "" {
				if points == nil {
					if points, err = aws.ListObjectLambdas(ctx); err != nil {
						return nil, err
					}
				}
				i := slices.IndexFunc(points, func(p client.ObjectLambda) bool { return p.Alias == alias })
				if i < 0 {
					continue
				}
				name = points[i].Name
			}
			out = append(out, follow(ctx, aws, d, o, name))
		}
	}
	// Those that work come first, and of them those that viewers of this machine can open.
	slices.SortStableFunc(out, func(a, b *chain) int { return cmp.Compare(a.rank(), b.rank()) })
	return out, nil
}

func (c *chain) rank() int {
	switch {
	case !c.Complete() || !c.Distribution.Config.Enabled:
		return 2
	case c.Host != "localhost":
		return 1
	}
	return 0
}

// hostOf is the name under which viewers of this machine best ask a distribution.
func hostOf(d client.Distribution) string {
	if i := slices.IndexFunc(d.Config.Aliases, loopbackName); i >= 0 {
		return d.Config.Aliases[i]
	}
	if len(d.Config.Aliases) > 0 && !strings.Contains(d.Config.Aliases[0], "*") {
		return d.Config.Aliases[0]
	}
	return d.DomainName
}

// follow asks step by step what stands behind a distribution's origin.
func follow(ctx context.Context, aws *client.Client, d client.Distribution, o client.Origin, name string) *chain {
	c := &chain{Distribution: d, Host: hostOf(d), ObjectLambda: name, AccessControl: o.OriginAccessControlId != "", CachePolicy: d.Config.Default.CachePolicyId}
	for _, l := range d.Config.Default.Lambdas {
		if l.EventType == "origin-request" {
			c.Signer = l.ARN
		}
	}
	cfg, err := aws.GetObjectLambdaConfiguration(ctx, name)
	if err != nil {
		c.Note = "The Object Lambda access point cannot be read: " + problemOf(err).Why
		return c
	}
	for _, t := range cfg.Transformations {
		if slices.Contains(t.Actions, "GetObject") {
			c.Function = t.ARN
		}
	}
	supporting, err := arn.Parse(cfg.SupportingAccessPoint)
	if err != nil {
		c.Note = "Its supporting access point has no ARN."
		return c
	}
	c.Point = supporting.Name("accesspoint")
	point, err := aws.GetAccessPoint(ctx, c.Point)
	if err != nil {
		c.Note = "The access point cannot be read: " + problemOf(err).Why
		return c
	}
	c.Bucket = point.Bucket
	return c
}

// objectLambdaOf is the Object Lambda access point that an origin's domain names, by name or by alias.
// (Amazon S3 User Guide, "Using Amazon S3 Object Lambda access points with CloudFront"; "Aliases".)
func objectLambdaOf(domain string) (name, alias string, ok bool) {
	label, rest, _ := strings.Cut(domain, ".")
	switch {
	case strings.HasPrefix(rest, "s3-object-lambda.") && len(label) > 13 && label[len(label)-13] == '-':
		return label[:len(label)-13], "", true
	case strings.HasSuffix(label, "--ol-s3") && strings.HasPrefix(rest, "s3."):
		return "", label, true
	}
	return "", "", false
}
