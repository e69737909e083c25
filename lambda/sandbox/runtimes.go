package sandbox

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// release is a version of a language as Lambda's runtime names count: of Node the major number, of Python both.
type release struct{ major, minor int }

func (r release) less(o release) bool {
	return r.major < o.major || r.major == o.major && r.minor < o.minor
}

func (r release) String() string {
	switch {
	case r == release{}:
		return ""
	case r.minor == 0:
		return strconv.Itoa(r.major)
	}
	return strconv.Itoa(r.major) + "." + strconv.Itoa(r.minor)
}

// interpreter is what runs a runtime's functions.
type interpreter struct {
	family  string // "node", "python", or "" for a program of the function's own
	path    string // of the interpreter, links resolved
	version release
	full    string // as it says itself, such as 20.20.2
	warning string // that its version is not the one of the runtime's name
	goX     bool   // go1.x: the program is named by the handler
}

// runtimeVersion is a name and an ARN, as INIT_START gives them. The ARN is of AWS's form; its hash is of what the
// interpreter is.
func (r interpreter) runtimeVersion(region string) (name, arn string) {
	name = "provided"
	if r.family != "" {
		name = map[string]string{"node": "nodejs", "python": "python"}[r.family] + ":" + r.version.String() + ".v" + r.full
	}
	sum := sha256.Sum256([]byte(name + "\x00" + r.path))
	return name, "arn:aws:lambda:" + region + "::runtime:" + hex.EncodeToString(sum[:])
}

// interpreters finds the machine's interpreters and remembers their versions. Safe for many goroutines.
type interpreters struct {
	dirs []string

	mu    sync.Mutex             // guards what follows
	known map[string]interpreter // by path
	found map[string]interpreter // by runtime name
}

// SearchDirs lists the directories where interpreters usually are: those of path, a PATH; what the version managers nvm,
// pyenv, fnm and asdf put under home; and the system's. Either may be empty.
func SearchDirs(home, path string) []string {
	dirs := filepath.SplitList(path)
	patterns := []string{"/usr/local/bin", "/usr/bin", "/bin", "/opt/*/bin", "/var/lang/bin"}
	if home != "" {
		patterns = append([]string{
			home + "/.nvm/versions/node/*/bin", home + "/.local/share/fnm/node-versions/*/installation/bin", home + "/.pyenv/versions/*/bin",
			home + "/.asdf/installs/nodejs/*/bin", home + "/.asdf/installs/python/*/bin", home + "/.local/share/uv/python/*/bin",
		}, patterns...)
	}
	for _, p := range patterns {
		matches, _ := filepath.Glob(p) // the patterns are good
		dirs = append(dirs, matches...)
	}
	return dirs
}

var (
	runtimeName = regexp.MustCompile(`^(nodejs|python)([0-9]+)?(?:\.([0-9]+|x))?(?:\.x)?(?:-edge)?$`)
	programName = map[string]*regexp.Regexp{
		"node":   regexp.MustCompile(`^(node|nodejs)[0-9]*$`),
		"python": regexp.MustCompile(`^python3(\.[0-9]+)?$`),
	}
	versionText = regexp.MustCompile(`([0-9]+)\.([0-9]+)[0-9.]*`)
)

// find chooses the interpreter of a runtime name: the named version, or else the next higher one that there is, or else the highest
// lower one, since a template says a version and not what its code needs of it.
func (s *interpreters) find(ctx context.Context, name string) (interpreter, error) {
	switch {
	case strings.HasPrefix(name, "provided"):
		return interpreter{}, nil
	case name == "go1.x":
		return interpreter{goX: true}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r, ok := s.found[name]; ok {
		if _, err := os.Stat(r.path); err == nil {
			return r, nil
		}
	}
	m := runtimeName.FindStringSubmatch(name)
	if m == nil {
		return interpreter{}, fmt.Errorf("%w: %s. nodejs*, python3.*, provided.* and go1.x run here", ErrUnsupportedRuntime, name)
	}
	var want release
	want.major, _ = strconv.Atoi(m[2]) // absent is 0: any
	family := "node"
	if m[1] == "python" {
		family = "python"
		want.minor, _ = strconv.Atoi(m[3])
	}
	var best interpreter
	for _, r := range s.all(ctx, family) {
		if best.path == "" || nearer(r.version, best.version, want) {
			best = r
		}
	}
	if best.path == "" {
		return interpreter{}, s.missing(name, family, want)
	}
	if best.version != want {
		best.warning = fmt.Sprintf("Runtime %s runs on %s %s: this machine has no %s %s.", name, best.name(), best.full, best.name(), want)
	}
	if s.found == nil {
		s.found = map[string]interpreter{}
	}
	s.found[name] = best
	return best, nil
}

func (r interpreter) name() string {
	if r.family == "python" {
		return "Python"
	}
	return "Node.js"
}

// nearer reports whether a does better than b where want is wanted.
func nearer(a, b, want release) bool {
	switch old, older := a.less(want), b.less(want); {
	case old != older:
		return older
	case old:
		return b.less(a)
	default:
		return a.less(b)
	}
}

// missing says what a runtime takes, where it was looked for, and what to do. Whether this is a container's slim image nobody says.
func (s *interpreters) missing(name, family string, want release) error {
	install := map[string]string{"node": "https://nodejs.org/en/download", "python": "the package python3 or https://www.python.org/downloads"}[family]
	var dirs []string
	for _, dir := range s.dirs {
		if !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	searched := "no directory was searched"
	if len(dirs) > 0 {
		searched = "there is none in " + strings.Join(dirs, ", ")
	}
	r := interpreter{family: family}
	return fmt.Errorf("%w for runtime %s: it takes %s, and %s. Install it from %s; in a container, use the image glassine:full, since glassine:slim has no %s",
		ErrNoInterpreter, name, strings.TrimSpace(r.name()+" "+want.String()), searched, install, r.name())
}

// all lists the interpreters of a family, in the order of the directories, each once. The mutex is held.
func (s *interpreters) all(ctx context.Context, family string) []interpreter {
	var out []interpreter
	for _, dir := range s.dirs {
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if !programName[family].MatchString(e.Name()) {
				continue
			}
			path, err := filepath.EvalSymlinks(filepath.Join(dir, e.Name()))
			if err != nil || !filepath.IsAbs(path) || slices.ContainsFunc(out, func(r interpreter) bool { return r.path == path }) {
				continue
			}
			if r, ok := s.ask(ctx, family, path); ok {
				out = append(out, r)
			}
		}
	}
	return out
}

// ask runs an interpreter for its version. What is not a program of the machine's own is a stub of a version manager, which
// would run as another program and take its time: it is passed over.
func (s *interpreters) ask(ctx context.Context, family, path string) (interpreter, bool) {
	if r, ok := s.known[path]; ok {
		return r, r.family != ""
	}
	var r interpreter
	if isProgram(path) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second) // one that hangs is none
		defer cancel()
		cmd := exec.CommandContext(ctx, path, "--version")
		cmd.Env = []string{"PATH=/usr/bin:/bin"}
		out, err := cmd.CombinedOutput()
		m := versionText.FindSubmatch(out)
		if ctx.Err() != nil {
			return interpreter{}, false
		}
		if err == nil && m != nil {
			r = interpreter{family: family, path: path, full: string(m[0])}
			r.version.major, _ = strconv.Atoi(string(m[1]))
			if family == "python" {
				r.version.minor, _ = strconv.Atoi(string(m[2]))
			}
		}
	}
	if s.known == nil {
		s.known = map[string]interpreter{}
	}
	s.known[path] = r
	return r, r.family != ""
}

// isProgram looks for the beginning of an ELF or Mach-O file.
func isProgram(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var magic [4]byte
	if _, err := f.Read(magic[:]); err != nil {
		return false
	}
	return bytes.Equal(magic[:], []byte("\x7fELF")) || bytes.Equal(magic[:3], []byte{0xcf, 0xfa, 0xed}) || bytes.Equal(magic[:3], []byte{0xca, 0xfe, 0xba})
}
