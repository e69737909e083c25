package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"glassine"
)

type downCmd struct {
	dataFlags `embed:""`
	Wait      time.Duration `help:"How long to wait for its end." default:"30s"`
}

// Run stops the process, and returns when it has let the data directory go.
func (c *downCmd) Run() error {
	pid, err := glassine.Running(c.Data)
	if errors.Is(err, glassine.ErrNotRunning) {
		return &card{notReady{err}, "nobody holds the lock of the directory", "glassine status --data with the directory of the one to stop"}
	}
	if err != nil {
		return err
	}
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Signal(syscall.SIGTERM)
	}
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	ctx, stop := interruptible()
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if now, err := glassine.Running(c.Data); errors.Is(err, glassine.ErrNotRunning) || err == nil && now != pid {
			fmt.Printf("Stopped (process %d). The data stays in %s; glassine up or serve goes on with it.\n", pid, c.Data)
			return nil
		}
		select {
		case <-ctx.Done():
			return &card{fmt.Errorf("process %d has not ended after %s", pid, c.Wait), "it waits for requests under way, as --drain of serve says", fmt.Sprintf("glassine down --wait 5m, or kill -9 %d: what was acknowledged is on disk", pid)}
		case <-tick.C:
		}
	}
}
