package edge

import (
	"errors"
	"net/http"
	"net/netip"

	"glassine/edge/signedurl"
)

// signature verifies the signed URL or cookies of x's request, if its behavior wants them, and takes their parameters from
// the query: neither the key, nor functions, nor the origin, nor the log get them. The page refuses the request.
// CloudFront Developer Guide, "Serve private content with signed URLs and signed cookies".
func (x *exchange) signature() *page {
	keys := x.behavior.keys
	if keys == nil {
		return nil
	}
	r := signedurl.Request{
		Scheme: x.scheme(), Host: x.host, Path: x.asked, RawQuery: x.query, Header: http.Header{"Cookie": x.header.Values("Cookie")},
	}
	if a, err := netip.ParseAddr(x.clientIP()); err == nil {
		r.Viewer = a.Unmap()
	}
	query, err := signedurl.Verify(r, keys, x.edge.cfg.Now())
	if err == nil {
		x.query, x.askedQuery = query, query
		return nil
	}
	x.askedQuery = signedurl.Strip(x.query)
	code, message := "AccessDenied", "Access denied"
	if refused, ok := errors.AsType[*signedurl.Error](err); ok {
		code, message = refused.Code(), refused.Message()
	}
	return &page{
		status: http.StatusForbidden, result: resultError, detail: "Error",
		cause: xmlHeader + "<Error><Code>" + code + "</Code><Message>" + escape(message) + "</Message></Error>",
	}
}

const xmlHeader = `<?xml version="1.0" encoding="UTF-8"?>`
