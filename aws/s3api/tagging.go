package s3api

import (
	"encoding/xml"
	"maps"
	"net/http"
	"slices"

	"glassine/aws/fault"
	"glassine/aws/wire"
)

type tag struct{ Key, Value string }

type tagSet struct {
	Tag []tag `xml:"Tag"`
}

// tags is the set as a map: InvalidTag when a key is there twice.
func (s tagSet) tags() (map[string]string, error) {
	m := make(map[string]string, len(s.Tag))
	for _, t := range s.Tag {
		if _, twice := m[t.Key]; twice {
			return nil, fault.New("InvalidTag", "Cannot provide multiple Tags with the same key").With("TagKey", t.Key)
		}
		m[t.Key] = t.Value
	}
	return m, nil
}

func newTagSet(m map[string]string) tagSet {
	var s tagSet
	for _, k := range slices.Sorted(maps.Keys(m)) {
		s.Tag = append(s.Tag, tag{k, m[k]})
	}
	return s
}

// readTagging reads the body of the two Put requests.
func readTagging(req *request) (map[string]string, error) {
	var in struct {
		XMLName xml.Name `xml:"Tagging"`
		TagSet  *tagSet
	}
	if _, err := readXML(req, maxConfiguration, &in); err != nil {
		return nil, err
	}
	if in.TagSet == nil {
		return nil, malformedXML()
	}
	return in.TagSet.tags()
}

func writeTagging(req *request, tags map[string]string) {
	wire.WriteElement(req.w, http.StatusOK, "Tagging", xmlns, struct{ TagSet tagSet }{newTagSet(tags)})
}

// objectTagging dispatches the operations on an object's tags.
func (h *Handler) objectTagging(req *request) error {
	ctx, t, key, version := req.Context(), req.target.s3(), req.target.key, req.query["versionId"]
	switch req.Method {
	case http.MethodGet:
		info, err := h.S3.ObjectTagging(ctx, req.caller, t, key, version)
		if err != nil {
			return err
		}
		storedHeaders(req.w.Header(), info.VersionID, false)
		writeTagging(req, info.Tags)
		return nil
	case http.MethodPut:
		tags, err := readTagging(req)
		if err != nil {
			return err
		}
		info, err := h.S3.PutObjectTagging(ctx, req.caller, t, key, version, tags)
		if err != nil {
			return err
		}
		storedHeaders(req.w.Header(), info.VersionID, false)
		req.w.WriteHeader(http.StatusOK)
		return nil
	case http.MethodDelete:
		info, err := h.S3.DeleteObjectTagging(ctx, req.caller, t, key, version)
		if err != nil {
			return err
		}
		storedHeaders(req.w.Header(), info.VersionID, false)
		req.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return methodNotAllowed(req.Method, "OBJECT")
}

func (h *Handler) getBucketTagging(req *request) error {
	tags, err := h.S3.BucketTagging(req.Context(), req.caller, req.target.name)
	if err != nil {
		return err
	}
	writeTagging(req, tags)
	return nil
}

func (h *Handler) putBucketTagging(req *request) error {
	tags, err := readTagging(req)
	if err != nil {
		return err
	}
	if err := h.S3.PutBucketTagging(req.Context(), req.caller, req.target.name, tags); err != nil {
		return err
	}
	req.w.WriteHeader(http.StatusNoContent)
	return nil
}
