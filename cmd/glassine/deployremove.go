package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"glassine/cloudformation/client"
)

type destroyCmd struct {
	stackFlags   `embed:""`
	Names        []string `arg:"" optional:"" name:"name" complete:"stack" help:"Stacks to delete."`
	DryRun       bool     `help:"Tell which stacks and resources would be deleted, and delete nothing."`
	All          bool     `help:"Delete every stack of the region."`
	EmptyBuckets bool     `help:"Delete what is in the buckets of the stacks first, all versions. Buckets that a DeletionPolicy keeps stay as they are."`
	Logs         bool     `help:"Delete the log groups that the functions of the stacks wrote, too; they belong to no stack."`
}

// Run deletes stacks, tells what was removed, and asks the services whether anything is left.
func (c *destroyCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	if c.All == (len(c.Names) > 0) {
		return usageError{errors.New("say which stacks to delete, or --all")}
	}
	reach, err := c.stacks()
	if err != nil {
		return err
	}
	var stacks []client.Stack
	if c.All {
		if stacks, err = reach.Stacks(ctx); err != nil {
			return err
		}
	}
	for _, name := range c.Names {
		s, err := reach.Stack(ctx, name)
		if err != nil {
			return fmt.Errorf("stack %s: %w", name, err)
		}
		stacks = append(stacks, *s)
	}
	v := newView(&c.stackFlags)
	if c.DryRun {
		return c.plan(ctx, reach, stacks)
	}
	if len(stacks) == 0 && !v.quiet {
		fmt.Println("There is no stack.")
	}
	if len(stacks) > 0 {
		var names []string
		for _, s := range stacks {
			names = append(names, s.Name)
		}
		question := fmt.Sprintf("%s will be deleted: %s. Go on?", counted(len(stacks), "stack"), strings.Join(names, ", "))
		if c.EmptyBuckets {
			question = fmt.Sprintf("%s will be deleted, with all objects in their buckets: %s. Go on?", counted(len(stacks), "stack"), strings.Join(names, ", "))
		}
		if yes, err := ask(ctx, v.yes, question); err != nil || !yes {
			return err
		}
	}
	r := &client.Remover{Client: reach, EmptyBuckets: c.EmptyBuckets, Logs: c.Logs, Watch: v.event, Note: v.note}
	v.start()
	removals, err := r.RemoveAll(ctx, stacks)
	v.stop()
	return v.removed(removals, err)
}

// doomed is a stack that would be deleted, with what is in it.
type doomed struct {
	StackName string
	Resources []doomedResource
}

type doomedResource struct{ LogicalResourceId, ResourceType, PhysicalResourceId string }

// plan tells what Run would delete. What a DeletionPolicy keeps is told by Run, which has the template carried out.
func (c *destroyCmd) plan(ctx context.Context, reach *client.Client, stacks []client.Stack) error {
	all := []doomed{}
	for _, s := range stacks {
		resources, err := reach.Resources(ctx, s.Name)
		if err != nil {
			return err
		}
		one := doomed{s.Name, []doomedResource{}}
		for _, r := range resources {
			one.Resources = append(one.Resources, doomedResource{r.LogicalID, r.Type, r.PhysicalID})
		}
		all = append(all, one)
	}
	return c.print(all, func(w io.Writer) {
		for _, s := range all {
			fmt.Fprintf(w, "%s: would be deleted, %s\n", s.StackName, counted(len(s.Resources), "resource"))
			for _, r := range s.Resources {
				fmt.Fprintf(w, "  %s  %s  %s\n", r.ResourceType, r.LogicalResourceId, r.PhysicalResourceId)
			}
		}
		fmt.Fprintln(w, "Nothing was deleted. What a DeletionPolicy keeps would stay.")
	})
}

// removed tells what became of stacks that were to be deleted.
func (v *view) removed(removals []*client.Removal, err error) error {
	if v.quiet {
		type removal struct {
			*client.Removal
			Seconds float64
		}
		doc := struct {
			Stacks []removal
			Error  string `json:",omitempty"`
		}{Stacks: []removal{}}
		for _, r := range removals {
			doc.Stacks = append(doc.Stacks, removal{r, r.Took.Seconds()})
		}
		if err != nil {
			doc.Error = err.Error()
		}
		err = errors.Join(v.out.print(doc, nil), err)
	}
	for _, r := range removals {
		if !v.quiet && r.Status == "DELETE_COMPLETE" {
			v.removal(r)
		}
		if len(r.Proof.Left) > 0 {
			err = errors.Join(err, fmt.Errorf("stack %s is deleted, and something of it is left", r.Stack))
		}
		if r.Cause == nil {
			continue
		}
		if err = fmt.Errorf("%w\n%s", err, v.why(r.Stack, r.Cause)); strings.Contains(r.Cause.Reason, "not empty") {
			err = fmt.Errorf("%w\n  try: glassine destroy %s --empty-buckets", err, r.Stack)
		}
	}
	return err
}

func (v *view) removal(r *client.Removal) {
	fmt.Printf("%s: %s in %s, %s\n", r.Stack, v.paintOut(green, "deleted"), spent(r.Took), counted(len(r.Removed), "resource"))
	wide := 0
	for _, x := range r.Removed {
		wide = max(wide, len(x.Type))
	}
	for _, x := range r.Removed {
		fmt.Printf("  removed  %-*s  %s  %s\n", wide, x.Type, x.LogicalID, x.PhysicalID)
	}
	if r.Objects > 0 {
		fmt.Printf("  removed  %s from buckets, versions counted\n", counted(r.Objects, "object"))
	}
	for _, x := range r.Kept {
		fmt.Printf("  kept     %s  %s  %s   (its DeletionPolicy says so)\n", x.Type, x.LogicalID, x.PhysicalID)
	}
	for _, name := range r.LogGroups {
		fmt.Printf("  log      %s   (written by a function, no part of the stack: --logs deletes it, or aws logs delete-log-group --log-group-name %s)\n", name, quote(name))
	}
	for _, x := range r.Proof.Left {
		fmt.Printf("  %s  %s  %s  %s\n", v.paintOut(red, "LEFT   "), x.Type, x.LogicalID, x.PhysicalID)
	}
	if len(r.Proof.Asked) > 0 && len(r.Proof.Left) == 0 {
		fmt.Printf("  proof    nothing that was removed is listed any more by %s\n", strings.Join(r.Proof.Asked, ", "))
	}
	if len(r.Proof.Unlisted) > 0 {
		fmt.Fprintf(os.Stderr, "  (no call lists these, which live in others: %s)\n", strings.Join(r.Proof.Unlisted, ", "))
	}
}
