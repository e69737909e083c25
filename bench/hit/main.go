// Command hit compares a cached hit of glassine's edge with one of nginx's proxy_cache, on this machine in one run.
//
//	go run ./bench/hit [-rounds 5] [-d 3s] [-c 32]
//
// Each server runs as a process of its own and has the same objects of 10 KiB and 100 KiB in its cache, from the same
// origin. In every round each is loaded in turn, the order changing from round to round: by wrk over plain HTTP/1.1 with
// keep-alive, and by h2load over TLS and HTTP/2. Printed are the medians of the rounds and the ratio of the two. A run in
// which the origin was asked for anything, or an answer was not a 200, is an error.
//
// It needs the Debian packages nginx, wrk and nghttp2-client.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
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
	flag.IntVar(&o.rounds, "rounds", 5, "rounds, of which the median counts")
	flag.DurationVar(&o.duration, "d", 3*time.Second, "duration of one measurement")
	flag.IntVar(&o.connections, "c", 32, "connections")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(run(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/hit:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

type options struct {
	rounds, connections int
	duration            time.Duration
}

// sizes are the objects: /<size> has so many bytes.
var sizes = []int{10 << 10, 100 << 10}

// server is one of the two under load.
type server struct {
	name           string
	plain, secure  string // addresses
	stop           func()
	host           string // Host of requests
	version, setup string
}

func run(ctx context.Context, o options) error {
	for program, pkg := range map[string]string{"nginx": "nginx", "wrk": "wrk", "h2load": "nghttp2-client"} {
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
	origin, asked, err := startOrigin()
	if err != nil {
		return err
	}
	defer origin.Close()
	ours, err := startGlassine(ctx, dir, origin.Addr().String())
	if err != nil {
		return err
	}
	defer ours.stop()
	peer, err := startNginx(ctx, dir, origin.Addr().String())
	if err != nil {
		return err
	}
	defer peer.stop()
	servers := []*server{ours, peer}
	for _, s := range servers {
		fmt.Printf("%-9s %s; %s\n", s.name, s.version, s.setup)
		if err := warm(s); err != nil {
			return err
		}
	}
	fmt.Printf("load      wrk -t1 -c%d and h2load -t1 -c%d -m1, %v each, median of %d rounds; %d cores, which the load shares\n\n",
		o.connections, o.connections, o.duration, o.rounds, runtime.NumCPU())
	before := asked.Load()
	results, err := measure(ctx, o, servers)
	if err != nil {
		return err
	}
	if n := asked.Load() - before; n != 0 {
		return fmt.Errorf("the origin was asked %d times during the measurement: those were no hits", n)
	}
	report(results, servers)
	return nil
}

// cell is one figure's place: which load on which server.
type cell struct {
	protocol string
	size     int
	server   string
}

func measure(ctx context.Context, o options, servers []*server) (map[cell][]sample, error) {
	results := map[cell][]sample{}
	for round := range o.rounds {
		order := slices.Clone(servers)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		for _, size := range sizes {
			for _, l := range loads {
				for _, s := range order {
					got, err := l.run(ctx, o, s, size)
					if err != nil {
						return nil, fmt.Errorf("%s on %s: %w", l.protocol, s.name, err)
					}
					c := cell{l.protocol, size, s.name}
					results[c] = append(results[c], got)
				}
			}
		}
	}
	return results, nil
}

func report(results map[cell][]sample, servers []*server) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "protocol\tobject\tserver\treq/s\tmin\tmax\tp50 or mean\tp99 or max\t")
	for _, l := range loads {
		for _, size := range sizes {
			var rate []float64
			for _, s := range servers {
				samples := results[cell{l.protocol, size, s.name}]
				get := func(f func(sample) float64) []float64 {
					var all []float64
					for _, s := range samples {
						all = append(all, f(s))
					}
					slices.Sort(all)
					return all
				}
				rates := get(func(s sample) float64 { return s.rate })
				middle := get(func(s sample) float64 { return float64(s.middle) })
				high := get(func(s sample) float64 { return float64(s.high) })
				rate = append(rate, median(rates))
				fmt.Fprintf(w, "%s\t%d KiB\t%s\t%.0f\t%.0f\t%.0f\t%v\t%v\t\n", l.protocol, size>>10, s.name, median(rates), rates[0], rates[len(rates)-1],
					time.Duration(median(middle)).Round(time.Microsecond), time.Duration(median(high)).Round(time.Microsecond))
			}
			fmt.Fprintf(w, "%s\t%d KiB\tratio\t%.2f\t\t\t\t\t\n", l.protocol, size>>10, rate[0]/rate[1])
		}
	}
	_ = w.Flush()
	fmt.Println("\nratio: glassine's req/s by nginx's. wrk gives the 50th and 99th percentile, h2load mean and maximum.")
}

func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// startOrigin serves /<size> as an image that may be kept for a day, and counts.
func startOrigin() (net.Listener, *atomic.Int64, error) {
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
