package cloudformation

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
)

// Invoker runs a function for a caller: lambda:InvokeFunction is asked. failed says that the function itself failed, and
// payload is then what it said.
type Invoker interface {
	Invoke(ctx context.Context, c iam.Caller, functionARN string, payload []byte) (answer []byte, failed bool, err error)
}

// Answer is what a custom resource's function sends to the response URL.
// CloudFormation User Guide, "Custom resource response objects".
type Answer struct {
	Status, Reason, PhysicalResourceId string
	StackId, RequestId                 string
	LogicalResourceId                  string
	NoEcho                             bool
	Data                               Values
}

// customResources are resources whose work a function does. What it did it says with a PUT to a URL that is in its event;
// who knows the URL may answer, once.
type customResources struct {
	invoker Invoker

	mu      sync.Mutex
	waiting map[string]chan Answer // by the URL's token; room for one
}

// ResponseHost begins the host names of response URLs.
const ResponseHost = "cloudformation-custom-resource-response-"

// longestAnswer bounds what a function may answer, in bytes. CloudFormation User Guide: 4096.
const longestAnswer = 4096

func (x *customResources) resourceType() *Type {
	return &Type{
		Name: CustomResource, AnyProperty: true, Attributes: []string{"*"}, Timeout: DefaultTimeout + time.Minute, Handler: x,
		Properties: map[string]*Property{
			"ServiceToken":   {Required: true, Check: checkServiceToken},
			"ServiceTimeout": {Kind: Integer, Min: 1, Max: 3600},
		},
	}
}

func checkServiceToken(v any) error {
	a, err := arn.Parse(fmt.Sprint(v))
	switch {
	case err == nil && a.Service == "sns":
		return errors.New("glassine has no SNS: ServiceToken is the ARN of a Lambda function")
	case err != nil || a.Service != "lambda":
		return errors.New("ServiceToken is the ARN of a Lambda function")
	}
	return nil
}

// Create implements Handler.
func (x *customResources) Create(ctx context.Context, r *Request) (Resource, error) {
	made, err := x.send(ctx, r, "Create")
	if made.PhysicalID == "" && err == nil {
		made.PhysicalID = r.Name(100)
	}
	return made, err
}

// Update implements Handler.
func (x *customResources) Update(ctx context.Context, r *Request) (Resource, error) {
	if r.Previous.Text("ServiceToken") != r.Properties.Text("ServiceToken") {
		return Resource{}, fault.New("InvalidRequest", "Modifying service token is not allowed.")
	}
	return x.send(ctx, r, "Update")
}

// Delete implements Handler.
func (x *customResources) Delete(ctx context.Context, r *Request) error {
	_, err := x.send(ctx, r, "Delete")
	return err
}

// Read implements Handler: only the function knows, and it cannot be asked.
func (x *customResources) Read(_ context.Context, r *Request) (Resource, error) {
	return Resource{PhysicalID: r.PhysicalID, Attributes: r.Attributes}, nil
}

// event is what the function gets. CloudFormation User Guide, "Custom resource request objects".
type customEvent struct {
	RequestType           string
	ServiceToken          string
	ResponseURL           string
	StackId               string
	RequestId             string
	LogicalResourceId     string
	PhysicalResourceId    string `json:",omitempty"`
	ResourceType          string
	ResourceProperties    Values
	OldResourceProperties Values `json:",omitempty"`
}

// send has the function do something and waits for its answer.
func (x *customResources) send(ctx context.Context, r *Request, kind string) (Resource, error) {
	most := DefaultTimeout
	if n, ok := r.Properties["ServiceTimeout"].(int64); ok {
		most = time.Duration(n) * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	token, answers := x.expect()
	defer x.forget(token)
	e := customEvent{
		RequestType: kind, ServiceToken: r.Properties.Text("ServiceToken"), ResponseURL: responseURL(r.Region, r.StackID, r.LogicalID, r.Token, token), StackId: r.StackID,
		RequestId: r.Token, LogicalResourceId: r.LogicalID, ResourceType: r.Type, ResourceProperties: eventProperties(r.Properties),
	}
	if kind != "Create" {
		e.PhysicalResourceId = r.PhysicalID
	}
	if kind == "Update" {
		e.OldResourceProperties = eventProperties(r.Previous)
	}
	payload, err := json.Marshal(e)
	if err != nil {
		return Resource{}, err
	}
	type outcome struct {
		said   []byte
		failed bool
		err    error
	}
	ran := make(chan outcome, 1)
	go func() { // ends with ctx, as Invoke does
		said, failed, err := x.invoke(ctx, r, payload)
		ran <- outcome{said, failed, err}
	}()
	for {
		select {
		case a := <-answers:
			return a.resource(r, kind)
		case o := <-ran:
			ran = nil // a function may end before its answer comes, from another place
			if o.err != nil && fault.Code(o.err) != "" {
				return Resource{}, o.err
			}
			if o.err != nil || o.failed {
				select { // it may have answered before it failed
				case a := <-answers:
					return a.resource(r, kind)
				default:
				}
				if o.err != nil {
					return Resource{}, o.err
				}
				return Resource{}, fault.New("InternalFailure", "The function of the custom resource failed without an answer: %s", shortened(o.said))
			}
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), context.DeadlineExceeded) {
				return Resource{}, fault.New("NotStabilized", "CloudFormation did not receive a response from your Custom Resource. Please check your logs for requestId [%s].", r.Token)
			}
			return Resource{}, ctx.Err()
		}
	}
}

// invoke runs the function, and tries again while too many run: at AWS the event waits in a queue meanwhile. (Lambda Developer Guide, "How
// Lambda handles errors and retries with asynchronous invocation": throttled, it waits from a second up to five minutes.)
func (x *customResources) invoke(ctx context.Context, r *Request, payload []byte) (said []byte, failed bool, err error) {
	for wait := time.Second; ; wait = min(2*wait, 5*time.Minute) {
		said, failed, err = x.invoker.Invoke(ctx, r.Caller, r.Properties.Text("ServiceToken"), payload)
		if !fault.Is(err, "TooManyRequestsException") {
			return said, failed, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return said, failed, err
		}
	}
}

func shortened(b []byte) string {
	const most = 300
	if len(b) > most {
		b = b[:most]
	}
	return strings.ToValidUTF8(string(b), "")
}

// eventProperties are properties as functions get them: text.
func eventProperties(v Values) Values {
	out := make(Values, len(v))
	for k, x := range v {
		out[k] = textOnly(x)
	}
	return out
}

func (a *Answer) resource(r *Request, kind string) (Resource, error) {
	made := Resource{PhysicalID: a.PhysicalResourceId, Attributes: a.Data, NoEcho: a.NoEcho}
	if made.Attributes == nil {
		made.Attributes = Values{}
	}
	if a.Status != "SUCCESS" {
		reason := a.Reason
		if reason == "" {
			reason = "the function gave no reason"
		}
		return made, fault.New("GeneralServiceException", "Received response status [FAILED] from custom resource. Message returned: %s", reason)
	}
	if kind == "Delete" && a.PhysicalResourceId != "" && a.PhysicalResourceId != r.PhysicalID {
		return made, fault.New("InvalidRequest", "Invalid PhysicalResourceId: a deletion must not change it")
	}
	return made, nil
}

func (x *customResources) expect() (token string, answers chan Answer) {
	var b [24]byte
	rand.Read(b[:])
	token, answers = hex.EncodeToString(b[:]), make(chan Answer, 1)
	x.mu.Lock()
	x.waiting[token] = answers
	x.mu.Unlock()
	return token, answers
}

func (x *customResources) forget(token string) {
	x.mu.Lock()
	delete(x.waiting, token)
	x.mu.Unlock()
}

// responseURL is where the function answers. Its host is one of AWS's, which leads to this process from a sandbox, and its
// form is that of AWS's: some handlers take it apart.
func responseURL(region, stackID, logicalID, request, token string) string {
	object := url.PathEscape(stackID + "|" + logicalID + "|" + request)
	return "https://" + ResponseHost + strings.ReplaceAll(region, "-", "") + ".s3." + region + ".amazonaws.com/" + strings.ReplaceAll(object, ":", "%3A") +
		"?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Expires=" + strconv.Itoa(int(DefaultTimeout/time.Second)) + "&X-Amz-Signature=" + token
}

// Respond takes what was sent to a response URL, whose token it is given. A token that nothing waits for, or no more, gives
// AccessDenied; what is no answer counts as a failure.
func (s *Service) Respond(token string, body []byte) error {
	x := s.custom
	x.mu.Lock()
	answers := x.waiting[token]
	x.mu.Unlock()
	if answers == nil {
		return fault.New("AccessDenied", "Request has expired")
	}
	if len(body) > longestAnswer {
		body, _ = json.Marshal(Answer{Status: "FAILED", Reason: "Response object is too long."})
	}
	var a Answer
	if err := json.Unmarshal(body, &a); err != nil || a.Status != "SUCCESS" && a.Status != "FAILED" {
		a = Answer{Status: "FAILED", Reason: "Invalid response object: Status is SUCCESS or FAILED, and PhysicalResourceId is text"}
	}
	select {
	case answers <- a:
	default: // the first one counts
	}
	return nil
}
