// Package client makes calls of AWS's APIs for one user, signed with that user's own credentials, remembers each, and says it
// in the AWS CLI's words. It is the console's only way to anything: what it cannot do, the AWS CLI with the same key cannot
// do either. It decides nothing and caches nothing.
//
// Start at Client; each service has a file.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"glassine/aws/sigv4"
)

// Client makes calls. Its fields are set before the first call. Safe for many goroutines.
type Client struct {
	// Transport must reach AWS's names.
	Transport   http.RoundTripper
	Credentials sigv4.Credentials
	Account     string
	Region      string           // where calls go that name no other
	Now         func() time.Time // nil means time.Now

	mu    sync.Mutex // guards calls
	calls []Call
}

// Call is one call that was made.
type Call struct {
	Operation string // AWS's name, such as s3:ListObjectsV2
	Method    string
	URL       string // without a query that could hold a signature: calls are signed in headers
	Command   string // the same call as a command, of the AWS CLI where that has it
	Status    int    // 0 when there was no answer
	Code      string // of an error
	RequestID string
	Changes   bool // it is not a call that only reads
	Took      time.Duration
}

// request is a call to be made.
type request struct {
	operation       string
	service, region string // to sign for
	method, url     string
	header          http.Header
	body            []byte
	stream          io.Reader // in place of body, not signed
	size            int64     // of stream
	cli             []string  // words after aws
	command         string    // in place of cli, where the AWS CLI has none
	reads           bool      // a POST that changes nothing
	quiet           bool      // not to be remembered: one of many that are alike
}

// maxAnswer bounds what is read of an answer that is held whole.
const maxAnswer = 16 << 20

// Error is an answer that says no. Its text is AWS's own.
type Error struct {
	Operation, Code, Message, RequestID, Command string
	Status                                       int
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %s", e.Operation, e.Code, e.Message) }

// Code returns the AWS code of err, or "".
func Code(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// Calls returns what was called, in order.
func (c *Client) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Call(nil), c.calls...)
}

// send makes a call. The caller closes the answer's body; an answer of status 300 and above is an *Error instead, except 304.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	var body io.Reader = http.NoBody
	hash := sigv4.PayloadSHA256(r.body)
	size := int64(len(r.body))
	switch {
	case r.stream != nil:
		body, hash, size = r.stream, sigv4.UnsignedPayload, r.size
	case len(r.body) > 0:
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = size
	for name, values := range r.header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", "glassine-console")
	if r.region == "" {
		r.region = c.Region
	}
	now := time.Now()
	if c.Now != nil {
		now = c.Now()
	}
	sigv4.Sign(req, c.Credentials, r.region, r.service, hash, now)
	call := Call{Operation: r.operation, Method: r.method, URL: r.url, Changes: !r.reads && r.method != http.MethodGet && r.method != http.MethodHead}
	if call.Command = r.command; r.cli != nil {
		call.Command = Command(r.cli...)
	}
	started := time.Now()
	resp, err := c.Transport.RoundTrip(req)
	call.Took = time.Since(started)
	if err != nil {
		c.remember(r, call)
		return nil, fmt.Errorf("%s: %w", r.operation, err)
	}
	call.Status, call.RequestID = resp.StatusCode, requestID(resp.Header)
	if resp.StatusCode < 300 || resp.StatusCode == http.StatusNotModified {
		c.remember(r, call)
		return resp, nil
	}
	defer resp.Body.Close()
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // a broken answer is still an error with its status
	e := readError(resp, raw)
	e.Operation, e.Command = r.operation, call.Command
	call.Code = e.Code
	c.remember(r, call)
	return nil, e
}

func (c *Client) remember(r request, call Call) {
	if r.quiet {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, call)
}

// read makes a call and returns its whole answer, of at most 16 MiB.
func (c *Client) read(ctx context.Context, r request) ([]byte, http.Header, error) {
	resp, err := c.send(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: read answer: %w", r.operation, err)
	}
	return raw, resp.Header, nil
}

// xml makes a call and decodes its answer into out, unless that is nil.
func (c *Client) xml(ctx context.Context, r request, out any) (http.Header, error) {
	raw, header, err := c.read(ctx, r)
	if err != nil || out == nil {
		return header, err
	}
	if err := xml.Unmarshal(raw, out); err != nil {
		return header, fmt.Errorf("%s: decode answer: %w", r.operation, err)
	}
	return header, nil
}

// json makes a call and decodes its answer into out, unless that is nil.
func (c *Client) json(ctx context.Context, r request, out any) error {
	raw, _, err := c.read(ctx, r)
	if err != nil || out == nil || len(raw) == 0 {
		return err
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return fmt.Errorf("%s: decode answer: %w", r.operation, err)
	}
	return nil
}

// requestID is the id of an answer, under whichever name its service has.
func requestID(h http.Header) string {
	if id := h.Get("X-Amz-Request-Id"); id != "" {
		return id
	}
	return h.Get("X-Amzn-Requestid")
}

// readError reads an error in the forms of the JSON protocols and of the XML ones.
func readError(resp *http.Response, raw []byte) *Error {
	e := &Error{Status: resp.StatusCode, RequestID: requestID(resp.Header), Code: resp.Header.Get("X-Amzn-Errortype")}
	var j struct {
		Type    string `json:"__type"`
		Message string
	}
	var x struct {
		Code, Message string
		Error         struct{ Code, Message string }
		Errors        struct {
			Error struct{ Code, Message string }
		}
	}
	if json.Unmarshal(raw, &j) == nil {
		if e.Message = j.Message; e.Code == "" {
			e.Code = j.Type
		}
	} else if xml.Unmarshal(raw, &x) == nil {
		for _, form := range []struct{ Code, Message string }{x.Error, {x.Code, x.Message}, x.Errors.Error} {
			if form.Code != "" {
				e.Code, e.Message = form.Code, form.Message
				break
			}
		}
	}
	e.Code, _, _ = strings.Cut(e.Code, ":")
	if e.Code == "" {
		e.Code = fmt.Sprintf("HTTP%d", resp.StatusCode)
	}
	if e.Message == "" {
		e.Message = http.StatusText(resp.StatusCode)
	}
	return e
}

// Command is a command of the AWS CLI for a POSIX shell. Words that need it are quoted.
func Command(words ...string) string {
	var b strings.Builder
	b.WriteString("aws")
	for _, w := range words {
		b.WriteByte(' ')
		b.WriteString(quote(w))
	}
	return b.String()
}

// quote makes one word of s for a POSIX shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/.:_-+=@,%") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// Quote makes one word of s for a POSIX shell.
func Quote(s string) string { return quote(s) }
