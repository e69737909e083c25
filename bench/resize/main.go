// Command resize measures glassine's pixel engine, its worker processes included, beside sharp: camera photographs made 800 pixels
// wide, as JPEG, WebP, PNG and AVIF, the two in turn, in one run, on the same pictures, with the same encoder settings, from memory
// to memory, as many pictures at once as there are CPUs, one thread for each.
//
// Run it from the top folder: go run ./bench/resize. GLASSINE_SAMPLES names a folder with camera JPEGs in photos/. It prints what it
// saw and judges nothing.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"glassine/bench/sharp"
	"glassine/transform/metadata"
	"glassine/transform/pixel"
	"glassine/transform/pixel/render"
	"glassine/transform/sample"
)

var (
	rounds  = flag.Int("rounds", 5, "rounds; in each, ours and the peer's in turn")
	modules = flag.String("modules", "e2e/node/node_modules", "folder of npm packages that holds sharp")
)

// rows are the formats, how often all pictures are made in a round, and the settings that make sharp's encoder do what ours does.
var rows = []struct {
	format  string
	repeat  int
	options map[string]any
}{
	{"jpeg", 3, map[string]any{"quality": 80}},
	{"webp", 3, map[string]any{"quality": 80, "effort": 3}},
	{"png", 3, map[string]any{"compressionLevel": 6}},
	{"avif", 2, map[string]any{"quality": 50, "effort": 2, "chromaSubsampling": "4:2:0"}},
}

func main() {
	if pixel.Main() {
		return
	}
	log.SetFlags(0)
	flag.Parse()
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// picture is a source in memory, with the job that it needs but for the format.
type picture struct {
	body []byte
	job  render.Job
}

func run(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "glassine-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	files, origin, err := pictures(dir)
	if err != nil {
		return err
	}
	inputs, err := read(files)
	if err != nil {
		return err
	}
	lanes := runtime.NumCPU()
	engine, err := pixel.New(pixel.Config{Dir: dir, Workers: lanes})
	if err != nil {
		return err
	}
	defer func() { _ = engine.Close() }()
	if err := engine.Warm(ctx); err != nil {
		return err
	}
	p, err := sharp.Start(worker, *modules, files)
	if err != nil {
		return err
	}
	defer p.Stop()
	level, _ := engine.Level()
	fmt.Printf("glassine: libvips %s, %s %s/%s, %d CPUs, workers at level %s\n", engine.Version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, lanes, level)
	fmt.Printf("peer:     sharp %s, libvips %s, Node %s\n", p.Sharp, p.Vips, p.Node)
	fmt.Printf("pictures: %d, %s; %d at once\n\n", len(inputs), origin, lanes)
	fmt.Printf("%-6s %6s  %12s %12s %9s   %12s %12s %9s\n", "format", "round", "ours img/s", "CPU ms/img", "KB/img", "sharp img/s", "CPU ms/img", "KB/img")
	for _, row := range rows {
		var us, them []result
		for i := -1; i < *rounds; i++ { // round -1 warms up
			a, err := work(ctx, engine, inputs, row.format, lanes, row.repeat)
			if err != nil {
				return fmt.Errorf("%s: %w", row.format, err)
			}
			var b result
			err = p.Work(map[string]any{"format": row.format, "options": row.options, "parallel": lanes, "repeat": row.repeat}, &b)
			if err != nil {
				return err
			}
			if i < 0 {
				continue
			}
			us, them = append(us, a), append(them, b)
			line(row.format, fmt.Sprint(i+1), a, b)
		}
		a, b := medians(us), medians(them)
		line(row.format, "median", a, b)
		fmt.Printf("ratio: %.2f of sharp's CPU for a picture, %.2f times its images/s; peak memory ours %.0f MB (server and workers), sharp %.0f MB\n\n",
			a.CPU/b.CPU, a.perSecond()/b.perSecond(), a.PeakMB, b.PeakMB)
	}
	return nil
}

func line(format, round string, a, b result) {
	fmt.Printf("%-6s %6s  %12.2f %12.1f %9.1f   %12.2f %12.1f %9.1f\n", format, round,
		a.perSecond(), a.cpuMS(), a.kilobytes(), b.perSecond(), b.cpuMS(), b.kilobytes())
}

func read(files []string) ([]picture, error) {
	var out []picture
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			return nil, err
		}
		h, err := metadata.ReadHeader(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f, err)
		}
		out = append(out, picture{b, render.Job{
			Source: string(h.Format), SourceWidth: h.Width, SourceHeight: h.Height, Orientation: h.Orientation, Frames: 1, Width: 800,
		}})
	}
	return out, nil
}

// work makes all pictures repeat times, lanes of them at once.
func work(ctx context.Context, engine *pixel.Engine, inputs []picture, format string, lanes, repeat int) (result, error) {
	jobs := make(chan picture)
	var wg sync.WaitGroup
	var mu sync.Mutex // guards r and failed
	var r result
	var failed error
	cpu, start := cpuOfTree(), time.Now()
	for range lanes {
		wg.Go(func() {
			for in := range jobs {
				in.job.Format = format
				got, err := engine.Render(ctx, in.job, in.body)
				mu.Lock()
				if err != nil {
					failed = err
				} else {
					r.Images++
					r.Bytes += int64(len(got.Body))
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
	r.Wall, r.CPU, r.PeakMB = time.Since(start).Seconds(), cpuOfTree()-cpu, peakOfTree()
	return r, failed
}

// pictures returns the files to work on: the camera JPEGs of GLASSINE_SAMPLES, else the sample.
func pictures(dir string) (files []string, origin string, err error) {
	if samples := os.Getenv("GLASSINE_SAMPLES"); samples != "" {
		files, err = filepath.Glob(filepath.Join(samples, "photos", "*.jpg"))
		if err == nil && len(files) == 0 {
			err = fmt.Errorf("GLASSINE_SAMPLES has no photos/*.jpg")
		}
		return files, "camera JPEGs of GLASSINE_SAMPLES", err
	}
	file := filepath.Join(dir, "sample.jpg")
	return []string{file}, "the sample picture (set GLASSINE_SAMPLES for photographs)", os.WriteFile(file, sample.JPEG, 0o666)
}

// medians is the median of each figure.
func medians(rs []result) result {
	of := func(f func(result) float64) float64 {
		vs := make([]float64, len(rs))
		for i, r := range rs {
			vs[i] = f(r)
		}
		slices.Sort(vs)
		return (vs[(len(vs)-1)/2] + vs[len(vs)/2]) / 2
	}
	return result{
		Images: rs[0].Images, Bytes: rs[0].Bytes, Wall: of(func(r result) float64 { return r.Wall }),
		CPU: of(func(r result) float64 { return r.CPU }), PeakMB: of(func(r result) float64 { return r.PeakMB }),
	}
}
