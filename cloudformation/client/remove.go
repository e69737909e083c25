package client

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"glassine/aws/fault"
)

// Remover deletes stacks and looks whether anything is left of them.
type Remover struct {
	*Client
	// EmptyBuckets deletes all objects, of all versions, in the buckets that go with a stack. CloudFormation deletes no bucket that
	// holds something. Buckets that a policy keeps are never emptied.
	EmptyBuckets bool
	// Logs deletes the log groups that the functions of a stack wrote, which are no part of it.
	Logs bool
	// Watch and Note are as a Deployer's.
	Watch func(Event)
	Note  func(stack, text string)
}

// Removal is what became of a stack that was to be deleted.
type Removal struct {
	Stack   string `json:"StackName"`
	StackID string `json:"StackId"`
	Region  string `json:"Region"`
	Status  string `json:"StackStatus"`
	// Removed are the resources that are deleted, in the order of their deletion, Kept those that their DeletionPolicy keeps.
	Removed []Resource `json:"Removed"`
	Kept    []Resource `json:"Kept,omitempty"`
	// LogGroups are those that functions wrote and that are still there.
	LogGroups []string `json:"LogGroups,omitempty"`
	// Objects is how many objects and delete markers were deleted in buckets, of all versions.
	Objects int `json:"ObjectsDeleted,omitempty"`
	// Proof is what the services' own lists say.
	Proof Proof         `json:"Proof"`
	Cause *Event        `json:"Cause,omitempty"`
	Took  time.Duration `json:"-"`
}

// Remove deletes a stack, by its name or ARN. The removal is not nil, also with an error.
func (r *Remover) Remove(ctx context.Context, name string) (*Removal, error) {
	began := time.Now()
	out := &Removal{Stack: name, Region: r.Region}
	err := r.remove(ctx, name, out)
	out.Took = time.Since(began)
	return out, err
}

func (r *Remover) remove(ctx context.Context, name string, out *Removal) error {
	s, err := r.Stack(ctx, name)
	if err != nil {
		return fmt.Errorf("stack %s: %w", name, err)
	}
	out.Stack, out.StackID, out.Status = s.Name, s.StackID, s.Status
	if s.Protected {
		return fmt.Errorf("stack %s has termination protection: take that away first (aws cloudformation update-termination-protection --no-enable-termination-protection --stack-name %s)", s.Name, s.Name)
	}
	resources, err := r.Resources(ctx, s.StackID)
	if err != nil {
		return err
	}
	if r.EmptyBuckets {
		if out.Objects, err = r.empty(ctx, s, resources); err != nil {
			return err
		}
	}
	before, err := r.Prove(ctx, resources)
	if err != nil {
		return err
	}
	events, err := r.deleteStack(ctx, s, nil, r.Watch)
	out.sort(resources, events)
	out.Cause = RootCause(events)
	if err != nil {
		out.Status = "DELETE_FAILED"
		return err
	}
	out.Status, out.Cause = "DELETE_COMPLETE", nil
	had, err := r.everHad(ctx, s.StackID)
	if err != nil {
		return err
	}
	if out.LogGroups, err = r.logGroups(ctx, had); err != nil {
		return err
	}
	out.Proof, err = r.Prove(ctx, had)
	out.Proof.doubt(resources, before)
	return err
}

// everHad returns the resources that a stack ever made and that no policy kept: those that were replaced too.
func (c *Client) everHad(ctx context.Context, stack string) ([]Resource, error) {
	events, err := c.EventsAfter(ctx, stack, "")
	if err != nil {
		return nil, err
	}
	var out []Resource
	kept := map[string]bool{}
	for _, e := range events {
		if e.OfStack() || e.PhysicalID == "" {
			continue
		}
		x := Resource{LogicalID: e.LogicalID, PhysicalID: e.PhysicalID, Type: e.Type}
		if !slices.Contains(out, x) {
			out = append(out, x)
		}
		if e.Status == "DELETE_SKIPPED" {
			kept[e.PhysicalID] = true
		}
	}
	return slices.DeleteFunc(out, func(x Resource) bool { return kept[x.PhysicalID] }), nil
}

// sort says which of the resources are deleted and which are kept, by what the events say.
func (out *Removal) sort(resources []Resource, events []Event) {
	for _, e := range events {
		i := slices.IndexFunc(resources, func(x Resource) bool { return x.LogicalID == e.LogicalID && !e.OfStack() })
		if i < 0 {
			continue
		}
		x := resources[i]
		x.Status, x.Updated = e.Status, e.Time
		switch e.Status {
		case "DELETE_COMPLETE":
			out.Removed = append(out.Removed, x)
		case "DELETE_SKIPPED":
			out.Kept = append(out.Kept, x)
		}
	}
}

// deleteStack deletes a stack and waits until it is gone. It returns the events of that.
func (c *Client) deleteStack(ctx context.Context, s *Stack, retain []string, watch func(Event)) ([]Event, error) {
	last, err := c.lastEvent(ctx, s.StackID)
	if err != nil {
		return nil, err
	}
	form := url.Values{"StackName": {s.StackID}, "ClientRequestToken": {token("glassine-")}}
	for i, id := range retain {
		member(form, "RetainResources", i+1, "", id)
	}
	if _, err := cloudformation[nothing](ctx, c, "DeleteStack", form); err != nil {
		return nil, err
	}
	if s.Status == "REVIEW_IN_PROGRESS" { // nothing was made, and some tell no event of its end
		return nil, nil
	}
	events, err := c.Follow(ctx, s.StackID, last, false, watch)
	if err != nil {
		return events, err
	}
	now, err := c.settled(ctx, s.StackID)
	if errors.Is(err, ErrNoStack) {
		return events, nil
	}
	if err == nil && now.Status != "DELETE_COMPLETE" {
		err = fmt.Errorf("stack %s: %s: %w", s.Name, now.Status, ErrFailed)
	}
	return events, err
}

// empty deletes what is in the buckets that go with a stack.
func (r *Remover) empty(ctx context.Context, s *Stack, resources []Resource) (int, error) {
	text, err := r.Template(ctx, s.StackID, "Processed")
	if err != nil {
		return 0, err
	}
	t, err := ParseTemplate(s.Name, text)
	if err != nil {
		return 0, err
	}
	all := 0
	for _, x := range resources {
		if x.Type != "AWS::S3::Bucket" || x.PhysicalID == "" || t.kept(x.LogicalID) || x.Status == "DELETE_COMPLETE" {
			continue
		}
		n, err := r.EmptyBucket(ctx, x.PhysicalID)
		if fault.Is(err, "NoSuchBucket") {
			err = nil
		}
		if err != nil {
			return all, fmt.Errorf("empty bucket %s: %w", x.PhysicalID, err)
		}
		if all += n; r.Note != nil {
			r.Note(s.Name, fmt.Sprintf("emptied s3://%s, versions deleted: %d", x.PhysicalID, n))
		}
	}
	return all, nil
}

// logGroups deletes the log groups of functions that are gone, if that is wanted, and returns those that are there.
// Lambda Developer Guide, "Sending Lambda function logs to CloudWatch Logs"; those of Lambda@Edge have the region before the name.
func (r *Remover) logGroups(ctx context.Context, had []Resource) ([]string, error) {
	var left []string
	for _, x := range had {
		if x.Type != "AWS::Lambda::Function" {
			continue
		}
		for _, name := range []string{"/aws/lambda/" + x.PhysicalID, "/aws/lambda/us-east-1." + x.PhysicalID} {
			groups, err := listLogGroups(ctx, r.Client, name)
			if err != nil {
				return left, err
			}
			if !slices.Contains(groups, name) {
				continue
			}
			if !r.Logs {
				left = append(left, name)
				continue
			}
			err = r.json(ctx, "logs", "Logs_20140328.DeleteLogGroup", map[string]any{"logGroupName": name}, nil)
			if err != nil && !fault.Is(err, "ResourceNotFoundException") {
				return left, err
			}
		}
	}
	return left, nil
}

// RemoveAll deletes stacks, the newest first. One that another needs is tried again when that is gone.
func (r *Remover) RemoveAll(ctx context.Context, stacks []Stack) ([]*Removal, error) {
	stacks = slices.Clone(stacks)
	slices.SortFunc(stacks, func(a, b Stack) int { return b.Created.Compare(a.Created) })
	var out []*Removal
	for len(stacks) > 0 {
		var later []Stack
		var failed []*Removal
		var errs error
		for _, s := range stacks {
			if s.ParentID != "" { // goes with its parent
				continue
			}
			x, err := r.Remove(ctx, s.StackID)
			if err != nil {
				if ctx.Err() != nil {
					return append(out, x), err
				}
				later, failed, errs = append(later, s), append(failed, x), errors.Join(errs, err)
				continue
			}
			out = append(out, x)
		}
		if len(later) == len(stacks) || len(later) == 0 {
			return append(out, failed...), errs
		}
		stacks = later
	}
	return out, nil
}

// functionOf is the name of the function in the ARN of a version or alias, or of the function itself.
func functionOf(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 6 {
		return parts[6]
	}
	return arn
}
