// Package cloudtrailapi is as much of CloudTrail on the wire (JSON 1.1, version 2013-11-01) as looks back at the audit log:
// LookupEvents. There are no trails, no event data stores and no insights. It authenticates, asks IAM for
// cloudtrail:LookupEvents, and translates; what is in the log is package telemetry's.
//
// Start at Handler.ServeHTTP.
package cloudtrailapi

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/telemetry"
)

// Service is CloudTrail's name in credential scopes.
const Service = "cloudtrail"

var dialect = wire.JSON{
	Service: Service, ContentType: "application/x-amz-json-1.1", Target: "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101",
	Failure: "InternalFailure", Unread: "SerializationException", Forbidden: http.StatusBadRequest,
}

// maxBody bounds a request.
const maxBody = 64 << 10

// Log is where the records are: *telemetry.Audit.
type Log interface {
	Recent(most int, keep func(*telemetry.Record) bool) ([]telemetry.Record, error)
}

// Handler answers CloudTrail requests. Its fields are set before the first request.
type Handler struct {
	IAM   *iam.Service
	Audit Log
	Now   func() time.Time // nil means time.Now
	Log   *slog.Logger     // nil means slog.Default
}

// call is one request, authenticated.
type call struct {
	*Handler
	ctx    context.Context
	caller iam.Caller
}

// operations are all that are served. It is never written to. (CloudTrail API Reference, "Actions".)
var operations = map[string]wire.JSONOperation[*call]{"LookupEvents": wire.JSONOp(dialect, (*call).lookupEvents)}

// ServeHTTP authenticates, finds the operation by X-Amz-Target, and runs it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service := wire.JSONService[iam.Caller, *call]{
		JSON: dialect, Title: "CloudTrail", Limit: maxBody, Operations: operations,
		Keys: wire.KeysOf(h.IAM.Lookup), Now: h.Now, Log: h.Log,
		Call: func(r *http.Request, c iam.Caller, sig *sigv4.Signature) *call {
			return &call{Handler: h, ctx: r.Context(), caller: c.WithContext(wire.Context(r, sig))}
		},
	}
	service.ServeHTTP(w, r)
}

type lookupInput struct {
	LookupAttributes []struct{ AttributeKey, AttributeValue string }
	// StartTime and EndTime are seconds since 1970.
	StartTime, EndTime *float64
	MaxResults         int
	NextToken          string
}

type resource struct{ ResourceName string }

// event is one of the answer. (CloudTrail API Reference, Event.)
type event struct {
	EventId, EventName, EventSource, ReadOnly, AccessKeyId, Username string
	EventTime                                                        float64
	Resources                                                        []resource
	CloudTrailEvent                                                  string
}

type lookupOutput struct{ Events []event }

// lookupEvents answers the newest records. Of an event's record CloudTrailEvent is the audit log's own line, which has CloudTrail's
// names where CloudTrail has the thing.
func (c *call) lookupEvents(in *lookupInput) (*lookupOutput, error) {
	// CloudTrail's LookupEvents knows no resource. (Service Authorization Reference, CloudTrail.)
	if err := c.IAM.Authorize(c.ctx, c.caller, iam.Ask{Action: "cloudtrail:LookupEvents", Resources: []string{"*"}}); err != nil {
		return nil, err
	}
	switch {
	case in.MaxResults < 0 || in.MaxResults > 50:
		return nil, fault.New("InvalidMaxResultsException", "MaxResults must be between 1 and 50, not %d.", in.MaxResults)
	case in.NextToken != "":
		return nil, fault.New("InvalidNextTokenException", "The token is invalid.")
	case len(in.LookupAttributes) > 1: // "Currently the list can contain only one item."
		return nil, fault.New("InvalidLookupAttributesException", "There can be only one lookup attribute.")
	case in.MaxResults == 0:
		in.MaxResults = 50
	}
	key, value := "", ""
	if len(in.LookupAttributes) == 1 {
		key, value = in.LookupAttributes[0].AttributeKey, in.LookupAttributes[0].AttributeValue
		if !slices.Contains([]string{"EventName", "Username", "ResourceName", "EventSource", "AccessKeyId", "EventId"}, key) {
			return nil, fault.New("InvalidLookupAttributesException", "glassine does not look events up by %s.", key)
		}
	}
	records, err := c.Audit.Recent(in.MaxResults, func(r *telemetry.Record) bool {
		at := float64(r.EventTime.UnixMilli()) / 1e3
		return (in.StartTime == nil || at >= *in.StartTime) && (in.EndTime == nil || at <= *in.EndTime) && matches(r, key, value)
	})
	if err != nil {
		return nil, err
	}
	out := &lookupOutput{Events: []event{}}
	for _, r := range records {
		raw, err := json.Marshal(r)
		if err != nil {
			return nil, err
		}
		e := event{
			EventId: r.RequestID, EventSource: r.EventSource + ".amazonaws.com", AccessKeyId: r.AccessKeyID, Username: userName(r.Principal), ReadOnly: strconv.FormatBool(readOnly(r)),
			EventTime: float64(r.EventTime.UnixMilli()) / 1e3, CloudTrailEvent: string(raw),
		}
		if len(r.Decisions) > 0 {
			_, e.EventName, _ = strings.Cut(r.Decisions[0].Action, ":")
			for _, name := range r.Decisions[0].Resources {
				e.Resources = append(e.Resources, resource{name})
			}
		}
		out.Events = append(out.Events, e)
	}
	return out, nil
}

// matches reports whether a record has an attribute. The event name AccessDenied is glassine's own: it takes all records of
// something that was refused (docs/aws-differences.md).
func matches(r *telemetry.Record, key, value string) bool {
	switch key {
	case "":
		return true
	case "EventId":
		return r.RequestID == value
	case "EventSource":
		return r.EventSource == strings.TrimSuffix(value, ".amazonaws.com")
	case "AccessKeyId":
		return r.AccessKeyID == value
	case "Username":
		return userName(r.Principal) == value
	}
	return slices.ContainsFunc(r.Decisions, func(d telemetry.Decision) bool {
		if key == "ResourceName" {
			return slices.Contains(d.Resources, value)
		}
		_, name, _ := strings.Cut(d.Action, ":")
		return name == value || value == "AccessDenied" && !d.Allowed
	})
}

func userName(arn string) string { return arn[strings.LastIndexAny(arn, ":/")+1:] }

// readOnly reports whether all that a request asked for only reads, by the verbs that AWS's actions begin with.
func readOnly(r telemetry.Record) bool {
	return !slices.ContainsFunc(r.Decisions, func(d telemetry.Decision) bool {
		_, name, _ := strings.Cut(d.Action, ":")
		return !slices.ContainsFunc([]string{"Get", "List", "Describe", "Head", "Lookup", "Simulate", "Filter", "Trace"}, func(verb string) bool { return strings.HasPrefix(name, verb) })
	})
}
