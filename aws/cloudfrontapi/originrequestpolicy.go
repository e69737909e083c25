package cloudfrontapi

import (
	"bytes"
	"encoding/xml"

	"glassine/aws/wire"
	"glassine/edge"
)

type originRequestPolicyConfig struct {
	XMLName       xml.Name `xml:"OriginRequestPolicyConfig"`
	NS            string   `xml:"xmlns,attr,omitempty"`
	Comment       string
	Name          string
	HeadersConfig struct {
		HeaderBehavior string
		Headers        *list[text] `xml:",omitempty"`
	}
	CookiesConfig struct {
		CookieBehavior string
		Cookies        *list[text] `xml:",omitempty"`
	}
	QueryStringsConfig struct {
		QueryStringBehavior string
		QueryStrings        *list[text] `xml:",omitempty"`
	}
}

func readOriginRequestPolicy(body []byte) (edge.OriginRequestPolicyConfig, error) {
	var in originRequestPolicyConfig
	if err := wire.ReadXML(bytes.NewReader(body), maxBody, &in); err != nil {
		return edge.OriginRequestPolicyConfig{}, err
	}
	out := edge.OriginRequestPolicyConfig{Name: in.Name, Comment: in.Comment}
	for _, part := range []struct {
		to       *edge.Selection
		behavior string
		names    *list[text]
	}{
		{&out.Headers, in.HeadersConfig.HeaderBehavior, in.HeadersConfig.Headers},
		{&out.Cookies, in.CookiesConfig.CookieBehavior, in.CookiesConfig.Cookies},
		{&out.QueryStrings, in.QueryStringsConfig.QueryStringBehavior, in.QueryStringsConfig.QueryStrings},
	} {
		names, err := part.names.get()
		if err != nil {
			return out, err
		}
		*part.to = edge.Selection{Behavior: part.behavior, Names: values(names)}
	}
	return out, nil
}

func originRequestPolicyShape(c edge.OriginRequestPolicyConfig) any {
	out := originRequestPolicyConfig{NS: namespace, Comment: c.Comment, Name: c.Name}
	out.HeadersConfig.HeaderBehavior, out.HeadersConfig.Headers = c.Headers.Behavior, namesOf(c.Headers)
	out.CookiesConfig.CookieBehavior, out.CookiesConfig.Cookies = c.Cookies.Behavior, namesOf(c.Cookies)
	out.QueryStringsConfig.QueryStringBehavior, out.QueryStringsConfig.QueryStrings = c.QueryStrings.Behavior, namesOf(c.QueryStrings)
	return out
}

// namesOf is a selection's list, which is absent when there are no names.
func namesOf(s edge.Selection) *list[text] {
	if len(s.Names) == 0 {
		return nil
	}
	return listOf(texts("Name", s.Names))
}
