package e2e

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glassine"
	"glassine/edge"
	"glassine/s3"
	"glassine/store"
)

// The program is killed while it answers, several times. Every line of the standard log that was on disk when it died arrives in the
// bucket, once, and no line that arrives is torn: what a kill costs are the lines of the last second.
func TestKilledEdgeDeliversItsLog(t *testing.T) {
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	t.Cleanup(origin.Close)
	data := t.TempDir()
	d := edgeInFrontOf(t, data, origin.Listener.Addr().String())
	embedded := func() *glassine.System {
		t.Helper()
		s, err := glassine.New(t.Context(), glassine.Config{
			Data: data, AWS: "127.0.0.1:0", HTTP: "127.0.0.1:0", HTTPS: "127.0.0.1:0", Admin: "127.0.0.1:0", Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := embedded()
	if _, err := s.S3.CreateBucket(t.Context(), s.IAM.Root(), "access-logs", "us-east-1"); err != nil {
		t.Fatal(err)
	}
	d.Config.Logging = edge.Logging{Bucket: "access-logs.s3.amazonaws.com", Prefix: "cdn"}
	if _, err := s.Edge.UpdateDistribution(t.Context(), s.IAM.Root(), d.ID, d.ETag, d.Config); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	const rounds, each = 3, 300
	sent, onDisk := map[string]bool{}, 0
	for round := range rounds {
		p := serveEdge(t, data)
		clients := p.viewers()
		for i := range each {
			n := round*each + i
			if status, _, _, err := p.get(t.Context(), clients, i%2, n); err != nil || status != 200 {
				t.Fatalf("request %d: %d, %v %s", n, status, err, p.complaints)
			}
			sent[fmt.Sprintf("/%d", n)] = true
		}
		// The last ones may or may not be on disk yet; those of the first half must come to be.
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for spooled(t, data) < each/2 && ctx.Err() == nil {
			select {
			case <-ctx.Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
		p.kill()
		onDisk += spooled(t, data)
	}
	if onDisk < rounds*each/2 {
		t.Fatalf("%d lines were on disk when the program was killed, want at least half of %d", onDisk, rounds*each)
	}
	if err := embedded().Close(); err != nil { // which delivers what was left
		t.Fatal(err)
	}

	s = embedded()
	defer s.Close()
	if n := spooled(t, data); n != 0 {
		t.Errorf("%d lines are still in the spool", n)
	}
	seen := map[string]int{}
	for line := range strings.Lines(delivered(t, s, "access-logs", "cdn/"+d.ID+".")) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 33 || !strings.HasSuffix(line, "\n") {
			t.Errorf("a line is torn: %q", line)
			continue
		}
		seen[fields[7]]++
	}
	for stem, n := range seen {
		if n != 1 || !sent[stem] {
			t.Errorf("%d lines are about %s, want one, of a request that was sent", n, stem)
		}
	}
	if len(seen) != onDisk {
		t.Errorf("%d lines arrived of the %d that were on disk", len(seen), onDisk)
	}
	t.Logf("%d requests, %d lines on disk when killed, %d delivered", len(sent), onDisk, len(seen))
}

// spooled is how many whole lines of requests wait in the spool.
func spooled(t *testing.T, data string) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(data, "edge-logs", "*"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, file := range files {
		if content, err := os.ReadFile(file); err == nil { // it may have been renamed
			n += max(0, bytes.Count(content, []byte("\n"))-1)
		}
	}
	return n
}

// delivered are the lines of requests in all log files under a prefix.
func delivered(t *testing.T, s *glassine.System, bucket, prefix string) string {
	t.Helper()
	_, page, err := s.S3.ListObjects(t.Context(), s.IAM.Root(), s3.Target{Bucket: bucket}, store.ListOptions{Prefix: prefix})
	if err != nil || len(page.Objects) == 0 {
		t.Fatalf("log files = %+v, %v", page, err)
	}
	var all strings.Builder
	for _, info := range page.Objects {
		o, err := s.S3.GetObject(t.Context(), s.IAM.Root(), s3.Target{Bucket: bucket}, info.Key, store.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		z, err := gzip.NewReader(o.Body)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(z)
		o.Body.Close()
		if err != nil {
			t.Fatalf("%s: %v", info.Key, err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "#") {
				all.WriteString(line)
			}
		}
	}
	return all.String()
}
