package render

import (
	"bytes"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"os"
	"path/filepath"
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
	found, _ := filepath.Glob("../library/lib/libvips-cpp.so.*")
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
