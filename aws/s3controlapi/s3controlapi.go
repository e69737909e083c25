// Package s3controlapi is S3's control plane on the wire (REST-XML, version 2018-08-20): access points and Object Lambda
// access points with their policies and configurations. It authenticates, translates, and decides nothing.
//
// Errors are wrapped in <ErrorResponse>: a flat <Error>, as S3's data plane has it, makes the Go SDK report UnknownError.
//
// Start at Handler.ServeHTTP.
package s3controlapi

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/objectlambda"
	"glassine/s3"
)

const (
	version   = "/v20180820/"
	namespace = "http://awss3control.amazonaws.com/doc/2018-08-20/"
	maxBody   = 256 << 10
)

// Handler answers S3 Control requests. Its fields are set before the first request.
type Handler struct {
	IAM          *iam.Service
	S3           *s3.Service
	ObjectLambda *objectlambda.Service
	Now          func() time.Time // nil means time.Now
	Log          *slog.Logger     // nil means slog.Default
}

// call is one request, authenticated, its body read and checked against its signature.
type call struct {
	ctx    context.Context
	w      http.ResponseWriter
	caller iam.Caller
	name   string // of the access point
	query  url.Values
	body   []byte
}

// ServeHTTP authenticates, finds the operation by method and path, and runs it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := wire.NewS3RequestID()
	w.Header().Set("X-Amz-Request-Id", id)
	if err := h.serve(w, r); err != nil {
		wire.WriteError(w, r, wire.S3Control, id, err, cmp.Or(h.Log, slog.Default()))
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	now := time.Now()
	if h.Now != nil {
		now = h.Now()
	}
	// botocore and the SDKs sign these requests for s3; the Object Lambda ones may come signed for s3-object-lambda.
	caller, sig, body, err := wire.AuthenticateWhole(r, wire.KeysOf(h.IAM.Lookup), []string{"s3", "s3-object-lambda"}, now, maxBody)
	if err != nil {
		return err
	}
	if sig == nil {
		return fault.New("AccessDenied", "Access Denied")
	}
	if err := h.account(r); err != nil {
		return err
	}
	path, _ := sigv4.Target(r)
	rest, ok := strings.CutPrefix(path, version)
	if !ok {
		return unsupported(r.Method, path)
	}
	kind, name, sub := split(rest)
	op, ok := h.operations()[r.Method+" "+kind+"/"+shape(name, sub)]
	if !ok {
		return unsupported(r.Method, path)
	}
	return op(&call{
		ctx: r.Context(), w: w, caller: caller.WithContext(iam.Context(wire.Context(r, sig))), name: name, query: r.URL.Query(), body: body,
	})
}

// account checks x-amz-account-id, which every operation requires, against the account and against the host's label.
func (h *Handler) account(r *http.Request) error {
	id := r.Header.Get("X-Amz-Account-Id")
	if id == "" {
		return fault.New("InvalidRequest", "Missing required header for this request: x-amz-account-id")
	}
	label, _, _ := strings.Cut(wire.Hostname(r.Host), ".")
	if len(label) == 12 && strings.Trim(label, "0123456789") == "" && label != id {
		return fault.New("InvalidRequest", "The account of the host and of x-amz-account-id are not the same.")
	}
	if id != h.IAM.Account() {
		return fault.New("AccessDenied", "Access Denied")
	}
	return nil
}

// split takes a path after the version apart: kind, name, and what of it is meant.
func split(rest string) (kind, name, sub string) {
	kind, rest, _ = strings.Cut(rest, "/")
	name, sub, _ = strings.Cut(rest, "/")
	if kind == "tags" { // an ARN, which has slashes of its own
		name, sub = rest, ""
	}
	if n, err := url.PathUnescape(name); err == nil {
		name = n
	}
	return kind, name, sub
}

func shape(name, sub string) string {
	switch {
	case name == "":
		return ""
	case sub == "":
		return "name"
	}
	return "name/" + sub
}

func unsupported(method, path string) error {
	return fault.New("NotImplemented", "glassine does not serve the S3 Control operation %s %s.", method, path)
}

// operations are what is served. (S3 Control API Reference, "Actions".)
func (h *Handler) operations() map[string]func(*call) error {
	return map[string]func(*call) error{
		"PUT accesspoint/name":              h.createAccessPoint,
		"GET accesspoint/name":              h.getAccessPoint,
		"DELETE accesspoint/name":           h.deleteAccessPoint,
		"GET accesspoint/":                  h.listAccessPoints,
		"PUT accesspoint/name/policy":       h.putAccessPointPolicy,
		"GET accesspoint/name/policy":       h.getAccessPointPolicy,
		"DELETE accesspoint/name/policy":    h.deleteAccessPointPolicy,
		"GET accesspoint/name/policyStatus": h.accessPointPolicyStatus,

		"PUT accesspointforobjectlambda/name":               h.createObjectLambda,
		"GET accesspointforobjectlambda/name":               h.getObjectLambda,
		"DELETE accesspointforobjectlambda/name":            h.deleteObjectLambda,
		"GET accesspointforobjectlambda/":                   h.listObjectLambda,
		"PUT accesspointforobjectlambda/name/configuration": h.putObjectLambdaConfiguration,
		"GET accesspointforobjectlambda/name/configuration": h.getObjectLambdaConfiguration,
		"PUT accesspointforobjectlambda/name/policy":        h.putObjectLambdaPolicy,
		"GET accesspointforobjectlambda/name/policy":        h.getObjectLambdaPolicy,
		"DELETE accesspointforobjectlambda/name/policy":     h.deleteObjectLambdaPolicy,
		"GET accesspointforobjectlambda/name/policyStatus":  h.objectLambdaPolicyStatus,

		"PUT configuration/name":    h.publicAccessBlock(http.MethodPut),
		"GET configuration/name":    h.publicAccessBlock(http.MethodGet),
		"DELETE configuration/name": h.publicAccessBlock(http.MethodDelete),

		"POST tags/name":   h.tagResource,
		"DELETE tags/name": h.untagResource,
		"GET tags/name":    h.listTags,
	}
}
