package s3api

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/objectlambda"
)

// objectLambda answers a request on an Object Lambda access point: by its function, or through the supporting access point.
func (h *Handler) objectLambda(req *request) error {
	passed := req.query.has("partNumber") && !req.query.has("uploadId")
	call := h.ObjectLambda.Begin(objectlambda.Request{
		ID: req.id, Caller: req.caller, AccessPoint: req.target.name, Operation: operation(req), Key: req.target.key,
		VersionID: req.query["versionId"], Query: rawQuery(req.Request), Signed: signedHeaders(req.Header),
		URL: absoluteURL(req.Request), Headers: headerLines(req.Request),
		Range: req.Header.Get("Range") != "" || req.query.has("Range"), Part: passed,
		Abort: func() { _ = http.NewResponseController(req.w).SetWriteDeadline(time.Unix(1, 0)) }, // the deadline is over: a hanging write ends now
	})
	body, answer := &meteredBody{ReadCloser: req.Body}, &meteredWriter{ResponseWriter: req.w, now: h.now}
	req.Body, req.w = body, answer
	err := h.byFunction(req, call)
	end := objectlambda.Ending{Status: answer.status, Code: answer.code, Own: answer.status >= 400, In: body.n.Load(), Out: answer.n, FirstByte: answer.first}
	switch {
	case errors.Is(err, errStarted):
		end.Status, end.Code, end.Own = 0, "ResponseInterrupted", false
	case err != nil:
		f, ok := errors.AsType[*fault.Error](err)
		if !ok {
			f = fault.New("InternalError", "")
		}
		end.Status, end.Code, end.Own = wire.Status(f), f.Code, false
	}
	call.End(req.Context(), end)
	return err
}

// byFunction decides who answers, and has the answer made.
func (h *Handler) byFunction(req *request, call *objectlambda.Call) error {
	if err := call.Authorize(req.Context()); err != nil {
		return err
	}
	if point, caller, ok := call.Proxied(); ok {
		return h.proxied(req, call, point, caller)
	}
	// A key that the customer holds must not come into a function's log.
	if req.Header.Get("X-Amz-Server-Side-Encryption-Customer-Algorithm") != "" {
		return fault.New("NotImplemented", "Operation Not Implemented.")
	}
	switch call.Operation {
	case objectlambda.HeadObject:
		a, err := call.HeadObject(req.Context())
		if err != nil {
			return err
		}
		return deliverHead(req, a)
	case objectlambda.GetObject:
		return h.fromFunction(req, call)
	}
	a, err := call.List(req.Context())
	if err != nil {
		return err
	}
	return deliverList(req, a, call.Operation == objectlambda.ListObjectsV2)
}

// fromFunction answers GetObject with what the function writes.
func (h *Handler) fromFunction(req *request, call *objectlambda.Call) error {
	started := false
	err := call.GetObject(req.Context(), func(a objectlambda.Answer) error {
		started = true
		return deliver(req, a)
	})
	if err != nil && started {
		h.log().WarnContext(req.Context(), "object lambda answer broke off", "request", req.id, "error", err.Error())
		return errStarted
	}
	return err
}

// proxied has the supporting access point answer, as the caller. It is the same code as for every access point.
func (h *Handler) proxied(req *request, call *objectlambda.Call, point string, caller iam.Caller) error {
	if source := req.Header.Get("X-Amz-Copy-Source"); h.namesObjectLambda(source) {
		return fault.New("NotImplemented", "Operation Not Implemented.")
	}
	if req.sig.Query {
		presignedHeaders(req.Request, req.query)
	}
	keys := iam.Context{}
	for name, values := range caller.Context {
		keys[name] = values
	}
	h.requestKeys(keys, req.Request, req.sig, false)
	req.target.kind, req.target.name, req.caller, req.lambda = accessPoint, point, caller.WithContext(keys), call
	return h.dispatch(req)
}

// absoluteURL is the request's URL as it was received.
func absoluteURL(r *http.Request) string {
	path, query := sigv4.Target(r)
	scheme := "https"
	if r.TLS == nil {
		scheme = "http"
	}
	u := scheme + "://" + r.Host + path
	if query != "" {
		u += "?" + query
	}
	return u
}

func rawQuery(r *http.Request) string {
	_, query := sigv4.Target(r)
	return query
}

// signedHeaders are those of the caller's headers that AWS signs into the function's URL; here they are parameters of it.
// (Amazon S3 User Guide, "Event context format and usage", inputS3Url.)
func signedHeaders(hd http.Header) []objectlambda.Header {
	var out []objectlambda.Header
	for _, name := range []string{"x-amz-expected-bucket-owner", "x-amz-request-payer"} {
		if v := hd.Get(name); v != "" {
			out = append(out, objectlambda.Header{Name: name, Value: v})
		}
	}
	return out
}

// headerLines are the headers as the function should see them: under the names that the caller sent, where they are known.
func headerLines(r *http.Request) []objectlambda.Header {
	lines := []objectlambda.Header{{Name: "Host", Value: r.Host}}
	for name, values := range r.Header {
		name = wire.RawName(r, name)
		if name == "X-Amz-Content-Sha256" {
			name = "X-Amz-Content-SHA256" // as AWS's documentation shows it, and functions look it up
		}
		for _, v := range values {
			lines = append(lines, objectlambda.Header{Name: name, Value: v})
		}
	}
	return lines
}

// deliver writes the function's answer. An error means that it broke off.
func deliver(req *request, a objectlambda.Answer) error {
	hd := req.w.Header()
	functionHeaders(hd, a.Headers)
	if a.ErrorCode != "" || a.Status >= 400 && a.Length == 0 {
		writeFunctionError(req, a)
		return nil
	}
	if a.Status == http.StatusNotModified {
		req.w.WriteHeader(a.Status)
		return nil
	}
	if a.Length >= 0 {
		hd.Set("Content-Length", strconv.FormatInt(a.Length, 10))
	}
	if hd.Get("Content-Type") == "" {
		hd["Content-Type"] = nil // the function named none, and none is made up by sniffing
	}
	req.w.WriteHeader(a.Status)
	n, err := copyFlushing(req.w, a.Body)
	if err != nil {
		return err
	}
	if a.Length >= 0 && n != a.Length {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// functionHeaders sets what a function named, but for what is the connection's or ours.
func functionHeaders(hd http.Header, lines []objectlambda.Header) {
	for _, line := range lines {
		switch {
		case hopByHop(line.Name):
		case strings.HasPrefix(line.Name, "x-amz-meta-"):
			hd[line.Name] = []string{line.Value} // in lower case, as S3 writes it
		default:
			hd.Set(line.Name, line.Value)
		}
	}
}

// deliverHead writes the function's answer to HeadObject, which has no body even when it is an error.
func deliverHead(req *request, a objectlambda.Answer) error {
	hd := req.w.Header()
	if a.ErrorCode != "" || a.Status >= 400 {
		writeFunctionError(req, a)
		return nil
	}
	functionHeaders(hd, a.Headers)
	if a.Length >= 0 && a.Status != http.StatusNotModified {
		hd.Set("Content-Length", strconv.FormatInt(a.Length, 10))
	}
	if hd.Get("Content-Type") == "" {
		hd["Content-Type"] = nil
	}
	req.w.WriteHeader(a.Status)
	return nil
}

// deliverList writes the function's answer to ListObjects or ListObjectsV2.
func deliverList(req *request, a objectlambda.ListAnswer, v2 bool) error {
	switch {
	case a.XML != "":
		req.w.Header().Set("Content-Type", "application/xml")
		req.w.Header().Set("Content-Length", strconv.Itoa(len(a.XML)))
		req.w.WriteHeader(a.Status)
		if _, err := io.WriteString(req.w, a.XML); err != nil {
			return errStarted
		}
	case a.ErrorCode != "" || a.Status >= 400:
		writeFunctionError(req, a.Answer)
	default:
		wire.WriteElement(req.w, a.Status, "ListBucketResult", xmlns, functionListing(a.Listing, v2))
	}
	return nil
}

// copyFlushing sends each piece on as it comes, so that the first byte is out before the last is in.
func copyFlushing(w http.ResponseWriter, r io.Reader) (int64, error) {
	rc := http.NewResponseController(w)
	buf := make([]byte, 32<<10)
	var total int64
	for {
		n, err := r.Read(buf)
		if n > 0 {
			if _, werr := w.Write(buf[:n]); werr != nil {
				return total, werr
			}
			total += int64(n)
			_ = rc.Flush() // a writer that cannot flush has nothing to hold back
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// writeFunctionError answers with the error that the function named, its code by status where it named none.
func writeFunctionError(req *request, a objectlambda.Answer) {
	code := a.ErrorCode
	if code == "" {
		code = codeOf(a.Status)
	}
	hd := req.w.Header()
	for name := range hd {
		if name != "X-Amz-Request-Id" {
			delete(hd, name)
		}
	}
	if m, ok := req.w.(*meteredWriter); ok {
		m.code = code
	}
	if req.Method == http.MethodHead {
		req.w.WriteHeader(a.Status)
		return
	}
	type body struct {
		XMLName                          xml.Name `xml:"Error"`
		Code, Message, RequestId, HostId string
	}
	wire.WriteXML(req.w, a.Status, body{Code: code, Message: a.ErrorMessage, RequestId: req.id, HostId: wire.ObjectLambda.HostID})
}

// codeOf is the error code of a status for which the function named none. AWS does not say which it uses.
func codeOf(status int) string {
	switch status {
	case 401, 403:
		return "AccessDenied"
	case 404:
		return "NoSuchKey"
	case 405:
		return "MethodNotAllowed"
	case 409:
		return "OperationAborted"
	case 411:
		return "MissingContentLength"
	case 412:
		return "PreconditionFailed"
	case 416:
		return "InvalidRange"
	case 500:
		return "InternalError"
	case 503:
		return "SlowDown"
	}
	return "InvalidRequest"
}

// writeGetObjectResponse takes a function's answer. It answers 200 after the waiting caller got the last byte.
func (h *Handler) writeGetObjectResponse(req *request) error {
	body, err := wire.NewPayload(req.Request, req.sig)
	if err != nil {
		return err
	}
	rc := http.NewResponseController(req.w)
	write := objectlambda.Write{
		Route: req.Header.Get("X-Amz-Request-Route"), Token: req.Header.Get("X-Amz-Request-Token"),
		Answer: objectlambda.Answer{
			Status: http.StatusOK, Length: body.Length, Body: body,
			ErrorCode: req.Header.Get("X-Amz-Fwd-Error-Code"), ErrorMessage: utf8Text(req.Header.Get("X-Amz-Fwd-Error-Message")),
			Abort: func() { _ = rc.SetReadDeadline(time.Unix(1, 0)) }, // the deadline is over: a hanging read ends now
		},
	}
	// The host carries the route too, where it is one of ours. (S3 API model, WriteGetObjectResponse, endpoint hostPrefix.)
	if label, family := h.hostLabel(req.Host); label != "" && (family == "s3-object-lambda" || family == "") && label != write.Route {
		return fault.New("ValidationError", "The request route %q is not the one of the host.", write.Route)
	}
	if v := req.Header.Get("X-Amz-Fwd-Status"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			return fault.New("ValidationError", "x-amz-fwd-status %q is not a number.", v)
		}
		write.Answer.Status = n
	}
	for name, values := range req.Header {
		if len(values) == 0 || values[0] == "" {
			continue
		}
		if suffix, ok := strings.CutPrefix(name, "X-Amz-Fwd-Header-"); ok {
			if strings.HasPrefix(suffix, "X-Amz-Checksum-") {
				write.Checksums++
			}
			write.Answer.Headers = append(write.Answer.Headers, objectlambda.Header{Name: suffix, Value: values[0]})
		}
		if strings.HasPrefix(name, "X-Amz-Meta-") {
			write.Answer.Headers = append(write.Answer.Headers, objectlambda.Header{Name: strings.ToLower(name), Value: strings.Join(values, ",")})
		}
	}
	if err := h.ObjectLambda.WriteGetObjectResponse(req.Context(), req.caller, write); err != nil {
		return err
	}
	req.w.Header().Set("Content-Length", "0")
	req.w.WriteHeader(http.StatusOK)
	return nil
}

// hopByHop are the headers that a function cannot set: they are the connection's, or ours.
func hopByHop(name string) bool {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Connection", "Keep-Alive", "Transfer-Encoding", "Te", "Trailer", "Upgrade", "Content-Length", "X-Amz-Request-Id":
		return true
	}
	return false
}

// utf8Text makes text of a header that may hold raw Latin-1: the JavaScript SDK sends messages so (seen 2026-11).
func utf8Text(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
