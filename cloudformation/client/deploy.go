package client

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Job is one stack to deploy.
type Job struct {
	Stack string
	// Region is where; "" means the client's.
	Region   string
	Template *Template
	// Parameters are those that are given. A stack that is there keeps its others.
	Parameters map[string]string
	Tags       map[string]string
	// Role is the ARN of the role that CloudFormation acts as; "" means the caller.
	Role string
	// Protected keeps the stack from being deleted until somebody says otherwise.
	Protected bool

	assembly  *AssemblyStack // nil for a template alone
	body, url string         // what was packaged: one of the two
}

// Deployer deploys.
type Deployer struct {
	*Client
	// Staging is the bucket for local code; "" means the one of CDK's bootstrap.
	Staging string
	// KeepFailed leaves what was made when a deploy fails, in place of going back.
	KeepFailed bool
	// PlanOnly makes the plan and shows it to Confirm, and changes nothing; no code is sent either.
	PlanOnly bool
	// Confirm is asked before a plan is carried out, and shown it when there is nothing to ask; nil means yes. It may be called on
	// several goroutines at once.
	Confirm func(ctx context.Context, p *Plan) (bool, error)
	// Watch gets the events of all stacks as they happen, Note what is done besides, in words. Both may be nil, and may be
	// called on several goroutines at once.
	Watch func(Event)
	Note  func(stack, text string)
}

// Outcome is what became of a job.
type Outcome struct {
	Stack   string `json:"StackName"`
	StackID string `json:"StackId,omitempty"`
	Region  string `json:"Region"`
	// Status is the stack's, at the end; "" when it is not there.
	Status string `json:"StackStatus,omitempty"`
	// Result is created, updated, unchanged, planned, declined or failed.
	Result  string   `json:"Result"`
	Plan    *Plan    `json:"Plan,omitempty"`
	Outputs []Output `json:"Outputs,omitempty"`
	Cause   *Event   `json:"Cause,omitempty"`
	// Took is how long it took, without the time that Confirm took.
	Took time.Duration `json:"-"`
}

// ErrFailed is returned when a stack came to rest in another state than was wanted. What it says is only that; Outcome.Cause
// says why.
var ErrFailed = errors.New("the stack failed")

// Deploy deploys one stack, and returns when it is at rest. The outcome is not nil, also with an error.
func (d *Deployer) Deploy(ctx context.Context, j *Job) (*Outcome, error) {
	began := time.Now()
	run := &deployment{Deployer: d, job: j, c: d.In(j.Region)}
	run.out = &Outcome{Stack: j.Stack, Region: run.c.Region, Result: "failed"}
	err := run.do(ctx)
	run.out.Took = time.Since(began) - run.asked
	return run.out, err
}

// deployment is one run of Deploy.
type deployment struct {
	*Deployer
	job  *Job
	c    *Client
	out  *Outcome
	now  *Stack // nil for none
	made bool   // the stack was made by our change set, and holds nothing yet
	// asked is how long Confirm took, which is somebody's time to think.
	asked time.Duration
}

func (d *deployment) note(format string, args ...any) {
	if d.Note != nil {
		d.Note(d.job.Stack, fmt.Sprintf(format, args...))
	}
}

func (d *deployment) do(ctx context.Context) error {
	if err := d.look(ctx); err != nil {
		return err
	}
	if err := d.stage(ctx); err != nil {
		return err
	}
	set, err := d.plan(ctx)
	if err != nil || set == nil {
		return err
	}
	yes := true
	if d.Confirm != nil {
		began := time.Now()
		if yes, err = d.Confirm(ctx, d.out.Plan); err != nil {
			yes = false
		}
		d.asked = time.Since(began)
	}
	if d.PlanOnly || !yes {
		d.out.Result = "planned"
		if !d.PlanOnly {
			d.out.Result = "declined"
		}
		return errors.Join(err, d.forget(ctx, set.ChangeSetID))
	}
	return d.execute(ctx, set)
}

// look finds the stack as it is. One whose creation failed is deleted first, since CloudFormation lets nothing else be done to it.
// CloudFormation User Guide, "Stack status codes", ROLLBACK_COMPLETE.
func (d *deployment) look(ctx context.Context) error {
	s, err := d.c.Stack(ctx, d.job.Stack)
	if errors.Is(err, ErrNoStack) {
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case !atRest(s.Status):
		return fmt.Errorf("stack %s is in %s: wait for it (glassine events -f %s)", s.Name, s.Status, s.Name)
	case s.Status == "ROLLBACK_COMPLETE" || s.Status == "ROLLBACK_FAILED" || s.Status == "DELETE_FAILED":
		if d.PlanOnly {
			d.note("the stack is in %s: a deploy deletes it first", s.Status)
			return fmt.Errorf("stack %s is in %s and can only be deleted, which glassine deploy does: there is nothing to compare with", s.Name, s.Status)
		}
		d.note("the stack is in %s and can only be deleted: deleting it first", s.Status)
		if _, err := d.c.deleteStack(ctx, s, nil, d.Watch); err != nil {
			return err
		}
	case s.Status == "REVIEW_IN_PROGRESS": // a change set was made for it, and it holds nothing
	default:
		d.now = s
	}
	return nil
}

// maxBody is how long a template in a request may be. CloudFormation User Guide, "Understand CloudFormation quotas".
const maxBody = 51_200

// stage puts the local code in its place.
func (d *deployment) stage(ctx context.Context) error {
	account, err := d.c.Account(ctx)
	if err != nil {
		return err
	}
	bucket := d.Staging
	if bucket == "" {
		bucket = StagingBucket(account, d.c.Region)
	}
	s := newStaging(d.c, bucket, func(text string) { d.note("%s", text) })
	s.dry = d.PlanOnly
	if a := d.job.assembly; a != nil && !s.dry {
		if err := a.publish(ctx, s, account); err != nil {
			return err
		}
	}
	text, err := d.job.Template.packaged(ctx, s)
	if err != nil {
		return err
	}
	d.job.body, d.job.url = text, ""
	if len(text) > maxBody {
		s.dry = false
		d.job.url, err = s.template(ctx, text)
	}
	return err
}

// plan makes the change set; nil when nothing changes.
func (d *deployment) plan(ctx context.Context) (*changeSet, error) {
	kind, previous := "CREATE", []string(nil)
	if d.now != nil {
		kind = "UPDATE"
		for _, name := range d.job.Template.parameters() {
			_, given := d.job.Parameters[name]
			if !given && slices.ContainsFunc(d.now.Parameters, func(p Parameter) bool { return p.Key == name }) {
				previous = append(previous, name)
			}
		}
	}
	id, stack, err := d.c.createChangeSet(ctx, d.job, token("glassine-"), kind, previous)
	if err != nil {
		return nil, err
	}
	d.out.StackID, d.made = stack, d.now == nil
	set, err := d.c.changeSetMade(ctx, id, stack)
	if err != nil {
		return nil, errors.Join(err, d.forget(context.WithoutCancel(ctx), id))
	}
	set.ChangeSetID, set.StackID = id, stack
	if set.Status != "FAILED" {
		return set, d.explain(ctx, set)
	}
	unchanged := set.unchanged()
	if err := d.forget(ctx, id); err != nil {
		return nil, err
	}
	if !unchanged {
		return nil, fmt.Errorf("stack %s cannot be changed so: %s", d.job.Stack, set.Reason)
	}
	d.out.Result, d.out.Plan = "unchanged", &Plan{Stack: d.job.Stack, New: d.now == nil}
	if d.now != nil {
		d.out.Status, d.out.Outputs = d.now.Status, d.now.Outputs
		return nil, d.protect(ctx)
	}
	return nil, nil
}

// explain says what the change set does.
func (d *deployment) explain(ctx context.Context, set *changeSet) error {
	p := &Plan{Stack: d.job.Stack, New: d.now == nil}
	for _, c := range set.Changes {
		p.Changes = append(p.Changes, c.ResourceChange)
	}
	d.out.Plan = p
	if d.now == nil || d.Confirm == nil {
		return nil
	}
	before, err := d.c.Template(ctx, d.out.StackID, "Original")
	if err != nil {
		return err
	}
	old, err := ParseTemplate(d.job.Stack, before)
	if err != nil {
		return err
	}
	after, err := ParseTemplate(d.job.Stack, d.job.body)
	if err != nil {
		return err
	}
	p.Differences = Compare(old, after)
	return nil
}

// forget takes the change set away, and the stack that was made for nothing else.
func (d *deployment) forget(ctx context.Context, id string) error {
	if err := d.c.deleteChangeSet(ctx, id, d.out.StackID); err != nil {
		return err
	}
	if !d.made {
		return nil
	}
	_, err := cloudformation[nothing](ctx, d.c, "DeleteStack", url.Values{"StackName": {d.out.StackID}})
	return err
}

// execute carries the change set out.
func (d *deployment) execute(ctx context.Context, set *changeSet) error {
	last, err := d.c.lastEvent(ctx, set.StackID)
	if err != nil {
		return err
	}
	if err := d.c.executeChangeSet(ctx, set.ChangeSetID, set.StackID, token("glassine-"), d.KeepFailed); err != nil {
		return err
	}
	events, err := d.c.Follow(ctx, set.StackID, last, false, d.Watch)
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("the deploy of %s goes on without being watched (glassine events -f %s): %w", d.job.Stack, d.job.Stack, err)
		}
		return err
	}
	s, err := d.c.settled(ctx, set.StackID)
	if err != nil {
		return err
	}
	d.out.Status, d.out.Outputs = s.Status, s.Outputs
	switch s.Status {
	case "CREATE_COMPLETE":
		d.out.Result = "created"
	case "UPDATE_COMPLETE":
		d.out.Result = "updated"
	default:
		d.out.Cause = RootCause(events)
		return fmt.Errorf("stack %s: %s: %w", d.job.Stack, s.Status, ErrFailed)
	}
	d.now = s
	return d.protect(ctx)
}

// Check plans the making of a stack of the template, and makes nothing: what is wrong with the template is the error. CloudFormation's
// ValidateTemplate looks at the form alone. The stack of the change set is there for a moment, under a name of its own.
func (d *Deployer) Check(ctx context.Context, j *Job) error {
	check := &Deployer{Client: d.Client, Staging: d.Staging, PlanOnly: true}
	_, err := cloudformation[nothing](ctx, d.In(j.Region), "ValidateTemplate", url.Values{"TemplateBody": {j.Template.Text}})
	if err != nil && len(j.Template.Text) <= maxBody {
		return err
	}
	one := *j
	one.Stack = token("glassine-validate-")
	_, err = check.Deploy(ctx, &one)
	return err
}

// settled returns a stack when its record says what its last event said.
func (c *Client) settled(ctx context.Context, stack string) (*Stack, error) {
	w := &wait{5 * time.Millisecond, time.Second}
	for {
		s, err := c.Stack(ctx, stack)
		if err != nil || done(s.Status) {
			return s, err
		}
		if err := w.pause(ctx); err != nil {
			return nil, err
		}
	}
}

// protect sets the termination protection that the job asks for. It takes none away that somebody set by hand.
func (d *deployment) protect(ctx context.Context) error {
	if !d.job.Protected || d.now.Protected {
		return nil
	}
	_, err := cloudformation[nothing](ctx, d.c, "UpdateTerminationProtection", url.Values{"StackName": {d.job.Stack}, "EnableTerminationProtection": {strconv.FormatBool(true)}})
	return err
}

// token makes a name that nobody else makes, of letters, digits and hyphens.
func token(prefix string) string {
	b := make([]byte, 12)
	_, _ = rand.Read(b) // it never fails
	return prefix + hex.EncodeToString(b)
}

// StackName makes a stack's name out of a file's: the file's own, or where that says nothing its folder's.
// CloudFormation API Reference, "CreateChangeSet", StackName.
func StackName(file, folder string) string {
	base := strings.TrimSuffix(file, extension(file))
	if slices.ContainsFunc(Files, func(f string) bool { return base == strings.TrimSuffix(f, extension(f)) }) {
		base = folder
	}
	var b strings.Builder
	for _, r := range base {
		switch {
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' && b.Len() > 0:
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	name := strings.Trim(b.String()[:min(b.Len(), 128)], "-")
	if name == "" {
		return "stack"
	}
	return name
}

func extension(file string) string {
	if i := strings.LastIndexByte(file, '.'); i > 0 {
		return file[i:]
	}
	return ""
}
