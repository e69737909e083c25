package remote

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"glassine/store"
)

// headerOf returns the header of the answer that a result came from.
func headerOf(m middleware.Metadata) http.Header {
	if resp, ok := awsmiddleware.GetRawResponse(m).(*smithyhttp.Response); ok && resp.Response != nil {
		return resp.Header
	}
	return http.Header{}
}

// defaultType is what S3 gives objects whose maker named no type. It reads as none, which is what the maker said.
const defaultType = "binary/octet-stream"

// described is what the header of an answer to GetObject or HeadObject says; Size, Tags and Parts are the caller's to find.
func described(key string, h http.Header) store.Info {
	info := store.Info{
		Key: key, ETag: unquoted(h.Get("ETag")), Modified: timeOf(h, "Last-Modified"),
		Headers: store.Headers{
			ContentType: h.Get("Content-Type"), CacheControl: h.Get("Cache-Control"), ContentDisposition: h.Get("Content-Disposition"),
			ContentEncoding: withoutChunked(h.Get("Content-Encoding")), ContentLanguage: h.Get("Content-Language"), Expires: h.Get("Expires"),
		},
		VersionID: versionOf(h), Encrypted: encrypted(h), Checksum: checksumOf(h),
	}
	if info.Headers.ContentType == defaultType {
		info.Headers.ContentType = ""
	}
	for name, values := range h {
		if name, ok := strings.CutPrefix(strings.ToLower(name), "x-amz-meta-"); ok {
			if info.Metadata == nil {
				info.Metadata = map[string]string{}
			}
			info.Metadata[name] = strings.Join(values, ",")
		}
	}
	info.PartCount = partCount(info.ETag)
	return info
}

// withoutChunked is a Content-Encoding without the framing that the body had on its way in, which S3 drops and others keep
// (versitygw 1.8, seen 2026-11).
func withoutChunked(coding string) string {
	if rest, ok := strings.CutPrefix(coding, "aws-chunked"); ok && (rest == "" || rest[0] == ',') {
		return strings.TrimLeft(rest, ", ")
	}
	return coding
}

// partCount reads the number of parts off a multipart object's ETag, 0 of another's.
func partCount(etag string) int {
	_, count, ok := strings.Cut(etag, "-")
	n, err := strconv.Atoi(count)
	if !ok || err != nil || n < 1 || n > store.MaxPartNumber {
		return 0
	}
	return n
}

func unquoted(etag string) string { return strings.Trim(etag, `"`) }

// versionOf is the id of the version that an answer is about.
func versionOf(h http.Header) string {
	if id := h.Get("X-Amz-Version-Id"); id != "" {
		return id
	}
	return store.NullVersion
}

func encrypted(h http.Header) bool { return h.Get("X-Amz-Server-Side-Encryption") != "" }

// timeOf reads a time of a header; the zero time if there is none.
func timeOf(h http.Header, name string) time.Time {
	at, err := http.ParseTime(h.Get(name))
	if err != nil {
		return time.Time{}
	}
	return at.UTC()
}

// algorithms are the checksums that S3 and store both have, each with its header.
var algorithms = []struct{ name, header string }{
	{store.CRC64NVME, "X-Amz-Checksum-Crc64nvme"},
	{store.CRC32, "X-Amz-Checksum-Crc32"},
	{store.CRC32C, "X-Amz-Checksum-Crc32c"},
	{store.SHA1, "X-Amz-Checksum-Sha1"},
	{store.SHA256, "X-Amz-Checksum-Sha256"},
	{store.SHA512, "X-Amz-Checksum-Sha512"},
	{store.MD5, "X-Amz-Checksum-Md5"},
	{store.XXHASH64, "X-Amz-Checksum-Xxhash64"},
	{store.XXHASH3, "X-Amz-Checksum-Xxhash3"},
	{store.XXHASH128, "X-Amz-Checksum-Xxhash128"},
}

// checksumOf is the object's checksum in the header, if it is there.
func checksumOf(h http.Header) store.Checksum {
	for _, a := range algorithms {
		if v := h.Get(a.header); v != "" {
			return store.Checksum{Algorithm: a.name, Value: v, Type: typeOf(h.Get("X-Amz-Checksum-Type"), v)}
		}
	}
	return store.Checksum{}
}

// typeOf is a checksum's type: as said, or as its form shows.
func typeOf(said, value string) string {
	switch {
	case said != "":
		return said
	case strings.Contains(value, "-"):
		return store.Composite
	}
	return store.FullObject
}

// checksumHeader is the header of an algorithm's checksum.
func checksumHeader(algorithm string) string {
	for _, a := range algorithms {
		if a.name == algorithm {
			return a.header
		}
	}
	return ""
}

// pick is the checksum among the fields in which the SDK gives it, in the order of algorithms.
func pick(kind string, values ...*string) store.Checksum {
	for i, v := range values {
		if v != nil && *v != "" {
			return store.Checksum{Algorithm: algorithms[i].name, Value: *v, Type: typeOf(kind, *v)}
		}
	}
	return store.Checksum{}
}

// stored sets the request headers that say what an object is. The SDK's own fields would refuse an Expires that is no time,
// and give a type to what has none.
func stored(h store.Headers, metadata map[string]string, encrypt bool) map[string]string {
	out := map[string]string{
		"Content-Type": h.ContentType, "Cache-Control": h.CacheControl, "Content-Disposition": h.ContentDisposition,
		"Content-Encoding": h.ContentEncoding, "Content-Language": h.ContentLanguage, "Expires": h.Expires,
	}
	for name, value := range metadata {
		out[metaPrefix+name] = value
	}
	if encrypt {
		out["X-Amz-Server-Side-Encryption"] = "AES256"
	}
	return out
}
