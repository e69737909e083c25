// Package byname calls AWS's APIs by the names of service and operation, with the members of the input as SDKs take them and
// those of the output as SDKs give them: what AwsCustomResource of CDK asks for. It is no SDK: it knows the operations that
// glassine serves, and no types but those of JSON.
//
// Start at Client.Run.
package byname

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/iam"
)

// Client sends the calls. Safe for many goroutines.
type Client struct {
	// Transport must reach AWS's host names.
	Transport http.RoundTripper
}

// call is a request before it is signed, and what reads its answer.
type call struct {
	service, method, url string
	header               http.Header
	body                 []byte
	read                 func(header http.Header, body []byte) (map[string]any, error)
}

// Run calls the operation in a region with a key. service and operation may be in any case, as the packages and commands of
// the JavaScript SDK too: "SSM", "cloudwatch-logs", "@aws-sdk/client-s3"; "getParameter", "GetParameterCommand". Numbers of the
// answer are int64 or float64. Errors are those that the service answered, with AWS's codes; NotImplemented for an operation
// that is not known here, and ValidationException for input that is none.
func (c *Client) Run(ctx context.Context, key iam.Credentials, region, service, operation string, input map[string]any) (map[string]any, error) {
	q, err := build(region, serviceName(service), strings.TrimSuffix(operation, "Command"), input)
	if err != nil {
		return nil, err
	}
	if q == nil {
		return nil, fault.New("NotImplemented", "The operation %s of the service %s cannot be called by name here.", operation, service)
	}
	var header http.Header
	client := wire.Client{
		Credentials: sigv4.Credentials{AccessKeyID: key.AccessKeyID, SecretAccessKey: key.SecretAccessKey, SessionToken: key.SessionToken},
		HTTP:        &http.Client{Transport: withHeader{c.Transport, &header}},
	}
	body, err := client.SendContext(ctx, q.service, region, q.method, q.url, q.header, q.body)
	if err != nil {
		return nil, err
	}
	return q.read(header, body)
}

// withHeader keeps the header of the answer.
type withHeader struct {
	next   http.RoundTripper
	header *http.Header
}

func (w withHeader) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if err == nil {
		*w.header = resp.Header
	}
	return resp, err
}

// names are services by the names of their SDK packages, in lower case without hyphens.
var names = map[string]string{
	"ssm": "ssm", "cloudwatchlogs": "logs", "logs": "logs", "iam": "iam", "sts": "sts", "lambda": "lambda", "s3": "s3", "s3control": "s3control",
	"cloudfront": "cloudfront", "cloudformation": "cloudformation",
}

func serviceName(s string) string {
	s = strings.ToLower(s)
	if i := strings.LastIndex(s, "client-"); i >= 0 {
		s = s[i+len("client-"):]
	}
	return names[strings.NewReplacer("-", "", " ", "").Replace(s)]
}

// build makes the request, nil when the operation is not known.
func build(region, service, operation string, input map[string]any) (*call, error) {
	switch service {
	case "ssm":
		return jsonCall(region, "ssm", "AmazonSSM", operation, input)
	case "logs":
		return jsonCall(region, "logs", "Logs_20140328", operation, input)
	case "iam":
		return queryCall("iam", "https://iam.amazonaws.com/", "2010-05-08", operation, input)
	case "sts":
		return queryCall("sts", "https://sts."+region+".amazonaws.com/", "2011-06-15", operation, input)
	case "cloudformation":
		return queryCall("cloudformation", "https://cloudformation."+region+".amazonaws.com/", "2010-05-15", operation, input)
	}
	r, ok := routes[service][strings.ToLower(operation)]
	if !ok {
		return nil, nil //nolint:nilnil // not known
	}
	return r.call(region, service, input)
}

// capital is the operation as AWS writes it: GetParameter.
func capital(operation string) string {
	if operation == "" {
		return ""
	}
	return strings.ToUpper(operation[:1]) + operation[1:]
}

func jsonCall(region, service, target, operation string, input map[string]any) (*call, error) {
	body, err := json.Marshal(input)
	if input == nil {
		body = []byte("{}")
	}
	return &call{
		service: service, method: http.MethodPost, url: "https://" + service + "." + region + ".amazonaws.com/", body: body,
		header: http.Header{"X-Amz-Target": {target + "." + capital(operation)}, "Content-Type": {"application/x-amz-json-1.1"}}, read: readJSON,
	}, err
}

func readJSON(_ http.Header, body []byte) (map[string]any, error) {
	if len(strings.TrimSpace(string(body))) == 0 {
		return map[string]any{}, nil
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.UseNumber()
	var out map[string]any
	if err := d.Decode(&out); err != nil {
		return nil, fmt.Errorf("read an answer in JSON: %w", err)
	}
	plain, _ := numbers(out).(map[string]any)
	return plain, nil
}

// numbers puts int64 or float64 in the place of each json.Number.
func numbers(v any) any {
	switch x := v.(type) {
	case json.Number:
		if n, err := x.Int64(); err == nil {
			return n
		}
		f, _ := x.Float64() // out of range gives an infinity
		return f
	case map[string]any:
		for k, e := range x {
			x[k] = numbers(e)
		}
	case []any:
		for i, e := range x {
			x[i] = numbers(e)
		}
	}
	return v
}

// queryCall makes a form. (Smithy specification, "AWS query protocol".)
func queryCall(service, at, version, operation string, input map[string]any) (*call, error) {
	form := url.Values{"Action": {capital(operation)}, "Version": {version}}
	for k, v := range input {
		if err := formValue(form, k, v); err != nil {
			return nil, err
		}
	}
	name := capital(operation)
	return &call{
		service: service, method: http.MethodPost, url: at, body: []byte(form.Encode()),
		header: http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}},
		read: func(_ http.Header, body []byte) (map[string]any, error) {
			root, err := parseXML(body)
			if err != nil {
				return nil, err
			}
			out, _ := root.child(name + "Result").value(true).(map[string]any)
			if out == nil {
				out = map[string]any{}
			}
			return out, nil
		},
	}, nil
}

func formValue(form url.Values, name string, v any) error {
	switch x := v.(type) {
	case nil:
	case map[string]any:
		for k, e := range x {
			if err := formValue(form, name+"."+k, e); err != nil {
				return err
			}
		}
	case []any:
		if len(x) == 0 {
			form.Set(name, "")
		}
		for i, e := range x {
			if err := formValue(form, name+".member."+strconv.Itoa(i+1), e); err != nil {
				return err
			}
		}
	default:
		text, err := scalar(x)
		if err != nil {
			return err
		}
		form.Set(name, text)
	}
	return nil
}

// scalar writes a value of JSON as a text.
func scalar(v any) (string, error) {
	switch x := v.(type) {
	case string:
		return x, nil
	case bool:
		return strconv.FormatBool(x), nil
	case int64:
		return strconv.FormatInt(x, 10), nil
	case float64:
		return strconv.FormatFloat(x, 'f', -1, 64), nil
	}
	return "", fault.New("ValidationException", "%v cannot be the value of a member that is a text or a number", v)
}
