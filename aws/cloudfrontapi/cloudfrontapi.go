// Package cloudfrontapi is CloudFront's control plane on the wire (REST-XML, version 2020-05-31): distributions, their
// policies, keys, functions, tags, origin access controls and invalidations. It authenticates, translates XML to edge's plain types and back, and decides nothing.
//
// Start at Handler.ServeHTTP.
package cloudfrontapi

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/edge"
	"glassine/iam"
)

// version begins every path.
const version = "/2020-05-31/"

// maxBody bounds a request's body.
const maxBody = 1 << 20

// Handler answers CloudFront API requests. Its fields are set before the first request.
type Handler struct {
	IAM  *iam.Service
	Edge *edge.Edge
	Now  func() time.Time // nil means time.Now
	Log  *slog.Logger     // nil means slog.Default
}

// call is one API request, authenticated, its body read and checked against its signature.
type call struct {
	ctx     context.Context
	w       http.ResponseWriter
	caller  iam.Caller
	path    []string // after the version
	query   map[string]string
	ifMatch string
	body    []byte
}

// ServeHTTP authenticates, finds the operation by method and path, and runs it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := wire.NewRequestID()
	w.Header().Set("X-Amzn-Requestid", id)
	if err := h.serve(w, r); err != nil {
		wire.WriteError(w, r, wire.CloudFront, id, err, cmp.Or(h.Log, slog.Default()))
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	now := time.Now()
	if h.Now != nil {
		now = h.Now()
	}
	caller, sig, body, err := wire.AuthenticateWhole(r, wire.KeysOf(h.IAM.Lookup), []string{"cloudfront"}, now, maxBody)
	if err != nil {
		return wire.QueryFault(err)
	}
	if sig == nil {
		return fault.New("MissingAuthenticationToken", "Request is missing Authentication Token")
	}
	path, _ := sigv4.Target(r)
	rest, ok := strings.CutPrefix(path, version)
	if !ok {
		return fault.New("InvalidAction", "The path %s is not one of the CloudFront API, version 2020-05-31.", path).WithStatus(http.StatusNotFound)
	}
	c := &call{
		ctx: r.Context(), w: w, caller: caller.WithContext(iam.Context(wire.Context(r, sig))), path: strings.Split(strings.Trim(rest, "/"), "/"),
		query: map[string]string{}, ifMatch: r.Header.Get("If-Match"), body: body,
	}
	for name, values := range r.URL.Query() {
		c.query[name] = values[0]
	}
	return h.route(c, r.Method)
}

// route finds the operation. (CloudFront API Reference, "Actions".)
func (h *Handler) route(c *call, method string) error {
	p := append(c.path, "", "", "", "")
	kind, id, sub, subID := p[0], p[1], p[2], p[3]
	switch {
	case len(c.path) > 4:
	case kind == "distribution" && sub == "invalidation":
		return h.invalidations(c, method, id, subID)
	case kind == "glassine":
		return h.own(c, method, id, sub, subID)
	case subID != "":
	case kind == "distribution":
		return h.distribution(c, method, id, sub)
	case kind == "origin-access-control":
		return h.originAccessControl(c, method, id, sub)
	case kind == "cache-policy":
		return h.cachePolicy(c, method, id, sub)
	case kind == "origin-request-policy":
		return h.originRequestPolicies().serve(c, method, id, sub)
	case kind == "response-headers-policy":
		return h.responseHeadersPolicies().serve(c, method, id, sub)
	case kind == "public-key":
		return h.publicKeys().serve(c, method, id, sub)
	case kind == "key-group":
		return h.keyGroups().serve(c, method, id, sub)
	case kind == "function":
		return h.function(c, method, id, sub)
	case kind == "tagging" && id == "":
		return h.tagging(c, method)
	case method == http.MethodGet && uses[kind] != "" && id != "" && sub == "":
		return h.distributionsUsing(c, uses[kind], id)
	case method == http.MethodGet && none[strings.Join(c.path, "/")].action != "":
		n := none[strings.Join(c.path, "/")]
		return h.listNone(c, n.action, n.element)
	}
	return unsupported(method, c.path)
}

func (h *Handler) distribution(c *call, method, id, sub string) error {
	switch method + " " + shape(id, sub) {
	case "POST ":
		return h.createDistribution(c)
	case "GET ":
		return h.listDistributions(c)
	case "GET id":
		return h.getDistribution(c, id)
	case "GET id/config":
		return h.getDistributionConfig(c, id)
	case "PUT id/config":
		return h.updateDistribution(c, id)
	case "DELETE id":
		if err := h.Edge.DeleteDistribution(c.ctx, c.caller, id, c.ifMatch); err != nil {
			return err
		}
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return unsupported(method, c.path)
}

func (h *Handler) cachePolicy(c *call, method, id, sub string) error {
	switch method + " " + shape(id, sub) {
	case "POST ":
		return h.createCachePolicy(c)
	case "GET ":
		return h.listCachePolicies(c)
	case "GET id":
		return h.getCachePolicy(c, id)
	case "GET id/config":
		return h.getCachePolicyConfig(c, id)
	case "PUT id":
		return h.updateCachePolicy(c, id)
	case "DELETE id":
		if err := h.Edge.DeleteCachePolicy(c.ctx, c.caller, id, c.ifMatch); err != nil {
			return err
		}
		c.w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return unsupported(method, c.path)
}

// shape is what follows the collection in a path: nothing, an id, or an id and a word.
func shape(id, sub string) string {
	switch {
	case id == "":
		return ""
	case sub == "":
		return "id"
	}
	return "id/" + sub
}

func unsupported(method string, path []string) error {
	return fault.New("NotImplemented", "glassine does not serve the CloudFront operation %s %s%s yet.", method, version, strings.Join(path, "/"))
}
