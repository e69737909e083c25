// Package s3api is the S3 data plane on the wire: buckets and objects, access points, Object Lambda access points and
// WriteGetObjectResponse. It parses a request, authenticates it, finds what it addresses, and calls a domain method with
// plain arguments; every decision is theirs.
//
// Keys are opaque bytes, taken from the request line as it came: no ServeMux, no cleaning of paths.
//
// Start at Handler.ServeHTTP.
package s3api

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/objectlambda"
	"glassine/s3"
	"glassine/store"
)

// Handler answers S3 requests. Its fields are set before the first request.
type Handler struct {
	IAM          *iam.Service
	S3           *s3.Service
	ObjectLambda *objectlambda.Service
	// Endpoints are the host names, besides AWS's own, at which this endpoint is reached; what stands before one of them
	// is a bucket's or an access point's name.
	Endpoints []string
	// Observe is told of each request on a bucket, an object or an access point: S3's name of the operation, "" for one that S3
	// does not have, and the code of the error that the caller read, or "". nil is nobody.
	Observe func(operation, code string)
	Now     func() time.Time // nil means time.Now
	Log     *slog.Logger     // nil means slog.Default
}

// request is one request on its way through the pipeline.
type request struct {
	*http.Request
	w      http.ResponseWriter
	id     string // x-amz-request-id
	target target
	caller iam.Caller
	sig    *sigv4.Signature // nil: anonymous
	// lambda is the call on an Object Lambda access point that came here through its supporting access point, or nil.
	lambda *objectlambda.Call
	query  query
}

// ServeHTTP is the pipeline: parse, authenticate, resolve, decide and store (the last three in the domain's method).
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	req := &request{Request: r, w: w, id: wire.NewS3RequestID()}
	dialect := wire.S3
	var err error
	req.target, err = h.parseTarget(r)
	if req.target.kind == objectLambda || req.target.kind == writeResponse {
		req.id, dialect = wire.NewRequestID(), wire.ObjectLambda
	}
	w.Header().Set("X-Amz-Request-Id", req.id)
	if err == nil && req.target.kind != writeResponse {
		err = checkHeaders(r.Header)
	}
	if err == nil {
		_, raw := sigv4.Target(r)
		req.query = parseQuery(raw)
		err = h.serve(req)
	}
	h.observe(req, err)
	if err == nil {
		return
	}
	if errors.Is(err, errStarted) {
		panic(http.ErrAbortHandler) // the answer broke off: reset the connection, so that nobody takes it for whole
	}
	if marker, ok := errors.AsType[*store.MarkerError](err); ok {
		markerHeaders(w.Header(), marker)
	}
	wire.WriteError(w, r, dialect, req.id, err, h.log())
}

// maxHeaders is the most bytes of a request's headers. (S3 API Reference, "REST requests": 8 KB for a PUT request. By what
// versitygw 1.8 expects of S3, for every one.) A session token does not count: how long it is, is iam's matter.
const maxHeaders = 8 << 10

func checkHeaders(h http.Header) error {
	size := 0
	for name, values := range h {
		if name == "X-Amz-Security-Token" {
			continue
		}
		for _, v := range values {
			size += len(name) + len(": \r\n") + len(v)
		}
	}
	if size <= maxHeaders {
		return nil
	}
	return fault.New("RequestHeaderSectionTooLarge", "Your request header section exceeds the maximum allowed size.").With("MaxSizeAllowed", strconv.Itoa(maxHeaders))
}

// serve authenticates and dispatches a request whose target is known.
func (h *Handler) serve(req *request) error {
	if req.target.kind == bucket || req.target.kind == accessPoint {
		if req.Method == http.MethodOptions {
			return h.preflight(req)
		}
		h.crossOrigin(req)
	}
	if err := h.authenticate(req); err != nil {
		return err
	}
	return h.dispatch(req)
}

// markerHeaders says that a delete marker is the reason. (S3 User Guide, "Working with delete markers".)
func markerHeaders(h http.Header, marker *store.MarkerError) {
	h.Set("X-Amz-Delete-Marker", "true")
	h.Set("X-Amz-Version-Id", marker.VersionID)
	if marker.Named {
		h.Set("Allow", http.MethodDelete)
		h.Set("Last-Modified", marker.Modified.UTC().Format(http.TimeFormat))
	}
}

// errStarted says that part of an answer was sent when it failed.
var errStarted = errors.New("answer broke off")

func (h *Handler) log() *slog.Logger {
	if h.Log == nil {
		return slog.Default()
	}
	return h.Log
}

func (h *Handler) now() time.Time {
	if h.Now == nil {
		return time.Now()
	}
	return h.Now()
}

// authenticate sets the caller. An anonymous request passes to the decision of S3, which has no policy for it by default;
// Object Lambda refuses it here, with codes of its own.
func (h *Handler) authenticate(req *request) error {
	lambda := req.target.kind == objectLambda || req.target.kind == writeResponse
	services := []string{"s3"}
	if lambda && !req.target.alias {
		services = []string{"s3-object-lambda"}
	}
	if lambda && req.TLS == nil && !loopback(req.RemoteAddr) {
		return fault.New("AccessDenied", "Object Lambda access points answer over HTTPS only.")
	}
	c, sig, err := wire.Authenticate(req.Request, h.lookup, services, h.now())
	if lambda {
		err = objectLambdaFault(sig, err)
	}
	if err != nil {
		return err
	}
	req.sig = sig
	if sig != nil && sig.Query && !lambda {
		presignedHeaders(req.Request, req.query)
	}
	keys := iam.Context(wire.Context(req.Request, sig))
	h.requestKeys(keys, req.Request, sig, lambda)
	req.caller = c.WithContext(keys)
	return nil
}

// requestKeys are the condition keys of a request, under S3's names or, with lambda, under Object Lambda's.
func (h *Handler) requestKeys(keys iam.Context, r *http.Request, sig *sigv4.Signature, lambda bool) {
	if sig != nil {
		authType := authHeader
		if sig.Query {
			authType = authQuery
		}
		signatureKeys(keys, lambda, authType, sig.Time, h.now())
		payloadKey(keys, sig)
	}
	transportKeys(keys, r, lambda)
	if !lambda {
		headerContext(keys, r.Header)
	}
}

func (h *Handler) lookup(ctx context.Context, accessKeyID, token string) (wire.Key[iam.Caller], error) {
	secret, c, err := h.IAM.Lookup(ctx, accessKeyID, token)
	return wire.Key[iam.Caller]{Secret: secret, Caller: c, Internal: c.Session != nil && c.Session.Bound != nil}, err
}

// objectLambdaFault puts the codes of Object Lambda endpoints in place of S3's: no signature, or one of version 2, is
// MissingAuthenticationToken, a wrong one InvalidSignature with status 400 (Amazon S3 API Reference, "S3 Object Lambda
// error codes"; seen in boto3 issue 3678 and aws-sdk-js issue 4209).
func objectLambdaFault(sig *sigv4.Signature, err error) error {
	f, _ := errors.AsType[*fault.Error](err)
	switch {
	case err == nil && sig == nil, f != nil && f.Code == "InvalidRequest":
		return fault.New("MissingAuthenticationToken", "Missing authentication token.")
	case f != nil && f.Code == "SignatureDoesNotMatch":
		return fault.New("InvalidSignature", "%s", f.Message)
	}
	return err
}

func loopback(remote string) bool {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// dispatch chooses the operation by target, method and query.
func (h *Handler) dispatch(req *request) error {
	switch req.target.kind {
	case writeResponse:
		return h.writeGetObjectResponse(req)
	case objectLambda:
		return h.objectLambda(req)
	case service:
		return req.by("SERVICE", methods{http.MethodGet: h.listBuckets})
	}
	if source := req.Header.Get("X-Amz-Copy-Source"); source != "" && req.Method != http.MethodPut {
		return fault.New("InvalidArgument", "You can only specify a copy source header for copy requests.").With("ArgumentName", "x-amz-copy-source").With("ArgumentValue", source)
	}
	if owner := req.Header.Get("X-Amz-Expected-Bucket-Owner"); owner != "" && owner != h.IAM.Account() {
		return fault.New("AccessDenied", "Access Denied") // S3 User Guide, "Verifying bucket ownership with bucket owner condition"
	}
	if req.caller.Principal.Kind != iam.Anonymous && !req.creates() {
		// Before anything else of the request is looked at, as S3 does by what versitygw 1.8 expects of it.
		if err := h.S3.Exists(req.target.s3()); err != nil {
			return err
		}
	}
	if req.target.key == "" {
		return h.bucket(req)
	}
	return h.object(req)
}

// creates reports whether the request is CreateBucket.
func (req *request) creates() bool {
	return req.target.kind == bucket && req.target.key == "" && req.Method == http.MethodPut && req.query.subresource() == ""
}

// methods are the operations on one resource by their HTTP method.
type methods map[string]func(*request) error

// by does the operation of the request's method on a resource of this type, as errors name it.
func (req *request) by(resource string, m methods) error {
	if f := m[req.Method]; f != nil {
		return f(req)
	}
	req.w.Header().Set("Allow", strings.Join(slices.Sorted(maps.Keys(m)), ", ")) // RFC 9110, section 15.5.6
	return methodNotAllowed(req.Method, resource)
}

// done answers 200 without a body, unless err.
func (req *request) done(err error) error {
	if err == nil {
		req.w.Header().Set("Content-Length", "0")
		req.w.WriteHeader(http.StatusOK)
	}
	return err
}

// removes is the operation that removes a bucket, or a part of its configuration.
func (h *Handler) removes(remove func(context.Context, iam.Caller, string) error) func(*request) error {
	return func(req *request) error {
		if err := remove(req.Context(), req.caller, req.target.name); err != nil {
			return err
		}
		req.w.WriteHeader(http.StatusNoContent)
		return nil
	}
}

func malformedXML() error {
	return fault.New("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
}

// methodNotAllowed is S3's error for a method that a resource of this type (SERVICE, BUCKET, BUCKETPOLICY,
// OBJECT or UPLOAD) has not.
func methodNotAllowed(method, resource string) error {
	return fault.New("MethodNotAllowed", "The specified method is not allowed against this resource.").With("Method", method).With("ResourceType", resource)
}

// unacceptable is S3's refusal of a header, or of its value, that it takes nowhere; more may say why.
func unacceptable(header, more string) error {
	f := fault.New("NotImplemented", "A header you provided implies functionality that is not implemented").With("Header", header)
	if more == "" {
		return f
	}
	return f.With("additionalMessage", more)
}

// notImplemented is S3's refusal of an operation that it has and this program has not.
func notImplemented(what string) error {
	return fault.New("NotImplemented", "A header or query you provided implies functionality that is not implemented: %s", what)
}

// query is a parsed query string: names and values decoded, the first of each name.
type query map[string]string

func parseQuery(raw string) query {
	q := query{}
	for piece := range strings.SplitSeq(raw, "&") {
		if piece == "" {
			continue
		}
		k, v, _ := strings.Cut(piece, "=")
		name := unescape(k)
		if _, twice := q[name]; !twice {
			q[name] = unescape(v)
		}
	}
	return q
}

func (q query) has(name string) bool { _, ok := q[name]; return ok }

// subresource names the operation that a query asks for, of those that S3 knows and the caller of this does not handle
// otherwise.
func (q query) subresource(handled ...string) string {
	for _, name := range subresources {
		if !q.has(name) {
			continue
		}
		ok := false
		for _, x := range handled {
			ok = ok || x == name
		}
		if !ok {
			return name
		}
	}
	return ""
}

// subresources are the query names by which S3 tells its operations apart.
var subresources = []string{
	"abac", "accelerate", "acl", "analytics", "attributes", "cors", "delete", "encryption", "intelligent-tiering", "inventory",
	"legal-hold", "lifecycle", "location", "logging", "metadataConfiguration", "metadataInventoryTable", "metadataJournalTable", "metadataTable", "metrics", "notification",
	"object-lock", "ownershipControls", "partNumber", "policy", "policyStatus", "publicAccessBlock", "replication",
	"renameObject", "requestPayment", "restore", "retention", "select", "session", "tagging", "torrent", "uploadId", "uploads", "versionId",
	"versioning", "versions", "website",
}
