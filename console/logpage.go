package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"glassine/console/client"
)

// logsData are the log groups, and the events of one.
type logsData struct {
	Groups         []groupRow
	Group, Region  string
	Pattern, Since string
	Events         []client.LogEvent
	Retention      int
}

type groupRow struct {
	client.LogGroup
	Region string
}

// spans are how far back the form looks.
var spans = map[string]time.Duration{"15m": 15 * time.Minute, "1h": time.Hour, "24h": 24 * time.Hour, "7d": 7 * 24 * time.Hour}

func logsPage(q *request) error {
	d := logsData{Group: q.arg("group"), Region: q.region(), Pattern: q.arg("pattern"), Since: q.arg("since")}
	if spans[d.Since] == 0 {
		d.Since = "1h"
	}
	for _, region := range q.c.regions() {
		if err := q.inRegion(region, func(aws *client.Client) error {
			all, err := aws.DescribeLogGroups(q.ctx())
			for _, g := range all {
				d.Groups = append(d.Groups, groupRow{g, region})
				if g.Name == d.Group && region == d.Region {
					d.Retention = g.Retention
				}
			}
			return err
		}); err != nil {
			return err
		}
	}
	if d.Group != "" {
		err := q.inRegion(d.Region, func(aws *client.Client) (err error) {
			d.Events, err = aws.FilterLogEvents(q.ctx(), client.Filter{Group: d.Group, Pattern: d.Pattern, From: q.c.cfg.Now().Add(-spans[d.Since]), Limit: 1000})
			return err
		})
		if err != nil {
			q.problem = problemOf(err)
		}
	}
	return q.show("logs", "logs", "Logs", d, "tail.js")
}

func logsAction(q *request) error {
	group, region := q.form("group"), q.region()
	if err := q.inRegion(region, func(aws *client.Client) error {
		return aws.PutRetention(q.ctx(), group, number(q.form("days")))
	}); err != nil {
		return q.again(err, logsPage)
	}
	return q.done("/logs?"+url.Values{"group": {group}, "region": {region}}.Encode(), "How long "+group+" keeps its events is set.")
}

// How often a tail looks for new events, and how often it says that it is still there.
const (
	tailEvery = time.Second
	tailAlive = 15 * time.Second
)

// logsTail sends new events as they come, as server-sent events whose ids are their times: a browser that comes back says
// where it was. It ends with the session.
func logsTail(q *request) error {
	from := q.c.cfg.Now()
	if ms, err := strconv.ParseInt(q.r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		from = time.UnixMilli(ms + 1)
	}
	f := client.Filter{Group: q.arg("group"), Pattern: q.arg("pattern"), From: from, Limit: 1000, Quiet: true}
	aws := q.aws.In(q.region())
	if _, err := aws.FilterLogEvents(q.ctx(), f); err != nil { // a refusal is an answer, not a stream
		return err
	}
	q.w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(q.w)
	tick, alive := time.NewTicker(tailEvery), time.NewTicker(tailAlive)
	defer tick.Stop()
	defer alive.Stop()
	var seen []string // ids of events at f.From, which the next answer has again
	if _, err := fmt.Fprint(q.w, ": tail\n\n"); err != nil || out.Flush() != nil {
		return nil
	}
	for {
		select {
		case <-q.ctx().Done():
			return nil
		case <-q.s.ctx.Done():
			return nil
		case <-q.c.running.Done():
			return nil
		case <-alive.C:
			if _, err := fmt.Fprint(q.w, ": alive\n\n"); err != nil || out.Flush() != nil {
				return nil
			}
		case <-tick.C:
			events, err := aws.FilterLogEvents(q.ctx(), f)
			if err != nil {
				return nil // the browser comes back, and gets the refusal
			}
			for _, e := range events {
				if slices.Contains(seen, e.ID) {
					continue
				}
				if e.Time().After(f.From) {
					f.From, seen = e.Time(), seen[:0]
				}
				seen = append(seen, e.ID)
				line, _ := json.Marshal(map[string]string{"time": e.Time().UTC().Format("15:04:05.000"), "text": shown(e.Message)}) // strings always encode
				if _, err := fmt.Fprintf(q.w, "id: %d\ndata: %s\n\n", e.Timestamp, line); err != nil {
					return nil
				}
			}
			if out.Flush() != nil {
				return nil
			}
		}
	}
}
