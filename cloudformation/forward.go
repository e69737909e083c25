package cloudformation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
)

// forward makes and changes resources until the stack is what its definition says, and goes back when one fails. Whatever is
// as it shall be is left alone, so that it can be begun again at any point.
func (c *conductor) forward() error {
	op := c.st.Operation
	if !op.Deadline.IsZero() {
		timer := time.AfterFunc(op.Deadline.Sub(c.s.cfg.Now()), func() {
			_, _ = c.tell(c.s.ctx, func() { c.interrupt("Stack creation time exceeded the specified timeout.") }) // too late is no error
		})
		defer timer.Stop()
	}
	caller, err := c.s.actor(c.s.ctx, c.st.Role, op.Caller)
	if err != nil {
		return c.failed(faultText(err))
	}
	want, err := c.s.compute(c.s.ctx, &c.st.Definition, c.st.ID, c.st.Name, c.st.Region, caller)
	if err != nil {
		return c.failed(faultText(err))
	}
	want.eval.resource = c.resource(want)
	guard, err := c.guard()
	if err != nil {
		return c.failed(faultText(err))
	}
	for _, id := range sortedKeys(c.res) {
		if _, kept := want.wanted[id]; !kept && !c.res[id].Gone {
			if err := guard.allows("Update:Delete", id, c.res[id].Type); err != nil {
				return c.failed(faultText(err))
			}
		}
	}
	bad, err := c.walk(want.wanted, false, func(id string) (task, error) { return c.converge(want, guard, id) })
	if err != nil {
		return err
	}
	if c.interrupted != "" || len(bad) > 0 {
		return c.failed(c.failure(bad))
	}
	outputs, err := want.outputs()
	if err != nil {
		return c.failed(faultText(err))
	}
	if err := c.s.reserve(c.view(), outputs); err != nil {
		return c.failed(faultText(err))
	}
	c.st.Outputs, c.st.Imports = outputs, sortedKeys(want.eval.imported)
	if op.Previous == nil && !c.left() {
		c.over(CreateComplete, "")
		return nil
	}
	op.Phase = cleanup
	if op.Previous == nil { // a creation that was gone on with
		c.header()
		return nil
	}
	c.stack(CleanupInProgress, "")
	return nil
}

// left reports whether anything is to be deleted after going forward.
func (c *conductor) left() bool {
	for _, r := range c.res {
		if len(r.Old) > 0 {
			return true
		}
	}
	return false
}

// failure is what a stack says when resources failed.
func (c *conductor) failure(bad []string) string {
	if c.interrupted != "" {
		return c.interrupted
	}
	made, changed := []string{}, []string{}
	for _, id := range bad {
		if r := c.res[id]; r != nil && r.Status == UpdateFailed {
			changed = append(changed, id)
		} else {
			made = append(made, id)
		}
	}
	var parts []string
	if len(made) > 0 {
		parts = append(parts, "The following resource(s) failed to create: ["+strings.Join(made, ", ")+"]. ")
	}
	if len(changed) > 0 {
		parts = append(parts, "The following resource(s) failed to update: ["+strings.Join(changed, ", ")+"]. ")
	}
	return strings.Join(parts, "")
}

// resource is how references find the resources that are there.
func (c *conductor) resource(want *computed) func(string) (any, func(string) (any, error), error) {
	return func(id string) (any, func(string) (any, error), error) {
		r := c.res[id]
		if _, wanted := want.wanted[id]; !wanted || r == nil || r.Gone || r.PhysicalID == "" {
			return nil, nil, fault.New("ValidationError", "Template format error: Unresolved resource dependencies [%s] in the template", id)
		}
		return r.PhysicalID, func(name string) (any, error) {
			if v, ok := attributeOf(&r.Image, name); ok {
				return v, nil
			}
			return c.read(want, r, name)
		}, nil
	}
}

// read asks for an attribute that was not known when the resource was made.
func (c *conductor) read(want *computed, r *StackResource, name string) (any, error) {
	t := c.s.cfg.Types.Find(r.Type)
	if t == nil || !t.attribute(name) {
		return nil, noAttribute(r.Type, r.LogicalID, name)
	}
	ctx, cancel := context.WithTimeout(c.s.ctx, lookTime)
	defer cancel()
	q := c.request(&r.Image, r.LogicalID)
	q.Caller = want.caller
	got, err := t.Handler.Read(ctx, q)
	if err != nil {
		return nil, fault.New("ValidationError", "Unable to retrieve %s attribute of %s", name, r.LogicalID)
	}
	v, ok := attributeOf(&Image{Attributes: got.Attributes}, name)
	if !ok {
		return nil, noAttribute(r.Type, r.LogicalID, name)
	}
	return v, nil
}

func noAttribute(typeName, id, name string) error {
	return fault.New("ValidationError", "Template error: resource %s does not support attribute type %s in Fn::GetAtt: it is an %s", id, name, typeName)
}

// request is one about a resource that is there.
func (c *conductor) request(m *Image, id string) *Request {
	return &Request{
		Account: c.s.cfg.IAM.Account(), Region: c.st.Region, StackID: c.st.ID, StackName: c.st.Name, LogicalID: id, Type: m.Type, Properties: m.Properties,
		PhysicalID: m.PhysicalID, Attributes: m.Attributes, Tags: c.st.Tags, PreviousTags: m.Tags,
	}
}

// converge says how one resource becomes what it shall be. It runs when all that it refers to is there.
func (c *conductor) converge(want *computed, guard *stackPolicy, id string) (task, error) {
	r := c.edit(id)
	m, err := want.image(id)
	if err != nil {
		r.Type = m.Type
		c.status(r, c.failing(r), faultText(err))
		return task{}, err
	}
	m.Tags = c.st.Tags
	t := c.s.cfg.Types.Find(m.Type)
	do, why := create, ""
	if r.PhysicalID != "" && !r.Gone {
		var force []string
		do, _, force = compare(t, &r.Image, m, !sameTags(r.Tags, m.Tags))
		if do == replace {
			why = "Requested update requires the creation of a new physical resource; hence creating one."
			if _, named := m.Properties[t.NameProperty]; named && !slices.Contains(force, t.NameProperty) && r.Type == m.Type {
				err = fault.New("ValidationError", "CloudFormation cannot update a stack when a custom-named resource requires replacing. Rename %s and update the stack again. (%s forces it)",
					m.Properties.Text(t.NameProperty), strings.Join(force, ", "))
			}
		}
		if r.Status == UpdateFailed && do < update {
			do = update // nobody knows how far it came
		}
		if ask := map[action]string{update: "Update:Modify", replace: "Update:Replace"}[do]; ask != "" && err == nil {
			err = guard.allows(ask, id, m.Type)
		}
	}
	if err != nil {
		c.status(r, UpdateFailed, faultText(err))
		return task{}, err
	}
	switch do {
	case nothing:
		return task{}, nil
	case recordOnly:
		c.touch(r)
		keep := r.Image
		r.Image = m
		r.PhysicalID, r.Attributes, r.NoEcho = keep.PhysicalID, keep.Attributes, keep.NoEcho
		c.put(r)
		return task{}, nil
	case update:
		return c.alter(want, t, r, m), nil
	}
	return c.make(want, t, r, m, why), nil
}

// failing is the status of a resource that could not become what it shall be.
func (c *conductor) failing(r *StackResource) Status {
	if r.PhysicalID != "" && !r.Gone {
		return UpdateFailed
	}
	return CreateFailed
}

// touch keeps what the resource was before the operation.
func (c *conductor) touch(r *StackResource) {
	if r.Touched {
		return
	}
	r.Touched = true
	if r.PhysicalID != "" && !r.Gone {
		before := r.Image
		r.Before = &before
	}
}

// begin puts a step into the journal, or goes on with the one that is there. It reports whether it was begun before.
func (c *conductor) begin(r *StackResource, action string, m Image) (retry bool) {
	c.touch(r)
	if s := r.Step; s != nil && s.Action == action && !s.Failed {
		s.Image = m
		return true
	}
	r.Step = &Step{Action: action, Token: wire.NewRequestID(), Begun: c.s.cfg.Now().UTC(), Image: m}
	return false
}

// make creates a resource, the first of its name or one in the place of another.
func (c *conductor) make(want *computed, t *Type, r *StackResource, m Image, why string) task {
	id := r.LogicalID
	replaces := r.PhysicalID != "" && !r.Gone
	doing, done := CreateInProgress, CreateComplete
	if replaces {
		doing, done = UpdateInProgress, UpdateComplete
	}
	if old := r.Step; old != nil && old.Failed && old.PhysicalID != "" {
		// An attempt before this one left something.
		left := old.Image
		left.PhysicalID = old.PhysicalID
		r.Old = append(r.Old, left)
	}
	retry := c.begin(r, "create", m)
	if !replaces {
		r.Image = Image{Type: m.Type}
		r.Gone = false
	}
	if !retry {
		c.status(r, doing, why)
	} else {
		c.put(r)
	}
	q := c.request(&m, id)
	q.Caller, q.Token, q.Retry, q.Begun, q.PhysicalID, q.PreviousTags = want.caller, r.Step.Token, retry, r.Step.Begun, r.Step.PhysicalID, nil
	q.note = c.noter(id)
	return task{
		work: func(ctx context.Context) (Resource, error) {
			ctx, cancel := t.within(ctx)
			defer cancel()
			return t.Handler.Create(ctx, q)
		},
		done: func(made Resource, err error) error {
			r := c.edit(id)
			if made.PhysicalID == "" {
				made.PhysicalID = r.Step.PhysicalID
			}
			if err == nil && made.PhysicalID == "" {
				err = fmt.Errorf("the handler of %s made a resource without an id", m.Type)
			}
			if err != nil {
				r.Step.PhysicalID, r.Step.Failed = made.PhysicalID, true
				c.status(r, map[bool]Status{true: UpdateFailed, false: CreateFailed}[replaces], c.reason(r, err))
				return err
			}
			if r.Step.PhysicalID == "" && !replaces {
				r.PhysicalID = made.PhysicalID
				c.status(r, doing, "Resource creation Initiated")
			}
			c.settle(r, made, done)
			return nil
		},
	}
}

// settle records that a step made the resource what it shall be.
func (c *conductor) settle(r *StackResource, made Resource, status Status) {
	before := r.Image
	replaced := before.PhysicalID != "" && before.PhysicalID != made.PhysicalID
	if replaced && (r.Before == nil || r.Before.PhysicalID != before.PhysicalID) {
		r.Old = append(r.Old, before)
	}
	r.Image = r.Step.Image
	r.PhysicalID, r.Attributes, r.NoEcho = made.PhysicalID, made.Attributes, made.NoEcho
	r.Step = nil
	c.status(r, status, "")
}

// noter writes a physical id to the journal when a handler says it.
func (c *conductor) noter(id string) func(context.Context, string) error {
	return func(ctx context.Context, physical string) error {
		var err error
		_, told := c.tell(ctx, func() {
			r := c.edit(id)
			if r.Step == nil || r.Step.PhysicalID == physical {
				return
			}
			r.Step.PhysicalID = physical
			if r.PhysicalID == "" {
				r.PhysicalID = physical
				c.status(r, r.Status, "Resource creation Initiated")
				r.PhysicalID = ""
			}
			c.put(r)
			err = c.commit()
		})
		if told != nil {
			return told
		}
		return err
	}
}

// alter updates a resource in its place.
func (c *conductor) alter(want *computed, t *Type, r *StackResource, m Image) task {
	id := r.LogicalID
	previous := r.Image
	if r.Step != nil && r.Step.Failed && r.Step.Action == "update" {
		previous = r.Step.Image // perhaps
		previous.PhysicalID, previous.Attributes = r.PhysicalID, r.Attributes
	}
	retry := c.begin(r, "update", m)
	if !retry {
		c.status(r, UpdateInProgress, "")
	} else {
		c.put(r)
	}
	q := c.request(&m, id)
	q.Caller, q.Token, q.Retry, q.Begun = want.caller, r.Step.Token, retry, r.Step.Begun
	q.PhysicalID, q.Attributes, q.Previous, q.PreviousTags = r.PhysicalID, r.Attributes, previous.Properties, previous.Tags
	if p, err := t.conform(previous.Properties); err == nil {
		q.Previous = p
	}
	q.note = c.noter(id)
	return task{
		work: func(ctx context.Context) (Resource, error) {
			ctx, cancel := t.within(ctx)
			defer cancel()
			return t.Handler.Update(ctx, q)
		},
		done: func(made Resource, err error) error {
			r := c.edit(id)
			if err != nil {
				r.Step.Failed = true
				if made.PhysicalID != "" && made.PhysicalID != r.PhysicalID {
					r.Step.PhysicalID = made.PhysicalID
				}
				c.status(r, UpdateFailed, c.reason(r, err))
				return err
			}
			if made.PhysicalID == "" {
				made.PhysicalID = r.PhysicalID
			}
			if made.Attributes == nil {
				made.Attributes = r.Attributes
			}
			c.settle(r, made, UpdateComplete)
			return nil
		},
	}
}

// failed ends going forward: the stack goes back, or stays as it is.
func (c *conductor) failed(why string) error {
	op := c.st.Operation
	op.Failure = why
	creating := op.Previous == nil
	switch {
	case c.deleting != nil:
		c.startDeletion()
	case op.NoRollback || creating && op.OnFailure == "DO_NOTHING":
		op.Phase = parked
		c.stack(map[bool]Status{true: CreateFailed, false: UpdateFailed}[creating], why)
	case creating && op.OnFailure == "DELETE":
		op.Phase = deletion
		c.stack(DeleteInProgress, why+"Delete requested by user.")
	case creating:
		op.Phase = rollbackCleanup
		c.stack(RollbackProgress, strings.TrimSuffix(why, " ")+" Rollback requested by user.")
	default:
		op.Phase = rollback
		c.stack(UpdateBack, why)
	}
	c.interrupted, c.wake = "", make(chan struct{})
	return nil
}

// over ends the operation: nothing of it can be undone any more.
func (c *conductor) over(status Status, reason string) {
	for _, id := range sortedKeys(c.res) {
		r := c.edit(id)
		if r.Touched || r.Step != nil || r.Old != nil {
			r.Touched, r.Before, r.Old, r.Step = false, nil, nil, nil
			c.put(r)
		}
	}
	if status != CreateComplete && status != DeleteComplete {
		c.st.Updated = c.s.cfg.Now().UTC()
	}
	c.stack(status, reason)
	c.st.Operation = nil
	c.header()
}
