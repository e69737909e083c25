package cloudformation

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/state"
)

// StackInput is what CreateStack and UpdateStack are asked for.
type StackInput struct {
	Region, Name string
	// Template is the text, and URL where it came from, or "". UsePrevious takes the stack's own.
	Template, URL string
	UsePrevious   bool
	Parameters    []Parameter
	Capabilities  []string
	// Tags replaces the stack's; nil keeps them.
	Tags          []Tag
	Notifications []string
	Role          string // ARN, or "" to keep the stack's
	// ResourceTypes are the types that may be used, such as AWS::S3::*; empty means all.
	ResourceTypes []string
	Policy        *string // the stack policy; nil keeps it
	DuringUpdate  string  // a stack policy for this update alone
	// DisableRollback leaves the stack as it is when something fails.
	DisableRollback bool
	OnFailure       string // of a creation: "", ROLLBACK, DELETE, DO_NOTHING
	TimeoutMinutes  int    // of a creation; 0 is none
	Protected       bool
	Token           string
}

var stackName = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]{0,127}$`)

func checkName(name string) error {
	if stackName.MatchString(name) {
		return nil
	}
	return fault.New("ValidationError", "1 validation error detected: Value '%s' at 'stackName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", name)
}

// keys are the condition keys of a request about a template.
func (in *StackInput) keys() iam.Context {
	k := iam.Context{}
	if in.URL != "" {
		k["cloudformation:templateurl"] = []string{in.URL}
	}
	if in.Role != "" {
		k["cloudformation:rolearn"] = []string{in.Role}
	}
	if len(in.ResourceTypes) > 0 {
		k["cloudformation:resourcetypes"] = in.ResourceTypes
	}
	for _, t := range in.Tags {
		k["aws:requesttag/"+strings.ToLower(t.Key)] = []string{t.Value}
		k["aws:tagkeys"] = append(k["aws:tagkeys"], t.Key)
	}
	return k
}

// checkRole asks whether the caller may hand the role to CloudFormation.
func (s *Service) checkRole(ctx context.Context, c iam.Caller, role string) error {
	if role == "" {
		return nil
	}
	return s.cfg.IAM.AuthorizePassRole(ctx, c, role, ServicePrincipal)
}

// define settles what the stack shall be: template and parameters, over what it is now, which may be nil.
func (s *Service) define(ctx context.Context, c iam.Caller, in *StackInput, old *view) (*Definition, error) {
	d := &Definition{Template: in.Template, Tags: in.Tags, Capabilities: in.Capabilities, NotificationARN: in.Notifications, Role: in.Role}
	var previous []Parameter
	if old != nil {
		previous = old.Parameters
		d.Outputs, d.Imports = old.Outputs, old.Imports
		if in.Tags == nil {
			d.Tags = old.Tags
		}
		if in.Role == "" {
			d.Role = old.Role
		}
		if in.Notifications == nil {
			d.NotificationARN = old.NotificationARN
		}
		if in.UsePrevious {
			d.Template = old.Template
		}
	}
	if d.Template == "" {
		return nil, fault.New("ValidationError", "Either Template URL or Template Body must be specified.")
	}
	if err := checkTags(d.Tags); err != nil {
		return nil, err
	}
	t, err := parseTemplate(d.Template, in.Parameters)
	if err != nil {
		return nil, err
	}
	if d.Parameters, err = t.choose(in.Parameters, previous); err != nil {
		return nil, err
	}
	actor, err := s.actor(ctx, d.Role, c)
	if err != nil {
		return nil, err
	}
	if err := t.resolve(ctx, s.cfg.Parameters, actor, in.Region, d.Parameters); err != nil {
		return nil, err
	}
	if err := s.capabilities(t, in.Capabilities); err != nil {
		return nil, err
	}
	return d, allowedTypes(t, in.ResourceTypes)
}

// checkTags refuses tags that AWS refuses. CloudFormation API Reference, Tag.
func checkTags(tags []Tag) error {
	if len(tags) > 50 {
		return fault.New("ValidationError", "1 validation error detected: %d tags: a stack has at most 50", len(tags))
	}
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case t.Key == "" || len(t.Key) > 128 || len(t.Value) > 256:
			return fault.New("ValidationError", "Tag key must be 1 to 128 characters, and its value at most 256")
		case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return fault.New("ValidationError", "aws: prefixed tag key names are not allowed for external use.")
		case seen[t.Key]:
			return fault.New("ValidationError", "Duplicate tag keys found: %s", t.Key)
		}
		seen[t.Key] = true
	}
	return nil
}

func allowedTypes(t *Template, allowed []string) error {
	if len(allowed) == 0 {
		return nil
	}
	for _, id := range t.order {
		name := t.resources[id].typeName
		if !slices.ContainsFunc(allowed, func(a string) bool {
			prefix, wild := strings.CutSuffix(a, "*")
			return a == name || wild && strings.HasPrefix(name, prefix)
		}) {
			return fault.New("ValidationError", "Resource type %s is not allowed by parameter ResourceTypes %v", name, allowed)
		}
	}
	return nil
}

// Needs returns the capabilities that a template needs, and why.
// CloudFormation API Reference, CreateStack, Capabilities.
func (s *Service) Needs(t *Template) (needs []string, why string) {
	var types []string
	named := false
	for _, id := range t.order {
		r := t.resources[id]
		x := s.cfg.Types.Find(r.typeName)
		if x == nil || !x.Capability {
			continue
		}
		if !slices.Contains(types, r.typeName) {
			types = append(types, r.typeName)
		}
		named = named || x.NameProperty != "" && r.properties.get(x.NameProperty) != nil
	}
	if len(types) > 0 {
		needs = append(needs, map[bool]string{true: "CAPABILITY_NAMED_IAM", false: "CAPABILITY_IAM"}[named])
		why = "The following resource(s) require capabilities: [" + strings.Join(types, ", ") + "]"
	}
	if len(t.Transforms) > 0 {
		needs = append(needs, "CAPABILITY_AUTO_EXPAND")
	}
	return needs, why
}

func (s *Service) capabilities(t *Template, given []string) error {
	var missing []string
	needs, _ := s.Needs(t)
	for _, n := range needs {
		if n == "CAPABILITY_AUTO_EXPAND" && !slices.ContainsFunc(t.Transforms, func(x string) bool { return x != languageExtensions }) {
			continue // AWS wants it for macros; this one is part of the language
		}
		if !slices.Contains(given, n) && (n != "CAPABILITY_IAM" || !slices.Contains(given, "CAPABILITY_NAMED_IAM")) {
			missing = append(missing, n)
		}
	}
	if len(missing) > 0 {
		return fault.New("InsufficientCapabilitiesException", "Requires capabilities : [%s]", strings.Join(missing, ", "))
	}
	return nil
}

// newStackID makes a stack's id.
func (s *Service) newStackID(region, name string) string {
	return s.arn(region, "stack/"+name+"/"+wire.NewRequestID())
}

// repeated reports whether the call with this token was the last one that was carried out.
func repeated(v *view, token string) bool {
	return v != nil && token != "" && v.LastToken == token
}

// CreateStack begins to make a stack and returns its id. The caller needs cloudformation:CreateStack. The faults:
// AlreadyExistsException, ValidationError, InsufficientCapabilitiesException. CloudFormation API Reference, CreateStack.
func (s *Service) CreateStack(ctx context.Context, c iam.Caller, in StackInput) (string, error) {
	if err := checkName(in.Name); err != nil {
		return "", err
	}
	if err := s.ask(ctx, c, "CreateStack", s.arn(in.Region, "stack/"+in.Name+"/*"), in.keys()); err != nil {
		return "", err
	}
	if err := s.checkRole(ctx, c, in.Role); err != nil {
		return "", err
	}
	if in.OnFailure != "" && !slices.Contains([]string{"ROLLBACK", "DELETE", "DO_NOTHING"}, in.OnFailure) {
		return "", fault.New("ValidationError", "OnFailure is one of ROLLBACK, DELETE, DO_NOTHING, not %s", in.OnFailure)
	}
	if in.OnFailure != "" && in.DisableRollback {
		return "", fault.New("ValidationError", "You cannot specify both DisableRollback and OnFailure")
	}
	release, err := s.take(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	if v := s.find(in.Region, in.Name); v != nil {
		if repeated(v, in.Token) {
			return v.ID, nil
		}
		return "", fault.New("AlreadyExistsException", "Stack [%s] already exists", in.Name)
	}
	d, err := s.define(ctx, c, &in, nil)
	if err != nil {
		return "", err
	}
	id := s.newStackID(in.Region, in.Name)
	if _, _, err := s.plan(ctx, nil, d, id, in.Name, in.Region, c.CalledVia(ServicePrincipal)); err != nil {
		return "", err
	}
	v := &view{Stack: Stack{ID: id, Name: in.Name, Region: in.Region, Created: s.cfg.Now().UTC()}, resources: map[string]*StackResource{}}
	op := s.creation(c, &in)
	if in.Policy != nil {
		if _, err := parseStackPolicy(*in.Policy); err != nil {
			return "", err
		}
		v.Policy = *in.Policy
	}
	v.Protected, v.TimeoutMinutes, v.DisableRollback = in.Protected, in.TimeoutMinutes, in.DisableRollback
	return id, s.begin(ctx, v, d, op, CreateInProgress)
}

func (s *Service) creation(c iam.Caller, in *StackInput) *Operation {
	op := &Operation{ID: wire.NewRequestID(), Phase: forward, Caller: c, Token: in.Token, OnFailure: in.OnFailure, NoRollback: in.DisableRollback}
	if in.TimeoutMinutes > 0 {
		op.Deadline = s.cfg.Now().Add(time.Duration(in.TimeoutMinutes) * time.Minute)
	}
	return op
}

// begin writes the operation down and has it carried out. The turn is held. d nil keeps the definition.
func (s *Service) begin(ctx context.Context, v *view, d *Definition, op *Operation, status Status) error {
	n := &view{Stack: v.Stack, resources: v.resources}
	if d != nil {
		n.Definition = *d
	}
	n.Operation, n.LastToken = op, op.Token
	return s.write(ctx, n, status, "User Initiated")
}

// write puts a stack's status down with an event, and has its operation carried out. The turn is held and no conductor is at
// work on the stack.
func (s *Service) write(ctx context.Context, v *view, status Status, reason string) error {
	c := &conductor{s: s, st: v.Stack, res: v.resources}
	c.stack(status, reason)
	if err := s.cfg.State.Commit(ctx, c.changes...); err != nil && !s.written(ctx, v.ID, c.changes) {
		return fmt.Errorf("write the stack %s: %w", v.Name, err)
	}
	n := c.view()
	s.publish(n)
	s.mu.Lock()
	defer s.mu.Unlock()
	if n.Operation != nil && n.Operation.Phase != parked {
		s.conduct(n)
	}
	return nil
}

// written reports whether a commit that failed was made all the same: the stack's record, which is part of it, is there.
func (s *Service) written(ctx context.Context, id string, changes []state.Change) bool {
	r, err := s.cfg.State.Get(context.WithoutCancel(ctx), stackTable, id)
	return err == nil && slices.ContainsFunc(changes, func(c state.Change) bool { return c.Table == stackTable && bytes.Equal(c.Value, r.Value) })
}

// save writes a stack's record without an event: what is not part of operations.
func (s *Service) save(ctx context.Context, v *view) error {
	b, err := json.Marshal(&v.Stack)
	if err != nil {
		return err
	}
	if err := s.cfg.State.Commit(ctx, state.Change{Table: stackTable, Key: v.ID, Value: b}); err != nil {
		return fmt.Errorf("write the stack %s: %w", v.Name, err)
	}
	s.publish(v)
	return nil
}

// existing finds a stack that is there.
func (s *Service) existing(region, name string) (*view, error) {
	v := s.find(region, name)
	if v == nil || !v.live() {
		return nil, fault.New("ValidationError", "Stack [%s] does not exist", name)
	}
	return v, nil
}

// settled waits for the conductor of a stack to go, whose status says that it is done, and returns the stack as it is then.
func (s *Service) settled(ctx context.Context, v *view) (*view, error) {
	for {
		s.mu.Lock()
		c := s.conductors[v.ID]
		now := s.stacks[v.ID]
		s.mu.Unlock()
		if c == nil || now.Status.running() {
			return now, nil
		}
		select {
		case <-c.ended:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// updatable are the statuses in which a stack can be updated.
func updatable(v *view) error {
	switch v.Status {
	case CreateComplete, UpdateComplete, UpdateBackDone, UpdateFailed, CreateFailed:
		return nil
	}
	return fault.New("ValidationError", "Stack:%s is in %s state and can not be updated.", v.ID, v.Status)
}

// noUpdates is the whole text that clients compare.
const noUpdates = "No updates are to be performed."

// UpdateStack begins to change a stack and returns its id. When the template and all else changes nothing it is refused with
// the text "No updates are to be performed.". CloudFormation API Reference, UpdateStack.
func (s *Service) UpdateStack(ctx context.Context, c iam.Caller, in StackInput) (string, error) {
	if err := s.ask(ctx, c, "UpdateStack", s.stackARN(in.Region, in.Name), in.keys()); err != nil {
		return "", err
	}
	if err := s.checkRole(ctx, c, in.Role); err != nil {
		return "", err
	}
	release, err := s.take(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	v, err := s.existing(in.Region, in.Name)
	if err != nil {
		return "", err
	}
	if v, err = s.settled(ctx, v); err != nil {
		return "", err
	}
	if repeated(v, in.Token) {
		return v.ID, nil
	}
	if err := updatable(v); err != nil {
		return "", err
	}
	d, err := s.define(ctx, c, &in, v)
	if err != nil {
		return "", err
	}
	imports := d.Imports
	changes, outputs, err := s.plan(ctx, v, d, v.ID, v.Name, v.Region, c.CalledVia(ServicePrincipal))
	if err != nil {
		return "", err
	}
	if len(changes) == 0 && !outputs && sameTags(d.Tags, v.Tags) && v.Operation == nil {
		return "", fault.New("ValidationError", noUpdates)
	}
	d.Imports = append(d.Imports, imports...)
	if err := s.beginUpdate(ctx, c, v, d, &in); err != nil {
		return "", err
	}
	return v.ID, s.outdate(ctx, v.ID)
}

// beginUpdate begins an update that is planned.
func (s *Service) beginUpdate(ctx context.Context, c iam.Caller, v *view, d *Definition, in *StackInput) error {
	n := &view{Stack: v.Stack, resources: v.resources}
	for _, p := range []*string{in.Policy, &in.DuringUpdate} {
		if p == nil {
			continue
		}
		if _, err := parseStackPolicy(*p); err != nil {
			return err
		}
	}
	if in.Policy != nil {
		n.Policy = *in.Policy
	}
	op := &Operation{ID: wire.NewRequestID(), Phase: forward, Caller: c, Token: in.Token, NoRollback: in.DisableRollback, DuringUpdate: in.DuringUpdate}
	if failed := v.Operation; failed != nil { // going on with what failed: the way back is still to where it was good
		op.Previous = failed.Previous
	} else {
		previous := v.Definition
		op.Previous = &previous
	}
	n.DisableRollback, n.Updated = in.DisableRollback, s.cfg.Now().UTC()
	return s.begin(ctx, n, d, op, UpdateInProgress)
}
