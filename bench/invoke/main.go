// Command invoke measures what a function call costs here beside the function's own work: the time from a version without a
// process to its first answer (cold), what an invocation of a function that does nothing takes (warm), and a thousand
// invocations at concurrency 8, for a Go bootstrap, Node and Python, each in the firmest sandbox that the machine gives; and,
// first, for a function inside the process.
//
//	go run ./bench/invoke [-cold 20] [-warm 5000]
//
// Beside them stand two floors of this machine at its load, from the same run: what the same interpreter takes to start and
// end with an empty program, and what a message to a process of its kind and back takes over a pipe, outside any sandbox.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"glassine/lambda/runner"
	"glassine/lambda/sandbox"
)

func main() {
	if sandbox.Main() {
		return
	}
	if os.Getenv("AWS_LAMBDA_RUNTIME_API") != "" { // this program is the Go function, too
		lambda.Start(func(_ context.Context, event json.RawMessage) (json.RawMessage, error) { return event, nil })
		return
	}
	cold := flag.Int("cold", 20, "cold starts of each")
	warm := flag.Int("warm", 5000, "warm invocations of each")
	flag.Parse()
	if err := run(*cold, *warm); err != nil {
		fmt.Fprintln(os.Stderr, "invoke:", err)
		os.Exit(1)
	}
}

func run(cold, warm int) error {
	dir, err := os.MkdirTemp("", "glassine-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	host, err := sandbox.New(sandbox.Config{Dir: filepath.Join(dir, "host"), MaxProcesses: 64})
	if err != nil {
		return err
	}
	defer func() { _ = host.Close() }() // always nil
	level, why := host.Level()
	load, _ := os.ReadFile("/proc/loadavg") // absent elsewhere than on Linux
	fmt.Printf("level %s %s\n%s, %d CPUs, load %s\n", level, strings.Join(why, "; "), runtime.Version(), runtime.NumCPU(), strings.TrimSpace(string(load)))
	fmt.Printf("%-8s %22s %22s %22s %22s %22s %26s\n", "", "bare start p50/p99", "cold p50/p99", "of it to init p50/p99", "bare echo p50/p99", "warm p50/p99", "1000 at 8: lost, p50/p99")
	inside, err := inProcess(warm)
	if err != nil {
		return err
	}
	fmt.Printf("%-8s %22s %22s %22s %22s %22s\n", "inside", "-", "-", "-", "-", percentiles(inside))
	functions, err := writeFunctions(dir)
	if err != nil {
		return err
	}
	for _, f := range functions {
		if err := f.measure(host, cold, warm); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	return nil
}

// inProcess calls a function that is part of the program.
func inProcess(n int) (took []time.Duration, err error) {
	f := runner.Func(func(_ context.Context, inv runner.Invocation) ([]byte, error) { return inv.Payload, nil })
	for i := range n {
		begin := time.Now()
		out, err := f.Run(context.Background(), runner.Invocation{RequestID: "bench", Payload: []byte(strconv.Itoa(i))})
		took = append(took, time.Since(begin))
		if err != nil || string(out) != strconv.Itoa(i) {
			return nil, fmt.Errorf("event %d came back as %s, %w", i, out, err)
		}
	}
	return took, nil
}

type function struct {
	name    string
	version sandbox.Version
	bare    []string // an empty program of the same kind
	echo    []string // one that gives its input back
}

func writeFunctions(dir string) ([]function, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(self)
	if err != nil {
		return nil, err
	}
	var out []function
	for _, f := range []struct {
		name, runtime, handler, file string
		content                      []byte
		bare, echo                   []string
	}{
		{"go", "provided.al2023", "main", "bootstrap", program, []string{"/bin/true"}, []string{"cat"}},
		{"node", "nodejs20.x", "index.handler", "index.js", []byte("exports.handler = async (event) => event\n"), []string{"node", "-e", "0"}, []string{"node", "-e", "process.stdin.on('data', (b) => process.stdout.write(b))"}},
		{"python", "python3.9", "index.handler", "index.py", []byte("def handler(event, context):\n    return event\n"), []string{"/usr/bin/python3", "-S", "-c", ""}, []string{"/usr/bin/python3", "-S", "-c", "import os\nwhile b := os.read(0, 4096): os.write(1, b)"}},
	} {
		code := filepath.Join(dir, f.name)
		if err := os.Mkdir(code, 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(code, f.file), f.content, 0o755); err != nil {
			return nil, err
		}
		out = append(out, function{f.name, sandbox.Version{
			Key: f.name, FunctionName: f.name, FunctionARN: "arn:aws:lambda:us-east-1:123456789012:function:" + f.name, Version: "1",
			Region: "us-east-1", Account: "123456789012", Runtime: f.runtime, Handler: f.handler, CodeDir: code, MemoryMB: 512, Timeout: time.Minute,
		}, f.bare, f.echo})
	}
	return out, nil
}

func (f function) measure(host *sandbox.Host, cold, warm int) error {
	var bare, first, init, again []time.Duration
	for range cold {
		begin := time.Now()
		if err := exec.Command(f.bare[0], f.bare[1:]...).Run(); err != nil {
			return err
		}
		bare = append(bare, time.Since(begin))
		host.Retire(f.version.Key)
		took, result, err := f.invoke(host, "1")
		if err != nil {
			return err
		}
		first, init = append(first, took), append(init, result.InitDuration)
	}
	floor, err := f.pingPong(warm)
	if err != nil {
		return err
	}
	for i := range warm {
		took, _, err := f.invoke(host, strconv.Itoa(i))
		if err != nil {
			return err
		}
		again = append(again, took)
	}
	lost, crowd := f.crowd(host, 1000, 8)
	fmt.Printf("%-8s %22s %22s %22s %22s %22s %8d %17s\n", f.name, percentiles(bare), percentiles(first), percentiles(init), percentiles(floor), percentiles(again), lost, percentiles(crowd))
	return nil
}

// pingPong sends n messages to the echo program and waits for each to come back.
func (f function) pingPong(n int) (took []time.Duration, err error) {
	cmd := exec.Command(f.echo[0], f.echo[1:]...)
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	message := []byte("message\n")
	for i := range n + 1 {
		begin := time.Now()
		if _, err = in.Write(message); err != nil {
			break
		}
		if _, err = io.ReadFull(out, message); err != nil {
			break
		}
		if i > 0 { // the first waits for the start
			took = append(took, time.Since(begin))
		}
	}
	in.Close()
	return took, errors.Join(err, cmd.Wait())
}

// invoke sends an event and checks that it comes back.
func (f function) invoke(host *sandbox.Host, event string) (time.Duration, sandbox.Result, error) {
	begin := time.Now()
	result, err := host.Invoke(context.Background(), f.version, sandbox.Invocation{RequestID: "bench-" + event, Payload: []byte(event)})
	took := time.Since(begin)
	if err == nil && (result.Failed || string(result.Payload) != event) {
		err = fmt.Errorf("event %s came back as %s", event, result.Payload)
	}
	return took, result, err
}

// crowd sends n events, some at a time, and counts those that did not come back.
func (f function) crowd(host *sandbox.Host, n, concurrency int) (lost int, took []time.Duration) {
	var (
		mu     sync.Mutex // guards the results
		wg     sync.WaitGroup
		events = make(chan int)
	)
	for range concurrency {
		wg.Go(func() {
			for i := range events {
				d, _, err := f.invoke(host, strconv.Itoa(i))
				mu.Lock()
				if err != nil {
					lost++
				}
				took = append(took, d)
				mu.Unlock()
			}
		})
	}
	for i := range n {
		events <- i
	}
	close(events)
	wg.Wait()
	return lost, took
}

// percentiles is the median and the 99th percentile.
func percentiles(d []time.Duration) string {
	slices.Sort(d)
	at := func(p float64) string {
		return d[int(p*float64(len(d)-1))].Round(100 * time.Nanosecond).String()
	}
	return at(0.5) + " / " + at(0.99)
}
