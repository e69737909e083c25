package s3api

import (
	"net/http"
	"slices"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/store"
)

// attributes are what GetObjectAttributes may be asked for.
var attributes = []string{"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}

type attributePart struct {
	PartNumber int
	Size       int64
	checksums
}

type attributeParts struct {
	PartsCount           int
	PartNumberMarker     int
	NextPartNumberMarker int
	MaxParts             int
	IsTruncated          bool
	Part                 []attributePart
}

type attributeChecksum struct {
	checksums
	ChecksumType string
}

type attributesResult struct {
	ETag         string             `xml:",omitempty"`
	Checksum     *attributeChecksum `xml:",omitempty"`
	ObjectParts  *attributeParts    `xml:",omitempty"`
	StorageClass string             `xml:",omitempty"`
	ObjectSize   *int64             `xml:",omitempty"`
}

// objectAttributes answers GetObjectAttributes. (S3 API Reference, its page.)
func (h *Handler) objectAttributes(req *request) error {
	var wanted []string
	for _, line := range req.Header.Values("X-Amz-Object-Attributes") {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			if !slices.Contains(attributes, name) {
				return fault.New("InvalidArgument", "Invalid attribute name specified.").With("ArgumentName", "x-amz-object-attributes").With("ArgumentValue", name)
			}
			wanted = append(wanted, name)
		}
	}
	if len(wanted) == 0 {
		return fault.New("InvalidRequest", "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
	}
	numbers := query{"max-parts": req.Header.Get("X-Amz-Max-Parts")}
	most, err := limit(numbers, "max-parts")
	if err != nil {
		return err
	}
	after := 0
	if v := req.Header.Get("X-Amz-Part-Number-Marker"); v != "" {
		if after, err = number("part-number-marker", v); err != nil {
			return err
		}
	}
	info, err := h.S3.ObjectAttributes(req.Context(), req.caller, req.target.s3(), req.target.key, req.query["versionId"])
	if err != nil {
		return err
	}
	if err := conditions(req.Header, "").Check(info); err != nil {
		return err
	}
	var out attributesResult
	for _, name := range wanted {
		switch name {
		case "ETag":
			out.ETag = info.ETag
		case "Checksum":
			out.Checksum = &attributeChecksum{checksumXML(info.Checksum), info.Checksum.Type}
		case "ObjectParts":
			out.ObjectParts = partsOf(info, after, most)
		case "StorageClass":
			out.StorageClass = "STANDARD"
		case "ObjectSize":
			out.ObjectSize = &info.Size
		}
	}
	hd := req.w.Header()
	hd.Set("Last-Modified", info.Modified.UTC().Format(http.TimeFormat))
	storedHeaders(hd, info.VersionID, false)
	wire.WriteElement(req.w, http.StatusOK, "GetObjectAttributesResponse", xmlns, out)
	return nil
}

// partsOf is a page of a multipart object's parts, nil for another object. Their numbers are as partNumber counts them.
func partsOf(info store.Info, after, most int) *attributeParts {
	if info.PartCount == 0 {
		return nil
	}
	out := &attributeParts{PartsCount: info.PartCount, PartNumberMarker: after, MaxParts: most}
	for i, p := range info.Parts {
		if p.Number <= after {
			continue
		}
		if len(out.Part) == most {
			out.IsTruncated = i < len(info.Parts)
			break
		}
		out.Part = append(out.Part, attributePart{p.Number, p.Size, checksumXML(p.Checksum)})
		out.NextPartNumberMarker = p.Number
	}
	return out
}
