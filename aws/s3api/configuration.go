package s3api

import (
	"encoding/xml"
	"net/http"

	"glassine/aws/wire"
)

func (h *Handler) getVersioning(req *request) error {
	status, err := h.S3.BucketVersioning(req.Context(), req.caller, req.target.name)
	if err != nil {
		return err
	}
	wire.WriteElement(req.w, http.StatusOK, "VersioningConfiguration", xmlns, struct {
		Status string `xml:",omitempty"`
	}{status})
	return nil
}

func (h *Handler) putVersioning(req *request) error {
	var in struct {
		XMLName           xml.Name `xml:"VersioningConfiguration"`
		Status, MfaDelete string
	}
	if _, err := readXML(req, maxConfiguration, &in); err != nil {
		return err
	}
	if in.MfaDelete == "Enabled" {
		return notImplemented("MfaDelete")
	}
	return req.done(h.S3.PutBucketVersioning(req.Context(), req.caller, req.target.name, in.Status))
}

// encryptionRule is one rule of a ServerSideEncryptionConfiguration.
type encryptionRule struct {
	ApplyServerSideEncryptionByDefault struct {
		SSEAlgorithm   string
		KMSMasterKeyID string `xml:",omitempty"`
	}
	BucketKeyEnabled bool
}

func (h *Handler) getEncryption(req *request) error {
	algorithm, err := h.S3.BucketEncryption(req.Context(), req.caller, req.target.name)
	if err != nil {
		return err
	}
	var out struct{ Rule encryptionRule }
	out.Rule.ApplyServerSideEncryptionByDefault.SSEAlgorithm = algorithm
	wire.WriteElement(req.w, http.StatusOK, "ServerSideEncryptionConfiguration", xmlns, out)
	return nil
}

func (h *Handler) putEncryption(req *request) error {
	var in struct {
		XMLName xml.Name `xml:"ServerSideEncryptionConfiguration"`
		Rule    []encryptionRule
	}
	if _, err := readXML(req, maxConfiguration, &in); err != nil {
		return err
	}
	if len(in.Rule) != 1 {
		return malformedXML()
	}
	return req.done(h.S3.PutBucketEncryption(req.Context(), req.caller, req.target.name, in.Rule[0].ApplyServerSideEncryptionByDefault.SSEAlgorithm))
}

type ownershipRule struct{ ObjectOwnership string }

func (h *Handler) getOwnership(req *request) error {
	ownership, err := h.S3.BucketOwnershipControls(req.Context(), req.caller, req.target.name)
	if err != nil {
		return err
	}
	wire.WriteElement(req.w, http.StatusOK, "OwnershipControls", xmlns, struct{ Rule ownershipRule }{ownershipRule{ownership}})
	return nil
}

func (h *Handler) putOwnership(req *request) error {
	var in struct {
		XMLName xml.Name `xml:"OwnershipControls"`
		Rule    []ownershipRule
	}
	if _, err := readXML(req, maxConfiguration, &in); err != nil {
		return err
	}
	if len(in.Rule) != 1 {
		return malformedXML()
	}
	return req.done(h.S3.PutBucketOwnershipControls(req.Context(), req.caller, req.target.name, in.Rule[0].ObjectOwnership))
}

func (h *Handler) bucketACL(req *request) error {
	if err := h.S3.BucketACL(req.Context(), req.caller, req.target.name); err != nil {
		return err
	}
	h.writeACL(req)
	return nil
}

func (h *Handler) objectACL(req *request) error {
	info, err := h.S3.ObjectACL(req.Context(), req.caller, req.target.s3(), req.target.key, req.query["versionId"])
	if err != nil {
		return err
	}
	storedHeaders(req.w.Header(), info.VersionID, false)
	h.writeACL(req)
	return nil
}

// writeACL writes the one ACL that there is: the owner's full control. (S3 User Guide, "Controlling ownership of objects
// and disabling ACLs": what a request for the ACL gets then.)
func (h *Handler) writeACL(req *request) {
	type grantee struct {
		Type string `xml:"xsi:type,attr"`
		XSI  string `xml:"xmlns:xsi,attr"`
		principal
	}
	type grant struct {
		Grantee    grantee
		Permission string
	}
	var out struct {
		Owner             principal
		AccessControlList struct{ Grant grant }
	}
	out.Owner = h.owner()
	out.AccessControlList.Grant = grant{grantee{"CanonicalUser", "http://www.w3.org/2001/XMLSchema-instance", h.owner()}, "FULL_CONTROL"}
	wire.WriteElement(req.w, http.StatusOK, "AccessControlPolicy", xmlns, out)
}

func (h *Handler) putBucketACL(req *request) error {
	return h.S3.PutBucketACL(req.Context(), req.caller, req.target.name)
}

func (h *Handler) putObjectACL(req *request) error {
	return h.S3.PutObjectACL(req.Context(), req.caller, req.target.s3(), req.target.key, req.query["versionId"])
}
