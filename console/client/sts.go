package client

import (
	"context"
	"net/http"
	"net/url"
)

// Identity is who signs. (STS API Reference, GetCallerIdentity.)
type Identity struct {
	Arn, UserID, Account string
}

// GetCallerIdentity asks who the credentials are. Everybody may.
func (c *Client) GetCallerIdentity(ctx context.Context) (Identity, error) {
	var out struct {
		Arn     string `xml:"GetCallerIdentityResult>Arn"`
		UserId  string `xml:"GetCallerIdentityResult>UserId"`
		Account string `xml:"GetCallerIdentityResult>Account"`
	}
	_, err := c.xml(ctx, c.query("sts", "GetCallerIdentity", "2011-06-15", nil, []string{"sts", "get-caller-identity"}, true), &out)
	return Identity{out.Arn, out.UserId, out.Account}, err
}

// query is a call of the Query protocol.
func (c *Client) query(service, action, version string, parameters url.Values, cli []string, reads bool) request {
	if parameters == nil {
		parameters = url.Values{}
	}
	parameters.Set("Action", action)
	parameters.Set("Version", version)
	host, region := service+".amazonaws.com", "us-east-1"
	if service == "cloudformation" {
		host, region = service+"."+c.Region+".amazonaws.com", c.Region
	}
	return request{
		operation: service + ":" + action, service: service, region: region, method: http.MethodPost, url: "https://" + host + "/",
		header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, body: []byte(parameters.Encode()), cli: cli, reads: reads,
	}
}
