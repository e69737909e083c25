package console

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"glassine/aws/sigv4"
	"glassine/console/client"
	"glassine/telemetry"
)

const (
	tracePath = "GET cloudfront.amazonaws.com/2020-05-31/glassine/trace"
	feedJSON  = `{"traces":[{"requestId":"r1","facts":[{"name":"http.request.method","value":"GET"},{"name":"url.path","value":"/a.jpg"},{"name":"url.query","value":"s=1"},{"name":"user_agent.original","value":"glassine-console"},` +
		`{"name":"client.address","value":"192.0.2.7"},{"name":"glassine.result","value":"Miss"},{"name":"http.response.status_code","value":"200"}],"spans":null,"ended":true}],"next":41}`
)

// stream reads what a stream sends in a little while.
func (rg *rig) stream(target string, cookie *http.Cookie, last string) *httptest.ResponseRecorder {
	rg.t.Helper()
	ctx, cancel := context.WithTimeout(rg.t.Context(), 400*time.Millisecond)
	defer cancel()
	return rg.do("GET", target, nil, cookie, func(r *http.Request) {
		*r = *r.WithContext(ctx)
		if last != "" {
			r.Header.Set("Last-Event-ID", last)
		}
	})
}

func TestRequestsAreStreamed(t *testing.T) {
	rg := newRig(t)
	cookie, _ := rg.login()
	if w := rg.stream("/requests/live", cookie, ""); w.Code != 403 || !strings.Contains(w.Body.String(), "AccessDenied") {
		t.Errorf("a stream that may not be = %d %s, want AWS's refusal before it begins", w.Code, w.Body)
	}
	rg.aws.answers[tracePath] = feedJSON
	w := rg.stream("/requests/live?result=Miss", cookie, "")
	if got := w.Header().Get("Content-Type"); got != "text/event-stream" {
		t.Errorf("Content-Type = %q", got)
	}
	for _, part := range []string{"event: ready\ndata: {}\n\n", "id: 41\nevent: request\ndata: {\"ID\":\"r1\"", `"Path":"/a.jpg?s=1"`} {
		if !strings.Contains(w.Body.String(), part) {
			t.Errorf("stream = %q, want %q in it", w.Body, part)
		}
	}
	if w := rg.stream("/requests/live?result=Hit", cookie, ""); strings.Contains(w.Body.String(), "r1") {
		t.Errorf("stream of hits = %q", w.Body)
	}
	// Who comes back goes on from where it was: it does not ask where the end is.
	asked := len(rg.aws.asked)
	rg.stream("/requests/live", cookie, "17")
	if got := rg.aws.queries[asked]; got != "after=17&most=100&wait=10000" {
		t.Errorf("the first look of a browser that comes back = %q", got)
	}
	// The Studio hears of its own request alone, until that is over.
	if w := rg.stream("/studio/live?key=a.jpg&query=s%3D1", cookie, ""); !strings.Contains(w.Body.String(), `event: trace`) || !strings.Contains(w.Body.String(), `"spans":[]`) || strings.Count(w.Body.String(), "event: ") != 2 {
		t.Errorf("the Studio's stream = %q", w.Body)
	}
	if w := rg.stream("/studio/live?key=b.jpg&query=", cookie, ""); strings.Contains(w.Body.String(), "event: trace") {
		t.Errorf("the Studio's stream of another picture = %q", w.Body)
	}
}

func TestStreamEndsWithTheSession(t *testing.T) {
	rg := newRig(t)
	cookie, _ := rg.login()
	rg.aws.answers[tracePath] = feedJSON
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		rg.do("GET", "/requests/live", nil, cookie, nil)
	}()
	time.AfterFunc(50*time.Millisecond, func() { rg.sessions.drop(cookie.Value) })
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the stream goes on after the log out")
	}
}

func TestSharedRequestSaysNothingOfTheViewer(t *testing.T) {
	rg := newRig(t)
	cookie, _ := rg.login()
	rg.aws.answers[tracePath+"/r1"] = strings.TrimSuffix(strings.TrimPrefix(feedJSON, `{"traces":[`), `],"next":41}`)
	w := rg.do("GET", "/requests/share?id=r1", nil, cookie, nil)
	if w.Code != 200 || !strings.Contains(w.Header().Get("Content-Disposition"), "attachment") || !strings.Contains(w.Body.String(), "s=(removed)") {
		t.Fatalf("share = %d %v %s", w.Code, w.Header(), w.Body)
	}
	for _, secret := range []string{"192.0.2.7", "s=1", "glassine-console"} {
		if strings.Contains(w.Body.String(), secret) {
			t.Errorf("what is shared has %q: %s", secret, w.Body)
		}
	}
}

// Of a key that lasts, nothing is kept: the session has credentials of STS's.
func TestLoginTradesTheKey(t *testing.T) {
	rg := newRig(t)
	rg.login()
	for _, s := range rg.sessions.all {
		if s.creds.SessionToken != "of a session" || s.key != goodKey.AccessKeyID {
			t.Errorf("session = %+v, want the credentials of a session", s.creds)
		}
		if got := s.until.Sub(rg.now); got != sessionLife {
			t.Errorf("it lasts %v, want %v", got, sessionLife)
		}
	}
	if !slices.Contains(rg.aws.asked, "GlassineSignIn") {
		t.Error("the key was not traded")
	}
	before := len(rg.aws.asked)
	creds := sigv4.Credentials{AccessKeyID: goodKey.AccessKeyID, SecretAccessKey: goodKey.SecretAccessKey, SessionToken: "mine"}
	if got, _, err := rg.trade(t.Context(), creds); err != nil || got != creds || len(rg.aws.asked) != before {
		t.Errorf("credentials of a session = %+v, %v; want them as they are", got, err)
	}
}

func TestKeyOfFacts(t *testing.T) {
	got := keyOfFacts([]telemetry.Fact{
		{Name: "glassine.distribution.id", Value: "E1"},
		{Name: "glassine.cache.key.distribution", Value: "d.example"},
		{Name: "glassine.cache.key.path", Value: "/a.jpg"},
		{Name: "glassine.cache.key.query", Value: "width=9", Why: leavesOut + "utm_source x"},
		{Name: "glassine.cache.lookup", Value: "miss"},
	})
	if got.Text != "/a.jpg + width=9" || strings.Join(got.Ignored, " ") != "utm_source x" || got.Lookup == nil || len(got.Parts) != 3 {
		t.Errorf("key = %+v", got)
	}
	got = keyOfFacts([]telemetry.Fact{{Name: "glassine.cache.key.query", Value: "width=9", Why: madeOf + "width=9&utm=1&utm=2"}})
	if strings.Join(got.Ignored, " ") != "utm" {
		t.Errorf("ignored = %q, want utm", got.Ignored)
	}
}

func TestRequestFilter(t *testing.T) {
	r := tracedRequest{Result: "Miss", Status: "502", Distribution: "E1", Path: "/a.jpg?x=1", Took: "0.301"}
	for _, c := range []struct {
		filter requestFilter
		want   bool
	}{
		{requestFilter{}, true},
		{requestFilter{Result: "Miss", Status: "502", Distribution: "E1", Path: "a.jpg", Least: "0.3"}, true},
		{requestFilter{Status: "5xx"}, true},
		{requestFilter{Status: "4xx"}, false},
		{requestFilter{Status: "50"}, false},
		{requestFilter{Result: "Hit"}, false},
		{requestFilter{Least: "0.4"}, false},
		{requestFilter{Least: "nonsense"}, true},
	} {
		if got := c.filter.takes(r); got != c.want {
			t.Errorf("%+v takes %v, want %v", c.filter, got, c.want)
		}
	}
	if (requestFilter{Status: "2xx"}).takes(tracedRequest{}) {
		t.Error("a request under way has a status")
	}
}

func TestReadArchive(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{"index.js": "x <b>", "data.bin": "a\x00b", "big.js": strings.Repeat("y", maxSource+9)} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		file, name, begins string
		length             int
		note               string
	}{
		{"", "index.js", "x <b>", 5, ""},
		{"data.bin", "data.bin", "", 0, "It is no text."},
		{"big.js", "big.js", "yyy", maxSource, "Only its first 128 KiB are shown."},
		{"../../etc/passwd", "", "", 0, ""},
	} {
		got, err := readArchive(b.Bytes(), c.file)
		if err != nil || got.Name != c.name || !strings.HasPrefix(got.Text, c.begins) || len(got.Text) != c.length || got.Note != c.note || len(got.Files) != 3 {
			t.Errorf("%q = %q, %d bytes, %q, %d files, %v; want %q, %d, %q", c.file, got.Name, len(got.Text), got.Note, len(got.Files), err, c.name, c.length, c.note)
		}
	}
	if _, err := readArchive([]byte("PK nonsense"), ""); err == nil {
		t.Error("nonsense is an archive")
	}
}

func FuzzReadArchive(f *testing.F) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	if w, err := z.Create("index.js"); err == nil {
		_, _ = io.WriteString(w, "exports.handler = 1")
	}
	_ = z.Close()
	f.Add(b.Bytes(), "index.js")
	f.Add(b.Bytes()[:30], "")
	f.Fuzz(func(t *testing.T, raw []byte, name string) {
		got, err := readArchive(raw, name)
		if err == nil && (len(got.Files) > maxListed || len(got.Text) > 8*maxSource) {
			t.Errorf("%d files, %d bytes of text", len(got.Files), len(got.Text))
		}
	})
}

func TestTimings(t *testing.T) {
	event := func(s string) client.LogEvent { return client.LogEvent{Message: s} }
	got := timingsOf([]client.LogEvent{
		event("START RequestId: a"),
		event("REPORT RequestId: a\tDuration: 10.00 ms\tBilled Duration: 10 ms\tMemory Size: 512 MB\tMax Memory Used: 80 MB\tInit Duration: 200.00 ms\t\n"),
		event("REPORT RequestId: b\tDuration: 12.00 ms\tBilled Duration: 12 ms\tMemory Size: 512 MB\tMax Memory Used: 90 MB\t\n"),
		event("REPORT RequestId: c\tDuration: 1.50 ms\tBilled Duration: 2 ms\tMemory Size: 512 MB\tMax Memory Used: 70 MB\t\n"),
		event("someone wrote REPORT RequestId: d Duration: 9 ms"),
	})
	want := timings{Runs: 3, Cold: 1, Warm50: "12 ms", Warm95: "12 ms", Cold50: "210 ms", Init50: "200 ms", Most: "210 ms", MemoryMost: 90, Memory: 512}
	if got != want {
		t.Errorf("timings = %+v\nwant      %+v", got, want)
	}
}
