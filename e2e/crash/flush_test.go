package crash

import (
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"glassine/store/storetest"
)

// Every kind of write is durable before its answer: the files that it made and wrote, the directories in which it made
// them, and, after those, the database that says that it happened.
func TestServerFlushesBeforeItAnswersAnyWrite(t *testing.T) {
	id, etag := "", ""
	writes := []struct {
		name, method, path, body string
		files                    int // that it makes
		db                       string
	}{
		{"CreateBucket", "PUT", bucket + "?", "", 0, "state.db"},
		{"PutObject", "PUT", bucket + "/a?", strings.Repeat("x", 300_000), 1, "objects/index.db"},
		{"PutObject over another", "PUT", bucket + "/a?", strings.Repeat("y", 100), 1, "objects/index.db"},
		{"CopyObject", "PUT", bucket + "/b?", "", 0, "objects/index.db"},
		{"CreateMultipartUpload", "POST", bucket + "/c?uploads&", "", 0, "objects/index.db"},
		{"UploadPart", "PUT", bucket + "/c?partNumber=1&uploadId={id}&", strings.Repeat("z", 100_000), 1, "objects/index.db"},
		{"CompleteMultipartUpload", "POST", bucket + "/c?uploadId={id}&", "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{etag}</ETag></Part></CompleteMultipartUpload>", 0, "objects/index.db"},
		{"DeleteObject", "DELETE", bucket + "/c?", "", 0, "objects/index.db"},
		{"PutBucketTagging", "PUT", bucket + "?tagging&", "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>", 0, "state.db"},
	}
	// The trace shows the first bytes of a request, so that is where its number goes.
	marked := func(path string, n int) string {
		return fmt.Sprintf("%s?n=%02d&%s", path[:strings.IndexByte(path, '?')], n, path[strings.IndexByte(path, '?')+1:])
	}
	events, data := traced(t, func(s *server) {
		for n, w := range writes {
			header := map[string]string{}
			if w.name == "CopyObject" {
				header["X-Amz-Copy-Source"] = bucket + "/a"
			}
			fill := strings.NewReplacer("{id}", url.QueryEscape(id), "{etag}", etag)
			a, err := s.do(w.method, strings.TrimRight(fill.Replace(marked(w.path, n)), "&"), []byte(fill.Replace(w.body)), header)
			if err != nil || a.status/100 != 2 {
				t.Fatalf("%s: %v, %d %s", w.name, err, a.status, a.body)
			}
			switch w.name {
			case "CreateMultipartUpload":
				_, rest, _ := strings.Cut(string(a.body), "<UploadId>")
				id, _, _ = strings.Cut(rest, "<")
			case "UploadPart":
				etag = a.header.Get("ETag")
			}
		}
	})
	for n, w := range writes {
		during := between(events, fmt.Sprintf("?n=%02d", n))
		if len(during) == 0 {
			t.Errorf("%s: the trace does not have it", w.name)
			continue
		}
		db := filepath.Join(data, w.db)
		if err := checkFlushed(during, data, db, w.files); err != nil {
			t.Errorf("%s: %v", w.name, err)
			continue
		}
		// The test must bite: without any one of the flushes it has to complain. Only the flush of a database that grew, before
		// the two of its pages and its root, may be missing: the next one covers it.
		flushes, ofDB := 0, 0
		for _, e := range during {
			if isFlush(e) && e.Path == db {
				ofDB++
			}
		}
		for i, e := range during {
			if isFlush(e) {
				flushes++
				if e.Path == db {
					if ofDB--; ofDB > 1 {
						continue
					}
				}
				if err := checkFlushed(slices.Delete(slices.Clone(during), i, i+1), data, db, w.files); err == nil {
					t.Errorf("%s: without the flush of %s at line %d of the trace it passes", w.name, e.Path, e.Begin)
				}
			}
		}
		t.Logf("%s: %d flushes before the answer", w.name, flushes)
	}
}

// between returns the calls that succeeded from the read of the request with the mark to the write of its answer.
func between(events []storetest.Event, mark string) []storetest.Event {
	from := slices.IndexFunc(events, func(e storetest.Event) bool { return e.Call == "read" && strings.Contains(e.Args, mark) })
	if from < 0 {
		return nil
	}
	to := slices.IndexFunc(events[from:], func(e storetest.Event) bool {
		return e.Begin > events[from].End && strings.HasPrefix(e.Call, "write") && strings.Contains(e.Args, `"HTTP/1.1 2`)
	})
	if to < 0 {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(events[from+1:from+to]), func(e storetest.Event) bool {
		return e.Failed || e.Begin < events[from].End || e.End > events[from+to].Begin
	})
}

func isFlush(e storetest.Event) bool { return e.Call == "fsync" || e.Call == "fdatasync" }

func isWrite(e storetest.Event) bool {
	return strings.HasPrefix(e.Call, "write") || strings.HasPrefix(e.Call, "pwrite")
}

// checkFlushed returns what of a request's calls is not durable at their end, or happened in the wrong order. The audit log
// is no part of what a client is told.
func checkFlushed(during []storetest.Event, data, db string, files int) error {
	last := func(f func(storetest.Event) bool) (line int) {
		for _, e := range during {
			if f(e) {
				line = e.End
			}
		}
		return line
	}
	flushAfter := func(path string, line int) int { // the end of the first one; 0: none
		for _, e := range during {
			if isFlush(e) && e.Path == path && e.Begin > line {
				return e.End
			}
		}
		return 0
	}
	var pages []storetest.Event // the writes to the database
	for _, e := range during {
		if isWrite(e) && e.Path == db {
			pages = append(pages, e)
		}
	}
	if len(pages) < 2 {
		return fmt.Errorf("%s got %d writes, want its pages and its root", db, len(pages))
	}
	root := pages[len(pages)-1]
	if f := flushAfter(db, pages[len(pages)-2].End); f == 0 || f > root.Begin {
		return fmt.Errorf("the pages of %s are not flushed before its root", db)
	}
	if flushAfter(db, root.End) == 0 {
		return fmt.Errorf("the root of %s is not flushed", db)
	}
	made := 0
	for _, e := range during {
		if e.Call != "openat" || !strings.Contains(e.Args, "O_CREAT") || !strings.HasPrefix(e.Path, data) {
			continue
		}
		made++
		for _, thing := range []struct {
			path  string
			after int
		}{
			{e.Path, last(func(w storetest.Event) bool { return isWrite(w) && w.Path == e.Path })},
			{filepath.Dir(e.Path), e.End},
		} {
			if f := flushAfter(thing.path, thing.after); f == 0 || f > pages[0].Begin {
				return fmt.Errorf("%s is not flushed before %s says that it is there", thing.path, db)
			}
		}
	}
	if made != files {
		return fmt.Errorf("%d files were made, want %d", made, files)
	}
	return nil
}
