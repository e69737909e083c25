package iam

import (
	"strings"

	"glassine/aws/fault"
)

// refusal makes the AccessDenied fault for a decision that is not allowed.
// IAM User Guide, "Troubleshoot access denied error messages".
func refusal(p *Principal, action string, resources []string, d Decision) error {
	who := p.name()
	s3 := strings.HasPrefix(action, "s3:") || strings.HasPrefix(action, "s3-object-lambda:")
	if who == "" || s3 && p.Kind == ServicePrincipal {
		return fault.New("AccessDenied", "Access Denied") // nobody of the account is asking: tell nothing
	}
	resource := "*"
	if len(resources) > 0 {
		resource = resources[0]
	}
	if s3 {
		resource = `"` + resource + `"` // S3 alone quotes it
	}
	return fault.New("AccessDenied", "User: %s is not authorized to perform: %s on resource: %s %s", who, action, resource, d.reason(action))
}

// name is the principal as messages name it; "" for nobody.
func (p *Principal) name() string {
	if p.Kind == ServicePrincipal {
		return p.Service
	}
	return p.ARN
}

func (d Decision) reason(action string) string {
	if !d.Explicit {
		return "because no " + d.By.String() + " allows the " + action + " action"
	}
	article := "a "
	switch d.By {
	case IdentityPolicy:
		article = "an "
	case TrustPolicy:
		article = "the "
	}
	return "with an explicit deny in " + article + d.By.String()
}
