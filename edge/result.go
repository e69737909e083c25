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

// urlLimit is the length in bytes that URI and query string of a function's request stay under.
// CloudFront Developer Guide, "Restrictions on edge functions".
const urlLimit = 8192

// apply makes q what the answer of t's function says, or returns the response that the function made. An error says in a
// sentence for the viewer what is wrong with the answer; q is then unchanged.
// CloudFront Developer Guide, "Work with requests and responses in Lambda@Edge".
func (q *originRequest) apply(answer []byte, t *trigger) (*generated, error) {
	fields, err := parseAnswer(answer)
	if err != nil {
		return nil, err
	}
	if _, ok := fields["status"]; ok {
		return parseGenerated(fields, t.at)
	}
	return nil, q.change(fields, t)
}

func parseAnswer(answer []byte) (fields map[string]json.RawMessage, err error) {
	if err := json.Unmarshal(answer, &fields); err != nil || fields == nil {
		return nil, fmt.Errorf("The Lambda function returned invalid JSON, or something that is not an object.")
	}
	return fields, nil
}

// change replaces what a request in the answer replaces.
func (q *originRequest) change(fields map[string]json.RawMessage, t *trigger) error {
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
	if err := next.setHeaders(q, headers, t.at); err != nil {
		return err
	}
	if raw, ok := fields["origin"]; ok && t.at.origin {
		if err := next.setOrigin(raw); err != nil {
			return err
		}
	}
	if headerSize(next.header)+len(next.method)+len(next.uri)+len(next.query) > requestLimit {
		return invalidResult("the request has more than %d bytes", requestLimit)
	}
	if err := next.setBody(fields["body"], t); err != nil {
		return err
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
func (q *originRequest) setHeaders(was *originRequest, headers lambdaHeaders, at *eventType) error {
	before := was.shown()
	if err := checkHeaders(before, headers, at); err != nil {
		return err
	}
	if at == viewerRequest && len(before["cloudfront-viewer-country"]) == 0 && len(headers["cloudfront-viewer-country"]) > 0 {
		// CloudFront Developer Guide, "Restrictions on edge functions": it cannot be added in viewer-request events.
		return invalidResult("The function tried to add the header CloudFront-Viewer-Country")
	}
	switch hosts := headers["host"]; {
	case !at.origin: // read-only
	case len(hosts) == 0:
		q.host = "" // the target's name
	case len(hosts) > 1:
		return invalidResult("there are several Host headers")
	default:
		if q.host = hosts[0].Value; q.host == "" || strings.ContainsAny(q.host, " /\\@,") {
			return invalidResult("the Host header is not valid")
		}
	}
	q.header = headers.fields()
	for _, name := range []string{"Host", "Content-Length", "Transfer-Encoding"} {
		q.header.Del(name)
	}
	keep(q.header, was.header)
	return nil
}

// checkHeaders tells whether a function that saw the headers before may return those in after.
func checkHeaders(before, after lambdaHeaders, at *eventType) error {
	for name := range after {
		if disallowed(name) {
			return invalidResult("The function tried to add, delete, or change a disallowed header")
		}
	}
	for _, name := range at.readOnly {
		if !slices.EqualFunc(before[name], after[name], func(a, b lambdaHeader) bool { return string([]rune(a.Value)) == b.Value }) {
			return invalidResult("The function tried to add, delete, or change a read-only header")
		}
	}
	return nil
}

// keep puts into after the headers that a function did not see, and those that it echoed with the bytes that they had, which
// JSON may not carry.
func keep(after, before http.Header) {
	for name, values := range before {
		if disallowed(strings.ToLower(name)) || slices.EqualFunc(values, after[name], func(a, b string) bool { return string([]rune(a)) == b }) {
			after[name] = values
		}
	}
}

// setBody replaces the body, if the function says so. Ibid., "Access the request body by choosing the include body option".
func (q *originRequest) setBody(raw json.RawMessage, t *trigger) error {
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	var b struct{ Action, Encoding, Data string }
	if err := json.Unmarshal(raw, &b); err != nil {
		return invalidResult("body is not an object of strings")
	}
	switch b.Action {
	case "", "read-only":
		return nil
	case "replace":
	default:
		return invalidResult("body.action is neither read-only nor replace")
	}
	if !t.body {
		return invalidResult("the body is replaced by a function that does not include it")
	}
	body, err := decodeBody(b.Data, or(b.Encoding, "text"), t.at.limit)
	if err != nil {
		return err
	}
	if len(body) > 0 && (q.method == http.MethodGet || q.method == http.MethodHead) {
		return invalidResult("a %s request has a body", q.method)
	}
	q.body, q.length = bytes.NewReader(body), int64(len(body))
	if len(body) == 0 {
		q.body, q.length = nil, 0
	}
	return nil
}

// decodeBody returns a body of at most limit bytes.
func decodeBody(data, encoding string, limit int) ([]byte, error) {
	body := []byte(data)
	switch encoding {
	case "text":
	case "base64":
		var err error
		if body, err = base64.StdEncoding.DecodeString(data); err != nil {
			return nil, invalidResult("the body is not base64")
		}
	default:
		return nil, invalidResult("the encoding of the body is neither text nor base64")
	}
	if len(body) > limit {
		return nil, invalidResult("the body has more than %d bytes", limit)
	}
	return body, nil
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
func parseGenerated(fields map[string]json.RawMessage, at *eventType) (*generated, error) {
	status, err := parseStatus(fields)
	if err != nil {
		return nil, err
	}
	headers, err := parseHeaders(fields["headers"])
	if err != nil {
		return nil, err
	}
	for name := range headers {
		if disallowed(name) || name == "transfer-encoding" || name == "via" {
			return nil, invalidResult("The function tried to add, delete, or change a read-only or disallowed header")
		}
	}
	g := &generated{status: status, header: headers.fields()}
	if g.body, _, err = parseBody(fields, at.limit); err != nil {
		return nil, err
	}
	if headerSize(g.header)+len(g.body) > at.limit {
		return nil, invalidResult("the response has more than %d bytes", at.limit)
	}
	if (status == http.StatusNoContent || status == http.StatusNotModified) && len(g.body) > 0 {
		return nil, invalidResult("a %d response has a body", status)
	}
	g.header.Del("Content-Length") // the body's own is sent
	return g, nil
}

// parseStatus reads a status: a string in events, and functions return numbers too.
func parseStatus(fields map[string]json.RawMessage) (int, error) {
	status, err := strconv.Atoi(strings.Trim(string(fields["status"]), `"`))
	if err != nil || status < 200 || status > 599 {
		return 0, invalidResult("status is not 200 to 599")
	}
	return status, nil
}

// parseBody reads body and bodyEncoding of a response; without a body it has not said anything about it.
func parseBody(fields map[string]json.RawMessage, limit int) (b []byte, said bool, err error) {
	var body, encoding *string
	if parseField(fields, "body", &body) != nil || parseField(fields, "bodyEncoding", &encoding) != nil {
		return nil, false, invalidResult("body or bodyEncoding is not a string")
	}
	as := "text"
	if encoding != nil {
		as = *encoding
	}
	if body == nil {
		_, err = decodeBody("", as, limit)
		return nil, false, err
	}
	b, err = decodeBody(*body, as, limit)
	return b, true, err
}

// response makes an HTTP response of g.
func (g *generated) response() *http.Response {
	return &http.Response{StatusCode: g.status, Header: g.header, ContentLength: int64(len(g.body)), Body: io.NopCloser(bytes.NewReader(g.body))}
}

func itoa(n int) string { return strconv.Itoa(n) }
