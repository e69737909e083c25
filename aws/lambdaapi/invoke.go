package lambdaapi

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/lambda"
	"glassine/lambda/runner"
)

const (
	// maxPayload leaves it to lambda to say that an event is one byte too long.
	maxPayload = runner.MaxPayload + 1
	// maxClientContext is the most bytes of a client context, in base64. (Lambda API Reference, Invoke.)
	maxClientContext = 3583
)

// newCall reads what an invocation has in headers and body. No body is the event {}: so AWS's runtimes see it.
func newCall(c *call, in wire.Input) (lambda.Call, error) {
	out := lambda.Call{Payload: in.Body, RequestID: c.id, TraceID: in.Header.Get("X-Amzn-Trace-Id"), WantLogTail: in.Header.Get("X-Amz-Log-Type") == "Tail"}
	switch {
	case len(in.Body) == 0:
		out.Payload = []byte("{}")
	case len(in.Body) <= runner.MaxPayload && !json.Valid(in.Body):
		return out, fault.New("InvalidRequestContentException", "Could not parse request body into json: it is not well-formed.")
	}
	if text := in.Header.Get("X-Amz-Client-Context"); text != "" {
		raw, err := base64.StdEncoding.DecodeString(text)
		if err != nil || len(text) > maxClientContext || !json.Valid(raw) {
			return out, fault.New("InvalidRequestContentException", "Client context must be a valid Base64-encoded JSON object of at most %d bytes.", maxClientContext)
		}
		out.ClientContext = string(raw)
	}
	return out, nil
}

// invoke is Invoke: what the function says is the body, whether it failed or not. (Lambda API Reference, Invoke.)
func invoke(c *call, in wire.Input, w http.ResponseWriter) error {
	full, err := c.function(in.Params["FunctionName"], in.Query.Get("Qualifier"))
	if err != nil {
		return err
	}
	invocation, err := newCall(c, in)
	if err != nil {
		return err
	}
	switch kind := in.Header.Get("X-Amz-Invocation-Type"); kind {
	case "", "RequestResponse":
	case "Event":
		if _, err := c.lambda.InvokeAsync(c.ctx, c.caller, full, invocation); err != nil {
			return err
		}
		wire.WriteJSON(w, wire.Lambda, http.StatusAccepted, nil)
		return nil
	case "DryRun":
		if err := c.lambda.DryRun(c.ctx, c.caller, full); err != nil {
			return err
		}
		wire.WriteJSON(w, wire.Lambda, http.StatusNoContent, nil)
		return nil
	default:
		return fault.New("InvalidParameterValueException", "The invocation type %q is not one of RequestResponse, Event and DryRun.", kind)
	}
	result, err := c.lambda.Call(c.ctx, c.caller, full, invocation)
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("X-Amz-Executed-Version", result.Version)
	if result.Failed {
		h.Set("X-Amz-Function-Error", "Unhandled")
	}
	if invocation.WantLogTail {
		h.Set("X-Amz-Log-Result", base64.StdEncoding.EncodeToString(result.LogTail))
	}
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(result.Payload)))
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(result.Payload) // a failed write is the client's leaving
	return nil
}

// invokeAsync is InvokeAsync, which Invoke with the type Event has replaced.
func invokeAsync(c *call, in wire.Input, w http.ResponseWriter) error {
	full, err := c.function(in.Params["FunctionName"], "")
	if err != nil {
		return err
	}
	invocation, err := newCall(c, in)
	if err != nil {
		return err
	}
	if _, err := c.lambda.InvokeAsync(c.ctx, c.caller, full, invocation); err != nil {
		return err
	}
	wire.WriteJSON(w, wire.Lambda, http.StatusAccepted, struct{ Status int }{http.StatusAccepted})
	return nil
}

// invokeStreaming is InvokeWithResponseStream: PayloadChunk events as the function writes, then InvokeComplete.
// (Lambda API Reference, InvokeWithResponseStream.)
func invokeStreaming(c *call, in wire.Input, w http.ResponseWriter) error {
	full, err := c.function(in.Params["FunctionName"], in.Query.Get("Qualifier"))
	if err != nil {
		return err
	}
	invocation, err := newCall(c, in)
	if err != nil {
		return err
	}
	if in.Header.Get("X-Amz-Invocation-Type") == "DryRun" {
		if err := c.lambda.DryRun(c.ctx, c.caller, full); err != nil {
			return err
		}
		wire.WriteJSON(w, wire.Lambda, http.StatusNoContent, nil)
		return nil
	}
	events := wire.NewEventStream(w)
	begun := false
	begin := func(version string) {
		begun = true
		w.Header().Set("X-Amz-Executed-Version", version)
		events.Begin()
	}
	invocation.Stream = func(version string) io.Writer {
		begin(version)
		return chunks{events}
	}
	result, err := c.lambda.Call(c.ctx, c.caller, full, invocation)
	if err != nil && !begun {
		return err
	}
	if !begun {
		begin(result.Version)
	}
	var end struct {
		ErrorCode    string `json:",omitempty"`
		ErrorDetails string `json:",omitempty"`
		LogResult    string `json:",omitempty"`
	}
	switch {
	case err != nil:
		end.ErrorCode, end.ErrorDetails = "ServiceException", "The invocation broke off."
	case result.Failed:
		end.ErrorCode, end.ErrorDetails = "Unhandled", string(result.Payload)
	}
	if invocation.WantLogTail {
		end.LogResult = base64.StdEncoding.EncodeToString(result.LogTail)
	}
	body, err := json.Marshal(end)
	if err != nil {
		return err // strings always encode
	}
	_ = events.Send("InvokeComplete", "application/json", body) // a failed write is the client's leaving
	return nil
}

// chunks makes an event of each write.
type chunks struct{ events *wire.EventStream }

// maxChunk is the most bytes of one event.
const maxChunk = 64 << 10

func (c chunks) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		part := p[n:min(n+maxChunk, len(p))]
		if err := c.events.Send("PayloadChunk", "application/octet-stream", part); err != nil {
			return n, err
		}
		n += len(part)
	}
	return n, nil
}
