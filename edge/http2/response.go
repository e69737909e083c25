package http2

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// response is what a handler writes to, by net/http's rules.
type response struct {
	stream *stream
	head   bool // of HEAD: no body goes out

	header   http.Header
	status   int    // 0: WriteHeader was not called
	block    []byte // the header's fields, until they are sent
	sent     bool   // the header
	done     bool   // the handler has returned
	declared int64  // Content-Length, -1 without
	written  int64  // of the body
	typed    bool   // there is a Content-Type, or none is to be guessed
	dated    bool
	trailers []string // announced
	buf      *[]byte  // of the body, until there is bufferSize
}

// bufferSize is how much of a body is kept before it is sent, unless it is flushed: net/http's.
const bufferSize = 4 << 10

var buffers = sync.Pool{New: func() any { return new(make([]byte, 0, bufferSize)) }}

// Header returns the header that WriteHeader sends, and after that trailers.
func (w *response) Header() http.Header {
	if w.header == nil {
		w.header = http.Header{}
	}
	return w.header
}

// WriteHeader takes the header as it is now. An interim response (1xx) is sent at once.
func (w *response) WriteHeader(status int) {
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	if w.done || w.status != 0 {
		return
	}
	if status < 200 {
		// 101 is nothing in HTTP/2 (RFC 9113, section 8.6); net/http sends it like others.
		_ = w.stream.inform(appendMap(appendStatus(nil, status), w.header, nil)) // the next write tells
		return
	}
	w.status = status
	h := w.header
	if line := h["Content-Length"]; len(line) > 0 {
		n, ok := parseLength(line[0])
		if ok {
			w.declared = n
		}
		if !ok || len(line) > 1 { // the first counts, as in net/http
			h = maps.Clone(h)
			delete(h, "Content-Length")
			if ok {
				h["Content-Length"] = line[:1]
			}
		}
	}
	_, w.typed = h["Content-Type"]
	w.typed = w.typed || h.Get("Content-Encoding") != ""
	_, w.dated = h["Date"]
	for _, line := range h["Trailer"] {
		for name := range strings.SplitSeq(line, ",") {
			w.announce(http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	w.block = appendMap(appendStatus(make([]byte, 0, 512), status), h, nil)
	if h.Get("Connection") == "close" { // as over HTTP/1.1
		c := w.stream.conn
		c.mu.Lock()
		c.finish()
		c.mu.Unlock()
	}
}

// announce notes a trailer (RFC 9110, section 6.5.1).
func (w *response) announce(name string) {
	switch name {
	case "Transfer-Encoding", "Content-Length", "Trailer":
		return
	}
	if validMethod(name) && !slices.Contains(w.trailers, name) {
		w.trailers = append(w.trailers, name)
	}
}

// Write sends a part of the body, or keeps it to be sent with what follows.
func (w *response) Write(p []byte) (int, error) {
	if w.done {
		return 0, http.ErrHandlerTimeout // nobody may write any more
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	if !bodyAllowed(w.status) {
		return 0, http.ErrBodyNotAllowed
	}
	w.written += int64(len(p))
	if w.declared >= 0 && w.written > w.declared {
		return 0, http.ErrContentLength
	}
	if w.buf == nil && len(p) >= bufferSize {
		return len(p), w.send(p, false)
	}
	if w.buf == nil {
		w.buf = buffers.Get().(*[]byte)
	}
	if len(*w.buf)+len(p) > bufferSize {
		if err := w.flush(); err != nil {
			return 0, err
		}
		if len(p) >= bufferSize {
			return len(p), w.send(p, false)
		}
	}
	*w.buf = append(*w.buf, p...)
	return len(p), nil
}

// WriteString is Write.
func (w *response) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// Flush sends what there is.
func (w *response) Flush() { _ = w.FlushError() } // the next write tells

// FlushError is Flush, with what http.ResponseController wants to know.
func (w *response) FlushError() error {
	if w.done {
		return http.ErrHandlerTimeout
	}
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	return w.flush()
}

func (w *response) flush() error {
	if w.buf == nil {
		return w.send(nil, false)
	}
	err := w.send(*w.buf, false)
	*w.buf = (*w.buf)[:0]
	return err
}

// finish sends the rest, when the handler has returned.
func (w *response) finish() error {
	if w.status == 0 {
		w.WriteHeader(http.StatusOK)
	}
	w.done = true
	var rest []byte
	if w.buf != nil {
		rest = *w.buf
		defer func() {
			*w.buf = (*w.buf)[:0]
			buffers.Put(w.buf)
			w.buf = nil
		}()
	}
	if !w.sent && w.declared < 0 && bodyAllowed(w.status) && (len(rest) > 0 || !w.head) {
		w.block = appendField(w.block, []byte("Content-Length"), strconv.Itoa(len(rest)))
	}
	if w.declared > w.written && !w.head && bodyAllowed(w.status) {
		_ = w.send(rest, false)      // the stream is reset anyway
		return http.ErrContentLength // so that nobody takes the part for the whole
	}
	trailers := w.trailerBlock()
	if err := w.send(rest, trailers == nil); err != nil || trailers == nil {
		return err
	}
	return w.stream.write(trailers, nil, true)
}

// trailerBlock is the trailer section, nil for none.
func (w *response) trailerBlock() []byte {
	for name := range w.header {
		if after, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			after = http.CanonicalHeaderKey(after)
			w.announce(after)
			w.header[after] = w.header[name]
		}
	}
	if len(w.trailers) == 0 || w.head {
		return nil
	}
	slices.Sort(w.trailers)
	block := appendMap(nil, w.header, w.trailers)
	if len(block) == 0 {
		return nil
	}
	return block
}

// send sends the header, if it was not, with p behind it.
func (w *response) send(p []byte, last bool) error {
	var head []byte
	if !w.sent {
		w.sent = true
		head = w.block
		if !w.typed && bodyAllowed(w.status) && len(p) > 0 {
			head = appendField(head, []byte("Content-Type"), http.DetectContentType(p))
		}
		if !w.dated {
			head = appendField(head, []byte("Date"), time.Now().UTC().Format(http.TimeFormat))
		}
		w.block = nil
		last = last || w.head
	} else if w.head {
		return nil
	}
	if w.head {
		p = nil
	}
	if head == nil && len(p) == 0 && !last {
		return nil
	}
	return w.stream.write(head, p, last)
}

// bodyAllowed reports whether an answer with the status has a body (RFC 9110, section 6.4.1).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}

// SetReadDeadline is http.ResponseController's.
func (w *response) SetReadDeadline(t time.Time) error {
	w.stream.conn.mu.Lock()
	defer w.stream.conn.mu.Unlock()
	w.stream.setRead(t)
	return nil
}

// SetWriteDeadline is http.ResponseController's.
func (w *response) SetWriteDeadline(t time.Time) error {
	w.stream.conn.mu.Lock()
	defer w.stream.conn.mu.Unlock()
	w.stream.setWrite(t)
	return nil
}

// EnableFullDuplex is http.ResponseController's; HTTP/2 always is.
func (w *response) EnableFullDuplex() error { return nil }
