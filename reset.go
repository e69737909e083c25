package glassine

// How a System is emptied while it serves: another one takes its place, on the same listeners and in the same data directory. No part
// of the one before is used again, so nothing that it held in memory can be served.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"glassine/aws/fault"
	"glassine/aws/resetapi"
	"glassine/iam"
)

// How long requests under way have to end before a reset breaks them off. Viewers' is short, since idle connections of HTTP/2 use
// all of it.
const (
	resetGrace       = 250 * time.Millisecond
	resetViewerGrace = 25 * time.Millisecond
)

// resetting is a reset that somebody waits for.
type resetting struct {
	done func(took time.Duration, err error)
	next inheritance // filled in by prepare
}

// inheritance is what one System leaves to the next.
type inheritance struct {
	listeners map[string]net.Listener
	quic      net.PacketConn
}

// succession is of a System that can be reset: which System is in its place now. That one has all the parts; the System with the
// succession has only those that are exported.
type succession struct {
	cfg     Config // as New got it
	asked   chan *resetting
	ended   chan struct{} // closed when Serve has returned
	current atomic.Pointer[System]

	answering sync.WaitGroup // of requests for resets

	turn   sync.Mutex // guards closed; held while one System takes the place of another
	closed bool
}

// newSuccession makes a System that can be reset.
func newSuccession(ctx context.Context, cfg Config) (*System, error) {
	l := &succession{cfg: cfg, asked: make(chan *resetting), ended: make(chan struct{})}
	first, err := newSystem(ctx, cfg, nil, l)
	if err != nil {
		return nil, err
	}
	s := &System{succession: l, cfg: first.cfg, NewRoot: first.NewRoot}
	s.show(first)
	return s, nil
}

// show makes s what next is to who embeds it.
func (s *System) show(next *System) {
	s.IAM, s.S3, s.Lambda, s.Logs, s.SSM = next.IAM, next.S3, next.Lambda, next.Logs, next.SSM
	s.ObjectLambda, s.Edge, s.Stacks = next.ObjectLambda, next.Edge, next.Stacks
	s.succession.current.Store(next)
}

// now is the System whose parts are in use: s, but for one that can be reset.
func (s *System) now() *System {
	if s.succession == nil {
		return s
	}
	return s.succession.current.Load()
}

// errNotServing is the answer to who asks for a reset of a System that serves no more.
var errNotServing = errors.New("reset: the System does not serve any more")

// Reset empties the System while Serve runs, and returns when it is as after its first start: stacks, distributions, functions,
// access points, buckets and their objects, users, roles and policies, logs, parameters, traces and the edge's cache are gone, and
// the demo is there again if Config has it. The root key stays, and so do the certificates, the audit log, and the originals of
// Config.Remotes and Config.Directories, whose buckets are declared anew. The listeners stay open: who connects meanwhile waits.
// Requests under way have a moment to end, and then their connections do; all temporary credentials are dead.
//
// The exported fields of s are others afterwards: do not use those of before, nor s from other goroutines meanwhile. The caller
// needs glassine:Reset, and the System Config.AllowReset. Before the directory was touched an error leaves everything as it was. When
// nothing could be opened again, Serve returns why. Safe for many goroutines; those that wait together share one reset.
func (s *System) Reset(ctx context.Context, c iam.Caller) error {
	if err := s.mayReset(ctx, c); err != nil {
		return err
	}
	done := make(chan error, 1)
	select {
	case s.succession.asked <- &resetting{done: func(_ time.Duration, err error) { done <- err }}:
		return <-done
	case <-s.succession.ended:
		return errNotServing
	case <-ctx.Done():
		return ctx.Err()
	}
}

// mayReset asks the configuration, and then IAM.
func (s *System) mayReset(ctx context.Context, c iam.Caller) error {
	now := s.now()
	if !now.cfg.AllowReset {
		return fault.New(resetapi.Disabled, "This glassine cannot be reset: the setting allow-reset (the variable GLASSINE_ALLOW_RESET) is off. It is for tests.").WithStatus(http.StatusForbidden)
	}
	return now.IAM.Authorize(ctx, c, iam.Ask{Action: "glassine:Reset", Resources: []string{"*"}})
}

// resetHandler answers who asks for a reset at the AWS endpoint.
func (s *System) resetHandler() http.Handler {
	return &resetapi.Handler{IAM: s.IAM, May: s.mayReset, Now: s.cfg.Now, Log: s.cfg.Log, Begin: func(ready <-chan struct{}, done func(time.Duration, error)) {
		s.within.answering.Go(func() {
			<-ready
			answered := make(chan struct{})
			select {
			case s.within.asked <- &resetting{done: func(took time.Duration, err error) { done(took, err); close(answered) }}:
				<-answered
			case <-s.within.ended:
				done(0, errNotServing)
			}
		})
	}}
}

// noteTaken has the audit log say 200 of a request whose connection was taken, to be answered later.
func noteTaken(w http.ResponseWriter) {
	if status, ok := w.(*statusWriter); ok && status.status == 0 {
		status.status = http.StatusOK
	}
}

// serve answers until ctx ends, and has a new System take the place of the current one whenever that is asked for.
func (l *succession) serve(ctx context.Context, s *System) error {
	defer l.answering.Wait()
	defer close(l.ended)
	for {
		before := l.current.Load()
		asked, err := before.serve(ctx, l.asked)
		if asked == nil {
			return errors.Join(err, s.Close())
		}
		began := time.Now()
		err = l.succeed(ctx, s, before, asked)
		took := time.Since(began)
		if err == nil {
			before.cfg.Log.LogAttrs(ctx, slog.LevelInfo, "everything was reset", slog.Duration("took", took))
		}
		asked.done(took, err)
		l.answer(took, err)
		if errors.Is(err, errNotServing) {
			return s.Close() // which was quicker
		}
		if err != nil {
			return errors.Join(err, s.Close())
		}
	}
}

// answer answers all who have asked for what was just done.
func (l *succession) answer(took time.Duration, err error) {
	for {
		select {
		case other := <-l.asked:
			other.done(took, err)
		default:
			return
		}
	}
}

// prepare does what can fail while everything still runs: it takes the listeners along, and writes what stays of the records.
func (s *System) prepare(ctx context.Context, r *resetting) error {
	for _, d := range s.cfg.Directories {
		if part := s.data.forgets(d.Path); part != "" {
			return fmt.Errorf("reset: the bucket %s is the directory %s, in %s of the data directory, which a reset empties", d.Name, d.Path, part)
		}
	}
	r.next.listeners = map[string]net.Listener{}
	for _, srv := range s.servers {
		if srv.listener == nil {
			continue
		}
		l, err := sameListener(srv.listener)
		if err != nil {
			return errors.Join(fmt.Errorf("reset: keep the listener %s: %w", srv.name, err), r.next.close())
		}
		r.next.listeners[srv.name] = l
	}
	if s.quic != nil {
		conn, err := samePacketConn(s.quic)
		if err != nil {
			return errors.Join(fmt.Errorf("reset: keep the socket of HTTP/3: %w", err), r.next.close())
		}
		r.next.quic = conn
	}
	if err := s.data.stage(ctx, s.records); err != nil {
		return errors.Join(err, r.next.close())
	}
	return nil
}

func (i *inheritance) close() error {
	var errs []error
	for _, l := range i.listeners {
		errs = append(errs, l.Close())
	}
	if i.quic != nil {
		errs = append(errs, i.quic.Close())
	}
	return errors.Join(errs...)
}

// sameListener is another descriptor of the socket that l accepts at: closing one leaves the other open.
func sameListener(l net.Listener) (net.Listener, error) {
	if a, ok := l.(*awsListener); ok {
		l = a.Listener
	}
	f, ok := l.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("a %T has no descriptor", l)
	}
	file, err := f.File()
	if err != nil {
		return nil, err
	}
	defer file.Close() // net has one of its own
	return net.FileListener(file)
}

func samePacketConn(c net.PacketConn) (net.PacketConn, error) {
	f, ok := c.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("a %T has no descriptor", c)
	}
	file, err := f.File()
	if err != nil {
		return nil, err
	}
	defer file.Close() // net has one of its own
	return net.FilePacketConn(file)
}

// succeed has a new System take the place of before, which serves no more.
func (l *succession) succeed(ctx context.Context, s, before *System, r *resetting) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	if l.closed {
		return errors.Join(errNotServing, r.next.close())
	}
	cfg := l.cfg
	before.liveMu.Lock()
	cfg.CertificateDir, cfg.Strict, cfg.CacheStatus = before.live.CertificateDir, before.live.Strict, before.live.CacheStatus
	before.liveMu.Unlock()
	cfg.Listeners, cfg.QUIC = r.next.listeners, r.next.quic
	if cfg.QUIC == nil {
		cfg.NoHTTP3 = true // its port was not to be had
	}
	if err := before.leave(); err != nil {
		cfg.Log.Warn("a part of what was reset did not close in order", "error", err.Error())
	}
	if err := before.data.empty(); err != nil {
		return errors.Join(err, r.next.close(), before.data.Close())
	}
	// The next one is opened whole, and the end of ctx is seen to after that.
	next, err := newSystem(context.WithoutCancel(ctx), cfg, before.data, l)
	if err != nil {
		l.closed = true
		return fmt.Errorf("start anew after a reset: %w", err)
	}
	s.show(next)
	return nil
}

// leave ends what s does and closes all of it but the data directory, which the next System gets. Close does nothing after it.
func (s *System) leave() error {
	s.closeOnce.Do(func() {})
	s.ready.draining.Store(true)
	var wait sync.WaitGroup
	end := func(grace time.Duration, chosen func(name string) bool) {
		wait.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), grace)
			defer cancel()
			s.shutDown(ctx, chosen)
		})
	}
	viewers := func(name string) bool { return strings.HasPrefix(name, "http") }
	end(resetViewerGrace, viewers)
	end(resetGrace, func(name string) bool { return !viewers(name) })
	wait.Wait()
	return s.closeParts()
}

// close closes what is in the System's place, after a reset that is under way.
func (l *succession) close() error {
	l.turn.Lock()
	defer l.turn.Unlock()
	l.closed = true
	return l.current.Load().Close()
}

// apply is System.Apply, after a reset that is under way.
func (l *succession) apply(to Live) error {
	l.turn.Lock()
	defer l.turn.Unlock()
	return l.current.Load().Apply(to)
}

// following reaches AWS's names inside the process in whichever System is in s's place.
type following struct{ s *System }

// RoundTrip implements http.RoundTripper.
func (f following) RoundTrip(r *http.Request) (*http.Response, error) {
	return f.s.now().local.RoundTrip(r)
}

// forgets returns the part of the data directory that path is in and a reset empties, "" for none.
func (d *dataDir) forgets(path string) string {
	at, data := resolved(path), resolved(d.path)
	for _, part := range forgotten {
		whole := filepath.Join(data, part)
		if at == whole || strings.HasPrefix(at, whole+string(filepath.Separator)) {
			return part
		}
	}
	return ""
}

// resolved is a path without links, as far as there is something.
func resolved(path string) string {
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	if at, err := filepath.EvalSymlinks(path); err == nil {
		return at
	}
	return path
}
