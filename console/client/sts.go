package client

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"glassine/aws/sigv4"
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

// SignIn trades the client's long-term key for credentials of a session that lasts so long and dies with the key. It is
// glassine's own operation of STS; a key that is a session's already is refused with AccessDenied.
func (c *Client) SignIn(ctx context.Context, life time.Duration) (sigv4.Credentials, time.Time, error) {
	var out struct {
		AccessKeyID     string    `xml:"GlassineSignInResult>Credentials>AccessKeyId"`
		SecretAccessKey string    `xml:"GlassineSignInResult>Credentials>SecretAccessKey"`
		SessionToken    string    `xml:"GlassineSignInResult>Credentials>SessionToken"`
		Expiration      time.Time `xml:"GlassineSignInResult>Credentials>Expiration"`
	}
	r := c.query("sts", "GlassineSignIn", "2011-06-15", url.Values{"DurationSeconds": {strconv.Itoa(int(life / time.Second))}}, nil, true)
	_, err := c.xml(ctx, r, &out)
	if err == nil && (out.AccessKeyID == "" || out.SessionToken == "") {
		err = errors.New("sts:GlassineSignIn: an answer without credentials")
	}
	return sigv4.Credentials{AccessKeyID: out.AccessKeyID, SecretAccessKey: out.SecretAccessKey, SessionToken: out.SessionToken}, out.Expiration, err
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
