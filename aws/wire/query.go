package wire

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
)

// The services of the Query protocol, as they stand in credential scopes.
const (
	ServiceIAM            = "iam"
	ServiceSTS            = "sts"
	ServiceCloudFormation = "cloudformation"
)

// The dialects of the Query protocol's services. Their Namespace is that of answers too.
var (
	IAM = Dialect{Wrap: true, Namespace: "https://iam.amazonaws.com/doc/2010-05-08/", Type: true}
	STS = Dialect{Wrap: true, Namespace: "https://sts.amazonaws.com/doc/2011-06-15/", Type: true}

	CloudFormation = Dialect{Wrap: true, Namespace: "http://cloudformation.amazonaws.com/doc/2010-05-15/", Type: true}
)

// Bounds of a form, checked before any work is done on it.
const (
	maxParameters = 10000
	maxDepth      = 16   // parts of a parameter's name, such as Tags.member.1.Key
	maxNameLength = 1024 // bytes of a parameter's name
)

// Form is the parameters of a Query request, or a structure among them. The parts of a name between dots lead into it:
// Tags.member.1.Key is Key of the first of List("Tags"). A nil Form has no parameters. It is read-only.
// (Smithy specification, "AWS Query protocol".)
type Form struct {
	value string
	given bool
	parts map[string]*Form
}

// ParseForm reads application/x-www-form-urlencoded text. A parameter that is given twice, and a name that is too long or
// too deep, give a MalformedQueryString fault.
func ParseForm(text string) (*Form, error) {
	if strings.Count(text, "&") >= maxParameters {
		return nil, malformedQuery("more than %d parameters", maxParameters)
	}
	form := &Form{}
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(rawName)
		if err != nil {
			return nil, malformedQuery("a name is not encoded properly")
		}
		value, err := url.QueryUnescape(rawValue)
		if err != nil {
			return nil, malformedQuery("the value of %s is not encoded properly", name)
		}
		if err := form.set(name, value); err != nil {
			return nil, err
		}
	}
	return form, nil
}

func malformedQuery(format string, args ...any) error {
	return fault.New("MalformedQueryString", "The query string contains a syntax error: %s.", fmt.Sprintf(format, args...))
}

func (f *Form) set(name, value string) error {
	if len(name) > maxNameLength || strings.Count(name, ".") >= maxDepth {
		return malformedQuery("a name is longer than %d bytes or deeper than %d", maxNameLength, maxDepth)
	}
	for part := range strings.SplitSeq(name, ".") {
		next := f.parts[part]
		if next == nil {
			next = &Form{}
			if f.parts == nil {
				f.parts = map[string]*Form{}
			}
			f.parts[part] = next
		}
		f = next
	}
	if f.given {
		return malformedQuery("the parameter %s is given twice", name)
	}
	f.value, f.given = value, true
	return nil
}

// At returns the structure of that name, which is nil when nothing of it was given.
func (f *Form) At(name string) *Form {
	if f == nil {
		return nil
	}
	return f.parts[name]
}

// Has reports whether the parameter, or anything in it, was given.
func (f *Form) Has(name string) bool { return f.At(name) != nil }

// Get returns the parameter's text, "" when it was not given.
func (f *Form) Get(name string) string {
	if p := f.At(name); p != nil {
		return p.value
	}
	return ""
}

// Int returns the parameter's number, or otherwise when it was not given. What is no number gives a MalformedInput fault.
func (f *Form) Int(name string, otherwise int) (int, error) {
	text := f.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 32) // AWS's integers have 32 bits
	if err != nil {
		return 0, fault.New("MalformedInput", "%s is not a number: %q", name, text)
	}
	return int(n), nil
}

// Bool is Int for true and false.
func (f *Form) Bool(name string) (bool, error) {
	switch text := f.Get(name); text {
	case "true":
		return true, nil
	case "", "false":
		return false, nil
	default:
		return false, fault.New("MalformedInput", "%s is neither true nor false: %q", name, text)
	}
}

// List returns the structures name.member.1, name.member.2 and so on. Numbers that are missing or are no numbers give a
// MalformedQueryString fault, since what stands behind a gap would be lost.
func (f *Form) List(name string) ([]*Form, error) {
	return f.At(name).numbered(name, "member")
}

// numbered returns the parts 1, 2, ... of kind.
func (f *Form) numbered(name, kind string) ([]*Form, error) {
	items := f.At(kind)
	if items == nil {
		return nil, nil
	}
	list := make([]*Form, len(items.parts))
	for i := range list {
		if list[i] = items.parts[strconv.Itoa(i+1)]; list[i] == nil {
			return nil, malformedQuery("%s.%s is not numbered from 1 without a gap", name, kind)
		}
	}
	return list, nil
}

// Strings is List for text.
func (f *Form) Strings(name string) ([]string, error) {
	list, err := f.List(name)
	out := make([]string, len(list))
	for i, item := range list {
		out[i] = item.value
	}
	return out, err
}

// Map returns name.entry.1.key and name.entry.1.value, and so on.
func (f *Form) Map(name string) (map[string]string, error) {
	list, err := f.At(name).numbered(name, "entry")
	if err != nil {
		return nil, err
	}
	out := make(map[string]string, len(list))
	for _, e := range list {
		out[e.Get("key")] = e.Get("value")
	}
	return out, nil
}

// AuthenticateQuery verifies who signed a Query request to the service and returns its parameters: of a POST its body, of
// a presigned request and of a GET the URL's query. Errors are in the words of the services of this protocol; a request
// without a signature gives MissingAuthenticationToken.
func AuthenticateQuery[C any](r *http.Request, keys Keys[C], service string, now time.Time, limit int64) (C, *sigv4.Signature, *Form, error) {
	var nobody C
	claimed, err := sigv4.Parse(r)
	if err != nil {
		return nobody, nil, nil, QueryFault(err)
	}
	if err := checkQueryScope(claimed, service); err != nil {
		return nobody, nil, nil, err
	}
	c, sig, body, err := AuthenticateWhole(r, keys, []string{service}, now, limit)
	if err != nil {
		return nobody, nil, nil, QueryFault(err)
	}
	text := string(body)
	if _, query := sigv4.Target(r); sig.Query || r.Method == http.MethodGet {
		if len(body) > 0 {
			// A presigned URL does not cover the body: whoever holds one would choose the action.
			return nobody, nil, nil, QueryFault(sigv4.Mismatch(sig.AccessKeyID))
		}
		text = query
	}
	form, err := ParseForm(text)
	return c, sig, form, err
}

// checkQueryScope refuses, before any key is looked up, what the services of this protocol have texts of their own for.
func checkQueryScope(sig *sigv4.Signature, service string) error {
	switch {
	case sig == nil:
		return fault.New("MissingAuthenticationToken", "Request is missing Authentication Token")
	case sig.Service != service:
		return fault.New("SignatureDoesNotMatch", "Credential should be scoped to correct service: '%s'.", service)
	case !slices.Contains(sig.SignedHeaders, "host"):
		return fault.New("SignatureDoesNotMatch", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	return nil
}

// QueryFault puts the codes and texts that IAM, STS, CloudFormation and CloudFront use for failed authentication in place
// of S3's; other errors stay as they are. (IAM API Reference, "Common Errors".)
func QueryFault(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	switch f.Code {
	case "InvalidAccessKeyId", "InvalidToken":
		return fault.New("InvalidClientTokenId", "The security token included in the request is invalid.")
	case "ExpiredToken":
		return fault.New("ExpiredToken", "The security token included in the request is expired").WithStatus(http.StatusForbidden)
	case "SignatureDoesNotMatch", "XAmzContentSHA256Mismatch":
		return fault.New("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	case "RequestTimeTooSkewed":
		return skewed(f)
	case "AccessDenied":
		if _, late := field(f, "ServerTime"); late { // a presigned URL outside its time
			return fault.New("SignatureDoesNotMatch", "Signature expired: %s.", f.Message)
		}
		return fault.New("IncompleteSignature", "%s.", f.Message)
	case "AuthorizationHeaderMalformed", "AuthorizationQueryParametersError", "InvalidRequest", "InvalidArgument":
		return fault.New("IncompleteSignature", "%s", f.Message)
	}
	return err
}

func field(f *fault.Error, name string) (string, bool) {
	for _, x := range f.Fields {
		if x.Name == name {
			return x.Value, true
		}
	}
	return "", false
}

// skewed says by how much a request's date is off. SDKs that read this text set their clocks by the Date header.
func skewed(f *fault.Error) error {
	const basic = "20060102T150405Z"
	sent, _ := field(f, "RequestTime")
	server, _ := field(f, "ServerTime")
	now, err := time.Parse(time.RFC3339, server)
	at, err2 := time.Parse(basic, sent)
	switch {
	case err != nil || err2 != nil:
		return fault.New("SignatureDoesNotMatch", "Signature expired.")
	case at.After(now):
		return fault.New("SignatureDoesNotMatch", "Signature not yet current: %s is still later than %s (%s + 15 min.)", sent, now.Add(sigv4.MaxSkew).Format(basic), now.Format(basic))
	}
	return fault.New("SignatureDoesNotMatch", "Signature expired: %s is now earlier than %s (%s - 15 min.)", sent, now.Add(-sigv4.MaxSkew).Format(basic), now.Format(basic))
}

// UnknownOperation is the fault for an Action or Version that the service does not have.
func UnknownOperation(f *Form) error {
	action, version := f.Get("Action"), f.Get("Version")
	if action == "" {
		return fault.New("MissingAction", "The request must contain the parameter Action")
	}
	if version == "" {
		version = "NO_VERSION_SPECIFIED"
	}
	return fault.New("InvalidAction", "Could not find operation %s for version %s", action, version)
}

// WriteQuery answers an action of the Query protocol: result, a struct with xml tags, stands in <ActionResult>; nil leaves
// it out, as AWS does for actions that return nothing.
func WriteQuery(w http.ResponseWriter, d Dialect, action, requestID string, result any) {
	var b bytes.Buffer
	b.WriteString(Header)
	e := xml.NewEncoder(&b)
	start := xml.StartElement{Name: xml.Name{Local: action + "Response"}, Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: d.Namespace}}}
	err := e.EncodeToken(start)
	if err == nil && result != nil {
		err = e.EncodeElement(result, xml.StartElement{Name: xml.Name{Local: action + "Result"}})
	}
	if err == nil {
		err = e.EncodeElement(struct{ RequestId string }{requestID}, xml.StartElement{Name: xml.Name{Local: "ResponseMetadata"}})
	}
	if err == nil {
		err = e.EncodeToken(start.End())
	}
	if err == nil {
		err = e.Flush()
	}
	if err != nil {
		panic(fmt.Sprintf("wire: cannot encode %T: %v", result, err)) // a broken program: our own shapes always encode
	}
	h := w.Header()
	h.Set("Content-Type", "text/xml")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(b.Bytes()) // a failed write is the client's leaving
}

// Members is a list in an answer of the Query protocol: <member> elements. An empty one is still an element: clients tell it from
// one that is not there.
type Members[T any] struct {
	Member []T `xml:"member"`
}

// MembersOf makes a list of items, each as shape writes it.
func MembersOf[T, U any](items []T, shape func(T) U) Members[U] {
	out := make([]U, len(items))
	for i, x := range items {
		out[i] = shape(x)
	}
	return Members[U]{out}
}
