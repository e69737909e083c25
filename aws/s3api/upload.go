package s3api

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/s3"
	"glassine/store"
)

// maxComplete bounds the body of CompleteMultipartUpload: 10,000 parts with an ETag and a checksum each, generously.
const maxComplete = 8 << 20

// upload dispatches the operations on a multipart upload.
func (h *Handler) upload(req *request) error {
	q := req.query
	switch {
	case q.has("uploads"):
		if req.Method == http.MethodGet {
			return fault.New("InvalidRequest", "Key is not expected for the GET method ?uploads subresource")
		}
		return req.by("OBJECT", methods{http.MethodPost: h.createUpload})
	case req.Method == http.MethodPut && q.has("partNumber"):
		number, err := partNumber(q["partNumber"])
		if err != nil {
			return err
		}
		if req.Header.Get("X-Amz-Copy-Source") != "" {
			return h.uploadPartCopy(req, number)
		}
		return h.uploadPart(req, number)
	}
	return req.by("UPLOAD", methods{http.MethodGet: h.listParts, http.MethodPost: h.completeUpload, http.MethodDelete: h.abortUpload})
}

func (h *Handler) createUpload(req *request) error {
	opt, err := putOptions(req.Header)
	if err != nil {
		return err
	}
	checksum, err := algorithm(req.Header.Get("X-Amz-Checksum-Algorithm"))
	if err != nil {
		return err
	}
	kind, err := checksumKind(req.Header)
	if err != nil {
		return err
	}
	if kind != "" && checksum == "" {
		return fault.New("InvalidRequest", "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	}
	b, up, err := h.S3.CreateMultipartUpload(req.Context(), req.caller, req.target.s3(), req.target.key, store.UploadOptions{
		Headers: opt.Headers, Metadata: opt.Metadata, Tags: opt.Tags, Encrypt: opt.Encrypt, ChecksumAlgorithm: checksum, ChecksumType: kind,
	})
	if err != nil {
		return err
	}
	hd := req.w.Header()
	storedHeaders(hd, "", up.Options.Encrypt)
	if checksum != "" {
		hd.Set("X-Amz-Checksum-Algorithm", checksum)
		hd.Set("X-Amz-Checksum-Type", checksumType(up))
	}
	wire.WriteElement(req.w, http.StatusOK, "InitiateMultipartUploadResult", xmlns, struct{ Bucket, Key, UploadId string }{b.Name, req.target.key, up.ID})
	return nil
}

// checksumKind reads x-amz-checksum-type; "" when it is not there.
func checksumKind(hd http.Header) (string, error) {
	kind := strings.ToUpper(hd.Get("X-Amz-Checksum-Type"))
	if kind != "" && kind != store.FullObject && kind != store.Composite {
		return "", fault.New("InvalidRequest", "Value for x-amz-checksum-type header is invalid.")
	}
	return kind, nil
}

func checksumType(up store.Upload) string {
	if up.Options.ChecksumType != "" {
		return up.Options.ChecksumType
	}
	return store.DefaultChecksumType(up.Options.ChecksumAlgorithm)
}

// keptChecksum is a part's checksum as S3 shows it: only where the upload named its algorithm.
func keptChecksum(up store.Upload, p store.Part) store.Checksum {
	if up.Options.ChecksumAlgorithm == "" {
		return store.Checksum{}
	}
	return store.Checksum{Algorithm: p.Checksum.Algorithm, Value: p.Checksum.Value}
}

func (h *Handler) uploadPart(req *request, number int) error {
	if _, err := encryption(req.Header); err != nil {
		return err
	}
	body, d, err := payload(req)
	if err != nil {
		return err
	}
	if err := checkLength(body.Length); err != nil {
		return err
	}
	part, up, err := h.S3.UploadPart(req.Context(), req.caller, req.target.s3(), req.target.key, req.query["uploadId"], number, body, d)
	if err != nil {
		return err
	}
	hd := req.w.Header()
	hd.Set("ETag", quoted(part.ETag))
	storedHeaders(hd, "", up.Options.Encrypt)
	checksumHeaders(hd, keptChecksum(up, part))
	req.w.WriteHeader(http.StatusOK)
	return nil
}

func (h *Handler) abortUpload(req *request) error {
	const initiated = "x-amz-if-match-initiated-time"
	if req.Header.Get(initiated) != "" { // S3 API Reference, AbortMultipartUpload: for directory buckets only
		return unacceptable(initiated, "")
	}
	if err := h.S3.AbortMultipartUpload(req.Context(), req.caller, req.target.s3(), req.target.key, req.query["uploadId"]); err != nil {
		return err
	}
	req.w.WriteHeader(http.StatusNoContent)
	return nil
}

// principal is an owner or an initiator in listings.
type principal struct {
	ID          string
	DisplayName string `xml:",omitempty"`
}

func (h *Handler) owner() principal { return principal{ID: h.IAM.Account()} }

type listedPart struct {
	PartNumber         int
	LastModified, ETag string
	Size               int64
	checksums
}

type listPartsResult struct {
	Bucket, Key, UploadId string
	Initiator, Owner      principal
	StorageClass          string
	ChecksumAlgorithm     string `xml:",omitempty"`
	ChecksumType          string `xml:",omitempty"`
	PartNumberMarker      int
	NextPartNumberMarker  int
	MaxParts              int
	IsTruncated           bool
	Part                  []listedPart
}

func (h *Handler) listParts(req *request) error {
	most, err := limit(req.query, "max-parts")
	if err != nil {
		return err
	}
	after := 0
	if v := req.query["part-number-marker"]; v != "" {
		if after, err = number("part-number-marker", v); err != nil {
			return err
		}
	}
	b, page, err := h.S3.ListParts(req.Context(), req.caller, req.target.s3(), req.target.key, req.query["uploadId"], after, max(most, 1))
	if err != nil {
		return err
	}
	if most == 0 {
		page.Parts, page.Next = nil, 0
	}
	up := page.Upload
	out := listPartsResult{
		Bucket: b.Name, Key: req.target.key, UploadId: up.ID, Initiator: principal{ID: up.Options.Initiator}, Owner: h.owner(), StorageClass: "STANDARD",
		PartNumberMarker: after, MaxParts: most, IsTruncated: page.Next != 0, NextPartNumberMarker: page.Next,
	}
	if up.Options.ChecksumAlgorithm != "" {
		out.ChecksumAlgorithm, out.ChecksumType = up.Options.ChecksumAlgorithm, checksumType(up)
	}
	for _, p := range page.Parts {
		out.Part = append(out.Part, listedPart{p.Number, isoTime(p.Modified), quoted(p.ETag), p.Size, checksumXML(keptChecksum(up, p))})
	}
	if n := len(page.Parts); n > 0 {
		out.NextPartNumberMarker = page.Parts[n-1].Number
	}
	wire.WriteElement(req.w, http.StatusOK, "ListPartsResult", xmlns, out)
	return nil
}

type completedPart struct {
	PartNumber *int
	ETag       string
	checksums
}

func (h *Handler) completeUpload(req *request) error {
	cm, err := readComplete(req)
	if err != nil {
		return err
	}
	b, info, err := h.S3.CompleteMultipartUpload(req.Context(), req.caller, req.target.s3(), req.target.key, req.query["uploadId"], cm)
	if err != nil {
		return err
	}
	storedHeaders(req.w.Header(), info.VersionID, info.Encrypted)
	wire.WriteElement(req.w, http.StatusOK, "CompleteMultipartUploadResult", xmlns, struct {
		Location, Bucket, Key, ETag string
		checksums
		ChecksumType string
	}{location(req), b.Name, req.target.key, quoted(info.ETag), checksumXML(info.Checksum), info.Checksum.Type})
	return nil
}

// readComplete reads what object is to be made. The checksums in headers are the object's, not the body's.
func readComplete(req *request) (s3.Complete, error) {
	cm := s3.Complete{Size: -1}
	var err error
	if cm.IfMatch, cm.IfNoneMatch, err = writeConditions(req.Header); err != nil {
		return cm, err
	}
	if cm.Digest, err = objectDigest(req.Header); err != nil {
		return cm, err
	}
	if v := req.Header.Get("X-Amz-Mp-Object-Size"); v != "" {
		if cm.Size, err = strconv.ParseInt(v, 10, 64); err != nil {
			return cm, fault.New("InvalidRequest", "Value for x-amz-mp-object-size header is invalid: '%s'", v)
		}
		if cm.Size < 0 {
			return cm, fault.New("InvalidRequest", "Value for x-amz-mp-object-size header is less than zero: '%s'", v)
		}
	}
	if cm.ChecksumType, err = checksumKind(req.Header); err != nil {
		return cm, err
	}
	raw, err := wire.ReadBody(req.Request, req.sig, maxComplete)
	if err != nil {
		return cm, err
	}
	var in struct {
		XMLName xml.Name        `xml:"CompleteMultipartUpload"`
		Part    []completedPart `xml:"Part"`
	}
	if err := wire.ReadXML(bytes.NewReader(raw), maxComplete, &in); err != nil {
		return cm, err
	}
	if len(in.Part) == 0 || len(in.Part) > store.MaxPartNumber {
		return cm, malformedXML()
	}
	for _, p := range in.Part {
		if p.PartNumber == nil || p.ETag == "" {
			return cm, malformedXML()
		}
		if *p.PartNumber < 1 {
			return cm, fault.New("InvalidArgument", "PartNumber must be >= 1").With("ArgumentName", "PartNumber").With("ArgumentValue", strconv.Itoa(*p.PartNumber))
		}
		sum, err := p.given()
		if err != nil {
			return cm, err
		}
		cm.Parts = append(cm.Parts, store.Part{Number: *p.PartNumber, ETag: strings.Trim(p.ETag, `"`), Checksum: sum})
	}
	return cm, nil
}

// objectDigest reads the checksum that the finished object must have: of a composite one its number of parts may follow.
func objectDigest(hd http.Header) (s3.Digest, error) {
	bare := http.Header{}
	counted := map[string]string{}
	for _, a := range algorithms {
		name := "X-Amz-Checksum-" + a.header
		if v := hd.Get(name); v != "" {
			sum, count, composite := strings.Cut(v, "-")
			if _, err := strconv.ParseUint(count, 10, 16); composite && err != nil {
				return s3.Digest{}, fault.New("InvalidRequest", "Value for %s header is invalid.", strings.ToLower(name))
			}
			bare.Set(name, sum)
			counted[a.name] = v
		}
	}
	d, err := digest(bare, nil)
	if err == nil && d.Algorithm != "" {
		d.Value = func() string { return counted[d.Algorithm] }
	}
	return d, err
}

// location is an object's URL as the client reached it.
func location(req *request) string {
	u := absoluteURL(req.Request)
	u, _, _ = strings.Cut(u, "?")
	return u
}
