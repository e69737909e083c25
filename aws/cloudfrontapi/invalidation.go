package cloudfrontapi

import (
	"bytes"
	"encoding/xml"
	"net/http"

	"glassine/aws/wire"
	"glassine/edge"
)

// invalidations dispatches the operations on a distribution's invalidations.
func (h *Handler) invalidations(c *call, method, distributionID, id string) error {
	switch method + " " + shape(id, "") {
	case "POST ":
		return h.createInvalidation(c, distributionID)
	case "GET ":
		all, err := h.Edge.ListInvalidations(c.ctx, c.caller, distributionID)
		if err != nil {
			return err
		}
		type summary struct {
			XMLName                xml.Name `xml:"InvalidationSummary"`
			Id, CreateTime, Status string
		}
		var summaries []summary
		for _, i := range all {
			summaries = append(summaries, summary{Id: i.ID, CreateTime: isoTime(i.CreateTime), Status: i.Status})
		}
		return writePage(c, "InvalidationList", summaries)
	case "GET id":
		i, err := h.Edge.GetInvalidation(c.ctx, c.caller, distributionID, id)
		if err != nil {
			return err
		}
		return writeInvalidation(c, http.StatusOK, i)
	}
	return unsupported(method, c.path)
}

func (h *Handler) createInvalidation(c *call, distributionID string) error {
	var in invalidationBatch
	if err := wire.ReadXML(bytes.NewReader(c.body), maxBody, &in); err != nil {
		return err
	}
	paths, err := in.Paths.get()
	if err != nil {
		return err
	}
	i, err := h.Edge.Invalidate(c.ctx, c.caller, distributionID, in.CallerReference, values(paths))
	if err != nil {
		return err
	}
	c.w.Header().Set("Location", "https://cloudfront.amazonaws.com"+version+"distribution/"+distributionID+"/invalidation/"+i.ID)
	return writeInvalidation(c, http.StatusCreated, i)
}

func writeInvalidation(c *call, status int, i edge.Invalidation) error {
	wire.WriteXML(c.w, status, invalidation{
		NS: namespace, Id: i.ID, Status: i.Status, CreateTime: isoTime(i.CreateTime),
		InvalidationBatch: invalidationBatch{Paths: listOf(texts("Path", i.Paths)), CallerReference: i.CallerReference},
	})
	return nil
}
