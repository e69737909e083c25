package console

import (
	"bufio"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A tail begins where the browser was, sends each event once under its time, and ends when the server is to end.
func TestTail(t *testing.T) {
	rg := newRig(t)
	rg.aws.answers["POST logs.us-east-1.amazonaws.com/"] = `{"events":[{"eventId":"a","timestamp":1000,"message":"one\u001b[31m"},{"eventId":"b","timestamp":2000,"message":"two"}]}`
	cookie, _ := rg.login()
	served := httptest.NewServer(rg)
	defer served.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, served.URL+"/logs/tail?group=/g", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.AddCookie(cookie)
	r.Header.Set("Last-Event-ID", "1")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got != "text/event-stream" {
		t.Fatalf("Content-Type = %q, status %s", got, resp.Status)
	}
	var got []string
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if line := lines.Text(); line != "" && !strings.HasPrefix(line, ":") {
			got = append(got, line)
		}
		if len(got) == 4 {
			rg.Drain() // the scan ends with the stream, or the test hangs
		}
	}
	want := []string{"id: 1000", `data: {"text":"one\\u001b[31m","time":"00:00:01.000"}`, "id: 2000", `data: {"text":"two","time":"00:00:02.000"}`}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("stream = %q\nwant     %q", got, want)
	}
}

func TestTailThatIsRefusedIsNoStream(t *testing.T) {
	rg := newRig(t)
	cookie, _ := rg.login()
	w := rg.do("GET", "/logs/tail?group=/g", nil, cookie, nil)
	if w.Code != http.StatusForbidden || strings.Contains(w.Header().Get("Content-Type"), "event-stream") {
		t.Errorf("tail = %d %s, want the refusal", w.Code, w.Header().Get("Content-Type"))
	}
}
