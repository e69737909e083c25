package s3api

import (
	"net/http"
	"net/url"
	"strings"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/s3"
	"glassine/store"
)

// copyObject answers CopyObject. (S3 API Reference, its page.)
func (h *Handler) copyObject(req *request) error {
	src, err := h.copySource(req)
	if err != nil {
		return err
	}
	opt, err := putOptions(req.Header)
	if err != nil {
		return err
	}
	checksum, err := algorithm(req.Header.Get("X-Amz-Checksum-Algorithm"))
	if err != nil {
		return err
	}
	replace, err := directive(req.Header, "x-amz-metadata-directive")
	if err != nil {
		return err
	}
	replaceTags, err := directive(req.Header, "x-amz-tagging-directive")
	if err != nil {
		return err
	}
	made, err := h.S3.CopyObject(req.Context(), req.caller, s3.Copy{
		Source: src, Target: req.target.s3(), Key: req.target.key,
		ReplaceMetadata: replace, Headers: opt.Headers, Metadata: opt.Metadata, ReplaceTags: replaceTags, Tags: opt.Tags,
		Encrypt: opt.Encrypt, ChecksumAlgorithm: checksum, IfMatch: opt.IfMatch, IfNoneMatch: opt.IfNoneMatch,
	})
	if err != nil {
		return err
	}
	storedHeaders(req.w.Header(), made.VersionID, made.Encrypted)
	copiedFrom(req.w.Header(), made.SourceVersionID)
	wire.WriteElement(req.w, http.StatusOK, "CopyObjectResult", xmlns, copyResult{
		LastModified: isoTime(made.Modified), ETag: quoted(made.ETag), checksums: checksumXML(made.Checksum), ChecksumType: made.Checksum.Type,
	})
	return nil
}

type copyResult struct {
	LastModified, ETag string
	checksums
	ChecksumType string `xml:",omitempty"`
}

func copiedFrom(h http.Header, versionID string) {
	if versionID != "" {
		h.Set("X-Amz-Copy-Source-Version-Id", versionID)
	}
}

// directive reads COPY or REPLACE; absent is COPY.
func directive(hd http.Header, name string) (replace bool, err error) {
	switch v := hd.Get(name); v {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	default:
		what, _, _ := strings.Cut(strings.TrimPrefix(name, "x-amz-"), "-")
		return false, fault.New("InvalidArgument", "Unknown %s directive.", what).With("ArgumentName", name).With("ArgumentValue", v)
	}
}

// copySource reads x-amz-copy-source, bucket/key or the ARN of an object of an access point, percent-encoded, with
// ?versionId= behind it; and the conditions on the source.
func (h *Handler) copySource(req *request) (s3.CopySource, error) {
	v := req.Header.Get("X-Amz-Copy-Source")
	bad := func(message string) error {
		return fault.New("InvalidArgument", "%s", message).With("ArgumentName", "x-amz-copy-source").With("ArgumentValue", v)
	}
	if owner := req.Header.Get("X-Amz-Source-Expected-Bucket-Owner"); owner != "" && owner != h.IAM.Account() {
		return s3.CopySource{}, fault.New("AccessDenied", "Access Denied")
	}
	if stray(v) {
		return s3.CopySource{}, bad("Invalid copy source encoding")
	}
	src := s3.CopySource{Conditions: conditions(req.Header, "X-Amz-Copy-Source-")}
	const separator = "?versionId="
	path, version, named := strings.Cut(v, separator)
	if i := strings.LastIndex(unescape(v), separator); !named && i >= 0 { // encoded with the rest; the key is no more than what is before
		version, named = unescape(v)[i+len(separator):], true
		path = escaped(unescape(v)[:i])
	}
	if named {
		if src.VersionID = unescape(version); src.VersionID == "" {
			return src, bad("Invalid version id specified")
		}
	}
	path = strings.TrimPrefix(path, "/")
	if decoded := unescape(path); strings.HasPrefix(decoded, "arn:") {
		account, point, key, ok := objectARN(decoded)
		if !ok {
			return src, bad("Invalid copy source object key")
		}
		if account != h.IAM.Account() {
			return src, fault.New("AccessDenied", "Access Denied")
		}
		src.Target, src.Key = s3.Target{AccessPoint: point}, key
		return src, nil
	}
	name, key, ok := strings.Cut(path, "/")
	if key = unescape(key); !ok { // the slash between is encoded too
		name, key, _ = strings.Cut(strings.TrimPrefix(unescape(path), "/"), "/")
	}
	if !s3.MayBeBucket(unescape(name)) {
		return src, bad("Invalid copy source bucket name")
	}
	if key == "" || s3.Climbs(key) {
		return src, bad("Invalid copy source object key")
	}
	t, err := h.labelled(unescape(name), "s3", false, "")
	if err != nil {
		return src, err
	}
	if t.kind == objectLambda {
		return src, fault.New("NotImplemented", "Operation Not Implemented.") // object-lambda access points are no source: S3 User Guide
	}
	src.Target, src.Key = t.s3(), key
	return src, nil
}

// stray reports whether v has a percent sign that begins no encoded byte.
func stray(v string) bool {
	_, err := url.PathUnescape(v)
	return err != nil
}

// escaped encodes what decoding would change.
func escaped(v string) string { return strings.ReplaceAll(v, "%", "%25") }

// objectARN reads arn:aws:s3:REGION:ACCOUNT:accesspoint/NAME/object/KEY.
func objectARN(v string) (account, point, key string, ok bool) {
	a, err := arn.Parse(v)
	if err != nil || a.Service != "s3" {
		return "", "", "", false
	}
	point, key, ok = strings.Cut(a.Name("accesspoint"), "/object/")
	return a.Account, point, key, ok && point != "" && key != ""
}

// uploadPartCopy answers UploadPartCopy.
func (h *Handler) uploadPartCopy(req *request, number int) error {
	src, err := h.copySource(req)
	if err != nil {
		return err
	}
	if _, err := encryption(req.Header); err != nil {
		return err
	}
	rng, err := copyRange(req.Header.Get("X-Amz-Copy-Source-Range"))
	if err != nil {
		return err
	}
	made, err := h.S3.UploadPartCopy(req.Context(), req.caller, s3.PartCopy{
		Source: src, Range: rng, Target: req.target.s3(), Key: req.target.key, Upload: req.query["uploadId"], Number: number,
	})
	if err != nil {
		return err
	}
	storedHeaders(req.w.Header(), "", made.Upload.Options.Encrypt)
	copiedFrom(req.w.Header(), made.SourceVersionID)
	wire.WriteElement(req.w, http.StatusOK, "CopyPartResult", xmlns, copyResult{
		LastModified: isoTime(made.Modified), ETag: quoted(made.ETag), checksums: checksumXML(keptChecksum(made.Upload, made.Part)),
	})
	return nil
}

// copyRange reads bytes=first-last, both given.
func copyRange(v string) (*store.Range, error) {
	if v == "" {
		return nil, nil
	}
	spec, ok := strings.CutPrefix(v, "bytes=")
	first, last, cut := strings.Cut(spec, "-")
	a, okA := digits(first)
	b, okB := digits(last)
	if !ok || !cut || !okA || !okB || b < a {
		return nil, fault.New("InvalidArgument", "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy").
			With("ArgumentName", "x-amz-copy-source-range").With("ArgumentValue", v)
	}
	return &store.Range{Start: a, End: b}, nil
}
