package s3api

import (
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/store"
)

// maxPut is the largest object that one PutObject stores. (S3 API Reference, PutObject: 5 GB.)
const maxPut = 5 << 30

// object dispatches the operations on a key.
func (h *Handler) object(req *request) error {
	switch req.Method {
	case http.MethodGet, http.MethodHead:
		if sub := req.query.subresource(); sub != "" {
			return notImplemented("?" + sub)
		}
		if req.Method == http.MethodHead {
			return h.headObject(req)
		}
		return h.getObject(req)
	case http.MethodPut:
		if sub := req.query.subresource(); sub != "" {
			return notImplemented("?" + sub)
		}
		return h.putObject(req)
	case http.MethodDelete:
		if sub := req.query.subresource(); sub != "" {
			return notImplemented("?" + sub)
		}
		if err := h.S3.DeleteObject(req.Context(), req.caller, req.target.s3(), req.target.key); err != nil {
			return err
		}
		req.w.WriteHeader(http.StatusNoContent)
		return nil
	case http.MethodPost:
		if req.query.has("uploads") || req.query.has("uploadId") {
			return fault.New("NotImplemented", "Multipart uploads are not supported yet. Send the object in one PutObject (up to 5 GB); for the AWS CLI: aws configure set s3.multipart_threshold 5GB")
		}
		if sub := req.query.subresource(); sub != "" {
			return notImplemented("?" + sub)
		}
	}
	return methodNotAllowed(req.Method)
}

func (h *Handler) getObject(req *request) error {
	rng, err := parseRange(req.Header.Get("Range"))
	if err != nil {
		return err
	}
	o, err := h.S3.GetObject(req.Context(), req.caller, req.target.s3(), req.target.key, store.GetOptions{Range: rng})
	if err != nil {
		return err
	}
	defer o.Body.Close()
	if err := preconditions(req.Request, o.Info); err != nil {
		return err
	}
	hd := req.w.Header()
	objectHeaders(hd, o.Info)
	if err := overrides(hd, req); err != nil {
		return err
	}
	status := http.StatusOK
	if rng != nil {
		status = http.StatusPartialContent
		hd.Set("Content-Range", "bytes "+strconv.FormatInt(o.Offset, 10)+"-"+strconv.FormatInt(o.Offset+o.Length-1, 10)+"/"+strconv.FormatInt(o.Info.Size, 10))
	}
	hd.Set("Content-Length", strconv.FormatInt(o.Length, 10))
	req.w.WriteHeader(status)
	if n, err := io.Copy(req.w, o.Body); err != nil || n != o.Length {
		return errStarted
	}
	return nil
}

func (h *Handler) headObject(req *request) error {
	info, err := h.S3.HeadObject(req.Context(), req.caller, req.target.s3(), req.target.key)
	if err != nil {
		return err
	}
	if err := preconditions(req.Request, info); err != nil {
		return err
	}
	hd := req.w.Header()
	objectHeaders(hd, info)
	if err := overrides(hd, req); err != nil {
		return err
	}
	rng, err := parseRange(req.Header.Get("Range"))
	if err != nil {
		return err
	}
	offset, length, err := rng.Resolve(info.Size)
	if err != nil {
		return fault.New("InvalidRange", "The requested range is not satisfiable")
	}
	hd.Set("Content-Length", strconv.FormatInt(length, 10))
	if rng != nil {
		hd.Set("Content-Range", "bytes "+strconv.FormatInt(offset, 10)+"-"+strconv.FormatInt(offset+length-1, 10)+"/"+strconv.FormatInt(info.Size, 10))
		req.w.WriteHeader(http.StatusPartialContent)
		return nil
	}
	req.w.WriteHeader(http.StatusOK)
	return nil
}

func objectHeaders(h http.Header, info store.Info) {
	h.Set("ETag", `"`+info.ETag+`"`)
	h.Set("Last-Modified", info.Modified.UTC().Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	contentType := info.Headers.ContentType
	if contentType == "" {
		contentType = "binary/octet-stream" // S3's default
	}
	h.Set("Content-Type", contentType)
	for name, value := range map[string]string{
		"Cache-Control": info.Headers.CacheControl, "Content-Disposition": info.Headers.ContentDisposition,
		"Content-Encoding": info.Headers.ContentEncoding, "Content-Language": info.Headers.ContentLanguage, "Expires": info.Headers.Expires,
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	for name, value := range info.Metadata {
		h["x-amz-meta-"+name] = []string{value} // in lower case, as S3 writes it: SDKs show the name as it comes
	}
}

// overrides sets the headers that a signed request asks for instead of the stored ones: response-content-type and its
// kin. (S3 API Reference, GetObject, "Overriding response header values through the request".)
func overrides(h http.Header, req *request) error {
	for _, name := range []string{"Content-Type", "Content-Language", "Expires", "Cache-Control", "Content-Disposition", "Content-Encoding"} {
		v, ok := req.query["response-"+strings.ToLower(name)]
		if !ok {
			continue
		}
		if req.sig == nil {
			return fault.New("InvalidRequest", "Request specific response headers cannot be used for anonymous GET requests.")
		}
		h.Set(name, v)
	}
	return nil
}

// parseRange reads one byte range; what S3 ignores (another unit, several ranges, nonsense) gives nil.
func parseRange(v string) (*store.Range, error) {
	spec, ok := strings.CutPrefix(v, "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return nil, nil
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return nil, nil
	}
	digits := func(s string) (int64, bool) {
		n, err := strconv.ParseUint(s, 10, 63)
		return int64(n), err == nil
	}
	if first == "" {
		n, ok := digits(last)
		if !ok {
			return nil, nil
		}
		if n == 0 {
			return nil, fault.New("InvalidRange", "The requested range is not satisfiable")
		}
		return &store.Range{Start: -1, End: n}, nil
	}
	a, ok := digits(first)
	if !ok {
		return nil, nil
	}
	if last == "" {
		return &store.Range{Start: a, End: -1}, nil
	}
	b, ok := digits(last)
	if !ok || b < a {
		return nil, nil
	}
	return &store.Range{Start: a, End: b}, nil
}

// preconditions decides a conditional read in RFC 9110's order (section 13.2.2): If-Match, If-Unmodified-Since,
// If-None-Match, If-Modified-Since.
func preconditions(r *http.Request, info store.Info) error {
	failed := fault.New("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	if m := r.Header.Get("If-Match"); m != "" {
		if !matches(m, info.ETag) {
			return failed.With("Condition", "If-Match")
		}
	} else if t, err := http.ParseTime(r.Header.Get("If-Unmodified-Since")); err == nil && info.Modified.Truncate(time.Second).After(t) {
		return failed.With("Condition", "If-Unmodified-Since")
	}
	unchanged := fault.New("NotModified", "Not Modified").WithStatus(http.StatusNotModified)
	if m := r.Header.Get("If-None-Match"); m != "" {
		if matches(m, info.ETag) {
			return unchanged
		}
	} else if t, err := http.ParseTime(r.Header.Get("If-Modified-Since")); err == nil && !info.Modified.Truncate(time.Second).After(t) {
		return unchanged
	}
	return nil
}

func matches(list, etag string) bool {
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"`)
		if tag == "*" || tag == etag {
			return true
		}
	}
	return false
}

func (h *Handler) putObject(req *request) error {
	if req.Header.Get("X-Amz-Copy-Source") != "" {
		return notImplemented("x-amz-copy-source")
	}
	for _, name := range []string{
		"X-Amz-Tagging", "X-Amz-Object-Lock-Mode", "X-Amz-Object-Lock-Retain-Until-Date", "X-Amz-Object-Lock-Legal-Hold",
		"X-Amz-Website-Redirect-Location", "X-Amz-Server-Side-Encryption", "X-Amz-Server-Side-Encryption-Customer-Algorithm",
	} {
		if req.Header.Get(name) != "" {
			return notImplemented(strings.ToLower(name))
		}
	}
	if acl := req.Header.Get("X-Amz-Acl"); acl != "" && acl != "private" && acl != "bucket-owner-full-control" {
		return fault.New("AccessControlListNotSupported", "The bucket does not allow ACLs")
	}
	opt, err := putOptions(req)
	if err != nil {
		return err
	}
	body, err := verifiedBody(req)
	if err != nil {
		return err
	}
	if body.Length < 0 {
		return fault.New("MissingContentLength", "You must provide the Content-Length HTTP header.")
	}
	if body.Length > maxPut {
		return fault.New("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size").With("MaxSizeAllowed", strconv.FormatInt(maxPut, 10))
	}
	info, err := h.S3.PutObject(req.Context(), req.caller, req.target.s3(), req.target.key, body, opt)
	if err != nil {
		return err
	}
	req.w.Header().Set("ETag", `"`+info.ETag+`"`)
	req.w.WriteHeader(http.StatusOK)
	return nil
}

func putOptions(req *request) (store.PutOptions, error) {
	hd := req.Header
	opt := store.PutOptions{
		Headers: store.Headers{
			ContentType: hd.Get("Content-Type"), CacheControl: hd.Get("Cache-Control"), ContentDisposition: hd.Get("Content-Disposition"),
			ContentEncoding: withoutChunked(hd.Get("Content-Encoding")), ContentLanguage: hd.Get("Content-Language"), Expires: hd.Get("Expires"),
		},
		IfMatch: strings.Trim(hd.Get("If-Match"), `"`), IfNoneMatch: hd.Get("If-None-Match"),
	}
	if opt.IfNoneMatch != "" && opt.IfNoneMatch != "*" {
		return opt, notImplemented("If-None-Match other than *")
	}
	size := 0
	for name, values := range hd {
		if key, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-meta-"); ok {
			if opt.Metadata == nil {
				opt.Metadata = map[string]string{}
			}
			opt.Metadata[key] = strings.Join(values, ",")
			size += len(key) + len(opt.Metadata[key])
		}
	}
	if size > 2048 {
		return opt, fault.New("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size").
			With("Size", strconv.Itoa(size)).With("MaxSizeAllowed", "2048")
	}
	return opt, nil
}

// withoutChunked is a Content-Encoding as it is stored: aws-chunked was only the way here.
func withoutChunked(v string) string {
	var kept []string
	for coding := range strings.SplitSeq(v, ",") {
		if coding = strings.TrimSpace(coding); coding != "" && coding != "aws-chunked" {
			kept = append(kept, coding)
		}
	}
	return strings.Join(kept, ",")
}

// errShort is the end of a body before its announced length.
var errShort = fault.New("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")

// shortBody gives IncompleteBody when the client stopped sending.
type shortBody struct{ r io.Reader }

func (s shortBody) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errShort
	}
	return n, err
}

// digest reads a base64 header of a hash of size bytes.
func digest(v string, size int) ([]byte, bool) {
	raw, err := base64.StdEncoding.DecodeString(v)
	return raw, err == nil && len(raw) == size
}
