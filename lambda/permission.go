package lambda

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"glassine/aws/fault"
	"glassine/iam"
)

// maxPolicy is the most bytes of a function's policy. (AWS Lambda Developer Guide, "Lambda quotas": 20 KB.)
const maxPolicy = 20 << 10

// Permission is one grant of a function's resource-based policy. What is set of SourceARN and what follows narrows it.
type Permission struct {
	StatementID, Action, SourceARN, SourceAccount string
	OrganizationID, EventSourceToken, URLAuthType string
	Service, AWS                                  string // the principal: one of the two; AWS may be "*"
	RevisionID                                    string // refuse when the policy has another
}

// AddPermission adds a statement to the policy of what name names: the unpublished function, or with a qualifier that
// version or alias. It returns the statement's JSON. (Lambda API Reference, AddPermission.)
func (s *Service) AddPermission(ctx context.Context, c iam.Caller, name string, p Permission) (string, error) {
	r, err := s.parseRef(name)
	if err != nil {
		return "", err
	}
	resource := s.qualifiedARN(r)
	keys := s.resourceTags(r)
	if p.Service+p.AWS != "" {
		keys["lambda:principal"] = []string{p.Service + p.AWS}
	}
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:AddPermission", Resources: []string{resource}, Context: keys}); err != nil {
		return "", err
	}
	if err := p.check(); err != nil {
		return "", err
	}
	if _, err = s.update(ctx, r, func(f *Function) error {
		if _, ok := f.version(r.qualifier); !ok {
			return notFound(resource)
		}
		if err := checkRevision(*f, resource, p.RevisionID); err != nil {
			return err
		}
		*f, err = s.grant(*f, p, resource)
		return err
	}); err != nil {
		return "", err
	}
	text, err := json.Marshal(p.statement(resource))
	return string(text), err
}

// RemovePermission takes a statement out of the policy of what name names. revisionID, unless it is "", must be the policy's.
// (Lambda API Reference, RemovePermission.)
func (s *Service) RemovePermission(ctx context.Context, c iam.Caller, name, statementID, revisionID string) error {
	r, err := s.parseRef(name)
	if err != nil {
		return err
	}
	resource := s.qualifiedARN(r)
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:RemovePermission", Resources: []string{resource}, Context: s.resourceTags(r)}); err != nil {
		return err
	}
	_, err = s.update(ctx, r, func(f *Function) error {
		if err := checkRevision(*f, resource, revisionID); err != nil {
			return err
		}
		doc, err := s.policy(*f)
		if err != nil {
			return err
		}
		left := slices.DeleteFunc(slices.Clone(doc.Statement), func(st map[string]any) bool { return st["Sid"] == statementID && st["Resource"] == resource })
		switch len(left) {
		case len(doc.Statement):
			return fault.New("ResourceNotFoundException", "Statement %s is not found in resource policy.", statementID)
		case 0:
			f.Policy, f.PolicyIDs = "", nil
			return nil
		}
		text, err := document(left...)
		f.Policy = string(text)
		return err
	})
	return err
}

// GetPolicy returns the text of the policy of what name names, and its revision, or ResourceNotFoundException when it has
// none. Who is gone stands in it by its id. (Lambda API Reference, GetPolicy.)
func (s *Service) GetPolicy(ctx context.Context, c iam.Caller, name string) (text, revisionID string, err error) {
	r, err := s.parseRef(name)
	if err != nil {
		return "", "", err
	}
	if err := s.ask(ctx, c, "GetPolicy", r, nil); err != nil {
		return "", "", err
	}
	f, _ := s.functions.Get(r.key())
	doc, err := s.policy(f)
	if err != nil {
		return "", "", err
	}
	own := doc.of(s.qualifiedARN(r))
	if len(own) == 0 {
		return "", "", fault.New("ResourceNotFoundException", "The resource you requested does not exist.")
	}
	raw, err := document(own...)
	return string(raw), policyRevision(f, s.qualifiedARN(r)), err
}

// policy reads the function's policy as it is shown: with the ids of who is gone.
func (s *Service) policy(f Function) (policyDocument, error) {
	var doc policyDocument
	if f.Policy == "" {
		return doc, nil
	}
	if err := json.Unmarshal([]byte(s.cfg.IAM.Shown(f.Policy, f.PolicyIDs)), &doc); err != nil {
		return doc, fmt.Errorf("read the policy of %s: %w", f.ARN, err)
	}
	return doc, nil
}

// of is the statements about one resource: AWS keeps a policy for each version and alias.
func (d policyDocument) of(resource string) []map[string]any {
	return slices.DeleteFunc(slices.Clone(d.Statement), func(st map[string]any) bool { return st["Resource"] != resource })
}

// policyRevision names what the policy of a resource says now, in the form of a UUID; "" when it has none.
func policyRevision(f Function, resource string) string {
	var doc policyDocument
	if f.Policy == "" || json.Unmarshal([]byte(f.Policy), &doc) != nil || len(doc.of(resource)) == 0 {
		return ""
	}
	text, _ := json.Marshal(doc.of(resource)) // it was JSON
	sum := sha256.Sum256(text)
	h := hex.EncodeToString(sum[:16])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func checkRevision(f Function, resource, revisionID string) error {
	if revisionID != "" && revisionID != policyRevision(f, resource) {
		return errStale
	}
	return nil
}

func (p Permission) check() error {
	if !validName(p.StatementID, 100) {
		return fault.New("InvalidParameterValueException", "The statement id %q is not 1 to 100 letters, digits, hyphens and underscores.", p.StatementID)
	}
	if !strings.HasPrefix(p.Action, "lambda:") || len(p.Action) == len("lambda:") {
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
	old, err := s.policy(f)
	if err != nil {
		return f, err
	}
	for _, st := range old.of(resource) {
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
	equals := map[string]any{}
	for key, value := range map[string]string{
		"AWS:SourceAccount": p.SourceAccount, "aws:PrincipalOrgID": p.OrganizationID,
		"lambda:EventSourceToken": p.EventSourceToken, "lambda:FunctionUrlAuthType": p.URLAuthType,
	} {
		if value != "" {
			equals[key] = value
		}
	}
	if len(equals) > 0 {
		condition["StringEquals"] = equals
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
