package cloudformation

import (
	"encoding/base64"
	"encoding/json"
	"strings"

	"glassine/aws/fault"
)

// isFunction reports whether the name is that of a function that stands, as the only member of an object, for a value.
// CloudFormation User Guide, "Intrinsic function reference".
func isFunction(name string) bool {
	switch name {
	case "Fn::And", "Fn::Equals", "Fn::Not", "Fn::Or":
		return true
	case "Ref", "Fn::Base64", "Fn::Cidr", "Fn::FindInMap", "Fn::GetAtt", "Fn::GetAZs", "Fn::If", "Fn::ImportValue", "Fn::Join", "Fn::Length", "Fn::Select", "Fn::Split",
		"Fn::Sub", "Fn::ToJsonString", "Fn::Transform":
		return true
	}
	return false
}

// function returns the function that n is, and its argument.
func (n *node) function() (name string, argument *node, ok bool) {
	if n == nil || len(n.fields) != 1 || !isFunction(n.fields[0].name) {
		return "", nil, false
	}
	return n.fields[0].name, n.fields[0].value, true
}

// noValue is AWS::NoValue: what has it is left out.
type noValue struct{}

// evaluator computes a template's values. It is used by one goroutine.
type evaluator struct {
	template   *Template
	scope      scope
	parameters map[string]any // string or []any of strings, resolved
	conditions map[string]bool
	// resource returns what Ref of a resource and its attributes are; a value that is not known yet is unknown{}. Nil where
	// resources have no meaning.
	resource func(id string) (ref any, attribute func(name string) (any, error), err error)
	// imports returns the value of an export; nil makes it unknown.
	imports  func(name string) (string, error)
	imported map[string]bool // names that were asked for
}

// scope is where a stack is.
type scope struct {
	account, region, stackID, stackName string
	notifications                       []string
}

// call computes a function of the argument.
func (e *evaluator) call(name string, n, argument *node) (any, error) {
	switch name {
	case "Ref":
		return e.ref(n, argument)
	case "Fn::Base64":
		return e.base64(argument)
	case "Fn::Cidr":
		return e.cidr(n, argument)
	case "Fn::FindInMap":
		return e.findInMap(n, argument)
	case "Fn::GetAtt":
		return e.getAtt(n, argument)
	case "Fn::GetAZs":
		return e.getAZs(argument)
	case "Fn::If":
		return e.ifElse(n, argument)
	case "Fn::ImportValue":
		return e.importValue(n, argument)
	case "Fn::Join":
		return e.join(n, argument)
	case "Fn::Length":
		return e.length(argument)
	case "Fn::Select":
		return e.selectOne(n, argument)
	case "Fn::Split":
		return e.split(n, argument)
	case "Fn::Sub":
		return e.sub(n, argument)
	case "Fn::ToJsonString":
		return e.toJSON(n, argument)
	case "Fn::Transform":
		return nil, n.refuse("Template format error: Fn::Transform is not supported by glassine: expand the template first")
	}
	// And, Equals, Not and Or stand only where a condition is expected: IAM policies have members named Condition too.
	return nil, n.refuse("Template error: %s is valid in Conditions and Rules only", name)
}

// value computes n: a scalar, []any, map[string]any, noValue{} or unknown{}.
func (e *evaluator) value(n *node) (any, error) {
	if name, argument, ok := n.function(); ok {
		return e.call(name, n, argument)
	}
	switch {
	case n.isList():
		out := []any{}
		for _, x := range n.list {
			v, err := e.value(x)
			if err != nil {
				return nil, err
			}
			if _, none := v.(noValue); !none {
				out = append(out, v)
			}
		}
		return out, nil
	case n.isObject():
		out := make(map[string]any, len(n.fields))
		for _, f := range n.fields {
			if strings.HasPrefix(f.name, "Fn::") {
				return nil, fault.New("ValidationError", "Template format error: unknown function %s, or it is not the only member of its object%s", f.name, position(f.line, f.column))
			}
			v, err := e.value(f.value)
			if err != nil {
				return nil, err
			}
			if _, none := v.(noValue); !none {
				out[f.name] = v
			}
		}
		return out, nil
	}
	return n.scalar, nil
}

// text computes a scalar; ok is false when it is not known yet.
func (e *evaluator) text(n *node, what string) (s string, ok bool, err error) {
	v, err := e.value(n)
	if err != nil {
		return "", false, err
	}
	if _, not := v.(unknown); not {
		return "", false, nil
	}
	s, ok = scalarText(v)
	if !ok {
		return "", false, n.refuse("Template error: %s must be text, not %s", what, kindOf(v))
	}
	return s, true, nil
}

// values computes a list; ok is false when it is not known yet. Its elements may be unknown{}.
func (e *evaluator) values(n *node, what string) (list []any, ok bool, err error) {
	v, err := e.value(n)
	if err != nil {
		return nil, false, err
	}
	if _, not := v.(unknown); not {
		return nil, false, nil
	}
	list, ok = v.([]any)
	if !ok {
		return nil, false, n.refuse("Template error: %s must be a list, not %s", what, kindOf(v))
	}
	return list, true, nil
}

func (e *evaluator) ref(n, argument *node) (any, error) {
	name, ok := argument.text()
	if !ok {
		return nil, n.refuse("Template format error: Every Ref object must have a single String value.")
	}
	return e.named(n, name)
}

// named returns the value of a parameter, a pseudo parameter or a resource.
func (e *evaluator) named(n *node, name string) (any, error) {
	switch name {
	case "AWS::AccountId":
		return e.scope.account, nil
	case "AWS::Region":
		return e.scope.region, nil
	case "AWS::Partition":
		return "aws", nil
	case "AWS::URLSuffix":
		return "amazonaws.com", nil
	case "AWS::StackId":
		return e.scope.stackID, nil
	case "AWS::StackName":
		return e.scope.stackName, nil
	case "AWS::NoValue":
		return noValue{}, nil
	case "AWS::NotificationARNs":
		out := []any{}
		for _, a := range e.scope.notifications {
			out = append(out, a)
		}
		return out, nil
	}
	if v, ok := e.parameters[name]; ok {
		return v, nil
	}
	ref, _, err := e.lookUp(n, name)
	return ref, err
}

func (e *evaluator) lookUp(n *node, id string) (any, func(string) (any, error), error) {
	if e.resource == nil || e.template.resources[id] == nil {
		return nil, nil, n.refuse("Template format error: Unresolved resource dependencies [%s] in the template", id)
	}
	ref, attribute, err := e.resource(id)
	if err != nil {
		return nil, nil, n.located(err)
	}
	return ref, attribute, nil
}

// located adds the place to a fault that knows none.
func (n *node) located(err error) error {
	f, ok := err.(*fault.Error) //nolint:errorlint // only one made here, not what a service said
	if !ok || strings.Contains(f.Message, "(line ") {
		return err
	}
	return n.refuse("%s", f.Message)
}

func (e *evaluator) getAtt(n, argument *node) (any, error) {
	id, attribute, err := getAttArguments(n, argument)
	if err != nil {
		return nil, err
	}
	name, ok, err := e.text(attribute, "the attribute name of Fn::GetAtt")
	if err != nil || !ok {
		return unknown{}, err
	}
	return e.attribute(n, id, name)
}

func (e *evaluator) attribute(n *node, id, name string) (any, error) {
	_, attribute, err := e.lookUp(n, id)
	if err != nil {
		return nil, err
	}
	v, err := attribute(name)
	if err != nil {
		return nil, n.located(err)
	}
	return v, nil
}

func (e *evaluator) sub(n, argument *node) (any, error) {
	text, variables, err := subArguments(n, argument)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	known := true
	for i, part := range subParts(text) {
		if i%2 == 0 {
			b.WriteString(part)
			continue
		}
		var v any
		if x := variables.get(part); x != nil {
			v, err = e.value(x)
		} else if id, attribute, dotted := strings.Cut(part, "."); dotted {
			v, err = e.attribute(n, id, attribute)
		} else {
			v, err = e.named(n, part)
		}
		if err != nil {
			return nil, err
		}
		if _, not := v.(unknown); not {
			known = false
			continue
		}
		s, ok := scalarText(v)
		if !ok {
			return nil, n.refuse("Template error: variable %s in Fn::Sub expression does not resolve to a string", part)
		}
		b.WriteString(s)
	}
	if !known {
		return unknown{}, nil
	}
	return b.String(), nil
}

func (e *evaluator) join(n, argument *node) (any, error) {
	if !argument.isList() || len(argument.list) != 2 {
		return nil, n.refuse("Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined.")
	}
	delimiter, ok, err := e.text(argument.list[0], "the delimiter of Fn::Join")
	if err != nil {
		return nil, err
	}
	list, listed, err := e.values(argument.list[1], "the second argument of Fn::Join")
	if err != nil {
		return nil, err
	}
	parts := make([]string, len(list))
	for i, x := range list {
		if _, not := x.(unknown); not {
			ok = false
			continue
		}
		s, scalar := scalarText(x)
		if !scalar {
			return nil, n.refuse("Template error: every value of the list of Fn::Join must be text, not %s", kindOf(x))
		}
		parts[i] = s
	}
	if !ok || !listed {
		return unknown{}, nil
	}
	return strings.Join(parts, delimiter), nil
}

func (e *evaluator) split(n, argument *node) (any, error) {
	if !argument.isList() || len(argument.list) != 2 {
		return nil, n.refuse("Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or a function that returns a string to be split.")
	}
	delimiter, ok, err := e.text(argument.list[0], "the delimiter of Fn::Split")
	if err != nil {
		return nil, err
	}
	text, known, err := e.text(argument.list[1], "the second argument of Fn::Split")
	if err != nil {
		return nil, err
	}
	if !ok || !known {
		return unknown{}, nil
	}
	if delimiter == "" {
		return nil, n.refuse("Template error: the delimiter of Fn::Split must not be empty")
	}
	out := []any{}
	for s := range strings.SplitSeq(text, delimiter) {
		out = append(out, s)
	}
	return out, nil
}

func (e *evaluator) base64(argument *node) (any, error) {
	s, ok, err := e.text(argument, "the argument of Fn::Base64")
	if err != nil || !ok {
		return unknown{}, err
	}
	return base64.StdEncoding.EncodeToString([]byte(s)), nil
}

func (e *evaluator) toJSON(n, argument *node) (any, error) {
	v, err := e.value(argument)
	if err != nil {
		return nil, err
	}
	if anyUnknown(v) {
		return unknown{}, nil
	}
	switch v.(type) {
	case map[string]any, []any:
	default:
		return nil, n.refuse("Template error: Fn::ToJsonString needs an object or a list")
	}
	b := &strings.Builder{}
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func (e *evaluator) length(argument *node) (any, error) {
	list, ok, err := e.values(argument, "the argument of Fn::Length")
	if err != nil || !ok {
		return unknown{}, err
	}
	return int64(len(list)), nil
}

func (e *evaluator) importValue(n, argument *node) (any, error) {
	name, ok, err := e.text(argument, "the argument of Fn::ImportValue")
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, n.refuse("Template error: the name of an Fn::ImportValue must not depend on resources")
	}
	if e.imports == nil {
		return unknown{}, nil
	}
	v, err := e.imports(name)
	if err != nil {
		return nil, n.located(err)
	}
	if e.imported != nil {
		e.imported[name] = true
	}
	return v, nil
}
