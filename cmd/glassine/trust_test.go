package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// authorityOf makes a certificate in a data directory.
func authorityOf(t *testing.T, isCA bool) (data string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(90 * 24 * time.Hour), IsCA: isCA, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	data = t.TempDir()
	if err := os.WriteFile(filepath.Join(data, "ca.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	return data
}

// computer is a machine that has some files and commands.
func computer(system string, root bool, has ...string) machine {
	return machine{
		os: system, root: root, home: "/home/me",
		exists:  func(path string) bool { return slices.Contains(has, path) },
		command: func(name string) bool { return slices.Contains(has, name) },
		glob: func(pattern string) (found []string) {
			for _, h := range has {
				if ok, err := filepath.Match(pattern, h); err == nil && ok {
					found = append(found, h)
				}
			}
			return found
		},
	}
}

func TestTrustKnowsTheStores(t *testing.T) {
	ca := authorityFile{path: "/data/ca.pem", name: "glassine-local-ca-01020304", sha1: "AA"}
	debian := []string{"/usr/local/share/ca-certificates", "update-ca-certificates"}
	asMe := computer("linux", true, "certutil", "/home/me/.pki/nssdb/cert9.db")
	asMe.user = "me"
	for _, row := range []struct {
		name   string
		m      machine
		remove bool
		want   string // lines
		notes  int
	}{
		{"Debian, as root", computer("linux", true, debian...), false, "install -m 0644 /data/ca.pem /usr/local/share/ca-certificates/glassine-local-ca-01020304.crt\nupdate-ca-certificates", 0},
		{"Debian, not as root", computer("linux", false, debian...), false, "sudo install -m 0644 /data/ca.pem /usr/local/share/ca-certificates/glassine-local-ca-01020304.crt\nsudo update-ca-certificates", 0},
		{"Debian, taken out", computer("linux", true, debian...), true, "rm -f /usr/local/share/ca-certificates/glassine-local-ca-01020304.crt\nupdate-ca-certificates", 0},
		{"Fedora", computer("linux", true, "/etc/pki/ca-trust/source/anchors", "update-ca-trust", "trust"), false, "install -m 0644 /data/ca.pem /etc/pki/ca-trust/source/anchors/glassine-local-ca-01020304.pem\nupdate-ca-trust extract", 0},
		{"Arch", computer("linux", true, "/etc/ca-certificates/trust-source/anchors", "update-ca-trust"), false, "install -m 0644 /data/ca.pem /etc/ca-certificates/trust-source/anchors/glassine-local-ca-01020304.crt\nupdate-ca-trust", 0},
		{"SUSE", computer("linux", true, "/etc/pki/trust/anchors", "update-ca-certificates"), false, "install -m 0644 /data/ca.pem /etc/pki/trust/anchors/glassine-local-ca-01020304.pem\nupdate-ca-certificates", 0},
		{"p11-kit alone", computer("linux", true, "trust"), false, "trust anchor --store /data/ca.pem", 0},
		{"p11-kit alone, taken out", computer("linux", true, "trust"), true, "trust anchor --remove /data/ca.pem", 0},
		{"macOS", computer("darwin", false), false, "sudo security add-trusted-cert -d -r trustRoot -k /Library/Keychains/System.keychain /data/ca.pem", 0},
		{"macOS, taken out", computer("darwin", true), true, "security delete-certificate -Z AA -t /Library/Keychains/System.keychain", 0},
		{
			"browsers", computer("linux", false, append(debian, "certutil", "/home/me/.pki/nssdb/cert9.db", "/home/me/.mozilla/firefox/x.default/cert9.db")...), false,
			"sudo install -m 0644 /data/ca.pem /usr/local/share/ca-certificates/glassine-local-ca-01020304.crt\nsudo update-ca-certificates\n" +
				"certutil -A -d sql:/home/me/.pki/nssdb -t 'C,,' -n glassine-local-ca-01020304 -i /data/ca.pem\n" +
				"certutil -A -d sql:/home/me/.mozilla/firefox/x.default -t 'C,,' -n glassine-local-ca-01020304 -i /data/ca.pem", 0,
		},
		{"browsers of who became root", asMe, false, "sudo -u me certutil -A -d sql:/home/me/.pki/nssdb -t 'C,,' -n glassine-local-ca-01020304 -i /data/ca.pem", 1},
		{"browsers without certutil", computer("linux", true, append(debian, "/home/me/.pki/nssdb/cert9.db")...), true, "rm -f /usr/local/share/ca-certificates/glassine-local-ca-01020304.crt\nupdate-ca-certificates", 1},
		{"a system that nobody knows", computer("plan9", true), false, "", 1},
	} {
		steps, notes := row.m.trust(ca, row.remove)
		var lines []string
		for _, s := range steps {
			lines = append(lines, s.line(row.m.root))
		}
		if got := strings.Join(lines, "\n"); got != row.want || len(notes) != row.notes {
			t.Errorf("%s:\n%s\nnotes %q\nwant\n%s\nand %d notes", row.name, got, notes, row.want, row.notes)
		}
	}
}

// The commands for browsers do what they are to, with the program that Mozilla has for it.
func TestTrustInABrowsersStore(t *testing.T) {
	if _, err := exec.LookPath("certutil"); err != nil {
		t.Fatal("certutil is not installed; sh e2e/deps.sh test installs it")
	}
	home := t.TempDir()
	db := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(db, 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(argv ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", argv, err, out)
		}
		return string(out)
	}
	run("certutil", "-N", "-d", "sql:"+db, "--empty-password")
	ca, err := readCA(filepath.Join(authorityOf(t, true), "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	m := thisMachine()
	m.os, m.home, m.user = "linux", home, ""
	for _, remove := range []bool{false, true} {
		steps, note := m.browserStores(ca, remove)
		if len(steps) != 1 || note != "" {
			t.Fatalf("steps %+v, note %q", steps, note)
		}
		run(steps[0].argv...)
		if list := run("certutil", "-L", "-d", "sql:"+db); strings.Contains(list, ca.name) == remove || !remove && !strings.Contains(list, "C,,") {
			t.Errorf("removed %t; certutil lists\n%s", remove, list)
		}
	}
}

// Users of Debian have no sbin on their PATH, and trust prints them commands for root.
func TestCommandsForRootAreFound(t *testing.T) {
	found, err := filepath.Glob("/usr/sbin/*")
	if err != nil || len(found) == 0 {
		t.Fatalf("/usr/sbin has nothing: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	if !hasCommand(filepath.Base(found[0])) || hasCommand("no-such-command") {
		t.Errorf("%s is not found, or what is not there is", found[0])
	}
}

func TestTrustPrintsUnlessItIsRoot(t *testing.T) {
	data := authorityOf(t, true)
	out, _ := wants(t, 0, "trust", "--print", "--data", data)
	if !strings.Contains(out, filepath.Join(data, "ca.pem")) || !strings.HasPrefix(out, "#") {
		t.Errorf("printed\n%s", out)
	}
	for _, row := range []struct{ name, data, want string }{
		{"no data directory", filepath.Join(data, "none"), "glassine up makes it"},
		{"a certificate that is no authority's", authorityOf(t, false), "is not the certificate of an authority"},
	} {
		if _, errs := wants(t, 1, "trust", "--print", "--data", row.data); !strings.Contains(errs, row.want) {
			t.Errorf("%s: %s", row.name, errs)
		}
	}
}
