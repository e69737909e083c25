package runner

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
)

// Webhook runs a function in another process by POSTing the event to a URL. The body of the answer is the result; a
// status other than 2xx is the function's failure, a redirect too: the request is sent to no address but URL.
//
// The request carries in headers what a process on AWS Lambda finds in its environment and in the Runtime API's headers:
// Lambda-Runtime-Aws-Request-Id, Lambda-Runtime-Deadline-Ms (Unix milliseconds), Lambda-Runtime-Invoked-Function-Arn,
// and the execution role's credentials for this invocation in Glassine-Function-Credentials (base64 of a JSON object
// with AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_REGION). So credentials are never kept
// elsewhere, and they are sent only over HTTPS or to this machine.
type Webhook struct {
	URL string
	// Transport sends the request; nil means http.DefaultTransport.
	Transport http.RoundTripper
}

// CredentialsHeader carries the execution role's credentials to a webhook.
const CredentialsHeader = "Glassine-Function-Credentials"

// CheckWebhook says why url cannot be a function's: it is no http(s) URL, or credentials would go in clear to another machine.
func CheckWebhook(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return fmt.Errorf("%q is not an http or https URL", raw)
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return fmt.Errorf("%q is plain HTTP to another machine: a function gets credentials, so use https, or http to a loopback address", raw)
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Run sends the event and waits for the answer until ctx ends.
func (h Webhook) Run(ctx context.Context, inv Invocation) ([]byte, error) {
	if err := CheckWebhook(h.URL); err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(inv.Payload))
	if err != nil {
		return nil, fmt.Errorf("make request to webhook: %w", err)
	}
	creds, err := json.Marshal(map[string]string{
		"AWS_ACCESS_KEY_ID":     inv.Credentials.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": inv.Credentials.SecretAccessKey,
		"AWS_SESSION_TOKEN":     inv.Credentials.SessionToken,
		"AWS_REGION":            inv.Region,
	})
	if err != nil {
		return nil, fmt.Errorf("encode credentials: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Lambda-Runtime-Aws-Request-Id", inv.RequestID)
	req.Header.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.Deadline.UnixMilli(), 10))
	req.Header.Set("Lambda-Runtime-Invoked-Function-Arn", inv.FunctionARN)
	if inv.ClientContext != "" {
		req.Header.Set("Lambda-Runtime-Client-Context", inv.ClientContext)
	}
	req.Header.Set(CredentialsHeader, base64.StdEncoding.EncodeToString(creds))
	transport := h.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("call webhook: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxPayload+1)) // MaxPayload
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("read the webhook's answer: %w", ctx.Err())
	case err != nil:
		return nil, &FunctionError{"Runtime.TruncatedResponse", "the webhook's answer broke off"}
	case len(body) > MaxPayload:
		return nil, &FunctionError{"Function.ResponseSizeTooLarge", fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxPayload)}
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return nil, &FunctionError{"Webhook.Status" + strconv.Itoa(resp.StatusCode), fmt.Sprintf("the webhook answered %s", resp.Status)}
	}
	return body, nil
}
