// Package dist tests what seals a release.
package dist

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// root is the folder of the repository, where the scripts are run.
const root = "../.."

// at runs a command there, with variables.
func at(t *testing.T, dir string, env []string, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// The sums are of every file, are signed when there is a key, and are checked by tools that we did not write.
func TestSeal(t *testing.T) {
	if _, err := os.Stat("seal.sh"); err != nil { // so that go test, which keeps results, knows what they are of
		t.Fatal(err)
	}
	work := t.TempDir()
	dir, secret, public := filepath.Join(work, "dist"), filepath.Join(work, "key"), filepath.Join(work, "key.pub")
	sums := filepath.Join(dir, "checksums.txt")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"glassine.deb", "glassine.tar.gz", "-odd name"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := at(t, root, []string{"SIGNING_KEY="}, "sh", "deploy/dist/seal.sh", dir, "v1.2.3")
	if err != nil || !strings.Contains(out, "is not signed") {
		t.Fatalf("without a key: %v %s", err, out)
	}
	if out, err := at(t, dir, nil, "sha256sum", "--strict", "-c", "checksums.txt"); err != nil || strings.Count(out, ": OK\n") != 3 {
		t.Errorf("sha256sum: %v %s", err, out)
	}
	if _, err := os.Stat(sums + ".minisig"); err == nil {
		t.Error("there is a signature without a key")
	}
	if out, err := at(t, root, []string{"SIGNING_KEY=" + secret}, "sh", "deploy/dist/seal.sh", dir, "v1.2.3"); err == nil || !strings.Contains(out, "no such file") {
		t.Errorf("with a key that is not there: %v %s", err, out)
	}
	if _, err := os.Stat(secret); err == nil {
		t.Error("a key was made")
	}
	if out, err := at(t, root, nil, "minisign", "-G", "-W", "-s", secret, "-p", public); err != nil {
		t.Fatalf("minisign -G: %v %s", err, out)
	}
	for range 2 { // sums and signature of a time before are not among the sums
		if out, err := at(t, root, []string{"SIGNING_KEY=" + secret, "SOURCE_DATE_EPOCH=1700000000"}, "sh", "deploy/dist/seal.sh", dir, "v1.2.3"); err != nil {
			t.Fatalf("with a key: %v %s", err, out)
		}
	}
	if out, err := at(t, dir, nil, "sha256sum", "--strict", "-c", "checksums.txt"); err != nil || strings.Count(out, ": OK\n") != 3 {
		t.Errorf("sha256sum: %v %s", err, out)
	}
	out, err = at(t, dir, nil, "minisign", "-V", "-H", "-p", public, "-m", "checksums.txt")
	if err != nil || !strings.Contains(out, "timestamp:1700000000\tfile:checksums.txt\thashed\tversion:v1.2.3") {
		t.Errorf("minisign -V: %v %s", err, out)
	}
	if err := os.WriteFile(sums, []byte(strings.Repeat("0", 64)+"  glassine.deb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := at(t, dir, nil, "minisign", "-V", "-p", public, "-m", "checksums.txt"); err == nil {
		t.Errorf("minisign took other sums: %s", out)
	}
}
