package byname

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"glassine/aws/fault"
)

// route is an operation of the REST protocols.
type route struct {
	method string
	// path has members of the input in braces: {Bucket}, or {Key+} with its slashes.
	path string
	// query are members of the input by the names that they have in the query, and fixed keys with "=" before their value.
	query map[string]string
	// header likewise.
	header map[string]string
	// payload is the member that is the body; in XML it is the element of that name. "" is no body; "*" is all members that are
	// left, in JSON.
	payload string
	raw     bool // the payload is bytes, not XML
	// namespace of the payload's XML, and the elements of its lists by the members that they are in.
	namespace string
	items     map[string]string
	// answer is the member of the output that an answer's body is; "" takes the body apart.
	answer string
	text   bool // and as a text
	// answers are headers of the answer by the members of the output that they are.
	answers map[string]string
}

func (r route) call(region, service string, input map[string]any) (*call, error) {
	left := map[string]any{}
	for k, v := range input {
		left[k] = v
	}
	take := func(name string) (string, bool, error) {
		v, ok := left[name]
		delete(left, name)
		if !ok || v == nil {
			return "", false, nil
		}
		text, err := scalar(v)
		return text, err == nil, err
	}
	path, err := r.fill(take)
	if err != nil {
		return nil, err
	}
	query := url.Values{}
	for name, member := range r.query {
		if value, fixed := strings.CutPrefix(member, "="); fixed {
			query.Set(name, value)
			continue
		}
		if text, ok, err := take(member); err != nil {
			return nil, err
		} else if ok {
			query.Set(name, text)
		}
	}
	c := &call{service: signingNames[service], method: r.method, header: http.Header{}}
	for name, member := range r.header {
		if text, ok, err := take(member); err != nil {
			return nil, err
		} else if ok {
			c.header.Set(name, text)
		}
	}
	if c.body, err = r.body(left, c.header); err != nil {
		return nil, err
	}
	c.url = "https://" + host(service, region, c.header.Get("X-Amz-Account-Id")) + path
	if len(query) > 0 {
		c.url += "?" + query.Encode()
	}
	for name := range left {
		return nil, fault.New("ValidationException", "%s is no member of the input, or cannot be given when the operation is called by name", name)
	}
	c.read = r.read(service)
	return c, nil
}

// signingNames are in the scopes of signatures.
var signingNames = map[string]string{"lambda": "lambda", "s3": "s3", "s3control": "s3", "cloudfront": "cloudfront"}

func host(service, region, account string) string {
	switch service {
	case "cloudfront":
		return "cloudfront.amazonaws.com"
	case "s3control":
		return account + ".s3-control." + region + ".amazonaws.com"
	}
	return service + "." + region + ".amazonaws.com"
}

// fill puts members into the path.
func (r route) fill(take func(string) (string, bool, error)) (string, error) {
	var out strings.Builder
	rest := r.path
	for {
		before, after, ok := strings.Cut(rest, "{")
		out.WriteString(before)
		if !ok {
			return out.String(), nil
		}
		name, tail, _ := strings.Cut(after, "}")
		name, whole := strings.CutSuffix(name, "+")
		text, ok, err := take(name)
		if err != nil {
			return "", err
		}
		if !ok || text == "" {
			return "", fault.New("ValidationException", "%s is required", name)
		}
		text = strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
		if whole {
			text = strings.ReplaceAll(text, "%2F", "/")
		}
		out.WriteString(text)
		rest = tail
	}
}

// body takes from left what belongs into the body.
func (r route) body(left map[string]any, header http.Header) ([]byte, error) {
	switch r.payload {
	case "":
		return nil, nil
	case "*":
		raw, err := json.Marshal(left)
		clear(left)
		header.Set("Content-Type", "application/json")
		return raw, err
	}
	v, ok := left[r.payload]
	delete(left, r.payload)
	switch {
	case !ok:
		return nil, nil
	case r.raw:
		text, err := scalar(v)
		return []byte(text), err
	}
	header.Set("Content-Type", "application/xml")
	return writeXML(r.payload, r.namespace, v, r.items)
}

// read takes an answer apart.
func (r route) read(service string) func(http.Header, []byte) (map[string]any, error) {
	return func(header http.Header, body []byte) (map[string]any, error) {
		out := map[string]any{}
		var err error
		switch {
		case r.text:
			out[r.answer] = string(body)
		case service == "lambda":
			out, err = readJSON(header, body)
		case len(strings.TrimSpace(string(body))) > 0:
			var root *element
			if root, err = parseXML(body); err == nil {
				v, _ := root.value(false).(map[string]any)
				if r.answer != "" {
					v = map[string]any{r.answer: root.value(false)}
				}
				if v != nil {
					out = v
				}
			}
		}
		for member, name := range r.answers {
			if v := header.Get(name); v != "" {
				out[member] = v
			}
		}
		return out, err
	}
}
