package s3api

import (
	"errors"
	"net/http"

	"glassine/aws/fault"
)

// observe tells the observer how a request ended. What is asked of an Object Lambda access point objectlambda tells, unless the
// supporting access point answered.
func (h *Handler) observe(req *request, err error) {
	if h.Observe == nil || req.target.kind == objectLambda || req.target.kind == writeResponse {
		return
	}
	code := fault.Code(err)
	switch {
	case errors.Is(err, errStarted):
		code = "ResponseInterrupted"
	case err != nil && code == "":
		code = "InternalError"
	}
	h.Observe(anyOperation(req), code)
}

// bucketSettings are what S3 calls the settings of a bucket in the names of operations, by the subresource. (S3 API Reference, "Actions".)
var bucketSettings = map[string]string{
	"policy": "BucketPolicy", "policyStatus": "BucketPolicyStatus", "cors": "BucketCors", "lifecycle": "BucketLifecycle",
	"encryption": "BucketEncryption", "versioning": "BucketVersioning", "tagging": "BucketTagging", "publicAccessBlock": "PublicAccessBlock",
	"ownershipControls": "BucketOwnershipControls", "acl": "BucketAcl", "notification": "BucketNotificationConfiguration",
	"object-lock": "ObjectLockConfiguration", "logging": "BucketLogging", "website": "BucketWebsite", "requestPayment": "BucketRequestPayment",
}

// anyOperation is S3's name of what a request asks; "" when S3 has none, or it is not known here.
func anyOperation(req *request) string {
	if name := operation(req); name != "" && req.target.kind != service {
		return name
	}
	if req.Method == http.MethodOptions {
		return "Preflight" // CORS, which is no action
	}
	sub := req.query.subresource("partNumber", "versionId")
	switch {
	case req.target.kind == service:
		if req.Method == http.MethodGet {
			return "ListBuckets"
		}
	case req.target.key != "":
		if req.Method == http.MethodGet && sub == "attributes" {
			return "GetObjectAttributes"
		}
	case sub == "":
		return map[string]string{http.MethodPut: "CreateBucket", http.MethodDelete: "DeleteBucket", http.MethodPost: "PostObject"}[req.Method]
	case bucketSettings[sub] != "":
		if verb := map[string]string{http.MethodGet: "Get", http.MethodPut: "Put", http.MethodDelete: "Delete"}[req.Method]; verb != "" {
			return verb + bucketSettings[sub]
		}
	}
	return ""
}
