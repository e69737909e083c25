package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// vcl caches by the origin's own lifetimes, as the others do.
const vcl = `vcl 4.1;
backend default { .host = "%s"; .port = "%s"; }
`

// varnishQuiet keeps what a request writes to the log in shared memory from being written: the others write no log either.
const varnishQuiet = "-Begin,-End,-Link,-ReqStart,-ReqMethod,-ReqURL,-ReqProtocol,-ReqHeader,-ReqUnset,-RespProtocol,-RespStatus,-RespReason," +
	"-RespHeader,-RespUnset,-VCL_call,-VCL_return,-VCL_use,-Hit,-Timestamp,-ReqAcct,-Filters,-SessOpen,-SessClose,-Storage"

// startVarnish runs Varnish in memory. It has no TLS.
func startVarnish(ctx context.Context, dir, origin string) (*server, error) {
	program, err := find("varnishd")
	if err != nil {
		return nil, err
	}
	version, err := exec.Command(program, "-V").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("varnishd -V: %w", err)
	}
	plain, err := freeAddress()
	if err != nil {
		return nil, err
	}
	host, port, _ := strings.Cut(origin, ":")
	path := filepath.Join(dir, "varnish.vcl")
	if err := os.WriteFile(path, fmt.Appendf(nil, vcl, host, port), 0o600); err != nil {
		return nil, err
	}
	args := []string{
		"-F", "-n", filepath.Join(dir, "varnish"), "-a", plain, "-T", "none", "-f", path, "-s", "malloc,256m",
		"-p", "thread_pool_min=300", "-p", "vsl_mask=" + varnishQuiet,
	}
	if os.Geteuid() == 0 {
		args = append([]string{"-j", "none"}, args...) // its worker must reach the directory of this run
	}
	child := exec.CommandContext(ctx, program, args...)
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	log, err := os.Create(filepath.Join(dir, "varnish.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	child.Stdout, child.Stderr = log, log
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("start varnishd: %w", err)
	}
	stop := func() {
		_ = child.Process.Signal(syscall.SIGTERM)
		_ = child.Wait()
	}
	if err := waitFor(plain); err != nil {
		stop()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("start varnishd: %w\n%s", err, text)
	}
	first, _, _ := strings.Cut(string(version), "\n")
	return &server{
		name: "varnish", plain: plain, host: "bench.example.com", stop: stop, pid: child.Process.Pid,
		version: first, setup: "malloc,256m; two pools of at least 300 threads; no request's log; no TLS",
	}, nil
}
