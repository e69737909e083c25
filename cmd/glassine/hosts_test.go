package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHostsFileKeepsWhatIsNotOurs(t *testing.T) {
	const own = hostsBegin + "\n127.0.0.1 old\n" + hostsEnd + "\n"
	const written = hostsBegin + "\n127.0.0.1 a\n127.0.0.1 b\n" + hostsEnd + "\n"
	lines := []string{"127.0.0.1 a", "127.0.0.1 b"}
	for _, row := range []struct {
		name, old string
		lines     []string
		want      string // "" is an error
	}{
		{"the first time", "127.0.0.1 localhost\n", lines, "127.0.0.1 localhost\n" + written},
		{"an end without a newline", "127.0.0.1 localhost", lines, "127.0.0.1 localhost\n" + written},
		{"again, with others after it", "x\n" + own + "y # z", lines, "x\n" + written + "y # z"},
		{"taken out", "x\n" + own + "y\n", nil, "x\ny\n"},
		{"nothing to take out", "x\n", nil, "x\n"},
		{"a block without its end", "x\n" + hostsBegin + "\n127.0.0.1 old\ny\n", lines, ""},
	} {
		path := filepath.Join(t.TempDir(), "hosts")
		if err := os.WriteFile(path, []byte(row.old), 0o640); err != nil {
			t.Fatal(err)
		}
		err := editHosts(path, row.lines)
		got, readErr := os.ReadFile(path)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if want := row.want; (err != nil) != (want == "") || err == nil && string(got) != want || err != nil && string(got) != row.old {
			t.Errorf("%s: %v, file\n%s\nwant\n%s", row.name, err, got, want)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
			t.Errorf("%s: mode %v, %v", row.name, info.Mode(), err)
		}
		left, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(left) != 1 {
			t.Errorf("%s: %d files are left, %v", row.name, len(left), err)
		}
	}
	if err := editHosts(filepath.Join(t.TempDir(), "none"), lines); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestHostsLeadWhereTheEndpointListens(t *testing.T) {
	for aws, want := range map[string]string{
		"127.0.0.1:4566": "127.0.0.1", "0.0.0.0:4566": "127.0.0.1", "[::]:4566": "127.0.0.1", ":4566": "127.0.0.1", "10.1.2.3:4566": "10.1.2.3", "[::1]:4566": "::1", "localhost:1": "127.0.0.1",
	} {
		got, err := (&dataFlags{AWS: aws}).address()
		if err != nil || got != want {
			t.Errorf("%s leads to %q, %v; want %q", aws, got, err, want)
		}
	}
	if _, err := (&dataFlags{AWS: "nowhere"}).address(); err == nil {
		t.Error("an address without a port is taken")
	}
}
