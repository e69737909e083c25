// Command strip measures glassine's lossless strip beside what the reference function does with every picture, sharp's
// decode and re-encode at its defaults: the two in turn, in one run, on the same pictures, from memory to memory. Then it measures
// the command glassine strip from file to file beside exiftool (one process for all files), jpegtran -copy none and sharp.
//
// They do not do the same work, and that is the point: all give a picture without metadata; sharp does not keep its pixels, and only
// glassine keeps it upright. Run it
// from the top folder: go run ./bench/strip. GLASSINE_SAMPLES names a folder with camera JPEGs in photos/. It prints what it saw
// and judges nothing.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"glassine/bench/sharp"
	"glassine/transform/metadata"
)

var (
	rounds  = flag.Int("rounds", 5, "rounds; in each, ours and the peer's in turn")
	repeat  = flag.Int("repeat", 100, "how often ours strips all pictures in one round")
	modules = flag.String("modules", "e2e/node/node_modules", "folder of npm packages that holds sharp")
)

func main() {
	log.SetFlags(0)
	if os.Getenv(measuring) != "" {
		if err := measure(os.Args[1:]); err != nil {
			log.Fatal(err)
		}
		return
	}
	flag.Parse()
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "glassine-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	files, origin, err := pictures(dir)
	if err != nil {
		return err
	}
	var inputs [][]byte
	var size int
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		inputs = append(inputs, b)
		size += len(b)
	}
	p, err := sharp.Start(worker, *modules, files)
	if err != nil {
		return err
	}
	defer p.Stop()
	fmt.Printf("glassine: %s %s/%s, %d CPUs\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	fmt.Printf("peer:     sharp %s, libvips %s, Node %s\n", p.Sharp, p.Vips, p.Node)
	fmt.Printf("pictures: %d, %.1f MB in all: %s\n", len(inputs), float64(size)/1e6, origin)

	cpus := runtime.NumCPU()
	for _, m := range []struct {
		title             string
		lanes, concurrent int
	}{
		{"one thread each: one picture at a time, GOMAXPROCS=1, sharp.concurrency(1)", 1, 1},
		{fmt.Sprintf("all %d CPUs: as many pictures at once, sharp's default concurrency (%d)", cpus, p.Concurrency), cpus, 0},
	} {
		fmt.Printf("\n%s\n", m.title)
		if err := compare(p, inputs, m.lanes, m.concurrent); err != nil {
			return err
		}
	}
	return compareFiles(dir, *modules, files)
}

// compare runs the rounds and prints them and their medians.
func compare(p *sharp.Peer, inputs [][]byte, lanes, concurrency int) error {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(lanes))
	// One pass of each to warm up.
	if _, err := strip(inputs, lanes, 1); err != nil {
		return err
	}
	if _, err := resave(p, concurrency, lanes, 1); err != nil {
		return err
	}
	var us, them []result
	pass := len(inputs)
	fmt.Printf("%8s  %14s %14s   %14s %14s\n", "round", "ours images/s", "CPU ms/image", "sharp images/s", "CPU ms/image")
	for i := range *rounds {
		a, err := strip(inputs, lanes, *repeat)
		if err != nil {
			return err
		}
		b, err := resave(p, concurrency, lanes, 1)
		if err != nil {
			return err
		}
		if b.Images != pass || a.Images != pass**repeat {
			return fmt.Errorf("ours did %d pictures and the peer %d; there are %d", a.Images, b.Images, pass)
		}
		us, them = append(us, a), append(them, b)
		fmt.Printf("%8d  %14.1f %14.3f   %14.2f %14.1f\n", i+1, a.perSecond(), a.cpuMS(), b.perSecond(), b.cpuMS())
	}
	a, b := median(us, result.perSecond), median(them, result.perSecond)
	c, d := median(us, result.cpuMS), median(them, result.cpuMS)
	fmt.Printf("%8s  %14.1f %14.3f   %14.2f %14.1f\n", "median", a, c, b, d)
	fmt.Printf("ratio: %.0f times the images/s, %.0f times less CPU; bytes out for all pictures: ours %.1f MB, sharp %.1f MB\n",
		a/b, d/c, float64(us[0].Bytes)/1e6/float64(*repeat), float64(them[0].Bytes)/1e6)
	return nil
}

func median[T any](rs []T, f func(T) float64) float64 {
	vs := make([]float64, len(rs))
	for i, r := range rs {
		vs[i] = f(r)
	}
	slices.Sort(vs)
	return (vs[(len(vs)-1)/2] + vs[len(vs)/2]) / 2
}

// strip strips all inputs repeat times on so many goroutines.
func strip(inputs [][]byte, lanes, repeat int) (result, error) {
	jobs := make(chan []byte)
	var wg sync.WaitGroup
	var mu sync.Mutex // guards r and failed
	var r result
	var failed error
	cpu, start := cpuTime(), time.Now()
	for range lanes {
		wg.Go(func() {
			var out bytes.Buffer
			for in := range jobs {
				err := stripOne(in, &out)
				mu.Lock()
				r.Images++
				r.Bytes += int64(out.Len())
				if err != nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	for range repeat {
		for _, in := range inputs {
			jobs <- in
		}
	}
	close(jobs)
	wg.Wait()
	r.Wall, r.CPU = time.Since(start).Seconds(), (cpuTime() - cpu).Seconds()
	return r, failed
}

func stripOne(in []byte, out *bytes.Buffer) error {
	src := bytes.NewReader(in)
	plan, err := metadata.Strip(src, int64(len(in)))
	if err != nil {
		return err
	}
	out.Reset()
	out.Grow(int(plan.Size))
	_, err = plan.Reader(src).(io.WriterTo).WriteTo(out)
	return err
}

// cpuTime is the user and system time of this process.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		log.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
