package cloudformation

import (
	"reflect"
	"slices"
	"strings"

	"glassine/aws/fault"
)

// most operands of Fn::And and Fn::Or. CloudFormation User Guide, "Condition functions".
const maxOperands = 10

// checkConditions looks at the Conditions section: the functions have operands, every condition that is named is there,
// and no condition rests on itself.
func (t *Template) checkConditions() error {
	g := map[string][]string{}
	for _, name := range t.conditions.names() {
		on := map[string]bool{}
		if err := t.checkCondition(t.conditions.get(name), on, false); err != nil {
			return err
		}
		g[name] = sortedKeys(on)
	}
	if c := circle(g); c != nil {
		return t.conditions.get(c[0]).refuse("Template error: circular dependency between conditions: [%s]", strings.Join(c, ", "))
	}
	return nil
}

// checkCondition checks a condition and notes the conditions that it names. rule allows the functions of rules.
func (t *Template) checkCondition(n *node, on map[string]bool, rule bool) error {
	if len(n.fields) != 1 {
		return n.refuse("Template format error: Every Conditions member must be a condition function: Fn::And, Fn::Equals, Fn::Not, Fn::Or or Condition")
	}
	name, argument := n.fields[0].name, n.fields[0].value
	switch name {
	case "Condition":
		to, ok := argument.text()
		if !ok || !t.hasCondition(to) {
			return n.refuse("Template format error: Unresolved condition dependency %s in the Conditions block of the template", to)
		}
		on[to] = true
		return nil
	case "Fn::Not":
		if !argument.isList() || len(argument.list) != 1 {
			return n.refuse("Template error: every Fn::Not object requires one boolean parameter.")
		}
	case "Fn::And", "Fn::Or":
		if !argument.isList() || len(argument.list) < 2 || len(argument.list) > maxOperands {
			return n.refuse("Template error: every %s object requires a list of at least 2 and at most %d boolean parameters.", name, maxOperands)
		}
	case "Fn::Equals":
		if !argument.isList() || len(argument.list) != 2 {
			return n.refuse("Template error: every Fn::Equals object requires a list of 2 string parameters.")
		}
		return t.checkValuesOnly(argument)
	default:
		if rule && slices.Contains(ruleFunctions, name) {
			return nil
		}
		return n.refuse("Template format error: %s is not a condition function", name)
	}
	for _, x := range argument.list {
		if err := t.checkCondition(x, on, rule); err != nil {
			return err
		}
	}
	return nil
}

// checkValuesOnly refuses references to resources: conditions are decided before there are any.
func (t *Template) checkValuesOnly(n *node) error {
	return references(n, bothBranches, func(r reference) error {
		if r.attribute != nil || t.parameter(r.name) == nil && !isPseudo(r.name) {
			return r.node.refuse("Template format error: Unresolved dependencies [%s]. Cannot reference resources in the Conditions block of the template", r.name)
		}
		return nil
	}, nil)
}

// decideConditions computes all conditions. The evaluator's parameters are set.
func (e *evaluator) decideConditions() error {
	e.conditions = map[string]bool{}
	for _, name := range e.template.conditions.names() {
		if _, err := e.condition(name); err != nil {
			return err
		}
	}
	return nil
}

func (e *evaluator) condition(name string) (bool, error) {
	if v, ok := e.conditions[name]; ok {
		return v, nil
	}
	v, err := e.holds(e.template.conditions.get(name)) // ends: there is no circle
	if err == nil {
		e.conditions[name] = v
	}
	return v, err
}

// holds decides a condition function.
func (e *evaluator) holds(n *node) (bool, error) {
	name, argument := n.fields[0].name, n.fields[0].value
	switch name {
	case "Condition":
		to, _ := argument.text()
		return e.condition(to)
	case "Fn::Not":
		v, err := e.holds(argument.list[0])
		return !v, err
	case "Fn::And", "Fn::Or":
		for _, x := range argument.list {
			v, err := e.holds(x)
			if err != nil || v == (name == "Fn::Or") {
				return v, err
			}
		}
		return name == "Fn::And", nil
	case "Fn::Equals":
		a, err := e.value(argument.list[0])
		if err != nil {
			return false, err
		}
		b, err := e.value(argument.list[1])
		return err == nil && sameValue(a, b), err
	}
	return e.ruleHolds(n, name, argument)
}

// sameValue compares as Fn::Equals does: text with text, so that true and "true" are the same.
func sameValue(a, b any) bool {
	s, ok := scalarText(a)
	u, also := scalarText(b)
	if ok && also {
		return s == u
	}
	return reflect.DeepEqual(a, b)
}

// ruleFunctions are those of Rules alone. CloudFormation User Guide, "Rules section".
var ruleFunctions = []string{"Fn::Contains", "Fn::EachMemberEquals", "Fn::EachMemberIn"}

// checkRules decides the assertions of the template's rules; the first that does not hold is a ValidationError with its
// AssertDescription.
func (e *evaluator) checkRules() error {
	rules := e.template.rules
	if rules == nil {
		return nil
	}
	if !rules.isObject() {
		return rules.refuse("Template format error: 'Rules' must be an object")
	}
	for _, r := range rules.fields {
		if err := e.checkRule(r); err != nil {
			return err
		}
	}
	return nil
}

func (e *evaluator) checkRule(r field) error {
	if condition := r.value.get("RuleCondition"); condition != nil {
		if err := e.template.checkCondition(condition, map[string]bool{}, true); err != nil {
			return err
		}
		if holds, err := e.holds(condition); err != nil || !holds {
			return err
		}
	}
	for _, a := range listOf(r.value.get("Assertions")) {
		assert := a.get("Assert")
		if assert == nil {
			return a.refuse("Template format error: rule %s: an assertion has no Assert", r.name)
		}
		if err := e.template.checkCondition(assert, map[string]bool{}, true); err != nil {
			return err
		}
		holds, err := e.holds(assert)
		if err != nil {
			return err
		}
		if !holds {
			text, _ := a.get("AssertDescription").text()
			return fault.New("ValidationError", "Template error: the rule %s failed: %s%s", r.name, text, assert.at())
		}
	}
	return nil
}

func listOf(n *node) []*node {
	if n == nil {
		return nil
	}
	return n.list
}

func (e *evaluator) ruleHolds(n *node, name string, argument *node) (bool, error) {
	if !argument.isList() || len(argument.list) != 2 {
		return false, n.refuse("Template error: %s requires two parameters", name)
	}
	list, err := e.ruleList(argument.list[0])
	if err != nil {
		return false, err
	}
	in := func(v any, list []any) bool {
		return slices.ContainsFunc(list, func(x any) bool { return sameValue(v, x) })
	}
	switch name {
	case "Fn::Contains", "Fn::EachMemberEquals":
		v, err := e.value(argument.list[1])
		if err != nil {
			return false, err
		}
		if name == "Fn::Contains" {
			return in(v, list), nil
		}
		return !slices.ContainsFunc(list, func(x any) bool { return !sameValue(v, x) }), nil
	case "Fn::EachMemberIn":
		allowed, err := e.ruleList(argument.list[1])
		if err != nil {
			return false, err
		}
		return !slices.ContainsFunc(list, func(x any) bool { return !in(x, allowed) }), nil
	}
	return false, n.refuse("Template error: unknown rule function %s", name)
}

// ruleList computes a list of strings, or Fn::RefAll: the values of all parameters of a type.
func (e *evaluator) ruleList(n *node) ([]any, error) {
	if len(n.fields) == 1 {
		switch n.fields[0].name {
		case "Fn::RefAll":
			kind, _ := n.fields[0].value.text()
			var out []any
			for _, p := range e.template.Parameters {
				if p.Type == kind {
					out = append(out, e.parameters[p.Key])
				}
			}
			return out, nil
		case "Fn::ValueOf", "Fn::ValueOfAll":
			return nil, n.refuse("Template error: %s needs attributes of AWS resources that glassine does not have", n.fields[0].name)
		}
	}
	list, _, err := e.values(n, "the list of a rule function")
	return list, err
}
