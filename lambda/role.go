package lambda

import (
	"context"

	"glassine/iam"
)

// ExecutionRole returns the ARN of the role that the function runs with, for whoever may invoke it: lambda:InvokeFunction is
// asked. It is for work that is done in a function's place.
func (s *Service) ExecutionRole(ctx context.Context, c iam.Caller, name string) (string, error) {
	f, r, err := s.mayInvoke(ctx, c, name)
	if err != nil {
		return "", err
	}
	v, ok := f.version(r.qualifier)
	if !ok {
		return "", notFound(s.qualifiedARN(r))
	}
	return v.Role, nil
}
