package telemetry

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAuditKeepsWholeLinesInBoundedFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.log")
	a, err := OpenAudit(path, 1000, 2)
	if err != nil {
		t.Fatal(err)
	}
	const records = 40
	for i := range records {
		r := Record{EventTime: time.Unix(int64(i), 0).UTC(), Type: "Root", Status: 200, Decisions: []Decision{{Action: "iam:CreateRole", Resources: []string{"arn"}, Allowed: true}}}
		if err := a.Write(r); err != nil {
			t.Fatal(err)
		}
		if i == records/2 { // a restart goes on in the same file
			if err := a.Close(); err != nil {
				t.Fatal(err)
			}
			if a, err = OpenAudit(path, 1000, 2); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := a.Write(Record{}); err == nil {
		t.Error("a write after Close gave no error")
	}
	last := int64(records)
	for _, name := range []string{path, path + ".1", path + ".2"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(text) > 1000 {
			t.Errorf("%s has %d bytes, want at most 1000", name, len(text))
		}
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		for i := len(lines) - 1; i >= 0; i-- {
			var r Record
			if err := json.Unmarshal([]byte(lines[i]), &r); err != nil {
				t.Fatalf("%s: %v: %s", name, err, lines[i])
			}
			if last--; r.EventTime.Unix() != last {
				t.Fatalf("%s: record %d, want %d", name, r.EventTime.Unix(), last)
			}
		}
	}
	if _, err := os.Stat(path + ".3"); err == nil {
		t.Error("more full files than were asked for")
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, want 0600", info.Mode())
	}
}
