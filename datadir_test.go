package glassine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDataDirectoryOfANewerVersionIsRefused(t *testing.T) {
	dir := t.TempDir()
	d, err := openDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	version := filepath.Join(dir, "VERSION")
	for text, want := range map[string]string{
		fmt.Sprint(dataVersion + 1): fmt.Sprintf("newer glassine (layout %d; this program knows %d)", dataVersion+1, dataVersion),
		"0":                         "does not hold a version number",
		"one":                       "does not hold a version number",
	} {
		if err := os.WriteFile(version, []byte(text+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := openDataDir(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("VERSION %q: %v, want %q", text, err, want)
		}
		if raw, err := os.ReadFile(version); err != nil || string(raw) != text+"\n" {
			t.Errorf("VERSION is %q afterwards, %v", raw, err)
		}
	}
}

func TestDataDirectoryIsMigratedAStepAtATime(t *testing.T) {
	if len(migrations) != dataVersion-1 {
		t.Fatalf("%d migrations lead to layout %d", len(migrations), dataVersion)
	}
	dir := t.TempDir()
	var done []int
	broken := errors.New("broken")
	var fails error
	step := func(n int) func(string) error {
		return func(string) error {
			if n == 2 && fails != nil {
				return fails
			}
			done = append(done, n)
			return nil
		}
	}
	steps := []func(string) error{step(1), step(2), step(3)}
	d := &dataDir{path: dir}
	fails = broken
	if err := d.migrate(1, steps); !errors.Is(err, broken) {
		t.Errorf("a step that fails: %v", err)
	}
	if raw, err := os.ReadFile(filepath.Join(dir, "VERSION")); err != nil || string(raw) != "2\n" {
		t.Errorf("VERSION after the first step is %q, %v", raw, err)
	}
	fails = nil
	if err := d.migrate(2, steps); err != nil {
		t.Fatal(err)
	}
	if raw, err := os.ReadFile(filepath.Join(dir, "VERSION")); err != nil || string(raw) != "4\n" || fmt.Sprint(done) != "[1 2 3]" {
		t.Errorf("VERSION is %q, %v; the steps that were done: %v", raw, err, done)
	}
}
