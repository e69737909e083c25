package objectlambda

import (
	"context"
	"strings"

	"glassine/aws/fault"
	"glassine/iam"
)

// Write is a WriteGetObjectResponse.
type Write struct {
	Route, Token string
	Checksums    int // how many checksum headers it carries
	Answer       Answer
}

// WriteGetObjectResponse gives a waiting GetObject its answer. It returns nil after the caller got the last byte. The
// order of the checks is token, permission, content: a write that was not allowed leaves the token usable.
//
// Any identity of the access point's account may call, not only the function. Neither Body nor Abort is used after it
// returned. When ctx ends, the answer is aborted.
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
	point := p.point
	if now, ok := s.points.Get(point.Name); ok {
		point = now // with the policy that it has by now
	}
	if err := s.decide(ctx, c, "WriteGetObjectResponse", point); err != nil {
		return err
	}
	if c.Principal.Account != point.Account {
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
	defer atEnd(ctx, w.Answer.abort)()
	w.Answer.by = c.Principal
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
	if err := checkStatus(a.Status); err != nil {
		return err
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
		if key, ok := strings.CutPrefix(strings.ToLower(h.Name), "x-amz-meta-"); ok {
			metadata += len(key) + len(h.Value)
		}
	}
	if metadata > 2048 {
		return invalid("The user metadata is %d bytes long; at most 2048 are allowed.", metadata)
	}
	return nil
}

// checkStatus takes the statuses that a function may answer with.
func checkStatus(status int) *fault.Error {
	switch status {
	case 200, 206, 304, 400, 401, 403, 404, 405, 409, 411, 412, 416, 500, 503:
		return nil
	}
	return invalid("The status %d is not one of 200, 206, 304, 400, 401, 403, 404, 405, 409, 411, 412, 416, 500, 503.", status)
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
