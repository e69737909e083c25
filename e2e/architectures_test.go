package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// architectures are those that there are packages and images for. (deploy/README.md.)
var architectures = []string{"amd64", "arm64"}

// The program is valid Go for each architecture, not only for the one that these tests run on. To compile it for another takes minutes
// on a new machine, and what a compiler can refuse is told by types, of sources, in seconds; TestOtherArchitecture compiles and runs it.
func TestTypesOnOtherArchitectures(t *testing.T) {
	t.Parallel()
	for _, arch := range architectures {
		if arch == runtime.GOARCH {
			continue
		}
		began := time.Now()
		c := newTypeChecker(arch)
		if err := c.all("./..."); err != nil {
			t.Fatalf("%s: %v", arch, err)
		}
		for _, err := range c.errs {
			t.Errorf("%s: %v", arch, err)
		}
		t.Logf("%s: %d packages, of which %d are ours, in %s", arch, len(c.packages), c.ours, time.Since(began).Round(10*time.Millisecond))
		// linux/audit.h: the machine's number in ELF, 64 bits wide, the lowest byte first.
		want := map[string]int64{"amd64": 62 | 0xc0000000, "arm64": 183 | 0xc0000000}[arch]
		auditArch, ok := c.packages["glassine/confine"].Scope().Lookup("auditArch").(*types.Const)
		if !ok {
			t.Fatalf("%s: confine has no auditArch", arch)
		}
		if got, ok := constant.Int64Val(auditArch.Val()); !ok || got != want {
			t.Errorf("%s: sandboxes are for the architecture %#x, want %#x", arch, got, want)
		}
	}
}

// The check is worth something: it finds what one architecture lacks.
func TestTypesOnOtherArchitecturesFindsWhatIsMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":        "module example\n\ngo 1.26\n",
		"main.go":       "package main\n\nfunc main() { println(word) }\n",
		"word_amd64.go": "package main\n\nconst word = 64\n",
		"word_arm64.go": "package main\n\nconst word = \"\" + 1\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, arch := range architectures {
		c := newTypeChecker(arch)
		c.dir = dir
		if err := c.all("."); err != nil {
			t.Fatal(err)
		}
		if (len(c.errs) > 0) != (arch == "arm64") {
			t.Errorf("%s: %v", arch, c.errs)
		}
	}
}

// typeChecker checks packages and what they import, from their sources; of other modules' functions it does not read the bodies.
type typeChecker struct {
	arch, dir string
	files     *token.FileSet
	packages  map[string]*types.Package
	ours      int
	errs      []error
}

func newTypeChecker(arch string) *typeChecker {
	return &typeChecker{arch: arch, dir: "..", files: token.NewFileSet(), packages: map[string]*types.Package{"unsafe": types.Unsafe}}
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Dir string
	GoFiles         []string
	ImportMap       map[string]string
	Module          *struct{ Main bool }
	Error           *struct{ Err string }
}

// all checks the packages that match, each after those that it imports, as go list names them.
func (c *typeChecker) all(pattern string) error {
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,Dir,GoFiles,ImportMap,Module,Error", pattern)
	cmd.Dir, cmd.Env = c.dir, append(os.Environ(), "GOOS=linux", "GOARCH="+c.arch, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = cmd.Wait() }() // what it lacks is told for each package
	for d := json.NewDecoder(out); ; {
		var l listed
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := c.check(l); err != nil {
			return err
		}
	}
}

func (c *typeChecker) check(l listed) error {
	if l.ImportPath == "unsafe" {
		return nil
	}
	ours := l.Module != nil && l.Module.Main
	if ours {
		c.ours++
		if l.Error != nil && len(l.GoFiles) > 0 {
			c.errs = append(c.errs, errors.New(l.Error.Err))
		}
	}
	var files []*ast.File
	for _, name := range l.GoFiles {
		f, err := parser.ParseFile(c.files, filepath.Join(l.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	config := types.Config{
		IgnoreFuncBodies: !ours, FakeImportC: true, Sizes: types.SizesFor("gc", c.arch), Importer: imports{c, l.ImportMap},
		Error: func(err error) {
			if ours {
				c.errs = append(c.errs, err)
			}
		},
	}
	p, err := config.Check(l.ImportPath, c.files, files, nil)
	if err != nil && p == nil {
		return err
	}
	c.packages[l.ImportPath] = p
	return nil
}

// imports finds a package that was checked, by the name that it has in one that imports it.
type imports struct {
	c    *typeChecker
	real map[string]string // of names that lead elsewhere, such as to the standard library's own copies
}

func (i imports) Import(path string) (*types.Package, error) {
	if real, ok := i.real[path]; ok {
		path = real
	}
	p, ok := i.c.packages[path]
	if !ok {
		return nil, fmt.Errorf("%s is not there for %s", path, i.c.arch)
	}
	return p, nil
}

// The program of another architecture than this machine's, as packages and images have it, is compiled, examined and run by qemu: it
// serves a clean photograph. qemu's emulation of a user's programs knows no namespaces, Landlock or seccomp, and cannot run a program anew,
// so sandboxes and the workers that make pictures do not start; the filters are interpreted, and libvips is called in one process.
func TestOtherArchitecture(t *testing.T) {
	if os.Getenv("GLASSINE_EVERY_ARCH") == "" {
		t.Skip("GLASSINE_EVERY_ARCH=1 compiles everything for the other architecture and runs it by qemu, which takes minutes")
	}
	arch, cpu := "arm64", "aarch64"
	if runtime.GOARCH == arch {
		arch, cpu = "amd64", "x86_64"
	}
	qemu, err := exec.LookPath("qemu-" + cpu + "-static")
	if err != nil {
		t.Fatal("qemu is missing: apt install qemu-user-static")
	}
	dir, work := packagedTree(t), t.TempDir()
	program, image, all, deb := filepath.Join(dir, "bin", arch, "glassine"), filepath.Join(work, "slim.tar"), filepath.Join(work, "all.tar"), filepath.Join(work, "glassine.deb")
	sh(t, "..", `export GOARCH="$1" CGO_ENABLED=0; sh transform/pixel/library/fetch.sh "$1"; go build -trimpath -buildvcs=false -o "$2" ./cmd/glassine; go vet -trimpath ./...`, arch, program)
	sh(t, dir, `sh deploy/deb/build.sh "$1" "$2"; test "$(dpkg-deb -f "$1" Architecture)" = "$2"`, deb, arch)
	sh(t, dir, `sh deploy/image/build.sh slim "$1" "$2"; sh deploy/image/build.sh slim "$3" all`, image, arch, all)
	for _, one := range architectures {
		if out := sh(t, work, `skopeo --override-arch "$2" inspect "oci-archive:$1"`, all, one); !strings.Contains(out, `"Architecture": "`+one+`"`) {
			t.Errorf("the image for %s in the index: %s", one, out)
		}
	}
	root, config := unpackImage(t, image)
	if config["architecture"] != arch {
		t.Errorf("the image is for %v, want %s", config["architecture"], arch)
	}
	sh(t, "..", `export GOARCH="$1" CGO_ENABLED=0; go test -trimpath -exec "$2 -L $3" -run ^TestFilter ./confine; go test -trimpath -exec "$2 -L $3" ./transform/pixel/vips`, arch, qemu, root)
	p, lines := serveBy(t, exec.Command(qemu, append([]string{"-L", root, filepath.Join(root, "usr/bin/glassine")}, append(upAnywhere, "--data", filepath.Join(work, "data"))...)...))
	if !strings.Contains(lines.String(), "Functions:     isolated at level process") {
		t.Errorf("it says of functions: %s", isolation.FindString(lines.String()))
	}
	a := do(t, p.viewers()[1], request(t, http.MethodGet, "https://localhost/sample.jpg", nil))
	if left := tags(t, writeTemp(t, "clean.jpg", a.body)); a.StatusCode != http.StatusOK || left["IFD0:Make"] != nil || left["GPS:GPSLatitude"] != nil {
		t.Errorf("the photograph: %s, metadata left: %v", a.Status, left)
	}
}
