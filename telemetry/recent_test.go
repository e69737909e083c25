package telemetry

import (
	"path/filepath"
	"strconv"
	"testing"
)

func TestRecent(t *testing.T) {
	// Files of 600 bytes turn every few records, so that the newest ones lie in two.
	a, err := OpenAudit(filepath.Join(t.TempDir(), "audit.log"), 600, 3)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if got, err := a.Recent(5, func(*Record) bool { return true }); err != nil || len(got) != 0 {
		t.Fatalf("Recent of an empty log = %v, %v; want none", got, err)
	}
	for i := range 9 {
		if err := a.Write(Record{RequestID: strconv.Itoa(i), Decisions: []Decision{{Action: "s3:GetObject", Allowed: i%2 == 0}}}); err != nil {
			t.Fatal(err)
		}
	}
	ids := func(most int, keep func(*Record) bool) (out string) {
		got, err := a.Recent(most, keep)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range got {
			out += r.RequestID
		}
		return out
	}
	if got := ids(3, func(*Record) bool { return true }); got != "876" {
		t.Errorf("the newest three = %q, want 876", got)
	}
	if got := ids(1, func(r *Record) bool { return !r.Decisions[0].Allowed }); got != "7" {
		t.Errorf("the newest denial = %q, want 7", got)
	}
}
