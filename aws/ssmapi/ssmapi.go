// Package ssmapi is Systems Manager's Parameter Store on the wire (JSON 1.1, version 2014-11-06). It authenticates, translates
// JSON to package ssm's plain arguments and back, and decides nothing: each method of ssm.Service asks for its own action.
//
// Start at Handler.ServeHTTP, and at operations, which lists what is served.
package ssmapi

import (
	"context"
	"encoding/base64"
	"log/slog"
	"net/http"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/ssm"
)

// maxBody bounds a request: a value has 8,192 characters.
const maxBody = 1 << 20

// Handler answers Systems Manager requests. Its fields are set before the first request.
type Handler struct {
	SSM *ssm.Service
	IAM *iam.Service
	Now func() time.Time // nil means time.Now
	Log *slog.Logger     // nil means slog.Default
}

// call is one request, authenticated.
type call struct {
	ctx    context.Context
	ssm    *ssm.Service
	caller iam.Caller
	region string // that the request was signed for
}

// operations are all that are served. It is never written to. (Systems Manager API Reference, "Actions".)
var operations = map[string]wire.JSONOperation[*call]{
	"PutParameter":            op(putParameter),
	"GetParameter":            op(getParameter),
	"GetParameters":           op(getParameters),
	"GetParametersByPath":     op(getParametersByPath),
	"GetParameterHistory":     op(getParameterHistory),
	"DescribeParameters":      op(describeParameters),
	"DeleteParameter":         op(deleteParameter),
	"DeleteParameters":        op(deleteParameters),
	"LabelParameterVersion":   op(labelParameterVersion),
	"UnlabelParameterVersion": op(unlabelParameterVersion),
	"AddTagsToResource":       op(addTags),
	"RemoveTagsFromResource":  op(removeTags),
	"ListTagsForResource":     op(listTags),
}

func op[In, Out any](f func(*call, *In) (Out, error)) wire.JSONOperation[*call] {
	return wire.JSONOp(wire.SSM, f)
}

// ServeHTTP authenticates, finds the operation by X-Amz-Target, and runs it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	log := h.Log
	if log == nil {
		log = slog.Default()
	}
	id := wire.NewRequestID()
	w.Header().Set("X-Amzn-Requestid", id)
	out, err := h.serve(r)
	if err != nil {
		wire.WriteJSONError(w, r, wire.SSM, id, wire.SSM.Fault(err), log)
		return
	}
	wire.WriteJSON(w, wire.SSM, http.StatusOK, out)
}

func (h *Handler) serve(r *http.Request) (any, error) {
	now := time.Now()
	if h.Now != nil {
		now = h.Now()
	}
	caller, sig, body, err := wire.AuthenticateJSON(r, h.lookup, wire.SSM, now, maxBody)
	if err != nil {
		return nil, err
	}
	name := wire.SSM.TargetOperation(r)
	run, ok := operations[name]
	if !ok {
		return nil, fault.New("UnknownOperationException", "glassine does not serve the Systems Manager operation %q.", name)
	}
	return run(&call{ctx: r.Context(), ssm: h.SSM, caller: caller.WithContext(wire.Context(r, sig)), region: sig.Region}, body)
}

func (h *Handler) lookup(ctx context.Context, accessKeyID, token string) (wire.Key[iam.Caller], error) {
	secret, c, err := h.IAM.Lookup(ctx, accessKeyID, token)
	return wire.Key[iam.Caller]{Secret: secret, Caller: c}, err
}

// paging is what lists take.
type paging struct {
	NextToken  string
	MaxResults int
}

// page returns the part of a list that begins at the token, which is a name or a version in base64.
func page[T any](items []T, p paging, most int, name func(T) string) (part []T, next string, err error) {
	if p.MaxResults < 0 || p.MaxResults > most {
		return nil, "", fault.New("ValidationException", "1 validation error detected: Value '%d' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to %d", p.MaxResults, most)
	}
	if p.MaxResults == 0 {
		p.MaxResults = most
	}
	if p.NextToken != "" {
		from, err := base64.URLEncoding.DecodeString(p.NextToken)
		i := 0
		for i < len(items) && name(items[i]) != string(from) {
			i++
		}
		if err != nil || i == len(items) {
			return nil, "", fault.New("InvalidNextToken", "The specified token isn't valid.")
		}
		items = items[i:]
	}
	if len(items) > p.MaxResults {
		return items[:p.MaxResults], base64.URLEncoding.EncodeToString([]byte(name(items[p.MaxResults]))), nil
	}
	return items, "", nil
}
