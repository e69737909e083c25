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
	"glassine/aws/sigv4"
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
	service := wire.JSONService[iam.Caller, *call]{
		JSON: wire.SSM, Title: "Systems Manager", Limit: maxBody, Operations: operations,
		Keys: wire.KeysOf(h.IAM.Lookup), Now: h.Now, Log: h.Log,
		Call: func(r *http.Request, c iam.Caller, sig *sigv4.Signature) *call {
			return &call{ctx: r.Context(), ssm: h.SSM, caller: c.WithContext(wire.Context(r, sig)), region: sig.Region}
		},
	}
	service.ServeHTTP(w, r)
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
	from, err := base64.URLEncoding.DecodeString(p.NextToken)
	part, next, found := wire.Page(items, string(from), p.MaxResults, name)
	if err != nil || !found {
		return nil, "", fault.New("InvalidNextToken", "The specified token isn't valid.")
	}
	return part, base64.URLEncoding.EncodeToString([]byte(next)), nil
}
