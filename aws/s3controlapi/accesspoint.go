package s3controlapi

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"strconv"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/s3"
)

type publicAccessBlock struct {
	BlockPublicAcls, IgnorePublicAcls, BlockPublicPolicy, RestrictPublicBuckets bool
}

func (b publicAccessBlock) domain() s3.PublicAccessBlock {
	return s3.PublicAccessBlock{BlockPublicAcls: b.BlockPublicAcls, IgnorePublicAcls: b.IgnorePublicAcls, BlockPublicPolicy: b.BlockPublicPolicy, RestrictPublicBuckets: b.RestrictPublicBuckets}
}

func blockShape(b s3.PublicAccessBlock) publicAccessBlock {
	return publicAccessBlock{b.BlockPublicAcls, b.IgnorePublicAcls, b.BlockPublicPolicy, b.RestrictPublicBuckets}
}

// write answers with v as the named element.
func (c *call) write(element string, v any) {
	wire.WriteElement(c.w, http.StatusOK, element, namespace, v)
}

// isoTime is S3 Control's time in XML.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (c *call) read(v any) error { return wire.ReadXML(bytes.NewReader(c.body), maxBody, v) }

func (c *call) noContent(err error) error {
	if err == nil {
		c.w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// ok answers an operation whose answer is empty.
func (c *call) ok(err error) error {
	if err == nil {
		c.w.WriteHeader(http.StatusOK)
	}
	return err
}

func (h *Handler) createAccessPoint(c *call) error {
	var in struct {
		XMLName                        xml.Name `xml:"CreateAccessPointRequest"`
		Bucket                         string
		BucketAccountId                string
		VpcConfiguration               *struct{ VpcId string }
		PublicAccessBlockConfiguration *publicAccessBlock
		Scope                          *struct{} `xml:"Scope"`
		Tags                           tagList
	}
	if err := c.read(&in); err != nil {
		return err
	}
	switch {
	case in.VpcConfiguration != nil:
		return fault.New("NotImplemented", "Access points with a VpcConfiguration are not supported yet.")
	case in.Scope != nil:
		return fault.New("NotImplemented", "Access point scopes are not supported yet.")
	case in.BucketAccountId != "" && in.BucketAccountId != h.IAM.Account():
		return fault.New("AccessDenied", "Access Denied")
	}
	// Absent: all four are on. Present, even empty: what it does not name is off (seen in recordings of AWS).
	block := s3.BlockAll
	if in.PublicAccessBlockConfiguration != nil {
		block = in.PublicAccessBlockConfiguration.domain()
	}
	ap, err := h.S3.CreateAccessPoint(c.ctx, c.caller, s3.NewAccessPoint{Name: c.name, Bucket: in.Bucket, Block: block, Tags: in.Tags.tags()})
	if err != nil {
		return err
	}
	c.write("CreateAccessPointResult", struct {
		AccessPointArn, Alias string
	}{ap.ARN(), ap.Alias})
	return nil
}

func (h *Handler) getAccessPoint(c *call) error {
	ap, err := h.S3.GetAccessPoint(c.ctx, c.caller, c.name)
	if err != nil {
		return err
	}
	type entry struct {
		Key   string `xml:"key"`
		Value string `xml:"value"`
	}
	host := func(label string) string { return label + "." + ap.Region + ".amazonaws.com" }
	out := struct {
		Name, Bucket, NetworkOrigin    string
		PublicAccessBlockConfiguration publicAccessBlock
		CreationDate, Alias            string
		AccessPointArn                 string
		Endpoints                      struct {
			Entry []entry `xml:"entry"`
		}
		BucketAccountId string
	}{
		Name: ap.Name, Bucket: ap.Bucket, NetworkOrigin: "Internet",
		PublicAccessBlockConfiguration: blockShape(ap.Block), CreationDate: isoTime(ap.Created), Alias: ap.Alias, AccessPointArn: ap.ARN(), BucketAccountId: ap.Account,
	}
	out.Endpoints.Entry = []entry{{"ipv4", host("s3-accesspoint")}, {"dualstack", host("s3-accesspoint.dualstack")}}
	c.write("GetAccessPointResult", out)
	return nil
}

func (h *Handler) deleteAccessPoint(c *call) error {
	return c.noContent(h.S3.DeleteAccessPoint(c.ctx, c.caller, c.name))
}

func (h *Handler) listAccessPoints(c *call) error {
	all, err := h.S3.AccessPoints(c.ctx, c.caller, c.query.Get("bucket"))
	if err != nil {
		return err
	}
	type entry struct {
		Name, NetworkOrigin, Bucket, AccessPointArn, Alias, BucketAccountId string
	}
	out := struct {
		AccessPointList struct{ AccessPoint []entry }
		NextToken       string `xml:",omitempty"`
	}{}
	page, next, err := page(all, func(ap s3.AccessPoint) string { return ap.Name }, c)
	if err != nil {
		return err
	}
	for _, ap := range page {
		out.AccessPointList.AccessPoint = append(out.AccessPointList.AccessPoint, entry{ap.Name, "Internet", ap.Bucket, ap.ARN(), ap.Alias, ap.Account})
	}
	out.NextToken = next
	c.write("ListAccessPointsResult", out)
	return nil
}

// page takes what follows nextToken, at most maxResults; a token is the last name returned.
func page[T any](all []T, name func(T) string, c *call) (items []T, next string, err error) {
	most := 1000
	if v := c.query.Get("maxResults"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || n > 1000 {
			return nil, "", fault.New("InvalidRequest", "maxResults %q is not between 0 and 1000.", v)
		}
		most = max(n, 1)
	}
	after := c.query.Get("nextToken")
	for _, x := range all {
		if name(x) <= after {
			continue
		}
		if len(items) == most {
			return items, name(items[most-1]), nil
		}
		items = append(items, x)
	}
	return items, "", nil
}

// policyDocument reads the request of a policy's put.
func (c *call) policyDocument(element string) (string, error) {
	var in struct {
		XMLName xml.Name
		Policy  string
	}
	if err := c.read(&in); err != nil {
		return "", err
	}
	if in.XMLName.Local != element {
		return "", fault.New("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	return in.Policy, nil
}

func (c *call) writePolicy(element, doc string) error {
	c.write(element, struct {
		Policy string
	}{doc})
	return nil
}

func (c *call) writePolicyStatus(element string, public bool) error {
	out := struct {
		PolicyStatus struct{ IsPublic bool }
	}{}
	out.PolicyStatus.IsPublic = public
	c.write(element, out)
	return nil
}

func (h *Handler) putAccessPointPolicy(c *call) error {
	doc, err := c.policyDocument("PutAccessPointPolicyRequest")
	if err != nil {
		return err
	}
	return c.ok(h.S3.PutAccessPointPolicy(c.ctx, c.caller, c.name, doc))
}

func (h *Handler) getAccessPointPolicy(c *call) error {
	doc, err := h.S3.GetAccessPointPolicy(c.ctx, c.caller, c.name)
	if err != nil {
		return err
	}
	return c.writePolicy("GetAccessPointPolicyResult", doc)
}

func (h *Handler) deleteAccessPointPolicy(c *call) error {
	return c.noContent(h.S3.DeleteAccessPointPolicy(c.ctx, c.caller, c.name))
}

func (h *Handler) accessPointPolicyStatus(c *call) error {
	public, err := h.S3.AccessPointIsPublic(c.ctx, c.caller, c.name)
	if err != nil {
		return err
	}
	return c.writePolicyStatus("GetAccessPointPolicyStatusResult", public)
}

// publicAccessBlock is the account's own Block Public Access: configuration/publicAccessBlock.
func (h *Handler) publicAccessBlock(method string) func(*call) error {
	return func(c *call) error {
		if c.name != "publicAccessBlock" {
			return unsupported(method, version+"configuration/"+c.name)
		}
		switch method {
		case http.MethodGet:
			b, err := h.S3.AccountPublicAccessBlock(c.ctx, c.caller)
			if err != nil {
				return err
			}
			c.write("PublicAccessBlockConfiguration", struct {
				publicAccessBlock
			}{blockShape(b)})
			return nil
		case http.MethodDelete:
			return c.noContent(h.S3.DeleteAccountPublicAccessBlock(c.ctx, c.caller))
		}
		var in struct {
			XMLName xml.Name `xml:"PublicAccessBlockConfiguration"`
			publicAccessBlock
		}
		if err := c.read(&in); err != nil {
			return err
		}
		if in.publicAccessBlock == (publicAccessBlock{}) {
			return fault.New("InvalidRequest", "Must specify at least one configuration.")
		}
		return c.ok(h.S3.PutAccountPublicAccessBlock(c.ctx, c.caller, in.domain()))
	}
}
