package console

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"glassine/aws/wire"
	stacks "glassine/cloudformation/client"
	"glassine/console/client"
)

func stacksPage(q *request) error {
	all, err := q.aws.DescribeStacks(q.ctx(), "")
	if err != nil {
		q.problem = problemOf(err) // the frame of the page is still of use
	}
	return q.show("stacks", "stack", "Stacks", all)
}

// template is that of a form, as a file or as text.
func (q *request) template() (string, error) {
	f, _, err := q.r.FormFile("file")
	if err != nil {
		return q.form("template"), nil
	}
	defer f.Close()
	raw, err := io.ReadAll(f)
	if err == nil && len(raw) == 0 {
		return q.form("template"), nil // no file was chosen
	}
	return string(raw), err
}

// planned is how long a page waits for a change set before it says to look again.
const planned = 5 * time.Second

// planStack makes a change set of a template, for a new stack or for one that is there, and shows it: nothing happens yet.
func planStack(q *request) error {
	name := strings.TrimSpace(q.form("name"))
	template, err := q.template()
	if err != nil {
		return err
	}
	if name == "" || strings.TrimSpace(template) == "" {
		return q.again(&asked{"A stack has a name and a template.", "Choose a file, or write the template.", ""}, stacksPage)
	}
	all, err := q.aws.DescribeStacks(q.ctx(), name)
	create := err != nil || len(all) == 0 || all[0].StackStatus == "REVIEW_IN_PROGRESS"
	set := "console-" + strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(newToken()))[:12]
	if _, err := q.aws.CreateChangeSet(q.ctx(), name, set, template, create); err != nil {
		return q.again(err, stacksPage)
	}
	return q.done("/stacks/"+url.PathEscape(name)+"/changes/"+set, "Nothing has changed yet. This is what would.")
}

// changesData is a change set's page.
type changesData struct {
	client.ChangeSet
	Working bool // it is being worked out
	Nothing bool // the template is what the stack is
	Destroy int  // resources that are there now and would be gone
}

// destroys reports whether something that is there goes away.
func destroys(c client.Change) bool {
	replaced := c.Action == "Modify" && c.Replacement != "" && c.Replacement != "False"
	return (c.Action == "Remove" || replaced) && !strings.Contains(c.PolicyAction, "Retain")
}

func changesPage(q *request) error {
	var d changesData
	for until := q.c.cfg.Now().Add(planned); ; {
		var err error
		if d.ChangeSet, err = q.aws.DescribeChangeSet(q.ctx(), q.r.PathValue("name"), q.r.PathValue("set")); err != nil {
			return err
		}
		d.Working = d.Status == "CREATE_PENDING" || d.Status == "CREATE_IN_PROGRESS"
		if !d.Working || q.c.cfg.Now().After(until) {
			break
		}
		select {
		case <-q.ctx().Done():
			return q.ctx().Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	d.Nothing = d.Status == "FAILED" && (strings.Contains(d.StatusReason, "didn't contain changes") || strings.Contains(d.StatusReason, "No updates are to be performed"))
	for _, c := range d.Changes {
		if destroys(c) {
			d.Destroy++
		}
	}
	return q.show("changes", "stack", q.r.PathValue("name"), d)
}

func changesAction(q *request) error {
	name, set := q.r.PathValue("name"), q.r.PathValue("set")
	if q.form("do") == "drop" {
		if err := q.aws.DeleteChangeSet(q.ctx(), name, set); err != nil {
			return q.again(err, changesPage)
		}
		return q.done("/stacks", "The change set is gone; nothing has changed.")
	}
	if err := q.aws.ExecuteChangeSet(q.ctx(), name, set); err != nil {
		return q.again(err, changesPage)
	}
	return q.done("/stacks/"+url.PathEscape(name), "It is under way; its events say how far it is.")
}

// stackData is a stack's page.
type stackData struct {
	client.Stack
	Resources []client.StackResource
	Events    []client.StackEvent
	Template  string
	Moving    bool // it is not at rest
	Gone      bool
	Proof     *stacks.Proof // of one that is gone
	NoProof   string
	Had       int // resources that it ever had
}

// maxEvents is how many events a stack's page has.
const maxEvents = 60

// stackPage shows a stack by its name, or by its ARN, which a deleted one still has.
func stackPage(q *request) error {
	name := q.r.PathValue("name")
	if id := q.arg("id"); strings.Contains(id, ":stack/"+name+"/") {
		name = id
	}
	all, err := q.aws.DescribeStacks(q.ctx(), name)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return &asked{"There is no stack " + name + ".", "It may have been deleted.", ""}
	}
	d := stackData{Stack: all[0], Moving: strings.HasSuffix(all[0].StackStatus, "_IN_PROGRESS"), Gone: all[0].StackStatus == "DELETE_COMPLETE"}
	d.Resources, _ = q.aws.DescribeStackResources(q.ctx(), d.StackId) // what may not be asked is not shown
	d.Events, _ = q.aws.DescribeStackEvents(q.ctx(), d.StackId)
	if d.Gone {
		q.prove(&d)
	} else {
		d.Template, _ = q.aws.GetTemplate(q.ctx(), d.StackId)
	}
	d.Events = d.Events[:min(maxEvents, len(d.Events))]
	return q.show("stack", "stack", d.StackName, d, "stack.js")
}

// prove asks the services' own lists whether anything is left of what a stack ever had.
func (q *request) prove(d *stackData) {
	var had []stacks.Resource
	kept := map[string]bool{}
	for _, e := range d.Events {
		if e.PhysicalResourceId == "" || e.PhysicalResourceId == d.StackId {
			continue
		}
		x := stacks.Resource{LogicalID: e.LogicalResourceId, PhysicalID: e.PhysicalResourceId, Type: e.ResourceType}
		if !slices.Contains(had, x) {
			had = append(had, x)
		}
		kept[e.PhysicalResourceId] = kept[e.PhysicalResourceId] || e.ResourceStatus == "DELETE_SKIPPED"
	}
	had = slices.DeleteFunc(had, func(x stacks.Resource) bool { return kept[x.PhysicalID] })
	d.Had = len(had)
	asker := stacks.New(wire.Client{Credentials: q.s.creds, HTTP: &http.Client{Transport: q.c.cfg.Transport}}, q.c.cfg.Region)
	proof, err := asker.Prove(q.ctx(), had)
	if err != nil {
		d.NoProof = problemOf(err).Why
		return
	}
	d.Proof = &proof
}

func stackAction(q *request) error {
	name := q.r.PathValue("name")
	all, err := q.aws.DescribeStacks(q.ctx(), name)
	if err == nil && len(all) == 1 {
		err = q.aws.DeleteStack(q.ctx(), name)
	}
	if err != nil {
		return q.again(err, stackPage)
	}
	to := "/stacks"
	if len(all) == 1 {
		to += "/" + url.PathEscape(all[0].StackName) + "?id=" + url.QueryEscape(all[0].StackId)
	}
	return q.done(to, "The stack "+name+" is being deleted. When it is gone, the services are asked whether anything is left.")
}

// stackLive sends a stack's events as they come, and at last that it is at rest.
func stackLive(q *request) error {
	id := q.arg("id")
	seen := map[string]bool{}
	events, err := q.aws.DescribeStackEvents(q.ctx(), id)
	if err != nil {
		return err
	}
	for _, e := range events {
		seen[e.EventId] = true
	}
	s := q.stream()
	defer s.end()
	if !s.send("", "ready", struct{}{}) {
		return nil
	}
	aws := q.c.client(q.s.creds) // calls of a stream are not the page's
	for {
		events, err := aws.DescribeStackEvents(s.ctx, id)
		if err != nil {
			return nil // the page is loaded again, and has the refusal
		}
		for _, e := range slices.Backward(events) {
			if seen[e.EventId] {
				continue
			}
			seen[e.EventId] = true
			e.ResourceStatusReason = shown(e.ResourceStatusReason)
			if !s.send(e.EventId, "change", map[string]string{
				"time": e.Timestamp.UTC().Format("2006-01-02 15:04:05"), "resource": e.LogicalResourceId, "type": e.ResourceType, "status": e.ResourceStatus, "reason": e.ResourceStatusReason,
			}) {
				return nil
			}
		}
		if atRest(s.ctx, aws, id) {
			s.send("", "rest", struct{}{})
			return nil
		}
		if s.now().Sub(s.last) >= streamAlive && !s.comment("alive") {
			return nil
		}
		select {
		case <-s.ctx.Done():
			return nil
		case <-time.After(400 * time.Millisecond):
		}
		aws = q.c.client(q.s.creds)
	}
}

func atRest(ctx context.Context, aws *client.Client, id string) bool {
	all, err := aws.DescribeStacks(ctx, id)
	return err == nil && len(all) == 1 && !strings.HasSuffix(all[0].StackStatus, "_IN_PROGRESS")
}

func (c *Console) stackRoutes(show, do, send func(string, handler), mux *http.ServeMux) {
	show("/stacks", stacksPage)
	mux.HandleFunc("POST /stacks", c.action(2<<20, planStack))
	show("/stacks/{name}", stackPage)
	do("/stacks/{name}", stackAction)
	send("/stacks/{name}/live", c.scripted(stackLive))
	show("/stacks/{name}/changes/{set}", changesPage)
	do("/stacks/{name}/changes/{set}", changesAction)
}
