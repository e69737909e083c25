package cloudformation

import (
	"context"
	"slices"
	"strings"

	"glassine/aws/wire"
	"glassine/iam"
)

// remnant is a physical resource that is to be deleted, or left behind.
type remnant struct {
	Image
	keep bool
}

// retained reports whether a policy leaves the resource. A resource that the failed operation itself made is left by Retain
// but not by RetainExceptOnCreate. CloudFormation User Guide, "DeletionPolicy attribute".
func retained(policy string, undone bool) bool {
	return policy == "Retain" || policy == "RetainExceptOnCreate" && !undone
}

// physical returns the images among list that are of something, each once.
func physical(list ...Image) []Image {
	var out []Image
	for _, m := range list {
		if m.PhysicalID != "" && !slices.ContainsFunc(out, func(o Image) bool { return o.PhysicalID == m.PhysicalID && o.Type == m.Type }) {
			out = append(out, m)
		}
	}
	return out
}

// noted is what a step that failed left behind, if its handler said what.
func (r *StackResource) noted() Image {
	if r.Step == nil {
		return Image{}
	}
	m := r.Step.Image
	m.PhysicalID = r.Step.PhysicalID
	if m.PhysicalID == r.PhysicalID {
		return Image{}
	}
	return m
}

// discard deletes remnants, by logical id, each before what it depends on. finish is called when all of an id are gone. It
// returns the ids of those that could not be deleted.
func (c *conductor) discard(all map[string][]remnant, goOn bool, finish func(id string)) ([]string, error) {
	caller, err := c.s.actor(c.s.ctx, c.st.Role, c.st.Operation.Caller)
	if err != nil {
		var ids []string
		for _, id := range sortedKeys(all) {
			r := c.edit(id)
			c.status(r, DeleteFailed, faultText(err))
			ids = append(ids, id)
		}
		return ids, nil
	}
	g := map[string][]string{}
	for id, list := range all {
		g[id] = nil
		for _, m := range list {
			g[id] = append(g[id], m.DependsOn...)
		}
		g[id] = slices.DeleteFunc(sortedKeys(setOf(g[id])), func(on string) bool { return on == id || all[on] == nil })
	}
	// What was made by two templates may go round in a circle: then the order of what is in it does not matter.
	for loop := circle(g); loop != nil; loop = circle(g) {
		g[loop[0]] = nil
	}
	return c.walk(reversed(g), goOn, func(id string) (task, error) { return c.removal(id, all[id], caller, finish), nil })
}

func setOf(list []string) map[string]bool {
	m := map[string]bool{}
	for _, x := range list {
		m[x] = true
	}
	return m
}

// remnantStatus is the status of one remnant, with the image that it was.
func (c *conductor) remnantStatus(id string, m Image, status Status, reason string) {
	r := c.edit(id)
	shown := *r
	shown.Image = m
	at := c.event(Event{LogicalID: id, PhysicalID: m.PhysicalID, Type: m.Type, Status: status, Reason: reason, Properties: c.shown(&shown)})
	if r.PhysicalID == m.PhysicalID || r.PhysicalID == "" {
		if r.PhysicalID == "" {
			r.Type = m.Type
		}
		r.Status, r.Reason, r.Updated = status, reason, at
		c.put(r)
	}
}

func (c *conductor) removal(id string, list []remnant, who iam.Caller, finish func(string)) task {
	var deletes []Image
	for _, m := range list {
		if m.keep {
			c.remnantStatus(id, m.Image, DeleteSkipped, "")
			continue
		}
		deletes = append(deletes, m.Image)
		c.remnantStatus(id, m.Image, DeleteInProgress, c.trespass(id, &m.Image))
	}
	if len(deletes) == 0 {
		finish(id)
		return task{}
	}
	failedAt := 0
	return task{
		work: func(ctx context.Context) (Resource, error) {
			for i := range deletes {
				if err := c.deleteOne(ctx, id, &deletes[i], who); err != nil {
					failedAt = i
					return Resource{}, err
				}
			}
			failedAt = len(deletes)
			return Resource{}, nil
		},
		done: func(_ Resource, err error) error {
			for i := range min(failedAt, len(deletes)) {
				c.remnantStatus(id, deletes[i], DeleteComplete, "")
			}
			if err != nil {
				c.remnantStatus(id, deletes[failedAt], DeleteFailed, c.reason(c.edit(id), err))
				return err
			}
			finish(id)
			return nil
		},
	}
}

// deleteOne has the type delete one physical resource. A type that is not known any more has nothing to delete with.
func (c *conductor) deleteOne(ctx context.Context, id string, m *Image, who iam.Caller) error {
	t := c.s.cfg.Types.Find(m.Type)
	if t == nil {
		return unknownType(m.Type)
	}
	ctx, cancel := t.within(ctx)
	defer cancel()
	q := c.request(m, id)
	q.Caller, q.Token = who, wire.NewRequestID()
	if p, err := t.conform(m.Properties); err == nil {
		q.Properties = p
	}
	return t.Handler.Delete(ctx, q)
}

// cleanup deletes what an update replaced or left out. What cannot be deleted stays, and the update is complete all the same.
// CloudFormation User Guide, "Update behaviors of stack resources".
func (c *conductor) cleanup() error {
	op := c.st.Operation
	wanted, err := c.wanted()
	if err != nil {
		return err
	}
	all := map[string][]remnant{}
	for id, r := range c.res {
		var list []Image
		if r.Before != nil && r.Before.PhysicalID != r.PhysicalID {
			list = append(list, *r.Before)
		}
		list = append(append(list, r.Old...), r.noted())
		for _, m := range physical(list...) {
			if m.PhysicalID != r.PhysicalID {
				all[id] = append(all[id], remnant{m, retained(m.UpdateReplacePolicy, false)})
			}
		}
		if !wanted[id] && !r.Gone && r.PhysicalID != "" {
			all[id] = append(all[id], remnant{r.Image, retained(r.DeletionPolicy, false)})
		}
	}
	if _, err := c.discard(all, true, func(id string) {
		r := c.edit(id)
		r.Old = nil
		if r.Before != nil && r.Before.PhysicalID != r.PhysicalID {
			r.Before = nil
		}
		r.Gone = !wanted[id]
		c.put(r)
	}); err != nil {
		return err
	}
	for _, id := range sortedKeys(c.res) {
		if !wanted[id] {
			c.forget(id)
		}
	}
	status := UpdateComplete
	if op.Previous == nil {
		status = CreateComplete
	}
	c.over(status, "")
	return nil
}

// wanted are the logical ids of the stack's definition. It was computed before without an error.
func (c *conductor) wanted() (map[string]bool, error) {
	want, err := c.s.compute(c.s.ctx, &c.st.Definition, c.st.ID, c.st.Name, c.st.Region, c.st.Operation.Caller)
	if err != nil {
		return nil, err
	}
	out := map[string]bool{}
	for id := range want.wanted {
		out[id] = true
	}
	return out, nil
}

// rollback puts back what an update changed, in the order in which it was first made.
func (c *conductor) rollback() error {
	op := c.st.Operation
	c.st.Definition = keepRole(*op.Previous, c.st.Role)
	c.header()
	caller, err := c.s.actor(c.s.ctx, c.st.Role, op.Caller)
	if err != nil {
		op.Phase = parked
		c.stack(UpdateBackFailed, faultText(err))
		return nil
	}
	g := map[string][]string{}
	for id, r := range c.res {
		if r.Before != nil {
			g[id] = r.Before.DependsOn
		}
	}
	bad, err := c.walk(g, true, func(id string) (task, error) { return c.restore(id, caller) })
	if err != nil {
		return err
	}
	if len(bad) > 0 {
		op.Phase = parked
		c.stack(UpdateBackFailed, "The following resource(s) failed to update: ["+strings.Join(bad, ", ")+"]. ")
		return nil
	}
	op.Phase = rollbackCleanup
	c.stack(UpdateBackCleanup, "")
	return nil
}

// keepRole is d with the role that the operation was given: AWS keeps the last one.
func keepRole(d Definition, role string) Definition {
	d.Role = role
	return d
}

// restore says how one resource becomes what it was.
func (c *conductor) restore(id string, who iam.Caller) (task, error) {
	r := c.edit(id)
	before := *r.Before
	if slices.Contains(c.st.Operation.Skip, id) {
		r.Image, r.Step = before, nil
		c.status(r, UpdateComplete, "Skipped by ContinueUpdateRollback")
		return task{}, nil
	}
	if r.PhysicalID != before.PhysicalID { // it was replaced: the old one is still there
		r.Old = append(r.Old, r.Image)
		if m := r.noted(); m.PhysicalID != "" {
			r.Old = append(r.Old, m)
		}
		r.Image, r.Step = before, nil
		c.status(r, UpdateComplete, "")
		return task{}, nil
	}
	attempted := r.Image
	switch {
	case r.Step != nil && r.Step.Action == "create": // its replacement failed: nothing happened to it
		if m := r.noted(); m.PhysicalID != "" {
			r.Old = append(r.Old, m)
		}
		r.Image, r.Step = before, nil
		c.status(r, UpdateComplete, "")
		return task{}, nil
	case r.Step != nil:
		attempted = r.Step.Image
		if m := r.noted(); m.PhysicalID != "" {
			r.Old = append(r.Old, m)
		}
	}
	t := c.s.cfg.Types.Find(before.Type)
	if t == nil {
		return task{}, unknownType(before.Type)
	}
	if do, _, _ := compare(t, &attempted, before, !sameTags(attempted.Tags, before.Tags)); do <= recordOnly {
		r.Image, r.Step = before, nil
		c.put(r)
		return task{}, nil
	}
	c.status(r, UpdateInProgress, "")
	q := c.request(&before, id)
	q.Caller, q.Token, q.Previous, q.Tags, q.PreviousTags = who, wire.NewRequestID(), attempted.Properties, before.Tags, attempted.Tags
	return task{
		work: func(ctx context.Context) (Resource, error) {
			ctx, cancel := t.within(ctx)
			defer cancel()
			made, err := t.Handler.Update(ctx, q)
			if err == nil {
				return made, nil
			}
			if is, readErr := t.Handler.Read(ctx, q); readErr == nil && is.Properties != nil && agree(is.Properties, before.Properties, attempted.Properties) {
				return is, nil // the change that failed had changed nothing
			}
			return made, err
		},
		done: func(made Resource, err error) error {
			r := c.edit(id)
			if err != nil {
				c.status(r, UpdateFailed, c.reason(r, err))
				return err
			}
			r.Image, r.Step = before, nil
			if made.PhysicalID != "" && made.PhysicalID != before.PhysicalID {
				r.Old = append(r.Old, before)
				r.PhysicalID = made.PhysicalID
			}
			if made.Attributes != nil {
				r.Attributes = made.Attributes
			}
			c.status(r, UpdateComplete, "")
			return nil
		},
	}, nil
}

// agree reports whether what was read is as before in everything that the attempt wanted otherwise.
func agree(read, before, attempted Values) bool {
	for _, name := range union(before, attempted) {
		if !equalValues(before[name], attempted[name]) && !equalValues(read[name], before[name]) {
			return false
		}
	}
	return true
}

// rollbackCleanup deletes what the failed operation made.
func (c *conductor) rollbackCleanup() error {
	op := c.st.Operation
	creating := op.Previous == nil
	all := map[string][]remnant{}
	for id, r := range c.res {
		if !r.Touched {
			continue
		}
		list := append(slices.Clone(r.Old), r.noted())
		if r.Before == nil && !r.Gone {
			list = append(list, r.Image)
		}
		for _, m := range physical(list...) {
			if r.Before != nil && m.PhysicalID == r.PhysicalID {
				continue
			}
			all[id] = append(all[id], remnant{m, retained(m.DeletionPolicy, true)})
		}
	}
	bad, err := c.discard(all, true, func(id string) {
		r := c.edit(id)
		r.Old, r.Step, r.Gone = nil, nil, r.Before == nil
		c.put(r)
	})
	if err != nil {
		return err
	}
	if creating {
		if len(bad) > 0 {
			op.Phase = parked
			c.stack(RollbackFailed, "The following resource(s) failed to delete: ["+strings.Join(bad, ", ")+"]. ")
			return nil
		}
		for _, id := range sortedKeys(c.res) {
			r := c.edit(id)
			r.Gone = true
			c.put(r)
		}
		c.over(RollbackComplete, "")
		return nil
	}
	for _, id := range sortedKeys(c.res) {
		if r := c.res[id]; r.Touched && r.Before == nil {
			c.forget(id)
		}
	}
	c.over(UpdateBackDone, "")
	return nil
}

// startDeletion turns the operation under way into a deletion.
func (c *conductor) startDeletion() {
	op := *c.deleting
	c.deleting = nil
	c.st.Operation = &op
	c.stack(DeleteInProgress, "User Initiated")
}

// delete deletes all resources of the stack, and then what the stack is.
func (c *conductor) delete() error {
	op := c.st.Operation
	if err := c.s.reserve(c.view(), nil); err != nil {
		op.Phase = parked
		c.stack(DeleteFailed, faultText(err))
		return nil
	}
	all := map[string][]remnant{}
	for id, r := range c.res {
		list := append(slices.Clone(r.Old), r.noted())
		if r.Before != nil {
			list = append(list, *r.Before)
		}
		if !r.Gone {
			list = append(list, r.Image)
		}
		for _, m := range physical(list...) {
			all[id] = append(all[id], remnant{m, retained(m.DeletionPolicy, op.OnFailure == "DELETE") || slices.Contains(op.Retain, id)})
		}
	}
	bad, err := c.discard(all, true, func(id string) {
		r := c.edit(id)
		r.Old, r.Before, r.Step, r.Gone = nil, nil, nil, true
		r.Properties, r.Attributes = nil, nil // they may hold secrets
		c.put(r)
	})
	if err != nil {
		return err
	}
	if len(bad) > 0 && !op.Force {
		op.Phase = parked
		c.stack(DeleteFailed, "The following resource(s) failed to delete: ["+strings.Join(bad, ", ")+"]. ")
		return nil
	}
	for _, id := range bad {
		r := c.edit(id)
		r.Gone = true
		c.status(r, DeleteSkipped, r.Reason)
	}
	c.st.Deleted = c.s.cfg.Now().UTC()
	c.over(DeleteComplete, "")
	return nil
}
