package edge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// The Lambda@Edge event. CloudFront Developer Guide, "Lambda@Edge event structure".
type (
	lambdaEvent struct {
		Records []lambdaRecord `json:"Records"`
	}
	lambdaRecord struct {
		CF lambdaCF `json:"cf"`
	}
	lambdaCF struct {
		Config  lambdaConfig  `json:"config"`
		Request lambdaRequest `json:"request"`
	}
	lambdaConfig struct {
		DistributionDomainName string `json:"distributionDomainName"`
		DistributionID         string `json:"distributionId"`
		EventType              string `json:"eventType"`
		RequestID              string `json:"requestId"`
	}
	lambdaRequest struct {
		ClientIP    string        `json:"clientIp"`
		Headers     lambdaHeaders `json:"headers"`
		Method      string        `json:"method"`
		Origin      lambdaOrigin  `json:"origin"`
		QueryString string        `json:"querystring"`
		URI         string        `json:"uri"`
	}
	// lambdaHeaders has names in lower case, each with its lines.
	lambdaHeaders map[string][]lambdaHeader
	lambdaHeader  struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	lambdaOrigin struct {
		Custom *lambdaCustomOrigin `json:"custom,omitempty"`
		S3     *lambdaS3Origin     `json:"s3,omitempty"`
	}
	lambdaCustomOrigin struct {
		CustomHeaders    lambdaHeaders `json:"customHeaders"`
		DomainName       string        `json:"domainName"`
		KeepaliveTimeout int           `json:"keepaliveTimeout"`
		Path             string        `json:"path"`
		Port             int           `json:"port"`
		Protocol         string        `json:"protocol"`
		ReadTimeout      int           `json:"readTimeout"`
		SSLProtocols     []string      `json:"sslProtocols"`
	}
	lambdaS3Origin struct {
		AuthMethod    string        `json:"authMethod"`
		CustomHeaders lambdaHeaders `json:"customHeaders"`
		DomainName    string        `json:"domainName"`
		Path          string        `json:"path"`
		Region        string        `json:"region"`
	}
)

// event returns the origin-request event for q, in JSON. What it shows is what will be sent, without what functions may
// not see.
func (q *originRequest) event() ([]byte, error) {
	request := lambdaRequest{
		ClientIP: q.clientIP, Headers: lambdaHeaders{}, Method: q.method, QueryString: q.query, URI: q.uri,
		Origin: q.target.lambda(),
	}
	for name, values := range q.header {
		if !disallowed(strings.ToLower(name)) {
			request.Headers.add(name, values...)
		}
	}
	request.Headers.add("Host", q.host)
	if q.body != nil && q.length >= 0 {
		request.Headers.add("Content-Length", itoa(int(q.length)))
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(lambdaEvent{[]lambdaRecord{{lambdaCF{
		Config: lambdaConfig{q.site.domain, q.site.id, "origin-request", q.id}, Request: request,
	}}}})
	if err != nil {
		return nil, fmt.Errorf("encode origin-request event: %w", err)
	}
	return out.Bytes(), nil
}

func (t *target) lambda() lambdaOrigin {
	custom := lambdaHeaders{}
	for _, f := range t.custom {
		custom.add(f.Name, f.Value)
	}
	if t.s3 {
		return lambdaOrigin{S3: &lambdaS3Origin{AuthMethod: "none", CustomHeaders: custom, DomainName: t.domain, Path: t.path, Region: t.region}}
	}
	return lambdaOrigin{Custom: &lambdaCustomOrigin{
		CustomHeaders: custom, DomainName: t.domain, KeepaliveTimeout: t.keepaliveTimeout,
		Path: t.path, Port: t.port, Protocol: t.scheme, ReadTimeout: int(t.read.Seconds()), SSLProtocols: t.sslProtocols,
	}}
}

func (h lambdaHeaders) add(name string, values ...string) {
	for _, value := range values {
		lower := strings.ToLower(name)
		h[lower] = append(h[lower], lambdaHeader{name, value})
	}
}

// fields returns the header as HTTP writes it, Title-Case names as keys.
func (h lambdaHeaders) fields() http.Header {
	out := http.Header{}
	for name, lines := range h {
		for _, line := range lines {
			out.Add(name, line.Value)
		}
	}
	return out
}

// disallowed reports whether functions neither see nor may set the header, in lower case.
// CloudFront Developer Guide, "Restrictions on edge functions", "Disallowed headers".
func disallowed(name string) bool {
	return disallowedNames[name] || strings.HasPrefix(name, "x-amz-cf-") || strings.HasPrefix(name, "x-edge-")
}

var disallowedNames = set("connection expect keep-alive proxy-authenticate proxy-authorization proxy-connection trailer upgrade " +
	"x-accel-buffering x-accel-charset x-accel-limit-rate x-accel-redirect x-amzn-auth x-amzn-cf-billing x-amzn-cf-id " +
	"x-amzn-cf-xff x-amzn-errortype x-amzn-fle-profile x-amzn-header-count x-amzn-header-order x-amzn-lambda-integration-tag " +
	"x-amzn-requestid x-cache x-forwarded-proto x-real-ip")

// readOnly are the headers that an origin-request function may echo and not change. Ibid., "Read-only headers".
var readOnly = strings.Fields("accept-encoding content-length if-modified-since if-none-match if-range if-unmodified-since " +
	"transfer-encoding via")
