package iam

import (
	"context"
	"slices"
	"strings"
)

// Trace is a decision and what led to it, for those who may see how a request is judged.
type Trace struct {
	Decision
	Matches []Match // all statements that are about the request, in the order in which they were looked at
	// Missing are condition keys that policies ask of this action and the request does not have, sorted, as written.
	Missing []string
}

// Match is a statement that is about a request.
type Match struct {
	Kind       PolicyKind
	Policy     string // the policy's name
	Statement  int    // from 0
	Sid        string
	Effect     Effect
	Start, End Position // in the policy's document; End is behind the last character
}

// Position is a place in a text, both from 1.
type Position struct{ Line, Column int }

// Trace decides as Explain does and tells what led to it. Asking is not a right of callers: show it to administrators.
func (s *Service) Trace(ctx context.Context, c Caller, a Ask) (Trace, error) {
	if d, ok := narrowed(&c, a); !ok {
		return Trace{Decision: d}, nil
	}
	r, p, ok := s.assemble(&c, a)
	if !ok {
		return Trace{Decision: refused(IdentityPolicy)}, nil
	}
	return trace(r, p), nil
}

// trace runs the very Decide, and then the same comparisons over all statements.
func trace(r Request, p Policies) Trace {
	t := Trace{Decision: Decide(r, p)}
	list := func(kind PolicyKind, policies ...*Policy) {
		for _, policy := range policies {
			if policy == nil || policy.doc == nil || !policy.doc.kind.servesAs(kind) {
				continue
			}
			t.look(policy, kind, &r)
		}
	}
	list(IdentityPolicy, p.Identity...)
	list(SessionPolicy, p.Session...)
	list(ResourcePolicy, p.Resource...)
	list(BoundaryPolicy, p.Boundary)
	slices.SortFunc(t.Missing, byFold)
	t.Missing = slices.CompactFunc(t.Missing, strings.EqualFold)
	return t
}

func byFold(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) }

func (t *Trace) look(p *Policy, kind PolicyKind, r *Request) {
	if p.doc.kind == TrustPolicy {
		kind = TrustPolicy
	}
	for i := range p.doc.statements {
		s := &p.doc.statements[i]
		if _, named := s.namesOf(&r.Principal); !named || !s.coversAction(r) {
			continue
		}
		for _, k := range s.keyNames() {
			if _, ok := r.Context[strings.ToLower(k)]; !ok {
				t.Missing = append(t.Missing, k)
			}
		}
		if _, ok := s.covers(r); ok {
			t.Matches = append(t.Matches, Match{
				Kind: kind, Policy: p.Name(), Statement: i, Sid: s.sid, Effect: s.effect,
				Start: position(p.doc.text, s.start), End: position(p.doc.text, s.end),
			})
		}
	}
}

func position(text string, offset int) Position {
	before := text[:offset]
	return Position{Line: 1 + strings.Count(before, "\n"), Column: offset - strings.LastIndexByte(before, '\n')}
}

// keyNames are the condition keys that the statement asks, by conditions and by variables, as written.
func (s *statement) keyNames() (names []string) {
	ofPattern := func(p *pattern) {
		for _, c := range p.chunks {
			for _, piece := range c {
				if piece.kind == variable {
					names = append(names, piece.name)
				}
			}
		}
	}
	ofARN := func(a *arnPattern) {
		if a.whole != nil {
			ofPattern(a.whole)
		}
		ofPattern(&a.parts[5]) // variables stand nowhere else
	}
	for i := range s.resources {
		ofARN(&s.resources[i])
	}
	for i := range s.conditions {
		names = append(names, s.conditions[i].name)
		for j := range s.conditions[i].values {
			ofPattern(&s.conditions[i].values[j].pattern)
			ofARN(&s.conditions[i].values[j].arn)
		}
	}
	return names
}

// contextKeys are the keys that the policies ask, sorted, as written.
func contextKeys(list []*Policy) []string {
	names := []string{}
	for _, p := range list {
		if p == nil || p.doc == nil {
			continue
		}
		for i := range p.doc.statements {
			names = append(names, p.doc.statements[i].keyNames()...)
		}
	}
	slices.SortFunc(names, byFold)
	return slices.CompactFunc(names, strings.EqualFold)
}
