package client

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Template is a template that was read, JSON or YAML. It is immutable.
type Template struct {
	// File is where it was read; "" when it came as text. Local code is found from its folder.
	File string
	// Text is the template as it was written.
	Text string

	root *node
}

// Files are the names under which a template is looked for in a folder, the first first.
var Files = []string{"stack.yaml", "stack.yml", "template.yaml", "template.yml", "stack.json", "template.json"}

// maxTemplate bounds what is read of a template's file. CloudFormation User Guide, "Understand CloudFormation quotas": 1 MB in a bucket.
const maxTemplate = 1_000_000

// ReadTemplate reads a template's file.
func ReadTemplate(file string) (*Template, error) {
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxTemplate {
		return nil, fmt.Errorf("%s: a template has at most %d bytes", file, maxTemplate)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return ParseTemplate(file, string(text))
}

// ParseTemplate reads a template's text. file is told in errors, and local code is found from its folder.
func ParseTemplate(file, text string) (*Template, error) {
	if !utf8.ValidString(text) {
		return nil, fmt.Errorf("%s: it is not UTF-8", file)
	}
	root, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if root.get("Resources") == nil {
		return nil, fmt.Errorf("%s: it is no CloudFormation template: it has no Resources", file)
	}
	return &Template{File: file, Text: text, root: root}, nil
}

// Value returns the template in the types of encoding/json, numbers as json.Number, short forms of functions as long ones.
func (t *Template) Value() map[string]any {
	return t.root.plain().(map[string]any) // parse lets nothing else through
}

// parameters are the names of the parameters that the template has.
func (t *Template) parameters() []string {
	var out []string
	if p := t.root.get("Parameters"); p != nil {
		for _, f := range p.fields {
			out = append(out, f.name)
		}
	}
	return out
}

// resources are the resources with their types, in the order of the text; what a macro has still to make is left out.
func (t *Template) resources() iter.Seq2[string, *node] {
	return func(yield func(string, *node) bool) {
		for _, f := range t.root.get("Resources").fields {
			if _, ok := f.value.get("Type").text(); ok && !yield(f.name, f.value) {
				return
			}
		}
	}
}

// kept reports whether a resource stays when its stack is deleted, or may: its DeletionPolicy is another than Delete.
func (t *Template) kept(logicalID string) bool {
	for id, r := range t.resources() {
		if id == logicalID {
			policy := r.get("DeletionPolicy")
			text, ok := policy.text()
			return policy != nil && (!ok || text != "Delete")
		}
	}
	return true // made by a macro: nobody knows
}

// codeForm is how a property says where its code is.
type codeForm int

const (
	bucketAndKey codeForm = iota // {"S3Bucket": ..., "S3Key": ...}
	s3URI                        // s3://bucket/key
	templateURL                  // the URL of a nested template
)

// localProperties are the properties in which a template may name what is on this machine. AWS CLI Command Reference,
// "cloudformation package".
var localProperties = map[string]struct {
	name string
	form codeForm
}{
	"AWS::Lambda::Function":         {"Code", bucketAndKey},
	"AWS::Lambda::LayerVersion":     {"Content", bucketAndKey},
	"AWS::Serverless::Function":     {"CodeUri", s3URI},
	"AWS::Serverless::LayerVersion": {"ContentUri", s3URI},
	"AWS::CloudFormation::Stack":    {"TemplateURL", templateURL},
}

// localCode is a path in a template.
type localCode struct {
	resource, property, path string
	form                     codeForm
	at                       *node
}

// local returns what the template names on this machine.
func (t *Template) local() []localCode {
	var out []localCode
	for id, r := range t.resources() {
		typeName, _ := r.get("Type").text()
		p, ok := localProperties[typeName]
		if !ok {
			continue
		}
		at := r.get("Properties").get(p.name)
		path, ok := at.text()
		if !ok || path == "" || strings.Contains(path, "://") { // a URL, or glassine://image
			continue
		}
		out = append(out, localCode{id, p.name, path, p.form, at})
	}
	return out
}

// Packaged returns the template's text with what it names on this machine put into the staging area, and the rest as it was,
// comments too. A template without such paths is returned unchanged.
func (t *Template) packaged(ctx context.Context, s *staging) (string, error) {
	type edit struct {
		start, end int
		text       string
	}
	var edits []edit
	for _, l := range t.local() {
		value, err := t.place(ctx, s, l)
		if err != nil {
			return "", fmt.Errorf("%s: %s of %s: %w", t.File, l.property, l.resource, err)
		}
		if l.at.end == 0 {
			return "", fmt.Errorf("%s: %s of %s: write the path on one line, with nothing escaped in it", t.File, l.property, l.resource)
		}
		text, err := json.Marshal(value)
		if err != nil {
			return "", err
		}
		edits = append(edits, edit{l.at.start, l.at.end, strings.ReplaceAll(string(text), `":"`, `": "`)}) // JSON in flow style is YAML too
	}
	slices.SortFunc(edits, func(a, b edit) int { return b.start - a.start })
	out := t.Text
	for _, e := range edits {
		out = out[:e.start] + e.text + out[e.end:]
	}
	return out, nil
}

// place brings what a path names into the staging area and returns what the template says in the path's place.
func (t *Template) place(ctx context.Context, s *staging, l localCode) (any, error) {
	path := l.path
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(t.File), filepath.FromSlash(path))
	}
	if l.form == templateURL {
		return s.nested(ctx, path)
	}
	key, err := s.code(ctx, l.resource, path)
	if err != nil {
		return nil, err
	}
	if l.form == s3URI {
		return "s3://" + s.bucket + "/" + key, nil
	}
	return map[string]string{"S3Bucket": s.bucket, "S3Key": key}, nil
}

func keys[M ~map[string]V, V any](m M) iter.Seq[string] { return maps.Keys(m) }

func firstRune(s string) (rune, int) { return utf8.DecodeRuneInString(s) }
