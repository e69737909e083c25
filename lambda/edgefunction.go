package lambda

import (
	"context"
	"strings"
	"time"

	"glassine/aws/fault"
)

// The most that a function at the edge may have. CloudFront Developer Guide, "Quotas on Lambda@Edge"; "Restrictions on
// Lambda@Edge".
const (
	edgeArchive   = 50 << 20 // bytes of the zip archive
	edgeEphemeral = 512      // MB
)

// CheckEdgeFunction returns an InvalidLambdaFunctionAssociation fault that says why versionARN cannot be associated with a
// distribution, or nil. What depends on the event is asked of DescribeEdgeFunction.
func (s *Service) CheckEdgeFunction(ctx context.Context, versionARN string) error {
	bad := func(format string, args ...any) error {
		return fault.New("InvalidLambdaFunctionAssociation", format, args...)
	}
	_, f, v, err := s.edgeVersion(versionARN)
	if err != nil {
		return bad("The function %s does not exist, or is not a numbered version.", versionARN)
	}
	if why := s.unfitForEdge(f, v); why != "" {
		return bad("%s Function: %s", why, versionARN)
	}
	_, err = s.cfg.IAM.AssumeForService(ctx, v.Role, []string{ServicePrincipal, EdgeServicePrincipal}, "replicator", minimumLife)
	if err != nil {
		return bad("The function execution role must be assumable with edgelambda.amazonaws.com as well as lambda.amazonaws.com principals. Update the IAM role and try again. Role: %s", v.Role)
	}
	return nil
}

// unfitForEdge says in a sentence what of a version does not go at the edge, "" when all does. VPCs, dead-letter queues and
// container images are not there to be looked for. CloudFront Developer Guide, "Restrictions on Lambda@Edge".
func (s *Service) unfitForEdge(f Function, v Version) string {
	zip, strict := v.Code == codeZip, s.strictEdge.Load()
	switch {
	case zip && !strings.HasPrefix(v.Runtime, "nodejs") && !strings.HasPrefix(v.Runtime, "python"):
		return "The function's runtime is neither Node.js nor Python: " + v.Runtime + "."
	case zip && v.Archive.Size > edgeArchive:
		return "The function's deployment package is larger than 50 MB."
	case v.Ephemeral > edgeEphemeral:
		return "The function cannot have more than 512 MB of ephemeral storage."
	case f.Reserved != nil:
		return "The function cannot have reserved concurrency."
	case v.Tracing == "Active":
		return "The function cannot have active tracing."
	case strict && len(v.Environment) > 0:
		return "The function cannot have environment variables."
	case strict && len(v.Layers) > 0:
		return "The function cannot have a layer."
	case strict && v.Architecture == "arm64":
		return "The function's architecture must be x86_64."
	}
	return ""
}

// DescribeEdgeFunction returns how long a call of a numbered version may take, and its memory in MB, which the edge compares with
// what an event allows. ResourceNotFoundException when there is no such version.
func (s *Service) DescribeEdgeFunction(_ context.Context, versionARN string) (timeout time.Duration, memory int, err error) {
	_, _, v, err := s.edgeVersion(versionARN)
	return v.Timeout, v.Memory, err
}

// edgeVersion finds a numbered version by its ARN.
func (s *Service) edgeVersion(versionARN string) (ref, Function, Version, error) {
	r, err := s.parseRef(versionARN)
	if err != nil {
		return r, Function{}, Version{}, err
	}
	f, exists := s.functions.Get(r.key())
	v, ok := f.version(r.qualifier)
	if !exists || !ok || v.Number != r.qualifier || v.Number == Latest {
		return r, Function{}, Version{}, notFound(versionARN)
	}
	return r, f, v, nil
}
