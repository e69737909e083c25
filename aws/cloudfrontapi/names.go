package cloudfrontapi

import "net/http"

// Names returns the host names of all distributions: each one's own, then its aliases, among which may be *.example.com.
func (c *Client) Names() ([]string, error) {
	var out struct {
		Distributions []struct {
			DomainName string
			Aliases    []string `xml:"Aliases>Items>CNAME"`
		} `xml:"Items>DistributionSummary"`
	}
	if err := c.do(http.MethodGet, "distribution", "", &out); err != nil {
		return nil, err
	}
	var names []string
	for _, d := range out.Distributions {
		names = append(append(names, d.DomainName), d.Aliases...)
	}
	return names, nil
}
