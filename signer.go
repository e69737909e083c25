package glassine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"glassine/aws/sigv4"
	"glassine/lambda/runner"
	"glassine/telemetry"
)

// edgeSigner is the function glassine://signer: a Lambda@Edge function for the origin-request trigger that signs the
// request for the S3 or Object Lambda origin with its role's credentials. Where the reference's Python signer takes path and
// query as they are, it canonicalises as AWS's SDKs do, and it signs HEAD too.
//
// It signs X-Amz-Cf-Id with config.requestId and does not return that header: functions may not set it, and the edge sends
// exactly that value. (CloudFront Developer Guide, "Restrictions on edge functions".)
func edgeSigner(now func() time.Time) runner.Func {
	return func(ctx context.Context, inv runner.Invocation) ([]byte, error) {
		_, span := telemetry.StartSpan(ctx, "sigv4.sign")
		defer span.End()
		var event struct {
			Records []struct {
				CF struct {
					Config  struct{ RequestID string }
					Request map[string]any
				}
			}
		}
		if err := json.Unmarshal(inv.Payload, &event); err != nil {
			return nil, fmt.Errorf("not a CloudFront event: %w", err)
		}
		if len(event.Records) == 0 {
			return nil, errors.New("the CloudFront event holds no record")
		}
		cf := event.Records[0].CF
		domain, ok := originDomain(cf.Request)
		if !ok {
			return nil, errors.New("the event has no origin: the signer belongs at origin-request")
		}
		service, region, ok := scopeOf(domain)
		if !ok {
			return json.Marshal(cf.Request) // another origin: nothing to sign
		}
		method, _ := cf.Request["method"].(string)
		uri, _ := cf.Request["uri"].(string)
		query, _ := cf.Request["querystring"].(string)
		headers, _ := cf.Request["headers"].(map[string]any)
		if headers == nil {
			headers = map[string]any{}
			cf.Request["headers"] = headers
		}
		at := now().UTC()
		signed := map[string][]string{
			"host":                 {domain},
			"x-amz-cf-id":          {cf.Config.RequestID},
			"x-amz-content-sha256": {sigv4.UnsignedPayload},
			"x-amz-date":           {at.Format("20060102T150405Z")},
			"x-amz-security-token": {inv.Credentials.SessionToken},
		}
		auth := sigv4.Authorize(method, originPath(cf.Request)+uri, query, signed, inv.Credentials, region, service, sigv4.UnsignedPayload, at)
		set := func(name, value string) {
			headers[strings.ToLower(name)] = []map[string]string{{"key": name, "value": value}}
		}
		set("Host", domain)
		set("X-Amz-Content-SHA256", sigv4.UnsignedPayload)
		set("X-Amz-Date", signed["x-amz-date"][0])
		set("X-Amz-Security-Token", inv.Credentials.SessionToken)
		set("Authorization", auth)
		return json.Marshal(cf.Request)
	}
}

// originDomain is the domain name of a request's origin, custom or S3.
func originDomain(request map[string]any) (string, bool) {
	d, ok := originField(request, "domainName")
	return d, ok && d != ""
}

// originPath is what CloudFront puts before the URI.
func originPath(request map[string]any) string {
	p, _ := originField(request, "path")
	return p
}

func originField(request map[string]any, field string) (string, bool) {
	origin, _ := request["origin"].(map[string]any)
	for _, kind := range []string{"custom", "s3"} {
		if o, ok := origin[kind].(map[string]any); ok {
			v, ok := o[field].(string)
			return v, ok
		}
	}
	return "", false
}

// scopeOf reads the signing scope off an AWS host name: NAME.s3-object-lambda.REGION.amazonaws.com, and
// NAME.s3.REGION.amazonaws.com for a bucket or an alias.
func scopeOf(domain string) (service, region string, ok bool) {
	u := url.URL{Host: domain}
	labels := strings.Split(strings.TrimSuffix(strings.TrimSuffix(u.Hostname(), ".cn"), ".amazonaws.com"), ".")
	if len(labels) < 3 || !strings.Contains(domain, ".amazonaws.com") {
		return "", "", false
	}
	region = labels[len(labels)-1]
	switch labels[len(labels)-2] {
	case "s3-object-lambda":
		return "s3-object-lambda", region, true
	case "s3", "s3-accesspoint":
		return "s3", region, true
	}
	return "", "", false
}
