package cloudfrontapi

import (
	"bytes"
	"encoding/xml"
	"net/http"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/edge"
)

func (h *Handler) createCachePolicy(c *call) error {
	cfg, err := readCachePolicyConfig(c.body)
	if err != nil {
		return err
	}
	p, err := h.Edge.CreateCachePolicy(c.ctx, c.caller, cfg)
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "https://cloudfront.amazonaws.com"+version+"cache-policy/"+p.ID)
	return writeCachePolicy(c, http.StatusCreated, p)
}

func (h *Handler) getCachePolicy(c *call, id string) error {
	p, err := h.Edge.GetCachePolicy(c.ctx, c.caller, id)
	if err != nil {
		return err
	}
	return writeCachePolicy(c, http.StatusOK, p)
}

func (h *Handler) getCachePolicyConfig(c *call, id string) error {
	p, err := h.Edge.GetCachePolicyConfig(c.ctx, c.caller, id)
	if err != nil {
		return err
	}
	out := policyShape(p)
	out.CachePolicyConfig.NS = namespace
	c.w.Header().Set("ETag", p.ETag)
	wire.WriteXML(c.w, http.StatusOK, out.CachePolicyConfig)
	return nil
}

func (h *Handler) updateCachePolicy(c *call, id string) error {
	cfg, err := readCachePolicyConfig(c.body)
	if err != nil {
		return err
	}
	p, err := h.Edge.UpdateCachePolicy(c.ctx, c.caller, id, c.ifMatch, cfg)
	if err != nil {
		return err
	}
	return writeCachePolicy(c, http.StatusOK, p)
}

func writeCachePolicy(c *call, status int, p edge.CachePolicy) error {
	out := policyShape(p)
	out.NS = namespace
	c.w.Header().Set("ETag", p.ETag)
	wire.WriteXML(c.w, status, out)
	return nil
}

func (h *Handler) listCachePolicies(c *call) error {
	kind := c.query["Type"]
	if kind != "" && kind != "managed" && kind != "custom" {
		return fault.New("InvalidArgument", "Type %q is not managed or custom.", kind)
	}
	all, err := h.Edge.ListCachePolicies(c.ctx, c.caller)
	if err != nil {
		return err
	}
	type summary struct {
		XMLName     xml.Name `xml:"CachePolicySummary"`
		Type        string
		CachePolicy cachePolicy
	}
	var summaries []summary
	for _, p := range all {
		s := summary{Type: "custom", CachePolicy: policyShape(p)}
		if p.Managed {
			s.Type = "managed"
		}
		if kind == "" || kind == s.Type {
			summaries = append(summaries, s)
		}
	}
	wire.WriteXML(c.w, http.StatusOK, struct {
		XMLName  xml.Name `xml:"CachePolicyList"`
		NS       string   `xml:"xmlns,attr"`
		MaxItems int
		*list[summary]
	}{NS: namespace, MaxItems: 100, list: listOf(summaries)})
	return nil
}

func readCachePolicyConfig(body []byte) (edge.CachePolicyConfig, error) {
	var in cachePolicyConfig
	if err := wire.ReadXML(bytes.NewReader(body), maxBody, &in); err != nil {
		return edge.CachePolicyConfig{}, err
	}
	cfg := edge.CachePolicyConfig{
		Name: in.Name, Comment: in.Comment, MinTTL: in.MinTTL, DefaultTTL: in.DefaultTTL, MaxTTL: in.MaxTTL,
		Headers: edge.Selection{Behavior: "none"}, Cookies: edge.Selection{Behavior: "none"}, QueryStrings: edge.Selection{Behavior: "none"},
	}
	k := in.ParametersInCacheKeyAndForwardedToOrigin
	if k == nil {
		return cfg, nil
	}
	cfg.AcceptEncodingGzip, cfg.AcceptEncodingBrotli = k.EnableAcceptEncodingGzip, k.EnableAcceptEncodingBrotli
	return cfg, k.get(&cfg.Headers, &cfg.Cookies, &cfg.QueryStrings)
}

func policyShape(p edge.CachePolicy) cachePolicy {
	c := p.Config
	k := &keyParameters{
		EnableAcceptEncodingGzip: c.AcceptEncodingGzip, EnableAcceptEncodingBrotli: c.AcceptEncodingBrotli,
		selections: selectionsOf(c.Headers, c.Cookies, c.QueryStrings),
	}
	return cachePolicy{
		Id: p.ID, LastModifiedTime: isoTime(p.LastModified),
		CachePolicyConfig: cachePolicyConfig{Comment: c.Comment, Name: c.Name, DefaultTTL: c.DefaultTTL, MaxTTL: c.MaxTTL, MinTTL: c.MinTTL, ParametersInCacheKeyAndForwardedToOrigin: k},
	}
}
