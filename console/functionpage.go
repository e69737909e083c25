package console

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/console/client"
)

// regions are where functions and their logs are looked for: the system's own, and that of functions at the edge.
func (c *Console) regions() []string {
	if c.cfg.Region == "us-east-1" {
		return []string{"us-east-1"}
	}
	return []string{c.cfg.Region, "us-east-1"}
}

// region is the one that a page is about.
func (q *request) region() string {
	if r := q.arg("region"); slices.Contains(q.c.regions(), r) {
		return r
	}
	if r := q.form("region"); slices.Contains(q.c.regions(), r) {
		return r
	}
	return q.c.cfg.Region
}

// inRegion runs f with a client of a region, and takes over its calls.
func (q *request) inRegion(region string, f func(*client.Client) error) error {
	there := q.aws.In(region)
	err := f(there)
	q.aws.Took(there)
	return err
}

// functionsData are all functions.
type functionsData struct {
	Rows      []functionRow
	Roles     []client.Role
	Regions   []string
	Isolation string
	Why       []string // it is no firmer
}

type functionRow struct {
	client.Function
	Region string
}

func functionsPage(q *request) error {
	d := functionsData{Regions: q.c.regions()}
	for _, region := range d.Regions {
		if err := q.inRegion(region, func(aws *client.Client) error {
			all, err := aws.ListFunctions(q.ctx())
			for _, f := range all {
				d.Rows = append(d.Rows, functionRow{f, region})
			}
			return err
		}); err != nil {
			return err
		}
	}
	d.Roles, _ = q.aws.ListRoles(q.ctx()) // who may not list them writes an ARN
	if q.c.cfg.Isolation != nil {
		d.Isolation, d.Why = q.c.cfg.Isolation()
	}
	return q.show("functions", "lambda", "Functions", d)
}

// archive reads the file of a form.
func (q *request) archive(name string) ([]byte, error) {
	f, _, err := q.r.FormFile(name)
	if errors.Is(err, http.ErrMissingFile) {
		return nil, &asked{"The archive is missing.", "A function's code is a zip file.", ""}
	}
	if err != nil {
		return nil, &asked{"The archive was not read.", "It is larger than 50 MB, or the form was cut short.", ""}
	}
	defer f.Close()
	return io.ReadAll(f)
}

func createFunction(q *request) error {
	n := client.NewFunction{
		Name: strings.TrimSpace(q.form("name")), Runtime: q.form("runtime"), Handler: strings.TrimSpace(q.form("handler")), Role: strings.TrimSpace(q.form("role")),
		Memory: number(q.form("memory")), Timeout: number(q.form("timeout")),
	}
	if image, ok := strings.CutPrefix(n.Runtime, "glassine://"); ok {
		n.Image = "glassine://" + image
	} else {
		var err error
		if n.Zip, err = q.archive("code"); err != nil {
			return q.again(err, functionsPage)
		}
	}
	region := q.region()
	if err := q.inRegion(region, func(aws *client.Client) error { return aws.CreateFunction(q.ctx(), n) }); err != nil {
		return q.again(err, functionsPage)
	}
	return q.done("/functions/"+url.PathEscape(n.Name)+"?region="+region, "Made the function "+n.Name+".")
}

// number is a number of a form, 0 for none.
func number(s string) int {
	n, _ := strconv.Atoi(strings.TrimSpace(s)) // what is none is refused by AWS's own words, or means the default
	return n
}

// functionData is a function's page.
type functionData struct {
	client.Function
	Code        client.Source
	Region      string
	Versions    []client.Function
	Aliases     []client.Alias
	Environment string // NAME=value lines
	Events      []client.LogEvent
	Group       string
	Event       string // of the test form
	Test        *client.Invocation
	Answer      string
	Isolation   string
	Why         []string
	Timings     timings
	Source      *archived // nil where it is no archive, or may not be read
	NoSource    string    // why
}

// getEvent is what S3 Object Lambda sends a function, to test one with.
const getEvent = `{
  "xAmzRequestId": "test",
  "getObjectContext": {
    "inputS3Url": "https://example.com/",
    "outputRoute": "io-use1-001",
    "outputToken": "test"
  },
  "configuration": {"payload": ""},
  "userRequest": {"url": "/sample.jpg", "headers": {}}
}`

func functionPage(q *request) error { return functionTested(q, getEvent, nil) }

func functionTested(q *request, event string, test *client.Invocation) error {
	d := functionData{Region: q.region(), Event: event, Test: test}
	name := q.r.PathValue("name")
	err := q.inRegion(d.Region, func(aws *client.Client) (err error) {
		if d.Function, d.Code, err = aws.GetFunction(q.ctx(), name); err != nil {
			return err
		}
		d.Versions, _ = aws.ListVersions(q.ctx(), name) // what may not be asked is not shown
		d.Aliases, _ = aws.ListAliases(q.ctx(), name)
		d.Group = "/aws/lambda/" + name
		d.Events, _ = aws.FilterLogEvents(q.ctx(), client.Filter{Group: d.Group, From: q.c.cfg.Now().Add(-time.Hour), Limit: 1000})
		return nil
	})
	if err != nil {
		return err
	}
	d.Timings = timingsOf(d.Events)
	if len(d.Events) > 40 {
		d.Events = d.Events[len(d.Events)-40:]
	}
	if d.Code.ImageUri == "" && d.Code.Location != "" {
		d.Source, d.NoSource = q.source(d.Code.Location, q.arg("file"))
	}
	d.Environment = variables(d.Function.Environment.Variables)
	if test != nil {
		d.Answer = indented(string(test.Payload))
	}
	if q.c.cfg.Isolation != nil {
		d.Isolation, d.Why = q.c.cfg.Isolation()
	}
	return q.show("function", "lambda", name, d)
}

// variables writes an environment as lines.
func variables(env map[string]string) string {
	var lines []string
	for name, value := range env {
		lines = append(lines, name+"="+value)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// readVariables is the reverse.
func readVariables(text string) (map[string]string, error) {
	out := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		if line = strings.TrimRight(line, "\r"); strings.TrimSpace(line) == "" {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			return nil, &asked{"The environment was not understood.", "Each line is NAME=value; this one is not: " + line, ""}
		}
		out[strings.TrimSpace(name)] = value
	}
	return out, nil
}

func functionAction(q *request) error {
	name, region := q.r.PathValue("name"), q.region()
	to := "/functions/" + url.PathEscape(name) + "?region=" + region
	text := ""
	var test *client.Invocation
	err := q.inRegion(region, func(aws *client.Client) error {
		switch q.form("do") {
		case "configure":
			env, err := readVariables(q.form("environment"))
			if err != nil {
				return err
			}
			text = "The configuration of " + name + " is set."
			return aws.UpdateFunctionConfiguration(q.ctx(), name, number(q.form("memory")), number(q.form("timeout")), env)
		case "code":
			zip, err := q.archive("code")
			if err != nil {
				return err
			}
			text = name + " has new code."
			return aws.UpdateFunctionCode(q.ctx(), name, zip)
		case "publish":
			version, err := aws.PublishVersion(q.ctx(), name)
			text = "Published " + functionName(version) + "."
			return err
		case "alias":
			alias, version := strings.TrimSpace(q.form("alias")), q.form("version")
			text = "The alias " + alias + " is version " + version + "."
			all, err := aws.ListAliases(q.ctx(), name)
			if err != nil {
				return err
			}
			known := slices.ContainsFunc(all, func(a client.Alias) bool { return a.Name == alias })
			return aws.PutAlias(q.ctx(), name, alias, version, !known)
		case "drop-alias":
			text = "The alias " + q.form("alias") + " is gone."
			return aws.DeleteAlias(q.ctx(), name, q.form("alias"))
		case "delete":
			text, to = "Deleted the function "+name+".", "/functions"
			return aws.DeleteFunction(q.ctx(), name)
		case "test":
			if !json.Valid([]byte(q.form("event"))) {
				return &asked{"The event is not JSON.", "A function's event is one JSON value.", ""}
			}
			got, err := aws.Invoke(q.ctx(), name, q.form("qualifier"), []byte(q.form("event")))
			test = &got
			return err
		}
		return &asked{"This form asks for nothing.", "Load the page again.", ""}
	})
	if err != nil {
		return q.again(err, func(q *request) error {
			event := q.form("event")
			if event == "" {
				event = getEvent
			}
			return functionTested(q, event, nil)
		})
	}
	if test != nil {
		return functionTested(q, q.form("event"), test)
	}
	return q.done(to, text)
}

func (c *Console) functionRoutes(show func(string, handler), mux *http.ServeMux) {
	show("/functions", functionsPage)
	mux.HandleFunc("POST /functions", c.action(maxArchive+maxForm, createFunction))
	show("/functions/{name}", functionPage)
	mux.HandleFunc("POST /functions/{name}", c.action(maxArchive+maxForm, functionAction))
}
