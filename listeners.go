package glassine

// The four listeners, and what each serves.

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"

	"glassine/aws/backupapi"
	"glassine/aws/cloudfrontapi"
	"glassine/aws/cloudtrailapi"
	"glassine/aws/iamapi"
	"glassine/aws/resetapi"
	"glassine/aws/s3api"
	"glassine/aws/s3controlapi"
	"glassine/aws/ssmapi"
	"glassine/aws/stsapi"
	"glassine/aws/wire"
	"glassine/edge"
	"glassine/edge/http1"
	"glassine/edge/http2"
)

// server is one listener and what it serves.
type server struct {
	name     string
	listener net.Listener
	http     httpServer
	serve    func(net.Listener) error // of http
}

// httpServer is an http.Server, or an http1.Server around one.
type httpServer interface {
	Shutdown(context.Context) error
	Close() error
}

// listen opens the four listeners, so that a port in use is said before anything else is done.
func (s *System) listen() (aws, viewer, viewerTLS, admin net.Listener, err error) {
	open := func(flag, address string) net.Listener {
		if err != nil {
			return nil
		}
		l := s.cfg.Listeners[flag]
		if l != nil {
			s.onClose(func() error { l.Close(); return nil })
			return l
		}
		if l, err = net.Listen("tcp", address); err != nil {
			if errors.Is(err, syscall.EADDRINUSE) {
				err = fmt.Errorf("the address %s is in use by another program; choose another with --%s", address, flag)
			} else {
				err = fmt.Errorf("listen on %s (--%s): %w", address, flag, err)
			}
			return nil
		}
		s.onClose(func() error { l.Close(); return nil }) // the server may have closed it before
		return l
	}
	aws, viewer, viewerTLS, admin = open("aws", s.cfg.AWS), open("http", s.cfg.HTTP), open("https", s.cfg.HTTPS), open("admin", s.cfg.Admin)
	return aws, viewer, viewerTLS, admin, err
}

func port(l net.Listener) string {
	_, p, _ := net.SplitHostPort(l.Addr().String()) // an address of our own listener
	return p
}

// serveOn makes the servers.
func (s *System) serveOn(aws, viewer, viewerTLS, admin net.Listener) {
	s.endpoint = newAWSListener(aws, s.ca.tlsConfig())
	handler := s.awsHandler()
	s.local.handler = handler
	awsServer := newServer(s.endpoint.proxy(s.ours, s.localStackHabits(handler)), s.cfg.Log)
	awsServer.ConnContext = wire.WithNames
	// Viewers' connections answer cached hits by themselves: package http1.
	var plain http.Handler = s.Edge
	if a := s.viewers.certificates.acme; a != nil {
		plain = a.HTTP(plain)
	}
	plainServer := s.viewerServer(plain)
	tlsServer := s.viewerServer(s.Edge)
	tlsServer.HTTP.TLSConfig = s.viewers.config()
	adminServer := newServer(s.adminHandler(), s.cfg.Log)
	adminServer.RegisterOnShutdown(s.console.Drain)
	s.servers = []server{
		{"aws", s.endpoint, awsServer, awsServer.Serve},
		{"http", viewer, plainServer, plainServer.Serve},
		{"https", viewerTLS, tlsServer, tlsServer.ServeTLS},
		{"admin", admin, adminServer, adminServer.Serve},
	}
	if s.quic != nil {
		s.servers = append(s.servers, s.serveQUIC())
	}
}

// viewerServer serves viewers over HTTP/1.1 and HTTP/2; h gets what the edge's loops do not answer.
func (s *System) viewerServer(h http.Handler) *http1.Server {
	server := newServer(h, s.cfg.Log)
	return &http1.Server{
		HTTP: server, Responder: s.Edge, StallTimeout: edge.DefaultStallTimeout,
		HTTP2: &http2.Server{HTTP: server, Responder: s.Edge, StallTimeout: edge.DefaultStallTimeout},
	}
}

// newServer has the limits that keep slow and huge requests out. A body may take as long as it needs.
func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 60 * time.Second, MaxHeaderBytes: 32 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// ours reports whether the AWS endpoint answers for a host.
func (s *System) ours(host string) bool {
	if _, ok := wire.AWSLabels(host); ok {
		return true
	}
	name := wire.Hostname(host)
	for _, e := range append([]string{"::1"}, endpointNames...) {
		if name == e || len(name) > len(e) && name[len(name)-len(e)-1:] == "."+e {
			return true
		}
	}
	listening, _, _ := net.SplitHostPort(s.servers[0].listener.Addr().String())
	return name == listening
}

// awsHandler chooses the service.
func (s *System) awsHandler() http.Handler {
	s3 := &s3api.Handler{IAM: s.IAM, S3: s.S3, ObjectLambda: s.ObjectLambda, Endpoints: endpointNames, Observe: s.metrics.S3, Now: s.cfg.Now, Log: s.cfg.Log}
	s3control := &s3controlapi.Handler{IAM: s.IAM, S3: s.S3, ObjectLambda: s.ObjectLambda, Now: s.cfg.Now, Log: s.cfg.Log}
	identity := &iamapi.Handler{IAM: s.IAM, Now: s.cfg.Now, Log: s.cfg.Log}
	tokens := &stsapi.Handler{IAM: s.IAM, Now: s.cfg.Now, Log: s.cfg.Log}
	cloudfront := &cloudfrontapi.Handler{IAM: s.IAM, Edge: s.Edge, Now: s.cfg.Now, Log: s.cfg.Log}
	functions, events := s.functionHandlers()
	stacks := s.stackHandler()
	objects := customResources(stacks, s3)
	parameters := &ssmapi.Handler{SSM: s.SSM, IAM: s.IAM, Now: s.cfg.Now, Log: s.cfg.Log}
	cdk := &bootstrapper{system: s, turn: make(chan struct{}, 1)}
	trail := &cloudtrailapi.Handler{IAM: s.IAM, Audit: s.audit.log, Now: s.cfg.Now, Log: s.cfg.Log}
	resets := s.resetHandler()
	backups := &backupapi.Handler{IAM: s.IAM, Backup: s.Backup, Now: s.cfg.Now, Log: s.cfg.Log}
	return s.joined(s.logRequests(s.audit.requests(func(w http.ResponseWriter, r *http.Request, service string) {
		if resetapi.Is(r) {
			resets.ServeHTTP(w, r)
			noteTaken(w)
			return
		}
		cdk.ready(r, service)
		switch service {
		case wire.ServiceS3:
			objects.ServeHTTP(w, r)
		case wire.ServiceCloudFormation:
			stacks.ServeHTTP(w, r)
		case wire.ServiceS3Control:
			s3control.ServeHTTP(w, r)
		case wire.ServiceIAM:
			identity.ServeHTTP(w, r)
		case wire.ServiceSTS:
			tokens.ServeHTTP(w, r)
		case wire.ServiceCloudFront:
			cloudfront.ServeHTTP(w, r)
		case wire.ServiceLambda:
			functions.ServeHTTP(w, r)
		case wire.ServiceLogs:
			events.ServeHTTP(w, r)
		case wire.ServiceSSM:
			parameters.ServeHTTP(w, r)
		case cloudtrailapi.Service:
			trail.ServeHTTP(w, r)
		case backupapi.Service:
			backups.ServeHTTP(w, r)
		default:
			wire.WriteUnsupported(w, r, service, s.cfg.Log)
		}
	})))
}
