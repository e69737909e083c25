package iam

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"glassine/aws/fault"
)

// Parse compiles a policy document of the kind IdentityPolicy, ResourcePolicy or TrustPolicy; boundaries and session
// policies are identity policies. A document that AWS would refuse gives a MalformedPolicyDocument fault with AWS's
// message; S3 answers the same text under its own code. What is inside the policy is not looked up: a principal that
// nobody has is refused by Service.ResolvePrincipals.
// IAM User Guide, "Grammar of the IAM JSON policy language".
func Parse(doc []byte, kind PolicyKind) (*Policy, error) {
	if kind < IdentityPolicy || kind > TrustPolicy {
		return nil, fmt.Errorf("parse policy: kind %d is not one that a document has", kind)
	}
	c := compiler{kind: kind, doc: &document{kind: kind, text: string(doc)}}
	if err := c.document(doc); err != nil {
		return nil, err
	}
	return &Policy{doc: c.doc}, nil
}

// compiler turns a document's JSON into statements.
type compiler struct {
	kind PolicyKind
	doc  *document
}

// texts are AWS's messages for one fault by the kind of policy; "" means the kind's general one.
type texts struct{ identity, trust, resource string }

// refuse makes the fault. Where AWS says only that the syntax is wrong, detail says what is.
func (c *compiler) refuse(t texts, detail string, args ...any) error {
	text, general := t.identity, "Syntax errors in policy."
	switch c.kind {
	case TrustPolicy:
		text, general = t.trust, "This policy contains invalid Json"
	case ResourcePolicy:
		text, general = t.resource, "This policy contains invalid Json"
	}
	if text != "" {
		return fault.New("MalformedPolicyDocument", "%s", text)
	}
	return fault.New("MalformedPolicyDocument", "%s (%s)", general, fmt.Sprintf(detail, args...))
}

func (c *compiler) document(doc []byte) error {
	if c.kind == ResourcePolicy && (len(doc) == 0 || doc[0] != '{') {
		return c.refuse(texts{resource: "Policies must be valid JSON and the first byte must be '{'"}, "")
	}
	if c.kind != ResourcePolicy {
		if r, bad := forbiddenCharacter(string(doc)); bad {
			return c.refuse(texts{}, "character %U is not allowed", r)
		}
	}
	root, err := readJSON(doc)
	if errors.Is(err, errNotJSON) {
		return c.refuse(texts{identity: "Syntax errors in policy.", trust: "This policy contains invalid Json", resource: "This policy contains invalid Json"}, "")
	}
	if err != nil {
		return c.refuse(texts{}, "%v", err)
	}
	if root.kind != objectNode {
		return c.refuse(texts{}, "a policy is an object")
	}
	var statements *node
	for i := range root.members {
		m := &root.members[i]
		switch {
		case m.name == "Version":
			if m.value.kind != textNode || m.value.text != "2012-10-17" && m.value.text != "2008-10-17" {
				return c.refuse(texts{
					"Policy document must be version 2012-10-17 or greater.",
					"The policy must contain a valid version string", "The policy must contain a valid version string",
				}, "")
			}
			c.doc.variables = m.value.text == "2012-10-17"
		case m.name == "Id" && c.kind != IdentityPolicy:
			if m.value.kind != textNode {
				return c.refuse(texts{}, "Id is not a string")
			}
			c.doc.id = m.value.text
		case m.name == "Statement":
			statements = &m.value
		default:
			return c.refuse(texts{}, "unknown element %q", m.name)
		}
	}
	return c.statements(statements)
}

func (c *compiler) statements(n *node) error {
	if n == nil {
		return c.refuse(texts{"Syntax errors in policy.", "Could not parse the policy: Statement is empty!", "Missing required field Statement"}, "")
	}
	list := []node{*n}
	if n.kind == arrayNode {
		list = n.items
	}
	if len(list) == 0 {
		return c.refuse(texts{"Syntax errors in policy.", "Could not parse the policy: Statement is empty!", "Could not parse the policy: Statement is empty!"}, "")
	}
	if len(list) > maxStatements {
		return c.refuse(texts{}, "more than %d statements", maxStatements)
	}
	sids := map[string]bool{}
	for i := range list {
		s, err := c.statement(&list[i])
		if err != nil {
			return err
		}
		if s.sid != "" && sids[s.sid] {
			return c.refuse(texts{
				"Statement IDs (SID) in a single policy must be unique.", "The Statement Ids in the policy are not unique",
				"The Statement Ids in the policy are not unique",
			}, "")
		}
		sids[s.sid] = true
		c.doc.statements = append(c.doc.statements, s)
	}
	return nil
}

func (c *compiler) statement(n *node) (s statement, err error) {
	if n.kind != objectNode {
		return s, c.refuse(texts{}, "a statement is an object")
	}
	s.start, s.end = n.start, n.end
	given := map[string]*node{}
	for i := range n.members {
		given[n.members[i].name] = &n.members[i].value
		if !slices.Contains(statementElements, n.members[i].name) {
			return s, c.refuse(texts{}, "unknown element %q", n.members[i].name)
		}
	}
	for _, step := range []func(*statement, map[string]*node) error{
		c.sid, c.effect, c.principals, c.actions, c.resources, c.conditions,
	} {
		if err := step(&s, given); err != nil {
			return s, err
		}
	}
	return s, nil
}

// statementElements are the elements that a statement may have. It is never written to.
var statementElements = []string{"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition"}

func (c *compiler) sid(s *statement, given map[string]*node) error {
	n := given["Sid"]
	if n == nil {
		return nil
	}
	if n.kind != textNode {
		return c.refuse(texts{}, "Sid is not a string")
	}
	if c.kind == IdentityPolicy && strings.ContainsFunc(n.text, func(r rune) bool { return !isAlphanumeric(r) }) {
		return c.refuse(texts{identity: "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"}, "")
	}
	s.sid = n.text
	return nil
}

func (c *compiler) effect(s *statement, given map[string]*node) error {
	n := given["Effect"]
	if n == nil {
		return c.refuse(texts{"Syntax errors in policy.", "Missing required field Effect", "Missing required field Effect"}, "")
	}
	switch {
	case n.kind == textNode && n.text == "Allow":
		s.effect = Allow
	case n.kind == textNode && n.text == "Deny":
		s.effect = Deny
	default:
		text := "Invalid effect: " + n.text
		return c.refuse(texts{"Syntax errors in policy.", text, text}, "")
	}
	return nil
}

// either returns the element name or its negation, of which a statement may have one.
func (c *compiler) either(given map[string]*node, name string) (n *node, not bool, err error) {
	n, other := given[name], given["Not"+name]
	switch {
	case n != nil && other != nil:
		return nil, false, c.refuse(texts{}, "a statement has %s or Not%s, not both", name, name)
	case other != nil:
		return other, true, nil
	}
	return n, false, nil
}

// forbiddenCharacter finds a character that IAM's documents may not hold.
// IAM API Reference, PutRolePolicy, PolicyDocument: [\u0009\u000A\u000D\u0020-\u00FF]+
func forbiddenCharacter(doc string) (rune, bool) {
	for _, r := range doc {
		if r != '\t' && r != '\n' && r != '\r' && (r < 0x20 || r > 0xff) {
			return r, true
		}
	}
	return 0, false
}

func isAlphanumeric(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
}
