package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"glassine/transform/sample"
)

// packaged is the program as make build makes it, in a copy of what the build scripts read: each finds bin/glassine two folders
// above itself.
var packaged = sync.OnceValues(func() (string, error) {
	root, err := filepath.Abs("..")
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "glassine-packaging-")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(filepath.Join(dir, "deploy"), os.DirFS(filepath.Join(root, "deploy"))); err != nil {
		return "", err
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		raw, err := os.ReadFile(filepath.Join(root, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), raw, 0o600)
		}
		if err != nil {
			return "", err
		}
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "bin", "glassine"), "./cmd/glassine")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return dir, nil
})

// sh runs a command in dir, which must end well, and returns what it wrote.
func sh(t *testing.T, dir, script string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", append([]string{"-euc", script, "sh"}, args...)...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "SOURCE_DATE_EPOCH=1700000000")
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
	t.Logf("%s: %s\n%s", script, time.Since(began).Round(10*time.Millisecond), bytes.TrimSpace(out))
	return string(out)
}

func packagedTree(t *testing.T) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("chroot and mounts need root")
	}
	dir, err := packaged()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// small fails the test when a file has more bytes than it may.
func small(t *testing.T, file string, most int64) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s: %d bytes", filepath.Base(file), info.Size())
	if info.Size() > most {
		t.Errorf("%s has %d bytes, more than %d", filepath.Base(file), info.Size(), most)
	}
}

// unpackImage writes an image's files to a folder, from the copy that skopeo makes of it while it compares every digest.
func unpackImage(t *testing.T, image string) (root string, config map[string]any) {
	t.Helper()
	work := t.TempDir()
	copied := filepath.Join(work, "copied")
	sh(t, work, `skopeo --insecure-policy copy -q "oci-archive:$1" "dir:$2"; skopeo --insecure-policy copy -q "docker-archive:$1" "dir:$2-docker"`, image, copied)
	raw, err := exec.Command(tool(t, "skopeo"), "inspect", "--config", "oci-archive:"+image).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &config); err != nil {
		t.Fatal(err)
	}
	raw, err = os.ReadFile(filepath.Join(copied, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var manifest struct{ Layers []struct{ Digest string } }
	if err := json.Unmarshal(raw, &manifest); err != nil || len(manifest.Layers) != 2 {
		t.Fatalf("manifest: %v %s", err, raw)
	}
	root = filepath.Join(work, "root")
	for _, l := range manifest.Layers {
		sh(t, work, `mkdir -p root; tar -xzf "$1" -C root --numeric-owner`, filepath.Join(copied, strings.TrimPrefix(l.Digest, "sha256:")))
	}
	return root, config
}

// chroot runs the program in root as the user 65532, with a file system that is read-only but for /tmp and the data directory, no
// capabilities, and no way to get any. The process is the program itself.
func chroot(t *testing.T, root string, args ...string) *exec.Cmd {
	t.Helper()
	for _, dir := range []string{"proc", "dev"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := `root=$1; shift
mount --make-rprivate /
mount --bind "$root" "$root"
mount --bind "$root/var/lib/glassine" "$root/var/lib/glassine"
mount -o remount,ro,bind "$root"
mount -t tmpfs tmpfs "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
exec setpriv --no-new-privs chroot --userspec=65532:65532 --groups= "$root" /usr/bin/glassine "$@"`
	cmd := exec.Command("unshare", append([]string{"--mount", "sh", "-euc", script, "sh", root}, args...)...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/var/lib/glassine", "GLASSINE_DATA=/var/lib/glassine"}
	return cmd
}

// serveIn starts the program in root and waits until it is ready.
func serveIn(t *testing.T, root string) (p *edgeProcess, lines *bytes.Buffer) {
	t.Helper()
	p, lines = &edgeProcess{complaints: new(bytes.Buffer), host: "localhost"}, new(bytes.Buffer)
	p.cmd = chroot(t, root, "up", "--aws", "127.0.0.1:0", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log", "off")
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.cmd.Stdout, p.cmd.Stderr = out, p.complaints
	began := time.Now()
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.kill)
	for late := began.Add(time.Minute); ; time.Sleep(20 * time.Millisecond) { // another process
		raw, err := os.ReadFile(out.Name())
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(raw, []byte("\nReady.\n")) {
			lines.Write(raw)
			break
		}
		if time.Now().After(late) {
			t.Fatalf("it is not ready after a minute: %s", raw)
		}
	}
	t.Logf("ready after %s", time.Since(began).Round(10*time.Millisecond))
	for _, m := range addresses.FindAllStringSubmatch(lines.String(), -1) {
		p.http, p.aws = m[1]+p.http, m[2]+p.aws
		if m[3] != "" {
			p.https = net.JoinHostPort("127.0.0.1", m[3])
		}
	}
	return p, lines
}

// memoryOf is a process's memory, kilobytes.
func memoryOf(t *testing.T, pid int) int {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "VmRSS:")
	n, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// The slim image is built without a container engine, is read by a tool that we did not write, and serves a clean photograph from a
// read-only root to whoever runs it without root's rights.
func TestSlimImage(t *testing.T) {
	dir := packagedTree(t)
	image := filepath.Join(t.TempDir(), "slim.tar")
	sh(t, dir, `sh deploy/image/build.sh slim "$1"`, image)
	small(t, image, 70<<20)
	root, config := unpackImage(t, image)
	c, _ := config["config"].(map[string]any)
	if c["User"] != "65532:65532" || !strings.Contains(fmt.Sprint(c["Env"]), "GLASSINE_HTTP=0.0.0.0:8080") || strings.Contains(fmt.Sprint(c["Env"]), "GLASSINE_ADMIN") {
		t.Errorf("configuration: %v", c)
	}
	for _, shell := range []string{"bin/sh", "bin/bash", "usr/bin/env"} {
		if _, err := os.Stat(filepath.Join(root, shell)); err == nil {
			t.Errorf("it has /%s", shell)
		}
	}
	if out, err := chroot(t, root, "version").CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "glassine ") {
		t.Fatalf("glassine version: %v %s", err, out)
	}
	p, lines := serveIn(t, root)
	for l := range strings.Lines(lines.String()) {
		if strings.HasPrefix(l, "Functions:") {
			t.Log(strings.TrimSpace(l))
		}
	}
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
}

// The package is the same twice, is installed into a system, run from it, removed and purged; nothing of it is left.
func TestDebianPackage(t *testing.T) {
	dir := packagedTree(t)
	work := t.TempDir()
	deb, again := filepath.Join(work, "glassine.deb"), filepath.Join(work, "again.deb")
	sh(t, dir, `sh deploy/deb/build.sh "$1"; dpkg-deb -I "$1" >/dev/null`, deb)
	sh(t, dir, `sh deploy/deb/build.sh "$1"; cmp "$1" "$2"`, again, deb)
	small(t, deb, 60<<20)
	raw, err := exec.CommandContext(t.Context(), "dpkg-deb", "-c", deb).Output()
	if err != nil {
		t.Fatal(err)
	}
	listed := string(raw)
	for _, file := range []string{
		"./usr/bin/glassine", "./etc/glassine/glassine.yaml", "./lib/systemd/system/glassine.service", "./usr/share/man/man1/glassine.1.gz",
		"./usr/share/bash-completion/completions/glassine", "./usr/share/doc/glassine/copyright",
	} {
		if !strings.Contains(listed, " "+file+"\n") {
			t.Errorf("it has no %s", file)
		}
	}
	if err := os.WriteFile(filepath.Join(work, "script"), []byte(installScript), 0o600); err != nil {
		t.Fatal(err)
	}
	out := sh(t, work, `mkdir world; cp "$1" deb; exec unshare --mount sh -eu script`, deb)
	for _, want := range []string{"installed: glassine ", "user: glassine", "settings: root:glassine 640", "data: glassine:glassine 700", "removed: settings and data stay", "purged: nothing is left"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q", want)
		}
	}
}

// installScript installs the package into this machine with everything that it writes in memory, in a layer that goes with the
// script, and looks at that layer at the end.
const installScript = `mount --make-rprivate /
mount -t tmpfs tmpfs world
mkdir world/up world/work world/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$PWD/world/up,workdir=$PWD/world/work" world/root
mount --rbind /proc world/root/proc
mount --rbind /dev world/root/dev
cp deb world/root/glassine.deb
inside() { chroot world/root "$@"; }
inside dpkg -i /glassine.deb >/dev/null
echo "installed: $(inside glassine version)"
echo "user: $(inside id -un glassine)"
echo "settings: $(inside stat -c '%U:%G %a' /etc/glassine/glassine.yaml)"
echo "data: $(inside stat -c '%U:%G %a' /var/lib/glassine)"
inside glassine config validate /etc/glassine/glassine.yaml
inside dpkg -r glassine >/dev/null
[ -e world/root/etc/glassine/glassine.yaml ] && [ -d world/root/var/lib/glassine ] && [ ! -e world/root/usr/bin/glassine ] && echo "removed: settings and data stay"
inside dpkg -P glassine >/dev/null
rm world/root/glassine.deb
cmp /etc/passwd world/root/etc/passwd
cmp /etc/group world/root/etc/group
left="$(find world/up -name '*glassine*' ! -type c)"
[ -z "$left" ] && echo "purged: nothing is left" || echo "left: $left"
`
