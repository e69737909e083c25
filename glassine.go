// Package glassine is the whole system in one process: a private bucket, access points, Object Lambda access points,
// functions, IAM, and an edge cache in front, on AWS's wire. Command glassine is a command line over this package.
//
// It can be embedded, in a test for example: New makes a System that listens, on free ports if Config asks for port 0; Serve answers
// until its context ends; System.NewRoot is the key for AWS's clients, and System.CAFile the certificate that they and viewers
// trust. A program that embeds it calls Main first, as functions and pictures run in processes that are this program again.
// Two Systems in one process do not know of each other. The package's example shows all of it.
package glassine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"runtime/debug"
	"sync"
	"time"

	"glassine/cloudformation"
	"glassine/console"
	"glassine/edge"
	"glassine/iam"
	"glassine/lambda"
	"glassine/lambda/runner"
	"glassine/lambda/sandbox"
	"glassine/logs"
	"glassine/objectlambda"
	"glassine/s3"
	"glassine/ssm"
	"glassine/state"
	"glassine/store/disk"
	"glassine/telemetry"
	"glassine/transform"
	"glassine/transform/pixel"
)

// Config says how to run. The zero value of every field but Data is sensible.
type Config struct {
	// Data is the data directory; it is made when it is not there.
	Data string
	// Addresses to listen on, host:port; port 0 takes a free one. Loopback unless told otherwise.
	AWS   string // AWS APIs; "" means 127.0.0.1:4566
	HTTP  string // viewers, plaintext; "" means 127.0.0.1:8080
	HTTPS string // viewers, TLS; "" means 127.0.0.1:8443
	Admin string // health; "" means 127.0.0.1:7070
	// Listeners are listeners that are open already, in place of addresses: by aws, http, https and admin. They are closed.
	Listeners map[string]net.Listener
	// QUIC is the open UDP socket of HTTP/3, whose port viewers are told; nil means that of HTTPS's number. It is closed.
	QUIC net.PacketConn
	// Drain is how long Close waits for requests under way; 0 means DrainTime, less than 0 not at all.
	Drain time.Duration
	// Account is the AWS account id, 12 digits; "" means 123456789012.
	Account string
	// Region is where things are made whose maker names no region; "" means us-east-1. Every name is accepted.
	Region string
	// Demo deploys the demo in a data directory that never had it.
	Demo bool
	// CacheBytes bounds the edge's cache in memory; 0 means 256 MiB.
	CacheBytes int64
	// CacheDiskBytes bounds the edge's cache on disk, which is in Data/cache and found again at the next start. 0 means 10 GiB, or
	// half of what the file system has for it, if that is less; less than 0 keeps nothing on disk.
	CacheDiskBytes int64
	// Remotes and Directories are buckets whose objects are kept elsewhere. A bucket that was among them at an earlier start
	// and is not now refuses its requests.
	Remotes     []Remote
	Directories []Directory
	// AccessLog gets a JSON line for each viewer request; nil writes none.
	AccessLog io.Writer
	// LogEvery is how long a file of a distribution's standard log collects lines before it is delivered; 0 means 5 minutes.
	LogEvery time.Duration
	// GeoDatabases are files in the MaxMind DB format that say where viewers are. A file that is replaced is taken up.
	GeoDatabases []string
	// ConsoleHosts are names, besides those of loopback, at which a proxy with TLS serves the web console.
	ConsoleHosts []string
	// Strict names what is done as AWS does it where glassine does better: vary, targeted, must-revalidate, truncated,
	// authorization, edge-functions, or all. See docs/aws-differences.md.
	Strict []string
	// CacheStatus adds Cache-Status (RFC 9211) to the answers to viewers, which CloudFront does not.
	CacheStatus bool
	// CertificateDir is a directory of certificates with their keys, for the names that viewers ask for: see package certdir. They
	// go before all others, and files that change are read again. "" means none.
	CertificateDir string
	// ACME gets certificates for public names.
	ACME ACME
	// NoHTTP3 serves no HTTP/3, whatever distributions say.
	NoHTTP3 bool
	// Isolation is the weakest level at which a function may run in a process of its own, and a picture be made: "strict", or ""
	// for what the machine gives. See System.Isolation.
	Isolation string
	// Libvips is the library that makes pictures; "" means the embedded one, or the system's.
	Libvips string
	// PictureWorkers is how many pictures are made at a time; 0 means one for each CPU that Go uses.
	PictureWorkers int
	// Interpreters are directories to look for node and python3 in, before the usual ones: see sandbox.SearchDirs.
	Interpreters []string
	// Functions are functions of the program that embeds this one, by the URI that names them as code, such as
	// glassine://mine: see Transport for how they reach AWS's names.
	Functions map[string]runner.Func
	// OTLP exports the traces of requests, but for hits, to a receiver of OpenTelemetry's. The zero value exports none.
	OTLP telemetry.OTLP
	// Log gets what an operator must know; nil means slog.Default.
	Log *slog.Logger
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// How often stored objects are read against their checksums, and lifecycle rules are applied.
const (
	scrubEvery  = 7 * 24 * time.Hour
	expireEvery = time.Hour
)

// DrainTime is how long Close waits for requests under way, unless Config.Drain says otherwise.
const DrainTime = 10 * time.Second

// endpointNames are the names, besides AWS's, at which the AWS endpoint may be reached with a label before them. The last
// one is for clients of the forward proxy and resolves nowhere.
var endpointNames = []string{"localhost", "127.0.0.1", "glassine.localhost", "glassine.test"}

// System is a running glassine. Its services are there for programs that embed it: every method takes the caller and
// asks IAM, so they are no way around anything.
type System struct {
	IAM          *iam.Service
	S3           *s3.Service
	Lambda       *lambda.Service
	Logs         *logs.Service
	SSM          *ssm.Service
	ObjectLambda *objectlambda.Service
	Edge         *edge.Edge
	Stacks       *cloudformation.Service

	// NewRoot is the root access key when this start made it: it is shown once.
	NewRoot *iam.Credentials

	cfg       Config
	data      *dataDir
	ca        *certificateAuthority
	local     *inProcess
	console   *console.Console
	audit     *auditor
	metrics   *telemetry.Metrics
	traces    *telemetry.Traces
	exporter  *telemetry.Exporter // nil: nothing is exported
	joins     telemetry.Joins
	ready     readiness
	records   state.Store
	edgeLogs  *functionLog
	backups   *backupSource
	sandboxes *sandbox.Host
	pixels    *pixel.Engine
	endpoint  *awsListener
	viewers   *viewerTLS
	liveMu    sync.Mutex     // guards live
	live      Live           // what is in force
	quic      net.PacketConn // of HTTP/3; nil: not served
	servers   []server
	closers   []func() error // in the order of opening
	closeOnce sync.Once
	closeErr  error
}

// New opens everything and listens; nothing is answered before Serve. The caller closes the System. The errors say what
// to do: a port or the data directory in use, a directory of a newer version.
func New(ctx context.Context, cfg Config) (*System, error) {
	cfg.fill()
	s := &System{cfg: cfg, live: Live{cfg.CertificateDir, cfg.Strict, cfg.CacheStatus}}
	s.ready.turn = make(chan struct{}, 1)
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (c *Config) fill() {
	defaults := func(field *string, value string) {
		if *field == "" {
			*field = value
		}
	}
	defaults(&c.AWS, "127.0.0.1:4566")
	defaults(&c.HTTP, "127.0.0.1:8080")
	defaults(&c.HTTPS, "127.0.0.1:8443")
	defaults(&c.Admin, "127.0.0.1:7070")
	defaults(&c.Account, "123456789012")
	defaults(&c.Region, "us-east-1")
	if c.Drain == 0 {
		c.Drain = DrainTime
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Log = slog.New(requestLog{c.Log.Handler()})
	if c.Now == nil {
		c.Now = time.Now
	}
}

// open makes the parts from the ground up.
func (s *System) open(ctx context.Context) error {
	cfg := s.cfg
	if err := validAccount(cfg.Account); err != nil {
		return err
	}
	var err error
	if s.data, err = openDataDir(cfg.Data); err != nil {
		return err
	}
	s.closers = append(s.closers, s.data.Close)
	if s.ca, err = openCA(cfg.Data, cfg.Now()); err != nil {
		return err
	}
	awsNet, httpNet, httpsNet, adminNet, err := s.listen()
	if err != nil {
		return err
	}
	if err := s.openViewerTLS(httpNet, httpsNet); err != nil {
		return err
	}
	s.listenQUIC(httpsNet)
	records, err := state.Open(filepath.Join(cfg.Data, "state.db"))
	if err != nil {
		return err
	}
	s.closers = append(s.closers, records.Close)
	objects, err := disk.Open(filepath.Join(cfg.Data, "objects"), disk.Options{Log: cfg.Log, Keys: s.data.objectKeys(), Scrub: disk.ScrubOptions{Every: scrubEvery}})
	if err != nil {
		return err
	}
	stores, err := s.openStores(objects, awsNet.Addr())
	s.closers = append(s.closers, stores.Close)
	if err != nil {
		return err
	}

	trail, err := telemetry.OpenAudit(filepath.Join(cfg.Data, "audit.log"), 0, 0)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, trail.Close)
	s.openTelemetry()
	s.records = records
	s.Reloaded(true)
	s.audit = &auditor{log: trail, now: cfg.Now, err: cfg.Log, denied: s.metrics.Denied}
	if s.IAM, err = iam.New(ctx, iam.Config{State: records, Account: cfg.Account, Now: cfg.Now, Key: s.data.key, Log: cfg.Log, Observe: s.audit.observe}); err != nil {
		return err
	}
	if err := s.ensureRoot(ctx); err != nil {
		return err
	}
	if s.S3, err = s3.New(ctx, s3.Config{State: records, Store: stores, Encrypts: true, IAM: s.IAM, Region: cfg.Region, Now: cfg.Now, Log: cfg.Log}); err != nil {
		return err
	}
	if err := s.declareBuckets(ctx, stores); err != nil {
		return err
	}
	if s.SSM, err = ssm.New(ctx, ssm.Config{State: records, IAM: s.IAM, Key: s.data.key, Provisioned: bootstrapParameters(), Now: cfg.Now, Log: cfg.Log}); err != nil {
		return err
	}
	s.local = &inProcess{next: edge.NewOriginTransport()}
	s.closers = append(s.closers, s.local.wait)
	if err := s.openPictures(); err != nil {
		return err
	}
	if err := s.openFunctions(ctx, records); err != nil {
		return err
	}
	if s.backups, err = newBackupSource(backupSource{data: cfg.Data, records: records, objects: objects, keepCode: s.Lambda.KeepArchives, now: cfg.Now}); err != nil {
		return err
	}
	if s.ObjectLambda, err = objectlambda.New(ctx, objectlambda.Config{
		State: records, IAM: s.IAM, S3: s.S3, Invoker: tracedFunctions{s}, Region: cfg.Region, Webhooks: webhookTransport(), Endpoint: &url.URL{Scheme: "http", Host: awsNet.Addr().String()},
		Observe: s.objectLambda, Now: cfg.Now, Log: cfg.Log,
	}); err != nil {
		return err
	}
	s.closers = append(s.closers, func() error { s.ObjectLambda.Close(); return nil })
	edgeConfig, err := s.edgeConfig(records, port(httpsNet))
	if err != nil {
		return err
	}
	if s.Edge, err = edge.New(ctx, edgeConfig); err != nil {
		return err
	}
	s.closers = append(s.closers, func() error { s.Edge.Close(); return nil })
	if err := s.openStacks(ctx, records); err != nil {
		return err
	}
	if err := s.openConsole(awsNet, httpsNet); err != nil {
		return err
	}
	s.serveOn(awsNet, httpNet, httpsNet, adminNet)
	if cfg.Demo {
		return s.deployDemo(ctx, records)
	}
	return nil
}

// webhookTransport reaches handlers by URL: directly, whatever proxy the environment names, and following nothing.
func webhookTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone() //nolint:forcetypeassert // net/http says so
	t.Proxy, t.DisableCompression = nil, true
	return t
}

// Version is the version of this module, or "unreleased".
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path == "glassine" && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "unreleased"
}

func validAccount(id string) error {
	if len(id) != 12 {
		return fmt.Errorf("the account %q is not 12 digits", id)
	}
	for _, c := range id {
		if c < '0' || c > '9' {
			return fmt.Errorf("the account %q is not 12 digits", id)
		}
	}
	return nil
}

// ensureRoot makes the root access key at first start and keeps it where only the directory's owner reads it.
func (s *System) ensureRoot(ctx context.Context) error {
	root, made, err := s.IAM.EnsureRoot(ctx)
	if err != nil {
		return err
	}
	if made {
		s.NewRoot = &root
	}
	if _, err := RootCredentials(s.cfg.Data); made || err != nil && root.SecretAccessKey != "" {
		return writeRootFile(s.cfg.Data, root)
	}
	return nil
}

// builtins are the functions that are part of the program.
func (s *System) builtins() map[string]runner.Func {
	image := &transform.Function{Transport: s.local, Observe: s.pictureAnswered, Log: s.cfg.Log, Now: s.cfg.Now, Pixels: s.pixels}
	all := map[string]runner.Func{
		"glassine://signer": edgeSigner(s.cfg.Now),
		"glassine://image": func(ctx context.Context, inv runner.Invocation) ([]byte, error) {
			return image.Handle(ctx, inv.Payload, transform.Credentials{
				AccessKeyID: inv.Credentials.AccessKeyID, SecretAccessKey: inv.Credentials.SecretAccessKey,
				SessionToken: inv.Credentials.SessionToken, Region: inv.Region,
			})
		},
	}
	maps.Copy(all, s.cfg.Functions)
	return all
}

// Transport reaches AWS's names inside this process, and everything else as a client does. It is for functions of
// Config.Functions: their requests are signed, verified and decided like all others.
func (s *System) Transport() http.RoundTripper { return s.local }

// Addresses are where the listeners are.
type Addresses struct{ AWS, HTTP, HTTPS, Admin string }

// Addresses returns where the System listens, ports filled in.
func (s *System) Addresses() Addresses {
	at := func(i int) string { return s.servers[i].listener.Addr().String() }
	return Addresses{AWS: at(0), HTTP: at(1), HTTPS: at(2), Admin: at(3)}
}

// CAFile is the certificate that clients of the AWS endpoint and viewers trust.
func (s *System) CAFile() string { return s.ca.file }

// Serve answers until ctx ends or a listener fails, then closes the System. It returns nil after an orderly end.
func (s *System) Serve(ctx context.Context) error {
	failed := make(chan error, len(s.servers))
	for _, srv := range s.servers {
		go func() {
			err := srv.serve(srv.listener)
			if !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serve %s: %w", srv.name, err)
			}
		}()
	}
	s.Stacks.Start()
	s.ready.serving.Store(true)
	expiring, stopExpiring := context.WithCancel(ctx)
	var background sync.WaitGroup
	background.Go(func() { s.expire(expiring) })
	background.Go(func() { s.keepCertificates(expiring) })
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	stopExpiring()
	background.Wait()
	return errors.Join(err, s.Close())
}

// expire applies lifecycle rules and the retention of logs now and then until ctx ends.
func (s *System) expire(ctx context.Context) {
	tick := time.NewTicker(expireEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := s.S3.Expire(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Log.Error("lifecycle rules not applied", "error", err.Error())
			}
			if err := s.Logs.Expire(ctx); err != nil && ctx.Err() == nil {
				s.cfg.Log.Error("retention of logs not applied", "error", err.Error())
			}
		}
	}
}

// shutDown drains the servers whose names are chosen, side by side, until ctx ends.
func (s *System) shutDown(ctx context.Context, chosen func(name string) bool) {
	var wait sync.WaitGroup
	for _, srv := range s.servers {
		if !chosen(srv.name) {
			continue
		}
		wait.Go(func() {
			if srv.http.Shutdown(ctx) != nil {
				_ = srv.http.Close() // Shutdown has failed already
			}
		})
	}
	wait.Wait()
}

// Close drains: it takes no new requests, waits up to Config.Drain for those under way, and closes everything. What was
// acknowledged is on disk whether it is called or not.
func (s *System) Close() error {
	s.closeOnce.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Drain)
		defer cancel()
		s.ready.draining.Store(true)
		s.shutDown(ctx, func(name string) bool { return name != "admin" })
		s.shutDown(ctx, func(name string) bool { return name == "admin" }) // last: until then /readyz says that we leave
		var errs []error
		for i := len(s.closers) - 1; i >= 0; i-- {
			errs = append(errs, s.closers[i]())
		}
		s.closeErr = errors.Join(errs...)
	})
	return s.closeErr
}

// Fsck checks the objects of a data directory that no glassine runs on: that the index and the files agree, and that every
// file is what was stored. It changes nothing, calls report with each problem, and returns how much it looked at.
func Fsck(ctx context.Context, data string, report func(disk.Problem)) (checked disk.Checked, err error) {
	d, err := openDataDir(data)
	if err != nil {
		return checked, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	return disk.Fsck(ctx, filepath.Join(data, "objects"), disk.FsckOptions{Keys: d.objectKeys()}, report)
}

// ReplaceRootCredentials makes a new root access key in a data directory that no glassine runs on; the old one is dead.
func ReplaceRootCredentials(ctx context.Context, data, account string) (c iam.Credentials, err error) {
	d, err := openDataDir(data)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	records, err := state.Open(filepath.Join(data, "state.db"))
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	service, err := iam.New(ctx, iam.Config{State: records, Account: account, Key: d.key})
	if err != nil {
		return c, err
	}
	if c, err = service.ReplaceRoot(ctx); err != nil {
		return c, err
	}
	return c, writeRootFile(data, c)
}
