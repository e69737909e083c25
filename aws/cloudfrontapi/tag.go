package cloudfrontapi

import (
	"bytes"
	"encoding/xml"
	"net/http"

	"glassine/aws/wire"
	"glassine/edge"
)

// tags is a list without a Quantity.
type tags struct {
	XMLName xml.Name    `xml:"Tags"`
	NS      string      `xml:"xmlns,attr,omitempty"`
	Items   *items[tag] `xml:",omitempty"`
}

type tag struct {
	XMLName    xml.Name `xml:"Tag"`
	Key, Value string
}

func (t *tags) domain() []edge.Tag {
	if t == nil || t.Items == nil {
		return nil
	}
	var out []edge.Tag
	for _, i := range t.Items.Item {
		out = append(out, edge.Tag{Key: i.Key, Value: i.Value})
	}
	return out
}

// tagging dispatches TagResource, UntagResource and ListTagsForResource.
func (h *Handler) tagging(c *call, method string) error {
	arn := c.query["Resource"]
	switch method + " " + c.query["Operation"] {
	case "GET ":
		all, err := h.Edge.TagsOf(c.ctx, c.caller, arn)
		if err != nil {
			return err
		}
		out := tags{NS: namespace, Items: &items[tag]{}}
		for _, t := range all {
			out.Items.Item = append(out.Items.Item, tag{Key: t.Key, Value: t.Value})
		}
		wire.WriteXML(c.w, http.StatusOK, out)
		return nil
	case "POST Tag":
		var in tags
		if err := wire.ReadXML(bytes.NewReader(c.body), maxBody, &in); err != nil {
			return err
		}
		if err := h.Edge.TagResource(c.ctx, c.caller, arn, in.domain()); err != nil {
			return err
		}
	case "POST Untag":
		var in struct {
			XMLName xml.Name `xml:"TagKeys"`
			Items   *items[text]
		}
		if err := wire.ReadXML(bytes.NewReader(c.body), maxBody, &in); err != nil {
			return err
		}
		var keys []string
		if in.Items != nil {
			keys = values(in.Items.Item)
		}
		if err := h.Edge.UntagResource(c.ctx, c.caller, arn, keys); err != nil {
			return err
		}
	default:
		return unsupported(method, c.path)
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}
