package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"glassine/confine"
)

// process is one running instance of a version: a worker of the pools. It takes one event at a time.
type process struct {
	host  *Host
	v     Version
	child *confine.Child
	api   net.Listener
	log   *logger
	meter *meter
	// retireAt is when half of its credentials' life is over; zero is never.
	retireAt time.Time
	stop     func() bool     // no longer ends with the host
	ctx      context.Context // of the host
	placed   placed

	started time.Time
	initErr chan []byte   // the runtime's own report that it cannot begin; takes one
	asked   chan struct{} // closed at the first call for an event
	events  chan *call    // to the call for an event that waits

	mu      sync.Mutex // guards what follows
	current *call      // taken and not answered
	last    string     // the id of the one before
	ready   func()     // for when the runtime asks for the next event
	timer   *time.Timer
	init    time.Duration // until the first event was asked for; 0 once told
	broken  bool          // to be ended, not used
}

// call is an event under way.
type call struct {
	Invocation
	begun   time.Time     // guarded by the process's mutex
	outcome chan outcome  // takes one
	refused chan struct{} // closed when the runtime was gone before it took the event

	mu   sync.Mutex // guards what follows, and is held during a write to the stream
	to   io.Writer
	over bool
}

// open begins the caller's stream, and Write writes to it, until shut: the caller's writer is not its caller's any more once
// Invoke has returned.
func (c *call) open(head StreamHead) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.over {
		c.to = c.Stream(head)
	}
}

func (c *call) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return 0, errors.New("the invocation has ended")
	}
	return c.to.Write(p)
}

func (c *call) shut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
}

// outcome is what the runtime made of an event.
type outcome struct {
	payload   []byte
	failed    bool
	errorType string // for the log, when failed
}

// startWorker starts a process and waits until it asks for its first event.
func (h *Host) startWorker(ctx context.Context, v Version) (worker, error) {
	p, err := h.startProcess(ctx, v, InitTime)
	if errors.Is(err, errInitTimeout) {
		p, err = h.startProcess(ctx, v, v.Timeout)
	}
	if errors.Is(err, errInitTimeout) {
		err = &InitError{out: timedOut("", v.Timeout)}
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

var errInitTimeout = errors.New("the function did not initialize in time")

func (h *Host) startProcess(ctx context.Context, v Version, limit time.Duration) (*process, error) {
	r, err := h.runtimes.find(ctx, v.Runtime)
	if err != nil {
		return nil, err
	}
	p := &process{
		host: h, v: v, ctx: ctx, started: h.cfg.Now(), log: newLogger(h.cfg, v), initErr: make(chan []byte, 1), asked: make(chan struct{}), events: make(chan *call),
	}
	h.compile(ctx, r)
	env := h.environment(v, r, p.log.stream)
	if h.cfg.Credentials != nil {
		credentials, end, err := h.cfg.Credentials(ctx, v)
		if err != nil {
			return nil, err
		}
		env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env["AWS_SESSION_TOKEN"] = credentials.AccessKeyID, credentials.SecretAccessKey, credentials.SessionToken
		if !end.IsZero() {
			p.retireAt = p.started.Add(end.Sub(p.started) / 2)
		}
	}
	p.log.platform(p.started, initStart(r, v))
	if p.placed, err = h.place(v, r, env); err != nil {
		return nil, err
	}
	if p.child, err = h.spawner.Start(ctx, p.placed.spec); err != nil {
		p.placed.close()
		if program, ok := errors.AsType[*confine.ProgramError](err); ok {
			return nil, &InitError{message: program.Reason, out: failed("Runtime.InvalidEntrypoint", "Error: "+program.Reason)}
		}
		return nil, fmt.Errorf("start function %s: %w", v.FunctionName, err)
	}
	p.stop = context.AfterFunc(ctx, p.child.Kill)
	p.log.read(p.child)
	p.meter = h.meters.add(p)
	if err := p.serve(); err != nil {
		p.close()
		return nil, err
	}
	if err := p.awaitInit(ctx, limit); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

// awaitInit waits until the runtime asks for an event, says that it cannot, ends, or takes too long.
func (p *process) awaitInit(ctx context.Context, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-p.asked:
		return nil
	case payload := <-p.initErr:
		return &InitError{out: outcome{payload: payload, failed: true}}
	case <-p.child.Done():
		select {
		case payload := <-p.initErr:
			return &InitError{out: outcome{payload: payload, failed: true}}
		default:
		}
		if ctx.Err() != nil {
			return ErrClosed
		}
		return &InitError{message: p.exitMessage(), out: failed("Runtime.ExitError", "Error: "+p.exitMessage())}
	case <-timer.C:
		return errInitTimeout
	case <-ctx.Done():
		return ErrClosed
	}
}

// exitMessage is how a runtime that ended by itself is reported. (The runtime interface emulator's words.)
func (p *process) exitMessage() string {
	exit := p.child.Wait()
	if exit.Code == 0 {
		return "Runtime exited without providing a reason"
	}
	return "Runtime exited with error: " + exit.String()
}

// invoke implements worker.
func (p *process) invoke(ctx context.Context, inv Invocation, ready func()) (Result, error) {
	c := &call{Invocation: inv, outcome: make(chan outcome, 1), refused: make(chan struct{})}
	defer c.shut()
	defer func() { // for a process that ended before it knew ready
		select {
		case <-p.child.Done():
			p.release()
		default:
		}
	}()
	expired := make(chan struct{})
	p.mu.Lock()
	p.ready = ready
	// It also ends a runtime that has answered and does not ask for the next event.
	p.timer = time.AfterFunc(p.v.Timeout, func() { close(expired); p.end() })
	p.mu.Unlock()
	select {
	case p.events <- c:
	case <-p.child.Done():
		return Result{}, errNotTaken
	case <-ctx.Done(): // the process has done nothing wrong, but it did not take an event that it had asked for
		p.end()
		return Result{}, ctx.Err()
	}
	select {
	case out := <-c.outcome:
		return p.report(c, out), nil
	case <-c.refused:
		p.end()
		return Result{}, errNotTaken
	case <-expired:
		return p.report(c, timedOut(inv.RequestID, p.v.Timeout)), nil
	case <-p.child.Done():
	case <-ctx.Done():
		p.end()
		p.report(c, failed("Sandbox.Failure", "RequestId: "+inv.RequestID+" Error: the caller has left"))
		return Result{}, ctx.Err()
	}
	select {
	case out := <-c.outcome: // what it answered before it ended counts, and may be on its way
		return p.report(c, out), nil
	case <-expired: // which is what ended it
		return p.report(c, timedOut(inv.RequestID, p.v.Timeout)), nil
	case <-time.After(lastWords):
		return p.report(c, failed("Runtime.ExitError", "RequestId: "+inv.RequestID+" Error: "+p.exitMessage())), nil
	}
}

// lastWords is how long an answer may be under way from a runtime that has ended.
const lastWords = 50 * time.Millisecond

// timedOut is the outcome of a function that ran past its deadline. (Lambda's own name differs from the emulator's
// Sandbox.Timeout.)
func timedOut(id string, timeout time.Duration) outcome {
	prefix := ""
	if id != "" {
		prefix = "RequestId: " + id + " "
	}
	return failed(errorTimedOut, fmt.Sprintf("%sError: Task timed out after %.2f seconds", prefix, timeout.Seconds()))
}

const errorTimedOut = "Sandbox.Timedout"

func failed(kind, message string) outcome {
	return outcome{payload: errorJSON(kind, message), failed: true, errorType: kind}
}

// report writes the lines about an invocation's end and makes its result.
func (p *process) report(c *call, out outcome) Result {
	now := p.host.cfg.Now()
	r := Result{Payload: out.payload, Failed: out.failed, MaxMemoryMB: p.meter.peakMB()}
	if out.failed {
		r.FunctionError = "Unhandled"
	}
	p.mu.Lock()
	r.Duration = now.Sub(c.begun)
	r.InitDuration, p.init = p.init, 0
	if p.current == c {
		p.current = nil
	}
	p.mu.Unlock()
	p.log.end(now, c, r, p.v, out, string(p.host.level))
	r.LogTail = p.log.takeTail()
	return r
}

// release says that the process may be given another event or has ended, once for each invoke.
func (p *process) release() {
	p.mu.Lock()
	ready := p.ready
	p.ready = nil
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
	p.mu.Unlock()
	if ready != nil {
		ready()
	}
}

// end makes the process end, with all that it started.
func (p *process) end() {
	p.mu.Lock()
	p.broken = true
	p.mu.Unlock()
	p.child.Kill()
}

func (p *process) usable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.child.Done():
		return false
	default:
	}
	return !p.broken && (p.retireAt.IsZero() || p.host.cfg.Now().Before(p.retireAt))
}

// working reports whether the process is starting or has an event.
func (p *process) working() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.asked:
	default:
		return true
	}
	return p.ready != nil
}

// prewarmed implements worker.
func (p *process) prewarmed() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.init = 0
}

func (p *process) done() <-chan struct{} { return p.child.Done() }

// close implements worker.
func (p *process) close() {
	p.stop()
	p.end()
	p.child.Wait()
	p.host.meters.drop(p.meter)
	if p.api != nil {
		p.api.Close()
	}
	// The pipes end with all who hold them. Where a process can get away, it must not hold us up.
	stuck := time.AfterFunc(time.Second, func() { p.child.Output.Close(); p.child.Log.Close() })
	p.log.close()
	stuck.Stop()
	p.child.Close()
	p.placed.close()
	p.release()
}

// serve serves the process's sockets until they are closed.
func (p *process) serve() error {
	s, err := p.placed.sockets(p.child)
	if err != nil {
		return fmt.Errorf("serve function %s: %w", p.v.FunctionName, err)
	}
	p.api = s.api
	go (&apiServer{p.routes()}).serve(s.api) // until close
	for _, l := range s.aws {
		go p.host.acceptAWS(l) // until the process ends
	}
	if s.dns != nil {
		go serveNames(s.dns) // until the process ends
	}
	go func() {
		<-p.child.Done()
		for _, l := range s.aws {
			l.Close()
		}
		if s.dns != nil {
			_ = s.dns.Close() // nothing was to be written
		}
		p.release()
	}()
	return nil
}

// maxConnections bounds the connections of one process to one port of the AWS endpoint: each costs us memory.
const maxConnections = 256

// acceptAWS hands the connections of l on.
func (h *Host) acceptAWS(l net.Listener) {
	gate := make(chan struct{}, maxConnections)
	for {
		gate <- struct{}{}
		c, err := l.Accept()
		if err != nil {
			return
		}
		if tcp, ok := c.(*net.TCPConn); ok {
			c = &gated{TCPConn: tcp, release: sync.OnceFunc(func() { <-gate })}
		}
		go h.cfg.AWS(c)
	}
}

// gated is a connection that counts until it is closed.
type gated struct {
	*net.TCPConn
	release func()
}

func (g *gated) Close() error {
	g.release()
	return g.TCPConn.Close()
}

// sockets is what leads out of a sandbox, and what is served on each.
type sockets struct {
	api net.Listener
	aws []net.Listener
	dns net.PacketConn
}

// errorJSON is an error of ours as an invoker reads it.
func errorJSON(kind, message string) []byte {
	b, _ := json.Marshal(struct {
		ErrorType    string `json:"errorType"`
		ErrorMessage string `json:"errorMessage"`
	}{kind, message}) // strings always encode
	return b
}
