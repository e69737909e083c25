package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"glassine"
	"glassine/store/disk"
)

type fsckCmd struct {
	dataFlags `embed:""`
}

// Run prints a line for each problem and ends with a count. It fails when there is a problem that costs data.
func (c *fsckCmd) Run() error {
	if _, err := os.Stat(filepath.Join(c.Data, "state.db")); err != nil {
		return fmt.Errorf("%s is not a data directory of glassine: %w", c.Data, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	damaged := 0
	checked, err := glassine.Fsck(ctx, c.Data, func(p disk.Problem) {
		if p.Orphan {
			fmt.Printf("%s: belongs to no object (removed at the next start)\n", p.File)
			return
		}
		damaged++
		fmt.Printf("%s: %v: %s\n", p.File, p.Err, strings.Join(p.Objects, ", "))
	})
	if err != nil {
		return err
	}
	fmt.Printf("%d files, %d bytes read, %d problems\n", checked.Blobs, checked.Bytes, checked.Problems)
	if damaged > 0 {
		return fmt.Errorf("%d files are damaged or missing", damaged)
	}
	return nil
}
