package cloudfrontapi

import (
	"bytes"
	"encoding/xml"

	"glassine/aws/wire"
	"glassine/edge"
)

type originRequestPolicyConfig struct {
	XMLName xml.Name `xml:"OriginRequestPolicyConfig"`
	NS      string   `xml:"xmlns,attr,omitempty"`
	Comment string
	Name    string
	selections
}

func readOriginRequestPolicy(body []byte) (edge.OriginRequestPolicyConfig, error) {
	var in originRequestPolicyConfig
	if err := wire.ReadXML(bytes.NewReader(body), maxBody, &in); err != nil {
		return edge.OriginRequestPolicyConfig{}, err
	}
	out := edge.OriginRequestPolicyConfig{Name: in.Name, Comment: in.Comment}
	return out, in.get(&out.Headers, &out.Cookies, &out.QueryStrings)
}

func originRequestPolicyShape(c edge.OriginRequestPolicyConfig) any {
	return originRequestPolicyConfig{NS: namespace, Comment: c.Comment, Name: c.Name, selections: selectionsOf(c.Headers, c.Cookies, c.QueryStrings)}
}

// selections are what a cache policy or an origin request policy takes of a request.
type selections struct {
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

func selectionsOf(headers, cookies, queryStrings edge.Selection) (s selections) {
	s.HeadersConfig.HeaderBehavior, s.HeadersConfig.Headers = headers.Behavior, namesOf(headers)
	s.CookiesConfig.CookieBehavior, s.CookiesConfig.Cookies = cookies.Behavior, namesOf(cookies)
	s.QueryStringsConfig.QueryStringBehavior, s.QueryStringsConfig.QueryStrings = queryStrings.Behavior, namesOf(queryStrings)
	return s
}

func (s *selections) get(headers, cookies, queryStrings *edge.Selection) error {
	for _, part := range []struct {
		to       *edge.Selection
		behavior string
		names    *list[text]
	}{
		{headers, s.HeadersConfig.HeaderBehavior, s.HeadersConfig.Headers},
		{cookies, s.CookiesConfig.CookieBehavior, s.CookiesConfig.Cookies},
		{queryStrings, s.QueryStringsConfig.QueryStringBehavior, s.QueryStringsConfig.QueryStrings},
	} {
		names, err := part.names.get()
		if err != nil {
			return err
		}
		*part.to = edge.Selection{Behavior: part.behavior, Names: values(names)}
	}
	return nil
}

// namesOf is a selection's list, which is absent when there are no names.
func namesOf(s edge.Selection) *list[text] {
	if len(s.Names) == 0 {
		return nil
	}
	return listOf(texts("Name", s.Names))
}
