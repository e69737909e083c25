package lambda

import (
	"context"
	"fmt"
	"io"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/lambda/runner"
	"glassine/telemetry"
)

// Result is what a function answered.
type Result struct {
	Payload []byte
	Version string // that ran
	// Role is the ARN of the execution role that it ran as.
	Role string
	// Failed says that the function itself failed: Payload is then its error as JSON. On AWS's wire this is a 200 with
	// X-Amz-Function-Error.
	Failed bool
	// LogTail is the end of what the function wrote to its log, at most 4 KB, when Call.WantLogTail asked for it.
	LogTail []byte
	// RequestID is the id that the function saw.
	RequestID string

	took, init time.Duration // that it ran, and that its process took to start
	timedOut   bool          // Failed, since it took too long
}

// Call is one invocation.
type Call struct {
	Payload       []byte
	ClientContext string // JSON, or ""
	TraceID       string // X-Amzn-Trace-Id, or ""
	RequestID     string // a UUID; "" makes one
	WantLogTail   bool
	// Stream, unless it is nil, takes the answer as the function writes it, where the runner can do so; else all at once. It
	// is called once, before anything of the answer, with the version that runs. Result.Payload is then empty, but for a
	// failed function's error.
	Stream func(version string) io.Writer
}

// Invoke is Call with nothing but a payload.
func (s *Service) Invoke(ctx context.Context, c iam.Caller, name string, payload []byte) (Result, error) {
	return s.Call(ctx, c, name, Call{Payload: payload})
}

// Call runs the function that name means (a name or an ARN, with or without a qualifier) for the caller, and waits.
//
// The caller needs lambda:InvokeFunction from its own policies or from the function's. An unqualified call may be allowed
// under the function's ARN as well as under the ARN with :$LATEST: AWS's documentation insists on the suffix, published
// policies leave it out. Errors: AccessDenied, ResourceNotFoundException, RequestTooLargeException,
// TooManyRequestsException, AccessDeniedException when the role does not trust Lambda, InvalidRuntimeException when nothing
// here runs such code. When ctx ends, so does the function, and ctx's error is returned.
func (s *Service) Call(ctx context.Context, c iam.Caller, name string, call Call) (Result, error) {
	f, r, err := s.mayInvoke(ctx, c, name)
	if err != nil {
		return Result{}, err
	}
	return s.run(ctx, f, s.chosen(f, r), r, call, ServicePrincipal)
}

// DryRun is Call without the invocation: the error is nil when the caller may invoke what is there.
func (s *Service) DryRun(ctx context.Context, c iam.Caller, name string) error {
	_, _, err := s.mayInvoke(ctx, c, name)
	return err
}

// mayInvoke finds the function and asks whether the caller may invoke it.
func (s *Service) mayInvoke(ctx context.Context, c iam.Caller, name string) (Function, ref, error) {
	r, err := s.parseRef(name)
	if err != nil {
		return Function{}, r, err
	}
	f, exists := s.functions.Get(r.key())
	ask := iam.Ask{Action: "lambda:InvokeFunction", Resources: []string{s.qualifiedARN(r)}, Context: s.resourceTags(r)}
	if r.qualifier == "" {
		ask.Resources = append(ask.Resources, s.arnOf(r)+":"+Latest)
	}
	if f.Policy != "" {
		p, err := s.policies.Read(f.Policy, f.PolicyIDs)
		if err != nil {
			return f, r, fmt.Errorf("read the policy of %s: %w", f.ARN, err) // fail closed: what does not parse might deny
		}
		ask.Policies = p.Policies
	}
	if err := s.cfg.IAM.Authorize(ctx, c, ask); err != nil {
		return f, r, err
	}
	if _, ok := f.version(r.qualifier); !exists || !ok {
		return f, r, notFound(name)
	}
	return f, r, nil
}

// chosen is the version to run of what r names, which is there: of an alias with weights one by chance.
func (s *Service) chosen(f Function, r ref) Version {
	if a, ok := f.alias(r.qualifier); ok {
		if v, ok := f.version(a.choose()); ok {
			return v
		}
	}
	v, _ := f.version(r.qualifier)
	return v
}

// InvokeEdge runs a numbered version for the edge, which is no caller with policies: what must allow is the role's trust,
// in both Lambda and its edge service. A function that failed is a *runner.FunctionError. (CloudFront Developer Guide, "Setting IAM permissions and roles for Lambda@Edge".)
func (s *Service) InvokeEdge(ctx context.Context, versionARN string, event []byte) (Result, error) {
	r, f, v, err := s.edgeVersion(versionARN)
	if err != nil {
		return Result{}, err
	}
	result, err := s.run(ctx, f, v, r, Call{Payload: event}, ServicePrincipal, EdgeServicePrincipal)
	if err == nil && result.Failed {
		err = &runner.FunctionError{Type: "Unhandled", Message: string(result.Payload)}
	}
	return result, err
}

// versionARN is the ARN of a version: with its number, unless it is the latest.
func (f *Function) versionARN(v Version) string {
	if v.Number == Latest {
		return f.ARN
	}
	return f.ARN + ":" + v.Number
}

// run is one invocation, which the observer is told of.
func (s *Service) run(ctx context.Context, f Function, v Version, r ref, call Call, principals ...string) (Result, error) {
	if call.TraceID == "" {
		call.TraceID = telemetry.XRay(ctx)
	}
	result, err := s.perform(ctx, f, v, r, call, principals...)
	if s.cfg.Observe != nil {
		s.cfg.Observe(ctx, Event{Function: f.Name, Result: outcomeOf(ctx, result, err), Took: result.took, Init: result.init})
	}
	return result, err
}

// perform gives the version credentials and a slot, and ends it at its timeout.
func (s *Service) perform(ctx context.Context, f Function, v Version, r ref, call Call, principals ...string) (Result, error) {
	if len(call.Payload) > runner.MaxPayload {
		return Result{}, fault.New("RequestTooLargeException", "Request must be smaller than %d bytes for the InvokeFunction operation", runner.MaxPayload)
	}
	// The bound keeps memory in check whatever asks; AWS answers at once and so do we.
	leave, err := s.gate.enter(r.key(), f.Reserved)
	if err != nil {
		return Result{}, err
	}
	defer leave()
	creds, err := s.cfg.IAM.AssumeForService(ctx, v.Role, principals, f.Name, minimumLife)
	if fault.Is(err, "AccessDenied") {
		// The caller's rights were enough; what is missing is the role's trust. AWS names the role so too.
		return Result{}, fault.New("AccessDeniedException", "The role defined for the function cannot be assumed by Lambda: %s", v.Role)
	}
	if err != nil {
		return Result{}, err
	}
	if call.RequestID == "" {
		call.RequestID = wire.NewRequestID()
	}
	telemetry.AddEvent(ctx, f.versionARN(v), call.RequestID, call.Payload)
	x := execution{s: s, function: f, version: v, ref: r, call: call, credentials: creds, edge: len(principals) > 1}
	result, err := x.run(ctx)
	result.Version, result.Role, result.RequestID = v.Number, v.Role, call.RequestID
	return result, err
}
