package vips

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// library is what the tests load: GLASSINE_LIBVIPS, or what make libvips has fetched.
func library(t testing.TB) *Library {
	t.Helper()
	path := os.Getenv("GLASSINE_LIBVIPS")
	if path == "" {
		found, _ := filepath.Glob("../library/lib/" + runtime.GOARCH + "/libvips-cpp.so.*")
		if len(found) == 0 {
			t.Fatal("there is no libvips: run \"make libvips\", or name one in GLASSINE_LIBVIPS")
		}
		var err error
		if path, err = filepath.Abs(found[len(found)-1]); err != nil {
			t.Fatal(err)
		}
	}
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func session(t testing.TB) *Session {
	t.Helper()
	s := library(t).Begin()
	t.Cleanup(s.Close)
	return s
}

func TestOpen(t *testing.T) {
	l := library(t)
	if v := l.Version(); !strings.HasPrefix(v, "8.") || strings.Count(v, ".") != 2 {
		t.Errorf("version = %q", v)
	}
	again, err := Open(opened.path, Options{})
	if err != nil || again != l {
		t.Errorf("the same library again = %p, %v; want %p", again, err, l)
	}
	if _, err := Open(opened.path, Options{SVG: true}); err == nil {
		t.Error("the same library with other options: no error")
	}
	if _, err := Open("/nowhere/libvips.so", Options{}); err == nil {
		t.Error("a second library: no error")
	}
	if _, err := load(filepath.Join(t.TempDir(), "libvips.so"), Options{}); err == nil {
		t.Error("a file that is not there: no error")
	}
	if _, err := load("libc.so.6", Options{}); err == nil || !strings.Contains(err.Error(), "no libvips") {
		t.Errorf("a library of another kind: %v", err)
	}
	if !l.Has("thumbnail_buffer") || l.Has("no_such_operation") {
		t.Errorf("Has says %v, %v; want true, false", l.Has("thumbnail_buffer"), l.Has("no_such_operation"))
	}
}

func TestTooOld(t *testing.T) {
	for version, want := range map[[2]int32]bool{{7, 42}: true, {8, 14}: true, {8, 15}: false, {8, 18}: false, {9, 0}: false} {
		if got := tooOld(version[0], version[1]); got != want {
			t.Errorf("%d.%d is too old: %v, want %v", version[0], version[1], got, want)
		}
	}
}

// SVG is what strangers can do most with.
func TestUntrustedLoadersAreBlocked(t *testing.T) {
	s := session(t)
	svg := []byte(`<svg xmlns="http://www.w3.org/2000/svg" width="4" height="4"/>`)
	if class := s.Loader(svg); class != "" {
		t.Errorf("an SVG would be loaded by %s", class)
	}
	if _, err := s.Image("svgload_buffer", Args{"buffer": svg}); err == nil {
		t.Error("an SVG was loaded")
	}
	if _, err := s.Image("csvload", Args{"filename": "/etc/hostname"}); err == nil {
		t.Error("a CSV file was loaded")
	}
}

func TestCall(t *testing.T) {
	s := session(t)
	pixels := []byte{10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120}
	image, err := s.Memory(pixels, 2, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	if image.Width() != 2 || image.Height() != 2 || image.Bands() != 3 || image.Format() != "uchar" || image.HasAlpha() {
		t.Errorf("image = %d x %d x %d, %s, alpha %v", image.Width(), image.Height(), image.Bands(), image.Format(), image.HasAlpha())
	}
	turned, err := s.Image("rot", Args{"in": image, "angle": "d90"})
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Pixels(turned)
	if want := []byte{70, 80, 90, 10, 20, 30, 100, 110, 120, 40, 50, 60}; err != nil || !bytes.Equal(got, want) {
		t.Errorf("turned = %v, %v; want %v", got, err, want)
	}
	out, err := s.Call("getpoint", Args{"in": image, "x": 1, "y": 0}, "out_array")
	if err != nil || !slices.Equal(out[0].([]float64), []float64{40, 50, 60}) {
		t.Errorf("getpoint = %v, %v", out, err)
	}
	joined, err := s.Image("arrayjoin", Args{"in": []*Image{image, image, turned}, "across": 1, "background": []float64{1, 2, 3}})
	if err != nil || joined.Height() != 6 {
		t.Errorf("arrayjoin: %v", err)
	}
	minimum, err := s.Call("min", Args{"in": joined}, "out", "x", "y")
	if err != nil || minimum[0].(float64) != 10 {
		t.Errorf("min = %v, %v", minimum, err)
	}
	file, err := s.Bytes("pngsave_buffer", Args{"in": joined, "compression": 9, "interlace": true, "filter": "none"})
	if err != nil || !bytes.HasPrefix(file, []byte("\x89PNG")) {
		t.Fatalf("pngsave = %.8q, %v", file, err)
	}
	if class := s.Loader(file); !strings.HasPrefix(class, "VipsForeignLoadPng") {
		t.Errorf("loader = %q", class)
	}
	loaded, err := s.Image("pngload_buffer", Args{"buffer": file})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := s.Pixels(joined)
	after, err := s.Pixels(loaded)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("loaded = %v, %v; want %v", after, err, before)
	}
}

func TestFields(t *testing.T) {
	s := session(t)
	image, err := s.Image("black", Args{"width": 3, "height": 3})
	if err != nil {
		t.Fatal(err)
	}
	if image, err = s.Image("copy", Args{"in": image}); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{"loop": 7, "delay": []int{1, 2, 300}, "note": "text", "icc-profile-data": []byte{1, 0, 2}} {
		if err := s.SetField(image, name, v); err != nil {
			t.Fatal(err)
		}
		if !image.HasField(name) || !slices.Contains(image.Fields(), name) {
			t.Errorf("%s is not among %q", name, image.Fields())
		}
	}
	loop, _ := s.Field(image, "loop")
	delay, _ := s.Field(image, "delay")
	profile, _ := s.Field(image, "icc-profile-data")
	if loop != 7 || !slices.Equal(delay.([]int), []int{1, 2, 300}) || !bytes.Equal(profile.([]byte), []byte{1, 0, 2}) {
		t.Errorf("fields = %v, %v, %v", loop, delay, profile)
	}
	image.RemoveField("delay")
	if v, err := s.Field(image, "delay"); v != nil || err != nil || image.HasField("delay") {
		t.Errorf("removed field = %v, %v", v, err)
	}
	if err := s.SetField(image, "x", 1.5); err == nil {
		t.Error("a field of a kind that is not known: no error")
	}
}

func TestErrors(t *testing.T) {
	s := session(t)
	image, err := s.Memory(make([]byte, 12), 2, 2, 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, operation string
		args            Args
		library         bool // the library says it, as an *Error
		text            string
	}{
		{"no such operation", "no_such_operation", nil, true, "no_such_operation"},
		{"no such argument", "invert", Args{"in": image, "strength": 1}, false, "strength"},
		{"an argument of another type", "invert", Args{"in": "image"}, false, "in"},
		{"an unknown nick", "rot", Args{"in": image, "angle": "d45"}, false, "d45"},
		{"a missing argument", "rot", Args{"angle": "d90"}, true, "in"},
		{"no such part", "extract_area", Args{"input": image, "left": 1, "top": 0, "width": 2, "height": 2}, true, "bad extract area"},
		{"bytes of no picture", "jpegload_buffer", Args{"buffer": []byte("no picture")}, true, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.Image(c.operation, c.args)
			if err == nil {
				t.Fatal("no error")
			}
			fault, ok := errors.AsType[*Error](err)
			if ok != c.library || !strings.Contains(err.Error(), c.text) {
				t.Errorf("error = %v (%T), want one with %q", err, err, c.text)
			}
			if ok && fault.Text == "" {
				t.Error("the error has no text")
			}
		})
	}
	// An error that has been told is not told again.
	if _, err := s.Image("invert", Args{"in": image}); err != nil {
		t.Errorf("after the errors: %v", err)
	}
	if text := s.l.errorBuffer(); text != "" {
		t.Errorf("the buffer of errors still holds %q", text)
	}
	if _, err := s.Memory(make([]byte, 11), 2, 2, 3); err == nil {
		t.Error("too few bytes for an image: no error")
	}
}
