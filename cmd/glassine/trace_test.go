package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"glassine/edge"
	"glassine/telemetry"
)

func TestTraceIsWrittenForPeople(t *testing.T) {
	var b strings.Builder
	writeTraced(&b, edge.Traced{
		Status: 200, Header: http.Header{"X-Cache": {"Miss from cloudfront"}, "A": {"1", "2\x1b[31m"}}, Bytes: 5, Broken: true,
		Trace: telemetry.Trace{
			TraceID: "abc", RequestID: "id==", Began: time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC),
			Facts: []telemetry.Fact{{Name: "a.long.name", Value: "x", Why: "because"}, {Name: "b"}},
			Spans: []telemetry.Span{
				{SpanID: "1", Name: "fetch", Start: 12, Duration: 1234567},
				{SpanID: "2", ParentID: "1", Name: "origin", Start: 1000, Duration: -1, Attributes: map[string]string{"server.address": "o", "url.path": "/p\x07"}, Error: "no"},
			},
			Dropped: 3,
		},
	})
	want := `200 OK, 5 bytes of body, and the connection was reset
  A: 1
  A: 2` + "\uFFFD" + `[31m
  X-Cache: Miss from cloudfront

Request id==, 2026-11-26T09:00:00Z, trace abc

  a.long.name  x  (because)
  b            -

        from        took  step
    0.012 ms  1234.567 ms  fetch
    1.000 ms        open    origin  address=o path=/p` + "\uFFFD" + ` error=no

  and 3 more
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

func TestTracesAreListed(t *testing.T) {
	var b strings.Builder
	writeTraces(&b, []telemetry.Trace{{RequestID: "id==", Began: time.Date(2026, 11, 26, 9, 0, 0, 0, time.UTC), Facts: []telemetry.Fact{
		{Name: "url.path", Value: "/a"}, {Name: "http.response.status_code", Value: "404"}, {Name: "glassine.result", Value: "Error"}, {Name: "glassine.time_taken", Value: "0.002 s"},
	}}})
	if want := "2026-11-26T09:00:00Z  id==  404 Error 0.002 s  /a\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

func TestTraceRequestIsMadeOfFlags(t *testing.T) {
	r, err := (&traceCmd{URL: "https://x/", Header: []string{"Accept: image/avif", "X-A:1", "X-A: 2"}, Head: true}).request()
	if err != nil || r.Method != "HEAD" || r.Header.Get("Accept") != "image/avif" || len(r.Header["X-A"]) != 2 {
		t.Errorf("request = %+v, %v", r, err)
	}
	if _, err := (&traceCmd{URL: "https://x/", Header: []string{"nothing"}}).request(); err == nil {
		t.Error("a header without a colon gave no error")
	}
	for _, c := range []traceCmd{{}, {URL: "https://x/", ID: "y"}, {ID: "y", Last: true}} {
		if err := c.Run(); err == nil || !strings.Contains(err.Error(), "either") {
			t.Errorf("%+v: %v, want that one of them is named", c, err)
		}
	}
}
