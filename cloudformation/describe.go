package cloudformation

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"glassine/aws/fault"
	"glassine/iam"
)

// DescribeStacks returns the stack of that name or id, or all of the region that were not deleted when name is "". A deleted
// stack is found by its id. Unknown: ValidationError "Stack with id X does not exist".
// CloudFormation API Reference, DescribeStacks.
func (s *Service) DescribeStacks(ctx context.Context, c iam.Caller, region, name string) ([]Stack, error) {
	if name == "" {
		if err := s.ask(ctx, c, "DescribeStacks", s.arn(region, "stack/*/*"), nil); err != nil {
			return nil, err
		}
		return s.list(region, func(v *view) bool { return v.live() }), nil
	}
	if err := s.ask(ctx, c, "DescribeStacks", s.stackARN(region, name), nil); err != nil {
		return nil, err
	}
	v := s.find(region, name)
	if v == nil {
		return nil, noStack(name)
	}
	return []Stack{v.Stack}, nil
}

// ListStacks returns the region's stacks of the statuses, all of them for none: deleted ones too, newest first.
func (s *Service) ListStacks(ctx context.Context, c iam.Caller, region string, statuses []Status) ([]Stack, error) {
	if err := s.ask(ctx, c, "ListStacks", s.arn(region, "stack/*/*"), nil); err != nil {
		return nil, err
	}
	return s.list(region, func(v *view) bool { return len(statuses) == 0 || slices.Contains(statuses, v.Status) }), nil
}

func (s *Service) list(region string, which func(*view) bool) []Stack {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Stack
	for _, v := range s.stacks {
		if v.Region == region && which(v) {
			out = append(out, v.Stack)
		}
	}
	slices.SortFunc(out, func(a, b Stack) int {
		if d := b.Created.Compare(a.Created); d != 0 {
			return d
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// named asks about a stack and finds it, by its id also when it was deleted.
func (s *Service) named(ctx context.Context, c iam.Caller, region, action, name string) (*view, error) {
	if err := s.ask(ctx, c, action, s.stackARN(region, name), nil); err != nil {
		return nil, err
	}
	v := s.find(region, name)
	if v == nil {
		return nil, fault.New("ValidationError", "Stack [%s] does not exist", name)
	}
	return v, nil
}

// Events returns what happened in a stack, newest first: at most most events, older than the one with the id after, if
// that is not "". more says that there are others.
func (s *Service) Events(ctx context.Context, c iam.Caller, region, name, after string, most int) (list []Event, more bool, err error) {
	v, err := s.named(ctx, c, region, "DescribeStackEvents", name)
	if err != nil {
		return nil, false, err
	}
	return s.events(ctx, v.ID, after, most, nil)
}

// OperationEvents is Events of one operation, or of all for "".
func (s *Service) OperationEvents(ctx context.Context, c iam.Caller, region, name, operation, after string, failedOnly bool, most int) (list []Event, more bool, err error) {
	v, err := s.named(ctx, c, region, "DescribeEvents", name)
	if err != nil {
		return nil, false, err
	}
	return s.events(ctx, v.ID, after, most, func(e *Event) bool {
		return (operation == "" || e.Operation == operation) && (!failedOnly || strings.HasSuffix(string(e.Status), "_FAILED"))
	})
}

func (s *Service) events(ctx context.Context, id, after string, most int, which func(*Event) bool) (list []Event, more bool, err error) {
	records, err := s.cfg.State.List(ctx, eventTable, id+"\x00")
	if err != nil {
		return nil, false, fmt.Errorf("read the events of %s: %w", id, err)
	}
	slices.Reverse(records)
	found := after == ""
	for _, r := range records {
		var e Event
		if err := json.Unmarshal(r.Value, &e); err != nil {
			return nil, false, fmt.Errorf("read an event of %s: %w", id, err)
		}
		if !found {
			found = e.ID == after
			continue
		}
		if which != nil && !which(&e) {
			continue
		}
		if len(list) == most {
			return list, true, nil
		}
		list = append(list, e)
	}
	return list, false, nil
}

// Resources returns a stack's resources by logical id; of a deleted stack what it had. action is the API's name of the
// question, by which IAM decides.
func (s *Service) Resources(ctx context.Context, c iam.Caller, region, name, action string) (Stack, []StackResource, error) {
	v, err := s.named(ctx, c, region, action, name)
	if err != nil {
		return Stack{}, nil, err
	}
	var out []StackResource
	for _, id := range v.ids() {
		if r := v.resources[id]; r.Status != "" {
			out = append(out, *r)
		}
	}
	return v.Stack, out, nil
}

// Resource returns one resource of a stack.
func (s *Service) Resource(ctx context.Context, c iam.Caller, region, name, id string) (Stack, StackResource, error) {
	v, err := s.named(ctx, c, region, "DescribeStackResource", name)
	if err != nil {
		return Stack{}, StackResource{}, err
	}
	r := v.resources[id]
	if r == nil || r.Status == "" {
		return Stack{}, StackResource{}, fault.New("ValidationError", "Resource %s does not exist for stack %s", id, v.Name)
	}
	return v.Stack, *r, nil
}

// StackOf returns the stack that a physical resource belongs to.
func (s *Service) StackOf(ctx context.Context, c iam.Caller, region, physical string) (string, error) {
	if err := s.ask(ctx, c, "DescribeStackResources", s.arn(region, "stack/*/*"), nil); err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, v := range s.stacks {
		for _, r := range v.resources {
			if v.live() && v.Region == region && r.PhysicalID == physical && !r.Gone {
				return v.ID, nil
			}
		}
	}
	return "", fault.New("ValidationError", "Stack for %s does not exist", physical)
}

// GetTemplate returns a stack's template as it was given, or that of one of its change sets.
func (s *Service) GetTemplate(ctx context.Context, c iam.Caller, region, name, changeSet string) (string, error) {
	if changeSet != "" {
		set, err := s.askSet(ctx, c, region, "GetTemplate", changeSet, name)
		if err != nil {
			return "", err
		}
		return set.Definition.Template, nil
	}
	if err := s.ask(ctx, c, "GetTemplate", s.stackARN(region, name), nil); err != nil {
		return "", err
	}
	v := s.find(region, name)
	if v == nil {
		return "", noStack(name)
	}
	return v.Template, nil
}

// GetStackPolicy returns a stack's policy, or "".
func (s *Service) GetStackPolicy(ctx context.Context, c iam.Caller, region, name string) (string, error) {
	v, err := s.named(ctx, c, region, "GetStackPolicy", name)
	if err != nil {
		return "", err
	}
	return v.Policy, nil
}

// Summary is what can be said of a template without a stack.
type Summary struct {
	Template     *Template
	Types        []string // of its resources
	Capabilities []string // that it needs
	Reason       string   // why
	Metadata     string   // JSON, or ""
	Identifiers  map[string][]string
}

// Summarize reads a template: GetTemplateSummary and ValidateTemplate, which is action. For a stack's own template text is "".
func (s *Service) Summarize(ctx context.Context, c iam.Caller, region, action, text, stack string) (*Summary, error) {
	resource := "*"
	if stack != "" {
		resource = s.stackARN(region, stack)
	}
	if err := s.ask(ctx, c, action, resource, nil); err != nil {
		return nil, err
	}
	if text == "" && stack != "" {
		v := s.find(region, stack)
		if v == nil {
			return nil, noStack(stack)
		}
		text = v.Template
	}
	t, err := ParseTemplate(text)
	if err != nil {
		return nil, err
	}
	sum := &Summary{Template: t, Identifiers: map[string][]string{}}
	for _, id := range t.order {
		name := t.resources[id].typeName
		sum.Types = append(sum.Types, name)
		sum.Identifiers[name] = append(sum.Identifiers[name], id)
	}
	sum.Capabilities, sum.Reason = s.Needs(t)
	if t.metadata != nil {
		b, err := json.Marshal(t.metadata.plain())
		if err != nil {
			return nil, err
		}
		sum.Metadata = string(b)
	}
	return sum, nil
}
