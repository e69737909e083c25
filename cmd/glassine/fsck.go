package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"glassine"
	"glassine/store/disk"
)

type fsckCmd struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
}

// damage is one problem of a file.
type damage struct {
	File    string
	Orphan  bool     // it belongs to no object, and goes at the next start
	Error   string   `json:",omitempty"`
	Objects []string `json:",omitempty"`
}

// Run prints a line for each problem and ends with a count. It fails when there is a problem that costs data.
func (c *fsckCmd) Run() error {
	if _, err := os.Stat(filepath.Join(c.Data, "state.db")); err != nil {
		return fmt.Errorf("%s is not a data directory of glassine: %w", c.Data, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	damaged := 0
	var writing error
	checked, err := glassine.Fsck(ctx, c.Data, func(p disk.Problem) {
		d := damage{File: p.File, Orphan: p.Orphan, Objects: p.Objects}
		if !p.Orphan {
			damaged++
			d.Error = fmt.Sprint(p.Err)
		}
		writing = errors.Join(writing, c.record(d, func(w io.Writer) {
			if p.Orphan {
				fmt.Fprintf(w, "%s: belongs to no object (removed at the next start)\n", p.File)
				return
			}
			fmt.Fprintf(w, "%s: %v: %s\n", p.File, p.Err, strings.Join(p.Objects, ", "))
		}))
	})
	if err = errors.Join(err, writing); err != nil {
		return err
	}
	summary := struct {
		Files, Bytes, Problems int64
	}{checked.Blobs, checked.Bytes, int64(checked.Problems)}
	if err := c.record(struct{ Summary any }{summary}, func(w io.Writer) {
		fmt.Fprintf(w, "%d files, %d bytes read, %d problems\n", checked.Blobs, checked.Bytes, checked.Problems)
	}); err != nil {
		return err
	}
	if damaged > 0 {
		return fmt.Errorf("%d files are damaged or missing", damaged)
	}
	return nil
}
