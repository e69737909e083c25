// Package iamapi is IAM's API on the wire (Query protocol, version 2010-05-08): users, groups, roles, access keys, policies
// and simulations. It authenticates, translates forms to iam's plain arguments and answers to XML, and decides nothing: each
// method of iam.Service asks for its own action.
//
// Start at Handler.ServeHTTP, and at operations, which lists what is served.
package iamapi

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/iam"
)

const version = "2010-05-08"

// maxBody bounds a request: a policy document has up to 131,072 characters, each up to three bytes in a form.
const maxBody = 1 << 20

// Handler answers IAM API requests. Its fields are set before the first request.
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

// ServeHTTP authenticates, finds the operation by Action and Version, and runs it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := wire.NewRequestID()
	w.Header().Set("X-Amzn-Requestid", id)
	action, result, err := h.serve(r)
	if err != nil {
		wire.WriteError(w, r, wire.IAM, id, withStatus(err), cmp.Or(h.Log, slog.Default()))
		return
	}
	wire.WriteQuery(w, wire.IAM, action, id, result)
}

func (h *Handler) serve(r *http.Request) (action string, result any, err error) {
	now := time.Now()
	if h.Now != nil {
		now = h.Now()
	}
	caller, sig, form, err := wire.AuthenticateQuery(r, wire.KeysOf(h.IAM.Lookup), wire.ServiceIAM, now, maxBody)
	if err != nil {
		return "", nil, err
	}
	action = form.Get("Action")
	op, ok := operations[action]
	if !ok || form.Get("Version") != version {
		return "", nil, wire.UnknownOperation(form)
	}
	for _, name := range op.required {
		if !form.Has(name) {
			return "", nil, fault.New("ValidationError", "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null",
				strings.ToLower(name[:1])+name[1:])
		}
	}
	result, err = op.run(&call{ctx: r.Context(), iam: h.IAM, caller: caller.WithContext(wire.Context(r, sig)), form: form})
	return action, result, err
}

// withStatus gives the code that is IAM's alone its status. IAM API Reference, "Errors" of each action.
func withStatus(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Code == "ConcurrentModification" {
		return f.WithStatus(http.StatusConflict)
	}
	return err
}

// get is a parameter's text.
func (c *call) get(name string) string { return c.form.Get(name) }

// tags reads Tags.member.N.Key and Value.
func (c *call) tags() ([]iam.Tag, error) {
	list, err := c.form.List("Tags")
	out := make([]iam.Tag, len(list))
	for i, t := range list {
		out[i] = iam.Tag{Key: t.Get("Key"), Value: t.Get("Value")}
	}
	return out, err
}
