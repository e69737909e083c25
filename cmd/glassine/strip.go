package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"glassine/transform/metadata"
)

type stripCmd struct {
	Files    []string `arg:"" name:"file" help:"Pictures; folders, with all that is below them; or - alone, for standard input to standard output."`
	Out      string   `short:"o" placeholder:"OUT" help:"Where results go: for one picture a file (- is standard output), for more a folder, in which folders keep their shape. Without it each result is beside its picture, as NAME.clean.EXT."`
	InPlace  bool     `help:"Put each result in the place of its picture, which stays whole until the result is on the disk."`
	Metadata string   `help:"What stays: none (the orientation alone), copyright (Exif's Artist and Copyright too) or keep." enum:"none,copyright,keep" default:"none"`
	ICC      string   `name:"icc" help:"Whether the colour profile stays: keep or strip." enum:"keep,strip" default:"keep"`
	Force    bool     `short:"f" help:"Overwrite results that are there already."`
	DryRun   bool     `help:"Tell where results would go and how many bytes they would be, and write nothing."`
	Jobs     int      `short:"j" help:"How many pictures at once; as many as there are processors when not given."`
}

// stripJob is one picture and where its result goes.
type stripJob struct {
	foundFile
	out place
}

// stripResult is what became of one.
type stripResult struct {
	before, after int64
	err           error
}

// Run strips, until it is done or interrupted; a second interrupt ends it at once.
func (c *stripCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	if err := c.options().Check(); err != nil {
		return err
	}
	if c.InPlace && c.Out != "" {
		return usageError{errors.New("--in-place and --out exclude each other")}
	}
	if len(c.Files) == 1 && c.Files[0] == "-" {
		return c.standardInput()
	}
	if c.Out == "-" {
		return c.toStandardOutput()
	}
	f := newFinder()
	defer f.close()
	jobs, err := c.plan(f)
	if err != nil {
		return err
	}
	return c.strip(ctx, f, jobs)
}

func (c *stripCmd) options() metadata.Options {
	return metadata.Options{Metadata: metadata.Keep(c.Metadata), ICC: metadata.ICC(c.ICC)}
}

// plan finds the pictures and says where each result goes.
func (c *stripCmd) plan(f *finder) ([]stripJob, error) {
	var out *os.Root
	outIsFile := c.Out != "" && len(c.Files) == 1 && !isDir(c.Files[0]) && !isDir(c.Out) && !strings.HasSuffix(c.Out, string(filepath.Separator))
	if c.DryRun && c.Out != "" && !outIsFile && !isDir(c.Out) {
		return nil, usageError{fmt.Errorf("--dry-run: %s is not a folder that is there", c.Out)}
	}
	if c.Out != "" && !outIsFile {
		if err := os.MkdirAll(c.Out, 0o777); err != nil {
			return nil, err
		}
		var err error
		if out, err = f.root(c.Out); err != nil {
			return nil, err
		}
		if f.skip, err = out.Stat("."); err != nil {
			return nil, err
		}
	}
	if c.Out == "" && !c.InPlace {
		f.skipName = isClean
	}
	f.find(c.Files)
	var jobs []stripJob
	taken := make(map[string]string)
	for _, file := range f.files {
		j := stripJob{foundFile: file}
		var err error
		switch {
		case c.InPlace:
			j.out = file.place
		case outIsFile:
			j.out, err = f.place(c.Out)
		case out != nil:
			j.out = c.below(out, file)
		case file.walked:
			j.out = place{file.root, cleanName(file.name), cleanName(file.shown)}
		default:
			j.out, err = f.place(cleanName(file.shown))
		}
		if err != nil {
			return nil, err
		}
		if other, twice := taken[j.out.shown]; twice {
			f.problems = append(f.problems, fmt.Errorf("%s: its result would be %s, as that of %s", shownName(file.shown), shownName(j.out.shown), shownName(other)))
			continue
		}
		taken[j.out.shown] = file.shown
		jobs = append(jobs, j)
	}
	return jobs, nil
}

// below returns where the result of a file goes in the folder --out: one of several folders gets one of its name there.
func (c *stripCmd) below(out *os.Root, file foundFile) place {
	name := filepath.Base(file.shown)
	if file.walked {
		name = filepath.FromSlash(file.name)
		if len(c.Files) > 1 {
			name = filepath.Join(filepath.Base(filepath.Clean(c.Files[file.arg])), name)
		}
	}
	if !filepath.IsLocal(name) { // of "..", say
		name = filepath.FromSlash(file.name)
	}
	return place{out, filepath.ToSlash(name), filepath.Join(c.Out, name)}
}

// cleanName is NAME.clean.EXT.
func cleanName(name string) string {
	ext := filepath.Ext(name)
	return strings.TrimSuffix(name, ext) + ".clean" + ext
}

// isClean reports whether cleanName made a name.
func isClean(name string) bool {
	return strings.HasSuffix(strings.TrimSuffix(name, filepath.Ext(name)), ".clean")
}

func isDir(name string) bool {
	info, err := os.Stat(name)
	return err == nil && info.IsDir()
}

// strip does the jobs and reports. The error counts what failed.
func (c *stripCmd) strip(ctx context.Context, f *finder, jobs []stripJob) error {
	if c.Jobs < 1 {
		c.Jobs = runtime.GOMAXPROCS(0)
	}
	bar := newMeter("", int64(len(jobs)))
	if len(jobs) < 2 {
		bar = nil
	}
	failed, other, saved := f.problems, 0, int64(0)
	done := inOrder(ctx, len(jobs), c.Jobs, func(i int) stripResult { return c.one(jobs[i]) }, func(i int, r stripResult) {
		j := jobs[i]
		switch {
		case errors.Is(r.err, errNoPicture):
			other++
		case errors.Is(r.err, errThere):
			failed = append(failed, fmt.Errorf("%s: %s %w", shownName(j.shown), shownName(j.out.shown), r.err))
		case r.err != nil:
			failed = append(failed, fmt.Errorf("%s: %w", shownName(j.shown), r.err))
		default:
			saved += r.before - r.after
			if bar == nil {
				fmt.Printf("%s -> %s: %d bytes, of %d\n", shownName(j.shown), shownName(j.out.shown), r.after, r.before)
			}
		}
		bar.step(1)
	})
	bar.end()
	stripped := done - other - (len(failed) - len(f.problems))
	if len(jobs) > 1 {
		done := "stripped"
		if c.DryRun {
			done = "would be stripped"
		}
		fmt.Printf("%s %s, %s less\n", counted(stripped, "picture"), done, shownSize(saved))
	}
	if other > 0 {
		fmt.Fprintf(os.Stderr, "left alone: %s of other kinds\n", counted(other, "file"))
	}
	if f.links > 0 {
		fmt.Fprintf(os.Stderr, "not followed: %s\n", counted(f.links, "symbolic link"))
	}
	for _, err := range failed {
		fmt.Fprintf(os.Stderr, "%v\n", err)
	}
	switch {
	case done < len(jobs):
		return fmt.Errorf("interrupted: %d of %d files are done", done, len(jobs))
	case len(failed) > 0:
		return fmt.Errorf("%d could not be stripped, %d were", len(failed), stripped)
	case len(jobs) == other:
		return errors.New("no pictures there")
	}
	return nil
}

// one strips one picture.
func (c *stripCmd) one(j stripJob) (r stripResult) {
	if !c.Force && !c.InPlace && j.out.exists() {
		return stripResult{err: errThere}
	}
	src, info, err := j.open()
	if err != nil {
		return stripResult{err: err}
	}
	defer src.Close()
	plan, err := c.options().Strip(src, info.Size())
	if err != nil {
		return stripResult{err: j.notPicture(err)}
	}
	if c.DryRun {
		return stripResult{before: info.Size(), after: plan.Size}
	}
	if dir := filepath.ToSlash(filepath.Dir(filepath.FromSlash(j.out.name))); dir != "." {
		if err := j.out.root.MkdirAll(dir, 0o777); err != nil {
			return stripResult{err: withoutPath(err)}
		}
	}
	err = j.out.write(info.Mode(), c.Force || c.InPlace, func(w io.Writer) error {
		if _, err := plan.Reader(src).(io.WriterTo).WriteTo(w); err != nil {
			return withoutPath(err)
		}
		now, err := src.Stat()
		if err == nil && (now.Size() != info.Size() || !now.ModTime().Equal(info.ModTime())) {
			err = errors.New("it was changed while it was read")
		}
		return err
	})
	return stripResult{before: info.Size(), after: plan.Size, err: err}
}

// standardInput strips what comes from standard input, to standard output or --out.
func (c *stripCmd) standardInput() error {
	if c.InPlace {
		return errors.New("standard input has no place")
	}
	src, size, err := whole(os.Stdin)
	if err != nil {
		return err
	}
	defer src.Close()
	return c.stream(src, size)
}

// toStandardOutput strips the one file to standard output.
func (c *stripCmd) toStandardOutput() error {
	if len(c.Files) != 1 {
		return errors.New("--out - is for one picture")
	}
	src, err := os.Open(c.Files[0])
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", shownName(c.Files[0]))
	}
	if err != nil {
		return err
	}
	return c.stream(src, info.Size())
}

func (c *stripCmd) stream(src *os.File, size int64) error {
	plan, err := c.options().Strip(src, size)
	if err != nil {
		return err
	}
	write := func(w io.Writer) error {
		_, err := plan.Reader(src).(io.WriterTo).WriteTo(w)
		return err
	}
	if c.Out == "" || c.Out == "-" {
		if isTerminal(os.Stdout) {
			return errors.New("standard output is a terminal; use --out, or a pipe")
		}
		return write(os.Stdout)
	}
	f := newFinder()
	defer f.close()
	p, err := f.place(c.Out)
	if err != nil {
		return err
	}
	if err := p.write(0o644, c.Force, write); err != nil {
		return fmt.Errorf("%s %w", shownName(c.Out), err)
	}
	return nil
}
