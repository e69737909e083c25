package cloudfrontapi

import (
	"bytes"
	"encoding/xml"
	"net/http"

	"glassine/aws/wire"
	"glassine/edge"
)

type originAccessControl struct {
	XMLName                   xml.Name `xml:"OriginAccessControl"`
	NS                        string   `xml:"xmlns,attr"`
	Id                        string
	OriginAccessControlConfig originAccessControlConfig
}

type originAccessControlConfig struct {
	XMLName                       xml.Name `xml:"OriginAccessControlConfig"`
	NS                            string   `xml:"xmlns,attr,omitempty"`
	Name                          string
	Description                   string
	SigningProtocol               string
	SigningBehavior               string
	OriginAccessControlOriginType string
}

// originAccessControl dispatches the operations on origin access controls.
func (h *Handler) originAccessControl(c *call, method, id, sub string) error {
	switch method + " " + shape(id, sub) {
	case "POST ":
		cfg, err := readAccessControl(c.body)
		if err != nil {
			return err
		}
		o, err := h.Edge.CreateOriginAccessControl(c.ctx, c.caller, cfg)
		if err != nil {
			return err
		}
		c.w.Header().Set("Location", "https://cloudfront.amazonaws.com"+version+"origin-access-control/"+o.ID)
		return writeAccessControl(c, http.StatusCreated, o)
	case "GET ":
		return h.listAccessControls(c)
	case "GET id":
		o, err := h.Edge.GetOriginAccessControl(c.ctx, c.caller, id)
		if err != nil {
			return err
		}
		return writeAccessControl(c, http.StatusOK, o)
	case "GET id/config":
		o, err := h.Edge.GetOriginAccessControlConfig(c.ctx, c.caller, id)
		if err != nil {
			return err
		}
		out := accessControlShape(o.Config)
		out.NS = namespace
		c.w.Header().Set("ETag", o.ETag)
		wire.WriteXML(c.w, http.StatusOK, out)
		return nil
	case "PUT id/config":
		cfg, err := readAccessControl(c.body)
		if err != nil {
			return err
		}
		o, err := h.Edge.UpdateOriginAccessControl(c.ctx, c.caller, id, c.ifMatch, cfg)
		if err != nil {
			return err
		}
		return writeAccessControl(c, http.StatusOK, o)
	case "DELETE id":
		if err := h.Edge.DeleteOriginAccessControl(c.ctx, c.caller, id, c.ifMatch); err != nil {
			return err
		}
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return unsupported(method, c.path)
}

func readAccessControl(body []byte) (edge.OriginAccessControlConfig, error) {
	var in originAccessControlConfig
	if err := wire.ReadXML(bytes.NewReader(body), maxBody, &in); err != nil {
		return edge.OriginAccessControlConfig{}, err
	}
	return edge.OriginAccessControlConfig{
		Name: in.Name, Description: in.Description, SigningProtocol: in.SigningProtocol, SigningBehavior: in.SigningBehavior, OriginType: in.OriginAccessControlOriginType,
	}, nil
}

func accessControlShape(c edge.OriginAccessControlConfig) originAccessControlConfig {
	return originAccessControlConfig{
		Name: c.Name, Description: c.Description, SigningProtocol: c.SigningProtocol, SigningBehavior: c.SigningBehavior, OriginAccessControlOriginType: c.OriginType,
	}
}

func writeAccessControl(c *call, status int, o edge.OriginAccessControl) error {
	c.w.Header().Set("ETag", o.ETag)
	wire.WriteXML(c.w, status, originAccessControl{NS: namespace, Id: o.ID, OriginAccessControlConfig: accessControlShape(o.Config)})
	return nil
}

func (h *Handler) listAccessControls(c *call) error {
	all, err := h.Edge.ListOriginAccessControls(c.ctx, c.caller)
	if err != nil {
		return err
	}
	type summary struct {
		XMLName                                                                                xml.Name `xml:"OriginAccessControlSummary"`
		Id, Description, Name, SigningProtocol, SigningBehavior, OriginAccessControlOriginType string
	}
	var summaries []summary
	for _, o := range all {
		summaries = append(summaries, summary{
			Id: o.ID, Description: o.Config.Description, Name: o.Config.Name, SigningProtocol: o.Config.SigningProtocol,
			SigningBehavior: o.Config.SigningBehavior, OriginAccessControlOriginType: o.Config.OriginType,
		})
	}
	return writePage(c, "OriginAccessControlList", summaries)
}
