package s3api

import (
	"bytes"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/s3"
)

const xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"

// isoTime is S3's time in XML: milliseconds, UTC.
func isoTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// maxConfiguration bounds the body of a configuration request.
const maxConfiguration = 64 << 10

// bucket dispatches the operations on a bucket (or on an access point as on a bucket).
func (h *Handler) bucket(req *request) error {
	sub := req.query.subresource("partNumber", "versionId")
	if sub != "" {
		if err := signedWhole(req); err != nil {
			return err
		}
	}
	switch sub { // what an access point has too
	case "":
		return h.plainBucket(req)
	case "location":
		return req.by("BUCKET", methods{http.MethodGet: h.location})
	case "uploads":
		return req.by("BUCKET", methods{http.MethodGet: h.listUploads})
	case "versions":
		return req.by("BUCKET", methods{http.MethodGet: h.listVersions})
	case "delete":
		return req.by("BUCKET", methods{http.MethodPost: h.deleteObjects})
	}
	if req.target.kind != bucket {
		return methodNotAllowed(req.Method, "BUCKET")
	}
	switch sub {
	case "policy":
		return req.by("BUCKETPOLICY", methods{http.MethodGet: h.getPolicy, http.MethodPut: h.putPolicy, http.MethodDelete: h.removes(h.S3.DeleteBucketPolicy)})
	case "policyStatus":
		return req.by("BUCKET", methods{http.MethodGet: h.policyStatus})
	case "publicAccessBlock":
		return req.by("BUCKET", methods{http.MethodGet: h.getBlock, http.MethodPut: h.putBlock, http.MethodDelete: h.removes(h.S3.DeletePublicAccessBlock)})
	case "versioning":
		return req.by("BUCKET", methods{http.MethodGet: h.getVersioning, http.MethodPut: h.putVersioning})
	case "tagging":
		return req.by("BUCKET", methods{http.MethodGet: h.getBucketTagging, http.MethodPut: h.putBucketTagging, http.MethodDelete: h.removes(h.S3.DeleteBucketTagging)})
	case "cors":
		return req.by("BUCKET", methods{http.MethodGet: h.getCORS, http.MethodPut: h.putCORS, http.MethodDelete: h.removes(h.S3.DeleteBucketCORS)})
	case "lifecycle":
		return req.by("BUCKET", methods{http.MethodGet: h.getLifecycle, http.MethodPut: h.putLifecycle, http.MethodDelete: h.removes(h.S3.DeleteBucketLifecycle)})
	case "encryption":
		return req.by("BUCKET", methods{http.MethodGet: h.getEncryption, http.MethodPut: h.putEncryption, http.MethodDelete: h.removes(h.S3.DeleteBucketEncryption)})
	case "ownershipControls":
		return req.by("BUCKET", methods{http.MethodGet: h.getOwnership, http.MethodPut: h.putOwnership, http.MethodDelete: h.removes(h.S3.DeleteBucketOwnershipControls)})
	case "acl":
		return req.by("BUCKET", methods{http.MethodGet: h.bucketACL, http.MethodPut: h.putBucketACL})
	}
	return h.neverSet(req, sub)
}

// plainBucket dispatches requests that name no subresource.
func (h *Handler) plainBucket(req *request) error {
	if req.target.kind != bucket && (req.Method == http.MethodPut || req.Method == http.MethodDelete) {
		return methodNotAllowed(req.Method, "BUCKET")
	}
	return req.by("BUCKET", methods{
		http.MethodHead: h.headBucket, http.MethodGet: h.list, http.MethodPut: h.createBucket,
		http.MethodDelete: h.removes(h.S3.DeleteBucket), http.MethodPost: h.postObject,
	})
}

func (h *Handler) headBucket(req *request) error {
	b, err := h.S3.HeadBucket(req.Context(), req.caller, req.target.s3())
	if err != nil {
		return err
	}
	req.w.Header().Set("X-Amz-Bucket-Region", b.Region)
	req.w.Header().Set("X-Amz-Access-Point-Alias", strconv.FormatBool(req.target.alias))
	req.w.WriteHeader(http.StatusOK)
	return nil
}

func (h *Handler) createBucket(req *request) error {
	if err := refusedACL(req.Header); fault.Is(err, "AccessControlListNotSupported") {
		return fault.New("InvalidBucketAclWithObjectOwnership", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting")
	} else if err != nil {
		return err
	}
	if v := req.Header.Get("X-Amz-Object-Ownership"); v != "" {
		if err := s3.CheckOwnership(v); fault.Is(err, "MalformedXML") {
			return fault.New("InvalidArgument", "Invalid x-amz-object-ownership header: %s", v).With("ArgumentName", "x-amz-object-ownership")
		} else if err != nil {
			return err
		}
	}
	if strings.EqualFold(req.Header.Get("X-Amz-Bucket-Object-Lock-Enabled"), "true") {
		return notImplemented("x-amz-bucket-object-lock-enabled")
	}
	raw, _, err := readBody(req, maxConfiguration)
	if err != nil {
		return err
	}
	region := ""
	if req.sig != nil && req.sig.Region != "US" { // s3cmd 2.3 signs for US, an old name of the default (seen 2026-11)
		region = req.sig.Region
	}
	var tags map[string]string
	if len(raw) > 0 {
		var in struct {
			XMLName            xml.Name `xml:"CreateBucketConfiguration"`
			LocationConstraint string
			Tags               *tagSet
		}
		if err := wire.ReadXML(bytes.NewReader(raw), maxConfiguration, &in); err != nil {
			return err
		}
		if in.Tags != nil {
			if tags, err = in.Tags.tags(); err != nil {
				return err
			}
		}
		if in.LocationConstraint == "us-east-1" { // S3 API Reference, CreateBucket: it is no LocationConstraint
			return fault.New("InvalidLocationConstraint", "The specified location-constraint is not valid").With("LocationConstraint", in.LocationConstraint)
		}
		if in.LocationConstraint != "" {
			region = in.LocationConstraint
		}
	}
	b, err := h.S3.CreateTaggedBucket(req.Context(), req.caller, req.target.name, region, tags)
	if err != nil {
		return err
	}
	req.w.Header().Set("Location", "/"+b.Name)
	req.w.Header().Set("X-Amz-Bucket-Arn", s3.BucketARN(b.Name))
	req.w.WriteHeader(http.StatusOK)
	return nil
}

func (h *Handler) location(req *request) error {
	b, err := h.S3.HeadBucket(req.Context(), req.caller, req.target.s3())
	if err != nil {
		return err
	}
	region := b.Region
	if region == "us-east-1" {
		region = "" // S3 API Reference, GetBucketLocation: null for us-east-1
	}
	wire.WriteElement(req.w, http.StatusOK, "LocationConstraint", xmlns, struct {
		Region string `xml:",chardata"`
	}{region})
	return nil
}

func (h *Handler) getPolicy(req *request) error {
	doc, err := h.S3.GetBucketPolicy(req.Context(), req.caller, req.target.name)
	if err != nil {
		return err
	}
	req.w.Header().Set("Content-Type", "application/json")
	req.w.WriteHeader(http.StatusOK)
	_, _ = io.WriteString(req.w, doc) // a failed write is the client's leaving
	return nil
}

func (h *Handler) putPolicy(req *request) error {
	raw, _, err := readBody(req, maxConfiguration)
	if err != nil {
		return err
	}
	if err := h.S3.PutBucketPolicy(req.Context(), req.caller, req.target.name, string(raw)); err != nil {
		return err
	}
	req.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *Handler) policyStatus(req *request) error {
	public, err := h.S3.BucketPolicyIsPublic(req.Context(), req.caller, req.target.name)
	if err != nil {
		return err
	}
	wire.WriteElement(req.w, http.StatusOK, "PolicyStatus", xmlns, struct{ IsPublic bool }{public})
	return nil
}

type publicAccessBlock struct {
	BlockPublicAcls       bool
	IgnorePublicAcls      bool
	BlockPublicPolicy     bool
	RestrictPublicBuckets bool
}

func (h *Handler) getBlock(req *request) error {
	b, err := h.S3.GetPublicAccessBlock(req.Context(), req.caller, req.target.name)
	if err != nil {
		return err
	}
	wire.WriteElement(req.w, http.StatusOK, "PublicAccessBlockConfiguration", xmlns, publicAccessBlock(b))
	return nil
}

func (h *Handler) putBlock(req *request) error {
	var in struct {
		XMLName xml.Name `xml:"PublicAccessBlockConfiguration"`
		publicAccessBlock
	}
	if _, err := readXML(req, maxConfiguration, &in); err != nil {
		return err
	}
	return req.done(h.S3.PutPublicAccessBlock(req.Context(), req.caller, req.target.name, s3.PublicAccessBlock(in.publicAccessBlock)))
}

// unset are the parts of a bucket's configuration that are never set here, with the action that reads each and AWS's
// answer for a bucket that has not set it: an element, or an error.
var unset = map[string]struct {
	action, element, body string
	err                   *fault.Error
}{
	"accelerate":     {"s3:GetAccelerateConfiguration", "AccelerateConfiguration", "", nil},
	"logging":        {"s3:GetBucketLogging", "BucketLoggingStatus", "", nil},
	"notification":   {"s3:GetBucketNotification", "NotificationConfiguration", "", nil},
	"requestPayment": {"s3:GetBucketRequestPayment", "RequestPaymentConfiguration", "<Payer>BucketOwner</Payer>", nil},
	"website":        {"s3:GetBucketWebsite", "", "", fault.New("NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")},
	"replication":    {"s3:GetReplicationConfiguration", "", "", fault.New("ReplicationConfigurationNotFoundError", "The replication configuration was not found").WithStatus(http.StatusNotFound)},
	"object-lock":    {"s3:GetBucketObjectLockConfiguration", "", "", fault.New("ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket").WithStatus(http.StatusNotFound)},
}

// neverSet answers a question about what is never set, and refuses to set it.
func (h *Handler) neverSet(req *request, sub string) error {
	u, ok := unset[sub]
	if !ok || req.Method != http.MethodGet {
		return notImplemented("?" + sub)
	}
	if err := h.S3.NeverSet(req.Context(), req.caller, u.action, req.target.name); err != nil {
		return err
	}
	if u.err != nil {
		return u.err.With("BucketName", req.target.name)
	}
	wire.WriteElement(req.w, http.StatusOK, u.element, xmlns, struct {
		Body string `xml:",innerxml"`
	}{u.body})
	return nil
}
