package edge

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
)

// changedResponse is what a function of a response event made of a response.
type changedResponse struct {
	status   int
	header   http.Header // without Content-Length and Transfer-Encoding
	body     []byte      // if replaced
	replaced bool        // the body is another: none of it when it is empty
}

// parseResponse reads the answer of a function that was shown a response. A viewer-response function may not change the
// status. A body that is left out stays what it is, "" takes it away.
// CloudFront Developer Guide, "Update HTTP responses in origin response triggers"; "Restrictions on edge functions".
func parseResponse(answer []byte, at *eventType, status int, before http.Header) (*changedResponse, error) {
	fields, err := parseAnswer(answer)
	if err != nil {
		return nil, err
	}
	c := &changedResponse{}
	if c.status, err = parseStatus(fields); err != nil {
		return nil, err
	}
	if !at.origin && c.status != status {
		return nil, invalidResult("the function tried to change the status in a viewer-response event")
	}
	headers, err := parseHeaders(fields["headers"])
	if err != nil {
		return nil, err
	}
	if err := checkHeaders(shownHeaders(before), headers, at); err != nil {
		return nil, err
	}
	c.header = headers.fields()
	keep(c.header, before)
	c.header.Del("Content-Length")
	c.header.Del("Transfer-Encoding")
	if headerSize(c.header) > headerLimit {
		return nil, invalidResult("the headers have more than %d bytes", headerLimit)
	}
	if c.body, c.replaced, err = parseBody(fields, at.limit); err != nil {
		return nil, err
	}
	if c.replaced && headerSize(c.header)+len(c.body) > at.limit {
		return nil, invalidResult("the response has more than %d bytes", at.limit)
	}
	return c, c.checkBody(status)
}

// checkBody tells whether the body fits the status. A part of a body cannot be replaced: what a 206 carries is what its
// Content-Range says.
func (c *changedResponse) checkBody(was int) error {
	bodiless := []int{http.StatusNoContent, http.StatusNotModified}
	switch {
	case len(c.body) > 0 && slices.Contains(bodiless, c.status):
		return invalidResult("a %d response has a body", c.status)
	case c.replaced && was == http.StatusPartialContent && c.status == was:
		return invalidResult("the body of a 206 response is replaced")
	case !c.replaced && slices.Contains(bodiless, c.status) && c.status != was:
		c.replaced = true // the body that there was is no longer one
	}
	return nil
}

// originated runs the origin-response function on what the origin answered: whatever its status, 304 to a revalidation
// included. ctx's end is the error, as originate's.
func (e *Edge) originated(ctx context.Context, q *originRequest, o *origination) (*origination, error) {
	resp := o.resp
	c, p := e.triggerResponse(ctx, q, q.onResponse, resp.StatusCode, resp.Header)
	switch {
	case ctx.Err() != nil:
		resp.Body.Close()
		return nil, context.Cause(ctx)
	case p != nil:
		resp.Body.Close()
		return &origination{page: p}, nil
	}
	resp.StatusCode, resp.Header = c.status, c.header
	if c.replaced {
		resp.Body.Close()
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(c.body)), int64(len(c.body))
	}
	return o, nil
}
