package s3api

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/s3"
	"glassine/store"
)

// maxPut is the largest object that one PutObject stores, and the largest part. (S3 API Reference, PutObject: 5 GB.)
const maxPut = 5 << 30

// maxMetadata is the most bytes of user metadata. (S3 User Guide, "Working with object metadata": 2 KB.)
const maxMetadata = 2 << 10

func (h *Handler) putObject(req *request) error {
	opt, err := putOptions(req.Header)
	if err != nil {
		return err
	}
	body, d, err := payload(req)
	if err != nil {
		return err
	}
	if err := checkLength(body.Length); err != nil {
		return err
	}
	opt.ChecksumAlgorithm, opt.Size = d.Algorithm, d.Size
	opt.Accept = func(info store.Info) error { return d.Check(info.ETag, info.Checksum) }
	info, err := h.S3.PutObject(req.Context(), req.caller, req.target.s3(), req.target.key, body, opt)
	if err != nil {
		return err
	}
	madeHeaders(req.w.Header(), info)
	req.w.WriteHeader(http.StatusOK)
	return nil
}

func checkLength(n int64) error {
	if n < 0 {
		return fault.New("MissingContentLength", "You must provide the Content-Length HTTP header.")
	}
	if n > maxPut {
		return fault.New("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size").
			With("ProposedSize", strconv.FormatInt(n, 10)).With("MaxSizeAllowed", strconv.Itoa(maxPut))
	}
	return nil
}

// madeHeaders says what was stored.
func madeHeaders(h http.Header, info store.Info) {
	h.Set("ETag", quoted(info.ETag))
	storedHeaders(h, info.VersionID, info.Encrypted)
	checksumHeaders(h, info.Checksum)
}

// putOptions reads the headers that say how to store an object. What is not supported is refused.
func putOptions(hd http.Header) (store.PutOptions, error) {
	opt := store.PutOptions{Headers: storeHeaders(hd)}
	var err error
	if opt.IfMatch, opt.IfNoneMatch, err = writeConditions(hd); err != nil {
		return opt, err
	}
	if opt.Encrypt, err = encryption(hd); err != nil {
		return opt, err
	}
	if err := refused(hd); err != nil {
		return opt, err
	}
	if opt.Tags, err = taggingHeader(hd.Get("X-Amz-Tagging")); err != nil {
		return opt, err
	}
	opt.Metadata, err = metadata(hd)
	return opt, err
}

// writeConditions reads If-Match and If-None-Match of a request that stores an object: one of them, and of the second only
// an asterisk. (S3 User Guide, "How to prevent object overwrites with conditional writes".)
func writeConditions(hd http.Header) (ifMatch, ifNoneMatch string, err error) {
	ifMatch, ifNoneMatch = strings.Trim(hd.Get("If-Match"), `"`), hd.Get("If-None-Match")
	switch {
	case ifMatch != "" && ifNoneMatch != "":
		return "", "", unacceptable("If-Match,If-None-Match", "Multiple conditional request headers present in the request")
	case ifNoneMatch != "" && ifNoneMatch != "*":
		return "", "", unacceptable("If-None-Match", "We don't accept the provided value of If-None-Match header for this API")
	case ifMatch == "*":
		return "", "", unacceptable("If-Match", "We don't accept the provided value of If-Match header for this API")
	}
	return ifMatch, ifNoneMatch, nil
}

func storeHeaders(hd http.Header) store.Headers {
	return store.Headers{
		ContentType: hd.Get("Content-Type"), CacheControl: hd.Get("Cache-Control"), ContentDisposition: hd.Get("Content-Disposition"),
		ContentEncoding: withoutChunked(hd.Get("Content-Encoding")), ContentLanguage: hd.Get("Content-Language"), Expires: hd.Get("Expires"),
	}
}

func metadata(hd http.Header) (map[string]string, error) {
	var m map[string]string
	size := 0
	for name, values := range hd {
		if key, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-meta-"); ok {
			if m == nil {
				m = map[string]string{}
			}
			m[key] = strings.Join(values, ",")
			size += len(key) + len(m[key])
		}
	}
	if size > maxMetadata {
		return nil, fault.New("MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size").
			With("Size", strconv.Itoa(size)).With("MaxSizeAllowed", strconv.Itoa(maxMetadata))
	}
	return m, nil
}

// encryption reads what the headers ask of encryption at rest.
func encryption(hd http.Header) (bool, error) {
	for name := range hd {
		if strings.HasPrefix(name, "X-Amz-Server-Side-Encryption-Customer-") || strings.HasPrefix(name, "X-Amz-Copy-Source-Server-Side-Encryption-Customer-") {
			return false, notImplemented("encryption with keys of the customer's (SSE-C)")
		}
	}
	v := hd.Get("X-Amz-Server-Side-Encryption")
	if v == "" {
		return false, nil
	}
	return true, s3.CheckEncryption(v)
}

// storageClasses are S3's, all but the one that there is. (S3 API Reference, PutObject, x-amz-storage-class.)
var storageClasses = []string{
	"REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER", "DEEP_ARCHIVE", "OUTPOSTS", "GLACIER_IR", "SNOW",
	"EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP",
}

// refused says what the headers ask that is not to be had.
func refused(hd http.Header) error {
	if err := refusedLock(hd); err != nil {
		return err
	}
	if hd.Get("X-Amz-Write-Offset-Bytes") != "" { // S3 API Reference, PutObject: for directory buckets only
		return unacceptable("x-amz-write-offset-bytes", "")
	}
	if to := hd.Get("X-Amz-Website-Redirect-Location"); to != "" {
		if !strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "http://") && !strings.HasPrefix(to, "https://") {
			return fault.New("InvalidRedirectLocation", "The website redirect location must have a prefix of 'http://' or 'https://' or '/'.")
		}
		return notImplemented("x-amz-website-redirect-location")
	}
	if class := hd.Get("X-Amz-Storage-Class"); class != "" && class != "STANDARD" {
		for _, known := range storageClasses {
			if class == known {
				return notImplemented("storage class " + class)
			}
		}
		return fault.New("InvalidStorageClass", "The storage class you specified is not valid").With("StorageClassRequested", class)
	}
	return refusedACL(hd)
}

// refusedLock refuses a lock: what S3 says of headers that do not go together or make no sense, else that the bucket has no
// locks, as no bucket here has.
func refusedLock(hd http.Header) error {
	const modeName, dateName, holdName = "x-amz-object-lock-mode", "x-amz-object-lock-retain-until-date", "x-amz-object-lock-legal-hold"
	mode, date, hold := hd.Get(modeName), hd.Get(dateName), hd.Get(holdName)
	bad := func(name, value, message string) error {
		return fault.New("InvalidArgument", "%s", message).With("ArgumentName", name).With("ArgumentValue", value)
	}
	const both = dateName + " and " + modeName + " must both be supplied."
	switch until, err := time.Parse(time.RFC3339, date); {
	case mode == "" && date == "" && hold == "":
		return nil
	case mode != "" && date == "":
		return bad(dateName, "", both)
	case mode == "" && date != "":
		return bad(modeName, "", both)
	case mode != "" && mode != "GOVERNANCE" && mode != "COMPLIANCE":
		return bad(modeName, mode, "Unknown wormMode directive.")
	case date != "" && err != nil:
		return bad(dateName, date, "The retain until date must be provided in ISO 8601 format")
	case date != "" && until.Before(time.Now()):
		return bad(dateName, date, "The retain until date must be in the future!")
	case hold != "" && hold != "ON" && hold != "OFF":
		return bad(holdName, hold, "Legal Hold must be either of 'ON' or 'OFF'")
	}
	return fault.New("InvalidRequest", "Bucket is missing ObjectLockConfiguration")
}

// refusedACL takes the canned ACLs that change nothing where ACLs are off.
func refusedACL(hd http.Header) error {
	switch acl := hd.Get("X-Amz-Acl"); acl {
	case "", "private", "bucket-owner-full-control":
	case "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read", "log-delivery-write":
		return s3.NoACLs()
	default:
		return fault.New("InvalidArgument", "").With("ArgumentName", "x-amz-acl").With("ArgumentValue", acl)
	}
	for name := range hd {
		if strings.HasPrefix(name, "X-Amz-Grant-") {
			return s3.NoACLs()
		}
	}
	return nil
}

// taggingHeader reads x-amz-tagging, which is tags in the form of a query.
func taggingHeader(v string) (map[string]string, error) {
	if v == "" {
		return nil, nil
	}
	bad := fault.New("InvalidArgument", "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.").
		With("ArgumentName", "x-amz-tagging").With("ArgumentValue", v)
	tags := map[string]string{}
	for piece := range strings.SplitSeq(v, "&") {
		if piece == "" {
			continue
		}
		k, value, _ := strings.Cut(piece, "=")
		key, err1 := url.QueryUnescape(k)
		value, err2 := url.QueryUnescape(value)
		if _, twice := tags[key]; err1 != nil || err2 != nil || twice || key == "" {
			return nil, bad
		}
		tags[key] = value
	}
	return tags, nil
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
