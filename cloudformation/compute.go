package cloudformation

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
)

// computed is a template with its parameters and conditions settled: what a stack shall be.
type computed struct {
	template *Template
	eval     *evaluator
	wanted   map[string][]string // logical ids of the resources that shall be there, and those that each depends on
	types    *Types

	// For dynamic references.
	ctx        context.Context
	parameters Parameters
	caller     iam.Caller
}

// compute settles a definition. Its parameters are resolved.
func (s *Service) compute(ctx context.Context, d *Definition, id, name, region string, caller iam.Caller) (*computed, error) {
	t, err := parseTemplate(d.Template, d.Parameters)
	if err != nil {
		return nil, err
	}
	e := &evaluator{
		template: t, scope: scope{s.cfg.IAM.Account(), region, id, name, d.NotificationARN}, parameters: t.values(d.Parameters),
		imports: s.importer(region), imported: map[string]bool{},
	}
	if err := e.decideConditions(); err != nil {
		return nil, err
	}
	c := &computed{template: t, eval: e, wanted: map[string][]string{}, types: s.cfg.Types, ctx: ctx, parameters: s.cfg.Parameters, caller: caller}
	for _, id := range t.order {
		r := t.resources[id]
		if r.condition != "" && !e.conditions[r.condition] {
			continue
		}
		on, err := t.dependencies(r, takenBranches(e.conditions))
		if err != nil {
			return nil, err
		}
		c.wanted[id] = on
	}
	for id, on := range c.wanted { // DependsOn may name what a condition leaves out
		c.wanted[id] = slices.DeleteFunc(on, func(o string) bool { _, ok := c.wanted[o]; return !ok })
	}
	if loop := circle(c.wanted); loop != nil {
		return nil, t.resources[loop[0]].node.refuse("Circular dependency between resources: [%s]", strings.Join(loop, ", "))
	}
	return c, nil
}

// policies are the values of DeletionPolicy and UpdateReplacePolicy.
// CloudFormation User Guide, "DeletionPolicy attribute".
var policies = []string{"Delete", "Retain", "RetainExceptOnCreate"}

// image computes what a resource shall be. Values that are not known yet are unknown{}, where resource says so.
func (c *computed) image(id string) (Image, error) {
	d := c.template.resources[id]
	m := Image{Type: d.typeName, DependsOn: c.wanted[id]}
	t := c.types.Find(d.typeName)
	if t == nil {
		return m, d.node.get("Type").refuse("Template format error: Unrecognized resource types: [%s]%s", d.typeName, c.types.instead(d.typeName))
	}
	given := map[string]any{}
	if d.properties != nil {
		v, err := c.eval.value(d.properties)
		if err != nil {
			return m, err
		}
		if v, err = c.dynamic(v, d.properties); err != nil {
			return m, err
		}
		given, _ = v.(map[string]any)
		if given == nil {
			return m, d.properties.refuse("Template format error: [/Resources/%s/Properties] must be an object", id)
		}
	}
	values, err := t.conform(given)
	if err != nil {
		return m, d.misfit(err)
	}
	m.Properties = values
	for _, p := range []struct {
		name string
		node *node
		to   *string
	}{{"DeletionPolicy", d.deletionPolicy, &m.DeletionPolicy}, {"UpdateReplacePolicy", d.replacePolicy, &m.UpdateReplacePolicy}} {
		if p.node == nil {
			continue
		}
		text, ok, err := c.eval.text(p.node, p.name)
		if err != nil {
			return m, err
		}
		if !ok || !slices.Contains(policies, text) {
			why := "must be one of Delete, Retain, RetainExceptOnCreate"
			if text == "Snapshot" {
				why = "cannot be Snapshot: " + d.typeName + " has none"
			}
			return m, p.node.refuse("Template error: %s of %s %s", p.name, id, why)
		}
		*p.to = text
	}
	if d.metadata != nil {
		v, err := c.eval.value(d.metadata)
		if err != nil {
			return m, err
		}
		if !anyUnknown(v) {
			b, err := json.Marshal(v)
			if err != nil {
				return m, err
			}
			m.Metadata = string(b)
		}
	}
	return m, nil
}

// conform puts a resource's properties into the Go types of its type's schema.
func (t *Type) conform(given map[string]any) (Values, error) {
	if !t.AnyProperty {
		return conformFields(nil, t.Properties, false, given)
	}
	// What a function gets is text, whatever the template's scalar was, as on AWS.
	loose := make(map[string]any, len(given))
	for k, v := range given {
		if t.Properties[k] == nil {
			v = textOnly(v)
		}
		loose[k] = v
	}
	return conformFields(nil, t.Properties, true, loose)
}

func textOnly(v any) any {
	return mapLeaves(v, func(leaf any) any {
		if s, ok := scalarText(leaf); ok {
			return s
		}
		return leaf
	})
}

// misfit says where in the template a value stands that the schema refuses.
func (d *resourceDefinition) misfit(err error) error {
	m, ok := err.(*mismatch) //nolint:errorlint // made by conform alone
	if !ok {
		return err
	}
	at := d.node
	if d.properties != nil {
		at = d.properties
		for _, step := range m.path {
			next := at.get(step)
			if next == nil && at.isList() {
				for i, x := range at.list {
					if step == strconv.Itoa(i) {
						next = x
					}
				}
			}
			if next == nil {
				break
			}
			at = next
		}
	}
	return at.refuse("Properties validation failed for resource %s with message: #/%s", d.id, strings.TrimPrefix(m.Error(), "/"))
}

// outputs computes the outputs whose conditions hold.
func (c *computed) outputs() ([]Output, error) {
	var out []Output
	for _, d := range c.template.outputs {
		if d.condition != "" && !c.eval.conditions[d.condition] {
			continue
		}
		o := Output{Key: d.key, Description: d.description}
		v, err := c.eval.value(d.value)
		if err != nil {
			return nil, err
		}
		if v, err = c.dynamic(v, d.value); err != nil {
			return nil, err
		}
		var ok bool
		if o.Value, ok = scalarText(v); !ok {
			if _, not := v.(unknown); !not {
				return nil, d.value.refuse("Template format error: Output %s is malformed: its value must be text, not %s", d.key, kindOf(v))
			}
		}
		if d.export != nil {
			if o.Export, ok, err = c.eval.text(d.export, "the name of an export"); err != nil {
				return nil, err
			}
			if ok && o.Export == "" {
				return nil, d.export.refuse("Template format error: the name of the export of output %s is empty", d.key)
			}
		}
		out = append(out, o)
	}
	return out, nil
}

// dynamicReference begins a reference that is resolved when a resource is made.
// CloudFormation User Guide, "Get values stored in other services using dynamic references".
const dynamicReference = "{{resolve:"

// dynamic resolves the dynamic references in all text of v.
func (c *computed) dynamic(v any, n *node) (any, error) {
	switch x := v.(type) {
	case string:
		if !strings.Contains(x, dynamicReference) {
			return x, nil
		}
		return c.resolveText(x, n)
	case []any:
		for i, e := range x {
			var err error
			if x[i], err = c.dynamic(e, n); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for _, k := range sortedKeys(x) {
			var err error
			if x[k], err = c.dynamic(x[k], n); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func (c *computed) resolveText(text string, n *node) (any, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, dynamicReference)
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		inside, after, closed := strings.Cut(rest, "}}")
		if !closed {
			return nil, n.refuse("Template error: a dynamic reference is not closed: %s%s", dynamicReference, rest)
		}
		service, reference, _ := strings.Cut(inside, ":")
		if service != "ssm" && service != "ssm-secure" {
			return nil, n.refuse("Template error: dynamic references to %s are not supported by glassine: only ssm and ssm-secure", service)
		}
		if c.parameters == nil {
			return nil, n.refuse("Template error: there is no SSM parameter store for %s%s}}", dynamicReference, inside)
		}
		name, version := reference, ""
		if i := strings.LastIndexByte(reference, ':'); i >= 0 {
			name, version = reference[:i], reference[i+1:]
		}
		value, err := c.parameters.Parameter(c.ctx, c.caller, c.eval.scope.region, name, version, service == "ssm-secure")
		if err != nil {
			if fault.Code(err) == "" {
				return nil, err
			}
			return nil, n.refuse("Template error: %s%s}} cannot be resolved: %s", dynamicReference, inside, faultText(err))
		}
		b.WriteString(value)
		text = after
	}
}

// action is what must be done to a resource.
type action int

const (
	nothing action = iota
	recordOnly
	create
	update
	replace
)

// compare says what makes have into want: the action, and the names of the properties that differ and that force replacement.
func compare(t *Type, have *Image, want Image, tagsDiffer bool) (do action, differ, force []string) {
	if have.Type != want.Type {
		return replace, nil, nil
	}
	for _, name := range union(have.Properties, want.Properties) {
		a, hadIt := have.Properties[name]
		b, hasIt := want.Properties[name]
		if hadIt == hasIt && equalValues(a, b) {
			continue
		}
		differ = append(differ, name)
		if replaces(t.Properties[name], a, b) {
			force = append(force, name)
		}
	}
	switch {
	case len(force) > 0:
		return replace, differ, force
	case len(differ) > 0, tagsDiffer && t.Taggable:
		return update, differ, nil
	case have.Metadata != want.Metadata, have.DeletionPolicy != want.DeletionPolicy, have.UpdateReplacePolicy != want.UpdateReplacePolicy, !slices.Equal(have.DependsOn, want.DependsOn), tagsDiffer:
		return recordOnly, nil, nil
	}
	return nothing, nil, nil
}

func union(a, b Values) []string {
	all := map[string]bool{}
	for k := range a {
		all[k] = true
	}
	for k := range b {
		all[k] = true
	}
	return sortedKeys(all)
}

// equalValues compares without regard to which of int64 and float64 a number is, as values from the disk may differ.
func equalValues(a, b any) bool {
	if reflect.DeepEqual(a, b) {
		return !anyUnknown(a)
	}
	if anyUnknown(a) || anyUnknown(b) {
		return false
	}
	x, err := json.Marshal(a)
	y, err2 := json.Marshal(b)
	return err == nil && err2 == nil && string(x) == string(y)
}

// replaces reports whether the difference between a and b touches a property that forces replacement.
func replaces(p *Property, a, b any) bool {
	switch {
	case p == nil || equalValues(a, b):
		return false
	case p.Replace:
		return true
	}
	x, isMap := a.(map[string]any)
	y, also := b.(map[string]any)
	if p.Kind != Object || !isMap && !also {
		return false
	}
	for _, name := range union(x, y) {
		if replaces(p.Fields[name], x[name], y[name]) {
			return true
		}
	}
	return false
}

// hideSecrets returns the values without those of secret properties.
func hideSecrets(fields map[string]*Property, values map[string]any) map[string]any {
	out := make(map[string]any, len(values))
	for k, v := range values {
		p := fields[k]
		switch m, isMap := v.(map[string]any); {
		case p != nil && p.Secret:
			out[k] = "****"
		case p != nil && p.Kind == Object && isMap:
			out[k] = hideSecrets(p.Fields, m)
		default:
			out[k] = v
		}
	}
	return out
}

// attributeOf returns an attribute of a resource that is there: of its own name, or the way into a structure.
func attributeOf(m *Image, name string) (any, bool) {
	if v, ok := m.Attributes[name]; ok {
		return v, true
	}
	var at any = map[string]any(m.Attributes)
	for part := range strings.SplitSeq(name, ".") {
		members, ok := at.(map[string]any)
		if !ok {
			return nil, false
		}
		if at, ok = members[part]; !ok {
			return nil, false
		}
	}
	return at, true
}

// within bounds an operation of a resource.
func (t *Type) within(ctx context.Context) (context.Context, context.CancelFunc) {
	most := t.Timeout
	if most == 0 {
		most = DefaultTimeout
	}
	return context.WithTimeout(ctx, most)
}

// lookTime bounds the reading of an attribute.
const lookTime = 30 * time.Second

func faultText(err error) string {
	if f, ok := err.(*fault.Error); ok { //nolint:errorlint // what wraps it says nothing to users
		return f.Message
	}
	return "internal failure"
}
