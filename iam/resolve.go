package iam

import (
	"strings"

	"glassine/aws/arn"
	"glassine/aws/fault"
)

// ResolvePrincipals finds the unique ids of this account's users and roles that the policy names, by the ARN that names
// them. A user or role that does not exist gives a MalformedPolicyDocument fault, as AWS answers when such a policy is
// put. Keep the ids beside the text, and decide with Policy.Pinned: who is deleted and made anew under the same ARN is
// another, and gets nothing from the old policy.
// IAM User Guide, "AWS JSON policy elements: Principal", IAM role principals.
func (s *Service) ResolvePrincipals(p *Policy) (map[string]string, error) {
	ids := map[string]string{}
	if p == nil || p.doc == nil {
		return ids, nil
	}
	c := compiler{kind: p.doc.kind}
	x := s.index.Load()
	for i := range p.doc.statements {
		for _, pp := range p.doc.statements[i].principals {
			if pp.kind == oneID && x.byID[pp.value] == nil {
				return nil, c.refuse(invalidPrincipal("AWS", pp.value), "")
			}
			a, err := arn.Parse(pp.value)
			if err != nil || a.Service != "iam" || a.Account != s.account || pp.kind != oneARN && pp.kind != oneRole {
				continue
			}
			cl := users
			if pp.kind == oneRole {
				cl = roles
			}
			e := x.find(cl, lastPart(a.Resource))
			if e == nil || e.arn != pp.value {
				return nil, c.refuse(invalidPrincipal("AWS", pp.value), "")
			}
			ids[pp.value] = e.ID
		}
	}
	return ids, nil
}

// Pinned returns the policy with the ARNs in ids replaced by their unique ids. Its text stays as it was.
func (p *Policy) Pinned(ids map[string]string) *Policy {
	if p == nil || p.doc == nil || len(ids) == 0 {
		return p
	}
	doc := *p.doc
	doc.statements = append([]statement(nil), doc.statements...)
	for i := range doc.statements {
		s := &doc.statements[i]
		s.principals = append([]principalPattern(nil), s.principals...)
		for j := range s.principals {
			if id, ok := ids[s.principals[j].value]; ok {
				s.principals[j] = principalPattern{oneID, id}
			}
		}
	}
	return &Policy{name: p.name, doc: &doc}
}

// Shown returns a policy's text as AWS shows it: with the bare unique id in place of an ARN whose user or role is gone, and
// with the new ARN of one that was renamed.
func (s *Service) Shown(text string, ids map[string]string) string {
	x := s.index.Load()
	for arn, id := range ids {
		now := id
		if e := x.byID[id]; e != nil {
			now = e.arn
		}
		if now != arn {
			text = strings.ReplaceAll(text, `"`+arn+`"`, `"`+now+`"`)
		}
	}
	return text
}

// parsePut reads a document that is being put on a user or role.
func (s *Service) parsePut(doc string, kind PolicyKind) (*Policy, error) {
	if doc == "" {
		return nil, fault.New("ValidationError", "1 validation error detected: Value '' at 'policyDocument' failed to satisfy constraint: "+
			"Member must have length greater than or equal to 1")
	}
	return s.parsed.parse(doc, kind)
}
