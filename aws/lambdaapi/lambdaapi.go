// Package lambdaapi is Lambda's API on the wire (REST-JSON, versions 2014-11-13 to 2021-11-15): functions, code, versions,
// aliases, permissions, tags, concurrency, layers and invocations. It authenticates, translates JSON to package lambda's plain
// arguments and back, and decides nothing: each method of lambda.Service asks for its own action.
//
// Start at Handler.ServeHTTP, and at routes, which lists what is served.
package lambdaapi

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/lambda"
)

// Bounds of request bodies. A configuration has 4 KB of environment and a few names; an archive comes in base64.
const (
	maxBody = 1 << 20
	maxCode = (lambda.MaxZip + 2) / 3 * 4 // 69,905,068 bytes: AWS refuses from 69,905,067 on
)

// maxLarge is how many requests with archives are read at a time: each holds its body, and the archive in it. More wait.
const maxLarge = 4

// Handler answers Lambda API requests. Its fields are set before the first request. Make one with New.
type Handler struct {
	Lambda *lambda.Service
	IAM    *iam.Service
	Now    func() time.Time // nil means time.Now
	Log    *slog.Logger     // nil means slog.Default

	large chan struct{} // one token for each large body being read
}

// New returns a Handler.
func New(functions *lambda.Service, identities *iam.Service, now func() time.Time, log *slog.Logger) *Handler {
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = slog.Default()
	}
	return &Handler{Lambda: functions, IAM: identities, Now: now, Log: log, large: make(chan struct{}, maxLarge)}
}

// call is one request, authenticated.
type call struct {
	h      *Handler
	ctx    context.Context
	lambda *lambda.Service
	caller iam.Caller
	region string // that the request was signed for
	base   *url.URL
	id     string // request id
}

// ServeHTTP finds the operation by method and path, authenticates, and runs it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := wire.NewRequestID()
	w.Header().Set("X-Amzn-Requestid", id)
	if err := h.serve(w, r, id); err != nil {
		wire.WriteJSONError(w, r, wire.Lambda, id, wire.Lambda.Fault(err), h.Log)
	}
}

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, id string) error {
	route, params, found := routes.Find(r)
	limit := int64(maxBody)
	if route.Limit != 0 {
		limit = route.Limit
	}
	if r.ContentLength > maxBody || r.ContentLength < 0 {
		select {
		case h.large <- struct{}{}:
			defer func() { <-h.large }()
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
	caller, sig, body, err := wire.AuthenticateJSON(r, wire.KeysOf(h.IAM.Lookup), wire.Lambda, h.Now(), limit)
	if err != nil {
		return err
	}
	if !found {
		path, _ := sigv4.Target(r)
		if name := unserved(path); name != "" {
			return fault.New("NotImplemented", "glassine does not serve the Lambda operation %s %s: it has no %s.", r.Method, path, name)
		}
		return fault.New("UnknownOperationException", "There is no operation %s %s.", r.Method, path)
	}
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	_, rawQuery := sigv4.Target(r)
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return fault.New("InvalidRequestContentException", "The query string is not encoded properly.")
	}
	c := &call{
		h: h, ctx: r.Context(), lambda: h.Lambda, caller: caller.WithContext(wire.Context(r, sig)), region: sig.Region,
		base: &url.URL{Scheme: scheme, Host: r.Host}, id: id,
	}
	return route.Run(c, wire.Input{Params: params, Query: query, Header: r.Header, Body: body}, w)
}

// function is the full ARN that a name in a path means, with the qualifier of the query. A name alone is a function of the
// region that the request was signed for. (Lambda API Reference, FunctionName.)
func (c *call) function(name, qualifier string) (string, error) {
	full, own := name, ""
	if !strings.HasPrefix(name, "arn:") {
		rest := name
		if account, after, ok := strings.Cut(name, ":function:"); ok {
			if account != c.h.IAM.Account() {
				return "", fault.New("ResourceNotFoundException", "Function not found: %s", name)
			}
			rest = after
		} else if after, ok := strings.CutPrefix(name, "function:"); ok {
			rest = after
		}
		full = arn.New("lambda", c.region, c.h.IAM.Account(), "function:"+rest).String()
	}
	if parts := strings.SplitN(full, ":", 8); len(parts) == 8 {
		own = parts[7]
	}
	switch {
	case qualifier == "" || qualifier == own:
		return full, nil
	case own != "":
		return "", fault.New("InvalidParameterValueException", "The derived qualifier from the function name does not match the specified qualifier.")
	}
	return full + ":" + qualifier, nil
}
