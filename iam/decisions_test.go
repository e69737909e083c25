package iam

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"glassine/aws/fault"
)

// fewestDecisions is how many the files of testdata/decisions hold at least.
const fewestDecisions = 200

// The files of testdata/decisions are txtar archives. A file begins with the pages that it rests on. Then come policies, in
// sections named by their kind (identity, boundary, session, resource, trust), and a section of decisions about them, or
// one with the message with which the last of them is refused; both end the policies before. A decision is a line:
//
//	who  action  resource,resource  key=value|value ...  => verdict  # reason
//
// "-" is no resource or no key. The key owner is the account of the resource. GLASSINE_SAMPLES names a folder with more.
func TestDecisions(t *testing.T) {
	pattern := []string{"testdata/decisions/*.txtar"}
	if dir := os.Getenv("GLASSINE_SAMPLES"); dir != "" {
		pattern = append(pattern, filepath.Join(dir, "decisions", "*.txtar"))
	}
	n := 0
	for _, p := range pattern {
		files, err := filepath.Glob(p)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(filepath.Base(file), func(t *testing.T) { n += decideFile(t, text) })
		}
	}
	if n < fewestDecisions {
		t.Errorf("%d decisions, want at least %d", n, fewestDecisions)
	}
	t.Logf("%d decisions", n)
}

// section is a file of a txtar archive, with the line of the archive that it begins behind.
type section struct {
	name, text string
	line       int
}

// sections splits a txtar archive. golang.org/x/tools/txtar is not worth a dependency here.
func sections(archive []byte) (out []section) {
	for i, line := range bytes.SplitAfter(archive, []byte("\n")) {
		if name, ok := strings.CutPrefix(string(line), "-- "); ok && strings.HasSuffix(name, " --\n") {
			out = append(out, section{name: strings.TrimSuffix(name, " --\n"), line: i + 1})
		} else if len(out) > 0 {
			out[len(out)-1].text += string(line)
		}
	}
	return out
}

func decideFile(t *testing.T, archive []byte) (n int) {
	kinds := map[string]PolicyKind{"identity": IdentityPolicy, "boundary": IdentityPolicy, "session": IdentityPolicy, "resource": ResourcePolicy, "trust": TrustPolicy}
	var p Policies
	var refused error
	for _, s := range sections(archive) {
		switch s.name {
		case "decisions":
			if refused != nil {
				t.Errorf("before line %d: %v", s.line, refused)
			}
			for i, line := range strings.Split(s.text, "\n") {
				if line != "" {
					n++
					decideLine(t, s.line+i+1, line, p)
				}
			}
			p, refused = Policies{}, nil
			continue
		case "refused":
			if want := strings.TrimSpace(s.text); !fault.Is(refused, "MalformedPolicyDocument") || !strings.HasSuffix(refused.Error(), want) {
				t.Errorf("line %d: Parse gave %v, want %s", s.line, refused, want)
			}
			p, refused = Policies{}, nil
			continue
		}
		kind := kinds[s.name]
		if kind == 0 {
			t.Fatalf("line %d: no section is named %q", s.line, s.name)
		}
		policy, err := Parse([]byte(strings.TrimSpace(s.text)), kind)
		if err != nil {
			refused = err
			continue
		}
		switch s.name {
		case "identity":
			p.Identity = append(p.Identity, policy)
		case "boundary":
			p.Boundary = policy
		case "session":
			p.Session = append(p.Session, policy)
		default:
			p.Resource = append(p.Resource, policy)
		}
	}
	return n
}

func decideLine(t *testing.T, number int, line string, p Policies) {
	t.Helper()
	asked, rest, ok := strings.Cut(line, " => ")
	verdict, reason, ok2 := strings.Cut(rest, " # ")
	f := strings.Fields(asked)
	if !ok || !ok2 || len(f) < 4 {
		t.Fatalf("line %d is no decision: %s", number, line)
	}
	r := Request{Principal: principalOf(t, f[0]), Action: f[1], Context: Context{}}
	if f[2] != "-" {
		r.Resources = strings.Split(f[2], ",")
	}
	for _, pair := range f[3:] {
		key, value, _ := strings.Cut(pair, "=")
		switch key {
		case "-":
		case "owner":
			r.ResourceAccount = value
		default:
			r.Context[key] = strings.Split(value, "|")
		}
	}
	d := Decide(r, p)
	got := "implicit"
	if d.Allowed {
		got = "allowed"
	} else if d.Explicit {
		got = "explicit"
	}
	by := map[PolicyKind]string{0: "root", IdentityPolicy: "identity", ResourcePolicy: "resource", TrustPolicy: "trust", BoundaryPolicy: "boundary", SessionPolicy: "session"}
	if got += " " + by[d.By]; got != strings.TrimSpace(verdict) {
		t.Errorf("line %d: %s\ngot %s, want %s: %s", number, asked, got, verdict, reason)
	}
	// Whatever the case: a Deny more never allows, an Allow less never allows.
	for _, q := range restricted(t, p) {
		if !d.Allowed && Decide(r, q).Allowed {
			t.Errorf("line %d: %s\nis allowed by a restriction", number, asked)
		}
	}
	if tr := trace(r, p); tr.Decision != d {
		t.Errorf("line %d: traced %+v, decided %+v", number, tr.Decision, d)
	}
}

// restricted are the policies with one restriction more.
func restricted(t *testing.T, p Policies) []Policies {
	t.Helper()
	deny, without, bounded := p, p, p
	deny.Identity = append(p.Identity[:len(p.Identity):len(p.Identity)], mustParse(t, IdentityPolicy, denyIdentity))
	if len(p.Identity) > 0 && !slices.ContainsFunc(p.Identity[0].Statements(), func(s Statement) bool { return s.Effect == Deny }) {
		without.Identity = p.Identity[1:]
	}
	if p.Boundary == nil {
		bounded.Boundary = mustParse(t, IdentityPolicy, allowOther)
	}
	bounded.Session = append(p.Session[:len(p.Session):len(p.Session)], mustParse(t, IdentityPolicy, denyIdentity))
	return []Policies{deny, without, bounded}
}

func principalOf(t *testing.T, who string) Principal {
	t.Helper()
	kind, name, _ := strings.Cut(who, ":")
	switch kind {
	case "root":
		return testRoot
	case "user":
		return testUser
	case "session":
		if name == "" {
			name = "one"
		}
		return sessionOf("arn:aws:iam::"+account+":role/d/worker", name)
	case "service":
		return Principal{Kind: ServicePrincipal, Service: name}
	case "other":
		return Principal{Kind: User, Account: "444455556666", ARN: "arn:aws:iam::444455556666:user/carl", ID: "AIDAZZZZZZZZZZZZZZZZZ", Name: "carl"}
	case "anonymous":
		return Principal{}
	}
	t.Fatalf("nobody is called %q", who)
	return Principal{}
}
