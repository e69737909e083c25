package glassine

// How a System is made: from the ground up, each step on what those before it made.

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"

	"glassine/edge"
	"glassine/iam"
	"glassine/objectlambda"
	"glassine/s3"
	"glassine/ssm"
	"glassine/state"
	"glassine/store/disk"
	"glassine/store/route"
	"glassine/telemetry"
)

// opening is a System that is being made, and what only its making needs.
type opening struct {
	s                             *System
	aws, viewer, viewerTLS, admin net.Listener
	records                       *state.File
	objects                       *disk.Store  // of buckets that are kept here
	stores                        *route.Store // of all buckets
}

// open makes the parts. What it opened before it failed is closed by Close.
func (s *System) open(ctx context.Context) error {
	o := &opening{s: s}
	steps := []func(context.Context) error{
		o.openDirectory, o.openListeners, o.openStorage, o.openTelemetry, o.openIdentity, o.openBuckets, o.openCompute, o.openObjectLambda, o.openEdge, o.openControl,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	s.serveOn(o.aws, o.viewer, o.viewerTLS, o.admin)
	if s.cfg.Demo {
		return s.deployDemo(ctx, s.records)
	}
	return nil
}

// onClose has Close do f, before what was opened earlier is closed.
func (s *System) onClose(f func() error) { s.closers = append(s.closers, f) }

// closeParts closes all but the data directory, what was opened last first.
func (s *System) closeParts() error {
	var errs []error
	for _, f := range slices.Backward(s.closers) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// openDirectory takes the data directory, its keys, and the certificate authority in it.
func (o *opening) openDirectory(context.Context) (err error) {
	s := o.s
	if err := validAccount(s.cfg.Account); err != nil {
		return err
	}
	if s.data == nil {
		if s.data, err = openDataDir(s.cfg.Data); err != nil {
			return err
		}
	}
	s.ca, err = openCA(s.cfg.Data, s.cfg.Now())
	return err
}

// openListeners listens, before anything takes time, so that a port in use is told at once.
func (o *opening) openListeners(context.Context) (err error) {
	if o.aws, o.viewer, o.viewerTLS, o.admin, err = o.s.listen(); err != nil {
		return err
	}
	if err := o.s.openViewerTLS(o.viewer, o.viewerTLS); err != nil {
		return err
	}
	o.s.listenQUIC(o.viewerTLS)
	return nil
}

// openStorage opens the records, and the stores of objects.
func (o *opening) openStorage(context.Context) (err error) {
	s := o.s
	if o.records, err = state.Open(filepath.Join(s.cfg.Data, "state.db")); err != nil {
		return err
	}
	s.onClose(o.records.Close)
	s.records = o.records
	options := disk.Options{Log: s.cfg.Log, Keys: s.data.objectKeys(), Scrub: disk.ScrubOptions{Every: scrubEvery}}
	if o.objects, err = disk.Open(filepath.Join(s.cfg.Data, "objects"), options); err != nil {
		return err
	}
	o.stores, err = s.openStores(o.objects, o.aws.Addr())
	s.onClose(o.stores.Close)
	return err
}

// openTelemetry makes what counts, traces and audits.
func (o *opening) openTelemetry(context.Context) error {
	s := o.s
	trail, err := telemetry.OpenAudit(filepath.Join(s.cfg.Data, "audit.log"), 0, 0)
	if err != nil {
		return err
	}
	s.onClose(trail.Close)
	s.openTelemetry()
	s.Reloaded(true)
	s.audit = &auditor{log: trail, now: s.cfg.Now, err: s.cfg.Log, denied: s.metrics.Denied}
	return nil
}

// openIdentity makes IAM, which all that follows asks, and the root key.
func (o *opening) openIdentity(ctx context.Context) (err error) {
	s := o.s
	if s.IAM, err = iam.New(ctx, iam.Config{State: s.records, Account: s.cfg.Account, Now: s.cfg.Now, Key: s.data.key, Log: s.cfg.Log, Observe: s.audit.observe}); err != nil {
		return err
	}
	return s.ensureRoot(ctx)
}

// openBuckets makes S3 with the buckets that Config declares.
func (o *opening) openBuckets(ctx context.Context) (err error) {
	s := o.s
	if s.S3, err = s3.New(ctx, s3.Config{State: s.records, Store: o.stores, Encrypts: true, IAM: s.IAM, Region: s.cfg.Region, Now: s.cfg.Now, Log: s.cfg.Log}); err != nil {
		return err
	}
	return s.declareBuckets(ctx, o.stores)
}

// openCompute makes what runs functions and makes pictures, and the backups, which keep functions' code while they are written.
func (o *opening) openCompute(ctx context.Context) (err error) {
	s := o.s
	s.local = &inProcess{next: edge.NewOriginTransport()}
	s.onClose(s.local.wait)
	if err := s.openPictures(); err != nil {
		return err
	}
	if err := s.openFunctions(ctx, s.records); err != nil {
		return err
	}
	s.backups, err = newBackupSource(backupSource{data: s.cfg.Data, records: o.records, objects: o.objects, keepCode: s.Lambda.KeepArchives, now: s.cfg.Now})
	return err
}

func (o *opening) openObjectLambda(ctx context.Context) (err error) {
	s := o.s
	if s.ObjectLambda, err = objectlambda.New(ctx, objectlambda.Config{
		State: s.records, IAM: s.IAM, S3: s.S3, Invoker: tracedFunctions{s}, Region: s.cfg.Region, Webhooks: webhookTransport(),
		Endpoint: &url.URL{Scheme: "http", Host: o.aws.Addr().String()}, Observe: s.objectLambda, Now: s.cfg.Now, Log: s.cfg.Log,
	}); err != nil {
		return err
	}
	s.onClose(func() error { s.ObjectLambda.Close(); return nil })
	return nil
}

func (o *opening) openEdge(ctx context.Context) error {
	s := o.s
	cfg, err := s.edgeConfig(s.records, port(o.viewerTLS))
	if err != nil {
		return err
	}
	if s.Edge, err = edge.New(ctx, cfg); err != nil {
		return err
	}
	s.onClose(func() error { s.Edge.Close(); return nil })
	return nil
}

// openControl makes what sets the others up: parameters, stacks, and the web console.
func (o *opening) openControl(ctx context.Context) (err error) {
	s := o.s
	if s.SSM, err = ssm.New(ctx, ssm.Config{State: s.records, IAM: s.IAM, Key: s.data.key, Provisioned: bootstrapParameters(), Now: s.cfg.Now, Log: s.cfg.Log}); err != nil {
		return err
	}
	if err := s.openStacks(ctx, s.records); err != nil {
		return err
	}
	return s.openConsole(o.aws, o.viewerTLS)
}

// webhookTransport reaches handlers by URL: directly, whatever proxy the environment names, and following nothing.
func webhookTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // net/http says so
	t.Proxy, t.DisableCompression = nil, true
	return t
}
