package objectlambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/lambda"
	"glassine/s3"
)

// Header is one header line of the caller's request, in the case in which it should reach the function.
type Header struct{ Name, Value string }

// Request is a GetObject on an Object Lambda access point.
type Request struct {
	ID          string // a UUID: x-amz-request-id, and xAmzRequestId of the event
	Caller      iam.Caller
	AccessPoint string // name
	Key         string
	URL         string // absolute, as received
	Headers     []Header
	Range, Part bool // whether a Range or a partNumber was asked for, in a header or in the query
	// Abort makes a write to the caller that hangs return an error; called at the deadline while deliver runs, and never
	// after GetObject returned. May be nil.
	Abort func()
}

// inputLife is how long inputS3Url holds: the function must begin its fetch within a minute, and may fetch again.
const inputLife = 61 * time.Second

// GetObject has the function make the answer and hands it to deliver, at most once, on the calling goroutine. It returns
// when the answer is complete; the function may still run then, until its own timeout or Close. An error before deliver
// was called is the caller's to read; once deliver was called, an error means that the answer broke off and the caller's
// connection must be reset. When ctx ends before there is an answer, the function is ended and ctx's error returned.
//
// Errors (Amazon S3 User Guide, "Debugging and troubleshooting S3 Object Lambda"): AccessDenied, NoSuchAccessPoint,
// NoTransformationDefined, NotImplemented, LambdaPermissionError, LambdaNotFound, SlowDown, LambdaInvocationFailed,
// LambdaRuntimeError, LambdaResponseNotReceived, LambdaTimeout, LambdaInvalidResponse, ResponseInterrupted.
func (s *Service) GetObject(ctx context.Context, req Request, deliver func(Answer) error) error {
	ap, exists := s.points.Get(req.AccessPoint)
	if !exists {
		ap = AccessPoint{Name: req.AccessPoint, Region: s.cfg.Region, Account: s.cfg.IAM.Account()}
	}
	if err := s.decide(ctx, req.Caller, "s3-object-lambda:GetObject", ap); err != nil {
		return err
	}
	if !exists {
		return s3.NoSuchAccessPoint(req.AccessPoint)
	}
	t, ok := ap.function(GetObject)
	if !ok {
		return fault.New("NoTransformationDefined", "No transformation found for this Object Lambda Access Point")
	}
	allowed := func(feature string) bool { return slices.Contains(ap.Configuration.AllowedFeatures, feature) }
	if req.Range && !allowed("GetObject-Range") || req.Part && !allowed("GetObject-PartNumber") {
		return fault.New("NotImplemented", "Operation Not Implemented.")
	}
	supporting, ok := s.cfg.S3.Supporting(ap.Configuration.SupportingAccessPoint)
	if !ok {
		return s3.NoSuchAccessPoint(ap.Configuration.SupportingAccessPoint)
	}
	inputURL, err := s.inputURL(ctx, req, supporting)
	if err != nil {
		return err
	}
	token, id := s.newToken()
	event, err := s.event(req, ap, t, inputURL, token)
	if err != nil {
		return err
	}
	return s.await(ctx, req, ap, t, id, event, deliver)
}

// decide asks about the access point itself: the caller's policies, or the access point's own. Nobody gets in without a
// name, whatever a policy says. (Amazon S3 User Guide, "Configuring IAM policies for Object Lambda Access Points".)
func (s *Service) decide(ctx context.Context, c iam.Caller, action string, ap AccessPoint) error {
	if c.Principal.Kind == iam.Anonymous {
		return fault.New("AccessDenied", "Access Denied")
	}
	ask := iam.Ask{Action: action, Resources: []string{ap.ARN()}}
	if ap.Policy != "" {
		p, err := iam.Parse([]byte(ap.Policy), iam.ResourcePolicy)
		if err != nil {
			return fmt.Errorf("read the policy of %s: %w", ap.ARN(), err) // fail closed: what does not parse might deny
		}
		ask.Policies = []*iam.Policy{p.Pinned(ap.PolicyIDs)}
	}
	return s.cfg.IAM.Authorize(ctx, c, ask)
}

// inputURL presigns the original for the function: through the supporting access point, as the caller, bound to this one
// object. Only the host is signed, where AWS also signs x-amz-checksum-mode when the caller sent it: see
// docs/aws-differences.md.
func (s *Service) inputURL(ctx context.Context, req Request, ap s3.AccessPoint) (string, error) {
	bound := iam.Bound{
		Actions:   []string{"s3:GetObject", "s3:ListBucket"}, // ListBucket decides between 404 and 403 for an absent key
		Resources: []string{ap.ARN() + "/object/" + req.Key, s3.BucketARN(ap.Bucket) + "/" + req.Key, ap.ARN(), s3.BucketARN(ap.Bucket)},
	}
	creds, err := s.cfg.IAM.Forward(ctx, req.Caller, servicePrincipal, bound, inputLife)
	if err != nil {
		return "", err
	}
	u := &url.URL{
		Scheme:  "https",
		Host:    ap.Name + "-" + ap.Account + ".s3-accesspoint." + ap.Region + ".amazonaws.com",
		Path:    "/" + req.Key,
		RawPath: "/" + escapeKey(req.Key),
	}
	signed := sigv4.Presign("GET", u, sigv4.Credentials{AccessKeyID: creds.AccessKeyID, SecretAccessKey: creds.SecretAccessKey, SessionToken: creds.SessionToken},
		ap.Region, "s3", s.cfg.Now(), inputLife)
	return signed.String(), nil
}

// escapeKey encodes a key as S3's clients do: everything but unreserved characters and the slash.
func escapeKey(key string) string {
	parts := strings.Split(key, "/")
	for i, p := range parts {
		parts[i] = strings.ReplaceAll(url.QueryEscape(p), "+", "%20")
	}
	return strings.Join(parts, "/")
}

// await runs the function and waits: the first of its answer, its end, the deadline and the caller's leaving claims the
// request.
func (s *Service) await(ctx context.Context, req Request, ap AccessPoint, t Transformation, id [16]byte, event []byte, deliver func(Answer) error) error {
	limited, cancel := context.WithTimeoutCause(ctx, Deadline,
		fault.New("LambdaTimeout", "The Lambda function did not respond within %d seconds.", int(Deadline.Seconds())))
	defer cancel()
	p := &pending{point: ap, answer: make(chan Answer), done: make(chan struct{})}
	s.wait(id, p)
	defer s.forget(id)
	function := ap.functionARN(t.Function)
	ended, stop, err := s.invoke(ctx, req.Caller, function, event)
	if err != nil {
		return err
	}
	select {
	case a := <-p.answer:
		return p.finish(limited, req, a, deliver)
	case err = <-ended:
	case <-limited.Done():
		err = context.Cause(limited)
	}
	if !p.claim() { // an answer came first and is on its way here
		return p.finish(limited, req, <-p.answer, deliver)
	}
	stop()
	if ctx.Err() == nil {
		s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "object lambda function gave no answer", slog.String("request", req.ID),
			slog.String("function", function), slog.String("error", err.Error()))
	}
	return err
}

// invoke runs the function in the caller's name on a goroutine of its own, which may outlive the request: a function may
// have more to do after its answer. ended gets what the function's end means when it comes before an answer; stop ends it.
func (s *Service) invoke(ctx context.Context, c iam.Caller, function string, event []byte) (ended <-chan error, stop func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, fault.New("ServiceUnavailable", "The service is shutting down.")
	}
	s.functions.Add(1)
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	unlink := context.AfterFunc(s.life, cancel)
	end := make(chan error, 1)
	go func() {
		defer s.functions.Done()
		defer unlink()
		defer cancel()
		result, err := s.cfg.Invoker.Invoke(run, c.CalledVia(servicePrincipal), function, event)
		end <- invocationFault(result, err)
	}()
	return end, cancel, nil
}

// maxDetail is the most bytes of a function's own error that its caller reads.
const maxDetail = 4 << 10

// invocationFault is what the caller reads when the function ended without an answer.
func invocationFault(r lambda.Result, err error) error {
	if err == nil {
		if r.Failed {
			return fault.New("LambdaRuntimeError", "The Lambda function returned an error: %s", strings.ToValidUTF8(string(r.Payload[:min(len(r.Payload), maxDetail)]), ""))
		}
		return fault.New("LambdaResponseNotReceived", "The Lambda exited without successfully calling WriteGetObjectResponse.")
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	switch f.Code {
	case "AccessDenied":
		return fault.New("LambdaPermissionError", "The caller is not authorized to invoke the Lambda function: %s", f.Message)
	case "ResourceNotFoundException":
		return fault.New("LambdaNotFound", "The Lambda function was not found: %s", f.Message)
	case "TooManyRequestsException":
		return fault.New("SlowDown", "The Lambda function is being throttled: %s", f.Message)
	}
	return fault.New("LambdaInvocationFailed", "The Lambda function could not be invoked: %s: %s", f.Code, f.Message)
}
