package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"glassine"
)

// The lists of versitygw's cases. Each of its suite's S3 cases is in one of them.
const (
	vgwPassing = "versitygw/passing.txt"      // pass
	vgwTexts   = "versitygw/texts-only.txt"   // pass but for the texts of errors that versitygw/texts.txt names
	vgwLeftOut = "versitygw/left-out.txt"     // are not to pass, each with the class of its reason
	vgwReasons = "../docs/aws-differences.md" // explains the classes
)

// vgwIAM names the cases for versitygw's own IAM service, a program of its own and no part of the gateway.
var vgwIAM = regexp.MustCompile(`^(IAM[A-Z]|S3IAM)`)

// TestVersitygwSuite runs the integration suite of the versitygw S3 gateway. The list of what passes only grows: what is on
// it must pass, what is not on it must fail, and a case that is new in the suite must be put on a list.
func TestVersitygwSuite(t *testing.T) {
	t.Parallel()
	runner := filepath.Join(t.TempDir(), "versitygw")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", runner, ".")
	build.Dir = "versitygw"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	passing, texts, leftOut := vgwNames(t, vgwPassing), vgwNames(t, vgwTexts), vgwNames(t, vgwLeftOut)
	checkLists(t, runner, passing, texts, leftOut)
	t.Run("as it is", func(t *testing.T) {
		failed := runSuite(t, runner, slices.Concat(passing, leftOut))
		for _, name := range passing {
			if text, ok := failed[name]; ok {
				t.Errorf("%s fails: %s", name, text)
			}
		}
		for _, name := range leftOut {
			if _, ok := failed[name]; !ok {
				t.Errorf("%s passes: move it from %s to %s", name, vgwLeftOut, vgwPassing)
			}
		}
	})
	t.Run("in its own words", func(t *testing.T) {
		table, err := filepath.Abs("versitygw/texts.txt")
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range runSuite(t, runner, texts, "-texts", table) {
			t.Errorf("%s fails: %s", name, text)
		}
	})
}

// vgwNames reads a list: a line begins with a case's name.
func vgwNames(t *testing.T, path string) (names []string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		names = append(names, strings.Fields(line)[0])
	}
	if !slices.IsSorted(names) {
		t.Errorf("%s is not sorted", path)
	}
	return names
}

// checkLists compares the lists with the suite, and the classes of what is left out with their explanations.
func checkLists(t *testing.T, runner string, lists ...[]string) {
	t.Helper()
	out, _, err := command(t, os.Environ(), runner, "-list")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]int{}
	for _, name := range slices.Concat(lists...) {
		listed[name]++
	}
	for _, name := range strings.Fields(out) {
		if n := listed[name]; n != 1 && !vgwIAM.MatchString(name) {
			t.Errorf("%s is on %d lists, want 1", name, n)
		}
		delete(listed, name)
	}
	for name := range listed {
		t.Errorf("%s is on a list and not in the suite", name)
	}
	left, err := os.ReadFile(vgwLeftOut)
	if err != nil {
		t.Fatal(err)
	}
	reasons, err := os.ReadFile(vgwReasons)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(left)) {
		if f := strings.Fields(line); len(f) != 2 || !bytes.Contains(reasons, []byte("`"+f[1]+"`")) {
			t.Errorf("%q has no class that %s explains", strings.TrimSpace(line), vgwReasons)
		}
	}
}

// runSuite runs cases against a system of their own and returns those that failed, with the text.
func runSuite(t *testing.T, runner string, names []string, flags ...string) map[string]string {
	t.Helper()
	s := start(t, func(c *glassine.Config) { c.Demo = false })
	root := s.root(t)
	cmd := exec.CommandContext(t.Context(), runner, flags...)
	cmd.Dir = t.TempDir()
	cmd.Stdin = strings.NewReader(strings.Join(names, "\n"))
	cmd.Env = append(without(os.Environ(), "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "AWS_CA_BUNDLE", "AWS_PROFILE", "AWS_SESSION_TOKEN"),
		"AWS_ENDPOINT_URL=http://"+s.Addresses().AWS, "AWS_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID="+root.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+root.SecretAccessKey)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output() // status 1 says that a case failed, and is no surprise
	passed, failed := map[string]bool{}, map[string]string{}
	for line := range strings.Lines(string(out)) {
		verdict, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch name, text, _ := strings.Cut(rest, ": "); verdict {
		case "PASS":
			passed[name] = true
		case "FAIL":
			failed[name] = text
		}
	}
	for _, name := range names {
		if _, ok := failed[name]; !ok && !passed[name] {
			t.Fatalf("the runner says nothing of %s: %v\n%s", name, err, errOut.String())
		}
	}
	return failed
}
