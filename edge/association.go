package edge

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
)

// versionARN is the resource of a numbered function version.
var versionARN = regexp.MustCompile(`^function:[A-Za-z0-9_-]{1,64}:[1-9][0-9]{0,17}$`)

// checkFunctions validates the behaviors' Lambda@Edge functions. It asks others, so e.control is not held.
// CloudFront Developer Guide, "Restrictions on Lambda@Edge"; "Set up IAM permissions and roles for Lambda@Edge".
func (e *Edge) checkFunctions(ctx context.Context, c iam.Caller, cfg DistributionConfig) error {
	for _, b := range cfg.behaviors() {
		seen := map[string]bool{}
		for _, f := range b.LambdaFunctions {
			if seen[f.EventType] {
				return badAssociation("There are two functions for %s.", f.EventType)
			}
			seen[f.EventType] = true
			if err := e.checkFunction(ctx, c, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func badAssociation(format string, args ...any) error {
	return fault.New("InvalidLambdaFunctionAssociation", format, args...)
}

// FunctionDescriber tells how long a call of a function version may take, and the memory in MB that it may have. An Invoker that
// is one has its functions' configuration compared with what their events allow.
type FunctionDescriber interface {
	DescribeEdgeFunction(ctx context.Context, functionVersionARN string) (timeout time.Duration, memory int, err error)
}

func (e *Edge) checkFunction(ctx context.Context, c iam.Caller, f LambdaFunctionAssociation) error {
	a, err := arn.Parse(f.FunctionARN)
	at := eventTypeOf(f.EventType)
	switch {
	case err != nil || a.Service != "lambda" || !versionARN.MatchString(a.Resource):
		return badAssociation("The function ARN must reference a specific function version. (The ARN must end with the version number.) ARN: %s", f.FunctionARN)
	case a.Region != "us-east-1":
		return badAssociation("The function must be in region 'us-east-1'. ARN: %s", f.FunctionARN)
	case a.Account != e.cfg.Account:
		return badAssociation("The function belongs to another account. ARN: %s", f.FunctionARN)
	case at == nil:
		return badAssociation("%q is no event type.", f.EventType)
	case f.IncludeBody && !strings.HasSuffix(f.EventType, "-request"):
		return badAssociation("The IncludeBody option can only be used with viewer-request or origin-request events.")
	case e.cfg.Invoker == nil:
		return badAssociation("No functions can be run here.")
	}
	for _, action := range []string{"lambda:GetFunction", "lambda:EnableReplication*"} {
		err := e.authorize(ctx, c, iam.Ask{Action: action, Resources: []string{f.FunctionARN}})
		if fault.Is(err, "AccessDenied") {
			return badAssociation("Lambda@Edge cannot retrieve the specified Lambda function. Update the IAM policy to add permission: %s for resource: %s and try again.",
				action, f.FunctionARN)
		}
		if err != nil {
			return err
		}
	}
	if check, ok := e.cfg.Invoker.(FunctionChecker); ok {
		err := check.CheckEdgeFunction(ctx, f.FunctionARN)
		if ferr, ok := errors.AsType[*fault.Error](err); ok {
			return badAssociation("%s", ferr.Message)
		}
		if err != nil {
			return err
		}
	}
	return e.checkLimits(ctx, at, f.FunctionARN)
}

// checkLimits compares a function's configuration with what its event allows. CloudFront Developer Guide, "Quotas on
// Lambda@Edge".
func (e *Edge) checkLimits(ctx context.Context, at *eventType, function string) error {
	describer, ok := e.cfg.Invoker.(FunctionDescriber)
	if !ok {
		return nil
	}
	timeout, memory, err := describer.DescribeEdgeFunction(ctx, function)
	switch {
	case err != nil:
		return err
	case timeout > at.timeout:
		return badAssociation("The function timeout is larger than the maximum allowed timeout for functions that are triggered by a %s event: %d seconds. Max allowed: %d. Function: %s",
			at.name, int(timeout.Seconds()), int(at.timeout.Seconds()), function)
	case at.memory > 0 && memory > at.memory:
		return badAssociation("The function memory size is larger than the maximum allowed size for functions that are triggered by a %s event: %d MB. Max allowed: %d. Function: %s",
			at.name, memory, at.memory, function)
	}
	return nil
}

// Using returns the ARN of a distribution that runs a function version at the edge, or "".
func (e *Edge) Using(versionARN string) string {
	e.control.Lock()
	defer e.control.Unlock()
	for _, d := range e.distributions {
		for _, b := range d.Config.behaviors() {
			for _, f := range b.LambdaFunctions {
				if f.FunctionARN == versionARN {
					return d.ARN
				}
			}
		}
	}
	return ""
}
