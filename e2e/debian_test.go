package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The package is the same twice, is installed into a system, run from it, removed and purged; nothing of it is left.
func TestDebianPackage(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Fatal("this installs a package into a copy of this system, whose files root owns: run it as root")
	}
	dir := packagedTree(t)
	work := t.TempDir()
	deb, again := filepath.Join(work, "glassine.deb"), filepath.Join(work, "again.deb")
	sh(t, dir, `sh deploy/deb/build.sh "$1"; dpkg-deb -I "$1" >/dev/null`, deb)
	sh(t, dir, `sh deploy/deb/build.sh "$1"; cmp "$1" "$2"`, again, deb)
	small(t, deb, 50<<20)
	// A program of one architecture is put into no package of another.
	sh(t, dir, `mkdir -p bin/riscv64; ln -f bin/glassine bin/riscv64/glassine
if sh deploy/deb/build.sh "$1" riscv64 2>"$1"; then exit 1; fi
grep "and the package is for riscv64" "$1"`, filepath.Join(work, "wrong.deb"))
	raw, err := exec.CommandContext(t.Context(), "dpkg-deb", "-c", deb).Output()
	if err != nil {
		t.Fatal(err)
	}
	listed := string(raw)
	for _, file := range []string{
		"./usr/bin/glassine", "./etc/glassine/glassine.yaml", "./lib/systemd/system/glassine.service", "./lib/systemd/system/glassine.socket", "./lib/systemd/system/glassine-https.socket",
		"./lib/systemd/system/glassine-http3.socket", "./usr/share/man/man1/glassine.1.gz",
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
	if left := tags(t, filepath.Join(work, "photo.jpg")); left["IFD0:Make"] != nil || left["GPS:GPSLatitude"] != nil {
		t.Errorf("metadata left: %v", left)
	}
	for _, want := range []string{"installed: glassine ", "user: glassine", "settings: root:glassine 640", "data: glassine:glassine 700", "served: 200", "ended: 0", "removed: settings and data stay", "purged: nothing is left"} {
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
HOME=/var/lib/glassine chroot world/root setpriv --reuid=glassine --regid=glassine --init-groups glassine up --data /var/lib/glassine --aws 127.0.0.1:0 --http 127.0.0.1:0 --https 127.0.0.1:0 --admin 127.0.0.1:0 --access-log off >out 2>&1 &
server=$!
trap 'kill "$server" 2>/dev/null' EXIT
until grep -q '^Ready' out; do kill -0 "$server" || { cat out; exit 1; }; sleep 0.1; done
url="$(sed -n 's/^Viewer URL: *\([^ ]*\).*/\1/p' out)"
echo "served: $(curl -sS --noproxy '*' --cacert world/root/var/lib/glassine/ca.pem -o photo.jpg -w '%{http_code} %{size_download} bytes' "$url")"
kill "$server"
wait "$server" && ended=0 || ended=$?
trap - EXIT
echo "ended: $ended"
mkdir world/root/var/log/glassine
echo >world/root/var/log/glassine/access.log
inside dpkg -r glassine >/dev/null
[ -e world/root/etc/glassine/glassine.yaml ] && [ -d world/root/var/lib/glassine ] && [ -d world/root/var/log/glassine ] && [ ! -e world/root/usr/bin/glassine ] && echo "removed: settings and data stay"
inside dpkg -P glassine >/dev/null
rm world/root/glassine.deb
cmp /etc/passwd world/root/etc/passwd
cmp /etc/group world/root/etc/group
left="$(find world/up -name '*glassine*' ! -type c)"
[ -z "$left" ] && echo "purged: nothing is left" || echo "left: $left"
`
