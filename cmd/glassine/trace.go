package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"glassine/aws/cloudfrontapi"
	"glassine/edge"
	"glassine/telemetry"
)

type traceCmd struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
	URL         string   `arg:"" optional:"" complete:"viewer-url" help:"URL as a viewer opens it, such as https://localhost:8443/sample.jpg."`
	ID          string   `help:"Show how an earlier request was answered, by its X-Amz-Cf-Id, in place of making one."`
	Last        bool     `help:"List the last requests that were no hits, in place of making one."`
	Header      []string `short:"H" sep:"none" help:"Header of the request, as 'Name: value'; repeat for several."`
	Head        bool     `help:"Make a HEAD request."`
}

// Run asks the running server to make the request, and prints how it was answered. The request is a real one: what it fetches is
// cached.
func (c *traceCmd) Run() error {
	if asked := []bool{c.URL != "", c.ID != "", c.Last}; len(slices.DeleteFunc(asked, func(b bool) bool { return !b })) != 1 {
		return usageError{errors.New("name either a URL or, with --id, a request, or ask for the --last ones")}
	}
	reach, err := c.client()
	if err != nil {
		return err
	}
	client := &cloudfrontapi.Client{Client: reach.Client}
	var out any
	var text func(io.Writer)
	switch {
	case c.Last:
		all, err := client.LatestTraces()
		if err != nil {
			return err
		}
		out, text = all, func(w io.Writer) { writeTraces(w, all) }
	case c.ID != "":
		trace, err := client.RecordedTrace(c.ID)
		if err != nil {
			return err
		}
		out, text = trace, func(w io.Writer) { writeTrace(w, trace) }
	default:
		request, err := c.request()
		if err != nil {
			return err
		}
		traced, err := client.Trace(request)
		if err != nil {
			return err
		}
		out, text = traced, func(w io.Writer) { writeTraced(w, traced) }
	}
	return c.print(out, text)
}

func (c *traceCmd) request() (edge.TraceRequest, error) {
	r := edge.TraceRequest{URL: c.URL, Header: http.Header{}}
	if c.Head {
		r.Method = http.MethodHead
	}
	for _, line := range c.Header {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return r, usageError{fmt.Errorf("--header %q is not 'Name: value'", line)}
		}
		r.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	return r, nil
}

// writeTraces writes a line for each request.
func writeTraces(w io.Writer, all []telemetry.Trace) {
	for _, t := range all {
		facts := map[string]string{}
		for _, f := range t.Facts {
			facts[f.Name] = f.Value
		}
		fmt.Fprintf(w, "%s  %s  %s %s %s  %s\n", t.Began.Format(time.RFC3339), t.RequestID, facts["http.response.status_code"], facts["glassine.result"],
			facts["glassine.time_taken"], printable(facts["url.path"]))
	}
}

// writeTraced writes an answer as a viewer got it, and its trace.
func writeTraced(w io.Writer, t edge.Traced) {
	broken := ""
	if t.Broken {
		broken = ", and the connection was reset"
	}
	fmt.Fprintf(w, "%d %s, %d bytes of body%s\n", t.Status, http.StatusText(t.Status), t.Bytes, broken)
	for _, name := range slices.Sorted(maps.Keys(t.Header)) {
		for _, value := range t.Header[name] {
			fmt.Fprintf(w, "  %s: %s\n", name, printable(value))
		}
	}
	fmt.Fprintln(w)
	writeTrace(w, t.Trace)
}

// writeTrace writes what was decided and why, and the steps as a tree with their times.
func writeTrace(w io.Writer, t telemetry.Trace) {
	fmt.Fprintf(w, "Request %s, %s, trace %s\n\n", t.RequestID, t.Began.Format(time.RFC3339Nano), t.TraceID)
	width := 0
	for _, f := range t.Facts {
		width = max(width, len(f.Name))
	}
	for _, f := range t.Facts {
		line := fmt.Sprintf("  %-*s  %s", width, f.Name, printable(cmp.Or(f.Value, "-")))
		if f.Why != "" {
			line += "  (" + printable(f.Why) + ")"
		}
		fmt.Fprintln(w, line)
	}
	if len(t.Spans) > 0 {
		fmt.Fprintf(w, "\n  %10s  %10s  step\n", "from", "took")
	}
	depth := map[string]int{}
	for _, s := range t.Spans {
		if s.ParentID != "" {
			depth[s.SpanID] = depth[s.ParentID] + 1
		}
		took := "open"
		if s.Duration >= 0 {
			took = milliseconds(s.Duration)
		}
		fmt.Fprintf(w, "  %10s  %10s  %s%s%s\n", milliseconds(s.Start), took, strings.Repeat("  ", depth[s.SpanID]), s.Name, about(s))
	}
	if t.Dropped > 0 {
		fmt.Fprintf(w, "\n  and %d more\n", t.Dropped)
	}
}

// milliseconds writes microseconds as milliseconds.
func milliseconds(micros int64) string { return fmt.Sprintf("%d.%03d ms", micros/1000, micros%1000) }

// about is a span's attributes and error.
func about(s telemetry.Span) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(s.Attributes)) {
		all = append(all, name[strings.LastIndexByte(name, '.')+1:]+"="+printable(s.Attributes[name]))
	}
	if s.Error != "" {
		all = append(all, "error="+printable(s.Error))
	}
	if len(all) == 0 {
		return ""
	}
	return "  " + strings.Join(all, " ")
}

// printable is s without what a terminal would take for a command: paths and headers are a stranger's text.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, s)
}
