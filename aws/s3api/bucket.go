package s3api

import (
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/s3"
	"glassine/store"
)

const xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"

// isoTime is S3's time in XML: milliseconds, UTC.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// maxConfiguration bounds the body of a configuration request.
const maxConfiguration = 64 << 10

// bucket dispatches the operations on a bucket (or on an access point as on a bucket).
func (h *Handler) bucket(req *request) error {
	name := req.target.name
	direct := req.target.kind == bucket
	if sub := req.query.subresource("location", "policy", "publicAccessBlock"); sub != "" {
		return notImplemented("?" + sub)
	}
	if !direct && (req.query.has("policy") || req.query.has("publicAccessBlock") || req.Method == http.MethodPut || req.Method == http.MethodDelete) {
		return methodNotAllowed(req.Method)
	}
	switch {
	case req.query.has("policy"):
		return h.bucketPolicy(req)
	case req.query.has("publicAccessBlock"):
		return h.publicAccessBlock(req)
	}
	switch req.Method {
	case http.MethodHead:
		b, err := h.S3.HeadBucket(req.Context(), req.caller, req.target.s3())
		if err != nil {
			return err
		}
		req.w.Header().Set("X-Amz-Bucket-Region", b.Region)
		req.w.WriteHeader(http.StatusOK)
		return nil
	case http.MethodGet:
		if req.query.has("location") {
			return h.location(req)
		}
		return h.list(req)
	case http.MethodPut:
		return h.createBucket(req)
	case http.MethodDelete:
		if err := h.S3.DeleteBucket(req.Context(), req.caller, name); err != nil {
			return err
		}
		req.w.WriteHeader(http.StatusNoContent)
		return nil
	case http.MethodPost:
		return notImplemented("POST Object")
	}
	return methodNotAllowed(req.Method)
}

func (h *Handler) createBucket(req *request) error {
	raw, err := wire.ReadBody(req.Request, req.sig, maxConfiguration)
	if err != nil {
		return err
	}
	region := ""
	if req.sig != nil {
		region = req.sig.Region
	}
	if len(raw) > 0 {
		var in struct {
			XMLName            xml.Name `xml:"CreateBucketConfiguration"`
			LocationConstraint string
		}
		if err := wire.ReadXML(strings.NewReader(string(raw)), maxConfiguration, &in); err != nil {
			return err
		}
		if in.LocationConstraint != "" {
			region = in.LocationConstraint
		}
	}
	b, err := h.S3.CreateBucket(req.Context(), req.caller, req.target.name, region)
	if err != nil {
		return err
	}
	req.w.Header().Set("Location", "/"+b.Name)
	req.w.WriteHeader(http.StatusOK)
	return nil
}

func (h *Handler) location(req *request) error {
	b, err := h.S3.HeadBucket(req.Context(), req.caller, req.target.s3())
	if err != nil {
		return err
	}
	region := b.Region
	if region == "us-east-1" {
		region = "" // S3 API Reference, GetBucketLocation: null for us-east-1
	}
	wire.WriteXML(req.w, http.StatusOK, struct {
		XMLName xml.Name `xml:"LocationConstraint"`
		NS      string   `xml:"xmlns,attr"`
		Region  string   `xml:",chardata"`
	}{NS: xmlns, Region: region})
	return nil
}

func (h *Handler) bucketPolicy(req *request) error {
	ctx, name := req.Context(), req.target.name
	switch req.Method {
	case http.MethodGet:
		doc, err := h.S3.GetBucketPolicy(ctx, req.caller, name)
		if err != nil {
			return err
		}
		req.w.Header().Set("Content-Type", "application/json")
		req.w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(req.w, doc) // a failed write is the client's leaving
		return nil
	case http.MethodPut:
		raw, err := wire.ReadBody(req.Request, req.sig, maxConfiguration)
		if err != nil {
			return err
		}
		if err := h.S3.PutBucketPolicy(ctx, req.caller, name, string(raw)); err != nil {
			return err
		}
	case http.MethodDelete:
		if err := h.S3.DeleteBucketPolicy(ctx, req.caller, name); err != nil {
			return err
		}
	default:
		return methodNotAllowed(req.Method)
	}
	req.w.WriteHeader(http.StatusNoContent)
	return nil
}

type publicAccessBlock struct {
	XMLName               xml.Name `xml:"PublicAccessBlockConfiguration"`
	NS                    string   `xml:"xmlns,attr,omitempty"`
	BlockPublicAcls       bool
	IgnorePublicAcls      bool
	BlockPublicPolicy     bool
	RestrictPublicBuckets bool
}

func (h *Handler) publicAccessBlock(req *request) error {
	ctx, name := req.Context(), req.target.name
	switch req.Method {
	case http.MethodGet:
		b, err := h.S3.GetPublicAccessBlock(ctx, req.caller, name)
		if err != nil {
			return err
		}
		wire.WriteXML(req.w, http.StatusOK, publicAccessBlock{
			NS: xmlns, BlockPublicAcls: b.BlockPublicAcls, IgnorePublicAcls: b.IgnorePublicAcls,
			BlockPublicPolicy: b.BlockPublicPolicy, RestrictPublicBuckets: b.RestrictPublicBuckets,
		})
		return nil
	case http.MethodPut:
		raw, err := wire.ReadBody(req.Request, req.sig, maxConfiguration)
		if err != nil {
			return err
		}
		var in publicAccessBlock
		if err := wire.ReadXML(strings.NewReader(string(raw)), maxConfiguration, &in); err != nil {
			return err
		}
		block := s3.PublicAccessBlock{
			BlockPublicAcls: in.BlockPublicAcls, IgnorePublicAcls: in.IgnorePublicAcls,
			BlockPublicPolicy: in.BlockPublicPolicy, RestrictPublicBuckets: in.RestrictPublicBuckets,
		}
		if err := h.S3.PutPublicAccessBlock(ctx, req.caller, name, block); err != nil {
			return err
		}
		req.w.WriteHeader(http.StatusOK)
		return nil
	case http.MethodDelete:
		if err := h.S3.DeletePublicAccessBlock(ctx, req.caller, name); err != nil {
			return err
		}
		req.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return methodNotAllowed(req.Method)
}

func (h *Handler) listBuckets(req *request) error {
	buckets, err := h.S3.Buckets(req.Context(), req.caller)
	if err != nil {
		return err
	}
	type entry struct{ Name, CreationDate, BucketRegion string }
	out := struct {
		XMLName xml.Name `xml:"ListAllMyBucketsResult"`
		NS      string   `xml:"xmlns,attr"`
		Owner   struct{ ID string }
		Buckets struct {
			Bucket []entry
		}
	}{NS: xmlns}
	out.Owner.ID = h.IAM.Account()
	for _, b := range buckets {
		out.Buckets.Bucket = append(out.Buckets.Bucket, entry{b.Name, isoTime(b.Created), b.Region})
	}
	wire.WriteXML(req.w, http.StatusOK, out)
	return nil
}

type listEntry struct {
	Key, LastModified, ETag string
	Size                    int64
	StorageClass            string
}

type commonPrefix struct{ Prefix string }

// list answers ListObjectsV2 and ListObjects. (S3 API Reference, the pages of the two.)
func (h *Handler) list(req *request) error {
	q := req.query
	v2 := q["list-type"] == "2"
	if t := q["list-type"]; t != "" && !v2 {
		return fault.New("InvalidArgument", "Invalid List Type specified in Request: %s", t)
	}
	maxKeys := 1000
	if v := q["max-keys"]; v != "" {
		n, err := strconv.ParseInt(v, 10, 32)
		if err != nil || n < 0 {
			return fault.New("InvalidArgument", "Argument max-keys must be an integer between 0 and 2147483647").With("ArgumentName", "max-keys").With("ArgumentValue", v)
		}
		maxKeys = min(int(n), 1000)
	}
	if e := q["encoding-type"]; e != "" && e != "url" {
		return fault.New("InvalidArgument", "Invalid Encoding Method specified in Request").With("ArgumentName", "encoding-type").With("ArgumentValue", e)
	}
	after := q["marker"]
	if v2 {
		after = q["start-after"]
		if token := q["continuation-token"]; token != "" {
			raw, err := base64.URLEncoding.DecodeString(token)
			if err != nil {
				return fault.New("InvalidArgument", "The continuation token provided is incorrect").With("ArgumentName", "continuation-token")
			}
			after = string(raw)
		}
	}
	opt := store.ListOptions{Prefix: q["prefix"], Delimiter: q["delimiter"], After: after, Max: max(maxKeys, 1)}
	b, page, err := h.S3.ListObjects(req.Context(), req.caller, req.target.s3(), opt)
	if err != nil {
		return err
	}
	if maxKeys == 0 {
		page = store.Page{}
	}
	wire.WriteXML(req.w, http.StatusOK, listResult(q, v2, b.Name, maxKeys, page))
	return nil
}

type listBucketResult struct {
	XMLName               xml.Name `xml:"ListBucketResult"`
	NS                    string   `xml:"xmlns,attr"`
	Name                  string
	Prefix                string
	Delimiter             string `xml:",omitempty"`
	MaxKeys               int
	EncodingType          string  `xml:",omitempty"`
	KeyCount              *int    `xml:",omitempty"`
	Marker                *string `xml:",omitempty"`
	NextMarker            string  `xml:",omitempty"`
	StartAfter            string  `xml:",omitempty"`
	ContinuationToken     string  `xml:",omitempty"`
	NextContinuationToken string  `xml:",omitempty"`
	IsTruncated           bool
	Contents              []listEntry
	CommonPrefixes        []commonPrefix
}

func listResult(q query, v2 bool, name string, maxKeys int, page store.Page) listBucketResult {
	enc := func(s string) string { return s }
	if q["encoding-type"] == "url" {
		enc = func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "%2F", "/") }
	}
	out := listBucketResult{
		NS: xmlns, Name: name, Prefix: enc(q["prefix"]), Delimiter: enc(q["delimiter"]), MaxKeys: maxKeys,
		EncodingType: q["encoding-type"], IsTruncated: page.Next != "",
	}
	for _, o := range page.Objects {
		out.Contents = append(out.Contents, listEntry{enc(o.Key), isoTime(o.Modified), `"` + o.ETag + `"`, o.Size, "STANDARD"})
	}
	for _, p := range page.Prefixes {
		out.CommonPrefixes = append(out.CommonPrefixes, commonPrefix{enc(p)})
	}
	if !v2 {
		marker := enc(q["marker"])
		out.Marker = &marker
		if q["delimiter"] != "" {
			out.NextMarker = enc(page.Next)
		}
		return out
	}
	count := len(page.Objects) + len(page.Prefixes)
	out.KeyCount, out.StartAfter, out.ContinuationToken = &count, enc(q["start-after"]), q["continuation-token"]
	if page.Next != "" {
		out.NextContinuationToken = base64.URLEncoding.EncodeToString([]byte(page.Next))
	}
	return out
}
