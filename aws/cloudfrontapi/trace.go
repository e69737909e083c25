package cloudfrontapi

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"glassine/aws/fault"
	"glassine/edge"
	"glassine/telemetry"
)

// Tracing is this program's own: CloudFront has no such operation. It is served beside CloudFront's, signed and authorised as they
// are, in JSON:
//
//	POST /2020-05-31/glassine/trace       {"method", "url", "headers", "keyOnly"} -> edge.Traced
//	GET  /2020-05-31/glassine/trace       -> {"traces": [telemetry.Trace, ...]}, the latest 100 first
//	GET  /2020-05-31/glassine/trace?after=<n>&wait=<ms>&most=<n>  -> edge.TraceFeed: what changed after a point, as soon as something did
//	GET  /2020-05-31/glassine/trace/<id>  -> telemetry.Trace, of an answer's X-Amz-Cf-Id
//	GET  /2020-05-31/glassine/trace/<id>/events  -> {"events": [telemetry.FunctionEvent, ...]}
//	GET  /2020-05-31/glassine/top/<distribution> -> edge.Top

// latestTraces is how many a list has.
const latestTraces = 100

// traceRequest is the body of a trace.
type traceRequest struct {
	Method  string      `json:"method,omitempty"`
	URL     string      `json:"url"`
	Headers http.Header `json:"headers,omitempty"`
	KeyOnly bool        `json:"keyOnly,omitempty"`
}

func (h *Handler) own(c *call, method, kind, id, part string) error {
	switch {
	case part != "" && (kind != "trace" || part != "events"):
	case kind == "trace" && method == http.MethodPost && id == "":
		var in traceRequest
		if err := json.Unmarshal(c.body, &in); err != nil {
			return fault.New("InvalidArgument", "The body is not the JSON of a trace: an object with url, and perhaps method and headers.")
		}
		out, err := h.Edge.Trace(c.ctx, c.caller, edge.TraceRequest{Method: in.Method, URL: in.URL, Header: in.Headers, KeyOnly: in.KeyOnly})
		if err != nil {
			return err
		}
		return writeJSON(c.w, out)
	case kind == "trace" && method == http.MethodGet && part == "events":
		all, err := h.Edge.RecordedEvents(c.ctx, c.caller, id)
		if err != nil {
			return err
		}
		return writeJSON(c.w, map[string][]telemetry.FunctionEvent{"events": all})
	case kind == "top" && method == http.MethodGet && id != "":
		out, err := h.Edge.Top(c.ctx, c.caller, id)
		if err != nil {
			return err
		}
		return writeJSON(c.w, out)
	case kind == "trace" && method == http.MethodGet && id == "" && c.query["after"] != "":
		return h.watch(c)
	case kind == "trace" && method == http.MethodGet && id == "":
		all, err := h.Edge.LatestTraces(c.ctx, c.caller, latestTraces)
		if err != nil {
			return err
		}
		return writeJSON(c.w, map[string][]telemetry.Trace{"traces": all})
	case kind == "trace" && method == http.MethodGet && id != "":
		out, err := h.Edge.RecordedTrace(c.ctx, c.caller, id)
		if err != nil {
			return err
		}
		return writeJSON(c.w, out)
	}
	return unsupported(method, c.path)
}

// watch answers when requests changed, or when it waited long enough.
func (h *Handler) watch(c *call) error {
	after, err := strconv.ParseUint(c.query["after"], 10, 64)
	if err != nil {
		return fault.New("InvalidArgument", "after is a number that an earlier answer has as next, or 0.")
	}
	wait, err := strconv.ParseUint(or(c.query["wait"], "0"), 10, 31)
	if err != nil {
		return fault.New("InvalidArgument", "wait is a number of milliseconds.")
	}
	most, err := strconv.ParseUint(or(c.query["most"], strconv.Itoa(latestTraces)), 10, 31)
	if err != nil {
		return fault.New("InvalidArgument", "most is a number of traces.")
	}
	out, err := h.Edge.WatchTraces(c.ctx, c.caller, after, time.Duration(wait)*time.Millisecond, min(latestTraces, int(most)))
	if err != nil {
		return err
	}
	return writeJSON(c.w, out)
}

func writeJSON(w http.ResponseWriter, v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(raw, '\n')) // a failed write is the client's leaving
	return nil
}

// Trace makes a request as a viewer would, and returns what came and why.
func (c *Client) Trace(t edge.TraceRequest) (out edge.Traced, err error) {
	body, err := json.Marshal(traceRequest{t.Method, t.URL, t.Header, t.KeyOnly})
	if err != nil {
		return out, err
	}
	raw, err := c.Send("cloudfront", "us-east-1", http.MethodPost, "https://cloudfront.amazonaws.com"+version+"glassine/trace", http.Header{"Content-Type": {"application/json"}}, body)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(raw, &out)
}

// RecordedTrace returns the trace of a request that was answered, by its X-Amz-Cf-Id.
func (c *Client) RecordedTrace(id string) (out telemetry.Trace, err error) {
	raw, err := c.Send("cloudfront", "us-east-1", http.MethodGet, "https://cloudfront.amazonaws.com"+version+"glassine/trace/"+id, nil, nil)
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(raw, &out)
}

// LatestTraces returns the traces that RecordedTrace knows, the latest 100 first.
func (c *Client) LatestTraces() ([]telemetry.Trace, error) {
	raw, err := c.Send("cloudfront", "us-east-1", http.MethodGet, "https://cloudfront.amazonaws.com"+version+"glassine/trace", nil, nil)
	if err != nil {
		return nil, err
	}
	var out struct{ Traces []telemetry.Trace }
	err = json.Unmarshal(raw, &out)
	return out.Traces, err
}
