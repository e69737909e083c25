package console

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/aws/arn"
	"glassine/console/client"
	"glassine/telemetry"
)

// studioAgent is what the Studio's requests call themselves.
const studioAgent = "glassine-console"

// studioLive sends the trace of the Studio's next request for a picture as it grows: from before the request is made, which the
// page does when it hears "ready", until it is over.
func studioLive(q *request) error {
	path, query := "/"+client.EscapeKey(q.arg("key")), q.arg("query")
	now, err := q.aws.Watch(q.ctx(), 0, 0, 1) // where the page is: what was before it is of no interest
	if err != nil {
		return err
	}
	s := q.stream()
	defer s.end()
	if !s.send("", "ready", struct{}{}) {
		return nil
	}
	id := "" // of the request, once it was seen
	s.watch(q.aws, now.Next, 25*time.Millisecond, func(t telemetry.Trace, next uint64) bool {
		if id == "" && isStudios(t, path, query) {
			id = t.RequestID
		}
		if t.RequestID != id {
			return true
		}
		return s.send(strconv.FormatUint(next, 10), "trace", readable(t)) && !t.Ended
	})
	return nil
}

// isStudios reports whether a trace is of a request that the Studio makes for a path and query.
func isStudios(t telemetry.Trace, path, query string) bool {
	var agent, gotPath, gotQuery string
	for _, f := range t.Facts {
		switch f.Name {
		case "user_agent.original":
			agent = f.Value
		case "url.path":
			gotPath = f.Value
		case "url.query":
			gotQuery = f.Value
		}
	}
	return agent == studioAgent && gotPath == path && gotQuery == query
}

// studioKey says what the cache key of a URL is made of, and what of it was ignored. Nothing is asked for.
func studioKey(q *request) error {
	d, _, err := q.aws.GetDistribution(q.ctx(), q.arg("d"))
	if err != nil {
		return err
	}
	u := q.c.viewerURL(hostOf(d)) + "/" + client.EscapeKey(q.arg("key"))
	if query := q.arg("query"); query != "" {
		u += "?" + query
	}
	t, err := q.aws.ExplainKey(q.ctx(), u, q.arg("accept"))
	if err != nil {
		return err
	}
	return q.json(keyOfFacts(readable(t).Facts))
}

// keyParts is a cache key in words.
type keyParts struct {
	Parts   []telemetry.Fact // in order: what it is made of, with the reason
	Ignored []string         // names of query parameters that are no part of it
	Lookup  *telemetry.Fact  // what is stored under it, nil when it was not looked up
	Text    string           // "/cat.jpg + showExif=true"
}

// madeOf stands before what a key's query was made of.
const madeOf = "what a function or the query's canonical form made of "

// leavesOut stands before the names of parameters in the fact of a key's query.
const leavesOut = "the cache policy leaves out: "

func keyOfFacts(facts []telemetry.Fact) keyParts {
	out := keyParts{Parts: []telemetry.Fact{}, Ignored: []string{}}
	var text []string
	for _, f := range facts {
		name, ok := strings.CutPrefix(f.Name, "glassine.cache.key")
		switch {
		case f.Name == "glassine.cache.lookup", f.Name == "glassine.result", f.Name == "glassine.cache":
			out.Lookup = &f
			continue
		case !ok:
			continue
		}
		f.Name = strings.TrimPrefix(name, ".")
		out.Parts = append(out.Parts, f)
		if f.Value != "" && f.Name != "distribution" {
			text = append(text, f.Value)
		}
		if list, ok := strings.CutPrefix(f.Why, leavesOut); ok {
			out.Ignored = strings.Fields(list)
		}
		if asked, ok := strings.CutPrefix(f.Why, madeOf); ok {
			out.Ignored = without(asked, f.Value)
		}
	}
	out.Text = strings.Join(text, " + ")
	return out
}

// without are the names of a query's parameters that another query does not have.
func without(asked, kept string) []string {
	names := func(query string) (all []string) {
		for part := range strings.SplitSeq(query, "&") {
			if name, _, _ := strings.Cut(part, "="); name != "" && !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
		return all
	}
	of := names(kept)
	return slices.DeleteFunc(names(asked), func(name string) bool { return slices.Contains(of, name) })
}

// drawer is what the functions of one request saw and wrote.
type drawer struct {
	Functions []functionDrawer `json:"functions"`
	// Refused says why events are not shown.
	Refused string `json:"refused,omitempty"`
}

// functionDrawer is one invocation.
type functionDrawer struct {
	Name      string   `json:"name"`
	ARN       string   `json:"arn"`
	RequestID string   `json:"requestId"`
	Bytes     int      `json:"bytes"`
	Event     string   `json:"event"` // JSON, indented
	Note      string   `json:"note,omitempty"`
	Group     string   `json:"group"`
	Region    string   `json:"region"`
	Lines     []string `json:"lines"`
	NoLines   string   `json:"noLines,omitempty"` // why there are none
}

// studioDrawer is what the functions that ran for a request saw and wrote: their events, redacted, and those lines of their
// logs that have the invocation's id.
func studioDrawer(q *request) error {
	out := drawer{Functions: []functionDrawer{}}
	events, err := q.aws.RecordedEvents(q.ctx(), q.arg("id"))
	if client.Code(err) == "AccessDenied" {
		out.Refused = problemOf(err).Why
		events, err = q.invocations(q.arg("id"))
	}
	if err != nil {
		return err
	}
	for _, e := range events {
		f := functionDrawer{Name: functionName(e.Function), ARN: e.Function, RequestID: e.RequestID, Bytes: e.Bytes, Note: e.Note, Lines: []string{}}
		if len(e.Event) > 0 {
			f.Event = shownAll(readableJSON(e.Event))
		}
		q.logOf(&f)
		out.Functions = append(out.Functions, f)
	}
	return q.json(out)
}

// readableJSON is a JSON value as a person reads it: indented, with & as it is.
func readableJSON(raw []byte) string {
	var v any
	var b bytes.Buffer
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if d.Decode(&v) != nil {
		return string(raw)
	}
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(v) // what was decoded encodes
	return strings.TrimSuffix(b.String(), "\n")
}

// invocations are those that a request's trace has, for whoever may not see events.
func (q *request) invocations(id string) (out []telemetry.FunctionEvent, err error) {
	t, err := q.aws.RecordedTrace(q.ctx(), id)
	for _, s := range t.Spans {
		if ran := s.Attributes["faas.invocation_id"]; ran != "" {
			out = append(out, telemetry.FunctionEvent{Function: s.Attributes["faas.invoked_name"], RequestID: ran})
		}
	}
	return out, err
}

// logOf reads the lines of an invocation. A function at the edge logs where the edge is. (CloudFront Developer Guide, "Edge
// function logs".)
func (q *request) logOf(f *functionDrawer) {
	function, err := arn.Parse(f.ARN)
	if err != nil || function.Service != "lambda" {
		f.NoLines = "It is no function of this system; its log is where it runs."
		return
	}
	name, version, _ := strings.Cut(strings.TrimPrefix(function.Resource, "function:"), ":")
	groups := []struct{ group, region string }{{"/aws/lambda/" + name, function.Region}}
	if version != "" { // a numbered version may be one at the edge
		groups = append(groups, struct{ group, region string }{"/aws/lambda/" + function.Region + "." + name, q.c.cfg.Region})
	}
	for _, g := range groups {
		f.Group, f.Region = g.group, g.region
		err := q.inRegion(g.region, func(aws *client.Client) error {
			events, err := aws.FilterLogEvents(q.ctx(), client.Filter{Group: g.group, Pattern: `"` + strings.ReplaceAll(f.RequestID, `"`, "") + `"`, From: q.c.cfg.Now().Add(-time.Hour), Limit: 200})
			for _, e := range events {
				f.Lines = append(f.Lines, e.Time().UTC().Format("15:04:05.000")+"  "+shown(strings.TrimRight(e.Message, "\n")))
			}
			return err
		})
		switch {
		case len(f.Lines) > 0:
			return
		case err != nil && client.Code(err) != "ResourceNotFoundException":
			f.NoLines = problemOf(err).Why
			return
		}
	}
	f.NoLines = "It logged nothing about this request, or not yet."
}

// shownAll is shown without the limit, for a text whose own limit is known.
func shownAll(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		n := min(len(s), maxShown-8)
		for n < len(s) && s[n]&0xc0 == 0x80 {
			n++
		}
		b.WriteString(shown(s[:n]))
		s = s[n:]
	}
	return b.String()
}
