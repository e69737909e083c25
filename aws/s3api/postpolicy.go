package s3api

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"io"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
)

type postResponse struct {
	XMLName                     xml.Name `xml:"PostResponse"`
	Location, Bucket, Key, ETag string
}

// lengths are how many bytes a file may have.
type lengths struct{ least, most int64 }

func invalidPolicy(format string, args ...any) error {
	f := fault.New("InvalidPolicyDocument", format, args...)
	f.Message = "Invalid Policy: " + f.Message
	return f
}

func againstPolicy(message string) error {
	return fault.New("AccessDenied", "Invalid according to Policy: %s", message)
}

// checkPolicy checks a form against its policy: it has not expired, all its conditions hold, and every field is under a
// condition. Conditions on the bucket are about the addressed one. (S3 API Reference, "Creating a POST Policy".)
func checkPolicy(f *form, bucket string, now time.Time) (lengths, error) {
	p, err := parsePostPolicy(f.get("policy"))
	if err != nil {
		return lengths{}, err
	}
	if !now.Before(p.expiration) {
		return lengths{}, againstPolicy("Policy expired.")
	}
	limits := lengths{0, maxPut}
	covered := map[string]bool{}
	for _, c := range p.conditions {
		if c.op == "content-length-range" {
			limits.least, limits.most = max(limits.least, c.least), min(limits.most, c.most)
			continue
		}
		got := f.get(c.field)
		if c.field == "bucket" {
			got = bucket
		}
		if !c.holds(got) {
			return limits, againstPolicy("Policy Condition failed: " + c.text)
		}
		covered[c.field] = true
	}
	for _, name := range f.order {
		lower := strings.ToLower(name)
		switch {
		case lower == "policy", lower == "x-amz-signature", strings.HasPrefix(lower, "x-ignore-"), covered[lower]:
		default:
			return limits, againstPolicy("Extra input fields: " + name)
		}
	}
	if v, ok := f.fields["bucket"]; ok && v != bucket {
		return limits, againstPolicy("Policy Condition failed: [\"eq\", \"$bucket\", " + strconv.Quote(bucket) + "]")
	}
	return limits, nil
}

// postPolicy is the policy of a form.
type postPolicy struct {
	expiration time.Time
	conditions []postCondition
}

// postCondition is eq or starts-with on a field (in lower case), or content-length-range; or never, which does not hold.
type postCondition struct {
	op, field, value string
	least, most      int64
	text             string // as messages show it
}

// holds reports whether a field with this value meets the condition. Of a list of content types each must: S3 API Reference,
// "Creating a POST Policy", "starts-with".
func (c postCondition) holds(got string) bool {
	switch c.op {
	case "never":
		return false
	case "eq":
		return got == c.value
	}
	if c.field != "content-type" {
		return strings.HasPrefix(got, c.value)
	}
	for kind := range strings.SplitSeq(got, ",") {
		if !strings.HasPrefix(strings.TrimSpace(kind), c.value) {
			return false
		}
	}
	return true
}

// parsePostPolicy reads a policy in base64: InvalidPolicyDocument.
func parsePostPolicy(text string) (*postPolicy, error) {
	if text == "" {
		return nil, invalidPolicy("Expecting '{' but found End-of-Input")
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, invalidPolicy("invalid Base64 encoding.")
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	var doc map[string]json.RawMessage
	if err := d.Decode(&doc); err != nil {
		return nil, invalidPolicy("Invalid JSON.")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, invalidPolicy("Invalid JSON.")
	}
	for name := range doc {
		if name != "expiration" && name != "conditions" {
			return nil, invalidPolicy("Unexpected: %q", name)
		}
	}
	p := &postPolicy{}
	var expiration string
	if doc["expiration"] == nil {
		return nil, invalidPolicy("Policy missing expiration.")
	}
	if err := json.Unmarshal(doc["expiration"], &expiration); err != nil {
		return nil, invalidPolicy("Invalid JSON.")
	}
	if p.expiration, err = time.Parse(time.RFC3339, expiration); err != nil {
		return nil, invalidPolicy("Invalid 'expiration' value: '%s'", expiration)
	}
	if doc["conditions"] == nil {
		return nil, invalidPolicy("Policy missing conditions.")
	}
	var conditions []json.RawMessage
	if err := json.Unmarshal(doc["conditions"], &conditions); err != nil || conditions == nil {
		return nil, invalidPolicy("Invalid 'conditions' value: must be a List.")
	}
	for _, c := range conditions {
		parsed, err := parsePostCondition(c)
		if err != nil {
			return nil, err
		}
		p.conditions = append(p.conditions, parsed)
	}
	return p, nil
}

func parsePostCondition(raw json.RawMessage) (postCondition, error) {
	c := postCondition{text: string(raw)}
	switch raw[0] {
	case '{':
		var simple map[string]any
		if err := json.Unmarshal(raw, &simple); err != nil {
			return c, invalidPolicy("Invalid JSON.")
		}
		if len(simple) != 1 {
			return c, invalidPolicy("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
		}
		for name, v := range simple {
			value, ok := v.(string)
			if !ok {
				return c, invalidPolicy("Invalid Simple-Condition: value must be a string.")
			}
			c.op, c.field, c.value = "eq", strings.ToLower(name), value
			c.text = `["eq", "$` + name + `", ` + strconv.Quote(value) + `]`
		}
		return c, nil
	case '[':
	default:
		return c, invalidPolicy("Invalid condition test: must be a List or Object.")
	}
	var list []any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&list); err != nil {
		return c, invalidPolicy("Invalid JSON.")
	}
	if len(list) == 0 {
		return c, invalidPolicy("Invalid Condition: missing operation identifier.")
	}
	op, _ := list[0].(string)
	c.op = strings.ToLower(op)
	switch c.op {
	case "eq", "starts-with", "content-length-range":
	default:
		return c, invalidPolicy("Invalid Condition: unknown operation '%v'.", list[0])
	}
	if len(list) != 3 {
		return c, invalidPolicy("Invalid %s: wrong number of arguments.", op)
	}
	if c.op == "content-length-range" {
		var okLeast, okMost bool
		c.least, okLeast = size(list[1])
		c.most, okMost = size(list[2])
		if !okLeast || !okMost {
			return c, invalidPolicy("Invalid JSON.")
		}
		return c, nil
	}
	field, ok1 := list[1].(string)
	value, ok2 := list[2].(string)
	name, dollar := strings.CutPrefix(field, "$")
	if !ok1 || !ok2 {
		return c, invalidPolicy("Invalid JSON.")
	}
	if !dollar {
		c.op = "never" // such a condition fails, by what versitygw 1.8 expects of S3
	}
	c.field, c.value = strings.ToLower(name), value
	return c, nil
}

// size reads a number of bytes, which clients write as a number or as text.
func size(v any) (int64, bool) {
	var text string
	switch n := v.(type) {
	case json.Number:
		text = n.String()
	case string:
		text = n
	}
	return digits(text)
}

// taggingField reads the tagging field of a form: the XML of a Tagging.
func taggingField(v string) (map[string]string, error) {
	if v == "" {
		return nil, nil
	}
	var in struct {
		XMLName xml.Name `xml:"Tagging"`
		TagSet  tagSet
	}
	if err := wire.ReadXML(strings.NewReader(v), maxFormFields, &in); err != nil {
		return nil, err
	}
	return in.TagSet.tags()
}
