package render

import (
	"bytes"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"

	_ "golang.org/x/image/tiff"
	_ "golang.org/x/image/webp"
)

// libvips is the library that the tests load: GLASSINE_LIBVIPS, or the one that make libvips has fetched.
func libvips(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("GLASSINE_LIBVIPS"); path != "" {
		return path
	}
	found, _ := filepath.Glob("../library/lib/" + runtime.GOARCH + "/libvips-cpp.so.*")
	if len(found) == 0 {
		t.Fatal("there is no libvips: run \"make libvips\", or name one in GLASSINE_LIBVIPS")
	}
	path, err := filepath.Abs(found[len(found)-1])
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// shared is the process's one Renderer.
var shared struct {
	sync.Mutex
	*Renderer
}

func renderer(t testing.TB) *Renderer {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.Renderer == nil {
		r, err := Open(libvips(t), true)
		if err != nil {
			t.Fatal(err)
		}
		shared.Renderer = r
	}
	return shared.Renderer
}

func TestMain(m *testing.M) {
	if library := os.Getenv(childVariable); library != "" {
		child(library)
		return
	}
	code := m.Run()
	sharpPeer.close()
	if shared.Renderer != nil {
		shared.Close()
	}
	os.Exit(code)
}

func decode(t testing.TB, body []byte) image.Image {
	t.Helper()
	m, format, err := image.Decode(bytes.NewReader(body))
	if err != nil {
		t.Fatalf("decode %s: %v", format, err)
	}
	return m
}

// render does a job that must succeed.
func render(t testing.TB, r *Renderer, job Job, source []byte) *Result {
	t.Helper()
	result, err := r.Render(job, source)
	if err != nil {
		t.Fatalf("render %+v: %v", job, err)
	}
	return result
}

// sizeOf reads the size in a picture's header with Go's own decoders.
func sizeOf(t testing.TB, source []byte) (int64, int64) {
	t.Helper()
	config, _, err := image.DecodeConfig(bytes.NewReader(source))
	if err != nil {
		t.Fatal(err)
	}
	return int64(config.Width), int64(config.Height)
}

// Jobs one after the other do not gather memory: a worker does thousands.
func TestNothingIsLeftBehind(t *testing.T) {
	r := renderer(t)
	file := asPNG(t, scene(300, 200))
	job := pngJob(300, 200).with(func(j *Job) {
		j.Width, j.Format, j.Rotate, j.Background, j.Radius = 100, "webp", 90, &Colour{1, 2, 3, 255}, 9
		j.Watermarks = []Watermark{{Image: file, Format: "png", Scale: 0.2, Opacity: 0.5, Tile: true}}
		j.Texts = []Text{{Text: "glassine", Size: 12, Colour: Colour{A: 255}}}
	})
	round := func(n int) {
		for range n {
			render(t, r, job, file)
			if _, err := r.Render(job, file[:len(file)/2]); err != nil && !isInput(err) {
				t.Fatal(err)
			}
		}
	}
	round(20)
	before := resident(t)
	round(100)
	// 100 of these pictures decoded are 18 MB, and 200 of half of them as much again. Measured growth: 1 to 3 MiB (2026-11).
	if grown := resident(t) - before; grown > 12<<20 {
		t.Errorf("200 jobs more have made the process larger by %d KiB", grown>>10)
	}
}

// resident is the memory of the process, in bytes, once Go has given back what it does not use.
func resident(t *testing.T) int64 {
	t.Helper()
	debug.FreeOSMemory()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Skip("there is no /proc: ", err)
	}
	pages, err := strconv.ParseInt(strings.Fields(string(data))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("resident: %d KiB", pages*int64(os.Getpagesize())>>10)
	return pages * int64(os.Getpagesize())
}
