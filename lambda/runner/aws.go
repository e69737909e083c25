package runner

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"glassine/aws/arn"
	"glassine/aws/sigv4"
)

// AWS runs a function in AWS through Lambda's Invoke API, with a signed request: one operation does not need an SDK. The
// function runs there with its own role in AWS; the execution role here stands for nothing but who may be asked. What it
// sends to an Object Lambda access point must reach this program, which AWS can do only where the endpoint is public.
// (Lambda API Reference, Invoke.)
type AWS struct {
	// Function is the ARN of the function in AWS, with a qualifier or without.
	Function string
	// Credentials are of AWS, and may invoke the function.
	Credentials func(ctx context.Context) (sigv4.Credentials, error)
	// Endpoint is where Lambda is; "" means https://lambda.<the function's region>.amazonaws.com.
	Endpoint string
	// Transport sends the request; nil means http.DefaultTransport.
	Transport http.RoundTripper
	Now       func() time.Time // nil means time.Now
}

// CheckAWS says why function is not the ARN of a function in AWS.
func CheckAWS(function string) error {
	a, err := arn.Parse(function)
	if err != nil || a.Service != "lambda" || a.Region == "" || a.Account == "" || a.Name("function") == "" {
		return fmt.Errorf("%q is not the ARN of a Lambda function", function)
	}
	return nil
}

// Run sends the event and waits for the answer until ctx ends. What AWS refuses, such as an invocation too many, is an error
// that is no *FunctionError.
func (a AWS) Run(ctx context.Context, inv Invocation) ([]byte, error) {
	if err := CheckAWS(a.Function); err != nil {
		return nil, err
	}
	if a.Credentials == nil {
		return nil, errors.New("invoke a function in AWS: there are no credentials of AWS")
	}
	creds, err := a.Credentials(ctx)
	if err != nil {
		return nil, fmt.Errorf("get credentials of AWS: %w", err)
	}
	req, err := a.request(ctx, inv, creds)
	if err != nil {
		return nil, err
	}
	transport := a.Transport
	if transport == nil {
		transport = http.DefaultTransport
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("invoke %s: %w", a.Function, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, MaxPayload+1)) // MaxPayload
	switch {
	case err != nil:
		return nil, fmt.Errorf("invoke %s: read the answer: %w", a.Function, err)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("invoke %s: AWS answered %s %s", a.Function, resp.Status, resp.Header.Get("X-Amzn-Errortype"))
	case len(body) > MaxPayload:
		return nil, &FunctionError{"Function.ResponseSizeTooLarge", fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxPayload)}
	case resp.Header.Get("X-Amz-Function-Error") != "":
		return nil, failureOf(body)
	}
	return body, nil
}

// request makes the signed request.
func (a AWS) request(ctx context.Context, inv Invocation, creds sigv4.Credentials) (*http.Request, error) {
	function, err := arn.Parse(a.Function)
	if err != nil {
		return nil, err
	}
	endpoint := a.Endpoint
	if endpoint == "" {
		endpoint = "https://lambda." + function.Region + ".amazonaws.com"
	}
	// The colons of the ARN are encoded, so that the name is one part of the path whoever reads it.
	target := strings.TrimSuffix(endpoint, "/") + "/2015-03-31/functions/" + url.QueryEscape(a.Function) + "/invocations"
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(inv.Payload))
	if err != nil {
		return nil, fmt.Errorf("make request to Lambda: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Amz-Invocation-Type", "RequestResponse")
	if inv.ClientContext != "" {
		req.Header.Set("X-Amz-Client-Context", base64.StdEncoding.EncodeToString([]byte(inv.ClientContext)))
	}
	now := time.Now()
	if a.Now != nil {
		now = a.Now()
	}
	sigv4.Sign(req, creds, function.Region, "lambda", sigv4.PayloadSHA256(inv.Payload), now)
	return req, nil
}

// failureOf reads a function's error; one that is no JSON stands in the message whole.
func failureOf(body []byte) *FunctionError {
	var e struct{ ErrorType, ErrorMessage string }
	if json.Unmarshal(body, &e) != nil || e.ErrorType == "" && e.ErrorMessage == "" {
		return &FunctionError{"Unhandled", string(body)}
	}
	return &FunctionError{e.ErrorType, e.ErrorMessage}
}
