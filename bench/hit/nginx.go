package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// nginxConf is nginx tuned for hits: a worker for each core, files by sendfile from a file system in memory, their
// descriptors kept open, no access log, connections kept alive without end. It has no tcp_nopush: with it, answers of
// 100 KiB over loopback waited 40 ms each for a delayed acknowledgement (seen 2026-11-26, nginx 1.22.1).
const nginxConf = `%s
worker_processes %d;
error_log %s/error.log warn;
pid %s/nginx.pid;
events { worker_connections 4096; multi_accept on; }
http {
  access_log off;
  sendfile on;
  tcp_nodelay on;
  keepalive_timeout 65;
  keepalive_requests 1000000000;
  open_file_cache max=10000 inactive=1h;
  open_file_cache_valid 1h;
  open_file_cache_min_uses 1;
  client_body_temp_path %s/body;
  fastcgi_temp_path %s/fastcgi;
  uwsgi_temp_path %s/uwsgi;
  scgi_temp_path %s/scgi;
  proxy_temp_path %s/proxy;
  proxy_cache_path %s/cache levels=1:2 keys_zone=hit:10m max_size=256m inactive=1d use_temp_path=off;
  ssl_certificate %s/` + certificateFile + `;
  ssl_certificate_key %s/` + keyFile + `;
  ssl_protocols TLSv1.2 TLSv1.3;
  ssl_session_cache shared:tls:10m;
  server {
    listen %s reuseport;
    listen %s ssl http2 reuseport;
    location / {
      proxy_pass http://%s;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_cache hit;
      proxy_cache_valid 200 1d;
    }
  }
}
`

func startNginx(ctx context.Context, dir, origin string) (*server, error) {
	program, err := find("nginx")
	if err != nil {
		return nil, err
	}
	version, err := exec.Command(program, "-v").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("nginx -v: %w", err)
	}
	plain, err := freeAddress()
	if err != nil {
		return nil, err
	}
	secure, err := freeAddress()
	if err != nil {
		return nil, err
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // its workers must reach the directory of this run
	}
	d := func(n int) []any { return slicesOf(dir, n) }
	args := append([]any{user, runtime.NumCPU()}, d(10)...)
	conf := fmt.Sprintf(nginxConf, append(args, plain, secure, origin)...)
	path := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(path, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	child := exec.CommandContext(ctx, program, "-p", dir, "-c", path, "-e", filepath.Join(dir, "error.log"), "-g", "daemon off;")
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	stop := func() {
		_ = child.Process.Signal(syscall.SIGTERM)
		_ = child.Wait()
	}
	if err := waitFor(plain); err != nil {
		stop()
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	return &server{
		name: "nginx", plain: plain, secure: secure, host: "bench.example.com", stop: stop, pid: child.Process.Pid,
		version: strings.TrimSpace(strings.TrimPrefix(string(version), "nginx version: ")),
		setup:   fmt.Sprintf("proxy_cache in %s, %d workers, sendfile, open_file_cache, reuseport, no access log", filepath.Dir(dir), runtime.NumCPU()),
	}, nil
}

func slicesOf(s string, n int) []any {
	all := make([]any, n)
	for i := range all {
		all[i] = s
	}
	return all
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// waitFor waits up to 5 s until something listens.
func waitFor(address string) error {
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(end) {
			return err
		}
	}
}
