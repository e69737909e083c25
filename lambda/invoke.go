package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/lambda/runner"
)

// minimumLife is the shortest session that STS issues.
const minimumLife = 15 * time.Minute

// Result is what a function answered.
type Result struct {
	Payload []byte
	Version string // that ran
	// Failed says that the function itself failed: Payload is then its error as JSON. On AWS's wire this is a 200 with
	// X-Amz-Function-Error.
	Failed bool
}

// Invoke runs the function that name means (a name or an ARN, with or without a qualifier) for the caller, and waits.
//
// The caller needs lambda:InvokeFunction from its own policies or from the function's. An unqualified call may be allowed
// under the function's ARN as well as under the ARN with :$LATEST: AWS's documentation insists on the suffix, published
// policies leave it out. Errors: AccessDenied, ResourceNotFoundException, RequestTooLargeException,
// TooManyRequestsException, AccessDeniedException when the role does not trust Lambda. When ctx ends, so does the
// function, and ctx's error is returned.
func (s *Service) Invoke(ctx context.Context, c iam.Caller, name string, payload []byte) (Result, error) {
	r, err := s.parseRef(name)
	if err != nil {
		return Result{}, err
	}
	f, exists := s.functions.Get(r.key())
	ask := iam.Ask{Action: "lambda:InvokeFunction", Resources: []string{s.arnOf(r)}}
	if r.qualifier == "" {
		ask.Resources = append(ask.Resources, s.arnOf(r)+":"+Latest)
	} else {
		ask.Resources[0] += ":" + r.qualifier
	}
	if f.Policy != "" {
		p, err := iam.Parse([]byte(f.Policy), iam.ResourcePolicy)
		if err != nil {
			return Result{}, fmt.Errorf("read the policy of %s: %w", f.ARN, err) // fail closed: what does not parse might deny
		}
		ask.Policies = []*iam.Policy{p.Pinned(f.PolicyIDs)}
	}
	if err := s.cfg.IAM.Authorize(ctx, c, ask); err != nil {
		return Result{}, err
	}
	v, ok := f.version(r.qualifier)
	if !exists || !ok {
		return Result{}, notFound(name)
	}
	return s.run(ctx, f, v, r, payload, ServicePrincipal)
}

// InvokeEdge runs a numbered version for the edge, which is no caller with policies: what must allow is the role's trust,
// in both Lambda and its edge service. (CloudFront Developer Guide, "Setting IAM permissions and roles for Lambda@Edge".)
func (s *Service) InvokeEdge(ctx context.Context, versionARN string, event []byte) ([]byte, error) {
	r, f, v, err := s.edgeVersion(versionARN)
	if err != nil {
		return nil, err
	}
	result, err := s.run(ctx, f, v, r, event, ServicePrincipal, EdgeServicePrincipal)
	if err != nil {
		return nil, err
	}
	if result.Failed {
		return nil, &runner.FunctionError{Type: "Unhandled", Message: string(result.Payload)}
	}
	return result.Payload, nil
}

// CheckEdgeFunction returns an InvalidLambdaFunctionAssociation fault that says why versionARN cannot be associated with a
// distribution, or nil.
func (s *Service) CheckEdgeFunction(ctx context.Context, versionARN string) error {
	_, _, v, err := s.edgeVersion(versionARN)
	if err != nil {
		return fault.New("InvalidLambdaFunctionAssociation", "The function %s does not exist, or is not a numbered version.", versionARN)
	}
	_, err = s.cfg.IAM.AssumeForService(ctx, v.Role, []string{ServicePrincipal, EdgeServicePrincipal}, "replicator", minimumLife)
	if err != nil {
		return fault.New("InvalidLambdaFunctionAssociation",
			"The function execution role must be assumable with edgelambda.amazonaws.com as well as lambda.amazonaws.com principals. Update the IAM role and try again. Role: %s", v.Role)
	}
	return nil
}

func (s *Service) edgeVersion(versionARN string) (ref, Function, Version, error) {
	r, err := s.parseRef(versionARN)
	if err != nil {
		return r, Function{}, Version{}, err
	}
	f, exists := s.functions.Get(r.key())
	v, ok := f.version(r.qualifier)
	if !exists || !ok || v.Number == Latest {
		return r, Function{}, Version{}, notFound(versionARN)
	}
	return r, f, v, nil
}

func (f Function) version(qualifier string) (Version, bool) {
	if qualifier == "" || qualifier == Latest {
		return f.Latest, f.Name != ""
	}
	for _, v := range f.Versions {
		if v.Number == qualifier {
			return v, true
		}
	}
	return Version{}, false
}

// run gives the version credentials and a slot, and ends it at its timeout.
func (s *Service) run(ctx context.Context, f Function, v Version, r ref, payload []byte, principals ...string) (Result, error) {
	if len(payload) > runner.MaxPayload {
		return Result{}, fault.New("RequestTooLargeException", "Request must be smaller than %d bytes for the InvokeFunction operation", runner.MaxPayload)
	}
	// The bound keeps memory in check whatever asks; AWS answers at once and so do we.
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	default:
		return Result{}, fault.New("TooManyRequestsException", "Rate Exceeded.")
	}
	where, err := s.runnerOf(v.Code)
	if err != nil {
		return Result{}, err
	}
	creds, err := s.cfg.IAM.AssumeForService(ctx, v.Role, principals, f.Name, minimumLife)
	if fault.Is(err, "AccessDenied") {
		// The caller's rights were enough; what is missing is the role's trust. AWS names the role so too.
		return Result{}, fault.New("AccessDeniedException", "The role defined for the function cannot be assumed by Lambda: %s", v.Role)
	}
	if err != nil {
		return Result{}, err
	}
	inv := runner.Invocation{
		RequestID: wire.NewRequestID(), FunctionName: f.Name, FunctionARN: s.arnOf(r), Version: v.Number, Region: f.Region,
		Payload: payload, Deadline: s.cfg.Now().Add(v.Timeout),
		Credentials: sigv4.Credentials{AccessKeyID: creds.AccessKeyID, SecretAccessKey: creds.SecretAccessKey, SessionToken: creds.SessionToken},
	}
	if r.qualifier != "" {
		inv.FunctionARN += ":" + r.qualifier
	}
	limited, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	out, err := where.Run(limited, inv)
	result := Result{Payload: out, Version: v.Number}
	if err == nil {
		return result, nil
	}
	if ctx.Err() != nil {
		return Result{}, ctx.Err() // whoever asked ended it: no failure of the function's
	}
	if errors.Is(limited.Err(), context.DeadlineExceeded) {
		err = runner.TimedOut(inv.RequestID, v.Timeout)
	}
	if failure, ok := errors.AsType[*runner.FunctionError](err); ok {
		s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "function failed", slog.String("function", inv.FunctionARN),
			slog.String("request", inv.RequestID), slog.String("error", failure.Error()))
		result.Failed, result.Payload = true, failure.Payload()
		return result, nil
	}
	return Result{}, err
}
