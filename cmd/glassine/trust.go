package main

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

type trustCmd struct {
	dataFlags `embed:""`
	Uninstall bool `help:"Take the certificate out again."`
	Print     bool `help:"Print the commands and run none." xor:"how"`
	Sudo      bool `help:"Run the commands although this is not root; those that need it go through sudo." xor:"how"`
}

// Run has this machine's clients and the user's browsers trust the local authority, or prints what does: commands that a
// person can read. Without root it prints, unless it is told to run them.
func (c *trustCmd) Run() error {
	file := filepath.Join(c.Data, "ca.pem")
	ca, err := readCA(file)
	if err != nil {
		return err
	}
	m := thisMachine()
	steps, notes := m.trust(ca, c.Uninstall)
	for _, note := range notes {
		fmt.Fprintln(os.Stderr, "glassine:", note)
	}
	if len(steps) == 0 {
		return errors.New("no place was found to put the certificate into; give it to your clients: " + file)
	}
	if c.Print || !m.root && !c.Sudo {
		printSteps(steps, m.root)
		return nil
	}
	var failed error
	for _, s := range steps {
		fmt.Printf("%s\n", s.line(m.root))
		cmd := exec.Command(s.words(m.root)[0], s.words(m.root)[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil && !s.mayFail {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", s.line(m.root), err))
		}
	}
	return failed
}

// printSteps prints commands for a shell, each place under its name.
func printSteps(steps []step, root bool) {
	place := ""
	for _, s := range steps {
		if s.place != place {
			place = s.place
			fmt.Println("#", place)
		}
		line := s.line(root)
		if s.mayFail {
			line += " || true"
		}
		fmt.Println(line)
	}
}

// authorityFile is the local authority's certificate.
type authorityFile struct {
	path string
	name string // by which it is found again in a store: its own, and where it comes from
	sha1 string // hex, as macOS names certificates
	cert *x509.Certificate
}

// readCA reads the certificate of the local authority, and refuses what is none.
func readCA(path string) (authorityFile, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return authorityFile{}, fmt.Errorf("read the local authority's certificate (glassine up makes it): %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return authorityFile{}, fmt.Errorf("%s holds no certificate", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return authorityFile{}, fmt.Errorf("%s: %w", path, err)
	}
	if !cert.IsCA {
		return authorityFile{}, fmt.Errorf("%s is not the certificate of an authority", path)
	}
	sum, thumbprint := sha256.Sum256(cert.Raw), sha1.Sum(cert.Raw)
	return authorityFile{path: path, name: "glassine-local-ca-" + hex.EncodeToString(sum[:4]), sha1: strings.ToUpper(hex.EncodeToString(thumbprint[:])), cert: cert}, nil
}

// step is a command that puts a certificate somewhere, or takes it out.
type step struct {
	place   string // for a person
	root    bool   // it needs root
	user    string // root runs it as this user; "" as root
	mayFail bool   // there may be nothing to take out
	argv    []string
}

// words is the command for whoever runs it.
func (s step) words(root bool) []string {
	switch {
	case s.root && !root:
		return append([]string{"sudo"}, s.argv...)
	case root && s.user != "":
		return append([]string{"sudo", "-u", s.user}, s.argv...)
	}
	return s.argv
}

// line is the command as a shell takes it.
func (s step) line(root bool) string {
	var quoted []string
	for _, word := range s.words(root) {
		quoted = append(quoted, quote(word))
	}
	return strings.Join(quoted, " ")
}

// machine is what trust has to know of a computer.
type machine struct {
	os      string // runtime.GOOS
	root    bool
	user    string // who became root; "" nobody
	home    string // of the user
	exists  func(path string) bool
	command func(name string) bool
	glob    func(pattern string) []string
}

func thisMachine() machine {
	home, _ := os.UserHomeDir() // without one there are no browsers' stores
	m := machine{
		os: runtime.GOOS, root: os.Geteuid() == 0, home: home,
		exists:  func(path string) bool { _, err := os.Stat(path); return err == nil },
		command: hasCommand,
		glob:    func(pattern string) []string { found, _ := filepath.Glob(pattern); return found }, // the patterns are ours
	}
	if name := os.Getenv("SUDO_USER"); m.root && name != "" && name != "root" {
		m.user = name
		if at := filepath.Join("/home", name); m.exists(at) {
			m.home = at
		} else if at := filepath.Join("/Users", name); m.exists(at) {
			m.home = at
		}
	}
	return m
}

// hasCommand reports whether a command is there, for root at least: what changes the system is in folders that are not on every user's PATH.
func hasCommand(name string) bool {
	for _, path := range []string{name, "/usr/local/sbin/" + name, "/usr/sbin/" + name, "/sbin/" + name} {
		if _, err := exec.LookPath(path); err == nil {
			return true
		}
	}
	return false
}

// trust returns what puts ca into every store that the machine has, and what a person should know besides.
func (m machine) trust(ca authorityFile, remove bool) (steps []step, notes []string) {
	switch m.os {
	case "darwin":
		steps = m.keychain(ca, remove)
	case "linux":
		steps = m.systemStore(ca, remove)
		if steps == nil {
			notes = append(notes, "this system's store of certificates was not found")
		}
	default:
		notes = append(notes, "the store of "+m.os+" is not known here: import "+ca.path+" as a trusted root")
	}
	browsers, note := m.browserStores(ca, remove)
	if note != "" {
		notes = append(notes, note)
	}
	return append(steps, browsers...), notes
}

// linuxStores are where distributions have a person's own roots, and what then puts them into the bundles.
var linuxStores = []struct {
	place, dir, extension string
	update                []string
}{
	{"Debian, Ubuntu, Alpine: the system's store", "/usr/local/share/ca-certificates", ".crt", []string{"update-ca-certificates"}},
	{"Fedora, RHEL: the system's store", "/etc/pki/ca-trust/source/anchors", ".pem", []string{"update-ca-trust", "extract"}},
	{"Arch: the system's store", "/etc/ca-certificates/trust-source/anchors", ".crt", []string{"update-ca-trust"}},
	{"SUSE: the system's store", "/etc/pki/trust/anchors", ".pem", []string{"update-ca-certificates"}},
}

// systemStore is for curl, Go, Python, and most of what is not a browser.
func (m machine) systemStore(ca authorityFile, remove bool) []step {
	for _, store := range linuxStores {
		if !m.exists(store.dir) || !m.command(store.update[0]) {
			continue
		}
		at := filepath.Join(store.dir, ca.name+store.extension)
		argv := []string{"install", "-m", "0644", ca.path, at}
		if remove {
			argv = []string{"rm", "-f", at}
		}
		return []step{{place: store.place, root: true, argv: argv}, {place: store.place, root: true, argv: store.update}}
	}
	if m.command("trust") { // p11-kit without one of the folders
		verb := "--store"
		if remove {
			verb = "--remove"
		}
		return []step{{place: "p11-kit: the system's store", root: true, mayFail: remove, argv: []string{"trust", "anchor", verb, ca.path}}}
	}
	return nil
}

// keychain is macOS's store, which browsers there use too but for Firefox.
func (m machine) keychain(ca authorityFile, remove bool) []step {
	const place, system = "macOS: the system's keychain", "/Library/Keychains/System.keychain"
	if remove {
		return []step{{place: place, root: true, mayFail: true, argv: []string{"security", "delete-certificate", "-Z", ca.sha1, "-t", system}}}
	}
	return []step{{place: place, root: true, argv: []string{"security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", system, ca.path}}}
}

// nssStores are where Firefox and Chrome keep a user's roots, below the home directory. Each folder has a cert9.db.
var nssStores = []string{
	".pki/nssdb", "snap/chromium/current/.pki/nssdb",
	".mozilla/firefox/*", "snap/firefox/common/.mozilla/firefox/*", ".var/app/org.mozilla.firefox/.mozilla/firefox/*",
	"Library/Application Support/Firefox/Profiles/*",
}

// browserStores is for browsers that do not ask the system.
func (m machine) browserStores(ca authorityFile, remove bool) (steps []step, note string) {
	var found []string
	for _, pattern := range nssStores {
		found = append(found, m.glob(filepath.Join(m.home, pattern, "cert9.db"))...)
	}
	switch {
	case m.home == "" || len(found) == 0:
		return nil, ""
	case !m.command("certutil"):
		return nil, "the stores of browsers need certutil (Debian: apt install libnss3-tools; macOS: brew install nss); then run this again"
	}
	for _, db := range found {
		s := step{place: "browser: " + filepath.Dir(db), user: m.user}
		if remove {
			s.mayFail = true
			s.argv = []string{"certutil", "-D", "-d", "sql:" + filepath.Dir(db), "-n", ca.name}
		} else {
			s.argv = []string{"certutil", "-A", "-d", "sql:" + filepath.Dir(db), "-t", "C,,", "-n", ca.name, "-i", ca.path}
		}
		steps = append(steps, s)
	}
	return steps, ""
}
