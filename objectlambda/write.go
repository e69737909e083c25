package objectlambda

import (
	"context"
	"io"
	"sync/atomic"

	"glassine/aws/fault"
	"glassine/iam"
)

// Answer is what the caller gets.
type Answer struct {
	Status                  int // 200 when the function named none
	ErrorCode, ErrorMessage string
	Headers                 []Header // for the caller, x-amz-meta-* included
	Length                  int64    // of Body in bytes, or -1
	Body                    io.Reader
	// Abort makes a read of Body that hangs return an error; called at the deadline. May be nil.
	Abort func()

	err error // in place of an answer: what the function sent was refused
}

// Write is a WriteGetObjectResponse.
type Write struct {
	Route, Token string
	Checksums    int // how many checksum headers it carries
	Answer       Answer
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

// finish delivers a. The function may then end in peace: what it returns is ignored.
func (p *pending) finish(ctx context.Context, a Answer, deliver func(Answer) error, invoked <-chan struct{}) error {
	if a.err != nil {
		p.err = a.err
		close(p.done)
		return a.err
	}
	if a.Abort != nil {
		defer context.AfterFunc(ctx, a.Abort)()
	}
	p.err = deliver(a)
	close(p.done)
	if p.err != nil {
		return p.err
	}
	select {
	case <-invoked:
	case <-ctx.Done():
	}
	return nil
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

// WriteGetObjectResponse gives a waiting GetObject its answer. It returns nil after the caller got the last byte. The
// order of the checks is token, permission, content: a write that was not allowed leaves the token usable.
//
// Errors: ValidationError for a token that is unknown, used or expired and for what the answer may not be; AccessDenied
// for a caller without s3-object-lambda:WriteGetObjectResponse on the access point; ResponseInterrupted when the body or
// the caller's connection broke. (S3 API Reference, WriteGetObjectResponse.)
func (s *Service) WriteGetObjectResponse(ctx context.Context, c iam.Caller, w Write) error {
	id, ok := s.openToken(w.Token)
	if !ok {
		return invalid("The request token is not valid.")
	}
	s.mu.Lock()
	p := s.waiting[id]
	s.mu.Unlock()
	if p == nil || p.claimed.Load() {
		return invalid("The request token is unknown, expired or was used before.")
	}
	if err := s.ask(ctx, c, "s3-object-lambda:WriteGetObjectResponse", p.point.ARN()); err != nil {
		return err
	}
	if c.Principal.Account != p.point.Account {
		return fault.New("AccessDenied", "Access Denied")
	}
	if err := w.check(); err != nil {
		if p.claim() {
			p.answer <- Answer{err: fault.New("LambdaInvalidResponse", "The response that the Lambda function wrote is not valid: %s", err.Message)}
			<-p.done
		}
		return err
	}
	if !p.claim() {
		return invalid("The request token is unknown, expired or was used before.")
	}
	p.answer <- w.Answer
	<-p.done
	if p.err != nil {
		return fault.New("ResponseInterrupted", "The response could not be delivered to the caller.")
	}
	return nil
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New("ValidationError", format, args...)
}

// check validates what a function wrote. (S3 API Reference, WriteGetObjectResponse: the statuses allowed, the pattern of
// ErrorCode, one checksum at most; user metadata 2 KB as for PutObject.)
func (w Write) check() *fault.Error {
	a := w.Answer
	if w.Route != Route {
		return invalid("The request route %q is not the one that the event named.", w.Route)
	}
	switch a.Status {
	case 200, 206, 304, 400, 401, 403, 404, 405, 409, 411, 412, 416, 500, 503:
	default:
		return invalid("The status %d is not one of 200, 206, 304, 400, 401, 403, 404, 405, 409, 411, 412, 416, 500, 503.", a.Status)
	}
	if w.Checksums > 1 {
		return invalid("At most one checksum may be given.")
	}
	if a.ErrorCode != "" || a.ErrorMessage != "" {
		if a.Status < 400 {
			return invalid("An error code or message does not go with the status %d.", a.Status)
		}
		if a.ErrorCode != "" && !errorCode(a.ErrorCode) {
			return invalid("The error code does not match ^[A-Z][a-zA-Z]+$.")
		}
		if a.ErrorCode != "" && a.Length > 0 {
			return invalid("An error code does not go with a body.")
		}
	}
	metadata := 0
	for _, h := range a.Headers {
		if len(h.Name) > 11 && h.Name[:11] == "x-amz-meta-" {
			metadata += len(h.Name) - 11 + len(h.Value)
		}
	}
	if metadata > 2048 {
		return invalid("The user metadata is %d bytes long; at most 2048 are allowed.", metadata)
	}
	return nil
}

func errorCode(s string) bool {
	if len(s) < 2 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') {
			return false
		}
	}
	return true
}
