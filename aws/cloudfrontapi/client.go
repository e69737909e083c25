package cloudfrontapi

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"glassine/aws/sigv4"
)

// Client is as much of a client of CloudFront's API as purging needs.
type Client struct {
	Credentials sigv4.Credentials
	HTTP        *http.Client // must reach cloudfront.amazonaws.com
}

func (c *Client) do(method, path, body string, out any) error {
	req, err := http.NewRequest(method, "https://cloudfront.amazonaws.com"+version+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	sigv4.Sign(req, c.Credentials, "us-east-1", "cloudfront", sigv4.PayloadSHA256([]byte(body)), time.Now())
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return fmt.Errorf("is glassine running? %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20)) // 4 MiB
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode >= 300 {
		var f struct {
			Error struct{ Code, Message string }
		}
		if xml.Unmarshal(raw, &f) == nil && f.Error.Code != "" {
			return fmt.Errorf("%s: %s", f.Error.Code, f.Error.Message)
		}
		return fmt.Errorf("CloudFront API answered %s", resp.Status)
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
