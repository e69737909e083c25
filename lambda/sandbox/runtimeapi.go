package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The Runtime API is what a runtime inside a process calls. (AWS Lambda Developer Guide, "Using the Lambda runtime API for
// custom runtimes"; words and states as the runtime interface emulator has them.)

// Headers of the Runtime API.
const (
	headerErrorType    = "Lambda-Runtime-Function-Error-Type"
	headerErrorBody    = "Lambda-Runtime-Function-Error-Body"
	headerResponseMode = "Lambda-Runtime-Function-Response-Mode"
)

func (p *process) routes() http.Handler {
	m := http.NewServeMux()
	const base = "/2018-06-01"
	m.HandleFunc("GET "+base+"/ping", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "pong") })
	m.HandleFunc("GET "+base+"/runtime/invocation/next", p.next)
	m.HandleFunc("POST "+base+"/runtime/invocation/{id}/response", p.response)
	m.HandleFunc("POST "+base+"/runtime/invocation/{id}/error", p.failure)
	m.HandleFunc("POST "+base+"/runtime/init/error", p.initFailure)
	// Extensions are known by name and get no events: those of a layer start nowhere, and a runtime that registers one of
	// its own must not fail for it. See docs/aws-differences.md.
	m.HandleFunc("POST /2020-01-01/extension/register", p.register)
	m.HandleFunc("GET /2020-01-01/extension/event/next", func(w http.ResponseWriter, _ *http.Request) {
		<-p.child.Done()
		w.(*apiAnswer).gone = true
	})
	m.HandleFunc("POST /2020-01-01/extension/init/error", accepted)
	m.HandleFunc("POST /2020-01-01/extension/exit/error", accepted)
	m.HandleFunc("PUT /2020-08-15/logs", unsubscribed)
	m.HandleFunc("PUT /2022-07-01/telemetry", unsubscribed)
	return m
}

// next waits for an event, for as long as it takes.
func (p *process) next(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	busy := p.current != nil
	select {
	case <-p.asked:
	default:
		p.init = p.host.cfg.Now().Sub(p.started)
		close(p.asked)
	}
	p.mu.Unlock()
	if busy {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed")
		return
	}
	p.release()
	answer := w.(*apiAnswer)
	var c *call
	select {
	case c = <-p.events:
	case <-p.child.Done():
		answer.gone = true
		return
	}
	if !answer.alive() {
		answer.gone = true
		p.mu.Lock()
		p.broken = true
		p.mu.Unlock()
		close(c.refused)
		return
	}
	begun := p.host.cfg.Now()
	p.mu.Lock()
	c.begun, p.current = begun, c
	p.mu.Unlock()
	p.log.begin(begun, c, p.v)
	h := w.Header()
	for _, f := range [...]struct{ name, value string }{
		{"Lambda-Runtime-Aws-Request-Id", c.RequestID},
		{"Lambda-Runtime-Trace-Id", c.TraceID},
		{"Lambda-Runtime-Client-Context", c.ClientContext},
		{"Lambda-Runtime-Invoked-Function-Arn", c.InvokedARN},
		{"Lambda-Runtime-Deadline-Ms", strconv.FormatInt(begun.Add(p.v.Timeout).UnixMilli(), 10)},
		{"Content-Type", "application/json"},
	} {
		if f.value != "" {
			h[f.name] = []string{f.value}
		}
	}
	_, _ = w.Write(c.Payload) // a runtime that is gone is noticed by its end
}

// answering finds the call that a runtime answers, and leaves none current: the first answer counts.
func (p *process) answering(w http.ResponseWriter, r *http.Request) *call {
	id := r.PathValue("id")
	p.mu.Lock()
	c := p.current
	if c != nil && c.RequestID == id {
		p.current, p.last = nil, id
		p.mu.Unlock()
		return c
	}
	again := p.last == id && id != ""
	p.mu.Unlock()
	_, _ = io.Copy(io.Discard, http.MaxBytesReader(w, r.Body, 4*MaxPayload)) // or its end comes as a broken connection
	if again {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed")
	} else {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
	}
	return nil
}

// response takes a result.
func (p *process) response(w http.ResponseWriter, r *http.Request) {
	mode := r.Header.Get(headerResponseMode)
	if mode != "" && mode != "streaming" {
		refuse(w, http.StatusBadRequest, "InvalidFunctionResponseMode", "Invalid function response mode: "+mode)
		return
	}
	c := p.answering(w, r)
	if c == nil {
		return
	}
	if mode == "streaming" {
		c.outcome <- p.takeStream(w, r, c)
		return
	}
	body, ok := takeWhole(w, r, c)
	if !ok {
		return
	}
	if c.Stream != nil {
		c.open(StreamHead{ContentType: "application/json"})
		_, err := c.Write(body)
		body = nil
		if err != nil {
			c.outcome <- truncated(c, err)
			return
		}
	}
	c.outcome <- outcome{payload: body}
}

// takeWhole reads what a runtime sends, and accepts it; or ends the call, and returns false.
func takeWhole(w http.ResponseWriter, r *http.Request, c *call) (body []byte, ok bool) {
	body, size, err := readPayload(r)
	switch {
	case err != nil:
		c.outcome <- truncated(c, err)
		return nil, false
	case size > MaxPayload:
		refuseTooLarge(w)
		c.outcome <- tooLarge(size)
		return nil, false
	}
	accepted(w, r)
	return body, true
}

func refuseTooLarge(w http.ResponseWriter) {
	refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", MaxPayload))
}

// takeStream passes a streamed result on, or gathers it when nobody wants a stream.
func (p *process) takeStream(w http.ResponseWriter, r *http.Request, c *call) outcome {
	gathered := &limitedBuffer{}
	var to io.Writer = gathered
	if c.Stream != nil {
		c.open(StreamHead{ContentType: r.Header.Get("Content-Type")})
		to = c
	}
	n, err := io.Copy(to, http.MaxBytesReader(w, r.Body, MaxStream))
	if err != nil {
		return truncated(c, err)
	}
	// A failure in mid-stream comes behind the last byte. (Lambda Developer Guide, "Response streaming" of custom runtimes.)
	if kind := r.Trailer.Get(headerErrorType); kind != "" {
		accepted(w, r)
		body, err := base64.StdEncoding.DecodeString(r.Trailer.Get(headerErrorBody))
		if err != nil || len(body) == 0 {
			body = errorJSON(kind, "the function failed while it streamed its response")
		}
		return outcome{payload: body, failed: true, errorType: kind}
	}
	if gathered.over {
		refuseTooLarge(w)
		return tooLarge(n)
	}
	accepted(w, r)
	return outcome{payload: gathered.held}
}

// limitedBuffer holds MaxPayload bytes at most and counts the rest.
type limitedBuffer struct {
	held []byte
	over bool
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	if len(b.held)+len(p) > MaxPayload {
		b.held, b.over = nil, true
	}
	if !b.over {
		b.held = append(b.held, p...)
	}
	return len(p), nil
}

// readPayload reads a result whole. One of more than MaxPayload is read to its end and its size told, so that the runtime
// can go on with its connection; one of more than four times that breaks off.
func readPayload(r *http.Request) (body []byte, size int64, err error) {
	limited := http.MaxBytesReader(nil, r.Body, 4*MaxPayload)
	switch {
	case r.ContentLength > MaxPayload:
		_, err := io.Copy(io.Discard, limited)
		return nil, r.ContentLength, err
	case r.ContentLength >= 0:
		body = make([]byte, r.ContentLength)
		_, err := io.ReadFull(limited, body)
		return body, r.ContentLength, err
	}
	b := &limitedBuffer{}
	size, err = io.Copy(b, limited)
	return b.held, size, err
}

func tooLarge(size int64) outcome {
	return failed("Function.ResponseSizeTooLarge", fmt.Sprintf("Response payload size (%d bytes) exceeded maximum allowed payload size (%d bytes).", size, MaxPayload))
}

func truncated(c *call, err error) outcome {
	return failed("Runtime.TruncatedResponse", "RequestId: "+c.RequestID+" Error: Response ended early: "+err.Error())
}

// failure takes an error in place of a result, and passes it on as it is.
func (p *process) failure(w http.ResponseWriter, r *http.Request) {
	c := p.answering(w, r)
	if c == nil {
		return
	}
	body, ok := takeWhole(w, r, c)
	if !ok {
		return
	}
	kind := errorKind(r.Header.Get(headerErrorType), "Function")
	if len(body) == 0 {
		body = errorJSON(kind, "")
	}
	c.outcome <- outcome{payload: body, failed: true, errorType: kind}
}

// initFailure takes the reason why a runtime cannot begin.
func (p *process) initFailure(w http.ResponseWriter, r *http.Request) {
	body, size, err := readPayload(r)
	if err != nil || size > MaxPayload || len(body) == 0 {
		body = errorJSON(errorKind(r.Header.Get(headerErrorType), "Runtime"), "")
	}
	select {
	case <-p.asked:
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "State transition is not allowed")
		return
	default:
	}
	accepted(w, r)
	select {
	case p.initErr <- body:
	default:
	}
}

// errorKind is a category.reason that a runtime gave, or what replaces one that is none.
func errorKind(given, category string) string {
	c, reason, ok := strings.Cut(given, ".")
	if !ok || reason == "" || c != "Function" && c != "Runtime" && c != "Extension" && c != "Sandbox" {
		return category + ".Unknown"
	}
	return given
}

func accepted(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Content-Type"] = []string{"application/json"}
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`) // a runtime that is gone is noticed by its end
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	w.Header()["Content-Type"] = []string{"application/json"}
	w.WriteHeader(status)
	b, _ := json.Marshal(struct {
		ErrorMessage string `json:"errorMessage"`
		ErrorType    string `json:"errorType"`
	}{message, kind}) // strings always encode
	_, _ = w.Write(b)
}

func (p *process) register(w http.ResponseWriter, r *http.Request) {
	name := r.Header.Get("Lambda-Extension-Name")
	if name == "" {
		refuse(w, http.StatusForbidden, "Extension.InvalidExtensionName", "Empty extension name")
		return
	}
	w.Header().Set("Lambda-Extension-Identifier", strconv.FormatInt(time.Now().UnixNano(), 16))
	w.Header().Set("Content-Type", "application/json")
	b, _ := json.Marshal(map[string]string{"functionName": p.v.FunctionName, "functionVersion": p.v.Version, "handler": p.v.Handler}) // strings always encode
	_, _ = w.Write(b)
}

// unsubscribed is the emulator's answer where the Logs and the Telemetry API are off.
func unsubscribed(w http.ResponseWriter, _ *http.Request) {
	refuse(w, http.StatusAccepted, "Telemetry.NotSupported", "Telemetry API is not supported")
}
