package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"time"

	"glassine/edge"
	"glassine/edge/http1"
	"glassine/edge/http2"
	"glassine/iam"
	"glassine/state"
)

// ready is what the child prints once it serves.
type ready struct{ Plain, Secure, Host string }

// startGlassine runs this program again as a child that serves the edge.
func startGlassine(ctx context.Context, dir, origin, profile string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	settings, err := json.Marshal(childSettings{Dir: dir, Origin: origin, Profile: profile})
	if err != nil {
		return nil, err
	}
	child := exec.CommandContext(ctx, self, "serve", string(settings))
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("start the edge: %w", err)
	}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	var r ready
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	stop := func() { stdin.Close(); _ = child.Wait() }
	if err != nil {
		stop()
		return nil, fmt.Errorf("start the edge: %w", err)
	}
	return &server{
		name: "glassine", plain: r.Plain, secure: r.Secure, host: r.Host, stop: stop, pid: child.Process.Pid,
		version: runtime.Version(), setup: "the viewers' listeners as they are, GOMAXPROCS and GC as they come, no access log",
	}, nil
}

type childSettings struct{ Dir, Origin, Profile string }

// serve is the child: an edge with one distribution, on a plain and a TLS listener, until its standard input ends.
func serve(settings string) error {
	var s childSettings
	if err := json.Unmarshal([]byte(settings), &s); err != nil {
		return err
	}
	ctx := context.Background()
	records := new(state.Memory)
	ids, err := iam.New(ctx, iam.Config{State: records, Account: "123456789012", Key: [32]byte{1}})
	if err != nil {
		return err
	}
	if _, _, err := ids.EnsureRoot(ctx); err != nil {
		return err
	}
	transport := edge.NewOriginTransport()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Origin)
	}
	e, err := edge.New(ctx, edge.Config{
		State: records, IAM: ids, Account: "123456789012", Origin: transport,
	})
	if err != nil {
		return err
	}
	defer e.Close()
	d, err := e.CreateDistribution(ctx, ids.Root(), edge.DistributionConfig{
		CallerReference: "bench", Enabled: true,
		Origins: []edge.Origin{{ID: "o", DomainName: "origin.example.com", Custom: &edge.CustomOrigin{ProtocolPolicy: "http-only"}}},
		DefaultCacheBehavior: edge.CacheBehavior{
			TargetOriginID: "o", ViewerProtocolPolicy: "allow-all",
			CachePolicyID: "658327ea-f89d-4fab-a63d-7e88639e58f6",
		},
	}) // CachingOptimized
	if err != nil {
		return err
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	certificate, err := tls.LoadX509KeyPair(filepath.Join(s.Dir, certificateFile), filepath.Join(s.Dir, keyFile))
	if err != nil {
		return err
	}
	common := &http.Server{
		Handler: e, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 60 * time.Second, MaxHeaderBytes: 32 << 10,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}},
	}
	web := &http1.Server{Responder: e, HTTP: common, HTTP2: &http2.Server{Responder: e, HTTP: common}}
	if s.Profile != "" {
		f, err := os.Create(s.Profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	failed := make(chan error, 3)
	go func() { failed <- web.Serve(plain) }()
	go func() { failed <- web.ServeTLS(secure) }()
	line, err := json.Marshal(ready{plain.Addr().String(), secure.Addr().String(), strings.ToLower(d.DomainName)})
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		failed <- err
	}()
	err = <-failed
	_ = web.Close() // the process ends
	return err
}
