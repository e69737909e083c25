package cloudformation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/state"
)

// conductor carries out the operation of one stack. Its goroutine alone writes to the stack, its resources and its events;
// the handlers' work is done on other goroutines, and what they have to say comes through mail. Readers see views that it
// published, each after it is on disk.
type conductor struct {
	s   *Service
	st  Stack
	res map[string]*StackResource

	mail    chan func() // run on the conductor's goroutine
	ended   chan struct{}
	changes []state.Change
	last    time.Time // of the last event

	// interrupted is why no more is begun, or "". deleting says that a deletion is to follow.
	interrupted string
	deleting    *Operation
	wake        chan struct{} // closed when interrupted becomes set
}

// graceful is how long work under way may go on when something else failed, before its context ends.
const graceful = 10 * time.Second

// errHalted says that the service is closing: what is under way stays in the journal.
var errHalted = errors.New("halted")

// conduct begins to carry out v's operation. s.mu is held. Before Start nothing happens.
func (s *Service) conduct(v *view) {
	if !s.started || s.ctx.Err() != nil {
		return
	}
	op := *v.Operation
	c := &conductor{s: s, st: v.Stack, res: maps.Clone(v.resources), mail: make(chan func()), ended: make(chan struct{}), wake: make(chan struct{})}
	c.st.Operation = &op
	s.conductors[v.ID] = c
	s.work.Go(func() {
		defer close(c.ended)
		err := c.guarded()
		s.mu.Lock()
		delete(s.conductors, v.ID)
		s.mu.Unlock()
		if err != nil && !errors.Is(err, errHalted) {
			s.cfg.Log.Error("stack operation stopped", "stack", v.Name, "error", err.Error())
		}
	})
}

// run goes from phase to phase until the operation is over or halted.
func (c *conductor) run() error {
	for c.st.Operation != nil && c.st.Operation.Phase != parked {
		if c.s.ctx.Err() != nil {
			return errHalted
		}
		var err error
		switch c.st.Operation.Phase {
		case forward:
			err = c.forward()
		case cleanup:
			err = c.cleanup()
		case rollback:
			err = c.rollback()
		case rollbackCleanup:
			err = c.rollbackCleanup()
		case deletion:
			err = c.delete()
		default:
			return fmt.Errorf("unknown phase %q", c.st.Operation.Phase)
		}
		if err == nil {
			err = c.commit()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// guarded is run, of which a panic is an error: one broken stack must not keep the program from starting.
func (c *conductor) guarded() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return c.run()
}

// tell has f run on the conductor's goroutine and waits for it; false means that the operation is over.
func (c *conductor) tell(ctx context.Context, f func()) (bool, error) {
	done := make(chan struct{})
	select {
	case c.mail <- func() { f(); close(done) }:
	case <-c.ended:
		return false, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
	<-done
	return true, nil
}

// interrupt stops beginning anything more; the operation then goes back.
func (c *conductor) interrupt(reason string) {
	if c.interrupted == "" {
		c.interrupted = reason
		close(c.wake)
	}
}

// put notes a change of a resource for the next commit.
func (c *conductor) put(r *StackResource) {
	c.res[r.LogicalID] = r
	c.change(resourceTable, c.st.ID+"\x00"+r.LogicalID, r)
}

// forget forgets a resource.
func (c *conductor) forget(id string) {
	delete(c.res, id)
	c.changes = append(c.changes, state.Change{Table: resourceTable, Key: c.st.ID + "\x00" + id})
}

func (c *conductor) change(table, key string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("cloudformation: cannot encode %T: %v", v, err)) // a broken program: values come from JSON
	}
	c.changes = append(c.changes, state.Change{Table: table, Key: key, Value: b})
}

// stack sets the stack's status, with an event.
func (c *conductor) stack(status Status, reason string) {
	c.st.Status, c.st.Reason = status, reason
	c.event(Event{LogicalID: c.st.Name, PhysicalID: c.st.ID, Type: stackType, Status: status, Reason: reason, ID: wire.NewRequestID()})
	c.header()
}

// header notes the stack's own record for the next commit.
func (c *conductor) header() { c.change(stackTable, c.st.ID, &c.st) }

// status sets a resource's status, with an event. r is the conductor's own, not one that was published.
func (c *conductor) status(r *StackResource, status Status, reason string) {
	r.Status, r.Reason = status, reason
	r.Updated = c.event(Event{LogicalID: r.LogicalID, PhysicalID: r.PhysicalID, Type: r.Type, Status: status, Reason: reason, Properties: c.shown(r)})
	c.put(r)
}

// shown are the resource's properties for the events.
func (c *conductor) shown(r *StackResource) string {
	values := r.Properties
	if r.Step != nil && !r.Step.Failed {
		values = r.Step.Image.Properties
	}
	t := c.s.cfg.Types.Find(r.Type)
	if t == nil || values == nil {
		return ""
	}
	b, err := json.Marshal(hideSecrets(t.Properties, hideText(values, secrets(c.st.Parameters))))
	if err != nil {
		return ""
	}
	return string(b)
}

// event notes an event for the next commit and returns its time, which is later than that of every other of the stack:
// clients sort by it.
func (c *conductor) event(e Event) time.Time {
	if c.last.IsZero() {
		c.last = c.s.lastEvent(c.st.ID)
	}
	e.StackID, e.StackName, e.Time = c.st.ID, c.st.Name, c.s.cfg.Now().UTC().Truncate(time.Millisecond)
	if !e.Time.After(c.last) {
		e.Time = c.last.Add(time.Millisecond)
	}
	c.last = e.Time
	if op := c.st.Operation; op != nil {
		e.Token, e.Operation = op.Token, op.ID
	}
	if e.ID == "" {
		e.ID = e.LogicalID + "-" + string(e.Status) + "-" + e.Time.Format("2006-01-02T15:04:05.000Z")
	}
	c.change(eventTable, eventKey(c.st.ID, e.Time), &e)
	return e.Time
}

func eventKey(stackID string, at time.Time) string {
	return fmt.Sprintf("%s\x00%016d", stackID, at.UnixMilli())
}

// lastEvent returns when the last event of a stack was.
func (s *Service) lastEvent(id string) time.Time {
	records, err := s.cfg.State.List(context.WithoutCancel(s.ctx), eventTable, id+"\x00")
	if err != nil || len(records) == 0 {
		return time.Time{}
	}
	_, text, _ := strings.Cut(records[len(records)-1].Key, "\x00")
	ms, _ := strconv.ParseInt(text, 10, 64) // our own key
	return time.UnixMilli(ms).UTC()
}

// commit writes what was noted and publishes it. A store that does not write is asked again until the service closes: what
// was noted says the same however often it is written.
func (c *conductor) commit() error {
	if len(c.changes) == 0 {
		return nil
	}
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		err := c.s.cfg.State.Commit(context.WithoutCancel(c.s.ctx), c.changes...)
		if err == nil {
			break
		}
		c.s.cfg.Log.Error("stack operation waits for its journal", "stack", c.st.Name, "error", err.Error())
		select {
		case <-time.After(wait):
		case <-c.s.ctx.Done():
			return errHalted
		}
	}
	c.changes = nil
	c.s.publish(c.view())
	return nil
}

func (c *conductor) view() *view {
	v := &view{Stack: c.st, resources: maps.Clone(c.res)}
	if op := c.st.Operation; op != nil {
		kept := *op
		v.Operation = &kept
	}
	return v
}

// edit returns a copy of a resource to change and put.
func (c *conductor) edit(id string) *StackResource {
	r := c.res[id]
	if r == nil {
		return &StackResource{LogicalID: id}
	}
	n := *r
	if r.Step != nil {
		step := *r.Step
		n.Step = &step
	}
	n.Old = slices.Clone(r.Old)
	return &n
}

// task is what is to be done for one name of a walk. Work runs on a goroutine of its own after the journal says so; done then
// runs on the conductor's. A nil work is nothing to do.
type task struct {
	work func(ctx context.Context) (Resource, error)
	done func(Resource, error) error // its error counts as the failure of the name
}

// answer is what came of a task.
type answer struct {
	id   string
	made Resource
	err  error
}

// walk goes through a graph, several names at a time, each after those that it depends on. begin says what to do for a name.
// After a failure nothing more is begun, unless goOn is set; what depends on a failure never is. It returns the names that
// failed, sorted; err is errHalted or the journal's.
func (c *conductor) walk(g map[string][]string, goOn bool, begin func(id string) (task, error)) (failed []string, err error) {
	ctx, cancel := context.WithCancel(c.s.ctx)
	sch := newSchedule(g)
	results := make(chan answer, len(g))
	running := map[string]task{}
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()
	stopped := func() bool { return len(failed) > 0 && !goOn || c.interrupted != "" }
	var grace <-chan time.Time
	wake := c.wake
	for {
		if stopped() && grace == nil {
			grace = time.After(graceful)
		}
		var starting []string
		for !stopped() && len(running) < c.s.cfg.Parallel {
			id, ok := sch.take()
			if !ok {
				break
			}
			t, err := begin(id)
			switch {
			case err != nil:
				failed = append(failed, id)
			case t.work == nil:
				sch.done(id)
			default:
				running[id] = t
				starting = append(starting, id)
			}
		}
		if err := c.commit(); err != nil {
			return failed, err
		}
		for _, id := range starting {
			t := running[id]
			working.Go(func() { c.attempt(ctx, id, t, results) })
		}
		if len(running) == 0 {
			if sch.left == 0 || len(sch.ready) == 0 || stopped() {
				slices.Sort(failed)
				return failed, nil
			}
			continue
		}
		select {
		case a := <-results:
			for more := true; more; {
				t := running[a.id]
				delete(running, a.id)
				if c.s.ctx.Err() != nil && a.err != nil {
					break // not a failure: it is tried again by the next Service
				}
				if err := t.done(a.made, a.err); err != nil {
					failed = append(failed, a.id)
				} else {
					sch.done(a.id)
				}
				select {
				case a = <-results: // one commit for all that is there
				default:
					more = false
				}
			}
		case f := <-c.mail:
			f()
		case <-wake:
			wake = nil
		case <-grace:
			cancel()
		case <-c.s.ctx.Done():
			for range running {
				a := <-results
				if a.err == nil {
					_ = running[a.id].done(a.made, nil)
				}
			}
			return failed, errors.Join(errHalted, c.commit())
		}
	}
}

// attempt does the work of a task.
func (c *conductor) attempt(ctx context.Context, id string, t task, results chan<- answer) {
	a := answer{id: id}
	defer func() {
		if p := recover(); p != nil {
			c.s.cfg.Log.Error("resource handler panicked", "stack", c.st.Name, "resource", id, "panic", fmt.Sprint(p), "trace", string(debug.Stack()))
			a.err = fault.New("InternalFailure", "The handler of the resource ended unexpectedly.")
		}
		results <- a
	}()
	a.made, a.err = t.work(ctx)
}

// reason is what a user reads of a handler's error.
func (c *conductor) reason(r *StackResource, err error) string {
	if errors.Is(err, context.Canceled) {
		return "Resource operation cancelled"
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok && errors.Is(err, context.DeadlineExceeded) {
		f, ok = fault.New("NotStabilized", "Resource did not stabilize in the time that it has."), true
	}
	if !ok {
		c.s.cfg.Log.LogAttrs(context.Background(), slog.LevelError, "resource handler failed", slog.String("stack", c.st.Name), slog.String("resource", r.LogicalID), slog.String("error", err.Error()))
		f = fault.New("InternalFailure", "Internal failure.")
	}
	token := c.st.Operation.ID
	if r.Step != nil {
		token = r.Step.Token
	}
	return fmt.Sprintf("Resource handler returned message: %q (RequestToken: %s, HandlerErrorCode: %s)", f.Message, token, handlerCode(f.Code))
}

// handlerCode is the code that AWS's own handlers would have. CloudFormation CLI User Guide, "Handler error codes".
func handlerCode(code string) string {
	has := func(parts ...string) bool {
		return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(code, p) })
	}
	switch {
	case has("AccessDenied", "NotAuthorized", "UnauthorizedOperation"):
		return "AccessDenied"
	case has("AlreadyExists", "AlreadyOwned", "EntityExists", "ResourceConflict"):
		return "AlreadyExists"
	case has("NoSuch", "NotFound"):
		return "NotFound"
	case has("Limit", "TooMany"):
		return "ServiceLimitExceeded"
	case has("Throttl"):
		return "Throttling"
	case has("NotStabilized"):
		return "NotStabilized"
	case has("Internal"):
		return "InternalFailure"
	case has("InUse", "NotEmpty", "DeleteConflict", "NotDisabled"):
		return "ResourceConflict"
	}
	return "InvalidRequest"
}
