package cloudformation

import (
	"context"
	"slices"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/iam"
)

// DeleteInput is what DeleteStack is asked for.
type DeleteInput struct {
	Region, Name string
	Role         string   // ARN, or "" for the stack's
	Retain       []string // logical ids to leave, of a stack whose deletion failed
	Force        bool     // leave what cannot be deleted
	Token        string
}

// DeleteStack begins to delete a stack. One that is not there is no error. A stack that is being created is deleted after
// what is under way; one that is being updated or deleted is refused, or left to it.
// CloudFormation API Reference, DeleteStack.
func (s *Service) DeleteStack(ctx context.Context, c iam.Caller, in DeleteInput) error {
	if err := s.ask(ctx, c, "DeleteStack", s.stackARN(in.Region, in.Name), nil); err != nil {
		return err
	}
	if err := s.checkRole(ctx, c, in.Role); err != nil {
		return err
	}
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	v := s.find(in.Region, in.Name)
	if v == nil || !v.live() {
		return nil
	}
	if v, err = s.settled(ctx, v); err != nil {
		return err
	}
	if v.Protected {
		return fault.New("ValidationError", "Stack [%s] cannot be deleted while TerminationProtection is enabled", v.Name)
	}
	if len(in.Retain) > 0 && v.Status != DeleteFailed {
		return fault.New("ValidationError", "Invalid operation on stack [%s]. When you delete a stack, specify which resources to retain only when the stack is in the DELETE_FAILED state.", v.ID)
	}
	for _, id := range in.Retain {
		if v.resources[id] == nil {
			return fault.New("ValidationError", "The specified resources to retain [%s] are not in the stack", id)
		}
	}
	n := &view{Stack: v.Stack, resources: v.resources}
	if in.Role != "" {
		n.Role = in.Role
	}
	op := &Operation{ID: wire.NewRequestID(), Phase: deletion, Caller: c, Token: in.Token, Retain: in.Retain, Force: in.Force}
	switch {
	case v.Status == DeleteInProgress:
		return nil
	case v.Status == CreateInProgress:
		return s.deleteAfter(ctx, v, op)
	case v.Status.running():
		return fault.New("ValidationError", "Stack [%s] cannot be deleted while in status %s", v.Name, v.Status)
	}
	if err := s.dropSets(ctx, s.otherSets(&ChangeSet{StackID: v.ID})); err != nil {
		return err
	}
	return s.begin(ctx, n, nil, op, DeleteInProgress)
}

// deleteAfter has the conductor that creates a stack delete it.
func (s *Service) deleteAfter(ctx context.Context, v *view, op *Operation) error {
	s.mu.Lock()
	c := s.conductors[v.ID]
	s.mu.Unlock()
	if c == nil { // before Start
		return s.begin(ctx, v, nil, op, DeleteInProgress)
	}
	told, err := c.tell(ctx, func() {
		c.deleting = op
		c.interrupt("Resource creation cancelled")
	})
	if err != nil || told {
		return err
	}
	v, err = s.settled(ctx, v)
	if err != nil {
		return err
	}
	return s.begin(ctx, v, nil, op, DeleteInProgress)
}

// CancelUpdateStack ends an update that is under way, which then goes back.
// CloudFormation API Reference, CancelUpdateStack.
func (s *Service) CancelUpdateStack(ctx context.Context, c iam.Caller, region, name string) error {
	if err := s.ask(ctx, c, "CancelUpdateStack", s.stackARN(region, name), nil); err != nil {
		return err
	}
	v, err := s.existing(region, name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	conducting := s.conductors[v.ID]
	s.mu.Unlock()
	if v.Status != UpdateInProgress || conducting == nil {
		return fault.New("ValidationError", "CancelUpdateStack cannot be called from current stack status")
	}
	told, err := conducting.tell(ctx, func() {
		if conducting.st.Status == UpdateInProgress {
			conducting.interrupt("User Initiated")
		}
	})
	if err == nil && !told {
		err = fault.New("ValidationError", "CancelUpdateStack cannot be called from current stack status")
	}
	return err
}

// ContinueUpdateRollback goes on with putting a stack back that could not be; skip are resources to leave as they are.
// CloudFormation API Reference, ContinueUpdateRollback.
func (s *Service) ContinueUpdateRollback(ctx context.Context, c iam.Caller, region, name, role string, skip []string, token string) error {
	return s.goBack(ctx, c, region, name, role, token, "ContinueUpdateRollback", func(v *view, op *Operation) (Status, error) {
		if v.Status != UpdateBackFailed {
			return "", fault.New("ValidationError", "Stack:%s is in %s state and can not continue rollback.", v.ID, v.Status)
		}
		var wrong []string
		for _, id := range skip {
			if r := v.resources[id]; r == nil || r.Status != UpdateFailed {
				wrong = append(wrong, id)
			}
		}
		if len(wrong) > 0 {
			return "", fault.New("ValidationError", "The specified resources to skip are not in UPDATE_FAILED state: [%s]", strings.Join(wrong, ", "))
		}
		op.Skip, op.Phase = skip, rollback
		return UpdateBack, nil
	})
}

// RollbackStack puts a stack back whose creation or update failed and was left as it was.
// CloudFormation API Reference, RollbackStack.
func (s *Service) RollbackStack(ctx context.Context, c iam.Caller, region, name, role, token string) (id string, err error) {
	err = s.goBack(ctx, c, region, name, role, token, "RollbackStack", func(v *view, op *Operation) (Status, error) {
		id = v.ID
		switch {
		case v.Status == CreateFailed || v.Status == UpdateFailed && op.Previous == nil:
			op.Phase = rollbackCleanup
			return RollbackProgress, nil
		case v.Status == UpdateFailed:
			op.Phase = rollback
			return UpdateBack, nil
		}
		return "", fault.New("ValidationError", "Stack:%s is in %s state and can not be rolled back.", v.ID, v.Status)
	})
	return id, err
}

// goBack begins a way back that choose decides.
func (s *Service) goBack(ctx context.Context, c iam.Caller, region, name, role, token, action string, choose func(*view, *Operation) (Status, error)) error {
	if err := s.ask(ctx, c, action, s.stackARN(region, name), nil); err != nil {
		return err
	}
	if err := s.checkRole(ctx, c, role); err != nil {
		return err
	}
	release, err := s.take(ctx)
	if err != nil {
		return err
	}
	defer release()
	v, err := s.existing(region, name)
	if err != nil {
		return err
	}
	if v, err = s.settled(ctx, v); err != nil {
		return err
	}
	op := Operation{}
	if v.Operation != nil {
		op = *v.Operation
	}
	status, err := choose(v, &op)
	if err != nil {
		return err
	}
	op.ID, op.Caller, op.Token = wire.NewRequestID(), c, token
	n := &view{Stack: v.Stack, resources: v.resources}
	if role != "" {
		n.Role = role
	}
	return s.begin(ctx, n, nil, &op, status)
}

// UpdateTerminationProtection says whether a stack can be deleted, and returns its id.
func (s *Service) UpdateTerminationProtection(ctx context.Context, c iam.Caller, region, name string, on bool) (string, error) {
	return s.set(ctx, c, region, name, "UpdateTerminationProtection", func(st *Stack) { st.Protected = on })
}

// SetStackPolicy replaces a stack's policy, a JSON document.
func (s *Service) SetStackPolicy(ctx context.Context, c iam.Caller, region, name, policy string) error {
	if _, err := parseStackPolicy(policy); err != nil {
		return err
	}
	_, err := s.set(ctx, c, region, name, "SetStackPolicy", func(st *Stack) { st.Policy = policy })
	return err
}

// set changes what is not part of an operation, whether or not one is under way.
func (s *Service) set(ctx context.Context, c iam.Caller, region, name, action string, change func(*Stack)) (string, error) {
	if err := s.ask(ctx, c, action, s.stackARN(region, name), nil); err != nil {
		return "", err
	}
	release, err := s.take(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	v, err := s.existing(region, name)
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	conducting := s.conductors[v.ID]
	s.mu.Unlock()
	if conducting != nil {
		var failed error
		told, err := conducting.tell(ctx, func() {
			change(&conducting.st)
			conducting.header()
			failed = conducting.commit()
		})
		if err != nil || told {
			return v.ID, firstError(err, failed)
		}
		if v, err = s.settled(ctx, v); err != nil {
			return "", err
		}
	}
	n := &view{Stack: v.Stack, resources: v.resources}
	change(&n.Stack)
	return n.ID, s.save(ctx, n)
}

func firstError(errs ...error) error {
	i := slices.IndexFunc(errs, func(e error) bool { return e != nil })
	if i < 0 {
		return nil
	}
	return errs[i]
}
