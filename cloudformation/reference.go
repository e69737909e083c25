package cloudformation

import (
	"slices"
	"strings"
)

// reference is a name that a template's value refers to: a parameter, a pseudo parameter or a resource.
type reference struct {
	node      *node // where
	name      string
	attribute *node // of Fn::GetAtt and of ${A.B}; nil for Ref and ${A}
	sub       bool  // in the text of Fn::Sub
}

// branches says which branches of Fn::If are looked at, by the name of its condition.
type branches func(condition string) (then, otherwise bool)

func bothBranches(string) (then, otherwise bool) { return true, true }
func noBranch(string) (then, otherwise bool)     { return false, false }

// takenBranches looks at those that are taken.
func takenBranches(conditions map[string]bool) branches {
	return func(name string) (then, otherwise bool) { return conditions[name], !conditions[name] }
}

// references calls visit for every reference in n, and condition, unless it is nil, for the name of every Fn::If. The shapes
// of the functions' arguments are checked on the way.
func references(n *node, take branches, visit func(reference) error, condition func(*node) error) error {
	if n == nil {
		return nil
	}
	for _, x := range n.list {
		if err := references(x, take, visit, condition); err != nil {
			return err
		}
	}
	name, argument, ok := n.function()
	if !ok {
		for _, f := range n.fields {
			if err := references(f.value, take, visit, condition); err != nil {
				return err
			}
		}
		return nil
	}
	switch name {
	case "Ref":
		to, ok := argument.text()
		if !ok {
			return n.refuse("Template format error: Every Ref object must have a single String value.")
		}
		return visit(reference{node: n, name: to})
	case "Fn::GetAtt":
		to, attribute, err := getAttArguments(n, argument)
		if err != nil {
			return err
		}
		if err := references(attribute, take, visit, condition); err != nil {
			return err
		}
		return visit(reference{node: n, name: to, attribute: attribute})
	case "Fn::Sub":
		return subReferences(n, argument, take, visit, condition)
	case "Fn::If":
		if !argument.isList() || len(argument.list) != 3 {
			return n.refuse("Template error: Fn::If requires a list argument with 3 parameters")
		}
		key, ok := argument.list[0].text()
		if !ok {
			return n.refuse("Template error: the first argument of Fn::If is the name of a condition")
		}
		if condition != nil {
			if err := condition(argument.list[0]); err != nil {
				return err
			}
		}
		then, otherwise := take(key)
		if then {
			if err := references(argument.list[1], take, visit, condition); err != nil {
				return err
			}
		}
		if otherwise {
			return references(argument.list[2], take, visit, condition)
		}
		return nil
	}
	return references(argument, take, visit, condition)
}

func getAttArguments(n, argument *node) (resource string, attribute *node, err error) {
	argument = splitAttribute(argument)
	if argument.isList() && len(argument.list) >= 2 {
		to, ok := argument.list[0].text()
		attribute = argument.list[1]
		if len(argument.list) > 2 { // [A, b, c] is A.b.c
			var parts []string
			for _, p := range argument.list[1:] {
				s, plain := p.text()
				ok = ok && plain
				parts = append(parts, s)
			}
			attribute = &node{line: argument.line, column: argument.column, scalar: strings.Join(parts, ".")}
		}
		if ok {
			return to, attribute, nil
		}
	}
	return "", nil, n.refuse("Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute")
}

// subParts cuts the text of Fn::Sub into literals and names: odd elements are names.
func subParts(text string) []string {
	parts := []string{""}
	for {
		before, rest, found := strings.Cut(text, "${")
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			break
		}
		text = after
		last := len(parts) - 1
		if literal, ok := strings.CutPrefix(name, "!"); ok { // ${!Literal} is ${Literal}
			parts[last] += before + "${" + literal + "}"
			continue
		}
		parts[last] += before
		parts = append(parts, strings.TrimSpace(name), "")
	}
	parts[len(parts)-1] += text
	return parts
}

// subArguments are the text and the variables of an Fn::Sub.
func subArguments(n, argument *node) (text string, variables *node, err error) {
	source := argument
	if argument.isList() {
		if len(argument.list) != 2 || !argument.list[1].isObject() {
			return "", nil, n.refuse("Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string")
		}
		source, variables = argument.list[0], argument.list[1]
	}
	text, ok := source.text()
	if !ok || source.isList() || source.isObject() {
		return "", nil, n.refuse("Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first argument, and an optional second argument to specify a mapping of values to replace in the string")
	}
	return text, variables, nil
}

func subReferences(n, argument *node, take branches, visit func(reference) error, condition func(*node) error) error {
	text, variables, err := subArguments(n, argument)
	if err != nil {
		return err
	}
	for i, name := range subParts(text) {
		if i%2 == 0 || variables.get(name) != nil {
			continue
		}
		r := reference{node: n, name: name, sub: true}
		if resource, attribute, ok := strings.Cut(name, "."); ok {
			r.name, r.attribute = resource, &node{line: n.line, column: n.column, scalar: attribute}
		}
		if err := visit(r); err != nil {
			return err
		}
	}
	if variables == nil {
		return nil
	}
	for _, f := range variables.fields {
		if err := references(f.value, take, visit, condition); err != nil {
			return err
		}
	}
	return nil
}

// pseudo are the pseudo parameters. CloudFormation User Guide, "Pseudo parameters reference".
var pseudo = []string{"AWS::AccountId", "AWS::NotificationARNs", "AWS::NoValue", "AWS::Partition", "AWS::Region", "AWS::StackId", "AWS::StackName", "AWS::URLSuffix"}

func isPseudo(name string) bool { return slices.Contains(pseudo, name) }
