package iam

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

func (c *compiler) principals(s *statement, given map[string]*node) error {
	n, not, err := c.either(given, "Principal")
	if err != nil {
		return err
	}
	if c.kind == IdentityPolicy {
		if n != nil {
			return c.refuse(texts{identity: "Policy document should not specify a principal."}, "")
		}
		return nil
	}
	if n == nil {
		return c.refuse(texts{trust: "Missing required field Principal", resource: "Missing required field Principal"}, "")
	}
	if not && c.kind == TrustPolicy {
		return c.refuse(texts{trust: "AssumeRole policy must not contain NotPrincipal field."}, "")
	}
	if not && s.effect == Allow {
		return c.refuse(texts{resource: "Allow with NotPrincipal is not allowed."}, "")
	}
	s.notPrincipal = not
	if n.kind == textNode && n.text == "*" {
		s.principals = []principalPattern{{kind: anyone}}
		return nil
	}
	if n.kind != objectNode {
		return c.refuse(texts{trust: fmt.Sprintf("Invalid principal in policy: %q", n.text), resource: "Invalid principal in policy"}, "")
	}
	for i := range n.members {
		m := &n.members[i]
		values, ok := m.value.texts(false)
		if !ok {
			return c.refuse(texts{trust: "Principal element cannot be empty!", resource: "Invalid principal in policy"}, "")
		}
		for _, v := range values {
			p, ok := compilePrincipal(m.name, v)
			if !ok {
				return c.refuse(invalidPrincipal(m.name, v), "")
			}
			s.principals = append(s.principals, p)
		}
	}
	if len(s.principals) == 0 {
		return c.refuse(texts{trust: "Principal element cannot be empty!", resource: "Invalid principal in policy"}, "")
	}
	return nil
}

func invalidPrincipal(group, value string) texts {
	if group == "Service" {
		group = "SERVICE"
	}
	return texts{
		trust:    fmt.Sprintf(`Invalid principal in policy: "%s":"%s"`, strings.ToUpper(group), value),
		resource: "Invalid principal in policy",
	}
}

func (c *compiler) actions(s *statement, given map[string]*node) error {
	n, not, err := c.either(given, "Action")
	if err != nil {
		return err
	}
	if n == nil {
		return c.refuse(texts{"Policy statement must contain actions.", "Missing required field Action", "Missing required field Action"}, "")
	}
	values, ok := n.texts(false)
	if !ok {
		return c.refuse(texts{identity: "Policy statement must contain actions."}, "Action is not a string or a list of strings")
	}
	if not && c.kind == TrustPolicy {
		return c.refuse(texts{trust: "AssumeRole policy may only specify STS AssumeRole actions."}, "")
	}
	for _, v := range values {
		if err := c.checkAction(v); err != nil {
			return err
		}
		p, err := compilePattern(strings.ToLower(v), syntax{wildcards: true})
		if err != nil {
			return c.refuse(texts{}, "action %q: %v", v, err)
		}
		s.actions = append(s.actions, p)
	}
	s.notAction, s.actionText = not, values
	return nil
}

// checkAction refuses what cannot be an action: AWS reads vendor:name, the vendor without wildcards.
func (c *compiler) checkAction(v string) error {
	if c.kind == TrustPolicy {
		if len(v) <= len("sts:") || !strings.EqualFold(v[:len("sts:")], "sts:") {
			return c.refuse(texts{trust: "AssumeRole policy may only specify STS AssumeRole actions."}, "")
		}
		return nil
	}
	if v == "*" {
		return nil
	}
	vendor, name, ok := strings.Cut(v, ":")
	switch {
	case !ok:
		return c.refuse(texts{identity: "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.", resource: "Policy has invalid action"}, "")
	case strings.Contains(name, ":"):
		return c.refuse(texts{identity: "Actions/Condition can contain only one colon.", resource: "Policy has invalid action"}, "")
	case vendor == "" || strings.ContainsFunc(vendor, func(r rune) bool { return !isAlphanumeric(r) && r != '-' && r != '.' }):
		return c.refuse(texts{identity: "Vendor " + vendor + " is not valid", resource: "Policy has invalid action"}, "")
	case name == "":
		return c.refuse(texts{resource: "Policy has invalid action"}, "action %q has no name", v)
	}
	return nil
}

func (c *compiler) resources(s *statement, given map[string]*node) error {
	n, not, err := c.either(given, "Resource")
	if err != nil {
		return err
	}
	if c.kind == TrustPolicy {
		if n != nil {
			return c.refuse(texts{trust: "Has prohibited field Resource"}, "")
		}
		return nil
	}
	if n == nil {
		return c.refuse(texts{identity: "Policy statement must contain resources.", resource: "Missing required field Resource"}, "")
	}
	values, ok := n.texts(false)
	if !ok {
		return c.refuse(texts{identity: "Policy statement must contain resources.", resource: "Policy has invalid resource"}, "")
	}
	for _, v := range values {
		a, err := c.resource(v)
		if err != nil {
			return err
		}
		s.resources = append(s.resources, a)
	}
	s.notResource, s.resourceText = not, values
	return nil
}

func (c *compiler) resource(v string) (arnPattern, error) {
	if v == "*" {
		return arnPattern{all: true}, nil
	}
	a, err := compileARN(v, syntax{wildcards: true, variables: c.doc.variables})
	if errors.Is(err, errNotARN) {
		return a, c.refuse(texts{identity: fmt.Sprintf(`Resource %s must be in ARN format or "*".`, v), resource: "Policy has invalid resource"}, "")
	}
	if err != nil {
		return a, c.refuse(texts{resource: "Policy has invalid resource"}, "resource %q: %v", v, err)
	}
	if partition := strings.SplitN(v, ":", 3)[1]; !slices.Contains(partitions, partition) {
		return a, c.refuse(texts{identity: fmt.Sprintf("Partition %q is not valid for resource %q.", partition, v), resource: "Policy has invalid resource"}, "")
	}
	return a, nil
}

// partitions are what may stand in an ARN's second part. It is never written to.
var partitions = []string{"aws", "aws-cn", "aws-us-gov", "*"}

func (c *compiler) conditions(s *statement, given map[string]*node) error {
	n := given["Condition"]
	if n == nil {
		return nil
	}
	if n.kind != objectNode {
		return c.refuse(texts{}, "Condition is not an object")
	}
	for i := range n.members {
		operator, keys := n.members[i].name, &n.members[i].value
		if keys.kind != objectNode {
			return c.refuse(texts{}, "condition operator %q holds no object", operator)
		}
		for j := range keys.members {
			cond, err := c.condition(operator, &keys.members[j])
			if err != nil {
				return err
			}
			s.conditions = append(s.conditions, cond)
		}
	}
	return nil
}

func (c *compiler) condition(operator string, m *member) (condition, error) {
	if prefix, name, ok := strings.Cut(m.name, ":"); !ok || prefix == "" || name == "" {
		return condition{}, c.refuse(texts{
			identity: "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.",
			resource: "Policy has an invalid condition key",
		}, "condition key %q has no prefix", m.name)
	}
	values, ok := m.value.texts(true)
	if !ok {
		return condition{}, c.refuse(texts{}, "condition key %q has no value", m.name)
	}
	cond, err := compileCondition(operator, m.name, values, c.doc.variables)
	if errors.Is(err, errAddress) {
		return cond, c.refuse(texts{resource: "Invalid IP address in Conditions"}, "%v", err)
	}
	if err != nil {
		return cond, c.refuse(texts{}, "%v", err)
	}
	return cond, nil
}
