package s3api

import (
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/s3"
	"glassine/store"
)

// limit reads max-keys and its kin: at most 1000, which is the default too.
func limit(q query, name string) (int, error) {
	v := q[name]
	if v == "" {
		return 1000, nil
	}
	n, err := number(name, v)
	return min(n, 1000), err
}

// number reads a parameter that is a number from 0 to 2147483647. (The messages are as seen from AWS.)
func number(name, v string) (int, error) {
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil {
		return 0, fault.New("InvalidArgument", "Provided %s not an integer or within integer range", name).With("ArgumentName", name).With("ArgumentValue", v)
	}
	if n < 0 {
		if name == "max-keys" {
			name = "maxKeys"
		}
		return 0, fault.New("InvalidArgument", "Argument %s must be an integer between 0 and 2147483647", name).With("ArgumentName", name).With("ArgumentValue", v)
	}
	return int(n), nil
}

// atMost is what a store is asked for: 0 where the client named no number, so that the decision sees none either.
func atMost(q query, name string, n int) int {
	if q[name] == "" {
		return 0
	}
	return max(n, 1)
}

// encoder is how the listing writes keys: as they are, or as encoding-type=url asks.
func encoder(q query) (func(string) string, error) {
	switch e := q["encoding-type"]; e {
	case "":
		return func(s string) string { return s }, nil
	case "url":
		return func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "%2F", "/") }, nil
	default:
		return nil, fault.New("InvalidArgument", "Invalid Encoding Method specified in Request").With("ArgumentName", "encoding-type").With("ArgumentValue", e)
	}
}

type commonPrefix struct{ Prefix string }

func commonPrefixes(enc func(string) string, prefixes []string) []commonPrefix {
	var out []commonPrefix
	for _, p := range prefixes {
		out = append(out, commonPrefix{enc(p)})
	}
	return out
}

// list answers ListObjectsV2 and ListObjects. (S3 API Reference, the pages of the two.)
func (h *Handler) list(req *request) error {
	q := req.query
	v2 := q["list-type"] == "2"
	if t := q["list-type"]; t != "" && !v2 {
		return fault.New("InvalidArgument", "Invalid List Type specified in Request: %s", t)
	}
	maxKeys, err := limit(q, "max-keys")
	if err != nil {
		return err
	}
	enc, err := encoder(q)
	if err != nil {
		return err
	}
	after := q["marker"]
	if v2 {
		after = q["start-after"]
		if q.has("continuation-token") {
			raw, err := base64.URLEncoding.DecodeString(q["continuation-token"])
			if err != nil || len(raw) == 0 {
				return fault.New("InvalidArgument", "The continuation token provided is incorrect").With("ArgumentName", "continuation-token")
			}
			after = string(raw)
		}
	}
	opt := store.ListOptions{Prefix: q["prefix"], Delimiter: q["delimiter"], After: after, Max: atMost(q, "max-keys", maxKeys)}
	b, page, err := h.S3.ListObjects(req.Context(), req.caller, req.target.s3(), opt)
	if err != nil {
		return err
	}
	if maxKeys == 0 {
		page = store.Page{}
	}
	out := listBucketResult{
		Name: b.Name, Prefix: enc(q["prefix"]), Delimiter: enc(q["delimiter"]), MaxKeys: maxKeys,
		EncodingType: q["encoding-type"], IsTruncated: page.Next != "", CommonPrefixes: commonPrefixes(enc, page.Prefixes),
	}
	out.XML = make([]byte, 0, len(page.Objects)*listEntrySize)
	for _, o := range page.Objects {
		e := listEntry{
			Key: enc(o.Key), LastModified: isoTime(o.Modified), ETag: quoted(o.ETag), Size: o.Size, StorageClass: "STANDARD",
			ChecksumAlgorithm: o.Checksum.Algorithm, ChecksumType: o.Checksum.Type,
		}
		if !v2 || q["fetch-owner"] == "true" {
			owner := h.owner()
			e.Owner = &owner
		}
		out.add(&e)
	}
	out.cursor(q, v2, enc, page)
	wire.WriteElement(req.w, http.StatusOK, "ListBucketResult", xmlns, out)
	return nil
}

type listBucketResult struct {
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
	listEntries           // the <Contents> elements
	CommonPrefixes        []commonPrefix
}

// cursor sets where the page lies and where the next begins, in the words of the two versions.
func (out *listBucketResult) cursor(q query, v2 bool, enc func(string) string, page store.Page) {
	if !v2 {
		marker := enc(q["marker"])
		out.Marker = &marker
		if q["delimiter"] != "" {
			out.NextMarker = enc(page.Next)
		}
		return
	}
	count := len(page.Objects) + len(page.Prefixes)
	out.KeyCount, out.StartAfter, out.ContinuationToken = &count, enc(q["start-after"]), q["continuation-token"]
	if page.Next != "" {
		out.NextContinuationToken = base64.URLEncoding.EncodeToString([]byte(page.Next))
	}
}

// versionEntry is a Version or a DeleteMarker, which come in one order.
type versionEntry struct {
	XMLName           xml.Name
	Key, VersionId    string
	IsLatest          bool
	LastModified      string
	ETag              string `xml:",omitempty"`
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
	Size              *int64 `xml:",omitempty"`
	StorageClass      string `xml:",omitempty"`
	Owner             principal
}

type listVersionsResult struct {
	Name, Prefix                       string
	Delimiter                          string `xml:",omitempty"`
	EncodingType                       string `xml:",omitempty"`
	KeyMarker, VersionIdMarker         string
	NextKeyMarker, NextVersionIdMarker string `xml:",omitempty"`
	MaxKeys                            int
	IsTruncated                        bool
	Entries                            []versionEntry
	CommonPrefixes                     []commonPrefix
}

// listVersions answers ListObjectVersions.
func (h *Handler) listVersions(req *request) error {
	q := req.query
	opt, enc, most, err := entryOptions(q, "max-keys", "version-id-marker")
	if err != nil {
		return err
	}
	if opt.IDMarker != "" && opt.KeyMarker == "" {
		return fault.New("InvalidArgument", "A version-id marker cannot be specified without a key marker.").With("ArgumentName", "version-id-marker").With("ArgumentValue", opt.IDMarker)
	}
	if !s3.VersionID(opt.IDMarker) {
		return fault.New("InvalidArgument", "Invalid version id specified").With("ArgumentName", "version-id-marker").With("ArgumentValue", opt.IDMarker)
	}
	b, page, err := h.S3.ListObjectVersions(req.Context(), req.caller, req.target.s3(), opt)
	if err != nil {
		return err
	}
	if most == 0 {
		page = store.VersionPage{}
	}
	out := listVersionsResult{
		Name: b.Name, Prefix: enc(opt.Prefix), Delimiter: enc(opt.Delimiter), EncodingType: q["encoding-type"], KeyMarker: enc(opt.KeyMarker), VersionIdMarker: opt.IDMarker,
		NextKeyMarker: enc(page.NextKey), NextVersionIdMarker: page.NextID, MaxKeys: most, IsTruncated: page.NextKey != "", CommonPrefixes: commonPrefixes(enc, page.Prefixes),
	}
	for _, o := range page.Entries {
		e := versionEntry{
			XMLName: xml.Name{Local: "Version"}, Key: enc(o.Key), VersionId: o.VersionID, IsLatest: o.Latest, LastModified: isoTime(o.Modified), Owner: h.owner(),
		}
		if o.DeleteMarker {
			e.XMLName.Local = "DeleteMarker"
		} else {
			e.ETag, e.Size, e.StorageClass = quoted(o.ETag), &o.Size, "STANDARD"
			e.ChecksumAlgorithm, e.ChecksumType = o.Checksum.Algorithm, o.Checksum.Type
		}
		out.Entries = append(out.Entries, e)
	}
	wire.WriteElement(req.w, http.StatusOK, "ListVersionsResult", xmlns, out)
	return nil
}

// entryOptions reads what the listings of versions and of uploads have in common. most is what the client asked for, or 1000.
func entryOptions(q query, maxName, idName string) (opt store.EntryOptions, enc func(string) string, most int, err error) {
	if most, err = limit(q, maxName); err != nil {
		return opt, nil, 0, err
	}
	if enc, err = encoder(q); err != nil {
		return opt, nil, 0, err
	}
	return store.EntryOptions{
		Prefix: q["prefix"], Delimiter: q["delimiter"], KeyMarker: q["key-marker"], IDMarker: q[idName], Max: atMost(q, maxName, most),
	}, enc, most, nil
}

type listedUpload struct {
	Key, UploadId     string
	Initiator, Owner  principal
	StorageClass      string
	Initiated         string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
}

type listUploadsResult struct {
	Bucket, KeyMarker, UploadIdMarker string
	NextKeyMarker, NextUploadIdMarker string
	Delimiter                         string `xml:",omitempty"`
	Prefix                            string
	EncodingType                      string `xml:",omitempty"`
	MaxUploads                        int
	IsTruncated                       bool
	Upload                            []listedUpload
	CommonPrefixes                    []commonPrefix
}

// listUploads answers ListMultipartUploads.
func (h *Handler) listUploads(req *request) error {
	q := req.query
	opt, enc, most, err := entryOptions(q, "max-uploads", "upload-id-marker")
	if err != nil {
		return err
	}
	if opt.KeyMarker == "" {
		opt.IDMarker = "" // S3 API Reference, ListMultipartUploads: ignored without key-marker
	}
	if _, ok := store.ParseID(opt.IDMarker); !ok && opt.IDMarker != "" {
		return fault.New("InvalidArgument", "Invalid uploadId marker").With("ArgumentName", "upload-id-marker").With("ArgumentValue", opt.IDMarker)
	}
	b, page, err := h.S3.ListMultipartUploads(req.Context(), req.caller, req.target.s3(), opt)
	if err != nil {
		return err
	}
	if most == 0 {
		page = store.UploadPage{}
	}
	out := listUploadsResult{
		Bucket: b.Name, KeyMarker: enc(opt.KeyMarker), UploadIdMarker: opt.IDMarker, NextKeyMarker: enc(page.NextKey), NextUploadIdMarker: page.NextID,
		Delimiter: enc(opt.Delimiter), Prefix: enc(opt.Prefix), EncodingType: q["encoding-type"], MaxUploads: most, IsTruncated: page.NextKey != "",
		CommonPrefixes: commonPrefixes(enc, page.Prefixes),
	}
	for _, up := range page.Entries {
		u := listedUpload{Key: enc(up.Key), UploadId: up.ID, Initiator: principal{ID: up.Options.Initiator}, Owner: h.owner(), StorageClass: "STANDARD", Initiated: isoTime(up.Initiated)}
		if up.Options.ChecksumAlgorithm != "" {
			u.ChecksumAlgorithm, u.ChecksumType = up.Options.ChecksumAlgorithm, checksumType(up)
		}
		out.Upload = append(out.Upload, u)
	}
	wire.WriteElement(req.w, http.StatusOK, "ListMultipartUploadsResult", xmlns, out)
	return nil
}

// listBuckets answers ListBuckets.
func (h *Handler) listBuckets(req *request) error {
	buckets, err := h.S3.Buckets(req.Context(), req.caller)
	if err != nil {
		return err
	}
	type entry struct{ Name, CreationDate, BucketRegion string }
	var out struct {
		Owner             principal
		Buckets           struct{ Bucket []entry }
		ContinuationToken string `xml:",omitempty"`
		Prefix            string `xml:",omitempty"`
	}
	q := req.query
	most := len(buckets)
	if v := q["max-buckets"]; v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 10000 {
			return fault.New("InvalidArgument", "Argument max-buckets must be an integer between 1 and 10000.").With("ArgumentName", "max-buckets").With("ArgumentValue", v)
		}
		most = n
	}
	out.Owner, out.Prefix = h.owner(), q["prefix"]
	for _, b := range buckets {
		if !strings.HasPrefix(b.Name, q["prefix"]) || b.Name <= q["continuation-token"] || q["bucket-region"] != "" && q["bucket-region"] != b.Region {
			continue
		}
		if len(out.Buckets.Bucket) == most {
			out.ContinuationToken = out.Buckets.Bucket[most-1].Name
			break
		}
		out.Buckets.Bucket = append(out.Buckets.Bucket, entry{b.Name, isoTime(b.Created), b.Region})
	}
	wire.WriteElement(req.w, http.StatusOK, "ListAllMyBucketsResult", xmlns, out)
	return nil
}
