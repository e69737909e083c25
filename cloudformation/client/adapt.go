package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"glassine/aws/fault"
)

// Adaptation is a template that came from another account and is being made fit for this one.
type Adaptation struct {
	// Notes say what was changed and left out, in the order in which it was found.
	Notes []Note

	file  string
	value map[string]any
}

// Note is one thing that an import did, or that its user has to know.
type Note struct {
	// Kind is rewritten, left out, kept, or needs.
	Kind string
	// Path is where in the template, with slashes between.
	Path string
	Text string
}

// ReadExported reads a template: one that a console or `aws cloudformation get-template` gave too, whose answer has it under
// TemplateBody, as text or as an object.
func ReadExported(file, text string) (*Template, error) {
	root, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	body := root.get("TemplateBody")
	if body == nil || root.get("Resources") != nil {
		return ParseTemplate(file, text)
	}
	if inner, ok := body.text(); ok {
		return ParseTemplate(file, inner)
	}
	inner, err := json.MarshalIndent(body.plain(), "", "  ")
	if err != nil {
		return nil, err
	}
	return ParseTemplate(file, string(inner))
}

// Adapt begins to make a template fit for an account: it tells of physical names and retained resources, and puts the account in
// the place of those in the template's ARNs. from is the account that the template is known to come from, or "".
func Adapt(t *Template, account, from string) *Adaptation {
	a := &Adaptation{file: t.File, value: t.Value()}
	a.move(account, from)
	a.keep()
	return a
}

// Template returns the template as it is now.
func (a *Adaptation) Template() (*Template, error) {
	text, err := json.MarshalIndent(a.value, "", "  ")
	if err != nil {
		return nil, err
	}
	return ParseTemplate(a.file, string(text)+"\n")
}

func (a *Adaptation) note(kind, path, format string, args ...any) {
	a.Notes = append(a.Notes, Note{kind, path, fmt.Sprintf(format, args...)})
}

func (a *Adaptation) resources() map[string]any {
	m, _ := a.value["Resources"].(map[string]any)
	return m
}

// each calls do for every resource, in order.
func (a *Adaptation) each(do func(id, typeName string, r, properties map[string]any)) {
	for _, id := range slices.Sorted(maps.Keys(a.resources())) {
		r, _ := a.resources()[id].(map[string]any)
		typeName, _ := r["Type"].(string)
		if typeName == "" {
			continue
		}
		properties, _ := r["Properties"].(map[string]any)
		do(id, typeName, r, properties)
	}
}

// physicalNames are the properties with which templates name resources themselves.
var physicalNames = []string{"BucketName", "FunctionName", "RoleName", "UserName", "GroupName", "ManagedPolicyName", "InstanceProfileName", "LogGroupName", "LayerName"}

// namedByName are the types whose property Name is such a name.
var namedByName = []string{"AWS::S3::AccessPoint", "AWS::S3ObjectLambda::AccessPoint", "AWS::SSM::Parameter", "AWS::CloudFront::Function", "AWS::Lambda::Alias"}

// keep tells of what stays as it is and may surprise.
func (a *Adaptation) keep() {
	a.each(func(id, typeName string, r, properties map[string]any) {
		for _, name := range physicalNames {
			if text, ok := properties[name].(string); ok && !(name == "FunctionName" && typeName != "AWS::Lambda::Function") {
				a.note("kept", "Resources/"+id+"/Properties/"+name, "the name %s", text)
			}
		}
		if text, ok := properties["Name"].(string); ok && slices.Contains(namedByName, typeName) {
			a.note("kept", "Resources/"+id+"/Properties/Name", "the name %s", text)
		}
		if policy, ok := r["DeletionPolicy"].(string); ok && policy != "Delete" {
			a.note("kept", "Resources/"+id+"/DeletionPolicy", "%s: it stays when the stack is deleted", policy)
		}
	})
}

// arnAccount finds the account in an ARN. IAM User Guide, "Amazon Resource Names (ARNs)".
var arnAccount = regexp.MustCompile(`arn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:([0-9]{12}):`)

// move puts account in the place of other accounts. Layers of other accounts cannot be had from here and are left out.
func (a *Adaptation) move(account, from string) {
	a.each(func(id, typeName string, _, properties map[string]any) {
		layers, _ := properties["Layers"].([]any)
		if typeName != "AWS::Lambda::Function" || layers == nil {
			return
		}
		properties["Layers"] = slices.DeleteFunc(layers, func(l any) bool {
			text, _ := l.(string)
			m := arnAccount.FindStringSubmatch(text)
			if m == nil || m[1] == account || m[1] == from {
				return false
			}
			a.note("left out", "Resources/"+id+"/Properties/Layers", "%s, a layer of another account", text)
			return true
		})
	})
	found := map[string]bool{}
	if from != "" {
		found[from] = true
	}
	eachString(a.value, nil, func(_ []string, text string) string {
		for _, m := range arnAccount.FindAllStringSubmatch(text, -1) {
			found[m[1]] = true
		}
		return text
	})
	delete(found, account)
	for _, other := range slices.Sorted(maps.Keys(found)) {
		// RE2 knows no look-around: what is on both sides is part of the match, and two in a row need two rounds.
		number := regexp.MustCompile(`(^|[^0-9])` + other + `($|[^0-9])`)
		eachString(a.value, nil, func(path []string, text string) string {
			moved := text
			for number.MatchString(moved) {
				moved = number.ReplaceAllString(moved, "${1}"+account+"${2}")
			}
			if moved != text {
				a.note("rewritten", strings.Join(path, "/"), "%s is now %s", short(text), short(moved))
			}
			return moved
		})
	}
}

// short cuts a text that is told.
func short(text string) string {
	if r := []rune(text); len(r) > 100 {
		return string(r[:97]) + "..."
	}
	return text
}

// eachString puts change(path, text) in the place of every string in v, and returns v.
func eachString(v any, path []string, change func(path []string, text string) string) any {
	at := func(step string) []string { return append(slices.Clone(path), step) }
	switch x := v.(type) {
	case string:
		return change(path, x)
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(x)) {
			x[name] = eachString(x[name], at(name), change)
		}
	case []any:
		for i := range x {
			x[i] = eachString(x[i], at(strconv.Itoa(i)), change)
		}
	}
	return v
}

// Code puts code from this machine, or one of glassine's own functions, in the place of what the functions of the template have in
// buckets and registries of another account: by logical id a path or a URI. has says whether an object is here. It is an
// error when a function is left without code that is here.
func (a *Adaptation) Code(code map[string]string, has func(bucket, key string) (bool, error)) error {
	var missing []string
	var wrong error
	used := map[string]bool{}
	a.each(func(id, typeName string, _, properties map[string]any) {
		p, ok := localProperties[typeName]
		if !ok || p.form != bucketAndKey || properties == nil {
			return
		}
		at := "Resources/" + id + "/Properties/" + p.name
		if path, ok := code[id]; ok {
			used[id] = true
			if !strings.Contains(path, "://") {
				if abs, err := filepath.Abs(path); err == nil {
					path = abs
				}
			}
			a.note("rewritten", at, "the code is %s", path)
			properties[p.name] = path
			return
		}
		where, _ := properties[p.name].(map[string]any)
		bucket, isText := where["S3Bucket"].(string)
		key, _ := where["S3Key"].(string)
		_, image := where["ImageUri"]
		if !isText && !image {
			return // inline, a path, or computed: what is computed is found out by the deploy
		}
		if isText {
			there, err := has(bucket, key)
			if wrong = errors.Join(wrong, err); there || err != nil {
				return
			}
		}
		missing = append(missing, id)
		a.note("needs", at, "its code, which is not in a bucket here: --code %s=FOLDER, or --code %s=glassine://image", id, id)
	})
	for _, id := range slices.Sorted(maps.Keys(code)) {
		if !used[id] {
			return fmt.Errorf("--code %s: the template has no function or layer of that name", id)
		}
	}
	if wrong != nil || len(missing) == 0 {
		return wrong
	}
	return fmt.Errorf("there is no code for %s: it is in a bucket or registry of the account that the template comes from. Give it: --code %s=FOLDER", strings.Join(missing, ", "), missing[0])
}

var (
	unknownTypes    = regexp.MustCompile(`Unrecognized resource types: \[([^\]]*)\]`)
	unknownProperty = regexp.MustCompile(`Properties validation failed for resource (\S+) with message: #/?(\S*?):? extraneous key \[([^\]]+)\] is not permitted`)
)

// Without leaves out what err, a refusal of the template, says is not known here, and reports whether it was such a refusal.
func (a *Adaptation) Without(err error) bool {
	text := messageOf(err)
	if text == "" || !fault.Is(err, "ValidationError") {
		return false
	}
	if m := unknownTypes.FindStringSubmatch(text); m != nil {
		return a.withoutTypes(strings.Split(m[1], ", "))
	}
	if m := unknownProperty.FindStringSubmatch(text); m != nil {
		return a.withoutProperty(m[1], m[2], m[3])
	}
	return false
}

// withoutTypes takes the resources of types away, and all that refers to them.
func (a *Adaptation) withoutTypes(types []string) bool {
	gone := map[string]bool{}
	a.each(func(id, typeName string, _, _ map[string]any) {
		if slices.Contains(types, typeName) {
			gone[id] = true
			a.note("left out", "Resources/"+id, "%s, which glassine does not have", typeName)
			delete(a.resources(), id)
		}
	})
	if len(gone) == 0 {
		return false
	}
	for _, section := range []string{"Resources", "Outputs"} {
		m, _ := a.value[section].(map[string]any)
		for _, id := range slices.Sorted(maps.Keys(m)) {
			if a.prune(m[id], []string{section, id}, gone) == lost {
				a.note("left out", section+"/"+id, "it is about what is left out")
				delete(m, id)
			}
		}
	}
	return true
}

// fate is what becomes of a value when resources go.
type fate int

const (
	stays fate = iota
	lost       // it refers to what is gone, and so goes too
)

// whole are objects that are nothing without one of their members.
func whole(path []string, m map[string]any) bool {
	last := path[len(path)-1]
	if last == "ViewerCertificate" || last == "Value" || path[0] == "Outputs" {
		return true
	}
	_, statement := m["Effect"]
	_, association := m["EventType"]
	_, origin := m["DomainName"]
	return statement || association || origin && m["Id"] != nil
}

// prune takes what refers to resources that are gone out of v.
func (a *Adaptation) prune(v any, path []string, gone map[string]bool) fate {
	at := func(step string) []string { return append(slices.Clone(path), step) }
	switch x := v.(type) {
	case map[string]any:
		if isFunctionCall(x) {
			if refersTo(x, gone) {
				return lost
			}
			return stays
		}
		for _, name := range slices.Sorted(maps.Keys(x)) {
			if name == "DependsOn" && len(path) == 2 {
				x[name] = withoutNames(x[name], gone)
				continue
			}
			if a.prune(x[name], at(name), gone) == stays {
				continue
			}
			if whole(path, x) {
				return lost
			}
			a.note("left out", strings.Join(at(name), "/"), "it refers to what is left out")
			delete(x, name)
		}
	case []any:
		return a.pruneList(x, path, gone)
	}
	return stays
}

// pruneList puts CloudFormation's own word for nothing in the place of elements that are lost. A list that loses all is lost itself.
func (a *Adaptation) pruneList(list []any, path []string, gone map[string]bool) fate {
	left := len(list)
	for i := range list {
		if a.prune(list[i], append(slices.Clone(path), strconv.Itoa(i)), gone) == lost {
			a.note("left out", strings.Join(path, "/")+"/"+strconv.Itoa(i), "it refers to what is left out")
			list[i] = map[string]any{"Ref": "AWS::NoValue"}
			left--
		}
	}
	if left == 0 && len(list) > 0 {
		return lost
	}
	return stays
}

// withoutNames is DependsOn without what is gone.
func withoutNames(v any, gone map[string]bool) any {
	if name, ok := v.(string); ok && gone[name] {
		return []any{}
	}
	if list, ok := v.([]any); ok {
		return slices.DeleteFunc(list, func(x any) bool { name, _ := x.(string); return gone[name] })
	}
	return v
}

// refersTo reports whether a function call names a resource that is gone, anywhere in it.
func refersTo(v any, gone map[string]bool) bool {
	switch x := v.(type) {
	case map[string]any:
		for name, argument := range x {
			switch name {
			case "Ref":
				id, _ := argument.(string)
				if gone[id] {
					return true
				}
			case "Fn::GetAtt":
				id, _ := argument.(string)
				if list, ok := argument.([]any); ok && len(list) > 0 {
					id, _ = list[0].(string)
				}
				if id, _, _ = strings.Cut(id, "."); gone[id] {
					return true
				}
			case "Fn::Sub":
				text, _ := argument.(string)
				if list, ok := argument.([]any); ok && len(list) > 0 {
					text, _ = list[0].(string)
				}
				for id := range gone {
					if strings.Contains(text, "${"+id+"}") || strings.Contains(text, "${"+id+".") {
						return true
					}
				}
			}
			if refersTo(argument, gone) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(x, func(e any) bool { return refersTo(e, gone) })
	}
	return false
}

// withoutProperty takes one property away. path leads to it, or to the object that holds it.
func (a *Adaptation) withoutProperty(id, path, name string) bool {
	r, _ := a.resources()[id].(map[string]any)
	steps := []string{"Resources", id, "Properties"}
	here := r["Properties"]
	for step := range strings.SplitSeq(path, "/") {
		if step == "" || step == name {
			continue
		}
		steps = append(steps, step)
		switch x := here.(type) {
		case map[string]any:
			here = x[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(x) {
				return false
			}
			here = x[i]
		}
	}
	m, ok := here.(map[string]any)
	if _, there := m[name]; !ok || !there {
		return false
	}
	delete(m, name)
	a.note("left out", strings.Join(append(steps, name), "/"), "a property that glassine does not have")
	return true
}
