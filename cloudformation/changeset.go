package cloudformation

import (
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

// ChangeSet is a change of a stack that was planned and can be carried out.
type ChangeSet struct {
	ID, Name, StackID, StackName, Region string
	Kind                                 string // CREATE or UPDATE
	Description                          string
	Created                              time.Time
	Status                               string // CREATE_COMPLETE or FAILED
	Reason                               string
	Execution                            string // AVAILABLE, UNAVAILABLE, EXECUTE_COMPLETE, OBSOLETE
	Definition                           Definition
	Changes                              []Change
	OnFailure, Token                     string
	Input                                StackInput // what else execution needs
}

// Texts that clients look for.
const (
	noChanges      = "The submitted information didn't contain changes. Submit different information to create a change set."
	setComplete    = "CREATE_COMPLETE"
	setFailed      = "FAILED"
	available      = "AVAILABLE"
	unavailable    = "UNAVAILABLE"
	executed       = "EXECUTE_COMPLETE"
	obsolete       = "OBSOLETE"
	createKind     = "CREATE"
	updateKind     = "UPDATE"
	maxDescription = 1024
)

var changeSetName = regexp.MustCompile(`^[a-zA-Z][-a-zA-Z0-9]{0,127}$`)

// CreateChangeSet plans a change. kind is CREATE for a new stack, which is then in review, or UPDATE; "" is UPDATE. What is
// wrong with the template is an error; a change that changes nothing is a change set that failed.
// CloudFormation API Reference, CreateChangeSet.
func (s *Service) CreateChangeSet(ctx context.Context, c iam.Caller, name, kind, description string, in StackInput) (*ChangeSet, error) {
	keys := in.keys()
	keys["cloudformation:changesetname"] = []string{name}
	if err := s.ask(ctx, c, "CreateChangeSet", s.stackARN(in.Region, in.Name), keys); err != nil {
		return nil, err
	}
	if err := s.checkRole(ctx, c, in.Role); err != nil {
		return nil, err
	}
	if kind == "" {
		kind = updateKind
	}
	switch {
	case !changeSetName.MatchString(name):
		return nil, fault.New("ValidationError", "1 validation error detected: Value '%s' at 'changeSetName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z][-a-zA-Z0-9]*", name)
	case kind != createKind && kind != updateKind:
		return nil, fault.New("ValidationError", "glassine does not support change sets of type %s: only CREATE and UPDATE", kind)
	case len(description) > maxDescription:
		return nil, fault.New("ValidationError", "The description of a change set has at most %d characters", maxDescription)
	}
	release, err := s.take(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	v, fresh, err := s.planned(ctx, kind, &in)
	if err != nil {
		return nil, err
	}
	if old, err := s.changeSet(v.Region, name, v.ID); err == nil {
		if in.Token != "" && old.Token == in.Token {
			return old, nil
		}
		return nil, fault.New("AlreadyExistsException", "ChangeSet %s already exists", name)
	}
	old := v
	if v.Status == ReviewInProgress {
		old = nil
	}
	d, err := s.define(ctx, c, &in, old)
	if err != nil {
		return nil, err
	}
	changes, outputs, err := s.plan(ctx, old, d, v.ID, v.Name, v.Region, c.CalledVia(ServicePrincipal))
	if err != nil {
		return nil, err
	}
	set := &ChangeSet{
		ID: s.arn(in.Region, "changeSet/"+name+"/"+wire.NewRequestID()), Name: name, StackID: v.ID, StackName: v.Name, Region: v.Region, Kind: kind, Description: description,
		Created: s.cfg.Now().UTC(), Status: setComplete, Execution: available, Definition: *d, Changes: changes, OnFailure: in.OnFailure, Token: in.Token,
	}
	set.Input = StackInput{Region: in.Region, Name: in.Name, Token: in.Token, DisableRollback: in.DisableRollback}
	if old != nil && len(changes) == 0 && !outputs && sameTags(d.Tags, old.Tags) && old.Operation == nil {
		set.Status, set.Reason, set.Execution = setFailed, noChanges, unavailable
	}
	if fresh {
		if err := s.write(ctx, v, ReviewInProgress, "User Initiated"); err != nil {
			return nil, err
		}
	}
	return set, s.saveSet(ctx, set)
}

// planned returns the stack that a change set is for; fresh says that it is yet to be written.
func (s *Service) planned(ctx context.Context, kind string, in *StackInput) (v *view, fresh bool, err error) {
	v = s.find(in.Region, in.Name)
	if v != nil && !v.live() {
		v = nil
	}
	switch {
	case kind == createKind && v == nil:
		if err := checkName(in.Name); err != nil {
			return nil, false, err
		}
		return &view{
			Stack:     Stack{ID: s.newStackID(in.Region, in.Name), Name: in.Name, Region: in.Region, Created: s.cfg.Now().UTC(), Protected: in.Protected},
			resources: map[string]*StackResource{},
		}, true, nil
	case kind == createKind && v.Status == ReviewInProgress:
		return v, false, nil
	case kind == createKind:
		return nil, false, fault.New("ValidationError", "Stack [%s] already exists and cannot be created again with the changeSet [CREATE].", v.Name)
	case v == nil:
		return nil, false, fault.New("ValidationError", "Stack [%s] does not exist", in.Name)
	}
	if v, err = s.settled(ctx, v); err != nil {
		return nil, false, err
	}
	return v, false, updatable(v)
}

func (s *Service) saveSet(ctx context.Context, set *ChangeSet) error {
	b, err := json.Marshal(set)
	if err != nil {
		return err
	}
	if err := s.cfg.State.Commit(ctx, state.Change{Table: changeSetTable, Key: set.ID, Value: b}); err != nil {
		return fmt.Errorf("write the change set %s: %w", set.Name, err)
	}
	s.mu.Lock()
	s.changeSets[set.ID] = set
	s.mu.Unlock()
	return nil
}

// changeSet finds one by its ARN, or by its name and the stack's name or id.
func (s *Service) changeSet(region, name, stack string) (*ChangeSet, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if set := s.changeSets[name]; set != nil {
		return set, nil
	}
	if stack == "" && !strings.HasPrefix(name, "arn:") {
		return nil, fault.New("ValidationError", "StackName must be specified if ChangeSetName is not specified as an ARN.")
	}
	for _, set := range s.changeSets {
		if set.Name == name && (set.StackID == stack || set.StackName == stack && set.Region == region && s.stacks[set.StackID].live()) {
			return set, nil
		}
	}
	return nil, fault.New("ChangeSetNotFound", "ChangeSet [%s] does not exist", name).WithStatus(404)
}

// askSet has IAM decide about a change set, whether it is there or not.
func (s *Service) askSet(ctx context.Context, c iam.Caller, region, action, name, stack string) (*ChangeSet, error) {
	set, missing := s.changeSet(region, name, stack)
	resource := s.arn(region, "stack/*/*")
	if missing == nil {
		resource = set.StackID
	} else if stack != "" {
		resource = s.stackARN(region, stack)
	}
	if err := s.ask(ctx, c, action, resource, iam.Context{"cloudformation:changesetname": {name}}); err != nil {
		return nil, err
	}
	return set, missing
}

// DescribeChangeSet returns a change set: ChangeSetNotFound if there is none. stack may be "" when name is an ARN. It is
// read-only.
func (s *Service) DescribeChangeSet(ctx context.Context, c iam.Caller, region, name, stack string) (*ChangeSet, error) {
	return s.askSet(ctx, c, region, "DescribeChangeSet", name, stack)
}

// ListChangeSets returns the change sets of a stack that were not executed, by name.
func (s *Service) ListChangeSets(ctx context.Context, c iam.Caller, region, stack string) ([]*ChangeSet, error) {
	if err := s.ask(ctx, c, "ListChangeSets", s.stackARN(region, stack), nil); err != nil {
		return nil, err
	}
	v, err := s.existing(region, stack)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []*ChangeSet
	for _, id := range sortedKeys(s.changeSets) {
		if x := s.changeSets[id]; x.StackID == v.ID && x.Execution != executed {
			out = append(out, x)
		}
	}
	return out, nil
}

// DeleteChangeSet removes a change set. One that is not there is no error when its stack is named.
func (s *Service) DeleteChangeSet(ctx context.Context, c iam.Caller, region, name, stack string) error {
	set, err := s.askSet(ctx, c, region, "DeleteChangeSet", name, stack)
	if fault.Is(err, "ChangeSetNotFound") {
		return nil
	}
	if err != nil {
		return err
	}
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	return s.dropSets(ctx, []string{set.ID})
}

func (s *Service) dropSets(ctx context.Context, ids []string) error {
	changes := make([]state.Change, len(ids))
	for i, id := range ids {
		changes[i] = state.Change{Table: changeSetTable, Key: id}
	}
	if err := s.cfg.State.Commit(ctx, changes...); err != nil {
		return fmt.Errorf("delete change sets: %w", err)
	}
	s.mu.Lock()
	for _, id := range ids {
		delete(s.changeSets, id)
	}
	s.mu.Unlock()
	return nil
}

// Execution is how a change set is carried out.
type Execution struct {
	// DisableRollback leaves the stack as it is when something fails.
	DisableRollback bool
	Token           string
}

// ExecuteChangeSet begins to carry a change set out; all others of its stack are then gone.
// It returns the stack's id. Whether the set's role may be handed over was asked when the set was made.
// CloudFormation API Reference, ExecuteChangeSet.
func (s *Service) ExecuteChangeSet(ctx context.Context, c iam.Caller, region, name, stack string, how Execution) (id string, err error) {
	set, err := s.askSet(ctx, c, region, "ExecuteChangeSet", name, stack)
	if err != nil {
		return "", err
	}
	release, err := s.take(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	v, err := s.existing(region, set.StackID)
	if err != nil {
		return "", err
	}
	if set.Execution == executed && how.Token != "" && set.Token == how.Token {
		return set.StackID, nil
	}
	if set.Status != setComplete || set.Execution != available {
		return "", fault.New("InvalidChangeSetStatus", "ChangeSet [%s] cannot be executed in its current execution status of [%s]", set.ID, set.Execution)
	}
	if v, err = s.settled(ctx, v); err != nil {
		return "", err
	}
	in := set.Input
	in.Token, in.DisableRollback = how.Token, how.DisableRollback || set.Input.DisableRollback
	d := set.Definition
	done := *set
	done.Execution, done.Token = executed, how.Token
	if v.Status == ReviewInProgress {
		n := &view{Stack: v.Stack, resources: v.resources}
		n.ChangeSet, n.DisableRollback = set.ID, in.DisableRollback
		op := s.creation(c, &in)
		if op.OnFailure = set.OnFailure; op.OnFailure == "DO_NOTHING" {
			op.NoRollback = true
		}
		err = s.begin(ctx, n, &d, op, CreateInProgress)
	} else {
		if err := updatable(v); err != nil {
			return "", err
		}
		d.Outputs = v.Outputs
		d.Imports = append(slices.Clone(d.Imports), v.Imports...)
		n := &view{Stack: v.Stack, resources: v.resources}
		n.ChangeSet = set.ID
		err = s.beginUpdate(ctx, c, n, &d, &in)
	}
	if err != nil {
		return "", err
	}
	if err := s.saveSet(ctx, &done); err != nil {
		return "", err
	}
	return set.StackID, s.dropSets(ctx, s.otherSets(set))
}

// outdate makes the change sets of a stack that changed otherwise unfit to be executed.
func (s *Service) outdate(ctx context.Context, stackID string) error {
	for _, id := range s.otherSets(&ChangeSet{StackID: stackID}) {
		s.mu.Lock()
		old := *s.changeSets[id]
		s.mu.Unlock()
		if old.Execution != available {
			continue
		}
		old.Execution = obsolete
		if err := s.saveSet(ctx, &old); err != nil {
			return err
		}
	}
	return nil
}

// otherSets are the change sets that stop meaning anything when set is carried out: those of its stack, executed ones too.
func (s *Service) otherSets(set *ChangeSet) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []string
	for id, x := range s.changeSets {
		if x.StackID == set.StackID && id != set.ID {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}
