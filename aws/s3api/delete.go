package s3api

import (
	"encoding/xml"
	"errors"
	"net/http"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/s3"
)

// maxDelete bounds the body of DeleteObjects: 1,000 keys of 1,024 bytes, each byte perhaps written as an entity.
const maxDelete = 8 << 20

// deleteObjects answers DeleteObjects. (S3 API Reference, its page: up to 1,000 keys; Content-MD5 or a checksum.)
func (h *Handler) deleteObjects(req *request) error {
	type object struct{ Key, VersionId, ETag string }
	var in struct {
		XMLName xml.Name `xml:"Delete"`
		Quiet   bool
		Object  []object
	}
	said, err := readXML(req, maxDelete, &in)
	if err != nil {
		return err
	}
	if !said {
		return fault.New("InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	if len(in.Object) == 0 || len(in.Object) > 1000 {
		return malformedXML()
	}
	objects := make([]s3.ToDelete, len(in.Object))
	for i, o := range in.Object {
		if o.VersionId != "" && req.lambda != nil {
			if err := req.lambda.Also(req.Context(), "DeleteObjectVersion"); err != nil {
				return err
			}
		}
		objects[i] = s3.ToDelete{Key: o.Key, VersionID: o.VersionId, IfMatch: strings.Trim(o.ETag, `"`)}
	}
	results, err := h.S3.DeleteObjects(req.Context(), req.caller, req.target.s3(), objects)
	if err != nil {
		return err
	}
	type deleted struct {
		Key                   string
		VersionId             string `xml:",omitempty"`
		DeleteMarker          bool   `xml:",omitempty"`
		DeleteMarkerVersionId string `xml:",omitempty"`
	}
	type failure struct {
		Key           string
		VersionId     string `xml:",omitempty"`
		Code, Message string
	}
	var out struct {
		Deleted []deleted
		Error   []failure
	}
	for i, r := range results {
		o := in.Object[i]
		if r.Err != nil {
			f, ok := errors.AsType[*fault.Error](r.Err)
			if !ok {
				h.log().ErrorContext(req.Context(), "delete of one of many failed", "request", req.id, "error", r.Err.Error())
				f = fault.New("InternalError", "We encountered an internal error. Please try again.")
			}
			out.Error = append(out.Error, failure{o.Key, o.VersionId, f.Code, f.Message})
			continue
		}
		if in.Quiet {
			continue
		}
		d := deleted{Key: o.Key, VersionId: o.VersionId, DeleteMarker: r.Marker}
		if r.Marker {
			d.DeleteMarkerVersionId = r.VersionID
		}
		out.Deleted = append(out.Deleted, d)
	}
	wire.WriteElement(req.w, http.StatusOK, "DeleteResult", xmlns, out)
	return nil
}
