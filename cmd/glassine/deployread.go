package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"glassine/cloudformation/client"
)

// readFlags are shared by the commands that only look.
type readFlags struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
}

type stacksCmd struct {
	readFlags `embed:""`
}

// Run lists the stacks.
func (c *stacksCmd) Run() error {
	reach, err := c.stacks()
	if err != nil {
		return err
	}
	stacks, err := reach.Stacks(context.Background())
	if err != nil {
		return err
	}
	if stacks == nil {
		stacks = []client.Stack{}
	}
	if len(stacks) == 0 && c.forPeople() {
		fmt.Fprintln(os.Stderr, "There is no stack. glassine init writes a template, glassine deploy deploys it.")
		return nil
	}
	return c.print(stacks, func(w io.Writer) {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "STACK\tSTATUS\tCHANGED\tDESCRIPTION")
		for _, s := range stacks {
			changed := s.Created
			if s.Updated != nil {
				changed = *s.Updated
			}
			firstLine, _, _ := strings.Cut(s.Description, "\n")
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", s.Name, s.Status, changed.Local().Format(time.DateTime), printable(short(firstLine)))
		}
		_ = t.Flush() // w is memory
	})
}

type eventsCmd struct {
	readFlags `embed:""`
	Name      string `arg:"" optional:"" complete:"stack" help:"Stack; its ARN when it is deleted. The only one when not given."`
	Follow    bool   `short:"f" help:"Go on showing what happens, until interrupted."`
}

// Run shows the events of a stack, oldest first, after the first failure of the last operation.
func (c *eventsCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	reach, err := c.stacks()
	if err != nil {
		return err
	}
	s, err := theStack(ctx, reach, c.Name)
	if err != nil {
		return err
	}
	events, err := reach.EventsAfter(ctx, s.StackID, "")
	if err != nil {
		return err
	}
	v := newView(&stackFlags{outputFlags: c.outputFlags})
	v.colour = coloured(os.Stdout)
	var writing error
	show := func(e client.Event) {
		writing = errors.Join(writing, c.record(e, func(w io.Writer) { fmt.Fprintln(w, v.line(e)) }))
	}
	if cause := client.RootCause(lastOperation(events)); cause != nil && c.forPeople() {
		fmt.Fprintln(os.Stderr, v.paint(red, fmt.Sprintf("It began with %s (%s) %s: %s", cause.LogicalID, cause.Type, cause.Status, cause.Reason)))
	}
	last := ""
	for _, e := range events {
		show(e)
		last = e.ID
	}
	if !c.Follow || writing != nil {
		return writing
	}
	if _, err = reach.Follow(ctx, s.StackID, last, true, show); ctx.Err() != nil {
		return nil // it was interrupted, as it has to be
	}
	return errors.Join(err, writing)
}

// lastOperation are the events since somebody last did something with the stack.
func lastOperation(events []client.Event) []client.Event {
	for i, e := range slices.Backward(events) {
		if e.OfStack() && e.Reason == "User Initiated" {
			return events[i:]
		}
	}
	return events
}

// theStack returns the stack of that name; without a name the only one that there is.
func theStack(ctx context.Context, reach *client.Client, name string) (*client.Stack, error) {
	if name != "" {
		s, err := reach.Stack(ctx, name)
		if err != nil {
			err = fmt.Errorf("stack %s: %w", name, err)
		}
		return s, err
	}
	all, err := reach.Stacks(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, usageError{fmt.Errorf("there are %d stacks: say which one", len(all))}
	}
	return &all[0], nil
}

type outputsCmd struct {
	readFlags `embed:""`
	Name      string `arg:"" optional:"" complete:"stack" help:"Stack. The only one when not given."`
	Key       string `arg:"" optional:"" complete:"output" help:"One output; its value alone is printed."`
}

// Run prints the outputs of a stack: for programs an object of keys and values.
func (c *outputsCmd) Run() error {
	reach, err := c.stacks()
	if err != nil {
		return err
	}
	s, err := theStack(context.Background(), reach, c.Name)
	if err != nil {
		return err
	}
	values := map[string]string{}
	for _, o := range s.Outputs {
		values[o.Key] = o.Value
	}
	if c.Key != "" {
		value, ok := values[c.Key]
		if !ok {
			return fmt.Errorf("stack %s has no output %s", s.Name, c.Key)
		}
		return c.print(value, func(w io.Writer) { fmt.Fprintln(w, value) })
	}
	var data any = values
	if c.Output == "text" { // values alone would not say whose they are
		rows := [][]string{}
		for _, key := range sortedKeys(values) {
			rows = append(rows, []string{key, values[key]})
		}
		data = rows
	}
	return c.print(data, func(w io.Writer) {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, key := range sortedKeys(values) {
			fmt.Fprintf(t, "%s\t%s\n", key, values[key])
		}
		_ = t.Flush() // w is memory
	})
}

type exportCmd struct {
	dataFlags `embed:""`
	Name      string `arg:"" complete:"stack" help:"Stack."`
	Processed bool   `help:"Print the template after its transforms were carried out, not as it was written."`
}

// Run prints the template of a stack.
func (c *exportCmd) Run() error {
	reach, err := c.stacks()
	if err != nil {
		return err
	}
	stage := "Original"
	if c.Processed {
		stage = "Processed"
	}
	text, err := reach.Template(context.Background(), c.Name, stage)
	if errors.Is(err, client.ErrNoStack) {
		return fmt.Errorf("stack %s: %w", c.Name, err)
	}
	if err != nil {
		return err
	}
	fmt.Print(text)
	if text != "" && text[len(text)-1] != '\n' {
		fmt.Println()
	}
	return nil
}
