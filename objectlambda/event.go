package objectlambda

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"glassine/iam"
)

// event is the JSON that the function gets. (Amazon S3 User Guide, "Event context format and usage".)
func (s *Service) event(req Request, ap AccessPoint, t Transformation, inputURL, token string) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // the & of a URL stays one, for functions that look before they parse
	err := enc.Encode(struct {
		XAmzRequestID    string         `json:"xAmzRequestId"`
		GetObjectContext map[string]any `json:"getObjectContext"`
		Configuration    map[string]any `json:"configuration"`
		UserRequest      map[string]any `json:"userRequest"`
		UserIdentity     map[string]any `json:"userIdentity"`
		ProtocolVersion  string         `json:"protocolVersion"`
	}{
		XAmzRequestID: req.ID,
		GetObjectContext: map[string]any{
			"inputS3Url": inputURL, "outputRoute": Route, "outputToken": token,
		},
		Configuration: map[string]any{
			"accessPointArn": ap.ARN(), "supportingAccessPointArn": ap.Configuration.SupportingAccessPoint, "payload": t.Payload,
		},
		UserRequest:     map[string]any{"url": userURL(req.URL), "headers": userHeaders(req.Headers)},
		UserIdentity:    userIdentity(req.Caller, ap.Account, s.cfg.Now()),
		ProtocolVersion: "1.00",
	})
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// userURL is the request's URL as the function sees it: absolute, without what authenticated it, and decoded. What a URL
// parser would take for something else than itself stays encoded: ? # % and \ in the path, & # % + = in the query, a space
// at the very end. So the key can be told from the query, whatever it holds.
func userURL(raw string) string {
	base, query, _ := strings.Cut(raw, "?")
	out := decodeKeeping(base, `?#%\`)
	var kept []string
	for p := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(p, "=")
		if p != "" && !signatureParameter(decodeKeeping(name, "")) {
			kept = append(kept, decodeKeeping(p, "&#%+="))
		}
	}
	if len(kept) > 0 {
		out += "?" + strings.Join(kept, "&")
	}
	if rest, ok := strings.CutSuffix(out, " "); ok {
		out = rest + "%20" // a parser drops it: WHATWG URL, "basic URL parser"
	}
	return out
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
