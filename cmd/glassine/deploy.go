package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"glassine/cloudformation/client"
)

// stackFlags are shared by the commands that change stacks.
type stackFlags struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
	Yes         bool `short:"y" help:"Do not ask before something is deleted or replaced."`
}

// sourceFlags say what is deployed.
type sourceFlags struct {
	Path    string            `arg:"" optional:"" default:"." complete:"template" help:"A template, a folder with one (stack.yaml, template.yaml), a cdk.out, or the folder of a CDK app that was synthesized."`
	Stack   []string          `complete:"stack" help:"Name of the stack; the file's, or the folder's, when not given. Of a cdk.out: the stacks to deploy, with those that they depend on." placeholder:"NAME"`
	Param   map[string]string `short:"p" help:"Value of a parameter. May be given again. A stack that is there keeps the values of the others." placeholder:"KEY=VALUE" mapsep:"none"`
	Tag     map[string]string `help:"Tag of the stack. May be given again." placeholder:"KEY=VALUE" mapsep:"none"`
	RoleARN string            `name:"role-arn" help:"Role that CloudFormation acts as; the caller when not given."`
	Staging string            `complete:"bucket" help:"Bucket for local code; CDK's bootstrap bucket when not given." placeholder:"BUCKET"`
}

type deployCmd struct {
	stackFlags  `embed:""`
	sourceFlags `embed:""`
	DryRun      bool `help:"Show what would be done, and do nothing."`
	Diff        bool `help:"Show what would be done and how the templates differ, and do nothing."`
	NoRollback  bool `help:"When a resource fails, leave what was made in place of going back."`
}

type diffCmd struct {
	stackFlags  `embed:""`
	sourceFlags `embed:""`
}

// Run shows how what stands here differs from what is deployed.
func (c *diffCmd) Run() error {
	d := &deployCmd{stackFlags: c.stackFlags, sourceFlags: c.sourceFlags, Diff: true}
	return d.Run()
}

// interruptible ends with the first interrupt; a second one ends the process.
func interruptible() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// stacks makes a client for stacks of a running glassine.
func (f *dataFlags) stacks() (*client.Client, error) {
	reach, err := f.client()
	if err != nil {
		return nil, err
	}
	return client.New(reach.Client, f.Region), nil
}

// Run deploys.
func (c *deployCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	src, err := c.source()
	if err != nil {
		return err
	}
	reach, err := c.stacks()
	if err != nil {
		return err
	}
	return c.deploy(ctx, reach, src)
}

func (c *deployCmd) deploy(ctx context.Context, reach *client.Client, src *source) error {
	v := newView(&c.stackFlags)
	v.plans, v.differences = c.DryRun || c.Diff, c.Diff
	d := &client.Deployer{
		Client: reach, Staging: c.Staging, KeepFailed: c.NoRollback, PlanOnly: c.DryRun || c.Diff, Confirm: v.confirm, Watch: v.event, Note: v.note,
	}
	v.start()
	outcomes, err := src.deploy(ctx, d, &c.sourceFlags)
	v.stop()
	return v.deployed(outcomes, err)
}

// source is what a path turned out to be: a template, or an assembly.
type source struct {
	name     string
	template *client.Template
	assembly *client.Assembly
}

// source finds what is to be deployed.
func (f *sourceFlags) source() (*source, error) {
	path := f.Path
	info, err := os.Stat(path)
	if err != nil {
		return nil, usageError{err}
	}
	if info.IsDir() {
		for _, dir := range []string{path, filepath.Join(path, "cdk.out")} {
			if client.IsAssembly(dir) {
				return f.assembly(dir)
			}
		}
		if path, err = templateIn(path); err != nil {
			return nil, usageError{err}
		}
	}
	t, err := client.ReadTemplate(path)
	if err != nil {
		return nil, err
	}
	if len(f.Stack) > 1 {
		return nil, usageError{errors.New("--stack: one template makes one stack")}
	}
	if len(f.Stack) == 1 {
		return &source{name: f.Stack[0], template: t}, nil
	}
	name, err := stackName(path)
	return &source{name: name, template: t}, err
}

func (f *sourceFlags) assembly(dir string) (*source, error) {
	a, err := client.ReadAssembly(dir)
	if err != nil {
		return nil, err
	}
	if len(f.Stack) > 0 {
		if err := a.Select(f.Stack...); err != nil {
			return nil, usageError{err}
		}
	}
	return &source{assembly: a}, nil
}

// stackName names the stack of a template's file.
func stackName(file string) (string, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	return client.StackName(filepath.Base(abs), filepath.Base(filepath.Dir(abs))), nil
}

// templateIn finds the template of a folder.
func templateIn(dir string) (string, error) {
	for _, name := range client.Files {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
			return path, nil
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "cdk.json")); err == nil {
		return "", fmt.Errorf("%s is a CDK app that was not synthesized: run cdk synth in it", dir)
	}
	return "", fmt.Errorf("%s holds neither a cdk.out nor one of %s; glassine init writes a template", dir, strings.Join(client.Files, ", "))
}

// deploy deploys it.
func (s *source) deploy(ctx context.Context, d *client.Deployer, f *sourceFlags) ([]*client.Outcome, error) {
	change := func(j *client.Job) {
		j.Role = f.RoleARN
		j.Parameters, j.Tags = merged(j.Parameters, f.Param), merged(j.Tags, f.Tag)
	}
	if s.assembly != nil {
		return d.DeployAssembly(ctx, s.assembly, change)
	}
	j := &client.Job{Stack: s.name, Template: s.template}
	change(j)
	out, err := d.Deploy(ctx, j)
	return []*client.Outcome{out}, err
}

func merged(a, b map[string]string) map[string]string {
	out := map[string]string{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

type validateCmd struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
	sourceFlags `embed:""`
}

// validatedTemplate is what was found out about a template.
type validatedTemplate struct {
	File  string
	Valid bool
	Error string `json:",omitempty"`
}

// Run finds what is wrong with templates, without making anything.
func (c *validateCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	src, err := c.source()
	if err != nil {
		return err
	}
	reach, err := c.stacks()
	if err != nil {
		return err
	}
	d := &client.Deployer{Client: reach, Staging: c.Staging}
	jobs := []*client.Job{{Stack: src.name, Template: src.template}}
	if src.assembly != nil {
		jobs = nil
		for _, s := range src.assembly.Stacks {
			j, err := s.Job(ctx, reach)
			if err != nil {
				return err
			}
			jobs = append(jobs, j)
		}
	}
	var wrong error
	found := []validatedTemplate{}
	for _, j := range jobs {
		j.Parameters = merged(j.Parameters, c.Param)
		one := validatedTemplate{File: j.Template.File, Valid: true}
		if err := d.Check(ctx, j); err != nil {
			one.Valid, one.Error = false, err.Error()
			wrong = errors.Join(wrong, fmt.Errorf("%s: %w", j.Template.File, err))
		}
		found = append(found, one)
	}
	return errors.Join(c.print(found, func(w io.Writer) {
		for _, v := range found {
			if v.Valid {
				fmt.Fprintf(w, "%s: valid\n", v.File)
			}
		}
	}), wrong)
}

// sortedKeys are a map's keys in order.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
