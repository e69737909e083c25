package client

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// LogGroup is a log group.
type LogGroup struct {
	Name        string `json:"logGroupName"`
	ARN         string `json:"logGroupArn"`
	Retention   int    `json:"retentionInDays"` // 0 keeps for ever
	StoredBytes int64  `json:"storedBytes"`
	Created     int64  `json:"creationTime"` // ms since 1970
}

// LogEvent is a line of a log.
type LogEvent struct {
	ID        string `json:"eventId"`
	Stream    string `json:"logStreamName"`
	Timestamp int64  `json:"timestamp"` // ms since 1970
	Message   string `json:"message"`
}

// Time is when it was written.
func (e LogEvent) Time() time.Time { return time.UnixMilli(e.Timestamp) }

// logs is a call of CloudWatch Logs.
func (c *Client) logs(operation string, in any, cli ...string) request {
	raw, _ := json.Marshal(in) // strings and numbers always encode
	return request{
		operation: "logs:" + operation, service: "logs", method: http.MethodPost, url: "https://logs." + c.Region + ".amazonaws.com/", body: raw, reads: true,
		header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"Logs_20140328." + operation}},
		cli:    append(append([]string{"logs"}, cli...), "--region", c.Region),
	}
}

// DescribeLogGroups returns the groups of the client's region.
func (c *Client) DescribeLogGroups(ctx context.Context) (all []LogGroup, err error) {
	for token := ""; ; {
		in := map[string]any{}
		if token != "" {
			in["nextToken"] = token
		}
		var out struct {
			Groups []LogGroup `json:"logGroups"`
			Next   string     `json:"nextToken"`
		}
		if err := c.json(ctx, c.logs("DescribeLogGroups", in, "describe-log-groups"), &out); err != nil {
			return all, err
		}
		all = append(all, out.Groups...)
		if token = out.Next; token == "" {
			return all, nil
		}
	}
}

// Filter chooses log events.
type Filter struct {
	Group   string
	Pattern string // of FilterLogEvents; "" takes all
	From    time.Time
	Limit   int // at most 10,000; 0 means 500
	// Quiet keeps the call out of Calls: one of many of a tail.
	Quiet bool
}

// FilterLogEvents returns events in order of time.
func (c *Client) FilterLogEvents(ctx context.Context, f Filter) ([]LogEvent, error) {
	if f.Limit == 0 {
		f.Limit = 500
	}
	in := map[string]any{"logGroupName": f.Group, "limit": f.Limit}
	cli := []string{"filter-log-events", "--log-group-name", f.Group, "--max-items", strconv.Itoa(f.Limit)}
	if f.Pattern != "" {
		in["filterPattern"] = f.Pattern
		cli = append(cli, "--filter-pattern", f.Pattern)
	}
	if !f.From.IsZero() {
		in["startTime"] = f.From.UnixMilli()
		cli = append(cli, "--start-time", strconv.FormatInt(f.From.UnixMilli(), 10))
	}
	r := c.logs("FilterLogEvents", in, cli...)
	r.quiet = f.Quiet
	var out struct {
		Events []LogEvent `json:"events"`
	}
	err := c.json(ctx, r, &out)
	return out.Events, err
}

// PutRetention keeps a group's events for days; 0 for ever.
func (c *Client) PutRetention(ctx context.Context, group string, days int) error {
	r := c.logs("PutRetentionPolicy", map[string]any{"logGroupName": group, "retentionInDays": days},
		"put-retention-policy", "--log-group-name", group, "--retention-in-days", strconv.Itoa(days))
	if days == 0 {
		r = c.logs("DeleteRetentionPolicy", map[string]any{"logGroupName": group}, "delete-retention-policy", "--log-group-name", group)
	}
	r.reads = false
	return c.json(ctx, r, nil)
}
