package client

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"glassine/telemetry"
)

// Event is a record of the audit log.
type Event struct {
	Time   time.Time
	Record telemetry.Record
}

// LookupEvents returns the newest records of the audit log, at most 50; with denied only those of something that was refused.
// (AWS CloudTrail API Reference, LookupEvents; the attribute Decision is glassine's own.)
func (c *Client) LookupEvents(ctx context.Context, denied bool, most int) ([]Event, error) {
	in := map[string]any{"MaxResults": most}
	cli := []string{"cloudtrail", "lookup-events", "--max-results", strconv.Itoa(most), "--region", c.Region}
	if denied {
		in["LookupAttributes"] = []map[string]string{{"AttributeKey": "EventName", "AttributeValue": "AccessDenied"}}
		cli = append(cli, "--lookup-attributes", "AttributeKey=EventName,AttributeValue=AccessDenied")
	}
	raw, _ := json.Marshal(in) // strings and numbers always encode
	var out struct {
		Events []struct{ CloudTrailEvent string }
	}
	if err := c.json(ctx, request{
		operation: "cloudtrail:LookupEvents", service: "cloudtrail", method: http.MethodPost, url: "https://cloudtrail." + c.Region + ".amazonaws.com/", body: raw, reads: true, cli: cli,
		header: http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {"com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"}},
	}, &out); err != nil {
		return nil, err
	}
	events := make([]Event, 0, len(out.Events))
	for _, e := range out.Events {
		var r telemetry.Record
		if err := json.Unmarshal([]byte(e.CloudTrailEvent), &r); err != nil {
			return nil, err
		}
		events = append(events, Event{r.EventTime, r})
	}
	return events, nil
}
