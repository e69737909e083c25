package objectlambda

import (
	"context"
	"time"

	"glassine/iam"
)

// Event is what happened on an access point: a data event of CloudTrail's, and what the metrics of S3 Object Lambda are
// made of. It holds no key, no header and no URL.
type Event struct {
	Time        time.Time
	RequestID   string
	AccessPoint AccessPoint // without its policy
	Operation   string
	Caller      iam.Caller
	// Function is the ARN or the webhook's URL of what was asked for the answer; "" is the supporting access point.
	Function string
	Role     string        // the function's execution role, when it ended before the answer did
	Writer   iam.Principal // who called WriteGetObjectResponse; of kind Anonymous when nobody did
	Status   int           // 0 when the connection was reset
	Code     string        // the error code that the caller read, or ""
	Own      bool          // the error is the function's own answer
	In, Out  int64         // bytes of the caller's body, and of the answer's
	// FunctionTime is from the invocation to the answer, or to the end without one; FirstByte to the first byte of the
	// answer and Total to the last, both from the request.
	FunctionTime, FirstByte, Total time.Duration

	invoked time.Time
}

// Ending says how a call was answered.
type Ending struct {
	Status    int // 0 when the connection was reset
	Code      string
	Own       bool // the error is the function's own answer
	In, Out   int64
	FirstByte time.Time
}

// End tells the observer about the call. Call it once, after the answer. Of an access point that does not exist nothing is
// told: its name is the caller's invention.
func (c *Call) End(ctx context.Context, e Ending) {
	if c.s.cfg.Observe == nil || !c.exists {
		return
	}
	v := c.event
	v.Time, v.RequestID, v.AccessPoint, v.Operation, v.Caller = c.began, c.ID, c.point, c.Operation, c.Caller
	v.AccessPoint.Policy, v.AccessPoint.PolicyIDs = "", nil
	v.Status, v.Code, v.Own, v.In, v.Out = e.Status, e.Code, e.Own, e.In, e.Out
	v.Total = c.s.cfg.Now().Sub(c.began)
	if !e.FirstByte.IsZero() {
		v.FirstByte = e.FirstByte.Sub(c.began)
	}
	c.s.cfg.Observe(ctx, v)
}
