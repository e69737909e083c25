package cloudformation

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"glassine/aws/fault"
	"glassine/iam"
)

// ParameterDefinition is a parameter as the template declares it.
type ParameterDefinition struct {
	Key, Type, Description string
	// Default is nil when there is none.
	Default               *string
	NoEcho                bool
	AllowedValues         []string
	AllowedPattern        string
	ConstraintDescription string

	pattern              *regexp.Regexp // nil without AllowedPattern
	minLength, maxLength *int64
	minValue, maxValue   *float64
	node                 *node
}

// Parameter is a parameter of a stack.
type Parameter struct {
	Key, Value string
	// UsePrevious takes the value that the stack has, or its default.
	UsePrevious bool `json:",omitempty"`
	// Resolved is the value behind an SSM parameter's name.
	Resolved string `json:",omitempty"`
	NoEcho   bool   `json:",omitempty"`
}

// Parameters reads SSM parameters as the caller. version is "" for the newest. It returns the value, of a StringList with
// commas.
type Parameters interface {
	Parameter(ctx context.Context, c iam.Caller, region, name, version string, decrypt bool) (value string, err error)
}

const (
	ssmName  = "AWS::SSM::Parameter::Name"
	ssmValue = "AWS::SSM::Parameter::Value<"
)

// kind returns the type of the values that a parameter has, once it is resolved: String, Number, List<Number>,
// CommaDelimitedList; "" for an unknown one.
// CloudFormation User Guide, "Parameters section", "Type".
func parameterKind(typeName string) string {
	if inner, ok := strings.CutPrefix(typeName, ssmValue); ok {
		switch inner = strings.TrimSuffix(inner, ">"); {
		case inner == "String":
			return "String"
		case inner == "List<String>", inner == "CommaDelimitedList", strings.HasPrefix(inner, "List<"):
			return "CommaDelimitedList"
		case strings.HasPrefix(inner, "AWS::"):
			return "String"
		}
		return ""
	}
	switch {
	case typeName == "String", typeName == "Number", typeName == "CommaDelimitedList", typeName == "List<Number>":
		return typeName
	case typeName == ssmName:
		return "String"
	case typeName == "List<String>":
		return "CommaDelimitedList"
	case strings.HasPrefix(typeName, "List<AWS::"): // ids of things that are not here: taken as they are
		return "CommaDelimitedList"
	case strings.HasPrefix(typeName, "AWS::"):
		return "String"
	}
	return ""
}

var parameterAttributes = []string{
	"Type", "Default", "NoEcho", "AllowedValues", "AllowedPattern", "ConstraintDescription", "Description", "MinLength", "MaxLength", "MinValue", "MaxValue",
}

func (t *Template) readParameters(root *node) error {
	fields, err := section(root, "Parameters", maxParameters)
	if err != nil {
		return err
	}
	for _, f := range fields {
		p, err := readParameter(f)
		if err != nil {
			return err
		}
		t.Parameters = append(t.Parameters, p)
	}
	return nil
}

func readParameter(f field) (*ParameterDefinition, error) {
	n := f.value
	if !n.isObject() {
		return nil, n.refuse("Template format error: parameter %s must be an object", f.name)
	}
	if err := n.only("Template format error: Invalid template parameter property", parameterAttributes...); err != nil {
		return nil, err
	}
	p := &ParameterDefinition{Key: f.name, node: n}
	var ok bool
	if p.Type, ok = n.get("Type").text(); !ok {
		return nil, n.refuse("Template format error: Every Parameters object must contain a Type member.")
	}
	if parameterKind(p.Type) == "" {
		return nil, n.get("Type").refuse("Template format error: Unrecognized parameter type: %s", p.Type)
	}
	p.Description, _ = n.get("Description").text()
	p.ConstraintDescription, _ = n.get("ConstraintDescription").text()
	if s, ok := n.get("NoEcho").text(); ok {
		p.NoEcho = strings.EqualFold(s, "true")
	}
	if d := n.get("Default"); d != nil {
		s, ok := d.text()
		if !ok || d.isList() || d.isObject() {
			return nil, d.refuse("Template format error: Every Default member must be a string.")
		}
		p.Default = &s
	}
	if a := n.get("AllowedValues"); a != nil {
		if !a.isList() {
			return nil, a.refuse("Template format error: Every AllowedValues value must be a list.")
		}
		for _, x := range a.list {
			s, ok := x.text()
			if !ok {
				return nil, x.refuse("Template format error: Every AllowedValues value must be a string.")
			}
			p.AllowedValues = append(p.AllowedValues, s)
		}
	}
	if err := p.readBounds(n); err != nil {
		return nil, err
	}
	if p.Default != nil && !strings.HasPrefix(p.Type, ssmValue) {
		if err := p.check(*p.Default); err != nil {
			return nil, n.get("Default").located(err)
		}
	}
	return p, nil
}

func (p *ParameterDefinition) readBounds(n *node) error {
	if a := n.get("AllowedPattern"); a != nil {
		var err error
		p.AllowedPattern, _ = a.text()
		if p.pattern, err = regexp.Compile(`^(?:` + p.AllowedPattern + `)$`); err != nil {
			return a.refuse("Template format error: AllowedPattern of parameter %s is not a regular expression that glassine knows (RE2): %s", p.Key, p.AllowedPattern)
		}
	}
	for name, to := range map[string]**int64{"MinLength": &p.minLength, "MaxLength": &p.maxLength} {
		if x := n.get(name); x != nil {
			s, _ := x.text()
			i, err := strconv.ParseInt(s, 10, 64)
			if err != nil || i < 0 {
				return x.refuse("Template format error: Every %s value must be a non-negative integer.", name)
			}
			*to = &i
		}
	}
	for name, to := range map[string]**float64{"MinValue": &p.minValue, "MaxValue": &p.maxValue} {
		if x := n.get(name); x != nil {
			s, _ := x.text()
			v, err := strconv.ParseFloat(s, 64)
			if err != nil {
				return x.refuse("Template format error: Every %s value must be a number.", name)
			}
			*to = &v
		}
	}
	return nil
}

// check refuses a value that the declaration does not allow.
func (p *ParameterDefinition) check(value string) error {
	list := []string{value}
	kind := parameterKind(p.Type)
	if strings.HasPrefix(p.Type, ssmValue) { // it is a name
		kind = "String"
	} else if kind == "CommaDelimitedList" || kind == "List<Number>" {
		list = commaList(value)
	}
	for _, v := range list {
		if len(p.AllowedValues) > 0 && !slices.Contains(p.AllowedValues, v) {
			return p.refuse("Parameter '%s' must be one of AllowedValues", p.Key)
		}
		if p.pattern != nil && !p.pattern.MatchString(v) {
			return p.refuse("Parameter '%s' must match pattern %s", p.Key, p.AllowedPattern)
		}
		if n := int64(len([]rune(v))); kind == "String" {
			if p.minLength != nil && n < *p.minLength {
				return p.refuse("Parameter '%s' must contain at least %d characters", p.Key, *p.minLength)
			}
			if p.maxLength != nil && n > *p.maxLength {
				return p.refuse("Parameter '%s' must contain at most %d characters", p.Key, *p.maxLength)
			}
		}
		if kind != "Number" && kind != "List<Number>" {
			continue
		}
		f, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return p.refuse("Parameter '%s' must be a number", p.Key)
		}
		if p.minValue != nil && f < *p.minValue {
			return p.refuse("Parameter '%s' must be a number not less than %v", p.Key, *p.minValue)
		}
		if p.maxValue != nil && f > *p.maxValue {
			return p.refuse("Parameter '%s' must be a number not greater than %v", p.Key, *p.maxValue)
		}
	}
	return nil
}

func (p *ParameterDefinition) refuse(format string, args ...any) error {
	f := fault.New("ValidationError", format, args...)
	if p.ConstraintDescription != "" {
		return fault.New("ValidationError", "Parameter '%s' failed to satisfy constraint: %s", p.Key, p.ConstraintDescription)
	}
	return f
}

func commaList(s string) []string {
	if s == "" {
		return nil
	}
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}

// choose settles the value of each parameter: the given one, the one that the stack had, or the default. Given parameters
// that the template does not have are refused, with the text that AWS has for it.
func (t *Template) choose(given, previous []Parameter) ([]Parameter, error) {
	find := func(list []Parameter, key string) *Parameter {
		for i := range list {
			if list[i].Key == key {
				return &list[i]
			}
		}
		return nil
	}
	var extra, missing []string
	for _, g := range given {
		if t.parameter(g.Key) == nil {
			extra = append(extra, g.Key)
		}
	}
	if len(extra) > 0 {
		return nil, fault.New("ValidationError", "Parameters: [%s] do not exist in the template", strings.Join(extra, ", "))
	}
	var out []Parameter
	for _, d := range t.Parameters {
		p := Parameter{Key: d.Key, NoEcho: d.NoEcho}
		g, old := find(given, d.Key), find(previous, d.Key)
		switch {
		case g != nil && !g.UsePrevious:
			p.Value = g.Value
		case g != nil && old == nil:
			return nil, fault.New("ValidationError", "Invalid input for parameter key %s. Cannot specify usePreviousValue as true for a parameter key not in the previous template", d.Key)
		case g != nil:
			p.Value = old.Value
		case d.Default != nil:
			p.Value = *d.Default
		default:
			missing = append(missing, d.Key)
			continue
		}
		if err := d.check(p.Value); err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	if len(missing) > 0 {
		return nil, fault.New("ValidationError", "Parameters: [%s] must have values", strings.Join(missing, ", "))
	}
	return out, nil
}

// resolve reads the SSM parameters that parameters name.
func (t *Template) resolve(ctx context.Context, from Parameters, c iam.Caller, region string, chosen []Parameter) error {
	for i := range chosen {
		p := &chosen[i]
		d := t.parameter(p.Key)
		if !strings.HasPrefix(d.Type, ssmValue) {
			continue
		}
		if from == nil {
			return fault.New("ValidationError", "Parameter '%s': there is no SSM parameter store", p.Key)
		}
		name, version, _ := strings.Cut(p.Value, ":")
		v, err := from.Parameter(ctx, c, region, name, version, false)
		if fault.Is(err, "ParameterNotFound") || fault.Is(err, "ParameterVersionNotFound") {
			return fault.New("ValidationError", "Unable to fetch parameters [%s] from parameter store for this account.", p.Value)
		}
		if err != nil {
			return err
		}
		p.Resolved = v
	}
	return nil
}

// values are the chosen parameters as Ref returns them.
func (t *Template) values(chosen []Parameter) map[string]any {
	out := make(map[string]any, len(chosen))
	for _, p := range chosen {
		d := t.parameter(p.Key)
		if d == nil {
			continue
		}
		text := p.Value
		if strings.HasPrefix(d.Type, ssmValue) {
			text = p.Resolved
		}
		switch parameterKind(d.Type) {
		case "CommaDelimitedList", "List<Number>":
			list := []any{}
			for _, s := range commaList(text) {
				list = append(list, s)
			}
			out[p.Key] = list
		default:
			out[p.Key] = text
		}
	}
	return out
}
