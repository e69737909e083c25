// Command hit compares a cached hit of glassine's edge with one of nginx's proxy_cache and one of Varnish, on this machine in
// one run.
//
//	go run ./bench/hit [-rounds 3] [-d 2s] [-protocols h1,tls,h2] [-c 1,32,256] [-kib 1,10,100,1024] [-servers glassine,nginx,varnish]
//
// Each server runs as a process of its own and has the same objects in its cache, from the same origin. A row is a
// protocol, a number of connections and a size; TLS rows are measured at 32 connections, if that is among them, else at the
// last. In every round each server is loaded in turn, the order changing from round to round: by wrk over HTTP/1.1 with
// keep-alive, in plaintext and over TLS, and by h2load over TLS and HTTP/2. Printed are the medians of the rounds, and our
// ratio to the better of the others, above 1 where ours is better. CPU is the processor time of the server's processes for a
// request, which other programs on the machine disturb least. A run in which the origin was asked for anything, or an answer
// was not a 200, is an error.
//
// It needs the Debian packages nginx, varnish, wrk and nghttp2-client. Debian's Varnish has no TLS.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"text/tabwriter"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "serve" {
		exit(serve(os.Args[2]))
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "rounds, of which the median counts")
	flag.DurationVar(&o.duration, "d", 2*time.Second, "duration of one measurement, whole seconds")
	protocols := flag.String("protocols", "h1,tls,h2", "protocols: h1, tls (HTTP/1.1 over TLS), h2")
	connections := flag.String("c", "1,32,256", "numbers of connections")
	kib := flag.String("kib", "1,10,100,1024", "sizes of objects in KiB")
	servers := flag.String("servers", "glassine,nginx,varnish", "what to measure, glassine among it")
	flag.StringVar(&o.profile, "profile", "", "write glassine's CPU profile of the whole run to this `file`")
	flag.Parse()
	o.servers = strings.Split(*servers, ",")
	exit(func() error {
		if err := o.fill(strings.Split(*protocols, ","), *connections, *kib); err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		defer stop()
		return run(ctx, o)
	}())
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/hit:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

type options struct {
	rounds   int
	duration time.Duration
	rows     []row
	sizes    []int // in bytes
	servers  []string
	profile  string
}

// secureConnections is how many the rows of TLS have.
const secureConnections = 32

// fill makes the rows.
func (o *options) fill(protocols []string, connections, kib string) error {
	counts, err1 := integers(connections)
	sizes, err2 := integers(kib)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	for _, size := range sizes {
		o.sizes = append(o.sizes, size<<10)
	}
	for _, p := range protocols {
		if rowNames[p] == "" {
			return fmt.Errorf("unknown protocol %q", p)
		}
		these := counts
		if p != "h1" {
			these = counts[len(counts)-1:]
			if slices.Contains(counts, secureConnections) {
				these = []int{secureConnections}
			}
		}
		for _, n := range these {
			for _, size := range o.sizes {
				o.rows = append(o.rows, row{p, n, size})
			}
		}
	}
	return nil
}

func integers(list string) (all []int, err error) {
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number above 0", s)
		}
		all = append(all, n)
	}
	return all, nil
}

// server is one of those under load.
type server struct {
	name           string
	plain, secure  string // addresses; secure is "" for none
	stop           func()
	host           string // Host of requests
	version, setup string
	pid            int
}

func run(ctx context.Context, o options) error {
	for program, pkg := range map[string]string{"nginx": "nginx", "varnishd": "varnish", "wrk": "wrk", "h2load": "nghttp2-client"} {
		if _, err := find(program); err != nil {
			return fmt.Errorf("%s is missing: install the Debian package %s", program, pkg)
		}
	}
	dir, err := workDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := writeCertificate(dir); err != nil {
		return err
	}
	origin, asked, err := startOrigin(o.sizes)
	if err != nil {
		return err
	}
	defer origin.Close()
	var servers []*server
	for _, name := range o.servers {
		s, err := start(ctx, name, dir, origin.Addr().String(), o.profile)
		if err != nil {
			return err
		}
		defer s.stop()
		fmt.Printf("%-9s %s; %s\n", s.name, s.version, s.setup)
		if err := warm(s, o.sizes); err != nil {
			return err
		}
		servers = append(servers, s)
	}
	fmt.Printf("load      wrk -t1 and h2load -t1 -m1, %v each, median of %d rounds; %d cores, which the load shares\n\n", o.duration, o.rounds, runtime.NumCPU())
	before := asked.Load()
	results, err := measure(ctx, o, dir, servers)
	if err != nil {
		return err
	}
	if n := asked.Load() - before; n != 0 {
		return fmt.Errorf("the origin was asked %d times during the measurement: those were no hits", n)
	}
	report(o.rows, results, servers)
	for _, s := range servers {
		fmt.Printf("%s has %.0f MiB in memory after it, with %d connections at most\n", s.name, float64(s.memory())/(1<<20), maxConnections(o.rows))
	}
	return nil
}

func start(ctx context.Context, name, dir, origin, profile string) (*server, error) {
	switch name {
	case "glassine":
		return startGlassine(ctx, dir, origin, profile)
	case "nginx":
		return startNginx(ctx, dir, origin)
	case "varnish":
		return startVarnish(ctx, dir, origin)
	}
	return nil, fmt.Errorf("unknown server %q", name)
}

func maxConnections(rows []row) (most int) {
	for _, r := range rows {
		most = max(most, r.connections)
	}
	return most
}

// cell is one figure's place: which load on which server.
type cell struct {
	row    row
	server string
}

func measure(ctx context.Context, o options, dir string, servers []*server) (map[cell][]sample, error) {
	results := map[cell][]sample{}
	for round := range o.rounds {
		order := slices.Clone(servers)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, r := range o.rows {
			for _, s := range order {
				if r.protocol != "h1" && s.secure == "" {
					continue
				}
				got, err := r.measure(ctx, o.duration, dir, s)
				if err != nil {
					return nil, fmt.Errorf("%s on %s: %w", rowNames[r.protocol], s.name, err)
				}
				c := cell{r, s.name}
				results[c] = append(results[c], got)
			}
		}
	}
	return results, nil
}

// figures are the medians of a cell.
type figures struct{ rate, cost, middle, high float64 }

func figuresOf(samples []sample) figures {
	get := func(f func(sample) float64) float64 {
		var all []float64
		for _, s := range samples {
			all = append(all, f(s))
		}
		slices.Sort(all)
		return median(all)
	}
	return figures{
		get(func(s sample) float64 { return s.rate }), get(func(s sample) float64 { return float64(s.cost) }),
		get(func(s sample) float64 { return float64(s.middle) }), get(func(s sample) float64 { return float64(s.high) }),
	}
}

func report(rows []row, results map[cell][]sample, servers []*server) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "protocol\tconnections\tobject\tserver\treq/s\tCPU/req\tp50\tp99\t")
	for _, r := range rows {
		var ours, best figures
		for _, s := range servers {
			samples := results[cell{r, s.name}]
			if len(samples) == 0 {
				continue
			}
			f := figuresOf(samples)
			us := func(ns float64) string { return fmt.Sprintf("%.1f us", ns/1000) }
			fmt.Fprintf(w, "%s\t%d\t%d KiB\t%s\t%.0f\t%s\t%s\t%s\t\n", rowNames[r.protocol], r.connections, r.size>>10, s.name, f.rate, us(f.cost), us(f.middle), us(f.high))
			switch {
			case s.name == "glassine":
				ours = f
			case best.rate == 0:
				best = f
			default:
				best = figures{max(best.rate, f.rate), min(best.cost, f.cost), min(best.middle, f.middle), min(best.high, f.high)}
			}
		}
		if ours.rate > 0 && best.rate > 0 {
			fmt.Fprintf(w, "\t\t\tratio\t%.2f\t%.2f\t%.2f\t%.2f\t\n", ours.rate/best.rate, best.cost/ours.cost, best.middle/ours.middle, best.high/ours.high)
		}
	}
	_ = w.Flush()
	fmt.Println("\nratio: ours to the best of the others, above 1 where ours is better: more requests, fewer microseconds.")
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// startOrigin serves /<size> as an image that may be kept for a day, and counts.
func startOrigin(sizes []int) (net.Listener, *atomic.Int64, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	asked := new(atomic.Int64)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		for _, size := range sizes {
			if r.URL.Path == fmt.Sprint("/", size) {
				w.Header().Set("Content-Type", "image/jpeg")
				w.Header().Set("Content-Length", fmt.Sprint(size))
				w.Header().Set("Cache-Control", "max-age=86400")
				w.Header().Set("Etag", `"0123456789abcdef0123456789abcdef"`)
				w.Header().Set("Last-Modified", "Wed, 21 Oct 2015 07:28:00 GMT")
				fmt.Fprint(w, strings.Repeat("x", size))
				return
			}
		}
		http.NotFound(w, r)
	})
	go func() { _ = http.Serve(l, handler) }() // ends with the listener
	return l, asked, nil
}

// find is exec.LookPath that also looks where Debian keeps servers.
func find(program string) (string, error) {
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + program)
}

// workDir makes a directory in memory where there is one: nginx's cache is files.
func workDir() (string, error) {
	parent := "/dev/shm"
	if info, err := os.Stat(parent); err != nil || !info.IsDir() {
		parent = ""
	}
	return os.MkdirTemp(parent, "glassine-bench-")
}
