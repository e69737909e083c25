package client

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"

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

// ExplainKey says what the cache key of a request would be made of, and makes no request.
func (c *Client) ExplainKey(ctx context.Context, viewerURL, accept string) (telemetry.Trace, error) {
	in := map[string]any{"url": viewerURL, "keyOnly": true}
	if accept != "" {
		in["headers"] = http.Header{"Accept": {accept}}
	}
	body, _ := json.Marshal(in) // strings always encode
	r := c.cloudfront("TraceRequest", http.MethodPost, "glassine/trace", body)
	r.operation, r.cli, r.command = "glassine:TraceRequest", nil, "glassine trace "+quote(viewerURL)
	r.header, r.reads = http.Header{"Content-Type": {"application/json"}}, true
	var out Traced
	err := c.json(ctx, r, &out)
	return out.Trace, err
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

// Feed is requests that changed since the last look, the latest change last, and where to go on from.
type Feed struct {
	Traces []telemetry.Trace `json:"traces"`
	Next   uint64            `json:"next"`
}

// Watch waits up to that long for requests that began, went on or ended after a point, 0 for all that are kept, and returns at
// most so many, at most 100. It is one of many calls of a stream, and not remembered.
func (c *Client) Watch(ctx context.Context, after uint64, wait time.Duration, most int) (Feed, error) {
	r := c.cloudfront("TraceRequest", http.MethodGet, "glassine/trace?after="+strconv.FormatUint(after, 10)+"&wait="+strconv.FormatInt(wait.Milliseconds(), 10)+"&most="+strconv.Itoa(most), nil)
	r.operation, r.cli, r.quiet = "glassine:TraceRequest", nil, true
	var out Feed
	err := c.json(ctx, r, &out)
	return out, err
}

// RecordedEvents returns the events that functions were run with for a request, by its X-Amz-Cf-Id, redacted. IAM decides it for
// each function, as glassine:ReadFunctionEvents.
func (c *Client) RecordedEvents(ctx context.Context, id string) ([]telemetry.FunctionEvent, error) {
	r := c.cloudfront("ReadFunctionEvents", http.MethodGet, "glassine/trace/"+url.PathEscape(id)+"/events", nil)
	r.operation, r.cli = "glassine:ReadFunctionEvents", nil
	var out struct{ Events []telemetry.FunctionEvent }
	err := c.json(ctx, r, &out)
	return out.Events, err
}

// TopURL is what a distribution counted of a path.
type TopURL struct {
	Path     string
	Requests int64
	Misses   int64
	Reasons  map[string]int64
}

// Top is what viewers of a distribution asked for most, and what was not in its cache most.
type Top struct{ URLs, Misses []TopURL }

// TopURLs returns a distribution's. It is glassine's own operation, decided as glassine:TraceRequest on the distribution.
func (c *Client) TopURLs(ctx context.Context, distribution string) (Top, error) {
	r := c.cloudfront("TraceRequest", http.MethodGet, "glassine/top/"+url.PathEscape(distribution), nil)
	r.operation, r.cli = "glassine:TraceRequest", nil
	var out Top
	err := c.json(ctx, r, &out)
	return out, err
}
