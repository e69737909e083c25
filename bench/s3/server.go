package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"glassine/aws/sigv4"
	"glassine/s3"
	"glassine/state"
)

// The buckets of both servers; versitygw has no use for the first.
const (
	encryptedBucket = "bench-encrypted"
	plainBucket     = "bench-plain"
)

// server is one that is asked.
type server struct {
	address     string
	credentials sigv4.Credentials
	version     string
	child       *exec.Cmd
}

// cpuTime is the user and system time of the server's process so far; 0 where there is no /proc.
func (s *server) cpuTime() time.Duration {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.child.Process.Pid))
	if err != nil {
		return 0
	}
	_, fields, _ := strings.Cut(string(raw), ") ") // the program's name may have blanks
	f := strings.Fields(fields)
	if len(f) < 13 {
		return 0
	}
	user, _ := strconv.ParseInt(f[11], 10, 64) // proc(5): fields 14 and 15 of the whole line, in ticks
	system, _ := strconv.ParseInt(f[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux that Go runs on
	return time.Duration(user+system) * tick
}

// stop ends the server in order.
func (s *server) stop() {
	_ = s.child.Process.Signal(syscall.SIGTERM)
	_ = s.child.Wait()
}

// build makes a program from the checkout that this one runs in, unless there is one already.
func build(have, dir, name string, args ...string) (string, error) {
	if have != "" {
		return filepath.Abs(have)
	}
	file := filepath.Join(dir, name)
	cmd := exec.Command("go", append([]string{"build"}, strings.Split(fmt.Sprintf(strings.Join(args, "\n"), file), "\n")...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return file, nil
}

func startGlassine(ctx context.Context, dir, have string) (*server, error) {
	program, err := build(have, dir, "glassine-program", "-trimpath", "-o", "%s", "./cmd/glassine")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "glassine")
	s, err := serveGlassine(ctx, program, data)
	if err != nil {
		return nil, err
	}
	for _, bucket := range []string{encryptedBucket, plainBucket} {
		if err := s.makeBucket(bucket); err != nil {
			s.stop()
			return nil, err
		}
	}
	s.stop()
	if err := doNotEncrypt(ctx, data, plainBucket); err != nil {
		return nil, err
	}
	return serveGlassine(ctx, program, data)
}

func serveGlassine(ctx context.Context, program, data string) (*server, error) {
	child := exec.CommandContext(ctx, program, "serve", "--data", data, "--aws", "127.0.0.1:0", "--http", "127.0.0.1:0",
		"--https", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--access-log", "off")
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	var complaints strings.Builder
	child.Stderr = &complaints
	out, err := child.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := child.Start(); err != nil {
		return nil, fmt.Errorf("start glassine: %w", err)
	}
	s := &server{child: child}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "Ready." {
		if rest, ok := strings.CutPrefix(lines.Text(), "AWS endpoint:"); ok {
			_, rest, _ = strings.Cut(rest, "http://")
			s.address, _, _ = strings.Cut(rest, ",")
		}
	}
	raw, err := os.ReadFile(filepath.Join(data, "root-credentials.json"))
	if err == nil {
		err = json.Unmarshal(raw, &s.credentials)
	}
	if err != nil || s.address == "" {
		s.stop()
		return nil, fmt.Errorf("start glassine: %w\n%s", err, &complaints)
	}
	return s, nil
}

// doNotEncrypt makes a bucket one that was made before the installation had a master key: what comes into it is kept as it
// comes. No request does that.
func doNotEncrypt(ctx context.Context, data, bucket string) error {
	records, err := state.Open(filepath.Join(data, "state.db"))
	if err != nil {
		return err
	}
	buckets, err := state.OpenTable[s3.Bucket](ctx, records, "s3/buckets")
	if err == nil {
		_, err = buckets.Update(ctx, bucket, func(b s3.Bucket, _ bool) (s3.Bucket, error) {
			b.Encryption = ""
			return b, nil
		})
	}
	return errors.Join(err, records.Close())
}

func startVersitygw(ctx context.Context, dir, have string) (*server, error) {
	fmt.Println("Building versitygw (the first time this fetches its modules, some minutes)")
	program, err := build(have, dir, "versitygw-program", "-C", "e2e/versitygw", "-o", "%s", "github.com/versity/versitygw/cmd/versitygw")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "versitygw")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := l.Addr().String()
	l.Close()
	s := &server{address: address, credentials: sigv4.Credentials{AccessKeyID: "benchbenchbenchbench", SecretAccessKey: "benchbenchbenchbenchbenchbenchbenchbench"}}
	s.child = exec.CommandContext(ctx, program, "--port", address, "--access", s.credentials.AccessKeyID, "--secret", s.credentials.SecretAccessKey,
		"--keep-alive", "--quiet", "posix", data)
	s.child.Cancel = func() error { return s.child.Process.Signal(syscall.SIGTERM) }
	s.child.Stderr = os.Stderr
	if err := s.child.Start(); err != nil {
		return nil, fmt.Errorf("start versitygw: %w", err)
	}
	if s.version, err = moduleVersion(program); err == nil {
		err = s.waitFor()
	}
	if err == nil {
		err = s.makeBucket(plainBucket)
	}
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("start versitygw: %w", err)
	}
	return s, nil
}

// moduleVersion is the version of versitygw that a program was built from.
func moduleVersion(program string) (string, error) {
	out, err := exec.Command("go", "version", "-m", program).Output()
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) > 2 && f[1] == "github.com/versity/versitygw" {
			return f[2], nil
		}
	}
	return "", fmt.Errorf("%s is not built from the module github.com/versity/versitygw", program)
}

// waitFor waits up to 10 s until the server listens.
func (s *server) waitFor() error {
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		conn, err := net.Dial("tcp", s.address)
		if err == nil {
			return conn.Close()
		}
		if time.Now().After(end) {
			return err
		}
	}
}
