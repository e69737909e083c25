package edge

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
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
		Config   lambdaConfig    `json:"config"`
		Request  lambdaRequest   `json:"request"`
		Response *lambdaResponse `json:"response,omitempty"` // of response events
	}
	lambdaConfig struct {
		DistributionDomainName string `json:"distributionDomainName"`
		DistributionID         string `json:"distributionId"`
		EventType              string `json:"eventType"`
		RequestID              string `json:"requestId"`
	}
	lambdaRequest struct {
		Body        *lambdaBody   `json:"body,omitempty"` // with IncludeBody
		ClientIP    string        `json:"clientIp"`
		Headers     lambdaHeaders `json:"headers"`
		Method      string        `json:"method"`
		Origin      *lambdaOrigin `json:"origin,omitempty"` // of origin events
		QueryString string        `json:"querystring"`
		URI         string        `json:"uri"`
	}
	lambdaBody struct {
		Action         string `json:"action"`
		Data           string `json:"data"`
		Encoding       string `json:"encoding"`
		InputTruncated bool   `json:"inputTruncated"`
	}
	lambdaResponse struct {
		Headers           lambdaHeaders `json:"headers"`
		Status            string        `json:"status"`
		StatusDescription string        `json:"statusDescription"`
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

// event returns the event for the function of t, in JSON: q as it will be or was sent, with the body's beginning if there is
// one, and in response events the response's status and header. What functions may not see is left out.
func (q *originRequest) event(t *trigger, body *lambdaBody, status int, response http.Header) ([]byte, error) {
	cf := lambdaCF{
		Config: lambdaConfig{q.site.domain, q.site.id, t.at.name, q.id},
		Request: lambdaRequest{
			Body: body, ClientIP: q.clientIP, Headers: q.shown(), Method: q.method, QueryString: q.query, URI: q.uri,
		},
	}
	if t.at.origin {
		cf.Request.Origin = q.target.lambda()
	}
	if response != nil {
		cf.Response = &lambdaResponse{shownHeaders(response), itoa(status), http.StatusText(status)}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(lambdaEvent{[]lambdaRecord{{cf}}}); err != nil {
		return nil, fmt.Errorf("encode %s event: %w", t.at.name, err)
	}
	return out.Bytes(), nil
}

// shown are the headers of q that functions see.
func (q *originRequest) shown() lambdaHeaders {
	h := shownHeaders(q.header)
	h.add("Host", q.host)
	switch {
	case q.body != nil && q.length >= 0:
		h.add("Content-Length", strconv.FormatInt(q.length, 10))
	case q.body != nil:
		h.add("Transfer-Encoding", "chunked")
	}
	return h
}

func shownHeaders(h http.Header) lambdaHeaders {
	out := lambdaHeaders{}
	for name, values := range h {
		if !disallowed(strings.ToLower(name)) {
			out.add(name, values...)
		}
	}
	return out
}

// show returns the beginning of q's body for an event, at most limit bytes of it, and whether there is more.
// CloudFront Developer Guide, "Access the request body by choosing the include body option".
func (q *originRequest) show(limit int) (*lambdaBody, error) {
	body := &lambdaBody{Action: "read-only", Encoding: "base64"}
	if q.body == nil {
		return body, nil
	}
	begin, err := io.ReadAll(io.LimitReader(q.body, int64(limit)+1)) // limit is 40 KB or 1 MB
	if err != nil {
		return nil, fmt.Errorf("read the viewer's body: %w", err)
	}
	q.body = io.MultiReader(bytes.NewReader(begin), q.body)
	body.InputTruncated = len(begin) > limit
	body.Data = base64.StdEncoding.EncodeToString(begin[:min(limit, len(begin))])
	return body, nil
}

func (t *target) lambda() *lambdaOrigin {
	custom := lambdaHeaders{}
	for _, f := range t.custom {
		custom.add(f.Name, f.Value)
	}
	if t.s3 {
		return &lambdaOrigin{S3: &lambdaS3Origin{AuthMethod: "none", CustomHeaders: custom, DomainName: t.domain, Path: t.path, Region: t.region}}
	}
	return &lambdaOrigin{Custom: &lambdaCustomOrigin{
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
