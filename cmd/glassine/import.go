package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"glassine/cloudformation/client"
)

type importCmd struct {
	serveFlags `embed:""`
	Path       string            `arg:"" optional:"" help:"What is brought here: a template from anywhere, the answer of aws cloudformation get-template, or a cdk.out."`
	Stack      string            `help:"Name of the stack; the file's, or the folder's, when not given." placeholder:"NAME"`
	Param      map[string]string `short:"p" help:"Value of a parameter. May be given again." placeholder:"KEY=VALUE" mapsep:"none"`
	Code       map[string]string `help:"Code of a function of the template: a folder or archive, or glassine://image. May be given again." placeholder:"LOGICALID=PATH" mapsep:"none"`
	DryRun     bool              `help:"Tell what would be changed and left out, and make nothing."`
	Write      string            `help:"Write the template as it is deployed to this file, too." placeholder:"FILE"`
	Yes        bool              `short:"y" help:"Do not ask before something is deleted or replaced."`

	Bucket      string `help:"In place of a template: a bucket of another S3 service, to put glassine in front of." placeholder:"BUCKET"`
	Endpoint    string `help:"URL of that service, such as https://s3.eu-west-1.amazonaws.com." placeholder:"URL"`
	BucketAt    string `name:"bucket-region" help:"Region of that bucket, as its service knows it." placeholder:"REGION"`
	Style       string `help:"How that service is addressed: path or virtual." enum:"path,virtual" default:"path"`
	Credentials string `help:"File with the key for that service, as AWS's shared credentials file has it. GLASSINE_REMOTE_ACCESS_KEY_ID and GLASSINE_REMOTE_SECRET_ACCESS_KEY when not given." type:"path"`
	As          string `help:"What the bucket is called here; what it is called there when not given." placeholder:"NAME"`
}

// Run imports.
func (c *importCmd) Run(command *kong.Context) error {
	ctx, stop := interruptible()
	defer stop()
	switch {
	case c.Bucket != "" && c.Path != "":
		return usageError{errors.New("a template and --bucket exclude each other")}
	case c.Bucket != "":
		return c.bucket(ctx, command)
	case c.Path == "":
		return usageError{errors.New("say what to import: a template, a cdk.out, or --bucket and --endpoint")}
	}
	reach, err := c.stacks()
	if err != nil {
		return err
	}
	account, err := reach.Account(ctx)
	if err != nil {
		return err
	}
	if info, err := os.Stat(c.Path); err == nil && info.IsDir() {
		return c.assembly(ctx, reach, account)
	}
	return c.template(ctx, reach, account)
}

// view makes the view and the deployer of this import.
func (c *importCmd) view(reach *client.Client) (*view, *client.Deployer) {
	v := newView(&stackFlags{Yes: c.Yes})
	v.plans = c.DryRun
	return v, &client.Deployer{Client: reach, PlanOnly: c.DryRun, Confirm: v.confirm, Watch: v.event, Note: v.note}
}

func (c *importCmd) template(ctx context.Context, reach *client.Client, account string) error {
	text, err := os.ReadFile(c.Path)
	if err != nil {
		return err
	}
	t, err := client.ReadExported(c.Path, string(text))
	if err != nil {
		return err
	}
	name := c.Stack
	if name == "" {
		if name, err = stackName(c.Path); err != nil {
			return err
		}
	}
	a := client.Adapt(t, account, "")
	err = a.Code(c.Code, func(bucket, key string) (bool, error) { return reach.HasObject(ctx, bucket, key) })
	if err != nil {
		tell(name, a.Notes)
		return err
	}
	v, d := c.view(reach)
	j := &client.Job{Stack: name, Parameters: c.Param}
	if err := c.fit(ctx, d, j, a); err != nil {
		return err
	}
	if c.Write != "" {
		if err := os.WriteFile(c.Write, []byte(j.Template.Text), 0o666); err != nil {
			return err
		}
	}
	v.start()
	out, err := d.Deploy(ctx, j)
	v.stop()
	return v.deployed([]*client.Outcome{out}, err)
}

// maxLeftOut bounds how often a template is tried, each time with something more left out.
const maxLeftOut = 200

// fit leaves out what the engine refuses because it does not know it, and tells what became of the template. What is wrong besides
// is for the deploy to say, which knows what other stacks export.
func (c *importCmd) fit(ctx context.Context, d *client.Deployer, j *client.Job, a *client.Adaptation) error {
	var err error
	for range maxLeftOut {
		if j.Template, err = a.Template(); err != nil {
			return err
		}
		if err = d.Check(ctx, j); err == nil || !a.Without(err) {
			break
		}
	}
	tell(j.Stack, a.Notes)
	return ctx.Err()
}

// tell prints what an import did to a template.
func tell(stack string, notes []client.Note) {
	for _, kind := range []string{"rewritten", "left out", "kept", "needs"} {
		for _, n := range notes {
			if n.Kind == kind {
				fmt.Printf("%s: %-9s  %s: %s\n", stack, n.Kind, n.Path, n.Text)
			}
		}
	}
}

// assembly imports the stacks of a cdk.out, one after the other: what one exports the next may need to be checked.
func (c *importCmd) assembly(ctx context.Context, reach *client.Client, account string) error {
	dir := c.Path
	if !client.IsAssembly(dir) {
		dir = filepath.Join(dir, "cdk.out")
	}
	all, err := client.ReadAssembly(dir)
	if err != nil {
		return err
	}
	if c.Stack != "" {
		if err := all.Select(c.Stack); err != nil {
			return usageError{err}
		}
	}
	v, d := c.view(reach)
	v.start()
	var outcomes []*client.Outcome
	for _, s := range all.Stacks {
		a, err := s.Move(account)
		if err == nil {
			var j *client.Job
			if j, err = s.Job(ctx, reach); err == nil {
				j.Parameters = merged(j.Parameters, c.Param)
				if err = c.fit(ctx, d, j, a); err == nil {
					var out *client.Outcome
					out, err = d.Deploy(ctx, j)
					outcomes = append(outcomes, out)
				}
			}
		}
		if err != nil {
			v.stop()
			return v.deployed(outcomes, err)
		}
	}
	v.stop()
	return v.deployed(outcomes, nil)
}

// bucket puts glassine in front of a bucket of another service.
func (c *importCmd) bucket(ctx context.Context, command *kong.Context) error {
	if c.Endpoint == "" {
		return usageError{errors.New("--bucket goes with --endpoint, the URL of its service")}
	}
	if c.As == "" {
		c.As = c.Bucket
	}
	name := pointName(c.As)
	if err := checkPointName(name); err != nil {
		return usageError{err}
	}
	if c.Stack == "" {
		c.Stack = client.StackName(name, "")
	}
	text := overBucket(name, c.As)
	if _, port, err := net.SplitHostPort(c.HTTPS); err == nil {
		text = strings.ReplaceAll(text, ".localhost:8443/", ".localhost:"+port+"/")
	}
	t, err := client.ParseTemplate(name+".yaml", text)
	if err != nil {
		return err
	}
	if c.Write != "" {
		if err := os.WriteFile(c.Write, []byte(text), 0o666); err != nil {
			return err
		}
	}
	flag, err := c.remote()
	if err != nil {
		return usageError{err}
	}
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp", c.AWS)
	if err != nil { // none runs: this is it
		c.Remote = append(c.Remote, flag)
		fmt.Printf("From now on start it with the bucket:\n  glassine serve --remote %s\n", quote(flag))
		return c.run(command, false, func(ctx context.Context) error { return c.over(ctx, t) })
	}
	_ = conn.Close() // it only had to open
	reach, err := c.stacks()
	if err != nil {
		return err
	}
	there, err := reach.HasBucket(ctx, c.As)
	if err != nil {
		return fmt.Errorf("bucket %s: %w", c.As, err)
	}
	if !there {
		return fmt.Errorf("the glassine that runs has no bucket %s\n  why: buckets elsewhere are given at the start\n  try: start it with --remote %s and give this command again", c.As, quote(flag))
	}
	return c.over(ctx, t)
}

// over deploys the template over the bucket.
func (c *importCmd) over(ctx context.Context, t *client.Template) error {
	reach, err := c.stacks()
	if err != nil {
		return err
	}
	v, d := c.view(reach)
	v.start()
	out, err := d.Deploy(ctx, &client.Job{Stack: c.Stack, Template: t, Parameters: c.Param})
	v.stop()
	return v.deployed([]*client.Outcome{out}, err)
}

// remote is the flag --remote that the bucket needs. It is checked as a start would check it.
func (c *importCmd) remote() (string, error) {
	options := url.Values{}
	for name, value := range map[string]string{"region": c.BucketAt, "credentials": c.Credentials} {
		if value != "" {
			options.Set(name, value)
		}
	}
	if c.Style == "virtual" {
		options.Set("style", c.Style)
	}
	flag := c.As + "=" + strings.TrimRight(c.Endpoint, "/") + "/" + c.Bucket
	if len(options) > 0 {
		flag += "?" + options.Encode()
	}
	_, err := parseRemote(flag, os.Getenv)
	if err != nil {
		err = fmt.Errorf("--remote %s: %w", c.As, err)
	}
	return flag, err
}

var notPoint = regexp.MustCompile(`[^a-z0-9-]+`)

// pointName makes a name for access points of a bucket's.
func pointName(bucket string) string {
	name := notPoint.ReplaceAllString(strings.ToLower(bucket), "-")
	return strings.Trim(name[:min(len(name), 40)], "-")
}

// overBucket is the template of glassine init over a bucket that is there.
func overBucket(name, bucket string) string {
	before, rest, _ := strings.Cut(starter, starterBucket)
	_, after, _ := strings.Cut(rest, "\n  AccessPoint:")
	text := strings.ReplaceAll(before+"  AccessPoint:"+after, "NAME", name)
	return strings.NewReplacer("${Bucket.Arn}", "arn:aws:s3:::"+bucket, "!Ref Bucket", `"`+bucket+`"`).Replace(text)
}
