// Package logsapi is CloudWatch Logs' API on the wire (JSON 1.1, version 2014-03-28): log groups and streams, their events, and
// retention. It authenticates, translates JSON to package logs' plain arguments and back, and decides nothing: each method of
// logs.Service asks for its own action.
//
// Start at Handler.ServeHTTP, and at operations, which lists what is served.
package logsapi

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/logs"
)

// maxBody bounds a request: a batch of events has 1 MB, and JSON may write a byte of it in six.
const maxBody = 8 << 20

// Handler answers CloudWatch Logs requests. Its fields are set before the first request.
type Handler struct {
	Logs *logs.Service
	IAM  *iam.Service
	Now  func() time.Time // nil means time.Now
	Log  *slog.Logger     // nil means slog.Default
}

// call is one request, authenticated.
type call struct {
	ctx    context.Context
	logs   *logs.Service
	caller iam.Caller
	region string // that the request was signed for
}

// operations are all that are served. It is never written to. (CloudWatch Logs API Reference, "Actions".)
var operations = map[string]wire.JSONOperation[*call]{
	"CreateLogGroup":        do(createGroup),
	"DeleteLogGroup":        do(deleteGroup),
	"DescribeLogGroups":     op(describeGroups),
	"PutRetentionPolicy":    do(putRetention),
	"DeleteRetentionPolicy": do(deleteRetention),
	"TagLogGroup":           do(tagGroup),
	"UntagLogGroup":         do(untagGroup),
	"ListTagsLogGroup":      op(listGroupTags),
	"TagResource":           do(tagResource),
	"UntagResource":         do(untagResource),
	"ListTagsForResource":   op(listResourceTags),

	"CreateLogStream":    do(createStream),
	"DeleteLogStream":    do(deleteStream),
	"DescribeLogStreams": op(describeStreams),

	"PutLogEvents":    op(putEvents),
	"GetLogEvents":    op(getEvents),
	"FilterLogEvents": op(filterEvents),

	// What glassine does not have. Tools ask for it before they delete a group, or to show it.
	"DescribeMetricFilters":       nothing("metricFilters"),
	"DescribeSubscriptionFilters": nothing("subscriptionFilters"),
	"DescribeResourcePolicies":    nothing("resourcePolicies"),
}

func op[In, Out any](f func(*call, *In) (Out, error)) wire.JSONOperation[*call] {
	return wire.JSONOp(wire.Logs, f)
}

func do[In any](f func(*call, *In) error) wire.JSONOperation[*call] { return wire.JSONDo(wire.Logs, f) }

// ServeHTTP authenticates, finds the operation by X-Amz-Target, and runs it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service := wire.JSONService[iam.Caller, *call]{
		JSON: wire.Logs, Title: "CloudWatch Logs", Limit: maxBody, Operations: operations,
		Keys: wire.KeysOf(h.IAM.Lookup), Now: h.Now, Log: h.Log,
		Call: func(r *http.Request, c iam.Caller, sig *sigv4.Signature) *call {
			return &call{ctx: r.Context(), logs: h.Logs, caller: c.WithContext(wire.Context(r, sig)), region: sig.Region}
		},
	}
	service.ServeHTTP(w, r)
}

// groupOf is the region and name of the group that a name, an identifier or an ARN means: the ARN may end in :*
func (c *call) groupOf(name, identifier string) (region, group string, err error) {
	if name == "" {
		name = identifier
	} else if identifier != "" {
		return "", "", fault.New("InvalidParameterException", "LogGroupName and LogGroupIdentifier are mutually exclusive.")
	}
	if !strings.HasPrefix(name, "arn:") {
		return c.region, name, nil
	}
	a, err := arn.Parse(name)
	if err != nil || a.Service != "logs" || a.Name("log-group") == "" {
		return "", "", fault.New("InvalidParameterException", "%q is not the ARN of a log group.", name)
	}
	return a.Region, strings.TrimSuffix(a.Name("log-group"), ":*"), nil
}

// nothing is an operation about something that glassine does not have. Whoever may describe groups may know.
func nothing(list string) wire.JSONOperation[*call] {
	return op(func(c *call, _ *struct{}) (map[string][]string, error) {
		_, err := c.logs.DescribeLogGroups(c.ctx, c.caller, c.region, "", "")
		return map[string][]string{list: {}}, err
	})
}

// paging is what lists take.
type paging struct {
	NextToken string `json:"nextToken"`
	Limit     int    `json:"limit"`
}

// page returns the part of a list that begins at the token, which is a name.
func page[T any](items []T, p paging, name func(T) string) (part []T, next string, err error) {
	if p.Limit < 0 || p.Limit > 50 {
		return nil, "", fault.New("InvalidParameterException", "1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50", p.Limit)
	}
	if p.Limit == 0 {
		p.Limit = 50
	}
	part, next, found := wire.Page(items, p.NextToken, p.Limit, name)
	if !found {
		return nil, "", fault.New("InvalidParameterException", "The specified nextToken is invalid.")
	}
	return part, next, nil
}
