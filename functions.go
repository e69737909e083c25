package glassine

import (
	"context"
	"io"
	"path/filepath"

	"glassine/aws/lambdaapi"
	"glassine/aws/logsapi"
	"glassine/iam"
	"glassine/lambda"
	"glassine/logs"
	"glassine/s3"
	"glassine/state"
	"glassine/store"
)

// openFunctions makes the functions, and the logs that they write.
func (s *System) openFunctions(ctx context.Context, records state.Store) (err error) {
	cfg := s.cfg
	if s.Logs, err = logs.New(ctx, logs.Config{State: records, IAM: s.IAM, Dir: filepath.Join(cfg.Data, "logs"), Now: cfg.Now, Log: cfg.Log}); err != nil {
		return err
	}
	s.closers = append(s.closers, s.Logs.Close)
	if s.Lambda, err = lambda.New(ctx, lambda.Config{
		State: records, IAM: s.IAM, Region: cfg.Region, Dir: filepath.Join(cfg.Data, "functions"), Objects: codeObjects{s.S3}, Logs: s.Logs,
		Builtins: s.builtins(), Now: cfg.Now, Log: cfg.Log,
	}); err != nil {
		return err
	}
	s.closers = append(s.closers, s.Lambda.Close)
	return nil
}

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
