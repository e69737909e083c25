package storetest

import (
	"io"
	"strings"
	"testing"
)

func TestHistoryJudges(t *testing.T) {
	// A step is "w KEY SUM" for a write that is acknowledged at once, "b KEY SUM" for one that only begins, "a" for the
	// acknowledgement of the last that began, or "c KEY SUM" for a check that passes.
	tests := []struct {
		name, steps, check string
		want               string // of the complaint; "" none
	}{
		{"nothing was written", "", "k -", ""},
		{"an acknowledged body is there", "w k 1", "k 1", ""},
		{"an acknowledged body is lost", "w k 1", "k -", "lost"},
		{"a body that nobody sent", "w k 1", "k 9", "nobody sent"},
		{"a body of another key", "w k 1, w j 2", "k 2", "nobody sent"},
		{"an unacknowledged body won", "w k 1, b k 2", "k 2", ""},
		{"an unacknowledged body lost", "w k 1, b k 2", "k 1", ""},
		{"an older body came back", "w k 1, w k 2", "k 1", "had replaced"},
		{"a first write may be lost before it is acknowledged", "b k 1", "k -", ""},
		{"of two that overlapped the first may win", "b k 1, w k 2", "k 1", ""},
		{"of two that overlapped and were both acknowledged the first may win", "b k 1, b k 2, a, w k 3", "k 1", ""},
		{"the same body sent twice is the newer", "w k 1, w k 2, w k 1", "k 1", ""},
		{"a deletion holds", "w k 1, w k -", "k -", ""},
		{"a deletion was undone", "w k 1, w k -", "k 1", "had replaced"},
		{"a deletion under way", "w k 1, b k -", "k -", ""},
		{"what was found is what the key holds from then on", "w k 1, b k 2, c k 1", "k 2", "nobody sent"},
		{"and it may be replaced", "w k 1, c k 1, w k 2", "k 1", "had replaced"},
	}
	for _, tt := range tests {
		h := new(History)
		last := 0
		for step := range strings.SplitSeq(tt.steps, ", ") {
			f := append(strings.Fields(step), "", "", "")
			switch f[0] {
			case "w":
				h.Acknowledged(h.Began(f[1], f[2]))
			case "b":
				last = h.Began(f[1], f[2])
			case "a":
				h.Acknowledged(last)
			case "c":
				if err := h.Check(f[1], f[2]); err != nil {
					t.Fatalf("%s: step %q: %v", tt.name, step, err)
				}
			}
		}
		key, sum, _ := strings.Cut(tt.check, " ")
		err := h.Check(key, sum)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: Check(%s) = %v, want %q", tt.name, tt.check, err, tt.want)
		}
	}
}

func TestJournalCarriesAHistory(t *testing.T) {
	r, w := io.Pipe()
	h := new(History)
	h.Began("of another process", "0") // so that the numbers differ
	go func() {
		j := &Journal{W: w}
		first := j.Began("a key\nwith \"everything\" \xff", "1")
		j.Began("k", "2")
		j.Acknowledged(first)
		_ = w.Close() // it never fails
	}()
	lines := 0
	if err := h.ReadJournal(r, func() { lines++ }); err != nil || lines != 3 || h.Acknowledgements() != 1 {
		t.Errorf("ReadJournal: %v, %d lines, %d acknowledgements; want 3, 1", err, lines, h.Acknowledgements())
	}
	if err := h.Check("a key\nwith \"everything\" \xff", Absent); err == nil {
		t.Error("the acknowledged write did not arrive")
	}
	if err := h.Check("k", Absent); err != nil {
		t.Errorf("the write that was not acknowledged: %v", err)
	}
}

func FuzzReadJournal(f *testing.F) {
	f.Add("began 1 \"k\" 1\nacknowledged 1\n")
	f.Add("acknowledged 7\n")
	f.Add("began 1 `k 1")
	f.Fuzz(func(t *testing.T, text string) {
		h := new(History)
		lines := 0
		if err := h.ReadJournal(strings.NewReader(text), func() { lines++ }); err == nil && h.Acknowledgements() > lines {
			t.Errorf("%d acknowledgements in %d lines", h.Acknowledgements(), lines)
		}
	})
}
