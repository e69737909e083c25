package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseTraceReadsWhatStraceWrites(t *testing.T) {
	text := strings.Join([]string{
		`10 openat(AT_FDCWD</home>, "/d/objects/01/a", O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600) = 7</d/objects/01/a>`,
		`11 fsync(7</d/objects/01/a> <unfinished ...>`,
		`10 write(1<pipe:[42]>, "done (1) = 2\n", 13) = 13`,
		`11 <... fsync resumed>)             = 0`,
		`12 fdatasync(5</d/index.db>)        = -1 EIO (Input/output error)`,
		`10 --- SIGURG {si_signo=SIGURG} ---`,
		`10 unlinkat(AT_FDCWD</home>, "/d/objects/01/b", 0) = 0`,
		`14 read(9<socket:[7]>,  <unfinished ...>`,
		`13 fsync(8</d> <unfinished ...>`,
		`14 <... read resumed>"PUT /b/k"..., 4096) = 900`,
		`10 +++ exited with 0 +++`,
	}, "\n")
	got, err := ParseTrace(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []Event{
		{Call: "openat", Args: `AT_FDCWD</home>, "/d/objects/01/a", O_WRONLY|O_CREAT|O_EXCL|O_CLOEXEC, 0600`, Path: "/d/objects/01/a", Begin: 0, End: 0},
		{Call: "fsync", Args: `7</d/objects/01/a>`, Path: "/d/objects/01/a", Begin: 1, End: 3},
		{Call: "write", Args: `1<pipe:[42]>, "done (1) = 2\n", 13`, Path: "pipe:[42]", Begin: 2, End: 2},
		{Call: "fdatasync", Args: `5</d/index.db>`, Path: "/d/index.db", Begin: 4, End: 4, Failed: true},
		{Call: "unlinkat", Args: `AT_FDCWD</home>, "/d/objects/01/b", 0`, Path: "/d/objects/01/b", Begin: 6, End: 6},
		{Call: "read", Args: `9<socket:[7]>, "PUT /b/k"..., 4096`, Path: "socket:[7]", Begin: 7, End: 9},
		{Call: "fsync", Args: `8</d>`, Path: "/d", Begin: 8, End: 11, Failed: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ParseTrace (-want +got):\n%s", diff)
	}
}

// The calls of a good put, one a line; the blob's file is 7, its directory 8, the index 5.
const goodPut = `
began      write(1<pipe>, "began") = 5
make       openat(AT_FDCWD</>, "/d/objects/01/a", O_WRONLY|O_CREAT) = 7</d/objects/01/a>
body       write(7</d/objects/01/a>, "...", 100) = 100
flush      fsync(7</d/objects/01/a>) = 0
flushdir   fsync(8</d/objects/01>) = 0
pages      pwrite64(5</d/index.db>, "...", 4096, 8192) = 4096
flushpages fdatasync(5</d/index.db>) = 0
root       pwrite64(5</d/index.db>, "...", 4096, 0) = 4096
flushroot  fdatasync(5</d/index.db>) = 0
remove     unlinkat(AT_FDCWD</>, "/d/objects/01/old", 0) = 0
done       write(1<pipe>, "done") = 4`

func TestCheckFlushOrderWantsEveryFlushInItsPlace(t *testing.T) {
	lines := make(map[string]string)
	var order []string
	for line := range strings.Lines(strings.TrimSpace(goodPut)) {
		name, call, _ := strings.Cut(strings.TrimSpace(line), " ")
		lines[name] = "10 " + strings.TrimSpace(call)
		order = append(order, name)
	}
	all := strings.Join(order, " ")
	tests := []struct{ name, order, want string }{
		{"as it should be", all, ""},
		{"no flush of the blob", strings.Replace(all, "flush ", "", 1), "not flushed between its last write"},
		{"a flush of the blob before its last write", strings.Replace(all, "body flush", "flush body", 1), "not flushed between its last write"},
		{"no flush of the directory", strings.Replace(all, "flushdir ", "", 1), "not flushed between the making"},
		{"a flush of the directory before the blob was made", strings.Replace(strings.Replace(all, "flushdir ", "", 1), "make", "flushdir make", 1), "not flushed between the making"},
		{"the index before the flush of the blob", "began make body pages flushpages root flush flushdir flushroot done", "before the blob was flushed"},
		{"the index before the flush of the directory", "began make body flush pages flushpages root flushdir flushroot done", "before the blob was flushed"},
		{"no flush of the index's pages", strings.Replace(all, "flushpages ", "", 1), "pages were not flushed"},
		{"no flush of the index's root", strings.Replace(all, "flushroot ", "", 1), "root was not flushed"},
		{"no index at all", "began make body flush flushdir done", "0 writes"},
		{"the old blob goes before the publication", strings.Replace(strings.Replace(all, " remove", "", 1), "root", "remove root", 1), "was deleted"},
		{"the acknowledgement comes first", "began done make body flush flushdir pages flushpages root flushroot", "0 blobs"},
		{"the acknowledgement comes before the last flush", strings.Replace(all, "flushroot remove done", "done flushroot remove", 1), "root was not flushed"},
		{"there is no acknowledgement", strings.TrimSuffix(all, " done"), "no put"},
	}
	says := func(word string) func(Event) bool {
		return func(e Event) bool { return strings.Contains(e.Args, `"`+word+`"`) }
	}
	for _, tt := range tests {
		var trace strings.Builder
		for _, name := range strings.Fields(tt.order) {
			fmt.Fprintln(&trace, lines[name])
		}
		events, err := ParseTrace(strings.NewReader(trace.String()))
		if err != nil {
			t.Fatal(err)
		}
		err = CheckFlushOrder(events, "/d", says("began"), says("done"))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}

	// A flush that returns only after the acknowledgement is none.
	late := strings.NewReplacer("fdatasync(5</d/index.db>) = 0\nremove", "fdatasync(5</d/index.db> <unfinished ...>\nremove").Replace(goodPut)
	var trace strings.Builder
	for line := range strings.Lines(strings.TrimSpace(late)) {
		_, call, _ := strings.Cut(strings.TrimSpace(line), " ")
		fmt.Fprintln(&trace, "10", strings.TrimSpace(call))
	}
	fmt.Fprintln(&trace, "10 <... fdatasync resumed>) = 0")
	events, err := ParseTrace(strings.NewReader(trace.String()))
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckFlushOrder(events, "/d", says("began"), says("done")); err == nil || !strings.Contains(err.Error(), "root was not flushed") {
		t.Errorf("a flush that returns after the acknowledgement: %v", err)
	}
}

func FuzzParseTrace(f *testing.F) {
	f.Add(goodPut)
	f.Add("10 fsync(7</d> <unfinished ...>\n10 <... fsync resumed>) = -1 EIO\n10 write(1, \"x")
	f.Fuzz(func(t *testing.T, text string) {
		events, err := ParseTrace(strings.NewReader(text))
		if err != nil {
			return
		}
		for _, e := range events {
			if e.End < e.Begin {
				t.Errorf("%+v ends before it begins", e)
			}
		}
		always := func(Event) bool { return true }
		_ = CheckFlushOrder(events, "/d", always, always) // must not panic
	})
}
