package objectlambda

import (
	"encoding/json"
	"strings"
	"time"

	"glassine/iam"
)

// event is the JSON that the function gets. (Amazon S3 User Guide, "Event context format and usage".)
func (s *Service) event(req Request, ap AccessPoint, t Transformation, inputURL, token string) ([]byte, error) {
	return json.Marshal(struct {
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
		UserIdentity:    userIdentity(req.Caller, s.cfg.Now()),
		ProtocolVersion: "1.00",
	})
}

// userURL is the request's URL as the function sees it: absolute, without what authenticated it, and decoded; but ? # and %
// stay encoded in the path, or a key that holds one could not be told from a query.
func userURL(raw string) string {
	base, query, hasQuery := strings.Cut(raw, "?")
	out := decodeKeeping(base, "?#%")
	if !hasQuery {
		return out
	}
	var kept []string
	for p := range strings.SplitSeq(query, "&") {
		name, _, _ := strings.Cut(p, "=")
		switch name {
		case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature", "X-Amz-Security-Token":
			continue
		}
		if p != "" {
			kept = append(kept, decodeKeeping(p, "&#%+="))
		}
	}
	if len(kept) == 0 {
		return out
	}
	return out + "?" + strings.Join(kept, "&")
}

// decodeKeeping undoes percent-encoding except of the characters in keep and of control characters.
func decodeKeeping(s, keep string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := strings.IndexByte(hexDigits, lower(s[i+1])), strings.IndexByte(hexDigits, lower(s[i+2]))
			if hi >= 0 && lo >= 0 {
				c := byte(hi<<4 | lo)
				if c >= ' ' && c != 0x7f && strings.IndexByte(keep, c) < 0 {
					b.WriteByte(c)
					i += 2
					continue
				}
			}
		}
		b.WriteByte(s[i])
	}
	return strings.ToValidUTF8(b.String(), "\uFFFD")
}

const hexDigits = "0123456789abcdef"

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// userHeaders are the request's headers without what authenticated it; several of one name are joined with a comma.
func userHeaders(headers []Header) map[string]string {
	out := map[string]string{}
	for _, h := range headers {
		switch strings.ToLower(h.Name) {
		case "authorization", "x-amz-date", "x-amz-security-token":
			continue
		}
		if old, ok := out[h.Name]; ok {
			out[h.Name] = old + "," + h.Value
			continue
		}
		out[h.Name] = h.Value
	}
	return out
}

// userIdentity describes the caller as CloudTrail's userIdentity element does.
func userIdentity(c iam.Caller, now time.Time) map[string]any {
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
		return map[string]any{"type": "AWSService", "invokedBy": p.Service, "principalId": p.Service, "accountId": p.Account}
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
