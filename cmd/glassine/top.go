package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"glassine/console/client"
	"glassine/telemetry"
)

type topCmd struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
	Admin       string        `help:"Address of the admin port." default:"127.0.0.1:7070" env:"GLASSINE_ADMIN"`
	Every       time.Duration `help:"How often to look." default:"1s"`
}

// topLast is how many of the last requests are shown at most.
const topLast = 40

// Run shows the view until q is typed, or, where there is no terminal or people do not read it, prints what went on between two looks.
func (c *topCmd) Run() error {
	ctx, stop := interruptible()
	defer stop()
	if c.Every < 100*time.Millisecond {
		return usageError{fmt.Errorf("--every %s: less than 100ms is more than it shows", c.Every)}
	}
	watch := &topWatch{topCmd: c}
	var err error
	if watch.caller, err = c.caller(); err != nil {
		watch.noCaller = err.Error()
	}
	first, err := watch.look(ctx)
	if err != nil {
		return notReady{err}
	}
	if !c.forPeople() || !isTerminal(os.Stdin) || !isTerminal(os.Stdout) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(c.Every):
		}
		v, err := watch.look(ctx)
		if err != nil {
			return notReady{err}
		}
		return c.print(v, func(w io.Writer) {
			for _, line := range v.lines(80, 0, palette(coloured(os.Stdout))) {
				fmt.Fprintln(w, line)
			}
		})
	}
	s, err := takeScreen(os.Stdin, os.Stdout)
	if err != nil {
		return fmt.Errorf("take the terminal: %w", err)
	}
	err = watch.show(ctx, s, first)
	return errors.Join(err, s.release())
}

// topWatch is what looks at a server again and again.
type topWatch struct {
	*topCmd
	caller   *client.Client // nil: who asks is not known
	noCaller string         // why
	before   topCounts
}

// look returns what went on since the look before. Without the admin port there is none; what else cannot be asked is a problem.
func (w *topWatch) look(ctx context.Context) (*topView, error) {
	ready, _, err := askAdmin(ctx, w.Admin, "/readyz")
	if err != nil {
		return nil, err
	}
	status, body, err := askAdmin(ctx, w.Admin, "/metrics")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("what answers on %s is not glassine's admin port: status %d", w.Admin, status)
	}
	if err != nil {
		return nil, err
	}
	counts := countsOf(body, time.Now())
	v := between(w.before, counts)
	w.before = counts
	v.Ready = ready == http.StatusOK
	if w.caller == nil {
		v.Problems = append(v.Problems, "last requests: "+w.noCaller)
		return v, nil
	}
	asking, cancel := context.WithTimeout(ctx, statusTime)
	defer cancel()
	traces, err := w.caller.LatestTraces(asking)
	if err != nil {
		v.Problems = append(v.Problems, "last requests: "+withoutURL(err).Error())
	}
	for _, t := range traces[:min(len(traces), topLast)] {
		v.Last = append(v.Last, requestOf(t))
	}
	return v, nil
}

// requestOf is a trace as a line has it. One that is under way has no status, result and time.
func requestOf(t telemetry.Trace) topRequest {
	r := topRequest{At: t.Began, Status: "-", Result: "-"}
	for _, f := range t.Facts {
		switch f.Name {
		case "http.response.status_code":
			r.Status = f.Value
		case "glassine.result":
			r.Result = f.Value
		case "glassine.time_taken":
			r.Took = secondsOf(f.Value)
		case "url.path":
			r.Path = f.Value
		}
	}
	return r
}

// secondsOf reads a time in seconds, such as 0.024, or as Go writes it.
func secondsOf(text string) float64 {
	if n, err := strconv.ParseFloat(strings.TrimSuffix(text, " s"), 64); err == nil {
		return n
	}
	d, _ := time.ParseDuration(strings.ReplaceAll(text, " ", "")) // 0 of what is none
	return d.Seconds()
}

// show draws the view on a screen each time that something is new, until q, ctx, or the terminal's end.
func (w *topWatch) show(ctx context.Context, s *screen, v *topView) error {
	ctx, cancel := context.WithCancel(ctx)
	typed := make(chan byte)
	reading := make(chan struct{})
	go func() { defer close(reading); s.keys(ctx, typed) }()
	defer func() { cancel(); <-reading }() // or it would take what is typed next
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, syscall.SIGWINCH)
	defer signal.Stop(resized)
	type looked struct {
		v   *topView
		err error
	}
	looks, looking, paused := make(chan looked, 1), false, false
	tick := time.NewTicker(w.Every)
	defer tick.Stop()
	for {
		v.paused = paused
		if err := s.draw(v); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case key, more := <-typed:
			if !more || key == 'q' || key == 'Q' {
				return nil
			}
			if key == ' ' {
				paused = !paused
			}
		case <-resized:
		case <-tick.C:
			if !paused && !looking {
				looking = true
				go func() { v, err := w.look(ctx); looks <- looked{v, err} }() // ends with ctx
			}
		case got := <-looks:
			looking = false
			if got.err == nil {
				v = got.v
				continue
			}
			gone := *v
			gone.Ready, gone.Problems = false, []string{got.err.Error()}
			v = &gone
		}
	}
}

// draw puts the view on the screen, each line over the one before, so that nothing flickers.
func (s *screen) draw(v *topView) error {
	width, height := s.size()
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, line := range v.lines(width, height, palette(coloured(s.out))) {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(line + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	_, err := s.out.WriteString(b.String())
	return err
}
