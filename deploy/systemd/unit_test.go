package systemd

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exposure is the most that systemd-analyze security may find, in tenths: 3.1 at systemd 252 (measured 2026-11-26). What is left is
// the namespaces, mounts and capabilities of user namespaces that sandboxes take, the network, and what the unit explains.
const exposure = 31

var sockets = []string{"glassine.socket", "glassine-https.socket", "glassine-http3.socket"}

// staged is a folder with the units, whose program is one that is there: verify asks whether it can be run.
func staged(t *testing.T, change func(unit string) string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range append([]string{"glassine.service"}, sockets...) {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.Replace(string(raw), "ExecStart=/usr/bin/glassine ", "ExecStart=/bin/true ", 1)
		if name == "glassine.service" {
			text = change(strings.ReplaceAll(text, "man:glassine(1)", "man:true(1)"))
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func same(unit string) string { return unit }

// verify is what systemd-analyze says of all units; it says nothing of good ones.
func verify(t *testing.T, dir string) string {
	t.Helper()
	args := []string{"verify", "--man=no", "--recursive-errors=no"}
	for _, name := range append([]string{"glassine.service"}, sockets...) {
		args = append(args, filepath.Join(dir, name))
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", args...).CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatal(err)
	}
	return string(out)
}

func TestUnitsAreValid(t *testing.T) {
	t.Parallel()
	if out := verify(t, staged(t, same)); out != "" {
		t.Errorf("systemd-analyze verify:\n%s", out)
	}
}

// A test that cannot fail is worth nothing.
func TestVerifyFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, old, new, want string }{
		{"a directive that there is not", "OOMPolicy=continue", "OOMPolice=continue", "'OOMPolice'"},
		{"a value that there is not", "ProtectSystem=strict", "ProtectSystem=very", "very"},
		{"a system call that there is not", "landlock_add_rule", "landlock_ad_rule", "landlock_ad_rule"},
		{"a program that is not there", "ExecStart=/bin/true", "ExecStart=/usr/bin/glassine-not-there", "glassine-not-there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			out := verify(t, staged(t, func(unit string) string { return strings.Replace(unit, c.old, c.new, 1) }))
			if !strings.Contains(out, c.want) {
				t.Errorf("systemd-analyze verify = %q, want %q in it", out, c.want)
			}
		})
	}
}

// assessment is a line of systemd-analyze security --json.
type assessment struct {
	Name     string  `json:"name"`
	Set      *bool   `json:"set"` // nil: it does not apply
	Exposure *string `json:"exposure"`
}

func TestExposure(t *testing.T) {
	t.Parallel()
	dir := staged(t, same)
	args := []string{"security", "--offline=true", "--no-pager"}
	unit := filepath.Join(dir, "glassine.service")
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", append(args, fmt.Sprintf("--threshold=%d", exposure), unit)...).CombinedOutput()
	if err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
	t.Log(strings.TrimSpace(string(out[strings.LastIndex(strings.TrimSpace(string(out)), "\n")+1:])))

	raw, err := exec.CommandContext(t.Context(), "systemd-analyze", append(args, "--json=short", unit)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []assessment
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	var open []string
	for _, a := range all {
		if a.Set != nil && !*a.Set {
			open = append(open, a.Name)
		}
	}
	slices.Sort(open)
	t.Logf("%d of %d are open: %s", len(open), len(all), strings.Join(open, " "))
}

// TestLeftOutIsExplained holds that every protection that systemd-analyze asks for is in the unit, or that the unit says why not.
func TestLeftOutIsExplained(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("glassine.service")
	if err != nil {
		t.Fatal(err)
	}
	unit := string(raw)
	for _, name := range []string{
		"AmbientCapabilities", "CapabilityBoundingSet", "IPAddressDeny", "KeyringMode", "LockPersonality", "MemoryDenyWriteExecute", "NoNewPrivileges", "PrivateDevices", "PrivateMounts",
		"PrivateNetwork", "PrivateTmp", "PrivateUsers", "ProcSubset", "ProtectClock", "ProtectControlGroups", "ProtectHome", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules",
		"ProtectKernelTunables", "ProtectProc", "ProtectSystem", "RemoveIPC", "RestrictAddressFamilies", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "RootDirectory",
		"SystemCallArchitectures", "SystemCallFilter", "UMask", "User",
	} {
		set := regexp.MustCompile(`(?m)^` + name + `=`).MatchString(unit)
		explained := regexp.MustCompile(`(?m)^# Not .*\b` + name + `=`).MatchString(unit)
		if set == explained {
			t.Errorf("%s: in the unit %v, explained as left out %v; want one of them", name, set, explained)
		}
	}
}

// TestSocketNames holds that the program knows each socket by its name, and that they are of this service.
func TestSocketNames(t *testing.T) {
	t.Parallel()
	for _, name := range sockets {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		short := map[string]string{"glassine.socket": "http", "glassine-https.socket": "https", "glassine-http3.socket": "http3"}[name]
		for _, want := range []string{"FileDescriptorName=" + short + "\n", "Service=glassine.service\n"} {
			if !strings.Contains(string(raw), want) {
				t.Errorf("%s does not have %q", name, want)
			}
		}
		if kind := map[bool]string{true: "ListenDatagram=", false: "ListenStream="}[short == "http3"]; !strings.Contains(string(raw), "\n"+kind) {
			t.Errorf("%s has no %s", name, kind)
		}
	}
}
