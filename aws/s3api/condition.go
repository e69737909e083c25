package s3api

import (
	"crypto/tls"
	"net/http"
	"strconv"
	"strings"
	"time"

	"glassine/aws/sigv4"
	"glassine/iam"
)

// headerKeys are the condition keys of S3 that are the request's headers of the same name. Package s3 sets those that it
// knows otherwise. (Service Authorization Reference, "Condition keys for Amazon S3".)
var headerKeys = []string{
	"x-amz-acl", "x-amz-copy-source", "x-amz-metadata-directive", "x-amz-object-ownership", "x-amz-server-side-encryption",
	"x-amz-server-side-encryption-aws-kms-key-id", "x-amz-storage-class", "x-amz-website-redirect-location",
	"x-amz-grant-full-control", "x-amz-grant-read", "x-amz-grant-read-acp", "x-amz-grant-write", "x-amz-grant-write-acp",
}

// How a request was authenticated, as s3:authType says it.
const (
	authHeader = "REST-HEADER"
	authQuery  = "REST-QUERY-STRING"
	authPost   = "POST"
)

// signatureKeys are the condition keys that say how the request is signed. lambda puts Object Lambda's names in place.
func signatureKeys(keys iam.Context, lambda bool, authType string, signed, now time.Time) {
	prefix := "s3:"
	if lambda {
		prefix = "s3-object-lambda:"
	}
	keys[prefix+"authtype"] = []string{authType}
	keys["s3:signatureversion"] = []string{sigv4.Algorithm}
	if authType != authHeader {
		// In milliseconds; only where a signature may be old. (S3 User Guide, "Bucket policy examples using condition keys".)
		keys[prefix+"signatureage"] = []string{strconv.FormatInt(max(now.Sub(signed).Milliseconds(), 0), 10)}
	}
}

// transportKeys are the condition keys of the connection.
func transportKeys(keys iam.Context, r *http.Request, lambda bool) {
	prefix := "s3:"
	if lambda {
		prefix = "s3-object-lambda:"
	}
	if r.TLS != nil {
		switch r.TLS.Version {
		case tls.VersionTLS12:
			keys[prefix+"tlsversion"] = []string{"1.2"}
		case tls.VersionTLS13:
			keys[prefix+"tlsversion"] = []string{"1.3"}
		}
	}
}

// headerContext are the condition keys of headers, or of a form's fields, that stand for them.
func headerContext(keys iam.Context, h http.Header) {
	for _, name := range headerKeys {
		if v := h.Get(name); v != "" {
			keys["s3:"+name] = []string{v}
		}
	}
}

// payloadKey says how much of the body the signature covers: its hash, or a word for less.
func payloadKey(keys iam.Context, sig *sigv4.Signature) {
	form := sig.PayloadHash
	if form == "" {
		form = sigv4.UnsignedPayload // a presigned URL says nothing
	}
	keys["s3:x-amz-content-sha256"] = []string{form}
}

// presignable are the parameters of a presigned URL that stand for headers; those that end in a hyphen are prefixes. What
// says how the body comes is not among them, nor is a checksum: that is of the body that the presigner had, which is none.
var presignable = []string{
	"x-amz-meta-", "x-amz-acl", "x-amz-grant-", "x-amz-tagging", "x-amz-tagging-directive", "x-amz-metadata-directive", "x-amz-storage-class",
	"x-amz-server-side-encryption", "x-amz-server-side-encryption-", "x-amz-website-redirect-location", "x-amz-object-lock-", "x-amz-copy-source", "x-amz-copy-source-",
	"x-amz-checksum-mode", "x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-mp-object-size", "x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner",
	"x-amz-object-attributes", "x-amz-max-parts", "x-amz-part-number-marker", "x-amz-object-ownership",
}

// presignedHeaders lets parameters of a presigned URL stand for the headers of their names, as S3 does: the JavaScript
// SDK's presigner puts metadata, tags and ACLs there (seen 2026-11). The signature covers them.
func presignedHeaders(r *http.Request, q query) {
	for name, v := range q {
		for _, p := range presignable {
			if (name == p || strings.HasSuffix(p, "-") && strings.HasPrefix(name, p)) && r.Header.Get(name) == "" {
				r.Header.Set(name, v)
			}
		}
	}
}
