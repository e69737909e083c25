package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"glassine/aws/fault"
	"glassine/aws/resetapi"
)

type resetCmd struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
	Yes         bool `short:"y" help:"Do not ask; needed where nobody can be asked."`
}

// Run asks the running server, as the caller.
func (c *resetCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	if !c.Yes && (!isTerminal(os.Stdin) || !isTerminal(os.Stderr)) {
		return usageError{&card{errors.New("nothing was reset"), "everything would be deleted, and there is no terminal to ask on", "glassine reset --yes"}}
	}
	yes, err := ask(ctx, c.Yes, "Everything in the glassine at "+c.AWS+" will be deleted: stacks, buckets with their objects, functions, users, logs. Go on?")
	if err != nil || !yes {
		return err
	}
	reach, err := c.client()
	if err != nil {
		return err
	}
	took, err := (&resetapi.Client{Client: reach.Client}).Reset(ctx, c.Region)
	if fault.Is(err, resetapi.Disabled) {
		return &card{err, "a server that was started without that setting deletes nothing at once", "glassine up --allow-reset"}
	}
	if err != nil {
		return err
	}
	return c.print(resetapi.Answer{Milliseconds: took.Milliseconds()}, func(w io.Writer) {
		fmt.Fprintf(w, "Reset: everything that was made is gone, after %d ms; the root key is the same.\n", took.Milliseconds())
	})
}
