package edge

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// generated is a response that a function made.
type generated struct {
	status int
	header http.Header
	body   []byte
}

// Limits on what an origin-request function returns, in bytes. CloudFront Developer Guide, "Quotas on Lambda@Edge",
// "Restrictions on Lambda@Edge".
const (
	generatedLimit = 1 << 20
	urlLimit       = 8192
)

// apply makes q what the function's answer says, or returns the response that the function made. An error says in a
// sentence for the viewer what is wrong with the answer; q is then unchanged.
// CloudFront Developer Guide, "Work with requests and responses in Lambda@Edge".
func (q *originRequest) apply(answer []byte) (*generated, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(answer, &fields); err != nil || fields == nil {
		return nil, fmt.Errorf("The Lambda function returned invalid JSON, or something that is not an object.")
	}
	if _, ok := fields["status"]; ok {
		return parseGenerated(fields)
	}
	return nil, q.change(fields)
}

// change replaces what a request in the answer replaces.
func (q *originRequest) change(fields map[string]json.RawMessage) error {
	var uri, query *string
	if err := parseField(fields, "uri", &uri); err != nil || uri == nil {
		return invalidResult("uri is missing or not a string")
	}
	if err := parseField(fields, "querystring", &query); err != nil {
		return invalidResult("querystring is not a string")
	}
	for name, is := range map[string]string{"method": q.method, "clientIp": q.clientIP} {
		var echo *string
		if err := parseField(fields, name, &echo); err != nil || echo != nil && *echo != is {
			return invalidResult("%s is read-only", name)
		}
	}
	next := *q
	next.uri, next.query = unlessEchoed(*uri, q.uri), ""
	if query != nil {
		next.query = unlessEchoed(*query, q.query)
	}
	switch {
	case !strings.HasPrefix(next.uri, "/") || !validPath(next.uri):
		return invalidResult("uri does not begin with a slash, or contains a character that is not allowed")
	case !validQuery(next.query):
		return invalidResult("querystring contains a character that is not allowed")
	case len(next.uri)+len(next.query) >= urlLimit:
		return invalidResult("uri and querystring have 8192 characters or more")
	}
	headers, err := parseHeaders(fields["headers"])
	if err != nil {
		return err
	}
	if err := next.setHeaders(q, headers); err != nil {
		return err
	}
	if raw, ok := fields["origin"]; ok {
		if err := next.setOrigin(raw); err != nil {
			return err
		}
	}
	*q = next
	return nil
}

func invalidResult(format string, args ...any) error {
	return fmt.Errorf("The Lambda function result failed validation: "+format+".", args...)
}

// parseField decodes an optional field; null counts as absent.
func parseField(fields map[string]json.RawMessage, name string, to **string) error {
	if raw, ok := fields[name]; ok {
		return json.Unmarshal(raw, to)
	}
	return nil
}

// unlessEchoed returns was if got is what JSON made of it, since JSON cannot carry bytes that are not UTF-8.
func unlessEchoed(got, was string) string {
	if got == string([]rune(was)) {
		return was
	}
	return got
}

// setHeaders makes headers what q sends, if they keep the read-only ones of what q was made from.
func (q *originRequest) setHeaders(was *originRequest, headers lambdaHeaders) error {
	before := lambdaHeaders{}
	for name, values := range was.header {
		before.add(name, values...)
	}
	if was.body != nil && was.length >= 0 {
		before.add("content-length", itoa(int(was.length)))
	}
	for name := range headers {
		if disallowed(name) {
			return invalidResult("The function tried to add, delete, or change a disallowed header")
		}
	}
	for _, name := range readOnly {
		if !slices.EqualFunc(before[name], headers[name], func(a, b lambdaHeader) bool { return string([]rune(a.Value)) == b.Value }) {
			return invalidResult("The function tried to add, delete, or change a read-only header")
		}
	}
	switch hosts := headers["host"]; len(hosts) {
	case 0:
		q.host = "" // the target's name
	case 1:
		if q.host = hosts[0].Value; q.host == "" || strings.ContainsAny(q.host, " /\\@,") {
			return invalidResult("the Host header is not valid")
		}
	default:
		return invalidResult("there are several Host headers")
	}
	q.header = headers.fields()
	for _, name := range []string{"Host", "Content-Length"} {
		q.header.Del(name)
	}
	for _, name := range readOnly {
		// The viewer's own bytes, where JSON could not carry them.
		if name := http.CanonicalHeaderKey(name); len(was.header[name]) > 0 {
			q.header[name] = was.header[name]
		}
	}
	return nil
}

// setOrigin makes the origin of the answer q's.
func (q *originRequest) setOrigin(raw json.RawMessage) error {
	bad := func(what string) error {
		return fmt.Errorf("The Lambda function returned an invalid origin configuration: %s.", what)
	}
	var kinds struct {
		Custom, S3 *struct {
			CustomHeaders json.RawMessage
			DomainName    string
			Path          string
			// of custom
			KeepaliveTimeout, Port, ReadTimeout int
			Protocol                            string
			SSLProtocols                        []string
			// of s3
			AuthMethod, Region string
		}
	}
	if err := json.Unmarshal(raw, &kinds); err != nil || (kinds.Custom == nil) == (kinds.S3 == nil) {
		return bad("it has not exactly one of custom and s3 in their form")
	}
	o := kinds.Custom
	t := q.target
	if o == nil {
		o = kinds.S3
		switch {
		case len(o.DomainName) > 128 || o.DomainName != strings.ToLower(o.DomainName):
			return bad("the domain name is longer than 128 characters or not in lower case")
		case o.AuthMethod != "" && o.AuthMethod != "none":
			return bad("an origin access identity is not supported")
		}
		t.s3, t.region, t.scheme, t.port = true, o.Region, "https", 443
	} else {
		switch {
		case !validPort(o.Port):
			return bad("the port is not 80, 443 or 1024 to 65535")
		case o.Protocol != "http" && o.Protocol != "https":
			return bad("the protocol is neither http nor https")
		case o.ReadTimeout < 1 || o.ReadTimeout > 120 || o.KeepaliveTimeout < 1 || o.KeepaliveTimeout > 120:
			return bad("a timeout is not 1 to 120 seconds")
		}
		for _, p := range o.SSLProtocols {
			if !slices.Contains([]string{"TLSv1.2", "TLSv1.1", "TLSv1", "SSLv3"}, p) {
				return bad("an SSL protocol is not valid")
			}
		}
		t.s3, t.region, t.scheme, t.port, t.sslProtocols = false, "", o.Protocol, o.Port, o.SSLProtocols
		t.read, t.keepaliveTimeout = time.Duration(o.ReadTimeout)*time.Second, o.KeepaliveTimeout
	}
	switch {
	case !validDomain(o.DomainName):
		return bad("the domain name is not valid")
	case !validOriginPath(o.Path):
		return bad("the path does not begin with a slash, or ends with one")
	}
	t.domain, t.path, t.custom = o.DomainName, o.Path, nil
	custom, err := parseHeaders(o.CustomHeaders)
	if err != nil {
		return err
	}
	for name, lines := range custom {
		if _, twice := q.header[http.CanonicalHeaderKey(name)]; twice || len(lines) != 1 {
			return bad("a custom header is also among the headers, or has several values")
		}
		t.custom = append(t.custom, HeaderField{http.CanonicalHeaderKey(name), lines[0].Value})
	}
	if err := checkCustomHeaders(t.custom); err != nil {
		return bad("One or more HeaderName or HeaderValue values are invalid")
	}
	q.target = t
	return nil
}

// parseHeaders reads a header object. Names are taken in any case; of one that appears in several the last counts.
// A line without a key has the name. An absent object has no headers.
func parseHeaders(raw json.RawMessage) (lambdaHeaders, error) {
	headers := lambdaHeaders{}
	if len(raw) == 0 || string(raw) == "null" {
		return headers, nil
	}
	bad := func(format string, args ...any) (lambdaHeaders, error) {
		return nil, fmt.Errorf("The Lambda function returned an invalid entry in the headers object: "+format+".", args...)
	}
	// Token by token: a map would lose the order of names that differ only in case.
	dec := json.NewDecoder(bytes.NewReader(raw))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return bad("it is not an object")
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return bad("it is not an object")
		}
		name := strings.ToLower(t.(string))
		var lines []struct{ Key, Value *string }
		if err := dec.Decode(&lines); err != nil {
			return bad("header %q is not an array of key and value strings", name)
		}
		if !validToken(name) {
			return bad("%q is no header name", name)
		}
		headers[name] = nil
		for _, line := range lines {
			switch {
			case line.Value == nil:
				return bad("header %s has an entry without a value", name)
			case line.Key != nil && !strings.EqualFold(*line.Key, name):
				return bad("header %s has an entry with the key %q", name, *line.Key)
			case !validValue(*line.Value):
				return bad("header %s has a character that is not allowed in its value", name)
			}
			headers.add(http.CanonicalHeaderKey(name), *line.Value)
		}
	}
	return headers, nil
}

// parseGenerated reads a response in the answer. CloudFront Developer Guide, "Generate HTTP responses in request
// triggers".
func parseGenerated(fields map[string]json.RawMessage) (*generated, error) {
	g := &generated{}
	// A string in events; functions return numbers too.
	status, err := strconv.Atoi(strings.Trim(string(fields["status"]), `"`))
	if err != nil || status < 200 || status > 599 {
		return nil, invalidResult("status is not 200 to 599")
	}
	g.status = status
	headers, err := parseHeaders(fields["headers"])
	if err != nil {
		return nil, err
	}
	size := 0
	for name, lines := range headers {
		if disallowed(name) || name == "transfer-encoding" || name == "via" {
			return nil, invalidResult("The function tried to add, delete, or change a read-only or disallowed header")
		}
		for _, line := range lines {
			size += len(name) + len(line.Value)
		}
	}
	var body, encoding *string
	if parseField(fields, "body", &body) != nil || parseField(fields, "bodyEncoding", &encoding) != nil {
		return nil, invalidResult("body or bodyEncoding is not a string")
	}
	if body != nil {
		g.body = []byte(*body)
	}
	switch {
	case encoding == nil || *encoding == "text":
	case *encoding != "base64":
		return nil, invalidResult("bodyEncoding is neither text nor base64")
	case body != nil:
		if g.body, err = base64.StdEncoding.DecodeString(*body); err != nil {
			return nil, invalidResult("the body is not base64")
		}
	}
	if size+len(g.body) > generatedLimit {
		return nil, invalidResult("the response has more than 1 MB")
	}
	if (status == http.StatusNoContent || status == http.StatusNotModified) && len(g.body) > 0 {
		return nil, invalidResult("a %d response has a body", status)
	}
	g.header = headers.fields()
	g.header.Del("Content-Length") // the body's own is sent
	return g, nil
}

// response makes an HTTP response of g.
func (g *generated) response() *http.Response {
	return &http.Response{StatusCode: g.status, Header: g.header, ContentLength: int64(len(g.body)), Body: io.NopCloser(bytes.NewReader(g.body))}
}

func itoa(n int) string { return strconv.Itoa(n) }
