// Package stsapi is the Security Token Service on the wire (Query protocol, version 2011-06-15): who am I, become a role, a
// session of one's own. It authenticates, translates forms to iam's plain arguments and answers to XML, and decides nothing.
//
// Start at Handler.ServeHTTP.
package stsapi

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/iam"
)

const version = "2011-06-15"

// maxBody bounds a request: 50 tags and a session policy of the longest kind fit many times.
const maxBody = 256 << 10

// Handler answers STS requests. Its fields are set before the first request.
type Handler struct {
	IAM *iam.Service
	Now func() time.Time // nil means time.Now
	Log *slog.Logger     // nil means slog.Default
}

// call is one request, authenticated, its form read.
type call struct {
	ctx    context.Context
	iam    *iam.Service
	caller iam.Caller
	form   *wire.Form
}

// operations are all actions that are served. It is never written to. STS API Reference, "Actions".
var operations = map[string]func(*call) (any, error){
	"GetCallerIdentity": getCallerIdentity,
	"AssumeRole":        assumeRole,
	"GetSessionToken":   getSessionToken,
	"GetAccessKeyInfo":  getAccessKeyInfo,

	"DecodeAuthorizationMessage": decodeAuthorizationMessage,
}

// unserved are STS's other actions, which get an error that says so.
var unserved = map[string]bool{
	"AssumeRoleWithWebIdentity": true, "AssumeRoleWithSAML": true, "AssumeRoot": true,
	"GetFederationToken": true, "GetDelegatedAccessToken": true, "GetWebIdentityToken": true,
}

// ServeHTTP authenticates, finds the operation by Action and Version, and runs it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := wire.NewRequestID()
	w.Header().Set("X-Amzn-Requestid", id)
	action, result, err := h.serve(r)
	if err != nil {
		wire.WriteError(w, r, wire.STS, id, err, cmp.Or(h.Log, slog.Default()))
		return
	}
	wire.WriteQuery(w, wire.STS, action, id, result)
}

func (h *Handler) serve(r *http.Request) (action string, result any, err error) {
	now := time.Now()
	if h.Now != nil {
		now = h.Now()
	}
	caller, sig, form, err := wire.AuthenticateQuery(r, wire.KeysOf(h.IAM.Lookup), wire.ServiceSTS, now, maxBody)
	if err != nil {
		return "", nil, err
	}
	action = form.Get("Action")
	run, ok := operations[action]
	if action == signInAction {
		run, ok = signIn, true
	}
	switch {
	case form.Get("Version") == version && unserved[action]:
		return "", nil, fault.New("NotImplemented", "glassine does not serve the STS operation %s.", action)
	case !ok || form.Get("Version") != version:
		return "", nil, wire.UnknownOperation(form)
	}
	result, err = run(&call{ctx: r.Context(), iam: h.IAM, caller: caller.WithContext(wire.Context(r, sig)), form: form})
	return action, result, err
}
