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
	"maps"
	"net"
	"net/http"
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

// How often stored objects are read against their checksums, and lifecycle rules are applied.
const (
	scrubEvery  = 7 * 24 * time.Hour
	expireEvery = time.Hour
)

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

	succession *succession // of a System that can be reset, which has no parts of its own; else nil
	within     *succession // that s is, or was, the current System of; nil: of none
}

// New opens everything and listens; nothing is answered before Serve. The caller closes the System. The errors say what
// to do: a port or the data directory in use, a directory of a newer version.
func New(ctx context.Context, cfg Config) (*System, error) {
	if cfg.AllowReset {
		return newSuccession(ctx, cfg)
	}
	return newSystem(ctx, cfg, nil, nil)
}

// newSystem is New for one System. data is the data directory where one before had it open, else nil.
func newSystem(ctx context.Context, cfg Config, data *dataDir, within *succession) (*System, error) {
	cfg.fill()
	s := &System{cfg: cfg, data: data, within: within, live: Live{cfg.CertificateDir, cfg.Strict, cfg.CacheStatus}}
	s.ready.turn = make(chan struct{}, 1)
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Version is the version of this module, or "unreleased".
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Path == "glassine" && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "unreleased"
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
func (s *System) Transport() http.RoundTripper {
	if s.succession != nil {
		return following{s}
	}
	return s.local
}

// Addresses are where the listeners are.
type Addresses struct{ AWS, HTTP, HTTPS, Admin string }

// Addresses returns where the System listens, ports filled in.
func (s *System) Addresses() Addresses {
	servers := s.now().servers
	at := func(i int) string { return servers[i].listener.Addr().String() }
	return Addresses{AWS: at(0), HTTP: at(1), HTTPS: at(2), Admin: at(3)}
}

// CAFile is the certificate that clients of the AWS endpoint and viewers trust.
func (s *System) CAFile() string { return s.now().ca.file }

// Serve answers until ctx ends or a listener fails, then closes the System. It returns nil after an orderly end.
func (s *System) Serve(ctx context.Context) error {
	if s.succession != nil {
		return s.succession.serve(ctx, s)
	}
	_, err := s.serve(ctx, nil)
	return errors.Join(err, s.Close())
}

// serve answers until ctx ends or a listener fails, or until a reset that was asked for is prepared, which it returns.
func (s *System) serve(ctx context.Context, resets <-chan *resetting) (reset *resetting, err error) {
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
	for going := true; going; {
		going = false
		select {
		case <-ctx.Done():
		case err = <-failed:
		case reset = <-resets:
			if unready := s.prepare(ctx, reset); unready != nil {
				s.cfg.Log.Error("nothing was reset", "error", unready.Error())
				reset.done(0, unready)
				reset, going = nil, true
			}
		}
	}
	stopExpiring()
	background.Wait()
	return reset, err
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
	if s.succession != nil {
		return s.succession.close()
	}
	s.closeOnce.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.Drain)
		defer cancel()
		s.ready.draining.Store(true)
		s.shutDown(ctx, func(name string) bool { return name != "admin" })
		s.shutDown(ctx, func(name string) bool { return name == "admin" }) // last: until then /readyz says that we leave
		s.closeErr = s.closeParts()
		if s.data != nil {
			s.closeErr = errors.Join(s.closeErr, s.data.Close())
		}
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
