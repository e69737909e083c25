package e2e

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glassine/console"
	"glassine/iam"
	"glassine/transform/sample"
)

// TestConsole drives a browser through the web console: the newcomer's way from a dropped photograph to a hit, the set-up in
// eight steps, logins and refusals, hostile objects and other sites, and every page for accessibility in both colour schemes.
// Screenshots are kept in bin/console.
func TestConsole(t *testing.T) {
	t.Parallel()
	chromium := tool(t, "chromium")
	for _, name := range []string{"playwright-core", "axe-core"} {
		if _, err := os.Stat(filepath.Join("node", "node_modules", name)); err != nil {
			t.Fatalf("%s is missing: run make deps", name)
		}
	}
	s := start(t)
	root := s.IAM.Root()
	if _, err := s.IAM.CreateUser(t.Context(), root, iam.NewUser{Name: "nobody"}); err != nil {
		t.Fatal(err)
	}
	nobody, _, err := s.IAM.CreateAccessKey(t.Context(), root, "nobody")
	if err != nil {
		t.Fatal(err)
	}
	distributions, err := s.Edge.ListDistributions(t.Context(), root)
	if err != nil || len(distributions) != 1 {
		t.Fatalf("distributions = %v, %v; want the demo's", distributions, err)
	}
	s.putHostile(t)
	dir := t.TempDir()
	photo, pdf := filepath.Join(dir, "IMG_20260331_143022.jpg"), filepath.Join(dir, "paper.pdf")
	if err := os.WriteFile(photo, sample.JPEG, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pdf, []byte("%PDF-1.4\n%%EOF\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(dir, "hello.zip")
	writeArchive(t, archive, map[string]string{"index.js": "exports.handler = async () => require('./lib/more.js');\n", "lib/more.js": "module.exports = 42;\n"})
	pages, err := json.Marshal(console.Pages())
	if err != nil {
		t.Fatal(err)
	}
	screens, err := filepath.Abs(filepath.Join("..", "bin", "console"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(screens, 0o755); err != nil {
		t.Fatal(err)
	}
	link, err := s.ConsoleLink()
	if err != nil {
		t.Fatal(err)
	}
	key := s.root(t)
	_, port, _ := net.SplitHostPort(s.Addresses().HTTPS)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, tool(t, "node"), "console.mjs")
	cmd.Dir = "node"
	cmd.Env = append(os.Environ(), "CHROMIUM="+chromium, "CONSOLE=http://"+s.Addresses().Admin, "LINKS="+link, "KEY="+key.AccessKeyID+" "+key.SecretAccessKey,
		"BUCKET="+bucket, "PHOTO="+photo, "PDF="+pdf, "SCREENS="+screens, "NOBODY="+nobody.AccessKeyID+" "+nobody.SecretAccessKey, "DISTRIBUTION="+distributions[0].ID,
		"VIEWER=https://localhost:"+port, "ZIP="+archive, "PAGES="+string(pages), "HOME="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	checks := 0
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.HasPrefix(line, "ok - "):
			checks++
		case strings.HasPrefix(line, "not ok - "):
			t.Error(line)
		default:
			t.Log(line)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("console.mjs: %v", err)
	}
	if checks < 350 { // 35 pages in two schemes and three widths alone are 280
		t.Errorf("only %d checks held", checks)
	}
	t.Logf("%d checks held", checks)
}

// writeArchive writes a function's archive.
func writeArchive(t *testing.T, path string, files map[string]string) {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range files {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}

// putHostile stores what would act in the console's name if it could.
func (s *system) putHostile(t *testing.T) {
	t.Helper()
	const act = `fetch('/pwned')`
	for key, o := range map[string]struct{ contentType, body string }{
		"evil.html": {"text/html", `<!doctype html><script>` + act + `</script>`},
		"evil.svg":  {"image/svg+xml", `<svg xmlns="http://www.w3.org/2000/svg" onload="` + act + `" width="9" height="9"><script>` + act + `</script><rect width="9" height="9"/></svg>`},
		// A key that would end an attribute, if it were not escaped.
		"%22%3E%3Cimg%20src=x%20onerror=" + `fetch%28%27%2Fpwned%27%29%3E.txt`: {"text/plain", "x"},
	} {
		a := s.signed(t, s.root(t), "s3", http.MethodPut, "https://"+bucketHost+"/"+key, []byte(o.body), nil)
		if a.StatusCode != http.StatusOK {
			t.Fatalf("PUT %s = %s: %s", key, a.Status, a.body)
		}
		// The type and the metadata come with a copy, since they are to be signed.
		req := request(t, http.MethodPut, "https://"+bucketHost+"/"+key, nil)
		req.Header.Set("X-Amz-Copy-Source", "/"+bucket+"/"+key)
		req.Header.Set("X-Amz-Metadata-Directive", "REPLACE")
		req.Header.Set("Content-Type", o.contentType)
		req.Header.Set("X-Amz-Meta-Note", fmt.Sprintf("<img src=x onerror=%s>", act))
		sign(req, s.root(t), "s3", nil)
		if a := do(t, s.aws, req); a.StatusCode != http.StatusOK {
			t.Fatalf("copy %s = %s: %s", key, a.Status, a.body)
		}
	}
}

// What the console's page of refusals asks is CloudTrail's own operation, so the AWS CLI asks it as well.
func TestAWSCLICloudTrail(t *testing.T) {
	s := start(t)
	env := s.environment(t)
	do(t, s.aws, request(t, http.MethodGet, "https://"+bucketHost+"/sample.jpg", nil)) // by nobody
	out, errOut, err := command(t, env, "aws", "cloudtrail", "lookup-events", "--lookup-attributes", "AttributeKey=EventName,AttributeValue=AccessDenied", "--max-results", "5",
		"--query", "Events[0].[EventName,EventSource,ReadOnly,Resources[0].ResourceName]", "--output", "text")
	if err != nil {
		t.Fatalf("%v: %s", err, errOut)
	}
	if want := "GetObject\ts3.amazonaws.com\ttrue\tarn:aws:s3:::" + bucket + "/sample.jpg\n"; out != want {
		t.Errorf("lookup-events = %q, want %q", out, want)
	}
}

// A link to log in can be had by whoever can read the root key's file, and by nobody else.
func TestConsoleCommand(t *testing.T) {
	s := start(t)
	out, errOut, err := command(t, os.Environ(), glassineCommand(t), "console", "--data", s.data, "--admin", s.Addresses().Admin)
	if err != nil {
		t.Fatalf("%v: %s", err, errOut)
	}
	base, token, ok := strings.Cut(strings.TrimSpace(out), "/login#")
	if !ok || base != "http://"+s.Addresses().Admin {
		t.Fatalf("glassine console = %q", out)
	}
	login := func() answer {
		req := request(t, http.MethodPost, base+"/login", []byte("token="+token))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		return do(t, &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}, req)
	}
	if a := login(); a.StatusCode != http.StatusSeeOther || len(a.Cookies()) != 1 {
		t.Errorf("the link = %s, %v", a.Status, a.Cookies())
	}
	if a := login(); a.StatusCode != http.StatusForbidden {
		t.Errorf("the link again = %s, want 403", a.Status)
	}
}
