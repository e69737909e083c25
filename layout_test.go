package glassine

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The import direction of the house (docs/architecture.md): a package imports only from groups above its own. Packages of
// one group do not import each other, except where peers says so. A package that is not listed may import nothing of the
// project, so a new one is put in its place here first.
var groups = [][]string{
	{"aws/fault", "packed", "lockfile"},
	{"aws/arn", "aws/sigv4", "edge/cache", "edge/http1", "edge/http2", "edge/rfc9111", "edge/rfc9111/cachetest", "edge/compress", "edge/geo", "edge/script", "edge/signedurl", "edge/tlspolicy", "edge/certdir", "edge/http3", "edge/acme", "edge/acme/acmetest", "state", "store", "confine", "settings", "transform/metadata", "transform/sample", "docs/guide", "backup", "initscript"},
	{"aws/wire", "iam", "telemetry", "lambda/sandbox", "lambda/runner", "transform/pixel/vips", "transform/pixel/library", "store/storetest", "state/statetest"},
	{"store/disk", "store/memory", "store/remote", "store/directory", "store/route", "transform/pixel/render"},
	{"transform/pixel"},
	{"transform", "s3", "lambda", "logs", "ssm"},
	{"objectlambda", "edge"},
	{"cloudformation"},
	{"cloudformation/provider"},
	{"aws/s3api", "aws/s3controlapi", "aws/lambdaapi", "aws/iamapi", "aws/stsapi", "aws/cloudfrontapi", "aws/cloudformationapi", "aws/logsapi", "aws/ssmapi", "aws/cloudtrailapi", "aws/backupapi", "aws/resetapi", "aws/byname"},
	{"console/client", "cloudformation/client"},
	{"console"},
	{"."},
	{"cmd/glassine"},
}

// narrow lists the packages that may import less than their group allows.
var narrow = map[string][]string{
	"console":        {"aws/arn", "aws/sigv4", "aws/fault", "aws/wire", "telemetry", "console/client", "cloudformation/client", "docs/guide"},
	"docs/guide":     {},
	"console/client": {"aws/sigv4", "telemetry"},

	"cloudformation/client": {"aws/fault", "aws/wire"},

	"edge/cache":             {"aws/fault", "packed", "lockfile"},
	"edge/http1":             {},
	"edge/http2":             {},
	"edge/rfc9111":           {"packed"},
	"edge/compress":          {},
	"edge/rfc9111/cachetest": {},
	"edge/geo":               {},
	"edge/script":            {},
	"edge/signedurl":         {},
	"edge/tlspolicy":         {},
	"edge/certdir":           {},
	"edge/http3":             {},
	"edge/acme":              {},
	"edge/acme/acmetest":     {},
	"store":                  {},
	"state":                  {},
	"confine":                {},
	"settings":               {},
	"backup":                 {"lockfile"},
	"transform/metadata":     {},
	"transform/sample":       {},
}

// fences keep a package of the standard library, or a module, to a few folders.
var fences = map[string][]string{
	"encoding/xml":                 {"aws", "console/client", "cloudformation/client", "store/remote", "transform/metadata"},
	"unsafe":                       {"confine", "transform/pixel"},
	"github.com/ebitengine/purego": {"transform/pixel"},
	"C":                            {},

	"github.com/quic-go/quic-go":       {"edge/http3", "e2e"},
	"github.com/quic-go/quic-go/http3": {"edge/http3", "e2e"},
	"github.com/caddyserver/certmagic": {"edge/acme"},

	"github.com/yuin/goldmark":           {"console"},
	"github.com/yuin/goldmark/ast":       {"console"},
	"github.com/yuin/goldmark/extension": {"console"},
	"github.com/yuin/goldmark/parser":    {"console"},
	"github.com/yuin/goldmark/text":      {"console"},
}

// anywhere are folders of tests, programs and examples, which stand on the finished system and which nothing imports.
var anywhere = []string{"e2e", "bench", "examples"}

func TestImportDirection(t *testing.T) {
	violations, err := layoutViolations(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		t.Error(v)
	}
}

// A test that cannot fail is worth nothing: plant what is forbidden and see that it is found.
func TestImportDirectionFindsPlantedImports(t *testing.T) {
	for _, c := range []struct{ name, file, source, want string }{
		{"upward import", "store/bad.go", "package store\nimport _ \"glassine/s3\"", "store/bad.go: store must not import s3"},
		{"upward import under a build tag", "iam/bad.go", "//go:build windows\n\npackage iam\nimport _ \"glassine/lambda\"", "iam/bad.go: iam must not import lambda"},
		{"import of a peer", "s3/bad.go", "package s3\nimport _ \"glassine/lambda\"", "s3/bad.go: s3 must not import lambda"},
		{"console reaching around the wire", "console/bad.go", "package console\nimport _ \"glassine/s3\"", "console/bad.go: console must not import s3"},
		{"encoding/xml outside aws", "edge/bad.go", "package edge\nimport _ \"encoding/xml\"", "edge/bad.go: encoding/xml is fenced to aws, console/client, cloudformation/client, store/remote, transform/metadata"},
		{"unsafe", "s3/unsafe.go", "package s3\nimport _ \"unsafe\"", "s3/unsafe.go: unsafe is fenced to confine, transform/pixel"},
		{"cgo", "edge/cgo.go", "package edge\nimport \"C\"", "edge/cgo.go: C is fenced to nowhere"},
		{"what only tests may import", "s3/cli.go", "package s3\nimport _ \"glassine/aws/awscli\"", "s3/cli.go: s3 must not import aws/awscli"},
		{"a folder that has no place", "helpers/x.go", "package helpers\nimport _ \"glassine/s3\"", "helpers/x.go: helpers has no place in the layout"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, filepath.FromSlash(c.file))
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(c.source), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := layoutViolations(dir)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, []string{c.want}) {
				t.Errorf("violations = %q, want %q", got, c.want)
			}
		})
	}
}

// layoutViolations parses every Go file under root, whatever its build tags, and says what breaks the layout.
func layoutViolations(root string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			if d.Name() == "node_modules" || d.Name() == "testdata" || rel != "." && strings.HasPrefix(d.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range f.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if v := violation(path.Dir(rel), imported, strings.HasSuffix(rel, "_test.go")); v != "" {
				out = append(out, rel+": "+v)
			}
		}
		return nil
	})
	return out, err
}

// violation says what is wrong with an import, or "". Tests may use any peer or a group below, to stand on; the fences hold
// for them too, except that they may read XML.
func violation(from, imported string, test bool) string {
	if allowed, ok := fences[imported]; ok && !within(from, allowed) && !(test && imported == "encoding/xml") {
		where := strings.Join(allowed, ", ")
		if where == "" {
			where = "nowhere"
		}
		return imported + " is fenced to " + where
	}
	to, ours := strings.CutPrefix(imported, "glassine/")
	if imported == "glassine" {
		to, ours = ".", true
	}
	if !ours || within(from, anywhere) || test {
		return ""
	}
	above, place := group(from), group(to)
	switch {
	case above < 0:
		return from + " has no place in the layout"
	case place < 0 || place >= above:
		return from + " must not import " + to
	}
	if only, ok := narrow[from]; ok && !slices.Contains(only, to) {
		return from + " must not import " + to
	}
	return ""
}

func group(pkg string) int {
	return slices.IndexFunc(groups, func(g []string) bool { return slices.Contains(g, pkg) })
}

func within(dir string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return dir == f || strings.HasPrefix(dir, f+"/") })
}
