// Package remote keeps objects at another S3 service: a store.Store whose buckets are buckets there, keys unchanged. It is
// for originals that lie at AWS, MinIO, Ceph, another glassine: policies, access points and Block Public Access of this one
// hold in front of them all the same.
//
// Everything goes through the service's API: versions, tags, checksums, conditions and multipart uploads are the service's
// own. What that cannot give is listed at store.Store, "A relayed store". Nothing is kept here, neither in memory nor on disk.
//
// Begin with Open. Bodies go out as payload.go says, and come in as body.go does.
package remote

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"glassine/store"
)

// Config says where the service is and how to speak to it.
type Config struct {
	// Endpoint is the service's URL, https://host or http://host:port, without a path. Over http nothing is encrypted,
	// and the bodies of objects over 4 MiB are not signed either.
	Endpoint string
	Region   string // that requests are signed for; "" means us-east-1
	// VirtualHosts puts the bucket's name into the host's, as AWS prefers; otherwise it is the path's first segment.
	VirtualHosts bool
	// Credentials signs requests. They are the service's, not glassine's own.
	Credentials Credentials
	// Roots are the certificate authorities to trust; nil means the system's.
	Roots *x509.CertPool
	// Bucket returns the service's bucket behind a bucket of this store; another than those it knows is empty and takes
	// nothing. nil means that both have one name.
	Bucket func(name string) (remote string, ok bool)
	// ManageVersioning is for buckets that nobody else uses: the store turns their versioning on and suspends it as
	// PutOptions.Version asks. Without it a bucket whose versioning is another is refused with store.ErrVersioning.
	ManageVersioning bool
	// Stall is how long the service may send nothing while it should; 0 means 30 s. Copies and the completion of uploads
	// have 15 minutes.
	Stall time.Duration
	// Attempts is how often a request is sent before its failure counts, with pauses that double, from some tens of
	// milliseconds to 5 s, and vary at random. 0 means 5.
	Attempts int
}

// Store is a store.Store at another service. Safe for many goroutines.
type Store struct {
	cfg     Config
	client  *s3.Client
	patient *s3.Client // for what the service works on before it answers

	// buffers is held by each body that is in memory: see maxBuffered.
	buffers chan struct{}

	mu         sync.Mutex                 // guards what follows
	versioning map[string]versioningState // by the service's bucket
	algorithms map[store.UploadID]string  // of uploads: what their parts' checksums are
	closed     bool
}

var (
	_ store.Store            = (*Store)(nil)
	_ store.VersioningSetter = (*Store)(nil)
)

// Open returns a store at the service. It sends nothing yet.
func Open(cfg Config) (*Store, error) {
	u, err := url.Parse(cfg.Endpoint)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil:
		return nil, errors.New("the endpoint is not of the form https://host or http://host:port") // not shown: it may hold a secret
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("the endpoint %s://%s must have no path", u.Scheme, u.Host)
	case cfg.Credentials == nil:
		return nil, fmt.Errorf("no credentials for %s", u.Host)
	}
	cfg.Endpoint = u.Scheme + "://" + u.Host
	if cfg.Region == "" {
		cfg.Region = "us-east-1"
	}
	if cfg.Bucket == nil {
		cfg.Bucket = func(name string) (string, bool) { return name, true }
	}
	if cfg.Stall == 0 {
		cfg.Stall = 30 * time.Second
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = 5
	}
	return &Store{
		cfg: cfg, client: newClient(cfg, cfg.Stall), patient: newClient(cfg, max(cfg.Stall, 15*time.Minute)),
		buffers:    make(chan struct{}, buffersAtOnce),
		versioning: map[string]versioningState{}, algorithms: map[store.UploadID]string{},
	}, nil
}

// Close implements store.Store. It waits for nothing: calls under way finish.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return store.ErrClosed
	}
	s.closed = true
	closeIdle(s.client)
	closeIdle(s.patient)
	return nil
}

// begin is the beginning of every method: it returns the service's bucket, or why the method may not run.
func (s *Store) begin(ctx context.Context, bucket, key string) (remote string, err error) {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return "", store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return "", err
	}
	if err := store.CheckName(bucket, key); err != nil {
		return "", err
	}
	remote, ok := s.cfg.Bucket(bucket)
	if !ok {
		return "", fmt.Errorf("no bucket at the service stands for %q: %w", bucket, store.ErrNotFound)
	}
	return remote, nil
}

// anyKey is for begin where a method has no key.
const anyKey = "any"
