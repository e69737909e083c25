package lambda

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	"glassine/aws/fault"
	"glassine/iam"
)

// maxPolicy is the most bytes of a function's policy. (AWS Lambda Developer Guide, "Lambda quotas": 20 KB.)
const maxPolicy = 20 << 10

// Permission is one grant of a function's resource-based policy. SourceARN and SourceAccount narrow it when set.
type Permission struct {
	StatementID, Action, SourceARN, SourceAccount string
	Service, AWS                                  string // the principal: one of the two; AWS may be "*"
}

// AddPermission adds a statement to the function's policy. It grants what name names: the unpublished function, or with a
// qualifier that version. (Lambda API Reference, AddPermission.)
func (s *Service) AddPermission(ctx context.Context, c iam.Caller, name string, p Permission) error {
	r, err := s.parseRef(name)
	if err != nil {
		return err
	}
	resource := s.arnOf(r)
	if r.qualifier != "" {
		resource += ":" + r.qualifier
	}
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:AddPermission", Resources: []string{resource}}); err != nil {
		return err
	}
	if err := p.check(); err != nil {
		return err
	}
	_, err = s.functions.Update(ctx, r.key(), func(f Function, exists bool) (Function, error) {
		if _, ok := f.version(r.qualifier); !exists || !ok {
			return f, notFound(resource)
		}
		return s.grant(f, p, resource)
	})
	return err
}

// GetPolicy returns the text of the function's policy, or ResourceNotFoundException when it has none. Who is gone stands in
// it by its id. (Lambda API Reference, GetPolicy.)
func (s *Service) GetPolicy(ctx context.Context, c iam.Caller, name string) (string, error) {
	r, err := s.parseRef(name)
	if err != nil {
		return "", err
	}
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:GetPolicy", Resources: []string{s.arnOf(r)}}); err != nil {
		return "", err
	}
	f, _ := s.functions.Get(r.key())
	if f.Policy == "" {
		return "", fault.New("ResourceNotFoundException", "The resource you requested does not exist.")
	}
	return s.cfg.IAM.Shown(f.Policy, f.PolicyIDs), nil
}

func (p Permission) check() error {
	if !validName(p.StatementID, 100) {
		return fault.New("InvalidParameterValueException", "The statement id %q is not 1 to 100 letters, digits, hyphens and underscores.", p.StatementID)
	}
	if !strings.HasPrefix(p.Action, "lambda:") {
		return fault.New("InvalidParameterValueException", "The action %q is not one of Lambda's.", p.Action)
	}
	if (p.Service == "") == (p.AWS == "") {
		return fault.New("InvalidParameterValueException", "A permission names one principal, a service or an AWS account, user or role.")
	}
	return nil
}

// grant returns f with p's statement in its policy. The ARNs that stood there keep whom they mean: one whose user or role
// is gone is written as its id, so that the new statement may give the same ARN to another.
func (s *Service) grant(f Function, p Permission, resource string) (Function, error) {
	statement := p.statement(resource)
	ids, err := s.resolve(statement)
	if err != nil {
		return f, err
	}
	var old policyDocument
	if f.Policy != "" {
		if err := json.Unmarshal([]byte(s.cfg.IAM.Shown(f.Policy, f.PolicyIDs)), &old); err != nil {
			return f, fmt.Errorf("read the policy of %s: %w", f.ARN, err)
		}
	}
	for _, st := range old.Statement {
		if st["Sid"] == p.StatementID {
			return f, fault.New("ResourceConflictException", "The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", p.StatementID)
		}
	}
	text, err := document(append(old.Statement, statement)...)
	if err != nil {
		return f, err
	}
	if len(text) > maxPolicy {
		return f, fault.New("PolicyLengthExceededException", "The final policy size (%d) is bigger than the limit (%d).", len(text), maxPolicy)
	}
	merged := maps.Clone(f.PolicyIDs)
	if merged == nil {
		merged = map[string]string{}
	}
	maps.Copy(merged, ids)
	f.Policy, f.PolicyIDs = string(text), merged
	return f, nil
}

// resolve reads the statement once, to be sure that it will decide, and returns whom its ARNs mean now.
func (s *Service) resolve(statement map[string]any) (map[string]string, error) {
	text, err := document(statement)
	if err != nil {
		return nil, err
	}
	policy, err := iam.Parse(text, iam.ResourcePolicy)
	if err != nil {
		return nil, invalidPermission(err)
	}
	ids, err := s.cfg.IAM.ResolvePrincipals(policy)
	if err != nil {
		return nil, invalidPermission(err)
	}
	return ids, nil
}

func invalidPermission(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return fault.New("InvalidParameterValueException", "The permission is not valid: %s", f.Message)
	}
	return err
}

// statement is p as AWS writes it. The Principal "*" is everybody.
func (p Permission) statement(resource string) map[string]any {
	st := map[string]any{"Sid": p.StatementID, "Effect": "Allow", "Action": p.Action, "Resource": resource}
	switch {
	case p.Service != "":
		st["Principal"] = map[string]any{"Service": p.Service}
	case p.AWS == "*":
		st["Principal"] = "*"
	default:
		st["Principal"] = map[string]any{"AWS": p.AWS}
	}
	condition := map[string]any{}
	if p.SourceARN != "" {
		condition["ArnLike"] = map[string]any{"AWS:SourceArn": p.SourceARN}
	}
	if p.SourceAccount != "" {
		condition["StringEquals"] = map[string]any{"AWS:SourceAccount": p.SourceAccount}
	}
	if len(condition) > 0 {
		st["Condition"] = condition
	}
	return st
}

type policyDocument struct {
	Version   string
	Id        string
	Statement []map[string]any
}

func document(statements ...map[string]any) ([]byte, error) {
	return json.Marshal(policyDocument{Version: "2012-10-17", Id: "default", Statement: statements})
}
