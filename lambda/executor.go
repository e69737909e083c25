package lambda

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/lambda/runner"
	"glassine/lambda/sandbox"
	"glassine/telemetry"
)

// minimumLife is the shortest session that STS issues.
const minimumLife = 15 * time.Minute

// Executor runs versions whose code is a zip archive: see sandbox.Host.
type Executor interface {
	Invoke(ctx context.Context, v sandbox.Version, inv sandbox.Invocation) (sandbox.Result, error)
	// Warm starts a process of a version and waits until it asks for its first event.
	Warm(ctx context.Context, v sandbox.Version) error
	// Retire ends the processes of a version that is not to run any more.
	Retire(key string)
}

// execution is one invocation that may run now.
type execution struct {
	s           *Service
	function    Function
	version     Version
	ref         ref
	call        Call
	credentials iam.Credentials
	edge        bool // for the edge
}

// run runs the version where its code runs.
func (x *execution) run(ctx context.Context) (Result, error) {
	if x.version.Code == codeZip {
		return x.runProcess(ctx)
	}
	where, err := x.s.runnerOf(x.version.Code)
	if err != nil {
		return Result{}, fault.New("InvalidRuntimeException", "The code %q cannot run here.", x.version.Code)
	}
	return x.runCode(ctx, where)
}

// runCode runs code that is no archive, and writes what a runtime would write about it to the log.
func (x *execution) runCode(ctx context.Context, where runner.Runner) (Result, error) {
	s, v := x.s, x.version
	inv := runner.Invocation{
		RequestID: x.call.RequestID, FunctionName: x.function.Name, FunctionARN: s.qualifiedARN(x.ref), Version: v.Number, Region: x.function.Region,
		Payload: x.call.Payload, Deadline: s.cfg.Now().Add(v.Timeout), ClientContext: x.call.ClientContext,
		Credentials: sigv4.Credentials{AccessKeyID: x.credentials.AccessKeyID, SecretAccessKey: x.credentials.SecretAccessKey, SessionToken: x.credentials.SessionToken},
	}
	log := x.newLog()
	log.start()
	began := s.cfg.Now()
	limited, cancel := context.WithTimeout(ctx, v.Timeout)
	defer cancel()
	out, err := where.Run(limited, inv)
	took := s.cfg.Now().Sub(began)
	if err != nil && ctx.Err() != nil {
		log.end(took, "failure")
		return Result{}, ctx.Err() // whoever asked ended it: no failure of the function's
	}
	status := "success"
	if err != nil && errors.Is(limited.Err(), context.DeadlineExceeded) {
		err, status = runner.TimedOut(inv.RequestID, v.Timeout), "timeout"
	}
	result := Result{Payload: out}
	if failure, ok := errors.AsType[*runner.FunctionError](err); ok {
		s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "function failed", slog.String("function", inv.FunctionARN),
			slog.String("request", inv.RequestID), slog.String("error", failure.Error()))
		result.Failed, result.Payload, err = true, failure.Payload(), nil
		if status == "success" {
			status = "error"
		}
		log.failure(status, failure.Type, failure.Message)
	}
	result.took, result.timedOut = took, status == "timeout"
	log.end(took, status)
	if err != nil {
		return Result{}, err
	}
	result.LogTail = log.tail()
	return result, x.stream(&result)
}

// stream writes a whole answer to where a stream is wanted.
func (x *execution) stream(r *Result) error {
	if x.call.Stream == nil || r.Failed {
		return nil
	}
	w := x.call.Stream(x.version.Number)
	payload := r.Payload
	r.Payload = nil
	_, err := w.Write(payload)
	return err
}

// runProcess runs an archive.
func (x *execution) runProcess(ctx context.Context) (Result, error) {
	s := x.s
	if s.cfg.Executor == nil || s.archives == nil {
		return Result{}, fault.New("InvalidRuntimeException", "This glassine runs no processes: functions whose code is a zip archive cannot be invoked.")
	}
	v, release, err := x.process(ctx)
	if err != nil {
		return Result{}, err
	}
	defer release()
	inv := sandbox.Invocation{
		RequestID: x.call.RequestID, InvokedARN: s.qualifiedARN(x.ref), TraceID: x.call.TraceID, ClientContext: x.call.ClientContext,
		Payload: x.call.Payload, WantLogTail: x.call.WantLogTail,
	}
	streamed := false
	if x.call.Stream != nil {
		inv.Stream = func(sandbox.StreamHead) io.Writer {
			streamed = true
			return x.call.Stream(x.version.Number)
		}
	}
	out, err := s.cfg.Executor.Invoke(ctx, v, inv)
	switch {
	case err != nil && ctx.Err() != nil:
		return Result{}, ctx.Err()
	case errors.Is(err, sandbox.ErrReservedConcurrency):
		return Result{}, throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
	case errors.Is(err, sandbox.ErrThrottled):
		return Result{}, throttled("ConcurrentInvocationLimitExceeded")
	case errors.Is(err, sandbox.ErrNoInterpreter), errors.Is(err, sandbox.ErrUnsupportedRuntime):
		return Result{}, fault.New("InvalidRuntimeException", "%s", err.Error()) // its text says what to install
	case err != nil:
		return Result{}, err
	}
	result := Result{Payload: out.Payload, Failed: out.Failed, LogTail: out.LogTail, took: out.Duration, init: out.InitDuration}
	if out.InitDuration > 0 {
		telemetry.AddSpanBefore(ctx, "lambda.init", out.InitDuration, out.Duration, "faas.coldstart", "true")
	}
	result.timedOut = out.Failed && errorType(out.Payload) == "Sandbox.Timedout"
	if out.Failed {
		s.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "function failed", slog.String("function", inv.InvokedARN),
			slog.String("request", inv.RequestID), slog.String("error", errorType(out.Payload)))
	}
	if streamed {
		result.Payload = nil
		if out.Failed {
			result.Payload = out.Payload
		}
		return result, nil
	}
	return result, x.stream(&result)
}

// errorType is the type of a function's error as JSON; its text may hold what is not for our log.
func errorType(payload []byte) string {
	var e struct{ ErrorType string }
	if json.Unmarshal(payload, &e) != nil || e.ErrorType == "" {
		return "unknown"
	}
	return e.ErrorType
}

// process is the version as a process needs it, with its code unpacked, which stays until release is called.
func (x *execution) process(ctx context.Context) (v sandbox.Version, release func(), err error) {
	s, own := x.s, x.version
	v = sandbox.Version{
		Key: processKey(x.function.ARN, own, x.edge), FunctionName: x.function.Name, FunctionARN: x.function.ARN, Version: own.Number,
		Region: x.function.Region, Account: s.cfg.IAM.Account(), Runtime: own.Runtime, Handler: own.Handler, Environment: own.Environment,
		MemoryMB: own.Memory, EphemeralMB: own.Ephemeral, Timeout: own.Timeout, LogGroup: own.Logging.Group, LogJSON: own.Logging.Format == "JSON",
		ApplicationLogLevel: own.Logging.ApplicationLevel, SystemLogLevel: own.Logging.SystemLevel,
	}
	if x.edge {
		// At the edge a function runs, and logs, in the region nearest to the viewer, which is ours.
		// (CloudFront Developer Guide, "Edge function logs".)
		v.Region, v.LogGroup = s.cfg.Region, "/aws/lambda/"+x.function.Region+"."+x.function.Name
	}
	if x.function.Reserved != nil {
		v.MaxConcurrency = *x.function.Reserved
	}
	pins := []func(){s.archives.pin(own.Archive.SHA256)}
	for _, l := range own.Layers {
		pins = append(pins, s.archives.pin(l.Archive.SHA256))
	}
	release = func() {
		for _, unpin := range pins {
			unpin()
		}
	}
	if v.CodeDir, err = s.archives.folder(ctx, own.Archive.SHA256); err != nil {
		release()
		return v, nil, err
	}
	for _, l := range own.Layers {
		dir, err := s.archives.folder(ctx, l.Archive.SHA256)
		if err != nil {
			release()
			return v, nil, err
		}
		v.LayerDirs = append(v.LayerDirs, dir)
	}
	return v, release, nil
}

// processKey changes when a version's code or configuration does, and when a function is made anew under its name.
func processKey(function string, v Version, edge bool) string {
	h := sha256.New()
	for _, part := range []string{function, v.Number, v.RevisionID, v.Archive.SHA256} {
		h.Write([]byte(part + "\x00"))
	}
	if edge {
		h.Write([]byte("edge"))
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// warm starts a process of a version in the background: its first caller finds one, and a mistake in its beginning stands in
// its log before anybody calls.
func (s *Service) warm(f Function, v Version) {
	if s.cfg.Executor == nil || s.archives == nil || v.Code != codeZip {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	s.work.Go(func() {
		x := execution{s: s, function: f, version: v, ref: ref{region: f.Region, name: f.Name}}
		process, release, err := x.process(s.ctx)
		if err == nil {
			defer release()
			err = s.cfg.Executor.Warm(s.ctx, process)
		}
		if err != nil && s.ctx.Err() == nil {
			s.cfg.Log.LogAttrs(s.ctx, slog.LevelWarn, "function did not start", slog.String("function", f.ARN), slog.String("version", v.Number), slog.String("error", err.Error()))
		}
	})
}

// retire ends the processes of a version that was deleted or changed.
func (s *Service) retire(function string, v Version) {
	if s.cfg.Executor == nil || v.Code != codeZip {
		return
	}
	s.cfg.Executor.Retire(processKey(function, v, false))
	s.cfg.Executor.Retire(processKey(function, v, true))
}

// processCredentials are how long the credentials of a process live. It is to be ended before they do.
const processCredentials = 12 * time.Hour

// Credentials are the execution role's, for a process of the version, and when they end. It is sandbox.Config's.
func (s *Service) Credentials(ctx context.Context, v sandbox.Version) (sigv4.Credentials, time.Time, error) {
	own, ok := s.versionOf(v)
	if !ok {
		return sigv4.Credentials{}, time.Time{}, notFound(v.FunctionARN)
	}
	c, err := s.cfg.IAM.AssumeForService(ctx, own.Role, []string{ServicePrincipal}, v.FunctionName, processCredentials)
	return sigv4.Credentials{AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken}, c.Expires, err
}

// versionOf finds the record of what runs in a process.
func (s *Service) versionOf(v sandbox.Version) (Version, bool) {
	r, err := s.parseRef(v.FunctionARN)
	if err != nil {
		return Version{}, false
	}
	f, _ := s.functions.Get(r.key())
	return f.version(v.Version)
}

// lastBytes keeps the end of what is written to it.
type lastBytes struct {
	most int
	b    bytes.Buffer
}

func (l *lastBytes) line(p []byte) {
	l.b.Write(p)
	l.b.WriteByte('\n')
	if extra := l.b.Len() - l.most; extra > 0 {
		l.b.Next(extra)
	}
}
