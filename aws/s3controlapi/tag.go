package s3controlapi

import (
	"encoding/xml"
	"maps"
	"slices"

	"glassine/aws/fault"
)

// tagList is the model's TagList.
type tagList struct {
	Tag []struct{ Key, Value string }
}

func (l tagList) tags() map[string]string {
	if len(l.Tag) == 0 {
		return nil
	}
	out := map[string]string{}
	for _, t := range l.Tag {
		out[t.Key] = t.Value
	}
	return out
}

func tagShape(tags map[string]string) (l tagList) {
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		l.Tag = append(l.Tag, struct{ Key, Value string }{k, tags[k]})
	}
	return l
}

func (h *Handler) tagResource(c *call) error {
	var in struct {
		XMLName xml.Name `xml:"TagResourceRequest"`
		Tags    tagList
	}
	if err := c.read(&in); err != nil {
		return err
	}
	if len(in.Tags.Tag) == 0 {
		return fault.New("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	return c.noContent(h.S3.TagResource(c.ctx, c.caller, c.name, in.Tags.tags()))
}

func (h *Handler) untagResource(c *call) error {
	return c.noContent(h.S3.UntagResource(c.ctx, c.caller, c.name, c.query["tagKeys"]))
}

func (h *Handler) listTags(c *call) error {
	tags, err := h.S3.ListTagsForResource(c.ctx, c.caller, c.name)
	if err != nil {
		return err
	}
	c.write("ListTagsForResourceResult", struct{ Tags tagList }{tagShape(tags)})
	return nil
}
