package s3api

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"glassine/aws/wire"
	"glassine/objectlambda"
)

// operation is AWS's name of what a request asks of an Object Lambda access point; "" is nothing that one takes. (S3 API
// Reference, "Actions".)
func operation(req *request) string {
	sub := req.query.subresource("partNumber", "versionId")
	if req.target.key == "" {
		return bucketOperations[req.Method+" "+sub+listType(req, sub)]
	}
	name := objectOperations[req.Method+" "+sub]
	if req.Header.Get("X-Amz-Copy-Source") != "" {
		switch name {
		case "PutObject":
			return "CopyObject"
		case "UploadPart":
			return "UploadPartCopy"
		}
	}
	return name
}

func listType(req *request, sub string) string {
	if sub == "" && req.Method == http.MethodGet && req.query["list-type"] == "2" {
		return "2"
	}
	return ""
}

// The operations by method and the subresource in the query.
var (
	bucketOperations = map[string]string{
		"GET ": objectlambda.ListObjects, "GET 2": objectlambda.ListObjectsV2, "GET versions": "ListObjectVersions", "GET uploads": "ListMultipartUploads",
		"GET location": "GetBucketLocation", "HEAD ": "HeadBucket", "POST delete": "DeleteObjects",
	}
	objectOperations = map[string]string{
		"GET ": objectlambda.GetObject, "HEAD ": objectlambda.HeadObject, "GET acl": "GetObjectAcl", "GET tagging": "GetObjectTagging",
		"GET legal-hold": "GetObjectLegalHold", "GET retention": "GetObjectRetention", "GET uploadId": "ListParts",
		"PUT ": "PutObject", "PUT acl": "PutObjectAcl", "PUT tagging": "PutObjectTagging", "PUT legal-hold": "PutObjectLegalHold",
		"PUT retention": "PutObjectRetention", "PUT uploadId": "UploadPart", "DELETE ": "DeleteObject", "DELETE tagging": "DeleteObjectTagging",
		"DELETE uploadId": "AbortMultipartUpload", "POST uploads": "CreateMultipartUpload", "POST uploadId": "CompleteMultipartUpload",
		"POST restore": "RestoreObject",
	}
)

// namesObjectLambda reports whether a copy source is an object of an Object Lambda access point, by ARN or alias. AWS
// takes it as a target of a copy, never as its source.
func (h *Handler) namesObjectLambda(source string) bool {
	source = unescape(strings.TrimPrefix(source, "/"))
	first, _, _ := strings.Cut(source, "/")
	return strings.Contains(first, ":s3-object-lambda:") || strings.HasSuffix(first, "--ol-s3")
}

// meteredBody counts what is read of a request's body.
type meteredBody struct {
	io.ReadCloser
	n atomic.Int64
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	return n, err
}

// meteredWriter notes what an answer comes to.
type meteredWriter struct {
	http.ResponseWriter
	now    func() time.Time
	status int
	code   string // of an error that a function named
	first  time.Time
	n      int64
}

func (w *meteredWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status, w.first = status, w.now()
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *meteredWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status, w.first = http.StatusOK, w.now()
	}
	n, err := w.ResponseWriter.Write(p)
	w.n += int64(n)
	return n, err
}

// ReadFrom keeps the ways in which the writer under it copies.
func (w *meteredWriter) ReadFrom(src io.Reader) (int64, error) {
	if w.status == 0 {
		w.status, w.first = http.StatusOK, w.now()
	}
	n, err := io.Copy(w.ResponseWriter, src)
	w.n += n
	return n, err
}

// TakeBody lets a body be handed over inside the process, and counts it.
func (w *meteredWriter) TakeBody(body io.Reader) (n int64, taken bool, err error) {
	n, taken, err = wire.HandOver(w.ResponseWriter, body)
	w.n += n
	return n, taken, err
}

// Unwrap is for http.ResponseController.
func (w *meteredWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// functionListing is a function's listing as S3 writes one.
func functionListing(l objectlambda.Listing, v2 bool) any {
	type owner struct{ ID, DisplayName string }
	type listed struct {
		Key               string
		LastModified      string   `xml:",omitempty"`
		ETag              string   `xml:",omitempty"`
		ChecksumAlgorithm []string `xml:",omitempty"`
		Size              int64
		Owner             *owner `xml:",omitempty"`
		StorageClass      string `xml:",omitempty"`
	}
	var out struct {
		Name                                                 string
		Prefix                                               string
		Marker, NextMarker                                   *string `xml:",omitempty"`
		StartAfter, ContinuationToken, NextContinuationToken *string `xml:",omitempty"`
		KeyCount                                             *int64  `xml:",omitempty"`
		MaxKeys                                              int64
		Delimiter, EncodingType                              *string `xml:",omitempty"`
		IsTruncated                                          bool
		Contents                                             []listed
		CommonPrefixes                                       []commonPrefix
	}
	out.Name, out.MaxKeys, out.IsTruncated, out.Delimiter, out.EncodingType = l.Name, l.MaxKeys, l.IsTruncated, l.Delimiter, l.EncodingType
	if l.Prefix != nil {
		out.Prefix = *l.Prefix
	}
	if out.Marker, out.NextMarker = l.Marker, l.NextMarker; !v2 && out.Marker == nil {
		out.Marker = new(string) // S3 always has one
	}
	out.StartAfter, out.ContinuationToken, out.NextContinuationToken, out.KeyCount = l.StartAfter, l.ContinuationToken, l.NextContinuationToken, l.KeyCount
	for _, o := range l.Contents {
		e := listed{Key: o.Key, LastModified: o.LastModified, ETag: o.ETag, ChecksumAlgorithm: o.ChecksumAlgorithm, Size: o.Size, StorageClass: o.StorageClass}
		if o.Owner != nil {
			e.Owner = &owner{o.Owner.ID, o.Owner.DisplayName}
		}
		out.Contents = append(out.Contents, e)
	}
	for _, p := range l.CommonPrefixes {
		out.CommonPrefixes = append(out.CommonPrefixes, commonPrefix{p})
	}
	return out
}
