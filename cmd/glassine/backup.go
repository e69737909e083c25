package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"glassine"
	"glassine/aws/backupapi"
	"glassine/backup"
)

type backupCmd struct {
	dataFlags `embed:""`
	File      string `arg:"" help:"File to write, which must not be there yet; - for standard output." placeholder:"FILE"`
}

// Run asks the running server for a backup, signed with the root key, or makes one itself where none runs. It reads along and
// checks: the file gets its name when it is whole and on disk.
func (c *backupCmd) Run() error {
	if _, err := os.Stat(filepath.Join(c.Data, "state.db")); err != nil {
		return fmt.Errorf("%s is not a data directory of glassine: %w", c.Data, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if c.File == "-" {
		sum, err := c.write(ctx, os.Stdout)
		return c.report(sum, "standard output", err)
	}
	if _, err := os.Lstat(c.File); err == nil {
		return fmt.Errorf("%s is there already: choose another name, or remove it", c.File)
	}
	sum, err := c.writeFile(ctx)
	return c.report(sum, c.File, err)
}

// writeFile writes the backup under a name of its own, private to the user, and gives it its name at the end.
func (c *backupCmd) writeFile(ctx context.Context) (sum backup.Summary, err error) {
	f, err := os.CreateTemp(filepath.Dir(c.File), "."+filepath.Base(c.File)+"-*") // mode 0600
	if err != nil {
		return sum, fmt.Errorf("write backup: %w", err)
	}
	defer os.Remove(f.Name()) // gone already when all went well
	sum, err = c.write(ctx, f)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return sum, err
	}
	if err := os.Link(f.Name(), c.File); err != nil { // unlike a rename, it replaces nothing
		return sum, fmt.Errorf("write backup: %w", err)
	}
	d, err := os.Open(filepath.Dir(c.File))
	if err != nil {
		return sum, err
	}
	return sum, errors.Join(d.Sync(), d.Close())
}

// write writes a backup and checks it on its way.
func (c *backupCmd) write(ctx context.Context, w io.Writer) (backup.Summary, error) {
	r, checked := io.Pipe()
	type outcome struct {
		sum backup.Summary
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		sum, err := glassine.CheckBackup(ctx, r)
		_, _ = io.Copy(io.Discard, r) // so that the writer does not wait for who has given up
		done <- outcome{sum, err}
	}()
	bar := newMeter("written", 0)
	defer bar.end()
	out := bufio.NewWriterSize(io.MultiWriter(w, bar), 256<<10)
	err := c.make(ctx, io.MultiWriter(out, checked))
	if err == nil {
		err = out.Flush()
	}
	checked.CloseWithError(err)
	read := <-done
	if err == nil {
		err = read.err
	}
	return read.sum, err
}

// make gets the backup from where it is made.
func (c *backupCmd) make(ctx context.Context, w io.Writer) error {
	err := glassine.BackupStopped(ctx, c.Data, w)
	if !errors.Is(err, glassine.ErrInUse) {
		return err
	}
	reach, err := c.client()
	if err != nil {
		return err
	}
	reach.HTTP.Timeout = 0 // it takes as long as it takes; Ctrl-C ends it
	body, err := (&backupapi.Client{Client: reach.Client}).CreateBackup(ctx, c.Region)
	if err != nil {
		return err
	}
	defer body.Close()
	if _, err := io.Copy(w, body); err != nil {
		return fmt.Errorf("the backup broke off: %w", err)
	}
	return nil
}

// report says what was written, on standard error: standard output may be the backup.
func (c *backupCmd) report(sum backup.Summary, where string, err error) error {
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "Backup:  %s: %d files, %d bytes, as of %s; every file checked\n", where, sum.Files, sum.Bytes, sum.Created.Format(time.RFC3339))
	fmt.Fprintln(os.Stderr, "Private: it holds the installation's keys, not encrypted: whoever reads it can do everything. To encrypt it on its way: glassine backup - | age -p > FILE")
	return damaged(sum)
}

// damaged is the error for files that were damaged before they came into the backup.
func damaged(sum backup.Summary) error {
	if len(sum.Damaged) == 0 {
		return nil
	}
	return fmt.Errorf("the backup is complete, but %d files were damaged or missing already: %s. glassine fsck names their objects",
		len(sum.Damaged), strings.Join(sum.Damaged[:min(10, len(sum.Damaged))], ", "))
}

type restoreCmd struct {
	Data string `help:"Data directory to make; it must not be there yet, or be empty." default:"${default_data}" type:"path" env:"GLASSINE_DATA"`
	File string `arg:"" help:"A file of glassine backup; - for standard input." placeholder:"FILE"`
}

// Run makes a data directory of a backup. No server may run on it.
func (c *restoreCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	in := os.Stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return fmt.Errorf("read backup: %w", err)
		}
		defer f.Close()
		in = f
	}
	bar := newMeter("read", 0)
	sum, err := glassine.Restore(ctx, c.Data, io.TeeReader(in, bar))
	bar.end()
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "Restored: %s: %d files, %d bytes, as of %s, written by glassine %s\n", c.Data, sum.Files, sum.Bytes, sum.Created.Format(time.RFC3339), sum.Version)
	fmt.Fprintf(os.Stderr, "Start it: glassine serve --data %s\n", quote(c.Data))
	return damaged(sum)
}
