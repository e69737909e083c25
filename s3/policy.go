package s3

import (
	"context"
	"errors"
	"slices"

	"glassine/aws/fault"
	"glassine/iam"
)

// maxPolicy is the most bytes of a resource policy. (Amazon S3 User Guide, "Bucket policies": 20 KB.)
const maxPolicy = 20 << 10

// CheckPolicy reads a resource policy before it is stored: at most 20 KB, naming only resources that owns says are the
// resource's own and only principals that exist, and not public where Block Public Access blocks public policies. action
// is what the caller is doing. It returns whom the policy's ARNs mean now, to be kept beside the text: a role that is
// deleted and made anew under its old ARN is another.
func (s *Service) CheckPolicy(ctx context.Context, c iam.Caller, doc, action, resource string, blockPublic bool, owns func(string) bool) (ids map[string]string, err error) {
	if len(doc) > maxPolicy {
		return nil, fault.New("MalformedPolicy", "Policy exceeds the maximum allowed document size.")
	}
	p, err := iam.Parse([]byte(doc), iam.ResourcePolicy)
	if err != nil {
		return nil, malformedPolicy(err)
	}
	for _, st := range p.Statements() {
		for _, r := range slices.Concat(st.Resources, st.NotResources) {
			if !owns(r) {
				return nil, fault.New("MalformedPolicy", "Policy has invalid resource").With("Detail", r)
			}
		}
	}
	if blockPublic && p.Public() {
		s.cfg.IAM.Refused(ctx, c, iam.Ask{Action: action, Resources: []string{resource}}, "S3 Block Public Access, BlockPublicPolicy")
		return nil, fault.New("AccessDenied", "User: %s is not authorized to perform: %s on resource: %q because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access.",
			c.Principal.ARN, action, resource)
	}
	ids, err = s.cfg.IAM.ResolvePrincipals(p)
	return ids, malformedPolicy(err)
}

// malformedPolicy gives iam's refusal of a document S3's code.
func malformedPolicy(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code == "MalformedPolicyDocument" {
		return fault.New("MalformedPolicy", "%s", f.Message)
	}
	return err
}
