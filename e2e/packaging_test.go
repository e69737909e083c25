package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// packaged is a copy of what the build scripts read, with the program that the other tests run: each script finds bin/glassine two
// folders above itself. It differs from what make build makes in the paths that its traces name (-trimpath), which would have
// everything compiled once more.
var packaged = sync.OnceValues(func() (string, error) {
	exe, err := program()
	if err != nil {
		return "", err
	}
	root, err := scratch()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "packaging")
	if err := os.CopyFS(filepath.Join(dir, "deploy"), os.DirFS(filepath.Join("..", "deploy"))); err != nil {
		return "", err
	}
	for _, name := range []string{"go.mod", "go.sum"} {
		raw, err := os.ReadFile(filepath.Join("..", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), raw, 0o600)
		}
		if err != nil {
			return "", err
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		return "", err
	}
	return dir, os.Link(exe, filepath.Join(dir, "bin", "glassine"))
})

func packagedTree(t *testing.T) string {
	t.Helper()
	dir, err := packaged()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// worlds is the command that makes a world of its own for mounts, of which the caller is root. Who is not root on this machine
// becomes it in a user namespace, with the numbers that /etc/subuid gives him.
func worlds(t *testing.T) []string {
	t.Helper()
	if os.Geteuid() == 0 {
		return []string{tool(t, "unshare"), "--mount"}
	}
	own := []string{tool(t, "unshare"), "--user", "--map-root-user", "--map-auto", "--mount"}
	if out, err := exec.CommandContext(t.Context(), own[0], append(own[1:], "true")...).CombinedOutput(); err != nil {
		t.Fatalf("the image's files have owners: run this as root, or allow user namespaces, install uidmap, and give this user a line in /etc/subuid and /etc/subgid: %v %s", err, out)
	}
	return own
}

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
	own := worlds(t)
	t.Cleanup(func() { _ = exec.Command(own[0], append(own[1:], "rm", "-rf", root)...).Run() }) // t.TempDir may not
	for _, l := range manifest.Layers {
		layer := filepath.Join(copied, strings.TrimPrefix(l.Digest, "sha256:"))
		sh(t, work, `mkdir -p root; exec "$@"`, append(slices.Clone(own), "tar", "-xzf", layer, "-C", "root", "--numeric-owner", "--same-owner")...)
	}
	return root, config
}

// chroot runs the program in root as the user 65532, with a file system that is read-only but for /tmp and the data directory, no
// capabilities, and no way to get any. The process is the program itself. The root is moved to where the system's was: in a mere
// chroot the kernel gives nobody a user namespace, and functions would not be isolated as they are in a container that allows it. Who is
// not root of this machine may not move it, and has them at a weaker level.
func chroot(t *testing.T, root string, args ...string) *exec.Cmd {
	t.Helper()
	for _, dir := range []string{"proc", "dev"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script := `root=$1; shift
mount --bind "$root" "$root"
mount --bind "$root/var/lib/glassine" "$root/var/lib/glassine"
mount -o remount,ro,bind "$root"
mount -t tmpfs tmpfs "$root/tmp"
mount --rbind /dev "$root/dev"
cd "$root"
if [ "$(stat -c %u /proc/1)" = 0 ]; then
	mount -t proc proc proc
	mount --move . /
else
	mount --rbind /proc proc
fi
exec setpriv --no-new-privs chroot --userspec=65532:65532 --groups= . /usr/bin/glassine "$@"`
	own := append(worlds(t), "sh", "-euc", script, "sh", root)
	cmd := exec.Command(own[0], append(own[1:], args...)...)
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/var/lib/glassine", "GLASSINE_DATA=/var/lib/glassine"}
	return cmd
}

// serveIn starts the program in root and waits until it is ready.
func serveIn(t *testing.T, root string) (p *edgeProcess, lines *bytes.Buffer) {
	t.Helper()
	return serveBy(t, chroot(t, root, upAnywhere...))
}

// upAnywhere starts the demo at ports that are free.
var upAnywhere = []string{"up", "--aws", "127.0.0.1:0", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log", "off"}

// serveBy starts a program by a command, with upAnywhere among its arguments, and waits until it is ready.
func serveBy(t *testing.T, cmd *exec.Cmd) (p *edgeProcess, lines *bytes.Buffer) {
	t.Helper()
	p, lines = &edgeProcess{complaints: new(bytes.Buffer), host: "localhost", cmd: cmd}, new(bytes.Buffer)
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
			p.kill() // who writes complaints has ended
			t.Fatalf("it is not ready after a minute: %s%s", raw, p.complaints)
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
