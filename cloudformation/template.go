package cloudformation

import (
	"regexp"
	"slices"
	"strings"

	"glassine/aws/fault"
)

// Limits of templates. CloudFormation User Guide, "Understand CloudFormation quotas".
const (
	MaxTemplateBody = 51_200    // bytes of a template in a request
	MaxTemplateURL  = 1_000_000 // bytes of a template in a bucket
	maxResources    = 500
	maxParameters   = 200
	maxOutputs      = 200
	maxMappings     = 200
)

// Template is a template that was read and whose parts fit together. It is immutable.
type Template struct {
	// Text is the template as it was given.
	Text        string
	Description string
	// Transforms are the macros that it names.
	Transforms []string
	Parameters []*ParameterDefinition

	metadata   *node
	mappings   *node
	conditions *node
	rules      *node
	resources  map[string]*resourceDefinition
	order      []string // of resources, as in the text
	outputs    []*outputDefinition
}

// resourceDefinition is a resource as the template has it.
type resourceDefinition struct {
	id                             string
	node                           *node
	typeName                       string
	condition                      string
	dependsOn                      []string
	properties, metadata           *node // may be nil
	deletionPolicy, replacePolicy  *node // may be nil
	creationPolicy, updatePolicies *node // may be nil
}

type outputDefinition struct {
	key, description, condition string
	value, export               *node // export may be nil
}

var logicalName = regexp.MustCompile(`^[A-Za-z0-9]{1,255}$`)

// sections are the members of a template. CloudFormation User Guide, "Template sections".
var sections = []string{
	"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules", "Mappings", "Conditions", "Transform", "Resources", "Outputs", "Hooks",
}

// ParseTemplate reads a template, JSON or YAML. Faults are ValidationError with the line and column.
func ParseTemplate(text string) (*Template, error) { return parseTemplate(text, nil) }

// parseTemplate is ParseTemplate for given parameters, which loops over them need.
func parseTemplate(text string, given []Parameter) (*Template, error) {
	root, err := parseDocument(text)
	if err != nil {
		return nil, err
	}
	if !root.isObject() {
		return nil, root.refuse("Template format error: unsupported structure.")
	}
	if err := root.only("Invalid template property or properties", sections...); err != nil {
		return nil, err
	}
	if n := root.get("Hooks"); n != nil {
		return nil, n.refuse("Template format error: Hooks are not supported by glassine")
	}
	if v := root.get("AWSTemplateFormatVersion"); v != nil {
		if s, _ := v.text(); s != "2010-09-09" {
			return nil, v.refuse("Template format error: unsupported value for AWSTemplateFormatVersion.")
		}
	}
	t := &Template{Text: text, metadata: root.get("Metadata"), resources: map[string]*resourceDefinition{}}
	if n := root.get("Description"); n != nil {
		var ok bool
		if t.Description, ok = n.text(); !ok || len(t.Description) > 1024 {
			return nil, n.refuse("Template format error: 'Description' must be text of at most 1024 bytes")
		}
	}
	if err := t.readTransforms(root.get("Transform")); err != nil {
		return nil, err
	}
	if slices.Contains(t.Transforms, languageExtensions) {
		if root, err = expandLoops(root, given); err != nil {
			return nil, err
		}
	}
	for _, read := range []func(*node) error{t.readParameters, t.readMappings, t.readConditions, t.readResources, t.readOutputs} {
		if err := read(root); err != nil {
			return nil, err
		}
	}
	t.rules = root.get("Rules")
	if err := t.check(); err != nil {
		return nil, err
	}
	return t, nil
}

// languageExtensions is the one transform that is part of the engine.
const languageExtensions = "AWS::LanguageExtensions"

func (t *Template) readTransforms(n *node) error {
	if n == nil {
		return nil
	}
	list := []*node{n}
	if n.isList() {
		list = n.list
	}
	for _, x := range list {
		name, ok := x.text()
		if !ok {
			return x.refuse("Template format error: 'Transform' must be text or a list of text; AWS::Include is not supported by glassine")
		}
		if name != languageExtensions {
			return x.refuse("Template format error: the transform %s is not supported by glassine, whose only one is %s: expand it first (sam, aws-cdk or aws cloudformation package do so)", name, languageExtensions)
		}
		t.Transforms = append(t.Transforms, name)
	}
	return nil
}

// section returns the members of a section, which must be an object of at most most members with logical names.
func section(root *node, name string, most int) ([]field, error) {
	n := root.get(name)
	if n == nil {
		return nil, nil
	}
	if !n.isObject() {
		return nil, n.refuse("Template format error: '%s' must be an object", name)
	}
	if len(n.fields) > most {
		return nil, n.refuse("Template format error: Number of %s, %d, is greater than maximum allowed, %d", strings.ToLower(name), len(n.fields), most)
	}
	for _, f := range n.fields {
		if !logicalName.MatchString(f.name) {
			return nil, fault.New("ValidationError", "Template format error: %s name '%s' is non alphanumeric.%s", strings.TrimSuffix(name, "s"), f.name, position(f.line, f.column))
		}
	}
	return n.fields, nil
}

func (t *Template) readMappings(root *node) error {
	fields, err := section(root, "Mappings", maxMappings)
	if err != nil {
		return err
	}
	t.mappings = root.get("Mappings")
	for _, f := range fields {
		if !f.value.isObject() {
			return f.value.refuse("Template format error: Every Mappings member must be a map")
		}
		for _, key := range f.value.fields {
			if !key.value.isObject() {
				return key.value.refuse("Template format error: Every Mappings attribute must be a map of strings or lists")
			}
		}
	}
	return nil
}

func (t *Template) readConditions(root *node) error {
	_, err := section(root, "Conditions", maxResources)
	t.conditions = root.get("Conditions")
	return err
}

// attributes are what a resource may have. CloudFormation User Guide, "Resource attribute reference".
var attributes = []string{"Type", "Properties", "DependsOn", "Condition", "Metadata", "DeletionPolicy", "UpdateReplacePolicy", "CreationPolicy", "UpdatePolicy", "Description"}

func (t *Template) readResources(root *node) error {
	fields, err := section(root, "Resources", maxResources)
	if err != nil {
		return err
	}
	if len(fields) == 0 {
		return root.refuse("Template format error: At least one Resources member must be defined.")
	}
	for _, f := range fields {
		d, err := readResource(f)
		if err != nil {
			return err
		}
		t.resources[f.name] = d
		t.order = append(t.order, f.name)
	}
	return nil
}

func readResource(f field) (*resourceDefinition, error) {
	n := f.value
	if !n.isObject() {
		return nil, n.refuse("Template format error: [/Resources/%s] resource definition is malformed", f.name)
	}
	if err := n.only("Invalid template resource property", attributes...); err != nil {
		return nil, err
	}
	d := &resourceDefinition{
		id: f.name, node: n, properties: n.get("Properties"), metadata: n.get("Metadata"), deletionPolicy: n.get("DeletionPolicy"), replacePolicy: n.get("UpdateReplacePolicy"),
		creationPolicy: n.get("CreationPolicy"), updatePolicies: n.get("UpdatePolicy"),
	}
	var ok bool
	if d.typeName, ok = n.get("Type").text(); !ok || d.typeName == "" {
		return nil, n.refuse("Template format error: [/Resources/%s] Every Resources object must contain a Type member.", f.name)
	}
	if c := n.get("Condition"); c != nil {
		if d.condition, ok = c.text(); !ok {
			return nil, c.refuse("Template format error: [/Resources/%s] 'Condition' must be the name of a condition", f.name)
		}
	}
	if d.properties != nil && !d.properties.isObject() {
		return nil, d.properties.refuse("Template format error: [/Resources/%s/Properties] must be an object", f.name)
	}
	if d.creationPolicy.get("ResourceSignal") != nil {
		return nil, d.creationPolicy.refuse("Template error: CreationPolicy with ResourceSignal on %s is not supported by glassine: nothing here waits for signals", f.name)
	}
	if x := n.get("DependsOn"); x != nil {
		list := []*node{x}
		if x.isList() {
			list = x.list
		}
		for _, e := range list {
			name, ok := e.text()
			if !ok {
				return nil, e.refuse("Template format error: DependsOn must be a string or list of strings.")
			}
			d.dependsOn = append(d.dependsOn, name)
		}
	}
	return d, nil
}

func (t *Template) readOutputs(root *node) error {
	fields, err := section(root, "Outputs", maxOutputs)
	if err != nil {
		return err
	}
	for _, f := range fields {
		o := &outputDefinition{key: f.name}
		n := f.value
		if !n.isObject() {
			return n.refuse("Template format error: Output %s is malformed.", f.name)
		}
		if err := n.only("Template format error: Invalid output property", "Value", "Description", "Export", "Condition"); err != nil {
			return err
		}
		if o.value = n.get("Value"); o.value == nil {
			return n.refuse("Template format error: Output %s is malformed. The Value attribute is required.", f.name)
		}
		if x := n.get("Description"); x != nil {
			o.description, _ = x.text()
		}
		if x := n.get("Condition"); x != nil {
			o.condition, _ = x.text()
		}
		if x := n.get("Export"); x != nil {
			if o.export = x.get("Name"); o.export == nil {
				return x.refuse("Template format error: Output %s is malformed. The Name field of every Export member must be specified.", f.name)
			}
		}
		t.outputs = append(t.outputs, o)
	}
	return nil
}

// hasCondition reports whether the template defines the condition.
func (t *Template) hasCondition(name string) bool { return t.conditions.get(name) != nil }

func (t *Template) parameter(name string) *ParameterDefinition {
	for _, p := range t.Parameters {
		if p.Key == name {
			return p
		}
	}
	return nil
}

// check looks at what can be said without values: every name that is referred to is there, functions have the arguments
// that they need, and nothing goes round in a circle.
func (t *Template) check() error {
	if err := t.checkConditions(); err != nil {
		return err
	}
	for _, id := range t.order {
		d := t.resources[id]
		if t.parameter(id) != nil {
			return d.node.refuse("Template format error: the name %s is a parameter's and a resource's", id)
		}
		if d.condition != "" && !t.hasCondition(d.condition) {
			return d.node.get("Condition").refuse("Template format error: Unresolved condition dependency %s in the Resources block of the template", d.condition)
		}
		for _, on := range d.dependsOn {
			if t.resources[on] == nil {
				return d.node.get("DependsOn").refuse("Template format error: Unresolved resource dependencies [%s] in the Resources block of the template", on)
			}
		}
		for _, n := range []*node{d.properties, d.metadata} {
			if err := t.checkReferences(n, "Resources"); err != nil {
				return err
			}
		}
	}
	for _, o := range t.outputs {
		if o.condition != "" && !t.hasCondition(o.condition) {
			return o.value.refuse("Template format error: Unresolved condition dependency %s in the Outputs block of the template", o.condition)
		}
		for _, n := range []*node{o.value, o.export} {
			if err := t.checkReferences(n, "Outputs"); err != nil {
				return err
			}
		}
	}
	return t.checkCircle()
}

func (t *Template) checkReferences(n *node, block string) error {
	return references(n, bothBranches, func(r reference) error {
		switch {
		case t.resources[r.name] != nil:
			return nil
		case r.attribute == nil && (t.parameter(r.name) != nil || isPseudo(r.name)):
			return nil
		case r.attribute != nil && !r.sub:
			return r.node.refuse("Template error: instance of Fn::GetAtt references undefined resource %s", r.name)
		}
		return r.node.refuse("Template format error: Unresolved resource dependencies [%s] in the %s block of the template", r.name, block)
	}, func(condition *node) error {
		name, _ := condition.text()
		if !t.hasCondition(name) {
			return condition.refuse("Template format error: Unresolved condition dependency %s in the %s block of the template", name, block)
		}
		return nil
	})
}

// dependencies are the resources that d refers to in the branches of Fn::If that are looked at, and its DependsOn.
func (t *Template) dependencies(d *resourceDefinition, take branches) ([]string, error) {
	seen := map[string]bool{}
	err := references(d.properties, take, func(r reference) error {
		if t.resources[r.name] != nil {
			seen[r.name] = true
		}
		return nil
	}, nil)
	for _, on := range d.dependsOn {
		seen[on] = true
	}
	return sortedKeys(seen), err
}

func (t *Template) checkCircle() error {
	g := map[string][]string{}
	for _, id := range t.order {
		// A circle through branches of Fn::If may be none: with the conditions known it is looked at again.
		on, err := t.dependencies(t.resources[id], noBranch)
		if err != nil {
			return err
		}
		g[id] = on
	}
	if c := circle(g); c != nil {
		return t.resources[c[0]].node.refuse("Circular dependency between resources: [%s]", strings.Join(c, ", "))
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
