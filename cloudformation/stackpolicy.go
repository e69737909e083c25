package cloudformation

import (
	"encoding/json"
	"path"
	"slices"
	"strings"

	"glassine/aws/fault"
)

// stackPolicy says what an update may do to which resource. A nil one allows all.
// CloudFormation User Guide, "Prevent updates to stack resources".
type stackPolicy struct{ statements []policyStatement }

type policyStatement struct {
	Effect                string
	Principal             any
	Action, NotAction     oneOrMany
	Resource, NotResource oneOrMany
	Condition             map[string]map[string]oneOrMany
}

// oneOrMany is text or a list of text in JSON.
type oneOrMany []string

// UnmarshalJSON reads either.
func (o *oneOrMany) UnmarshalJSON(b []byte) error {
	var one string
	if json.Unmarshal(b, &one) == nil {
		*o = oneOrMany{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(o))
}

// maxStackPolicy bounds a stack policy, in bytes. CloudFormation API Reference, SetStackPolicy.
const maxStackPolicy = 16_384

// parseStackPolicy reads a stack policy; "" is none.
func parseStackPolicy(text string) (*stackPolicy, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no policy allows all
	}
	if len(text) > maxStackPolicy {
		return nil, fault.New("ValidationError", "Stack policy is longer than %d bytes", maxStackPolicy)
	}
	var doc struct{ Statement json.RawMessage }
	p := &stackPolicy{}
	err := json.Unmarshal([]byte(text), &doc)
	if err == nil {
		if strings.HasPrefix(string(doc.Statement), "[") {
			err = json.Unmarshal(doc.Statement, &p.statements)
		} else {
			p.statements = make([]policyStatement, 1)
			err = json.Unmarshal(doc.Statement, &p.statements[0])
		}
	}
	if err != nil {
		return nil, fault.New("ValidationError", "Error validating stack policy: Invalid stack policy")
	}
	for i := range p.statements {
		if err := p.statements[i].check(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (s *policyStatement) check() error {
	refuse := func(why string) error {
		return fault.New("ValidationError", "Error validating stack policy: %s", why)
	}
	if s.Effect != "Allow" && s.Effect != "Deny" {
		return refuse("Effect must be Allow or Deny")
	}
	if (len(s.Action) > 0) == (len(s.NotAction) > 0) {
		return refuse("a statement has Action or NotAction")
	}
	if (len(s.Resource) > 0) == (len(s.NotResource) > 0) {
		return refuse("a statement has Resource or NotResource")
	}
	if p, _ := s.Principal.(string); p != "*" {
		return refuse("Principal must be *")
	}
	for _, a := range slices.Concat(s.Action, s.NotAction) {
		if !slices.Contains([]string{"Update:*", "Update:Modify", "Update:Replace", "Update:Delete"}, a) {
			return refuse("unknown action " + a)
		}
	}
	for _, r := range slices.Concat(s.Resource, s.NotResource) {
		if r != "*" && !strings.HasPrefix(r, "LogicalResourceId/") {
			return refuse("a resource is * or LogicalResourceId/...")
		}
	}
	for operator, keys := range s.Condition {
		for key := range keys {
			if operator != "StringEquals" && operator != "StringLike" || key != "ResourceType" {
				return refuse("a condition is StringEquals or StringLike of ResourceType")
			}
		}
	}
	return nil
}

// allows refuses what the policy does not allow: a Deny wins, and what no statement allows is refused.
func (p *stackPolicy) allows(action, id, typeName string) error {
	if p == nil {
		return nil
	}
	allowed := false
	for i := range p.statements {
		s := &p.statements[i]
		if !s.covers(action, id, typeName) {
			continue
		}
		if s.Effect == "Deny" {
			return fault.New("ValidationError", "Action denied by stack policy: Statement [#%d] does not allow [%s] for resource [LogicalResourceId/%s]", i+1, action, id)
		}
		allowed = true
	}
	if !allowed {
		return fault.New("ValidationError", "Action not allowed by stack policy: no statement allows [%s] for resource [LogicalResourceId/%s]", action, id)
	}
	return nil
}

func (s *policyStatement) covers(action, id, typeName string) bool {
	matches := func(patterns oneOrMany, text string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool {
			// * is the only wildcard; names have no slash besides the one after LogicalResourceId.
			ok, err := path.Match(p, text)
			return p == "*" || err == nil && ok
		})
	}
	if len(s.Action) > 0 && !matches(s.Action, action) || len(s.NotAction) > 0 && matches(s.NotAction, action) {
		return false
	}
	name := "LogicalResourceId/" + id
	if len(s.Resource) > 0 && !matches(s.Resource, name) || len(s.NotResource) > 0 && matches(s.NotResource, name) {
		return false
	}
	for _, keys := range s.Condition {
		for _, types := range keys {
			if !matches(types, typeName) {
				return false
			}
		}
	}
	return true
}

// guard is the policy of the update under way; a creation has none.
func (c *conductor) guard() (*stackPolicy, error) {
	op := c.st.Operation
	if op.Previous == nil {
		return nil, nil //nolint:nilnil // all is allowed
	}
	text := c.st.Policy
	if op.DuringUpdate != "" {
		text = op.DuringUpdate
	}
	return parseStackPolicy(text)
}
