package objectlambda

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"

	"glassine/aws/fault"
	"glassine/iam"
)

// Answer is what the caller gets.
type Answer struct {
	Status                  int // one of those that WriteGetObjectResponse allows
	ErrorCode, ErrorMessage string
	Headers                 []Header // for the caller, x-amz-meta-* included
	Length                  int64    // of Body in bytes, or -1
	Body                    io.Reader
	// Abort makes a read of Body that hangs return an error; called at the deadline, possibly more than once. May be nil.
	Abort func()

	by  iam.Principal // who wrote it
	err error         // in place of an answer: what the function sent was refused
}

func (a Answer) abort() {
	if a.Abort != nil {
		a.Abort()
	}
}

// hasBody reports whether something of Body goes to the caller.
func (a Answer) hasBody() bool {
	return a.Length != 0 && a.ErrorCode == "" && a.Status != http.StatusNotModified
}

// begin reads the first bytes of Body, so that a body that breaks before them can still be answered with an error. The
// Answer returned has them in its Body.
func (a Answer) begin() (Answer, error) {
	if !a.hasBody() {
		return a, nil
	}
	first := make([]byte, 512)
	n, err := io.ReadAtLeast(a.Body, first, 1)
	if errors.Is(err, io.EOF) && a.Length < 0 {
		err = nil
	}
	a.Body = &begun{first[:n], a.Body}
	return a, err
}

// begun is a body of which the first bytes were read already. It has Read alone: nobody may take it for more.
type begun struct {
	first []byte
	rest  io.Reader
}

func (b *begun) Read(p []byte) (int, error) {
	if len(b.first) == 0 {
		return b.rest.Read(p)
	}
	n := copy(p, b.first)
	b.first = b.first[n:]
	return n, nil
}

// pending is a request that waits for its answer.
type pending struct {
	point   AccessPoint
	claimed atomic.Bool
	answer  chan Answer   // unbuffered: whoever claimed sends once, and the waiting request always receives
	done    chan struct{} // closed after the answer was delivered, err set
	err     error
}

// claim makes the caller the one who ends the request; it is true once.
func (p *pending) claim() bool { return p.claimed.CompareAndSwap(false, true) }

// errUndelivered is what a writer reads whose answer's delivery did not come to an end.
var errUndelivered = errors.New("answer was not delivered")

// finish delivers a, while ctx lasts; ctx's cause is what the caller reads when it does not. end makes a hanging write to
// the caller fail; it may be nil. What the function does from then on is ignored.
func (p *pending) finish(ctx context.Context, end func(), a Answer, deliver func(Answer) error) error {
	p.err = errUndelivered // for the case of a panic
	defer close(p.done)
	if a.err != nil {
		p.err = a.err
		return a.err
	}
	abort := a.abort
	defer atEnd(ctx, func() {
		abort()
		if end != nil {
			end()
		}
	})()
	a, err := a.begin()
	if err != nil {
		p.err = err
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fault.New("ResponseInterrupted", "The Lambda function's response broke off before its first byte.")
	}
	p.err = deliver(a)
	return p.err
}

// atEnd calls f when ctx ends. The function that it returns calls that off, and waits where f is already running: f does
// not run afterwards.
func atEnd(ctx context.Context, f func()) (callOff func()) {
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(done)
		f()
	})
	return func() {
		if !stop() {
			<-done
		}
	}
}

func (s *Service) wait(id [16]byte, p *pending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting[id] = p
}

func (s *Service) forget(id [16]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, id)
}
