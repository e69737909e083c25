package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"glassine/edge"
	"glassine/edge/http1"
	"glassine/iam"
	"glassine/state"
)

const (
	loadRounds = 9 // of which the median counts
	loadTime   = time.Second
)

// loadConnections are how many keep-alive connections ask at once.
var loadConnections = [...]int{1, 32}

// loaded is an edge in a child process.
type loaded struct {
	Address string
	Host    string
	objects int
	in      io.WriteCloser
	out     *bufio.Reader
	cmd     *exec.Cmd
	costs   [len(loadConnections)][]float64 // nanoseconds of processor a request, one for each round
}

// connections measures a hit as a viewer has it: the whole edge behind its listener. The edges of all sizes stand side by side and are
// loaded in turn, so that what else the machine does is the same for all.
func connections(sizes []int, body int) (err error) {
	var edges []*loaded
	defer func() {
		for _, l := range edges {
			err = errors.Join(err, l.in.Close(), l.cmd.Wait())
		}
	}()
	for _, n := range sizes {
		l, err := startEdge(order{What: "edge", Objects: n, Body: body})
		if err != nil {
			return err
		}
		edges = append(edges, l)
	}
	for round := range loadRounds + 1 { // the first warms
		for _, l := range edges {
			for i, n := range loadConnections {
				cost, err := l.load(n, uint64(round))
				if err != nil {
					return err
				}
				if round > 0 {
					l.costs[i] = append(l.costs[i], cost)
				}
			}
		}
		slices.Reverse(edges)
	}
	slices.SortFunc(edges, func(a, b *loaded) int { return a.objects - b.objects })
	for _, l := range edges {
		fmt.Printf("%9d objects:", l.objects)
		for i, n := range loadConnections {
			cost, ratio := l.against(edges[0], i)
			fmt.Printf("  %2d connections %5.2f us (%.3f of the first row's)", n, cost/1e3, ratio)
		}
		fmt.Println()
	}
	return nil
}

// against returns the median of l's costs, and of their ratios to first's in the same round.
func (l *loaded) against(first *loaded, i int) (cost, ratio float64) {
	var ratios []float64
	for round, c := range l.costs[i] {
		ratios = append(ratios, c/first.costs[i][round])
	}
	costs := slices.Sorted(slices.Values(l.costs[i]))
	slices.Sort(ratios)
	return costs[len(costs)/2], ratios[len(ratios)/2]
}

func startEdge(o order) (*loaded, error) {
	b, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	l := &loaded{objects: o.Objects, cmd: exec.Command(os.Args[0], "measure", string(b))}
	l.cmd.Stderr = os.Stderr
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.out = bufio.NewReader(out)
	if l.in, err = l.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := l.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := l.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, l)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start an edge of %d objects: %w", o.Objects, err), l.in.Close(), l.cmd.Wait())
	}
	return l, nil
}

// used is the nanoseconds of processor that the edge's process has had.
func (l *loaded) used() (float64, error) {
	if _, err := io.WriteString(l.in, "\n"); err != nil {
		return 0, err
	}
	line, err := l.out.ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(line), 64)
}

// load asks on n connections for loadTime, for all objects alike, and returns what a request cost the edge's process.
func (l *loaded) load(n int, seed uint64) (float64, error) {
	before, err := l.used()
	if err != nil {
		return 0, err
	}
	counts, errs := make([]int, n), make([]error, n)
	end := time.Now().Add(loadTime)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			counts[i], errs[i] = l.ask(end, rand.New(rand.NewPCG(seed, uint64(i))))
		})
	}
	all.Wait()
	after, err := l.used()
	if err := errors.Join(append(errs, err)...); err != nil {
		return 0, err
	}
	sum := 0
	for _, c := range counts {
		sum += c
	}
	return (after - before) / float64(sum), nil
}

// ask sends one request after another on a connection until end, and returns how many were answered.
func (l *loaded) ask(end time.Time, rnd *rand.Rand) (n int, err error) {
	conn, err := net.Dial("tcp", l.Address)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	answers := bufio.NewReader(conn)
	var request []byte
	for ; n == 0 || time.Now().Before(end); n++ {
		request = fmt.Appendf(request[:0], "GET /images/%09d.jpg HTTP/1.1\r\nHost: %s\r\nAccept-Encoding: gzip, br\r\n\r\n", rnd.IntN(l.objects), l.Host)
		if _, err := conn.Write(request); err != nil {
			return n, err
		}
		if err := readHit(answers); err != nil {
			return n, fmt.Errorf("%.*s: %w", bytes.IndexByte(request, '\r'), request, err)
		}
	}
	return n, nil
}

// readHit reads an answer, which must be a hit.
func readHit(r *bufio.Reader) error {
	length, ok, hit := 0, false, false
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		if len(line) == len("\r\n") {
			break
		}
		ok = ok || first && bytes.HasPrefix(line, []byte("HTTP/1.1 200 "))
		hit = hit || bytes.HasPrefix(line, []byte("X-Cache: Hit "))
		if value, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return err
			}
		}
	}
	if !ok || !hit || length == 0 {
		return fmt.Errorf("status 200: %t, a hit: %t, %d bytes", ok, hit, length)
	}
	_, err := r.Discard(length)
	return err
}

// serveEdge is the child: an edge of o.Objects in memory behind a plaintext listener, as the program has it. It prints where it is,
// then for each line of its input how many nanoseconds of processor it used, and ends with its input.
func serveEdge(o order) error {
	ctx := context.Background()
	records := new(state.Memory)
	ids, err := iam.New(ctx, iam.Config{State: records, Account: "123456789012", Key: [32]byte{1}})
	if err != nil {
		return err
	}
	if _, _, err := ids.EnsureRoot(ctx); err != nil {
		return err
	}
	e, err := edge.New(ctx, edge.Config{State: records, IAM: ids, Account: "123456789012", Origin: origin{make([]byte, o.Body)}, CacheBytes: 1 << 40})
	if err != nil {
		return err
	}
	defer e.Close()
	d, err := e.CreateDistribution(ctx, ids.Root(), edge.DistributionConfig{
		CallerReference: "bench", Enabled: true,
		Origins: []edge.Origin{{ID: "o", DomainName: "origin.example.com", Custom: &edge.CustomOrigin{ProtocolPolicy: "http-only"}}},
		DefaultCacheBehavior: edge.CacheBehavior{
			TargetOriginID: "o", ViewerProtocolPolicy: "allow-all", CachePolicyID: "658327ea-f89d-4fab-a63d-7e88639e58f6",
		},
	}) // CachingOptimized
	if err != nil {
		return err
	}
	host := strings.ToLower(d.DomainName)
	limit := debug.SetMemoryLimit(12 << 30) // filling leaves much behind, and millions of objects take gigabytes
	if err := fillEdge(e, host, o.Objects); err != nil {
		return err
	}
	debug.SetMemoryLimit(limit)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	web := &http1.Server{Responder: e, StallTimeout: edge.DefaultStallTimeout, HTTP: &http.Server{
		Handler: e, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 60 * time.Second, MaxHeaderBytes: 32 << 10,
	}}
	go func() { _ = web.Serve(listener) }() // until Close
	defer func() { _ = web.Close() }()
	heap() // what the filling left is collected
	line, err := json.Marshal(loaded{Address: listener.Addr().String(), Host: host})
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	for in := bufio.NewReader(os.Stdin); ; {
		if _, err := in.ReadString('\n'); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var u unix.Rusage
		if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
			return err
		}
		fmt.Println(u.Utime.Nano() + u.Stime.Nano())
	}
}

// fillEdge asks e for the first n objects, as viewers do.
func fillEdge(e *edge.Edge, host string, n int) error {
	const workers = 4
	errs := make([]error, workers)
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := w; i < n && errs[w] == nil; i += workers {
				r, err := http.NewRequest(http.MethodGet, fmt.Sprintf("/images/%09d.jpg", i), nil)
				if err != nil {
					errs[w] = err
					return
				}
				r.Host, r.RequestURI, r.RemoteAddr = host, r.URL.Path, "127.0.0.1:1"
				r.Header.Set("Accept-Encoding", "gzip, br")
				s := sink{header: http.Header{}}
				if e.ServeHTTP(&s, r); s.status != http.StatusOK {
					errs[w] = fmt.Errorf("fill %s: status %d", r.RequestURI, s.status)
				}
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// sink is a viewer who looks at the status alone.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }

// origin answers everything with body, to be kept for a day.
type origin struct{ body []byte }

// RoundTrip implements http.RoundTripper.
func (o origin) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Request: r,
		ContentLength: int64(len(o.body)), Body: io.NopCloser(bytes.NewReader(o.body)),
		Header: http.Header{
			"Content-Type": {"image/jpeg"}, "Content-Length": {strconv.Itoa(len(o.body))}, "Cache-Control": {"max-age=86400"},
			"Etag": {`"0123456789abcdef"`}, "Last-Modified": {"Wed, 21 Oct 2015 07:28:00 GMT"},
		},
	}, nil
}
