package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// FunctionEvent is the event that a function was run with for a request, without what would let its reader act: see Redact.
type FunctionEvent struct {
	Function  string          `json:"function"`  // ARN of what was invoked
	RequestID string          `json:"requestId"` // of the invocation, which its log lines have
	Bytes     int             `json:"bytes"`     // of the event as the function saw it
	Event     json.RawMessage `json:"event,omitempty"`
	// Note says why there is no Event.
	Note string `json:"note,omitempty"`
}

// What a trace keeps of events: that many, each of that many bytes. An event of Object Lambda or of the edge has some 2 KiB,
// unless it carries a body.
const (
	eventLimit    = 8
	maxEventBytes = 32 << 10
)

// AddEvent keeps the event that a function is run with, redacted, in the trace of ctx, if that is in one.
func AddEvent(ctx context.Context, function, requestID string, event []byte) {
	r := RecorderOf(ctx)
	if r == nil {
		return
	}
	kept := FunctionEvent{Function: function, RequestID: requestID, Bytes: len(event)}
	if len(event) > maxEventBytes {
		kept.Note = fmt.Sprintf("It is larger than %d KiB.", maxEventBytes>>10)
	} else if redacted, err := Redact(event); err != nil {
		kept.Note = "It is not JSON."
	} else {
		kept.Event = redacted
	}
	r.mu.Lock()
	defer r.unlock()
	if len(r.events) == eventLimit {
		r.drop()
		return
	}
	r.grow(spanBytes + len(kept.Event))
	r.events = append(r.events, kept)
}

// Events returns the events that functions were run with for the request with that id, in order.
func (t *Traces) Events(requestID string) ([]FunctionEvent, bool) {
	r := t.find(requestID)
	if r == nil {
		return nil, false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events), true
}

// removed stands where something secret was.
const removed = "(removed)"

// secretNames are members and header fields whose values are credentials or open something. Origin custom headers are among
// them: their use is to carry a secret to the origin.
var secretNames = map[string]bool{
	"authorization": true, "proxy-authorization": true, "cookie": true, "cookies": true, "set-cookie": true, "x-amz-security-token": true,
	"outputtoken": true, "x-api-key": true, "customheaders": true, "accesskeyid": true, "secretaccesskey": true, "sessiontoken": true,
}

// secretParameter finds parameters of presigned and signed URLs. S3 API Reference, "Authenticating requests: using query
// parameters"; CloudFront Developer Guide, "Signed URLs".
var secretParameter = regexp.MustCompile(`(?i)((?:^|[?&;\s"])(?:X-Amz-Signature|X-Amz-Security-Token|X-Amz-Credential|AWSAccessKeyId|Signature|Policy|Key-Pair-Id|token|access_token|sig|s)=)[^&\s"#]*`)

// Redact returns a JSON value without credentials, tokens, cookies, bodies and the signatures of URLs; what it takes out, it
// says. The error is that of JSON.
func Redact(raw []byte) (json.RawMessage, error) {
	var v any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, fmt.Errorf("more than one value")
	}
	return json.Marshal(redact(v, ""))
}

// empty reports whether there is nothing to take out of v.
func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// redact walks v, which is the member called name.
func redact(v any, name string) any {
	if secretNames[strings.ToLower(name)] && !empty(v) {
		return removed
	}
	switch v := v.(type) {
	case map[string]any:
		for member, value := range v {
			v[member] = redact(value, member)
		}
		if _, ok := v["data"].(string); ok && name == "body" {
			v["data"] = removed
		}
		// A header line that says its own name: {"key": "Authorization", "value": "..."}.
		if key, ok := v["key"].(string); ok && secretNames[strings.ToLower(key)] {
			v["value"] = removed
		}
		return v
	case []any:
		for i := range v {
			v[i] = redact(v[i], "")
		}
		return v
	case string:
		return secretParameter.ReplaceAllString(v, "${1}"+removed)
	}
	return v
}
