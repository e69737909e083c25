package objectlambda

import (
	"context"
	"errors"
	"log/slog"
	"strings"

	"glassine/aws/fault"
	"glassine/lambda"
)

// GetObject has the function make the answer and hands it to deliver, at most once, on the calling goroutine. It returns
// when the answer is complete; the function may still run then, until its own timeout or Close. An error before deliver
// was called is the caller's to read; once deliver was called, an error means that the answer broke off and the caller's
// connection must be reset. When ctx ends before there is an answer, the function is ended and ctx's error returned.
//
// Errors (Amazon S3 User Guide, "Debugging and troubleshooting S3 Object Lambda"): LambdaPermissionError, LambdaNotFound,
// SlowDown, LambdaInvocationFailed, LambdaRuntimeError, LambdaResponseNotReceived, LambdaTimeout, LambdaInvalidResponse,
// ResponseInterrupted.
func (c *Call) GetObject(ctx context.Context, deliver func(Answer) error) error {
	inputURL, err := c.inputURL(ctx)
	if err != nil {
		return err
	}
	token, id := c.s.newToken()
	c.secrets = append(c.secrets, token)
	if c.webhook() {
		return c.fromWebhook(ctx, inputURL, token, deliver)
	}
	event, err := c.functionEvent(inputURL, token)
	if err != nil {
		return err
	}
	return c.await(ctx, id, event, deliver)
}

// limit ends ctx at the deadline, with the error that the caller then reads.
func limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, Deadline,
		fault.New("LambdaTimeout", "The Lambda function did not respond within %d seconds.", int(Deadline.Seconds())))
}

// await runs the function and waits: the first of its answer, its end, the deadline and the caller's leaving claims the
// request.
func (c *Call) await(ctx context.Context, id [16]byte, event []byte, deliver func(Answer) error) error {
	limited, cancel := limit(ctx)
	defer cancel()
	p := &pending{point: c.point, answer: make(chan Answer), done: make(chan struct{})}
	c.s.wait(id, p)
	defer c.s.forget(id)
	ended, stop, err := c.invoke(ctx, event)
	if err != nil {
		return err
	}
	select {
	case a := <-p.answer:
		return c.finish(limited, p, a, deliver)
	case o := <-ended:
		c.event.Role, err = o.Role, o.err
		if err == nil {
			err = fault.New("LambdaResponseNotReceived", "The Lambda exited without successfully calling WriteGetObjectResponse.")
		}
	case <-limited.Done():
		err = context.Cause(limited)
	}
	if !p.claim() { // an answer came first and is on its way here
		return c.finish(limited, p, <-p.answer, deliver)
	}
	stop()
	c.noAnswer(ctx, err)
	return err
}

// finish notes who answered and how long it took, and delivers.
func (c *Call) finish(ctx context.Context, p *pending, a Answer, deliver func(Answer) error) error {
	c.answered()
	c.event.Writer = a.by
	return p.finish(ctx, c.Abort, a, deliver)
}

// answered notes that the function did its part.
func (c *Call) answered() { c.event.FunctionTime = c.s.cfg.Now().Sub(c.event.invoked) }

// noAnswer notes that the function did not, and why, unless the caller just left.
func (c *Call) noAnswer(ctx context.Context, err error) {
	c.answered()
	if ctx.Err() == nil {
		c.s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "object lambda function gave no answer", slog.String("request", c.ID),
			slog.String("function", c.event.Function), slog.String("error", err.Error()))
	}
}

// outcome is how a function ended; err is what its caller reads.
type outcome struct {
	lambda.Result
	err error
}

// invoke runs the function in the caller's name on a goroutine of its own, which may outlive the request: a function may
// have more to do after its answer. ended gets the function's end; stop ends it.
func (c *Call) invoke(ctx context.Context, event []byte) (ended <-chan outcome, stop func(), err error) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, nil, fault.New("ServiceUnavailable", "The service is shutting down.")
	}
	s.functions.Add(1)
	function := c.point.functionARN(c.transform.Function)
	c.event.Function, c.event.invoked = function, s.cfg.Now()
	run, cancel := context.WithCancel(context.WithValue(context.WithoutCancel(ctx), secretsKey{}, c.secrets))
	unlink := context.AfterFunc(s.life, cancel)
	end := make(chan outcome, 1)
	go func() {
		defer s.functions.Done()
		defer unlink()
		defer cancel()
		result, err := s.cfg.Invoker.Invoke(run, c.Caller.CalledVia(servicePrincipal), function, event)
		if err != nil && run.Err() == nil {
			s.cfg.Log.LogAttrs(run, slog.LevelWarn, "function could not be invoked", slog.String("function", function), slog.String("request", c.ID), slog.String("error", err.Error()))
		}
		end <- outcome{result, invocationFault(result, err)}
	}()
	return end, cancel, nil
}

// maxDetail is the most bytes of a function's own error that its caller reads.
const maxDetail = 4 << 10

// invocationFault is what the caller reads of a function that failed or could not be run, or nil.
func invocationFault(r lambda.Result, err error) error {
	if err == nil {
		if r.Failed {
			return fault.New("LambdaRuntimeError", "The Lambda function returned an error: %s", strings.ToValidUTF8(string(r.Payload[:min(len(r.Payload), maxDetail)]), ""))
		}
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return err // whoever asked is gone
	}
	f, ok := errors.AsType[*fault.Error](err)
	if !ok { // what it is stands in the log, not with the caller: it may name machines
		return fault.New("LambdaInvocationFailed", "The Lambda function could not be invoked.")
	}
	switch f.Code {
	case "AccessDenied":
		return fault.New("LambdaPermissionError", "The caller is not authorized to invoke the Lambda function: %s", f.Message)
	case "ResourceNotFoundException":
		return fault.New("LambdaNotFound", "The Lambda function was not found: %s", f.Message)
	case "TooManyRequestsException":
		return fault.New("SlowDown", "The Lambda function is being throttled: %s", f.Message)
	}
	return fault.New("LambdaInvocationFailed", "The Lambda function could not be invoked: %s: %s", f.Code, f.Message)
}

// returned runs a function whose return value is the answer, and waits for it.
func (c *Call) returned(ctx context.Context) ([]byte, error) {
	inputURL, err := c.inputURL(ctx)
	if err != nil {
		return nil, err
	}
	event, err := c.functionEvent(inputURL, "")
	if err != nil {
		return nil, err
	}
	limited, cancel := limit(ctx)
	defer cancel()
	ended, stop, err := c.invoke(ctx, event)
	if err != nil {
		return nil, err
	}
	select {
	case o := <-ended:
		c.answered()
		c.event.Role = o.Role
		if o.err != nil {
			c.noAnswer(ctx, o.err)
		}
		return o.Payload, o.err
	case <-limited.Done():
		stop()
		err := context.Cause(limited)
		c.noAnswer(ctx, err)
		return nil, err
	}
}

type secretsKey struct{}

// SecretsOf are what was minted for the function that an Invoker is called for with ctx, so that what comes with them can be known
// for the function's: the access key of inputS3Url, and the token of WriteGetObjectResponse.
func SecretsOf(ctx context.Context) []string {
	secrets, _ := ctx.Value(secretsKey{}).([]string)
	return secrets
}
