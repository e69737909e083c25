package e2e

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"glassine/iam"
	"glassine/transform/sample"
)

// The slim image is built without a container engine, is read by a tool that we did not write, and serves a clean photograph from a
// read-only root to whoever runs it without root's rights.
func TestSlimImage(t *testing.T) {
	t.Parallel()
	dir := packagedTree(t)
	image := filepath.Join(t.TempDir(), "slim.tar")
	sh(t, dir, `sh deploy/image/build.sh slim "$1"`, image)
	small(t, image, 70<<20)
	root, config := unpackImage(t, image)
	c, _ := config["config"].(map[string]any)
	if c["User"] != "65532:65532" || !strings.Contains(fmt.Sprint(c["Env"]), "GLASSINE_HTTP=0.0.0.0:8080") || strings.Contains(fmt.Sprint(c["Env"]), "GLASSINE_ADMIN") {
		t.Errorf("configuration: %v", c)
	}
	for _, shell := range []string{"usr/bin/sh", "usr/bin/bash", "usr/bin/env"} {
		if _, err := os.Stat(filepath.Join(root, shell)); err == nil {
			t.Errorf("it has /%s", shell)
		}
	}
	p, lines := serveIn(t, root)
	healthy(t, root, lines.String())
	time.Sleep(2 * time.Second) // what a start leaves to be done, so that it is idle
	kb := memoryOf(t, p.cmd.Process.Pid)
	t.Logf("idle memory: %d KB", kb)
	if kb > 60<<10 { // issue 9
		t.Errorf("the idle process has %d KB, more than 60 MB", kb)
	}
	viewer := p.viewers()[1]
	defer viewer.CloseIdleConnections()
	a := do(t, viewer, request(t, http.MethodGet, "https://localhost/sample.jpg", nil))
	if a.StatusCode != http.StatusOK || len(a.body) == len(sample.JPEG) {
		t.Fatalf("the photograph: %s, %d bytes", a.Status, len(a.body))
	}
	if left := tags(t, writeTemp(t, "clean.jpg", a.body)); left["IFD0:Make"] != nil || left["GPS:GPSLatitude"] != nil {
		t.Errorf("metadata left: %v", left)
	}
	if a = do(t, viewer, request(t, http.MethodGet, "https://localhost/sample.jpg?width=200", nil)); a.StatusCode != http.StatusOK {
		t.Errorf("a smaller one: %s %.300s", a.Status, a.body)
	}
	if status, text := inImage(t, p, lines.String()).invoke(t, "node", "nodejs20.x", "index.mjs", "export const handler = async () => 1"); status < 400 ||
		!strings.Contains(text, "runtime nodejs20.x") || !strings.Contains(text, "use the image glassine:full") {
		t.Errorf("a function that the slim image cannot run: %d %s", status, text)
	}
}

// The full image runs functions for Node and Python, at the level of isolation that the machine gives, with what AWS's runtimes have:
// public authorities, time zones, and a shell.
func TestFullImage(t *testing.T) {
	t.Parallel()
	dir := packagedTree(t)
	image := filepath.Join(t.TempDir(), "full.tar")
	sh(t, dir, `sh deploy/image/build.sh full "$1"`, image)
	small(t, image, 110<<20)
	root, config := unpackImage(t, image)
	if c, _ := config["config"].(map[string]any); c["User"] != "65532:65532" {
		t.Errorf("configuration: %v", c)
	}
	p, lines := serveIn(t, root)
	healthy(t, root, lines.String())
	in := inImage(t, p, lines.String())
	const node = `import { execFileSync } from "node:child_process"
import tls from "node:tls"
export const handler = async () => ({
  version: process.versions.node, authorities: tls.rootCertificates.length, shell: execFileSync("/bin/sh", ["-c", "echo $((40 + 2))"]).toString().trim(),
  zone: new Date("2026-01-01T00:00:00Z").toLocaleTimeString("en-GB", { timeZone: "Europe/Berlin" }),
})`
	const python = `import datetime, platform, sqlite3, ssl, subprocess, zoneinfo
def handler(event, context):
    return {
        "version": platform.python_version(), "authorities": len(ssl.create_default_context().get_ca_certs()), "shell": subprocess.getoutput("echo $((40 + 2))"),
        "zone": str(datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc).astimezone(zoneinfo.ZoneInfo("Europe/Berlin")).time()),
    }`
	for _, c := range []struct{ name, runtime, file, code string }{
		{"node", "nodejs20.x", "index.mjs", node},
		{"python", "python3.12", "index.py", python},
	} {
		began := time.Now()
		status, text := in.invoke(t, c.name, c.runtime, c.file, c.code)
		var got struct {
			Version, Shell, Zone string
			Authorities          int
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil || status != http.StatusOK || got.Version == "" || got.Shell != "42" || got.Zone != "01:00:00" || got.Authorities < 100 {
			t.Errorf("%s = %d %s", c.runtime, status, text)
		}
		t.Logf("%s runs on %s, created and invoked in %s", c.runtime, got.Version, time.Since(began).Round(time.Millisecond))
	}
}

var (
	consoleAddress = regexp.MustCompile(`Console:       http://([^/ ]+)`)
	rootKey        = regexp.MustCompile(`Root key:      (\S+) (\S+) `)
	isolation      = regexp.MustCompile(`Functions: .*`)
)

// healthy asks glassine health in the image, as its HEALTHCHECK does, and the version.
func healthy(t *testing.T, root, started string) {
	t.Helper()
	t.Log(isolation.FindString(started))
	m := consoleAddress.FindStringSubmatch(started)
	if m == nil {
		t.Fatalf("no console: %s", started)
	}
	health := chroot(t, root, "health")
	health.Env = append(health.Env, "GLASSINE_ADMIN="+m[1])
	if out, err := health.CombinedOutput(); err != nil || string(out) != "ok\n" {
		t.Errorf("glassine health: %v %s", err, out)
	}
	health = chroot(t, root, "health")
	health.Env = append(health.Env, "GLASSINE_ADMIN=127.0.0.1:1")
	if out, err := health.CombinedOutput(); err == nil {
		t.Errorf("glassine health where nothing answers: %s", out)
	}
	if out, err := chroot(t, root, "version").CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "glassine ") {
		t.Errorf("glassine version: %v %s", err, out)
	}
}

// imageClient asks a program that runs in an image for functions.
type imageClient struct {
	endpoint string
	key      iam.Credentials
}

func inImage(t *testing.T, p *edgeProcess, started string) imageClient {
	t.Helper()
	m := rootKey.FindStringSubmatch(started)
	if m == nil {
		t.Fatalf("no root key: %s", started)
	}
	return imageClient{"http://" + p.aws + "/2015-03-31/functions", iam.Credentials{AccessKeyID: m[1], SecretAccessKey: m[2]}}
}

// invoke makes a function of one file, and invokes it.
func (c imageClient) invoke(t *testing.T, name, runtime, file, code string) (status int, text string) {
	t.Helper()
	archive, err := os.ReadFile(zipFile(t, file, code))
	if err != nil {
		t.Fatal(err)
	}
	create, err := json.Marshal(map[string]any{
		"FunctionName": name, "Runtime": runtime, "Handler": "index.handler", "Role": "arn:aws:iam::" + account + ":role/" + imageRole, "Timeout": 60, "MemorySize": 256,
		"Code": map[string]string{"ZipFile": base64.StdEncoding.EncodeToString(archive)},
	})
	if err != nil {
		t.Fatal(err)
	}
	ask := func(url string, body []byte) answer {
		req := request(t, http.MethodPost, url, body)
		sign(req, c.key, "lambda", body)
		return do(t, http.DefaultClient, req)
	}
	if a := ask(c.endpoint, create); a.StatusCode != http.StatusCreated {
		return a.StatusCode, string(a.body)
	}
	a := ask(c.endpoint+"/"+name+"/invocations", []byte("{}"))
	return a.StatusCode, string(a.body)
}
