package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// formats are the pictures that the tests have sharp make, with the media type that each must have in the end.
var formats = []struct{ name, format, options, contentType string }{
	{"a.jpg", "jpeg", `{"width":200}`, "image/jpeg"},
	{"a.png", "png", `{"width":200}`, "image/png"},
	{"a.webp", "webp", `{"alpha":true,"width":200}`, "image/webp"},
	{"animation.webp", "webp", `{"frames":3,"width":200}`, "image/webp"},
	{"animation.gif", "gif", `{"frames":3,"width":200}`, "image/gif"},
	{"a.tiff", "tiff", `{"compression":"lzw","width":200}`, "image/tiff"},
	{"a.avif", "avif", `{"effort":1,"width":200}`, "image/avif"},
}

// peer asks sharp: see e2e/node/peer.cjs.
func peer(t *testing.T, questions []map[string]string) []string {
	t.Helper()
	var in bytes.Buffer
	for _, q := range questions {
		b, err := json.Marshal(q)
		if err != nil {
			t.Fatal(err)
		}
		in.Write(append(b, '\n'))
	}
	cmd := exec.CommandContext(t.Context(), "node", filepath.Join("node", "peer.cjs"))
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node peer.cjs: %v (make deps installs what it needs)", err)
	}
	var list []string
	for line := range strings.Lines(string(out)) {
		var a struct{ Text, Error string }
		if err := json.Unmarshal([]byte(line), &a); err != nil || a.Error != "" {
			t.Fatalf("peer.cjs: %v %s", err, a.Error)
		}
		list = append(list, a.Text)
	}
	return list
}

// canaryPictures makes a picture of each format, with names in it that exiftool wrote.
func canaryPictures(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	scene := filepath.Join("..", "transform", "sample", "sample.jpg")
	var questions []map[string]string
	for _, f := range formats {
		questions = append(questions, map[string]string{"op": "make", "file": scene, "out": filepath.Join(dir, f.name), "format": f.format, "options": f.options})
	}
	peer(t, questions)
	args := []string{"-q", "-q", "-m", "-overwrite_original", "-Orientation#=6", "-GPSLatitude=48.5", "-GPSLatitudeRef=N", "-GPSLongitude=7.25", "-GPSLongitudeRef=E"}
	for _, tag := range []string{"EXIF:Artist", "EXIF:Copyright", "EXIF:Make", "XMP-dc:Creator", "XMP-photoshop:City", "IPTC:City", "File:Comment"} {
		args = append(args, "-"+tag+"=CANARY-"+strings.ReplaceAll(tag, ":", "-"))
	}
	if out, err := exec.CommandContext(t.Context(), "exiftool", append(args, dir)...).CombinedOutput(); err != nil {
		t.Fatalf("exiftool: %v: %s", err, out)
	}
	return dir
}

// Every format goes through bucket, access point, function and edge, under a name and a stored type that do not say what it is.
func TestEveryFormatIsServedClean(t *testing.T) {
	t.Parallel()
	s := start(t)
	dir := canaryPictures(t)
	var questions []map[string]string
	for _, f := range formats {
		in, err := os.ReadFile(filepath.Join(dir, f.name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(in, []byte("CANARY")) < 2 {
			t.Errorf("%s: exiftool wrote nothing", f.name)
		}
		key := strings.ReplaceAll(f.name, ".", "-")
		s.put(t, key, in)
		got := s.view(t, http.MethodGet, "/"+key)
		if got.StatusCode != http.StatusOK || got.Header.Get("Content-Type") != f.contentType {
			t.Errorf("%s: %s, %s, want 200 and %s: %.300s", f.name, got.Status, got.Header.Get("Content-Type"), f.contentType, got.body)
			continue
		}
		if bytes.Contains(got.body, []byte("CANARY")) {
			t.Errorf("%s: the answer holds a canary", f.name)
		}
		after := writeTemp(t, f.name, got.body)
		questions = append(questions,
			map[string]string{"op": "pixels", "file": filepath.Join(dir, f.name)}, map[string]string{"op": "pixels", "file": after})
		for name := range tags(t, after) {
			for _, group := range []string{"XMP", "GPS", "ExifIFD", "IPTC", "Photoshop"} {
				if strings.HasPrefix(name, group) {
					t.Errorf("%s: exiftool finds %s", f.name, name)
				}
			}
		}
	}
	answers := peer(t, questions)
	for i := 0; i+1 < len(answers); i += 2 {
		if answers[i] != answers[i+1] {
			t.Errorf("picture %d: sharp sees %s before and %s after", i/2, answers[i], answers[i+1])
		}
	}
}

// What a caller can ask for, at the Object Lambda access point.
func TestWishesAtTheAccessPoint(t *testing.T) {
	t.Parallel()
	s := start(t)
	dir := canaryPictures(t)
	for _, f := range formats {
		in, err := os.ReadFile(filepath.Join(dir, f.name))
		if err != nil {
			t.Fatal(err)
		}
		s.put(t, f.name, in)
	}
	root := s.root(t)
	get := func(path string) answer {
		return s.signed(t, root, "s3-object-lambda", http.MethodGet, "https://"+lambdaHost+"/"+path, nil, nil)
	}
	for _, f := range formats {
		a := get(f.name + "?format=json")
		var about struct {
			Type          string
			Width, Height int
			GPS           *struct{ Latitude, Longitude float64 }
			XMP           map[string]any
		}
		if err := json.Unmarshal(a.body, &about); err != nil || a.StatusCode != http.StatusOK || about.Type != f.contentType || about.Width == 0 {
			t.Errorf("%s: format=json: %s %.300s (%v)", f.name, a.Status, a.body, err)
		}
		if f.format != "gif" && (about.GPS == nil || about.GPS.Latitude != 48.5 || about.GPS.Longitude != 7.25) {
			t.Errorf("%s: position %+v, want 48.5, 7.25", f.name, about.GPS)
		}
		if about.XMP["photoshop:City"] != "CANARY-XMP-photoshop-City" {
			t.Errorf("%s: XMP %v", f.name, about.XMP)
		}
		a = get(f.name + "?metadata=copyright")
		want := f.format != "gif"
		if has := bytes.Contains(a.body, []byte("CANARY-EXIF-Copyright")); a.StatusCode != http.StatusOK || has != want || bytes.Contains(a.body, []byte("CANARY-XMP")) {
			t.Errorf("%s: metadata=copyright: %s, copyright %v, want %v, and no XMP", f.name, a.Status, has, want)
		}
	}
	for query, want := range map[string]string{
		"metadata=all": "allowed are none, copyright and keep", "icc=p3": "allowed are keep, strip and srgb", "format=bmp": "allowed are",
	} {
		if a := get("a.jpg?" + query); a.StatusCode != http.StatusBadRequest || !strings.Contains(string(a.body), want) || !strings.Contains(string(a.body), "InvalidArgument") {
			t.Errorf("%s: %s %s, want 400 InvalidArgument with %q", query, a.Status, a.body, want)
		}
	}
}

func TestSVGIsServedSafe(t *testing.T) {
	s := start(t)
	s.put(t, "a.svg", []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script><path d="M0 0h9v9z"/></svg>`))
	a := s.view(t, http.MethodGet, "/a.svg")
	if a.StatusCode != http.StatusOK || a.Header.Get("Content-Type") != "image/svg+xml" || bytes.Contains(a.body, []byte("alert")) || !bytes.Contains(a.body, []byte("M0 0h9v9z")) {
		t.Errorf("%s, %s: %s", a.Status, a.Header.Get("Content-Type"), a.body)
	}
	if p := a.Header.Get("Content-Security-Policy"); !strings.HasPrefix(p, "default-src 'none'") || a.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("Content-Security-Policy %q, X-Content-Type-Options %q", p, a.Header.Get("X-Content-Type-Options"))
	}
}
