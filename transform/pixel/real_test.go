package pixel

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"glassine/confine"
	"glassine/transform/metadata"
	"glassine/transform/pixel/library"
	"glassine/transform/pixel/render"
	"glassine/transform/sample"
)

// real is an engine with libvips.
func real(t testing.TB, change func(*Config)) *Engine {
	t.Helper()
	cfg := Config{Library: os.Getenv("GLASSINE_LIBVIPS"), Dir: t.TempDir(), Workers: 2}
	if change != nil {
		change(&cfg)
	}
	e, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	if _, _, err := e.Library(); err != nil {
		t.Fatal("make libvips puts one into the program: ", err)
	}
	return e
}

// unpacked is where the library of this process lies; "" before there is one.
var unpacked string

// here is libvips in this process, which can load it once only.
var here = sync.OnceValues(func() (*render.Renderer, error) {
	var err error
	if unpacked, err = os.MkdirTemp("", "glassine-pixel-test-"); err != nil {
		return nil, err
	}
	path, _, err := library.Find(os.Getenv("GLASSINE_LIBVIPS"), unpacked)
	if err != nil {
		return nil, err
	}
	return render.Open(path, true)
})

const drawing = `<svg xmlns="http://www.w3.org/2000/svg" width="120" height="80"><defs><linearGradient id="g"><stop stop-color="red"/><stop offset="1" stop-color="blue"/></linearGradient></defs><rect width="120" height="80" fill="url(#g)"/><text x="10" y="50" font-size="30">Ag</text></svg>`

// sampleJob makes the sample picture smaller.
func sampleJob(format string) render.Job {
	return render.Job{Source: "jpeg", SourceWidth: 1200, SourceHeight: 1600, Orientation: 6, Width: 200, Format: format}
}

// A hardened worker makes the very bytes that libvips makes in a process that may do everything: nothing that it loads late,
// reads or asks of the kernel is missing at any level.
func TestWorkersMakeWhatTheLibraryMakes(t *testing.T) {
	real(t, nil) // or skip
	direct, err := here()
	if err != nil {
		t.Fatal(err)
	}
	type work struct {
		name   string
		job    render.Job
		source []byte
	}
	var all []work
	sources := map[string][]byte{"jpeg": sample.JPEG}
	for _, format := range []string{"jpeg", "png", "webp", "avif", "gif", "tiff"} {
		job := sampleJob(format)
		all = append(all, work{"JPEG to " + format, job, sample.JPEG})
		made, err := direct.Render(job, sample.JPEG)
		if err != nil {
			t.Fatal(err)
		}
		if format != "jpeg" {
			sources[format] = made.Body
			all = append(all, work{format + " to PNG", render.Job{Source: format, SourceWidth: int64(made.Width), SourceHeight: int64(made.Height), Format: "png", Width: 50}, made.Body})
		}
	}
	drawn := sampleJob("png")
	drawn.Texts = []render.Text{{Text: "Grüße, γειά", Size: 40, Colour: render.Colour{R: 255, A: 255}, Opacity: 0.7}}
	drawn.Watermarks = []render.Watermark{{Image: sources["png"], Format: "png", Scale: 0.3, Opacity: 0.5}}
	plain, err := direct.Render(sampleJob("png"), sample.JPEG)
	if err != nil {
		t.Fatal(err)
	}
	drawnHere, err := direct.Render(drawn, sample.JPEG)
	if err != nil || bytes.Equal(plain.Body, drawnHere.Body) {
		t.Fatalf("drawing changes nothing: %v", err)
	}
	cut := sampleJob("webp")
	cut.Height, cut.Fit, cut.Gravity, cut.Sharpen, cut.Blur = 150, render.FitCover, render.Gravity{Mode: "attention"}, 1, 0.5
	facts := sampleJob("")
	facts.Facts = true
	all = append(all, work{"text and watermark", drawn, sample.JPEG}, work{"what catches the eye", cut, sample.JPEG}, work{"facts", facts, sample.JPEG},
		work{"SVG with text", render.Job{Source: "svg", SourceWidth: 120, SourceHeight: 80, Format: "png"}, []byte(drawing)})
	for _, level := range confine.Levels {
		held := real(t, func(c *Config) { c.Level = level })
		for _, w := range all {
			want, err := direct.Render(w.job, w.source)
			if err != nil {
				t.Fatalf("%s, here: %v", w.name, err)
			}
			got, err := held.Render(t.Context(), w.job, w.source)
			if err != nil {
				t.Errorf("%s: %s: %v", level, w.name, describe(err))
				continue
			}
			if !bytes.Equal(got.Body, want.Body) || got.Width != want.Width || got.Height != want.Height || got.Format != want.Format || fmt.Sprint(got.Facts) != fmt.Sprint(want.Facts) {
				t.Errorf("%s: %s: %d bytes, %dx%d, want %d bytes, %dx%d", level, w.name, len(got.Body), got.Width, got.Height, len(want.Body), want.Width, want.Height)
			}
		}
		if v := held.Version(); v != direct.Version() {
			t.Errorf("%s: version %q, want %q", level, v, direct.Version())
		}
		held.Close()
	}
}

// describe adds what a worker printed.
func describe(err error) string {
	if crash, ok := errors.AsType[*CrashError](err); ok {
		return fmt.Sprintf("%v\n%s", err, crash.Output)
	}
	return err.Error()
}

func TestBadPictureIsNoCrash(t *testing.T) {
	e := real(t, nil)
	for name, source := range map[string][]byte{"empty": nil, "text": []byte("no picture at all"), "cut off in its header": sample.JPEG[:700]} {
		_, err := e.Render(t.Context(), sampleJob("png"), source)
		if _, ok := errors.AsType[*render.InputError](err); !ok {
			t.Errorf("%s: %T %v", name, err, err)
		}
	}
	// A worker that is not for SVG does not read it, whatever it is called.
	job := sampleJob("png")
	if _, err := e.Render(t.Context(), job, []byte(drawing)); err == nil {
		t.Error("an SVG passes for a JPEG")
	}
}

// An interlaced PNG within the limits that needs more memory than a worker has ends that job alone, and soon.
func TestBombInAWorker(t *testing.T) {
	e := real(t, func(c *Config) { c.MemoryMB = 128 })
	const side = 5600 // 125 MB when held whole
	file := bomb(t, side, 32, true)
	begun := time.Now()
	_, err := e.Render(t.Context(), render.Job{Source: "png", SourceWidth: side, SourceHeight: side, Width: 100, Format: "png"}, file)
	_, crash := errors.AsType[*CrashError](err)
	_, why := e.Level()
	bounded := !strings.Contains(fmt.Sprint(why), "control group")                       // else by as much more as a worker may reserve
	if _, input := errors.AsType[*render.InputError](err); !crash && !input && bounded { // the kernel ends the worker, or refuses it the memory
		t.Errorf("error = %v", err)
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	var small bytes.Buffer
	if err := png.Encode(&small, image.NewRGBA(image.Rect(0, 0, 30, 20))); err != nil {
		t.Fatal(err)
	}
	got, err := e.Render(t.Context(), render.Job{Source: "png", SourceWidth: 30, SourceHeight: 20, Format: "webp"}, small.Bytes())
	if err != nil || got.Width != 30 {
		t.Errorf("the next picture: %v, %v", got, err)
	}
}

// A picture that takes long ends at its deadline, in the middle of the C library's work.
func TestDeadlineInTheLibrary(t *testing.T) {
	e := real(t, func(c *Config) { c.Timeout = 300 * time.Millisecond })
	if err := e.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	job := sampleJob("avif")
	job.Width, job.Fit, job.Lossless = 6000, render.FitContain, true // 27 million pixels
	begun := time.Now()
	_, err := e.Render(t.Context(), job, sample.JPEG)
	if _, ok := errors.AsType[*DeadlineError](err); !ok {
		t.Errorf("error = %v", err)
	}
	if took := time.Since(begun); took > 15*time.Second {
		t.Errorf("it took %v", took)
	}
}

// GLASSINE_SAMPLES widens this to a folder of pictures: each is a picture or an error, and none takes a worker with it.
func TestSamples(t *testing.T) {
	root := os.Getenv("GLASSINE_SAMPLES")
	if root == "" {
		t.Skip("GLASSINE_SAMPLES names no folder")
	}
	var crashes int
	e := real(t, func(c *Config) {
		c.Observe = func(e Event) {
			if e.Outcome == Crash {
				crashes++
			}
		}
		c.Workers = 1
	})
	done := 0
	err := filepath.WalkDir(root, func(name string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(name, ".json") {
			return err
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		h, ok := allowed(source)
		if !ok {
			return nil
		}
		job := render.Job{Source: string(h.Format), SourceWidth: h.Width, SourceHeight: h.Height, Orientation: h.Orientation, Width: 100, Format: "webp"}
		result, err := e.Render(t.Context(), job, source)
		if _, input := errors.AsType[*render.InputError](err); err != nil && !input {
			t.Errorf("%s: %v", name, describe(err))
		}
		if result != nil {
			done++
		}
		return nil
	})
	if err != nil || crashes > 0 || done == 0 {
		t.Errorf("%d pictures made, %d crashes, %v", done, crashes, err)
	}
}

// allowed reads a header that the limits let pass.
func allowed(source []byte) (metadata.Header, bool) {
	h, err := metadata.ReadHeader(bytes.NewReader(source), int64(len(source)))
	return h, err == nil && Limits{}.Check(h, int64(len(source))) == nil
}

// What a job costs beyond its work: the way to a worker and back, for a source of 3 MB.
func BenchmarkHandOver(b *testing.B) {
	for _, size := range []int{1 << 10, 3 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			e, err := New(Config{Library: "/bin/sh", Dir: b.TempDir(), Workers: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			e.env = []string{faults + "=1"}
			source := make([]byte, size)
			job := render.Job{Source: "jpeg", Format: "png", ICC: "small"}
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, err := e.Render(b.Context(), job, source); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A picture of 1.9 million pixels to 200 wide, in a worker and in this process.
func BenchmarkRender(b *testing.B) {
	source, job := sample.JPEG, sampleJob("jpeg")
	b.Run("in a worker", func(b *testing.B) {
		e := real(b, nil)
		for b.Loop() {
			if _, err := e.Render(b.Context(), job, source); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("in this process", func(b *testing.B) {
		r, err := here()
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := r.Render(job, source); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// How long until a worker can work.
func BenchmarkStart(b *testing.B) {
	e := real(b, nil)
	if err := e.Warm(b.Context()); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		w, err := e.startWorker(b.Context(), false)
		if err != nil {
			b.Fatal(err)
		}
		w.close()
	}
}
