package objectlambda

import (
	"bytes"
	"encoding/json"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"glassine/iam"
)

// functionEvent is the JSON that the function gets. Only GetObject's is answered by a call, so only it has a route and a
// token. (Amazon S3 User Guide, "Event context format and usage".)
func (c *Call) functionEvent(inputURL, token string) ([]byte, error) {
	type input struct {
		URL   string `json:"inputS3Url"`
		Route string `json:"outputRoute,omitempty"`
		Token string `json:"outputToken,omitempty"`
	}
	event := struct {
		XAmzRequestID        string         `json:"xAmzRequestId"`
		GetObjectContext     *input         `json:"getObjectContext,omitempty"`
		HeadObjectContext    *input         `json:"headObjectContext,omitempty"`
		ListObjectsContext   *input         `json:"listObjectsContext,omitempty"`
		ListObjectsV2Context *input         `json:"listObjectsV2Context,omitempty"`
		Configuration        map[string]any `json:"configuration"`
		UserRequest          map[string]any `json:"userRequest"`
		UserIdentity         map[string]any `json:"userIdentity"`
		ProtocolVersion      string         `json:"protocolVersion"`
	}{
		XAmzRequestID: c.ID,
		Configuration: map[string]any{
			"accessPointArn": c.point.ARN(), "supportingAccessPointArn": c.point.Configuration.SupportingAccessPoint, "payload": c.transform.Payload,
		},
		UserRequest:     map[string]any{"url": userURL(c.namedURL()), "headers": userHeaders(c.Headers)},
		UserIdentity:    userIdentity(c.Caller, c.point.Account, c.s.cfg.Now()),
		ProtocolVersion: "1.00",
	}
	switch c.Operation {
	case GetObject:
		event.GetObjectContext = &input{inputURL, Route, token}
	case HeadObject:
		event.HeadObjectContext = &input{URL: inputURL}
	case ListObjects:
		event.ListObjectsContext = &input{URL: inputURL}
	case ListObjectsV2:
		event.ListObjectsV2Context = &input{URL: inputURL}
	}
	return encodeEvent(event)
}

// encodeEvent leaves the & of a URL as it is, for functions that look before they parse.
func encodeEvent(event any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(event)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// namedURL is the URL as received, unless its host is one that URL parsers refuse: SDKs put a label before whatever endpoint
// they have, and "view-123456789012.127.0.0.1" is no host (WHATWG URL, "host parsing": what ends in a number is an IPv4
// address). AWS's own name stands there then.
func (c *Call) namedURL() string {
	u, err := url.Parse(c.URL)
	if err != nil || net.ParseIP(u.Hostname()) != nil {
		return c.URL
	}
	if _, err := strconv.Atoi(u.Hostname()[strings.LastIndexByte(u.Hostname(), '.')+1:]); err != nil {
		return c.URL
	}
	_, rest, _ := strings.Cut(c.URL, "://"+u.Host)
	return "https://" + c.point.Name + "-" + c.point.Account + ".s3-object-lambda." + c.point.Region + ".amazonaws.com" + rest
}

// userURL is the request's URL as the function sees it: absolute, without what authenticated it, and decoded. What a URL
// parser would take for something else than itself stays encoded: ? # % and \ in the path, & # % + = in the query, a space
// at the very end. So the key can be told from the query, whatever it holds.
func userURL(raw string) string {
	base, query, _ := strings.Cut(raw, "?")
	out := decodeKeeping(base, `?#%\`)
	if query = withoutSignature(query); query != "" {
		var kept []string
		for p := range strings.SplitSeq(query, "&") {
			kept = append(kept, decodeKeeping(p, "&#%+="))
		}
		out += "?" + strings.Join(kept, "&")
	}
	if rest, ok := strings.CutSuffix(out, " "); ok {
		out = rest + "%20" // a parser drops it: WHATWG URL, "basic URL parser"
	}
	return out
}

// withoutSignature is a raw query without what authenticated the request.
func withoutSignature(query string) string {
	var kept []string
	for p := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(p, "=")
		if p != "" && !signatureParameter(decodeKeeping(name, "")) {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, "&")
}

// signatureParameter reports whether a query parameter authenticated the request.
// (Amazon S3 User Guide, "Event context format and usage", url.)
func signatureParameter(name string) bool {
	switch strings.ToLower(name) {
	case "x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-expires", "x-amz-signedheaders", "x-amz-signature", "x-amz-security-token":
		return true
	}
	return false
}

// decodeKeeping undoes percent-encoding except of the characters in keep and of control characters. When the whole would
// not be UTF-8, which JSON cannot hold, it stays as it is.
func decodeKeeping(s, keep string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := strings.IndexByte(hexDigits, lower(s[i+1])), strings.IndexByte(hexDigits, lower(s[i+2]))
			c := byte(hi<<4 | lo)
			if hi >= 0 && lo >= 0 && c >= ' ' && c != 0x7f && strings.IndexByte(keep, c) < 0 {
				b = append(b, c)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	if !utf8.Valid(b) {
		return s
	}
	return string(b)
}

const hexDigits = "0123456789abcdef"

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// userHeaders are the request's headers without what authenticated it. Several of one name are joined with a comma, under
// the spelling of the first.
func userHeaders(headers []Header) map[string]string {
	out, spelling := map[string]string{}, map[string]string{}
	for _, h := range headers {
		name := strings.ToLower(h.Name)
		switch name {
		case "authorization", "x-amz-date", "x-amz-security-token":
			continue
		}
		if first, ok := spelling[name]; ok {
			out[first] += "," + h.Value
			continue
		}
		spelling[name] = h.Name
		out[h.Name] = h.Value
	}
	return out
}

// userIdentity describes the caller as CloudTrail's userIdentity element does. account is the access point's: a service
// has none of its own.
func userIdentity(c iam.Caller, account string, now time.Time) map[string]any {
	p := c.Principal
	id := map[string]any{"accountId": p.Account, "principalId": p.ID, "arn": p.ARN}
	if c.AccessKeyID != "" {
		id["accessKeyId"] = c.AccessKeyID
	}
	switch p.Kind {
	case iam.Root:
		id["type"] = "Root"
	case iam.User:
		id["type"], id["userName"] = "IAMUser", p.Name
	case iam.ServicePrincipal:
		return map[string]any{"type": "AWSService", "invokedBy": p.Service, "principalId": p.Service, "accountId": account}
	case iam.RoleSession:
		id["type"] = "AssumedRole"
		created := now
		if c.Session != nil {
			created = c.Session.Issued
		}
		roleID, _, _ := strings.Cut(p.ID, ":")
		id["sessionContext"] = map[string]any{
			// Java's Date.toString, as the documentation's example has it.
			"attributes": map[string]any{"mfaAuthenticated": "false", "creationDate": created.UTC().Format("Mon Jan 02 15:04:05 MST 2006")},
			"sessionIssuer": map[string]any{
				"type": "Role", "principalId": roleID, "arn": p.RoleARN, "accountId": p.Account, "userName": p.Name,
			},
		}
	}
	return id
}
