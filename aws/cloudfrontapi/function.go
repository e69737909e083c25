package cloudfrontapi

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"net/http"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/edge"
)

type functionConfig struct {
	Comment, Runtime          string
	KeyValueStoreAssociations *list[keyValueStoreAssociation] `xml:",omitempty"`
}

type keyValueStoreAssociation struct {
	XMLName          xml.Name `xml:"KeyValueStoreAssociation"`
	KeyValueStoreARN string
}

// functionRequest is CreateFunctionRequest or UpdateFunctionRequest.
type functionRequest struct {
	Name           string
	FunctionConfig functionConfig
	FunctionCode   string // base64
	Tags           *tags
}

type functionSummary struct {
	XMLName          xml.Name `xml:"FunctionSummary"`
	NS               string   `xml:"xmlns,attr,omitempty"`
	Name, Status     string
	FunctionConfig   functionConfig
	FunctionMetadata struct{ FunctionARN, Stage, CreatedTime, LastModifiedTime string }
}

// function dispatches the operations on CloudFront functions. (CloudFront API Reference, "CreateFunction" and so on.)
func (h *Handler) function(c *call, method, name, sub string) error {
	switch method + " " + shape(name, sub) {
	case "POST ":
		in, code, err := readFunction(c.body)
		if err != nil {
			return err
		}
		cfg, err := in.FunctionConfig.domain()
		if err != nil {
			return err
		}
		f, err := h.Edge.CreateFunction(c.ctx, c.caller, in.Name, cfg, code, in.Tags.domain())
		if err != nil {
			return err
		}
		c.w.Header().Set("Location", "https://cloudfront.amazonaws.com"+version+"function/"+f.Name)
		return writeFunction(c, http.StatusCreated, f)
	case "GET ":
		return h.listFunctions(c)
	case "GET id":
		f, err := h.Edge.GetFunction(c.ctx, c.caller, name, c.query["Stage"])
		if err != nil {
			return err
		}
		c.w.Header().Set("ETag", f.ETag)
		c.w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = c.w.Write(f.Code) // a client that left is no error of ours
		return nil
	case "GET id/describe":
		f, err := h.Edge.DescribeFunction(c.ctx, c.caller, name, c.query["Stage"])
		if err != nil {
			return err
		}
		return writeFunction(c, http.StatusOK, f)
	case "PUT id":
		return h.updateFunction(c, name)
	case "POST id/publish":
		f, err := h.Edge.PublishFunction(c.ctx, c.caller, name, c.ifMatch)
		if err != nil {
			return err
		}
		return writeFunction(c, http.StatusOK, f)
	case "POST id/test":
		return h.testFunction(c, name)
	case "DELETE id":
		if err := h.Edge.DeleteFunction(c.ctx, c.caller, name, c.ifMatch); err != nil {
			return err
		}
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return unsupported(method, c.path)
}

func readFunction(body []byte) (functionRequest, []byte, error) {
	var in functionRequest
	if err := wire.ReadXML(bytes.NewReader(body), maxBody, &in); err != nil {
		return in, nil, err
	}
	code, err := base64.StdEncoding.DecodeString(strings.TrimSpace(in.FunctionCode))
	if err != nil {
		return in, nil, fault.New("InvalidArgument", "FunctionCode is not base64.")
	}
	return in, code, nil
}

func (f functionConfig) domain() (edge.FunctionConfig, error) {
	stores, err := f.KeyValueStoreAssociations.get()
	out := edge.FunctionConfig{Comment: f.Comment, Runtime: f.Runtime}
	for _, s := range stores {
		out.KeyValueStores = append(out.KeyValueStores, s.KeyValueStoreARN)
	}
	return out, err
}

func (h *Handler) updateFunction(c *call, name string) error {
	in, code, err := readFunction(c.body)
	if err != nil {
		return err
	}
	cfg, err := in.FunctionConfig.domain()
	if err != nil {
		return err
	}
	f, err := h.Edge.UpdateFunction(c.ctx, c.caller, name, c.ifMatch, cfg, code)
	if err != nil {
		return err
	}
	c.w.Header().Set("ETtag", f.ETag) // as the API's model spells it, of this operation only
	return writeFunction(c, http.StatusOK, f)
}

func functionShape(f edge.Function) functionSummary {
	out := functionSummary{Name: f.Name, Status: f.Status, FunctionConfig: functionConfig{Comment: f.Comment, Runtime: f.Runtime}}
	out.FunctionMetadata.FunctionARN, out.FunctionMetadata.Stage = f.ARN, f.Stage
	out.FunctionMetadata.CreatedTime, out.FunctionMetadata.LastModifiedTime = isoTime(f.Created), isoTime(f.LastModified)
	return out
}

func writeFunction(c *call, status int, f edge.Function) error {
	out := functionShape(f)
	out.NS = namespace
	c.w.Header().Set("ETag", f.ETag)
	wire.WriteXML(c.w, status, out)
	return nil
}

func (h *Handler) listFunctions(c *call) error {
	all, err := h.Edge.ListFunctions(c.ctx, c.caller, c.query["Stage"])
	if err != nil {
		return err
	}
	var summaries []functionSummary
	for _, f := range all {
		summaries = append(summaries, functionShape(f))
	}
	wire.WriteXML(c.w, http.StatusOK, struct {
		XMLName  xml.Name `xml:"FunctionList"`
		NS       string   `xml:"xmlns,attr"`
		MaxItems int
		*list[functionSummary]
	}{NS: namespace, MaxItems: 100, list: listOf(summaries)})
	return nil
}

func (h *Handler) testFunction(c *call, name string) error {
	var in struct{ Stage, EventObject string }
	if err := wire.ReadXML(bytes.NewReader(c.body), maxBody, &in); err != nil {
		return err
	}
	event, err := base64.StdEncoding.DecodeString(strings.TrimSpace(in.EventObject))
	if err != nil {
		return fault.New("InvalidArgument", "EventObject is not base64.")
	}
	f, r, err := h.Edge.TestFunction(c.ctx, c.caller, name, c.ifMatch, in.Stage, event)
	if err != nil {
		return err
	}
	type member struct {
		XMLName xml.Name `xml:"member"`
		Value   string   `xml:",chardata"`
	}
	var logs []member
	for _, line := range r.Log {
		logs = append(logs, member{Value: line})
	}
	wire.WriteXML(c.w, http.StatusOK, struct {
		XMLName               xml.Name `xml:"TestResult"`
		NS                    string   `xml:"xmlns,attr"`
		FunctionSummary       functionSummary
		ComputeUtilization    int
		FunctionExecutionLogs struct{ Member []member }
		FunctionErrorMessage  string
		FunctionOutput        string
	}{
		NS: namespace, FunctionSummary: functionShape(f), ComputeUtilization: r.Utilization,
		FunctionExecutionLogs: struct{ Member []member }{logs}, FunctionErrorMessage: r.Error, FunctionOutput: r.Output,
	})
	return nil
}
