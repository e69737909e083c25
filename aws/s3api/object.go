package s3api

import (
	"net/http"
	"strconv"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/s3"
	"glassine/store"
)

// object dispatches the operations on a key.
func (h *Handler) object(req *request) error {
	q := req.query
	switch sub := q.subresource("partNumber", "versionId", "delete"); sub {
	case "":
	case "versions":
		return fault.New("InvalidRequest", "There is no such thing as the ?versions sub-resource for a key")
	case "uploads", "uploadId":
		return h.upload(req)
	case "tagging":
		return h.objectTagging(req)
	case "attributes":
		return req.by("OBJECT", methods{http.MethodGet: h.objectAttributes})
	case "acl":
		return req.by("OBJECT", methods{http.MethodGet: h.objectACL, http.MethodPut: h.putObjectACL})
	case "legal-hold", "retention":
		if req.Method == http.MethodGet {
			return h.noObjectLock(req)
		}
		return notImplemented("?" + sub)
	default:
		return notImplemented("?" + sub)
	}
	switch req.Method {
	case http.MethodHead:
		return h.headObject(req)
	case http.MethodGet:
		return h.getObject(req)
	case http.MethodPut:
		if q.has("partNumber") {
			return fault.New("InvalidArgument", "This operation does not accept partNumber without uploadId").With("ArgumentName", "partNumber").With("ArgumentValue", "partNumber") // so by what versitygw 1.8 expects of S3
		}
		if req.Header.Get("X-Amz-Copy-Source") != "" {
			return h.copyObject(req)
		}
		return h.putObject(req)
	case http.MethodDelete:
		return h.deleteObject(req)
	}
	if req.Method == http.MethodPost {
		return methodNotAllowed(req.Method, "SERVICE") // so by what versitygw 1.8 expects of S3
	}
	return methodNotAllowed(req.Method, "OBJECT")
}

func (h *Handler) getObject(req *request) error {
	rng, part, err := asked(req)
	if err != nil {
		return err
	}
	var o *store.Object
	t, key, version := req.target.s3(), req.target.key, req.query["versionId"]
	if part != 0 {
		o, err = h.S3.GetObjectPart(req.Context(), req.caller, t, key, version, part)
	} else {
		o, err = h.S3.GetObject(req.Context(), req.caller, t, key, store.GetOptions{VersionID: version, Range: rng})
	}
	if err != nil {
		return err
	}
	defer o.Body.Close()
	if err := conditions(req.Header, "").Check(o.Info); err != nil {
		return notModified(req, o.Info, err)
	}
	status, err := readHeaders(req, o.Info, part, rng != nil, o.Offset, o.Length)
	if err != nil {
		return err
	}
	req.w.WriteHeader(status)
	if n, err := wire.Send(req.w, o.Body, o.Length); err != nil || n != o.Length {
		return errStarted
	}
	return nil
}

func (h *Handler) headObject(req *request) error {
	rng, part, err := asked(req)
	if err != nil {
		return err
	}
	info, err := h.S3.HeadObject(req.Context(), req.caller, req.target.s3(), req.target.key, req.query["versionId"])
	if err != nil {
		return err
	}
	if err := conditions(req.Header, "").Check(info); err != nil {
		return notModified(req, info, err)
	}
	if part != 0 {
		if rng, err = s3.PartRange(info, part); err != nil {
			return err
		}
	}
	if s3.AllOfNothing(rng, info.Size) {
		rng = nil
	}
	offset, length, err := rng.Resolve(info.Size)
	if err != nil {
		return fault.New("InvalidRange", "The requested range is not satisfiable")
	}
	status, err := readHeaders(req, info, part, rng != nil, offset, length)
	if err != nil {
		return err
	}
	req.w.WriteHeader(status)
	return nil
}

// asked is what of the object the request wants: a range, a part by its number, or all of it: nil and 0.
func asked(req *request) (*store.Range, int, error) {
	rng, err := parseRange(req.Header.Get("Range"))
	if err != nil || !req.query.has("partNumber") {
		return rng, 0, err
	}
	part, err := partNumber(req.query["partNumber"])
	if err == nil && req.Header.Get("Range") != "" {
		err = fault.New("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
	}
	return nil, part, err
}

func partNumber(v string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || store.CheckPartNumber(n) != nil {
		return 0, fault.New("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive").With("ArgumentName", "partNumber").With("ArgumentValue", v)
	}
	return n, nil
}

// notModified lets a 304 carry what a cache refreshes its copy with (RFC 9110, section 15.4.5); other errors pass.
func notModified(req *request, info store.Info, err error) error {
	if fault.Is(err, "NotModified") {
		objectHeaders(req.w.Header(), info)
		req.w.Header().Del("Content-Type")
	}
	return err
}

// readHeaders sets the headers of an answer with length bytes from offset, and returns its status.
func readHeaders(req *request, info store.Info, part int, ranged bool, offset, length int64) (int, error) {
	hd := req.w.Header()
	objectHeaders(hd, info)
	if err := overrides(hd, req); err != nil {
		return 0, err
	}
	if len(info.Tags) > 0 {
		hd.Set("X-Amz-Tagging-Count", strconv.Itoa(len(info.Tags)))
	}
	if part != 0 && info.PartCount > 0 {
		hd.Set("X-Amz-Mp-Parts-Count", strconv.Itoa(info.PartCount))
	}
	// A checksum goes with the bytes that it is of: SDKs compare it with what they read.
	if strings.EqualFold(req.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") {
		switch {
		case part != 0 && part <= len(info.Parts):
			if info.Checksum.Type == store.Composite { // of others S3 keeps none of the parts
				checksumHeaders(hd, store.Checksum{Algorithm: info.Parts[part-1].Checksum.Algorithm, Value: info.Parts[part-1].Checksum.Value, Type: info.Checksum.Type})
			}
		case length == info.Size && !ranged:
			checksumHeaders(hd, info.Checksum)
		}
	}
	hd.Set("Content-Length", strconv.FormatInt(length, 10))
	if (ranged || part != 0) && length > 0 {
		hd.Set("Content-Range", "bytes "+strconv.FormatInt(offset, 10)+"-"+strconv.FormatInt(offset+length-1, 10)+"/"+strconv.FormatInt(info.Size, 10))
		return http.StatusPartialContent, nil
	}
	return http.StatusOK, nil
}

func objectHeaders(h http.Header, info store.Info) {
	h.Set("ETag", quoted(info.ETag))
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
	storedHeaders(h, info.VersionID, info.Encrypted)
}

// storedHeaders says what version an object is, where its bucket has versions, and that it is encrypted, where it is.
func storedHeaders(h http.Header, versionID string, encrypted bool) {
	if versionID != "" {
		h.Set("X-Amz-Version-Id", versionID)
	}
	if encrypted {
		h.Set("X-Amz-Server-Side-Encryption", s3.AES256)
	}
}

func quoted(etag string) string { return `"` + etag + `"` }

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
	first, last, ok := strings.Cut(spec, "-")
	if !ok {
		return nil, nil
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

func digits(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil
}

// conditions reads the conditional headers, those of a copy's source under their prefix x-amz-copy-source-.
func conditions(h http.Header, prefix string) s3.Conditions {
	c := s3.Conditions{IfMatch: h.Get(prefix + "If-Match"), IfNoneMatch: h.Get(prefix + "If-None-Match")}
	if t, err := http.ParseTime(h.Get(prefix + "If-Modified-Since")); err == nil {
		c.IfModifiedSince = t
	}
	if t, err := http.ParseTime(h.Get(prefix + "If-Unmodified-Since")); err == nil {
		c.IfUnmodifiedSince = t
	}
	return c
}

func (h *Handler) deleteObject(req *request) error {
	for _, name := range []string{"x-amz-if-match-size", "x-amz-if-match-last-modified-time"} {
		if req.Header.Get(name) != "" { // S3 API Reference, DeleteObject: for directory buckets only
			return unacceptable(name, "")
		}
	}
	d, err := h.S3.DeleteObject(req.Context(), req.caller, req.target.s3(), req.target.key, store.DeleteOptions{
		VersionID: req.query["versionId"], IfMatch: strings.Trim(req.Header.Get("If-Match"), `"`),
	})
	if err != nil {
		return err
	}
	hd := req.w.Header()
	storedHeaders(hd, d.VersionID, false)
	if d.Marker {
		hd.Set("X-Amz-Delete-Marker", "true")
	}
	req.w.WriteHeader(http.StatusNoContent)
	return nil
}

// noObjectLock answers about a lock that no object has.
func (h *Handler) noObjectLock(req *request) error {
	if _, err := h.S3.HeadObject(req.Context(), req.caller, req.target.s3(), req.target.key, req.query["versionId"]); err != nil {
		return err
	}
	return fault.New("InvalidRequest", "Bucket is missing Object Lock Configuration")
}
