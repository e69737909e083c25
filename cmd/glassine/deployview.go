package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"glassine/cloudformation/client"
)

// view shows what happens to stacks: on a terminal as a tree that changes, otherwise as lines; all of it on standard error. Only
// what was asked for goes to standard output.
type view struct {
	// out says how the outcome is printed. quiet is one for programs: nothing is told on the way.
	out                      outputFlags
	quiet, yes, colour, live bool
	// plans shows every change of a plan, differences those of the templates too.
	plans, differences bool

	began time.Time
	ended chan struct{}
	done  sync.WaitGroup

	mu   sync.Mutex // guards tree and the terminal
	tree stackTree
}

func newView(f *stackFlags) *view {
	terminal := isTerminal(os.Stderr) && os.Getenv("TERM") != "dumb"
	return &view{
		out: f.outputFlags, quiet: !f.forPeople(), yes: f.Yes, colour: coloured(os.Stderr), live: terminal && f.forPeople(),
		began: time.Now(), tree: stackTree{rows: map[string]*row{}},
	}
}

// start begins to draw, ten times a second, until stop.
func (v *view) start() {
	v.began = time.Now()
	if !v.live {
		return
	}
	v.ended = make(chan struct{})
	v.done.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-v.ended:
				return
			case <-tick.C:
				v.mu.Lock()
				v.draw()
				v.mu.Unlock()
			}
		}
	})
}

func (v *view) stop() {
	if !v.live {
		return
	}
	close(v.ended)
	v.done.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.draw()
	v.tree.drawn = 0
}

// erase takes the tree off the terminal, so that lines can be written above it.
func (v *view) erase() {
	if v.tree.drawn > 0 {
		fmt.Fprintf(os.Stderr, "\x1b[%dA\x1b[J", v.tree.drawn)
		v.tree.drawn = 0
	}
}

func (v *view) draw() {
	v.erase()
	height, width := terminalSize(os.Stderr)
	lines := v.tree.lines(time.Now(), height-1, width, v.paint)
	for _, l := range lines {
		fmt.Fprintln(os.Stderr, l)
	}
	v.tree.drawn = len(lines)
}

// event shows one event.
func (v *view) event(e client.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.live {
		v.tree.event(e)
		return
	}
	if !v.quiet {
		fmt.Fprintln(os.Stderr, v.line(e))
	}
}

// line is an event on one line.
func (v *view) line(e client.Event) string {
	name := e.StackName + "/" + e.LogicalID
	if e.OfStack() {
		name = e.StackName
	}
	text := fmt.Sprintf("%s  %-24s  %-24s  %s", e.Time.Local().Format("15:04:05.000"), e.Status, name, e.Type)
	if e.Reason != "" {
		text += "  " + e.Reason
	}
	switch {
	case e.Cancelled():
		return v.paint(dim, text)
	case e.Failed():
		return v.paint(red, text)
	}
	return text
}

// note shows what is done besides.
func (v *view) note(stack, text string) {
	v.say("%s: %s", stack, text)
}

func (v *view) say(format string, args ...any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.quiet {
		return
	}
	v.erase()
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}

func (v *view) paint(colour, text string) string {
	if !v.colour || colour == "" {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

// paintOut paints what goes to standard output, which may be a file when standard error is a terminal.
func (v *view) paintOut(colour, text string) string {
	if !isTerminal(os.Stdout) {
		return text
	}
	return v.paint(colour, text)
}

// confirm shows a plan, and asks on a terminal when something is lost by it.
func (v *view) confirm(ctx context.Context, p *client.Plan) (bool, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.erase()
	if !v.quiet {
		out := os.Stderr
		if v.plans { // then the plan is what was asked for
			out, v.colour = os.Stdout, coloured(os.Stdout)
		}
		for _, l := range v.plan(p) {
			fmt.Fprintln(out, l)
		}
	}
	lost := p.Destroys()
	if len(lost) == 0 || v.plans {
		return true, nil
	}
	return ask(ctx, v.yes, fmt.Sprintf("%s: %s will be deleted or replaced. Go on?", p.Stack, counted(len(lost), "resource")))
}

// ask asks on a terminal; elsewhere, and with --yes, the answer is yes.
func ask(ctx context.Context, yes bool, question string) (bool, error) {
	if yes || !isTerminal(os.Stdin) || !isTerminal(os.Stderr) {
		return true, nil
	}
	fmt.Fprintf(os.Stderr, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() { // it ends with the process at the latest: nothing can end a read from a terminal
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n') // at the end of the input the answer is no
		answer <- line
	}()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case line := <-answer:
		line = strings.ToLower(strings.TrimSpace(line))
		return line == "y" || line == "yes", nil
	}
}

// plan tells what a plan does.
func (v *view) plan(p *client.Plan) []string {
	var out []string
	if p.New && !v.plans {
		out = append(out, fmt.Sprintf("%s: makes %s", p.Stack, counted(len(p.Changes), "resource")))
	} else {
		out = append(out, fmt.Sprintf("%s: %s", p.Stack, counted(len(p.Changes), "change")))
		for _, c := range p.Changes {
			out = append(out, v.change(&c)...)
		}
	}
	var roles []string
	for _, c := range p.Identities() {
		if c.Action == "Add" || p.New {
			roles = append(roles, c.LogicalID+" ("+strings.TrimPrefix(c.Type, "AWS::IAM::")+")")
		}
	}
	if len(roles) > 0 {
		out = append(out, "  roles and policies that it makes: "+strings.Join(roles, ", "))
	}
	if v.differences {
		for _, d := range p.Differences {
			out = append(out, v.difference(d)...)
		}
	}
	return out
}

// maxPlanned is how long the values of a property may be to be shown in a plan. diff shows the others.
const maxPlanned = 100

// forces stands behind a property because of which a resource is replaced.
const forces = "  forces the replacement"

// change tells of a change, and of why something is replaced.
func (v *view) change(c *client.Change) []string {
	sign, colour := map[string]string{"Add": "+", "Remove": "-"}[c.Action], map[string]string{"Add": green, "Remove": red}[c.Action]
	if sign == "" {
		sign = "~"
	}
	what := ""
	switch {
	case c.Action == "Remove" && !c.Destroys():
		what = "  leaves the stack and stays"
	case c.Replacement == "True":
		what, colour = "  is replaced", red
	case c.Replacement == "Conditional":
		what, colour = "  may be replaced", red
	}
	out := []string{v.paint(colour, fmt.Sprintf("  %s %s  %s%s", sign, c.LogicalID, c.Type, what))}
	var names []string // of properties, in order
	lines, causes := map[string]string{}, map[string][]string{}
	for _, d := range c.Details {
		name := d.Attribute
		if d.Name != "" {
			name = d.Name
		}
		if _, ok := lines[name]; !ok {
			names = append(names, name)
			lines[name] = ""
			if d.Before != "" && d.After != "" && len(d.Before)+len(d.After) <= maxPlanned {
				lines[name] = ": " + d.Before + " -> " + d.After
			}
		}
		if d.Cause != "" {
			causes[name] = append(causes[name], d.Cause)
		}
		if d.Recreation == "Always" && !strings.HasSuffix(lines[name], forces) {
			lines[name] += forces
		}
	}
	for _, name := range names {
		text := "      " + name + lines[name]
		if len(causes[name]) > 0 {
			text += "  (through " + strings.Join(causes[name], ", ") + ")"
		}
		out = append(out, text)
	}
	return out
}

// short is a text, cut where it is long.
func short(text string) string {
	const most = 60
	if r := []rune(text); len(r) > most {
		return string(r[:most-3]) + "..."
	}
	return text
}

// difference tells of one difference of two templates.
func (v *view) difference(d client.Difference) []string {
	out := []string{"  " + strings.Join(d.Path, "/")}
	for _, side := range []struct {
		sign, colour string
		value        any
	}{{"-", red, d.Before}, {"+", green, d.After}} {
		if side.value == nil {
			continue
		}
		text, err := json.MarshalIndent(side.value, "    "+side.sign+" ", "  ")
		if err != nil {
			text = []byte(err.Error())
		}
		out = append(out, v.paint(side.colour, "    "+side.sign+" "+string(text)))
	}
	return out
}

// report is an outcome as it goes to standard output.
type report struct {
	*client.Outcome
	Seconds float64
}

// deployed tells what became of all stacks. The error that it returns is the whole story of a failure.
func (v *view) deployed(outcomes []*client.Outcome, err error) error {
	if v.quiet {
		doc := struct {
			Stacks []report
			Error  string `json:",omitempty"`
		}{Stacks: []report{}}
		for _, o := range outcomes {
			doc.Stacks = append(doc.Stacks, report{o, o.Took.Seconds()})
		}
		if err != nil {
			doc.Error = err.Error()
		}
		return errors.Join(v.out.print(doc, nil), err)
	}
	for _, o := range outcomes {
		switch o.Result {
		case "created", "updated":
			fmt.Printf("%s: %s in %s\n", o.Stack, v.paintOut(green, o.Result), spent(o.Took))
		case "unchanged":
			fmt.Printf("%s: no changes (%s)\n", o.Stack, spent(o.Took))
		case "declined":
			fmt.Printf("%s: left as it is\n", o.Stack)
			continue
		default:
			continue
		}
		for _, x := range o.Outputs {
			fmt.Printf("  %s  %s\n", x.Key, x.Value)
		}
	}
	if len(outcomes) > 1 && err == nil {
		fmt.Fprintf(os.Stderr, "%s in %s\n", counted(len(outcomes), "stack"), spent(time.Since(v.began)))
	}
	return v.card(outcomes, err)
}

// card makes of a failure what failed, why, and what to try.
func (v *view) card(outcomes []*client.Outcome, err error) error {
	if !errors.Is(err, client.ErrFailed) {
		return err
	}
	for _, o := range outcomes {
		if o.Cause != nil {
			err = fmt.Errorf("%w\n%s", err, v.why(o.Stack, o.Cause))
		}
	}
	return err
}

func (v *view) why(stack string, e *client.Event) string {
	return v.paint(red, fmt.Sprintf("  why: %s (%s) %s: %s", e.LogicalID, e.Type, e.Status, e.Reason)) + "\n  try: glassine events " + stack
}

// spent is a time as people read it.
func spent(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(100 * time.Millisecond).String()
}
