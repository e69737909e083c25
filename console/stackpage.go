package console

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"glassine/console/client"
)

func stacksPage(q *request) error {
	all, err := q.aws.DescribeStacks(q.ctx(), "")
	if err != nil {
		q.problem = problemOf(err) // the frame of the page is still of use
	}
	return q.show("stacks", "stack", "Stacks", all)
}

// createStack takes a template as a file or as text.
func createStack(q *request) error {
	template := q.form("template")
	if f, _, err := q.r.FormFile("file"); err == nil {
		raw, err := io.ReadAll(f)
		f.Close()
		if err != nil {
			return err
		}
		template = string(raw)
	}
	name := strings.TrimSpace(q.form("name"))
	if err := q.aws.CreateStack(q.ctx(), name, template); err != nil {
		return q.again(err, stacksPage)
	}
	return q.done("/stacks/"+url.PathEscape(name), "The stack "+name+" is being made; its events say how far it is.")
}

// stackData is a stack's page.
type stackData struct {
	client.Stack
	Resources []client.StackResource
	Events    []client.StackEvent
	Template  string
	Moving    bool // it is not at rest
}

func stackPage(q *request) error {
	name := q.r.PathValue("name")
	all, err := q.aws.DescribeStacks(q.ctx(), name)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return &asked{"There is no stack " + name + ".", "It may have been deleted.", ""}
	}
	d := stackData{Stack: all[0], Moving: strings.HasSuffix(all[0].StackStatus, "_IN_PROGRESS")}
	d.Resources, _ = q.aws.DescribeStackResources(q.ctx(), name) // what may not be asked is not shown
	d.Events, _ = q.aws.DescribeStackEvents(q.ctx(), name)
	d.Template, _ = q.aws.GetTemplate(q.ctx(), name)
	if len(d.Events) > 60 {
		d.Events = d.Events[:60]
	}
	return q.show("stack", "stack", name, d)
}

func stackAction(q *request) error {
	name := q.r.PathValue("name")
	if err := q.aws.DeleteStack(q.ctx(), name); err != nil {
		return q.again(err, stackPage)
	}
	return q.done("/stacks", "The stack "+name+" is being deleted.")
}

func (c *Console) stackRoutes(show, do func(string, handler), mux *http.ServeMux) {
	show("/stacks", stacksPage)
	mux.HandleFunc("POST /stacks", c.action(2<<20, createStack))
	show("/stacks/{name}", stackPage)
	do("/stacks/{name}", stackAction)
}
