package cloudfrontapi

import (
	"encoding/xml"
	"net/http"
	"strings"
	"time"

	"glassine/aws/wire"
)

// Client is as much of a client of CloudFront's API as purging needs.
type Client struct{ wire.Client }

func (c *Client) do(method, path, body string, out any) error {
	raw, err := c.Send("cloudfront", "us-east-1", method, "https://cloudfront.amazonaws.com"+version+path, nil, []byte(body))
	if err != nil {
		return err
	}
	return xml.Unmarshal(raw, out)
}

// Distributions returns the ids of all distributions.
func (c *Client) Distributions() ([]string, error) {
	var out struct {
		IDs []string `xml:"Items>DistributionSummary>Id"`
	}
	err := c.do(http.MethodGet, "distribution", "", &out)
	return out.IDs, err
}

// Invalidate purges a path, or with a * at its end a prefix, and returns the invalidation's id.
func (c *Client) Invalidate(id, path string) (string, error) {
	var escaped strings.Builder
	_ = xml.EscapeText(&escaped, []byte(path)) // a strings.Builder does not fail
	body := `<InvalidationBatch xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Paths><Quantity>1</Quantity><Items><Path>` +
		escaped.String() + `</Path></Items></Paths><CallerReference>purge-` + time.Now().UTC().Format(time.RFC3339Nano) + `</CallerReference></InvalidationBatch>`
	var out struct{ Id string }
	err := c.do(http.MethodPost, "distribution/"+id+"/invalidation", body, &out)
	return out.Id, err
}
