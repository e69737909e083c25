package console

import (
	"strings"
	"time"

	"glassine/telemetry"
)

// requestsData is one request, looked at by its id or made by its URL.
type requestsData struct {
	URL, ID string
	Trace   *telemetry.Trace
	Status  int
	Bytes   int64
	Rows    []traceRow
	Latest  []tracedRequest // when no one is looked at
	Result  string          // only those of Latest with this
	Live    bool            // the list looks again by itself
	Results []string        // what it can be narrowed to
}

// tracedRequest is a line of the list of requests.
type tracedRequest struct {
	ID, Method, Path, Status, Result, Detail, Distribution, Took string
	Began                                                        time.Time
}

// results are what the list can be narrowed to: CloudFront's words for how a request was answered.
var results = []string{"Miss", "RefreshHit", "Redirect", "Error"}

// traceRow is a step, in per mille of the whole.
type traceRow struct {
	telemetry.Span
	Depth       int
	From, Width float64
}

// requestsPage traces a URL as a viewer would open it, or shows how an earlier request was answered.
func requestsPage(q *request) error {
	d := requestsData{URL: q.arg("url"), ID: q.arg("id"), Results: results}
	switch {
	case d.ID != "":
		t, err := q.aws.RecordedTrace(q.ctx(), d.ID)
		if err != nil {
			q.problem = problemOf(err)
			break
		}
		d.Trace = &t
	case d.URL != "":
		t, err := q.aws.Trace(q.ctx(), d.URL)
		if err != nil {
			q.problem = problemOf(err)
			break
		}
		d.Trace, d.Status, d.Bytes = &t.Trace, t.Status, t.Bytes
	}
	switch {
	case d.Trace != nil:
		d.Rows = rowsOf(*d.Trace)
	case q.problem == nil:
		d.Result, d.Live = q.arg("result"), q.arg("live") != ""
		all, err := q.aws.LatestTraces(q.ctx())
		if err != nil {
			q.problem = problemOf(err)
		}
		for _, t := range all {
			if r := summary(t); d.Result == "" || r.Result == d.Result {
				d.Latest = append(d.Latest, r)
			}
		}
	}
	return q.show("requests", "trace", "Requests", d)
}

// summary is a line of a request's trace.
func summary(t telemetry.Trace) tracedRequest {
	out := tracedRequest{ID: t.RequestID, Began: t.Began}
	query := ""
	for _, f := range t.Facts {
		switch f.Name {
		case "http.request.method":
			out.Method = f.Value
		case "url.path":
			out.Path = f.Value
		case "url.query":
			query = "?" + f.Value
		case "http.response.status_code":
			out.Status = f.Value
		case "glassine.result":
			out.Result, out.Detail = f.Value, f.Why
		case "glassine.distribution.id":
			out.Distribution = f.Value
		case "glassine.time_taken":
			out.Took = strings.TrimSuffix(f.Value, " s")
		}
	}
	out.Path += query
	return out
}

func rowsOf(t telemetry.Trace) []traceRow {
	end := int64(1)
	for _, s := range t.Spans {
		end = max(end, s.Start+max(0, s.Duration))
	}
	depth := map[string]int{}
	var out []traceRow
	for _, s := range t.Spans {
		if d, ok := depth[s.ParentID]; ok {
			depth[s.SpanID] = d + 1
		} else {
			depth[s.SpanID] = 0
		}
		out = append(out, traceRow{s, depth[s.SpanID], float64(s.Start) / float64(end) * 1000, max(2, float64(max(0, s.Duration))/float64(end)*1000)})
	}
	return out
}
