package e2e

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// told runs glassine with an environment, and returns what it prints and its status.
func told(t *testing.T, env []string, args ...string) (out string, status int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), glassineCommand(t), args...)
	cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "AWS_") || strings.HasPrefix(strings.ToUpper(v), "HTTP_PROXY") || strings.HasPrefix(v, "GLASSINE_")
	}), env...)
	var b bytes.Buffer
	cmd.Stdout, cmd.Stderr = &b, &b
	err := cmd.Run()
	if _, ok := errors.AsType[*exec.ExitError](err); err != nil && !ok {
		t.Fatal(err)
	}
	return b.String(), cmd.ProcessState.ExitCode()
}

func TestHostsNamesWhatClientsAskFor(t *testing.T) {
	s := start(t)
	all, err := s.Edge.ListDistributions(t.Context(), s.IAM.Root())
	if err != nil {
		t.Fatal(err)
	}
	reach := []string{"--data", s.data, "--aws", s.Addresses().AWS}
	out, status := told(t, nil, append([]string{"hosts"}, reach...)...)
	want := []string{
		"glassine.localhost", account + ".glassine.localhost", "io-use1-001.glassine.localhost", bucket + ".glassine.localhost",
		"glassine-demo-ap-" + account + ".glassine.localhost", "glassine-demo-" + account + ".glassine.localhost", all[0].DomainName,
	}
	got := strings.Split(strings.TrimSpace(out), "\n")
	for i, line := range got {
		got[i] = strings.TrimPrefix(line, "127.0.0.1 ")
	}
	slices.Sort(want)
	want = slices.Compact(want) // the demo's bucket and its access point share a label
	slices.Sort(got)
	if !slices.Equal(got, want) || status != 0 {
		t.Errorf("status %d, names\n%q\nwant\n%q", status, got, want)
	}
	file := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(file, []byte("127.0.0.1 localhost\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, status := told(t, nil, append([]string{"hosts", "--write", "--file", file}, reach...)...); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	written, err := os.ReadFile(file)
	if err != nil || !strings.HasPrefix(string(written), "127.0.0.1 localhost\n") || !strings.Contains(string(written), "127.0.0.1 "+all[0].DomainName+"\n") {
		t.Errorf("file\n%s, %v", written, err)
	}
	if out, status := told(t, nil, "hosts", "--remove", "--file", file); status != 0 {
		t.Fatalf("status %d\n%s", status, out)
	}
	if left, err := os.ReadFile(file); err != nil || string(left) != "127.0.0.1 localhost\n" {
		t.Errorf("after --remove\n%s, %v", left, err)
	}
}

func TestDoctorFindsARunningSystemWell(t *testing.T) {
	s := start(t)
	args := []string{"doctor", "--data", s.data, "--aws", s.Addresses().AWS, "--https", s.Addresses().HTTPS}
	endpoint := "http://" + s.Addresses().AWS
	out, status := told(t, []string{"AWS_ENDPOINT_URL=" + endpoint, "HTTP_PROXY=" + endpoint}, args...)
	for _, want := range []string{
		"ok       the AWS endpoint answers on " + s.Addresses().AWS, "ok       the root key is taken", "ok       viewers are answered on " + s.Addresses().HTTPS,
		"ok       this shell's AWS clients reach " + endpoint, "functions are isolated at level ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("doctor does not say %q", want)
		}
	}
	if status != 0 {
		t.Errorf("status %d", status)
	}
	if t.Failed() {
		t.Log(out)
	}
}

func TestDoctorSaysWhatIsWrong(t *testing.T) {
	s, other := start(t), start(t)
	for _, row := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing there", []string{"--data", t.TempDir()}, "there is no glassine in "},
		{"nothing listens", []string{"--data", s.data, "--aws", "127.0.0.1:1", "--https", s.Addresses().HTTPS}, "nothing listens on 127.0.0.1:1, where the AWS endpoint is to be"},
		{"another one listens", []string{"--data", s.data, "--aws", other.Addresses().AWS, "--https", s.Addresses().HTTPS}, "another glassine, or another program, listens on "},
	} {
		out, status := told(t, nil, append([]string{"doctor"}, row.args...)...)
		if status != 1 || !strings.Contains(out, row.want) || !strings.Contains(out, "try: ") {
			t.Errorf("%s: status %d\n%s", row.name, status, out)
		}
	}
}
