package client

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Event is something that happened to a resource of a stack, or to the stack itself.
type Event struct {
	ID         string    `xml:"EventId" json:"EventId"`
	StackID    string    `xml:"StackId" json:"StackId"`
	StackName  string    `json:"StackName"`
	LogicalID  string    `xml:"LogicalResourceId" json:"LogicalResourceId"`
	PhysicalID string    `xml:"PhysicalResourceId" json:"PhysicalResourceId,omitempty"`
	Type       string    `xml:"ResourceType" json:"ResourceType"`
	Time       time.Time `xml:"Timestamp" json:"Timestamp"`
	Status     string    `xml:"ResourceStatus" json:"ResourceStatus"`
	Reason     string    `xml:"ResourceStatusReason" json:"ResourceStatusReason,omitempty"`
	Token      string    `xml:"ClientRequestToken" json:"ClientRequestToken,omitempty"`
}

// stackType is the type of the events that are about a stack as a whole.
const stackType = "AWS::CloudFormation::Stack"

// OfStack reports whether the event is about the stack itself, not about a resource of it.
func (e *Event) OfStack() bool { return e.Type == stackType && e.PhysicalID == e.StackID }

// Failed reports whether the event tells of a failure.
func (e *Event) Failed() bool { return strings.HasSuffix(e.Status, "_FAILED") }

// Cancelled reports whether the resource failed only because another one did.
func (e *Event) Cancelled() bool {
	return e.Failed() && (strings.Contains(e.Reason, "cancelled") || strings.Contains(e.Reason, "canceled"))
}

// RootCause returns the event with which the trouble began, of events in the order of time; nil when nothing failed. What was
// only cancelled, and the stack that failed with its resources, are no causes.
func RootCause(events []Event) *Event {
	for i := range events {
		if e := &events[i]; e.Failed() && !e.Cancelled() && !e.OfStack() {
			return e
		}
	}
	for i := range events {
		if e := &events[i]; e.Failed() || e.OfStack() && strings.Contains(e.Status, "ROLLBACK_IN_PROGRESS") {
			return e
		}
	}
	return nil
}

// eventsPage returns one page of events, newest first as the API has them.
func (c *Client) eventsPage(ctx context.Context, stack, token string) ([]Event, string, error) {
	form := url.Values{"StackName": {stack}}
	if token != "" {
		form.Set("NextToken", token)
	}
	out, err := cloudformation[struct {
		Events    []Event `xml:"StackEvents>member"`
		NextToken string
	}](ctx, c, "DescribeStackEvents", form)
	return out.Events, out.NextToken, missing(err)
}

// EventsAfter returns the events of a stack that came after the one with the id after, oldest first; "" means all.
func (c *Client) EventsAfter(ctx context.Context, stack, after string) ([]Event, error) {
	var newest []Event
	for token := ""; ; {
		page, next, err := c.eventsPage(ctx, stack, token)
		if err != nil {
			return nil, err
		}
		known := -1
		if after != "" {
			known = slices.IndexFunc(page, func(e Event) bool { return e.ID == after })
		}
		if known >= 0 {
			page = page[:known]
		}
		newest = append(newest, page...)
		if known >= 0 || next == "" || next == token {
			slices.Reverse(newest)
			return newest, nil
		}
		token = next
	}
}

// lastEvent returns the id of a stack's newest event, "" when it has none.
func (c *Client) lastEvent(ctx context.Context, stack string) (string, error) {
	page, _, err := c.eventsPage(ctx, stack, "")
	if err != nil || len(page) == 0 {
		return "", err
	}
	return page[0].ID, nil
}

// done reports whether a stack of that status is at rest.
func done(status string) bool { return status != "" && !strings.HasSuffix(status, "_IN_PROGRESS") }

// rest says that a stack is at rest, or waits for somebody to go on with it.
func atRest(status string) bool { return done(status) || status == "REVIEW_IN_PROGRESS" }

// Follow hands over the events of a stack after the one with the id after, in the order of time, as they come, and returns
// them all when the stack is at rest: with forever it goes on until ctx ends. stack should be an ARN, so that it is found when it
// is deleted. watch may be nil.
func (c *Client) Follow(ctx context.Context, stack, after string, forever bool, watch func(Event)) ([]Event, error) {
	w := &wait{20 * time.Millisecond, time.Second}
	var all []Event
	for {
		events, err := c.EventsAfter(ctx, stack, after)
		if err != nil {
			return all, err
		}
		rest := false
		for _, e := range events {
			if watch != nil {
				watch(e)
			}
			if e.OfStack() {
				rest = done(e.Status)
			}
			after = e.ID
		}
		all = append(all, events...)
		if rest && !forever {
			return all, nil
		}
		if len(events) > 0 {
			w.next = 20 * time.Millisecond
		}
		if err := w.pause(ctx); err != nil {
			return all, err
		}
	}
}
