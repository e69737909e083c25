package glassine

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"time"

	"glassine/aws/lambdaapi"
	"glassine/aws/logsapi"
	"glassine/aws/sigv4"
	"glassine/iam"
	"glassine/lambda"
	"glassine/lambda/sandbox"
	"glassine/logs"
	"glassine/s3"
	"glassine/state"
	"glassine/store"
	"glassine/transform/pixel"
)

// openFunctions makes the functions, and the logs that they write.
func (s *System) openFunctions(ctx context.Context, records state.Store) (err error) {
	cfg := s.cfg
	if s.Logs, err = logs.New(ctx, logs.Config{State: records, IAM: s.IAM, Dir: filepath.Join(cfg.Data, "logs"), Now: cfg.Now, Log: cfg.Log}); err != nil {
		return err
	}
	s.onClose(s.Logs.Close)
	if s.sandboxes, err = sandbox.New(sandbox.Config{
		Dir: filepath.Join(cfg.Data, "sandboxes"), CAFile: s.ca.file, Require: cfg.Isolation, Search: cfg.Interpreters,
		AWS: func(c net.Conn) { s.endpoint.offer(c) },
		Credentials: func(ctx context.Context, v sandbox.Version) (sigv4.Credentials, time.Time, error) {
			return s.Lambda.Credentials(ctx, v)
		},
		Log: func(v sandbox.Version, stream string, at time.Time, line []byte) {
			s.Lambda.WriteLog(v, stream, at, line)
		},
		Now: cfg.Now, Logger: cfg.Log,
	}); err != nil {
		return err
	}
	s.onClose(s.sandboxes.Close)
	_, strictEdge, err := strictness(cfg.Strict)
	if err != nil {
		return err
	}
	if s.Lambda, err = lambda.New(ctx, lambda.Config{
		State: records, IAM: s.IAM, Region: cfg.Region, Dir: filepath.Join(cfg.Data, "functions"), Objects: codeObjects{s.S3}, Logs: s.Logs, Executor: s.sandboxes,
		Builtins: s.builtins(), UsedBy: func(version string) string { return s.Edge.Using(version) }, StrictEdge: strictEdge, Observe: s.functionObserved, Now: cfg.Now, Log: cfg.Log,
	}); err != nil {
		return err
	}
	s.onClose(s.Lambda.Close)
	return nil
}

// Isolation is the level at which functions run in processes of their own, and why it is not a firmer one. See
// confine.Levels.
func (s *System) Isolation() (level string, why []string) { return s.now().sandboxes.Level() }

// codeObjects is where functions' archives come from: objects that the caller may read.
type codeObjects struct{ s3 *s3.Service }

// GetObject implements lambda.Objects.
func (o codeObjects) GetObject(ctx context.Context, c iam.Caller, bucket, key, version string) (io.ReadCloser, error) {
	object, err := o.s3.GetObject(ctx, c, s3.Target{Bucket: bucket}, key, store.GetOptions{VersionID: version})
	if err != nil {
		return nil, err
	}
	return object.Body, nil
}

// functionHandlers are the APIs of functions and logs.
func (s *System) functionHandlers() (*lambdaapi.Handler, *logsapi.Handler) {
	return lambdaapi.New(s.Lambda, s.IAM, s.cfg.Now, s.cfg.Log), &logsapi.Handler{Logs: s.Logs, IAM: s.IAM, Now: s.cfg.Now, Log: s.cfg.Log}
}

// Main is called first by every program that runs functions or makes pictures: their processes begin as this program's own
// file, run anew. It returns true when this process was to be one, and is to end then. In a program that does not call it,
// functions whose code is an archive fail, and so does what needs the pixels of a picture; all else works.
func Main() bool { return sandbox.Main() || pixel.Main() }
