package glassine

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"time"

	"glassine/s3"
	"glassine/store"
	"glassine/store/directory"
	"glassine/store/remote"
	"glassine/store/route"
)

// Remote is a bucket whose objects are a bucket's at another S3 service, keys unchanged.
type Remote struct {
	Name   string // of the bucket here
	Bucket string // at the service
	// Service says where the service is and how to speak to it; its Bucket and ManageVersioning are not looked at.
	Service remote.Config
}

// Directory is a bucket whose objects are the files of a directory, for reading alone.
type Directory struct {
	Name string // of the bucket
	Path string
}

// askTimeout is how long a start waits for a service's word about a bucket's versioning.
const askTimeout = 10 * time.Second

// openStores puts the data directory's store, the remote ones and the directories together. Closing what it returns closes
// all of them.
func (s *System) openStores(local store.Store, aws net.Addr) (*route.Store, error) {
	all := route.New(local)
	names := map[string]bool{}
	once := func(flag, name string) error {
		if names[name] {
			return fmt.Errorf("--%s: the bucket %s is declared twice", flag, name)
		}
		names[name] = true
		return nil
	}
	for _, r := range s.cfg.Remotes {
		cfg := r.Service
		cfg.ManageVersioning = false
		cfg.Bucket = func(string) (string, bool) { return r.Bucket, true }
		err := once("remote", r.Name)
		if err == nil && itself(cfg.Endpoint, aws) {
			err = fmt.Errorf("--remote %s: %s is this glassine itself", r.Name, cfg.Endpoint)
		}
		if err != nil {
			return all, err
		}
		to, err := remote.Open(cfg)
		if err != nil {
			return all, fmt.Errorf("--remote %s: %w", r.Name, err)
		}
		all.Send(r.Name, to)
	}
	for _, d := range s.cfg.Directories {
		if err := once("directory", d.Name); err != nil {
			return all, err
		}
		to, err := directory.Open(d.Path)
		if err != nil {
			return all, fmt.Errorf("--directory %s: %w", d.Name, err)
		}
		all.Send(d.Name, to)
	}
	return all, nil
}

// itself reports whether an endpoint is our own: a bucket there would ask itself without end.
func itself(endpoint string, aws net.Addr) bool {
	u, err := url.Parse(endpoint)
	own, ok := aws.(*net.TCPAddr)
	if err != nil || !ok || u.Port() != fmt.Sprint(own.Port) {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && (ip.IsLoopback() || ip.Equal(own.IP))
}

// declareBuckets makes the buckets of the stores that openStores opened, and shuts those that earlier starts declared.
func (s *System) declareBuckets(ctx context.Context, all *route.Store) error {
	for _, r := range s.cfg.Remotes {
		if err := s.S3.DeclareBucket(ctx, s3.Placement{Name: r.Name, Place: s3.PlaceRemote, Versioning: s.askVersioning(ctx, all, r)}); err != nil {
			return fmt.Errorf("--remote %s: %w", r.Name, err)
		}
	}
	for _, d := range s.cfg.Directories {
		if err := s.S3.DeclareBucket(ctx, s3.Placement{Name: d.Name, Place: s3.PlaceDirectory, Versioning: new(string)}); err != nil {
			return fmt.Errorf("--directory %s: %w", d.Name, err)
		}
	}
	for _, name := range s.S3.Undeclared() {
		all.Send(name, nil)
		s.cfg.Log.Warn("where a bucket's objects are kept was not said at this start: its requests are refused", slog.String("bucket", name))
	}
	return nil
}

// askVersioning returns the versioning of a remote bucket at its service, nil when the service does not say: the system
// starts all the same.
func (s *System) askVersioning(ctx context.Context, all *route.Store, r Remote) *string {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	state, err := all.Versioning(ctx, r.Name)
	if err != nil {
		s.cfg.Log.Warn("a remote bucket's service did not say whether it keeps versions", slog.String("bucket", r.Name), slog.String("error", err.Error()))
		return nil
	}
	status := map[store.Versioning]string{store.Versioned: s3.VersioningEnabled, store.Suspended: s3.VersioningSuspended}[state]
	return &status
}
