package cloudfrontapi

import (
	"bytes"
	"encoding/xml"
	"net/http"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/edge"
)

// resource is a kind of record that is created, read, replaced, deleted and listed: a collection of edge, and how its XML
// looks.
type resource[C any] struct {
	path       string // origin-request-policy
	element    string // OriginRequestPolicy
	list       string // OriginRequestPolicyList
	collection *edge.Collection[C]
	read       func(body []byte) (C, error)
	config     func(C) any                          // its XML element, with the namespace
	summary    func(edge.Versioned[C], record) any  // an item of a list
	update     string                               // the shape of the path that Update has
	record     func(edge.Versioned[C], any) *record // nil: Id, LastModifiedTime and the configuration
}

// record is the XML of one.
type record struct {
	XMLName          xml.Name
	NS               string `xml:"xmlns,attr,omitempty"`
	Id               string
	LastModifiedTime string `xml:",omitempty"`
	CreatedTime      string `xml:",omitempty"`
	Config           any
}

// typed is a list's item that says whether AWS or the account made it.
type typed struct {
	XMLName xml.Name
	Type    string `xml:",omitempty"`
	Item    record
}

func typedSummary[C any](element string) func(edge.Versioned[C], record) any {
	return func(v edge.Versioned[C], r record) any {
		kind := "custom"
		if v.Managed {
			kind = "managed"
		}
		return typed{xml.Name{Local: element}, kind, r}
	}
}

func (r resource[C]) shape(v edge.Versioned[C]) record {
	config := r.config(v.Config)
	if r.record != nil {
		return *r.record(v, config)
	}
	return record{XMLName: xml.Name{Local: r.element}, Id: v.ID, LastModifiedTime: isoTime(v.LastModified), Config: config}
}

// serve dispatches the operations.
func (r resource[C]) serve(c *call, method, id, sub string) error {
	switch at := shape(id, sub); method + " " + at {
	case "POST ":
		cfg, err := r.read(c.body)
		if err != nil {
			return err
		}
		v, err := r.collection.Create(c.ctx, c.caller, cfg)
		if err != nil {
			return err
		}
		c.w.Header().Set("Location", "https://cloudfront.amazonaws.com"+version+r.path+"/"+v.ID)
		return r.write(c, http.StatusCreated, v)
	case "GET ":
		return r.writeList(c)
	case "GET id":
		v, err := r.collection.Get(c.ctx, c.caller, id)
		if err != nil {
			return err
		}
		return r.write(c, http.StatusOK, v)
	case "GET id/config":
		v, err := r.collection.GetConfig(c.ctx, c.caller, id)
		if err != nil {
			return err
		}
		c.w.Header().Set("ETag", v.ETag)
		wire.WriteXML(c.w, http.StatusOK, r.config(v.Config))
		return nil
	case "PUT " + r.update:
		cfg, err := r.read(c.body)
		if err != nil {
			return err
		}
		v, err := r.collection.Update(c.ctx, c.caller, id, c.ifMatch, cfg)
		if err != nil {
			return err
		}
		return r.write(c, http.StatusOK, v)
	case "DELETE id":
		if err := r.collection.Delete(c.ctx, c.caller, id, c.ifMatch); err != nil {
			return err
		}
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return unsupported(method, c.path)
}

func (r resource[C]) write(c *call, status int, v edge.Versioned[C]) error {
	out := r.shape(v)
	out.NS = namespace
	c.w.Header().Set("ETag", v.ETag)
	wire.WriteXML(c.w, status, out)
	return nil
}

// writeList answers all in one page: an installation has few.
func (r resource[C]) writeList(c *call) error {
	kind := c.query["Type"]
	if kind != "" && kind != "managed" && kind != "custom" {
		return fault.New("InvalidArgument", "Type %q is not managed or custom.", kind)
	}
	all, err := r.collection.List(c.ctx, c.caller)
	if err != nil {
		return err
	}
	var items []any
	for _, v := range all {
		if kind == "" || v.Managed == (kind == "managed") {
			items = append(items, r.summary(v, r.shape(v)))
		}
	}
	wire.WriteXML(c.w, http.StatusOK, struct {
		XMLName  xml.Name
		NS       string `xml:"xmlns,attr"`
		MaxItems int
		*list[any]
	}{XMLName: xml.Name{Local: r.list}, NS: namespace, MaxItems: 100, list: listOf(items)})
	return nil
}

func (h *Handler) originRequestPolicies() resource[edge.OriginRequestPolicyConfig] {
	return resource[edge.OriginRequestPolicyConfig]{
		path: "origin-request-policy", element: "OriginRequestPolicy", list: "OriginRequestPolicyList", collection: h.Edge.OriginRequestPolicies,
		read: readOriginRequestPolicy, config: originRequestPolicyShape, update: "id",
		summary: typedSummary[edge.OriginRequestPolicyConfig]("OriginRequestPolicySummary"),
	}
}

func (h *Handler) responseHeadersPolicies() resource[edge.ResponseHeadersPolicyConfig] {
	return resource[edge.ResponseHeadersPolicyConfig]{
		path: "response-headers-policy", element: "ResponseHeadersPolicy", list: "ResponseHeadersPolicyList", collection: h.Edge.ResponseHeadersPolicies,
		read: readResponseHeadersPolicy, config: responseHeadersPolicyShape, update: "id",
		summary: typedSummary[edge.ResponseHeadersPolicyConfig]("ResponseHeadersPolicySummary"),
	}
}

func (h *Handler) publicKeys() resource[edge.PublicKeyConfig] {
	type summary struct {
		XMLName                                    xml.Name `xml:"PublicKeySummary"`
		Id, Name, CreatedTime, EncodedKey, Comment string
	}
	return resource[edge.PublicKeyConfig]{
		path: "public-key", element: "PublicKey", list: "PublicKeyList", collection: h.Edge.PublicKeys,
		read: func(body []byte) (edge.PublicKeyConfig, error) {
			var in publicKeyConfig
			err := wire.ReadXML(bytes.NewReader(body), maxBody, &in)
			return edge.PublicKeyConfig{CallerReference: in.CallerReference, Name: in.Name, EncodedKey: in.EncodedKey, Comment: in.Comment}, err
		},
		config: func(c edge.PublicKeyConfig) any {
			return publicKeyConfig{NS: namespace, CallerReference: c.CallerReference, Name: c.Name, EncodedKey: c.EncodedKey, Comment: c.Comment}
		},
		update: "id/config",
		record: func(v edge.PublicKey, config any) *record {
			return &record{XMLName: xml.Name{Local: "PublicKey"}, Id: v.ID, CreatedTime: isoTime(v.LastModified), Config: config}
		},
		summary: func(v edge.PublicKey, r record) any {
			return summary{Id: v.ID, Name: v.Config.Name, CreatedTime: r.CreatedTime, EncodedKey: v.Config.EncodedKey, Comment: v.Config.Comment}
		},
	}
}

func (h *Handler) keyGroups() resource[edge.KeyGroupConfig] {
	return resource[edge.KeyGroupConfig]{
		path: "key-group", element: "KeyGroup", list: "KeyGroupList", collection: h.Edge.KeyGroups, update: "id",
		read: func(body []byte) (edge.KeyGroupConfig, error) {
			var in keyGroupConfig
			if err := wire.ReadXML(bytes.NewReader(body), maxBody, &in); err != nil {
				return edge.KeyGroupConfig{}, err
			}
			out := edge.KeyGroupConfig{Name: in.Name, Comment: in.Comment}
			if in.Items != nil {
				out.Keys = values(in.Items.Item)
			}
			return out, nil
		},
		config: func(c edge.KeyGroupConfig) any {
			return keyGroupConfig{NS: namespace, Name: c.Name, Items: &items[text]{texts("PublicKey", c.Keys)}, Comment: c.Comment}
		},
		summary: func(_ edge.KeyGroup, r record) any {
			return typed{XMLName: xml.Name{Local: "KeyGroupSummary"}, Item: r}
		},
	}
}

type publicKeyConfig struct {
	XMLName                                    xml.Name `xml:"PublicKeyConfig"`
	NS                                         string   `xml:"xmlns,attr,omitempty"`
	CallerReference, Name, EncodedKey, Comment string
}

// keyGroupConfig has a list without a Quantity.
type keyGroupConfig struct {
	XMLName xml.Name `xml:"KeyGroupConfig"`
	NS      string   `xml:"xmlns,attr,omitempty"`
	Name    string
	Items   *items[text]
	Comment string
}
