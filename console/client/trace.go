package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"glassine/telemetry"
)

// Traced is what a viewer would have got, and how it came about.
type Traced struct {
	Status int             `json:"status"`
	Header http.Header     `json:"headers"`
	Bytes  int64           `json:"bytes"`
	Broken bool            `json:"broken"`
	Trace  telemetry.Trace `json:"trace"`
}

// Trace has the edge make a request as a viewer would, and explain its answer. It is glassine's own operation, decided by IAM as
// glassine:TraceRequest. What it fetches is cached.
func (c *Client) Trace(ctx context.Context, viewerURL string) (Traced, error) {
	body, _ := json.Marshal(map[string]any{"url": viewerURL}) // a string always encodes
	r := c.cloudfront("TraceRequest", http.MethodPost, "glassine/trace", body)
	r.operation, r.cli, r.command = "glassine:TraceRequest", nil, "glassine trace "+quote(viewerURL)
	r.header, r.reads = http.Header{"Content-Type": {"application/json"}}, true
	var out Traced
	err := c.json(ctx, r, &out)
	return out, err
}

// RecordedTrace returns how an earlier request was answered, by its X-Amz-Cf-Id; NoSuchResource when it was a hit, or is too
// long ago.
func (c *Client) RecordedTrace(ctx context.Context, id string) (telemetry.Trace, error) {
	r := c.cloudfront("TraceRequest", http.MethodGet, "glassine/trace/"+url.PathEscape(id), nil)
	r.operation, r.cli, r.command = "glassine:TraceRequest", nil, "glassine trace --id "+quote(id)
	var out telemetry.Trace
	err := c.json(ctx, r, &out)
	return out, err
}

// LatestTraces returns the traces that RecordedTrace knows, the latest 100 first.
func (c *Client) LatestTraces(ctx context.Context) ([]telemetry.Trace, error) {
	r := c.cloudfront("TraceRequest", http.MethodGet, "glassine/trace", nil)
	r.operation, r.cli, r.command = "glassine:TraceRequest", nil, "glassine trace --last"
	var out struct{ Traces []telemetry.Trace }
	err := c.json(ctx, r, &out)
	return out.Traces, err
}
