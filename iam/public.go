package iam

import (
	"strings"

	"glassine/aws/arn"
)

// Public reports whether S3 would call the policy public: some Allow statement is open to principals that are not fixed,
// and no condition ties it to a fixed value of a key that S3 trusts. Actions and resources play no part. Meaningful for
// a ResourcePolicy only; what could not be read is public.
// S3 User Guide, "Blocking public access to your Amazon S3 storage", the meaning of "public".
func (p *Policy) Public() bool {
	if p == nil || p.doc == nil || p.doc.kind != ResourcePolicy {
		return true
	}
	for i := range p.doc.statements {
		if p.doc.statements[i].public() {
			return true
		}
	}
	return false
}

func (s *statement) public() bool {
	if s.effect == Deny || s.fixedPrincipals() {
		return false
	}
	accessPoint := s.onAccessPoint()
	restricted := false
	for i := range s.conditions {
		c := &s.conditions[i]
		if accessPoint && c.key == "s3:dataaccesspointarn" {
			// In an access point policy this key makes the policy public, unlike in a bucket policy.
			// S3 User Guide, "Managing public access to access points".
			return true
		}
		restricted = restricted || c.restricts()
	}
	return !restricted
}

// fixedPrincipals reports whether the statement names its callers. A web identity provider stands for anyone who has an
// account there.
func (s *statement) fixedPrincipals() bool {
	if s.notPrincipal {
		return false
	}
	for _, p := range s.principals {
		if p.kind == anyone || p.kind == webIdentity {
			return false
		}
	}
	return true
}

func (s *statement) onAccessPoint() bool {
	for _, r := range s.resourceText {
		if a, err := arn.Parse(r); err == nil && a.Name("accesspoint") != "" {
			return true
		}
	}
	return false
}

// restrictingKeys tie a statement down when compared with fixed values. It is never written to.
var restrictingKeys = map[string]bool{
	"aws:sourcearn": true, "aws:sourcevpc": true, "aws:sourcevpce": true, "aws:sourceowner": true, "aws:sourceaccount": true,
	"aws:principalorgid": true, "aws:principalorgpaths": true, "aws:principalaccount": true, "aws:principalarn": true,
	"aws:userid": true, "aws:sourceip": true, "s3:dataaccesspointaccount": true, "s3:dataaccesspointarn": true,
	"s3:x-amz-server-side-encryption-aws-kms-key-id": true,
}

// restricts reports whether the condition keeps the public out: it must be positive, fail when the key is absent, and
// compare with fixed values.
func (c *condition) restricts() bool {
	if c.negate || c.ifExists || c.set == forAll || !restrictingKeys[c.key] || len(c.values) == 0 {
		return false
	}
	for i := range c.values {
		if !c.fixedValue(i) {
			return false
		}
	}
	return true
}

func (c *condition) fixedValue(i int) bool {
	v, text := &c.values[i], c.text[i]
	if c.key == "aws:userid" && strings.EqualFold(text, "anonymous") {
		return false // the value that anybody has
	}
	if c.key == "aws:sourceip" {
		broadest := 8
		if v.prefix.IsValid() && v.prefix.Addr().Is6() {
			broadest = 32
		}
		return c.test == testIP && v.prefix.Bits() >= broadest
	}
	switch c.test {
	case testString:
		return v.pattern.fixed()
	case testLike:
		return v.pattern.fixed() || c.key == "aws:userid" && oneRoleSessions(text) ||
			c.key == "s3:dataaccesspointarn" && fixedAccount(text)
	case testARN:
		if v.arn.whole != nil {
			return false
		}
		return !strings.ContainsAny(text, "*?$") || c.key == "s3:dataaccesspointarn" && fixedAccount(text)
	}
	return false
}

// oneRoleSessions reports whether a pattern for aws:userid is AROA...:* with the role's id spelled out.
func oneRoleSessions(text string) bool {
	id, ok := strings.CutSuffix(text, ":*")
	return ok && isUniqueID(id) && strings.HasPrefix(id, "AROA")
}

// fixedAccount reports whether an access point's ARN may have wildcards in its name only.
func fixedAccount(text string) bool {
	a, err := arn.Parse(text)
	return err == nil && a.Service == "s3" && isAccount(a.Account) && a.Name("accesspoint") != "" &&
		!strings.Contains(text, "$") && !strings.ContainsAny(a.Partition+a.Region, "*?")
}
