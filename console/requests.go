package console

import (
	"cmp"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/console/client"
	"glassine/telemetry"
)

// requestsData is one request, looked at by its id or made by its URL; or the latest.
type requestsData struct {
	URL, ID string
	Trace   *telemetry.Trace
	One     *tracedRequest // of Trace
	Status  int
	Bytes   int64
	Rows    []traceRow
	Curl    string // the same request again
	AWS     string // the same object, past the edge; "" when it is none
	Latest  []tracedRequest
	Filter  requestFilter
	Results []string // what the list can be narrowed to
	Next    string   // where the stream goes on from
}

// tracedRequest is a line of the list of requests.
type tracedRequest struct {
	ID, Method, Scheme, Host, Path, Status, Result, Detail, Distribution, Took, Client string
	Began                                                                              time.Time
	Time                                                                               string // of Began, for scripts
	Ended                                                                              bool
	Class                                                                              string // "good", "warn", "bad" or ""
}

// URL is what was asked for.
func (t tracedRequest) URL() string {
	if t.Host == "" {
		return ""
	}
	return cmp.Or(t.Scheme, "https") + "://" + t.Host + t.Path
}

// results are what the list can be narrowed to: CloudFront's words for how a request was answered.
var results = []string{"Hit", "RefreshHit", "Miss", "Redirect", "Error", "FunctionGeneratedResponse", "LimitExceeded"}

// requestFilter narrows the list; zero fields take all.
type requestFilter struct {
	Result, Status, Distribution string // Status is a code, or its first digit with xx behind
	Path                         string // is part of it
	Least                        string // seconds that it took at least
}

// filter reads the one of a URL.
func (q *request) filter() requestFilter {
	return requestFilter{Result: q.arg("result"), Status: strings.ToLower(strings.TrimSpace(q.arg("status"))), Distribution: strings.TrimSpace(q.arg("distribution")), Path: q.arg("path"), Least: strings.TrimSpace(q.arg("least"))}
}

// Query is the filter as a URL has it.
func (f requestFilter) Query() string {
	v := url.Values{}
	for name, value := range map[string]string{"result": f.Result, "status": f.Status, "distribution": f.Distribution, "path": f.Path, "least": f.Least} {
		if value != "" {
			v.Set(name, value)
		}
	}
	return v.Encode()
}

// takes reports whether a request passes. One that is under way has no status, no result and no time yet, and passes what does
// not ask for them.
func (f requestFilter) takes(r tracedRequest) bool {
	if f.Result != "" && r.Result != f.Result || f.Distribution != "" && r.Distribution != f.Distribution || f.Path != "" && !strings.Contains(r.Path, f.Path) {
		return false
	}
	if prefix, whole := strings.CutSuffix(f.Status, "xx"); whole {
		if !strings.HasPrefix(r.Status, prefix) || r.Status == "" {
			return false
		}
	} else if f.Status != "" && r.Status != f.Status {
		return false
	}
	if least, err := strconv.ParseFloat(f.Least, 64); err == nil {
		took, err := strconv.ParseFloat(r.Took, 64)
		return err == nil && took >= least
	}
	return true
}

// traceRow is a step, in per mille of the whole.
type traceRow struct {
	telemetry.Span
	Depth       int
	From, Width float64
}

// requestsPage traces a URL as a viewer would open it, or shows how an earlier request was answered, or the latest.
func requestsPage(q *request) error {
	d := requestsData{URL: q.arg("url"), ID: q.arg("id"), Results: results, Filter: q.filter()}
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
	default:
		all, err := q.aws.LatestTraces(q.ctx())
		if err != nil {
			q.problem = problemOf(err)
		}
		for _, t := range all {
			if r := summary(t); d.Filter.takes(r) {
				d.Latest = append(d.Latest, r)
			}
		}
	}
	if d.Trace != nil {
		one := summary(*d.Trace)
		d.One, d.Rows = &one, rowsOf(*d.Trace)
		if d.URL == "" {
			d.URL = one.URL()
		}
		d.Curl = q.c.curl(one)
		d.AWS = q.bypass(one)
	}
	return q.show("requests", "trace", "Requests", d, "requests.js")
}

// curl asks again what was asked, from a shell on this machine.
func (c *Console) curl(r tracedRequest) string {
	u, err := url.Parse(r.URL())
	if err != nil || u.Host == "" {
		return ""
	}
	words := "curl -sS"
	if r.Method == http.MethodHead {
		words += " --head"
	} else {
		words += " -D - -o answer"
	}
	if u.Scheme == "https" && c.cfg.CAFile != "" {
		words += " --cacert " + client.Quote(c.cfg.CAFile)
	}
	port := u.Port()
	if viewer, err := url.Parse(c.cfg.ViewerURL); err == nil && port == "" && u.Scheme == "https" {
		port = cmp.Or(viewer.Port(), "443")
	}
	if u.Hostname() != "localhost" && port != "" {
		words += " --connect-to " + client.Quote(u.Hostname()+"::127.0.0.1:"+port)
	}
	return words + " " + client.Quote(r.URL())
}

// bypass asks the Object Lambda access point behind a request's distribution for the same object, which shows what the edge
// adds; "" when there is none.
func (q *request) bypass(r tracedRequest) string {
	if r.Distribution == "" {
		return ""
	}
	all, err := chains(q.ctx(), q.aws)
	if err != nil {
		return ""
	}
	for _, c := range all {
		if c.Distribution.Id != r.Distribution {
			continue
		}
		path, _, _ := strings.Cut(r.Path, "?")
		key, err := url.PathUnescape(strings.TrimPrefix(path, "/"))
		if err != nil || key == "" {
			return ""
		}
		return client.Command("s3api", "get-object", "--bucket", q.c.lambdaPointARN(c.ObjectLambda), "--key", key, "answer")
	}
	return ""
}

// lambdaPointARN is the ARN of an Object Lambda access point.
func (c *Console) lambdaPointARN(name string) string {
	return "arn:aws:s3-object-lambda:" + c.cfg.Region + ":" + c.cfg.Account + ":accesspoint/" + name
}

// requestsLive sends the lines of requests as they come and as they change, among them some hits. A browser that comes back gets
// what it missed.
func requestsLive(q *request) error {
	filter, after := q.filter(), q.resume()
	if after == 0 {
		now, err := q.aws.Watch(q.ctx(), 0, 0, 1)
		if err != nil {
			return err
		}
		after = now.Next
	}
	s := q.stream()
	defer s.end()
	if !s.send("", "ready", struct{}{}) {
		return nil
	}
	s.watch(q.aws, after, watchPause, func(t telemetry.Trace, next uint64) bool {
		r := summary(t)
		if !filter.takes(r) {
			return true
		}
		r.Path, r.Detail = shown(r.Path), shown(r.Detail)
		return s.send(strconv.FormatUint(next, 10), "request", r)
	})
	return nil
}

// hidden are facts that a trace which is shared does not have: who asked, and what a query may say of him.
var hidden = map[string]bool{"client.address": true, "user_agent.original": true}

// requestShare is a request's trace as a file for others: without the viewer's address and without the values of its query.
func requestShare(q *request) error {
	t, err := q.aws.RecordedTrace(q.ctx(), q.arg("id"))
	if err != nil {
		return err
	}
	t.Facts = slices.DeleteFunc(t.Facts, func(f telemetry.Fact) bool { return hidden[f.Name] })
	for i, f := range t.Facts {
		if f.Name == "url.query" || f.Name == "glassine.cache.key.query" {
			t.Facts[i].Value = namesOf(f.Value)
		}
		if strings.HasPrefix(f.Name, "glassine.cache.key.header.") {
			t.Facts[i].Value = "(removed)"
		}
	}
	for i := range t.Spans {
		delete(t.Spans[i].Attributes, "network.peer.address")
	}
	raw, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Disposition", `attachment; filename="request.json"`)
	_, _ = q.w.Write(append(raw, '\n')) // a failed write is the browser's leaving
	return nil
}

// namesOf are the names of a query's parameters.
func namesOf(query string) string {
	var names []string
	for part := range strings.SplitSeq(query, "&") {
		name, _, has := strings.Cut(part, "=")
		if has {
			name += "=(removed)"
		}
		names = append(names, name)
	}
	return strings.Join(names, "&")
}

// summary is a line of a request's trace.
func summary(t telemetry.Trace) tracedRequest {
	out := tracedRequest{ID: t.RequestID, Began: t.Began, Time: t.Began.UTC().Format("15:04:05"), Ended: t.Ended}
	query := ""
	for _, f := range t.Facts {
		switch f.Name {
		case "http.request.method":
			out.Method = f.Value
		case "url.path":
			out.Path = f.Value
		case "url.query":
			query = "?" + f.Value
		case "url.scheme":
			out.Scheme = f.Value
		case "server.address":
			out.Host = f.Value
		case "client.address":
			out.Client = f.Value
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
	switch {
	case out.Status >= "400" || out.Result == "Error":
		out.Class = "bad"
	case out.Result == "Hit" || out.Result == "RefreshHit":
		out.Class = "good"
	case out.Result == "Miss":
		out.Class = "warn"
	}
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

func (c *Console) requestRoutes(show, send func(string, handler)) {
	show("/requests", requestsPage)
	send("/requests/live", c.scripted(requestsLive))
	send("/requests/share", requestShare)
}
