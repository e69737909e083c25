package pixel

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"

	"glassine/confine"
	"glassine/transform/pixel/render"
)

// startTime is the most time from a worker's first instruction to its hello, in which it loads the library.
const startTime = 10 * time.Second

// endTime is how long a worker whose channel has ended has to end by itself, so that how it ended can be told.
const endTime = time.Second

// outputKept is how much of what a worker prints during a job is kept, from its beginning: a fault is named first.
const outputKept = 4 << 10

// worker is the server's side of a worker process. It does one job at a time.
type worker struct {
	child    *confine.Child
	channel  *os.File
	read     *bufio.Reader
	output   output
	remove   func() // its directory for temporary files, where it has one
	timeout  time.Duration
	maxBody  int64
	resident int
	version  string
}

// startWorker starts a worker and waits until it can work.
func startWorker(ctx context.Context, s *confine.Spawner, spec confine.Spec, remove func(), cfg *Config) (*worker, error) {
	child, err := s.Start(ctx, spec)
	if err != nil {
		remove()
		return nil, fmt.Errorf("start worker for pictures: %w", err)
	}
	w := &worker{
		child: child, channel: child.Channel, read: bufio.NewReader(child.Channel), remove: remove,
		timeout: cfg.Timeout, maxBody: int64(cfg.MemoryMB) << 20,
	}
	w.output.drained.Go(func() { w.output.drain(child.Output) })
	var h hello
	err = w.await(ctx, startTime, func() error {
		_, err := readFrame(w.read, &h, maxResponseHeader, nil, 0)
		return err
	})
	if err == nil && h.Error != "" {
		err = errors.New(h.Error)
	}
	if err != nil {
		crash := w.end(err)
		return nil, fmt.Errorf("start worker for pictures: %w: %s: %q", err, crash.Exit, crash.Output)
	}
	if w.version = h.Version; h.Open != "" {
		cfg.Log.LogAttrs(ctx, slog.LevelDebug, "worker for pictures is not hardened", slog.String("why", h.Open))
	}
	return w, nil
}

// run does a job. The worker survives an *render.InputError and a *jobError, and is gone after a *DeadlineError, a
// *CrashError, or ctx's.
func (w *worker) run(ctx context.Context, job *render.Job, source []byte) (*render.Result, error) {
	head, err := frameHead(request{*job}, len(source), maxRequestHeader)
	if err != nil {
		return nil, &jobError{err.Error()}
	}
	w.output.reset()
	var answer response
	var body []byte
	err = w.await(ctx, w.timeout, func() error {
		if _, err := w.channel.Write(head); err != nil {
			return err
		}
		if _, err := w.channel.Write(source); err != nil {
			return err
		}
		var err error
		body, err = readFrame(w.read, &answer, maxResponseHeader, nil, w.maxBody)
		return err
	})
	if err == nil && answer.Input == "" && answer.Error == "" {
		err = answer.check(job)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		w.close()
		return nil, context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		w.close()
		return nil, &DeadlineError{w.timeout}
	case err != nil:
		return nil, w.end(err)
	}
	w.resident = answer.ResidentMB
	switch {
	case answer.Input != "":
		return nil, &render.InputError{Reason: answer.Input}
	case answer.Error != "":
		return nil, &jobError{answer.Error}
	}
	answer.Result.Body = body
	return answer.Result, nil
}

// jobError is an error that a worker told of and that it survived.
type jobError struct{ text string }

func (e *jobError) Error() string { return "make picture: " + e.text }

// alive says that the process has not ended.
func (w *worker) alive() bool {
	select {
	case <-w.child.Done():
		return false
	default:
		return true
	}
}

// residentMB is the most memory that the worker says it ever held.
func (w *worker) residentMB() int { return w.resident }

// check refuses an answer that is none. A worker may have been taken over by a picture: nothing that it says decides under
// which type its bytes are served.
func (a *response) check(job *render.Job) error {
	switch r := a.Result; {
	case r == nil:
		return errors.New("an answer without a result")
	case job.Facts && (r.Facts == nil || r.Format != ""):
		return errors.New("an answer without the facts that were asked for")
	case !job.Facts && (r.Format != job.Format || r.Width <= 0 || r.Height <= 0 || r.Frames <= 0):
		return fmt.Errorf("an answer of format %q, %dx%d, %d frames, to a job for %q", r.Format, r.Width, r.Height, r.Frames, job.Format)
	}
	return nil
}

// await runs an exchange on the channel, which ends with an error when ctx does or the time is over.
func (w *worker) await(ctx context.Context, limit time.Duration, exchange func() error) error {
	// The channel is a socket that is open, and takes deadlines.
	_ = w.channel.SetDeadline(time.Now().Add(limit))
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = w.channel.SetDeadline(time.Unix(1, 0))
		close(ended)
	})
	err := exchange()
	if !stop() {
		<-ended
	}
	if err == nil {
		err = ctx.Err()
	}
	return err
}

// end waits a moment for a worker that broke off, ends it, and says what it died of.
func (w *worker) end(cause error) *CrashError {
	reason := ""
	patience := endTime
	if !broken(cause) {
		reason, patience = cause.Error(), 0 // it lives and speaks nonsense
	}
	select {
	case <-w.child.Done():
	case <-time.After(patience):
		w.child.Kill()
	}
	exit := w.child.Wait()
	w.output.drained.Wait() // nobody is left to print
	w.close()
	return newCrash(exit, reason, w.output.kept())
}

// broken says that an error is the end of the channel.
func broken(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.EPIPE, syscall.ECONNRESET} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}

// close ends the worker and waits until it is gone.
func (w *worker) close() {
	w.child.Close()
	w.channel.Close()
	w.output.drained.Wait()
	w.remove()
}

// output keeps the beginning of what a worker prints.
type output struct {
	drained sync.WaitGroup
	mu      sync.Mutex // guards text
	text    []byte
}

func (o *output) drain(r io.Reader) {
	buf := make([]byte, 4<<10)
	for {
		n, err := r.Read(buf)
		o.mu.Lock()
		o.text = append(o.text, buf[:min(n, outputKept-len(o.text))]...)
		o.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (o *output) reset() {
	o.mu.Lock()
	o.text = o.text[:0]
	o.mu.Unlock()
}

// kept is a copy of what there is.
func (o *output) kept() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]byte(nil), o.text...)
}
