// Package client deploys templates and cdk.out directories through CloudFormation's API, as `aws cloudformation package` and
// `deploy` and the CDK's own command line do: local code goes into the staging bucket by its hash, a change set is made,
// looked at and executed, and its events are followed. It speaks AWS's wire alone and knows nothing of package cloudformation,
// so it deploys to AWS as well.
//
// Start at Deployer and Remover. What is deployed is a Template (ReadTemplate) or an Assembly (ReadAssembly).
package client

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
)

// Client calls AWS's APIs in one region. It is safe for many goroutines.
type Client struct {
	wire.Client
	// Region is where calls go that have a region.
	Region string

	mu      sync.Mutex // guards account
	account string
}

// New makes a client of a region.
func New(c wire.Client, region string) *Client { return &Client{Client: c, Region: region} }

// In returns a client of another region, "" for c's own.
func (c *Client) In(region string) *Client {
	if region == "" || region == c.Region {
		return c
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return &Client{Client: c.Client, Region: region, account: c.account}
}

// Account returns the caller's account, 12 digits. It is asked once (STS GetCallerIdentity).
func (c *Client) Account(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.account != "" {
		return c.account, nil
	}
	out, err := query[struct{ Account string }](ctx, c, "sts", "2011-06-15", "GetCallerIdentity", nil)
	if err != nil {
		return "", err
	}
	c.account = out.Account
	return c.account, nil
}

// cloudformationVersion is that of CloudFormation's Query API. CloudFormation API Reference, "Common Parameters".
const cloudformationVersion = "2010-05-15"

// query calls an operation of a service with the Query protocol and returns its <OperationResult>.
func query[T any](ctx context.Context, c *Client, service, version, action string, parameters url.Values) (T, error) {
	var out struct {
		Result           T `xml:",any"`
		ResponseMetadata struct{}
	}
	if err := ctx.Err(); err != nil {
		return out.Result, err
	}
	form := url.Values{"Action": {action}, "Version": {version}}
	for name, values := range parameters {
		form[name] = values
	}
	endpoint, region := "https://"+service+"."+c.Region+".amazonaws.com/", c.Region
	if service == "iam" {
		endpoint, region = "https://iam.amazonaws.com/", "us-east-1" // IAM has one endpoint
	}
	raw, err := c.Send(service, region, http.MethodPost, endpoint, http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}, []byte(form.Encode()))
	if err != nil {
		return out.Result, err
	}
	if err := xml.Unmarshal(raw, &out); err != nil {
		return out.Result, fmt.Errorf("%s: read answer: %w", action, err)
	}
	return out.Result, nil
}

func cloudformation[T any](ctx context.Context, c *Client, action string, parameters url.Values) (T, error) {
	return query[T](ctx, c, "cloudformation", cloudformationVersion, action, parameters)
}

// nothing is the result of operations that have none.
type nothing struct{}

// member sets List.member.N, or for a list of structures List.member.N.Field.
func member(form url.Values, list string, n int, field, value string) {
	name := fmt.Sprintf("%s.member.%d", list, n)
	if field != "" {
		name += "." + field
	}
	form.Set(name, value)
}

// noStack reports whether err says that there is no such stack. DescribeStacks and others have no code of their own for it.
func noStack(err error) bool {
	return fault.Is(err, "ValidationError") && isGone(messageOf(err))
}

// wait lets time pass, less at first: what is done in milliseconds is seen soon, and what takes minutes is not asked for often.
type wait struct{ next, most time.Duration }

func (w *wait) pause(ctx context.Context) error {
	t := time.NewTimer(w.next)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
	}
	w.next = min(w.next*3/2, w.most)
	return nil
}
