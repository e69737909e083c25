package edge

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

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

func (e *Edge) checkFunction(ctx context.Context, c iam.Caller, f LambdaFunctionAssociation) error {
	a, err := arn.Parse(f.FunctionARN)
	switch {
	case err != nil || a.Service != "lambda" || !versionARN.MatchString(a.Resource):
		return badAssociation("The function ARN must reference a specific function version. (The ARN must end with the version number.) ARN: %s", f.FunctionARN)
	case a.Region != "us-east-1":
		return badAssociation("The function must be in region 'us-east-1'. ARN: %s", f.FunctionARN)
	case a.Account != e.cfg.Account:
		return badAssociation("The function belongs to another account. ARN: %s", f.FunctionARN)
	case !slices.Contains([]string{"viewer-request", "origin-request", "origin-response", "viewer-response"}, f.EventType):
		return badAssociation("%q is no event type.", f.EventType)
	case f.IncludeBody && !strings.HasSuffix(f.EventType, "-request"):
		return badAssociation("The IncludeBody option can only be used with viewer-request or origin-request events.")
	case f.EventType != "origin-request":
		return notImplemented("A function at %s", f.EventType)
	case f.IncludeBody:
		return notImplemented("A function with IncludeBody")
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
