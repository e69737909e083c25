package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"glassine/console/client"
)

type logsCmd struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
	Group       string        `arg:"" optional:"" complete:"log-group" help:"Log group, such as /aws/lambda/resize, or the name of a function; all groups when not given."`
	Follow      bool          `short:"f" help:"Go on showing what is logged, until interrupted."`
	Since       time.Duration `help:"How far back to look; 10m, and 24h with --request, when not given."`
	Request     string        `help:"Only lines of one request: an id of Lambda's, or the X-Amz-Cf-Id of an answer." placeholder:"ID"`
	Filter      string        `help:"Only lines that match a pattern of CloudWatch Logs, such as ERROR." placeholder:"PATTERN"`
}

// logLine is an event of a log group.
type logLine struct {
	Time    time.Time
	Group   string `json:"LogGroup"`
	Stream  string `json:"LogStream"`
	Message string
}

// logsInterval is how often --follow asks.
const logsInterval = 500 * time.Millisecond

// logPage is how many events a call returns.
const logPage = 1000

// Run shows the events of all groups in the order of time.
func (c *logsCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	caller, err := c.caller()
	if err != nil {
		return err
	}
	patterns, err := c.patterns(ctx, caller)
	if err != nil {
		return err
	}
	t := &tail{caller: caller, patterns: patterns, from: time.Now().Add(-c.since()), seen: map[string]map[string]bool{}, at: map[string]time.Time{}}
	groups, err := c.groups(ctx, caller)
	if err != nil {
		return err
	}
	shown, err := c.show(ctx, t, groups)
	if err != nil {
		return err
	}
	if shown == 0 && !c.Follow && c.forPeople() {
		fmt.Fprintf(os.Stderr, "Nothing was logged in the last %s.\n", c.since())
	}
	if !c.Follow {
		return nil
	}
	tick := time.NewTicker(logsInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if groups, err = c.groups(ctx, caller); err == nil {
			_, err = c.show(ctx, t, groups)
		}
		if ctx.Err() != nil {
			return nil // it was interrupted, as it has to be
		}
		if err != nil {
			return err
		}
	}
}

func (c *logsCmd) since() time.Duration {
	switch {
	case c.Since > 0:
		return c.Since
	case c.Request != "":
		return 24 * time.Hour
	}
	return 10 * time.Minute
}

// patterns are the filters of which one has to match. A viewer's request has invoked functions, whose own ids its trace has.
func (c *logsCmd) patterns(ctx context.Context, caller *client.Client) ([]string, error) {
	if c.Request == "" {
		return []string{c.Filter}, nil
	}
	if c.Filter != "" {
		return nil, usageError{errors.New("--request and --filter exclude each other")}
	}
	ids := []string{c.Request}
	if trace, err := caller.RecordedTrace(ctx, c.Request); err == nil { // another kind of id has no trace
		for _, s := range trace.Spans {
			for name, value := range s.Attributes {
				if strings.HasSuffix(name, "request_id") || strings.HasSuffix(name, "invocation_id") {
					ids = append(ids, value)
				}
			}
		}
	}
	slices.Sort(ids)
	var out []string
	for _, id := range slices.Compact(ids) {
		out = append(out, `"`+strings.ReplaceAll(id, `"`, `\"`)+`"`)
	}
	return out, nil
}

// groups are those to look at.
func (c *logsCmd) groups(ctx context.Context, caller *client.Client) ([]string, error) {
	if strings.HasPrefix(c.Group, "/") {
		return []string{c.Group}, nil
	}
	all, err := caller.DescribeLogGroups(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, g := range all {
		switch {
		case c.Group == "" || g.Name == c.Group:
			names = append(names, g.Name)
		case strings.HasPrefix(g.Name, "/aws/lambda/") && g.Name[strings.LastIndexAny(g.Name, "/.")+1:] == c.Group:
			names = append(names, g.Name) // of a function, also at the edge: /aws/lambda/us-east-1.NAME
		}
	}
	if c.Group != "" && len(names) == 0 && !c.Follow {
		return nil, &card{fmt.Errorf("there is no log group %s", c.Group), "a group is made when a function first logs", "glassine logs, which shows all groups"}
	}
	return names, nil
}

// show prints what is new, and returns how many lines it was.
func (c *logsCmd) show(ctx context.Context, t *tail, groups []string) (int, error) {
	lines, err := t.next(ctx, groups)
	if err != nil {
		return 0, err
	}
	for _, l := range lines {
		if err := c.record(l, func(w io.Writer) {
			group := ""
			if len(groups) > 1 || c.Group == "" {
				group = painted(os.Stdout, dim, strings.TrimPrefix(l.Group, "/aws/lambda/")) + "  "
			}
			fmt.Fprintf(w, "%s  %s%s\n", painted(os.Stdout, dim, l.Time.Local().Format("2006-01-02 15:04:05.000")), group, printableLines(strings.TrimRight(l.Message, "\n")))
		}); err != nil {
			return 0, err
		}
	}
	return len(lines), nil
}

// printableLines is a text without what a terminal obeys, but for line ends and tabs.
func printableLines(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, "\t", "    "), "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return strings.Join(lines, "\n")
}

// tail is how far groups were read.
type tail struct {
	caller   *client.Client
	patterns []string
	from     time.Time
	at       map[string]time.Time       // by group: of the last event
	seen     map[string]map[string]bool // by group: ids of the events of that time
}

// next returns the events since the last call, of all groups, in the order of time.
func (t *tail) next(ctx context.Context, groups []string) ([]logLine, error) {
	var out []logLine
	for _, group := range groups {
		found := map[string]client.LogEvent{}
		for _, pattern := range t.patterns {
			if err := t.read(ctx, group, pattern, found); err != nil {
				return nil, err
			}
		}
		for _, e := range slices.SortedFunc(maps.Values(found), func(a, b client.LogEvent) int {
			return cmp.Or(cmp.Compare(a.Timestamp, b.Timestamp), cmp.Compare(a.ID, b.ID))
		}) {
			if t.seen[group][e.ID] {
				continue
			}
			if at := e.Time(); at.After(t.at[group]) {
				t.at[group], t.seen[group] = at, map[string]bool{}
			}
			t.seen[group][e.ID] = true
			out = append(out, logLine{e.Time().UTC(), group, e.Stream, e.Message})
		}
	}
	slices.SortStableFunc(out, func(a, b logLine) int { return a.Time.Compare(b.Time) })
	return out, nil
}

// read adds the events of a group to found. A group that is not there has none.
func (t *tail) read(ctx context.Context, group, pattern string, found map[string]client.LogEvent) error {
	from := t.from
	if at := t.at[group]; at.After(from) {
		from = at
	}
	for {
		events, err := t.caller.FilterLogEvents(ctx, client.Filter{Group: group, Pattern: pattern, From: from, Limit: logPage, Quiet: true})
		if client.Code(err) == "ResourceNotFoundException" {
			return nil
		}
		if err != nil {
			return err
		}
		before := len(found)
		for _, e := range events {
			found[e.ID] = e
		}
		if len(events) < logPage || len(found) == before {
			return nil
		}
		from = events[len(events)-1].Time()
	}
}
