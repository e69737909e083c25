package cloudformation

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"glassine/aws/fault"
	"glassine/iam"
)

// Change is what a change set does to one resource. CloudFormation API Reference, ResourceChange.
type Change struct {
	Action                      string // Add, Modify, Remove
	LogicalID, PhysicalID, Type string
	Replacement                 string   // True, False, Conditional; "" unless Modify
	PolicyAction                string   // Delete, Retain, ReplaceAndDelete, ReplaceAndRetain, or ""
	Scope                       []string // Properties, Metadata, Tags, DeletionPolicy, UpdateReplacePolicy
	Details                     []ChangeDetail
	// Before and After are the resource as JSON, secrets hidden and what is not known left out; "" where there is none.
	Before, After string
}

// ChangeDetail is why and how one property changes. CloudFormation API Reference, ResourceChangeDetail.
type ChangeDetail struct {
	Attribute, Name string // Properties and the property's name, or another scope and ""
	Recreation      string // Always, Conditionally, Never
	Evaluation      string // Static, Dynamic
	Source          string // DirectModification, ParameterReference, ResourceReference, ResourceAttribute
	Cause           string // of a reference: its name
	Before, After   string // values, "" where not known
	ChangeType      string // Add, Modify, Remove
}

// plan says what d makes of old, which is nil for a new stack, without touching anything. Whatever can be found wrong
// before resources are made is: unknown types and properties, values of the wrong type, references to nothing, circles.
// The second result says whether the outputs change.
func (s *Service) plan(ctx context.Context, old *view, d *Definition, id, name, region string, caller iam.Caller) ([]Change, bool, error) {
	c, err := s.compute(ctx, d, id, name, region, caller)
	if err != nil {
		return nil, false, err
	}
	if err := c.eval.checkRules(); err != nil {
		return nil, false, err
	}
	p := &planner{computed: c, old: old, does: map[string]action{}, tags: d.Tags, hidden: secrets(d.Parameters)}
	c.eval.resource = p.resource
	if old != nil {
		if p.before, err = oldTemplate(&old.Definition); err != nil {
			return nil, false, err
		}
	}
	var changes []Change
	sch := newSchedule(c.wanted)
	for {
		id, ok := sch.take()
		if !ok {
			break
		}
		change, err := p.resourceChange(id)
		if err != nil {
			return nil, false, err
		}
		if change != nil {
			changes = append(changes, *change)
		}
		sch.done(id)
	}
	if old != nil {
		for _, id := range old.ids() {
			if r := old.resources[id]; !r.Gone && !p.isWanted(id) {
				changes = append(changes, Change{Action: "Remove", LogicalID: id, PhysicalID: r.PhysicalID, Type: r.Type, PolicyAction: deletes(r.DeletionPolicy), Before: p.context(&r.Image)})
			}
		}
	}
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.LogicalID, b.LogicalID) })
	outputs, err := c.outputs()
	if err != nil {
		return nil, false, err
	}
	d.Imports = sortedKeys(c.eval.imported)
	d.Description = c.template.Description
	return changes, old == nil || !slices.Equal(outputs, old.Outputs), nil
}

func deletes(policy string) string {
	if policy == "Retain" || policy == "RetainExceptOnCreate" {
		return "Retain"
	}
	return "Delete"
}

func oldTemplate(d *Definition) (*Template, error) {
	if d.Template == "" {
		return nil, nil //nolint:nilnil // a stack in review has none
	}
	return parseTemplate(d.Template, d.Parameters)
}

// planner follows a template from resource to resource.
type planner struct {
	*computed
	old    *view
	before *Template
	does   map[string]action
	tags   []Tag
	hidden []string
}

func (p *planner) isWanted(id string) bool {
	_, ok := p.wanted[id]
	return ok
}

// existing returns the resource that is there, or nil.
func (p *planner) existing(id string) *StackResource {
	if p.old == nil {
		return nil
	}
	if r := p.old.resources[id]; r != nil && !r.Gone && r.PhysicalID != "" {
		return r
	}
	return nil
}

// resource is what references find: what is there and stays, and otherwise what is not known yet.
func (p *planner) resource(id string) (any, func(string) (any, error), error) {
	if !p.isWanted(id) {
		return nil, nil, fault.New("ValidationError", "Template format error: Unresolved resource dependencies [%s] in the template", id)
	}
	t := p.types.Find(p.template.resources[id].typeName)
	r := p.existing(id)
	do := p.does[id]
	var ref any = unknown{}
	if r != nil && (do < update || do == update && !t.AnyProperty) {
		ref = r.PhysicalID
	}
	return ref, func(name string) (any, error) {
		if t == nil || !t.attribute(name) {
			return nil, noAttribute(p.template.resources[id].typeName, id, name)
		}
		if r != nil && do < update {
			if v, ok := attributeOf(&r.Image, name); ok {
				return v, nil
			}
		}
		return unknown{}, nil
	}, nil
}

func (p *planner) resourceChange(id string) (*Change, error) {
	m, err := p.image(id)
	if err != nil {
		return nil, err
	}
	m.Tags = p.tags
	t := p.types.Find(m.Type)
	r := p.existing(id)
	if r == nil {
		p.does[id] = create
		return &Change{Action: "Add", LogicalID: id, Type: m.Type, After: p.context(&m)}, nil
	}
	tags := !sameTags(r.Tags, m.Tags)
	do, differ, force := compare(t, &r.Image, m, tags)
	if r.Status == UpdateFailed || r.Step != nil {
		do = max(do, update)
	}
	p.does[id] = do
	if do == nothing || do == recordOnly && r.Metadata == m.Metadata && r.DeletionPolicy == m.DeletionPolicy && r.UpdateReplacePolicy == m.UpdateReplacePolicy {
		return nil, nil //nolint:nilnil // nothing changes
	}
	c := &Change{Action: "Modify", LogicalID: id, PhysicalID: r.PhysicalID, Type: m.Type, Replacement: "False", Before: p.context(&r.Image), After: p.context(&m)}
	if do == replace {
		c.Replacement = "Conditional"
		if r.Type != m.Type || slices.ContainsFunc(force, func(n string) bool { return !anyUnknown(m.Properties[n]) }) {
			c.Replacement = "True"
		}
		c.PolicyAction = "ReplaceAnd" + deletes(m.UpdateReplacePolicy)
	}
	scope := func(name string, changed bool) {
		if changed {
			c.Scope = append(c.Scope, name)
		}
	}
	scope("Properties", len(differ) > 0)
	scope("Tags", tags && t.Taggable)
	scope("Metadata", r.Metadata != m.Metadata)
	scope("DeletionPolicy", r.DeletionPolicy != m.DeletionPolicy)
	scope("UpdateReplacePolicy", r.UpdateReplacePolicy != m.UpdateReplacePolicy)
	for _, name := range differ {
		c.Details = append(c.Details, p.details(id, t, name, slices.Contains(force, name), r.Properties[name], m.Properties[name])...)
	}
	for _, s := range c.Scope {
		if s != "Properties" {
			c.Details = append(c.Details, ChangeDetail{Attribute: s, Recreation: "Never", Evaluation: "Static", Source: "DirectModification", ChangeType: "Modify"})
		}
	}
	return c, nil
}

// details says why a property changes: each reference in it that has, or may get, another value, and the template's own text.
func (p *planner) details(id string, t *Type, name string, force bool, a, b any) []ChangeDetail {
	d := ChangeDetail{Attribute: "Properties", Name: name, Recreation: "Never", Evaluation: "Static", Source: "DirectModification", ChangeType: "Modify"}
	unclear := anyUnknown(b)
	switch {
	case force && unclear:
		d.Recreation = "Conditionally"
	case force:
		d.Recreation = "Always"
	}
	if unclear {
		d.Evaluation = "Dynamic"
	}
	if a == nil {
		d.ChangeType = "Add"
	} else if b == nil {
		d.ChangeType = "Remove"
	}
	if q := t.Properties[name]; q == nil || !q.Secret {
		d.Before, d.After = shownValue(a), shownValue(b)
	}
	now := p.template.resources[id].properties.get(name)
	var then *node
	if p.before != nil && p.before.resources[id] != nil {
		then = p.before.resources[id].properties.get(name)
	}
	var out []ChangeDetail
	direct := now == nil || then == nil || !equalValues(now.plain(), then.plain())
	if direct {
		out = append(out, d)
	}
	seen := map[string]bool{}
	_ = references(now, takenBranches(p.eval.conditions), func(r reference) error { // it was gone through before, without an error
		e := d
		e.Cause = r.name
		switch {
		case p.template.parameter(r.name) != nil:
			if direct {
				return nil
			}
			e.Source = "ParameterReference"
		case p.template.resources[r.name] == nil || p.does[r.name] < update:
			return nil
		case r.attribute != nil:
			e.Source = "ResourceAttribute"
			attribute, _ := r.attribute.text()
			e.Cause += "." + attribute
		default:
			e.Source = "ResourceReference"
		}
		if !seen[e.Cause] {
			seen[e.Cause] = true
			out = append(out, e)
		}
		return nil
	}, nil)
	if len(out) == 0 {
		out = append(out, d)
	}
	return out
}

// shownValue is a value for people: text as it is, all else as JSON.
func shownValue(v any) string {
	if v == nil || anyUnknown(v) {
		return ""
	}
	if s, ok := scalarText(v); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(b)
}

// context is a resource as JSON: {"Properties":{...},"Metadata":...}, secrets hidden.
func (p *planner) context(m *Image) string {
	t := p.types.Find(m.Type)
	if t == nil {
		return ""
	}
	doc := map[string]any{"Properties": placeholders(hideSecrets(t.Properties, hideText(m.Properties, p.hidden)))}
	if m.Metadata != "" {
		doc["Metadata"] = json.RawMessage(m.Metadata)
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return ""
	}
	return string(b)
}

// secrets are the values that are not to be shown.
func secrets(parameters []Parameter) []string {
	var out []string
	for _, p := range parameters {
		if p.NoEcho && p.Value != "" {
			out = append(out, p.Value)
		}
	}
	return out
}

// hideText puts stars in place of the secrets in all text of values.
func hideText(values map[string]any, hidden []string) map[string]any {
	if len(hidden) == 0 {
		return values
	}
	return mapText(values, func(s string) string {
		for _, h := range hidden {
			s = strings.ReplaceAll(s, h, "****")
		}
		return s
	}).(map[string]any) //nolint:forcetypeassert // mapText keeps the shape
}

func mapText(v any, f func(string) string) any {
	return mapLeaves(v, func(leaf any) any {
		if s, ok := leaf.(string); ok {
			return f(s)
		}
		return leaf
	})
}

// mapLeaves returns v with f of each value in it that is neither a list nor an object. v stays as it is.
func mapLeaves(v any, f func(leaf any) any) any {
	switch x := v.(type) {
	case []any:
		out := make([]any, len(x))
		for i, e := range x {
			out[i] = mapLeaves(e, f)
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(x))
		for k, e := range x {
			out[k] = mapLeaves(e, f)
		}
		return out
	}
	return f(v)
}

// placeholders puts AWS's words in place of what is not known yet.
func placeholders(v any) any {
	return mapLeaves(v, func(leaf any) any {
		if _, ok := leaf.(unknown); ok {
			return "{{changeSet:KNOWN_AFTER_APPLY}}"
		}
		return leaf
	})
}
