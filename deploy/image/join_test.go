package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// joined is an archive of two images, and what they were built of.
func joined(t *testing.T) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "both.tar")
	var names []string
	for _, arch := range []string{"arm64", "amd64"} {
		o := inputsFor(t, arch, "slim", "")
		if err := image(o); err != nil {
			t.Fatal(err)
		}
		names = append(names, o.out)
	}
	if err := join(out, names); err != nil {
		t.Fatal(err)
	}
	return out
}

// A tool that we did not write takes from the index the image of each machine, and compares every digest.
func TestSkopeoTakesTheImageOfItsMachine(t *testing.T) {
	all := joined(t)
	skopeo := func(args ...string) []byte {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "skopeo", append([]string{"--insecure-policy"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("skopeo %v: %v %s", args, err, out)
		}
		return out
	}
	for arch, m := range machines {
		var c config
		if err := json.Unmarshal(skopeo("--override-arch", arch, "inspect", "--config", "oci-archive:"+all), &c); err != nil || c.Architecture != arch || c.OS != "linux" {
			t.Errorf("%s: %v %+v", arch, err, c)
		}
		copied := filepath.Join(t.TempDir(), "copied.tar")
		skopeo("--override-arch", arch, "copy", "-q", "oci-archive:"+all, "oci-archive:"+copied)
		if !bytes.Contains(layersOf(t, copied), []byte(m.loader[strings.LastIndex(m.loader, "/"):])) {
			t.Errorf("%s: there is no %s in it", arch, m.loader)
		}
		skopeo("copy", "-q", "docker-archive:"+all+":glassine:slim-"+arch, "dir:"+t.TempDir())
	}
	var x index
	whole := t.TempDir()
	skopeo("copy", "-q", "--all", "oci-archive:"+all, "dir:"+whole)
	raw, err := os.ReadFile(filepath.Join(whole, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &x); err != nil || x.MediaType != indexType || len(x.Manifests) != 2 || x.Annotations["org.opencontainers.image.version"] != "v1.2.3+dirty" {
		t.Errorf("the index: %v %s", err, raw)
	}
}

// layersOf are an image's layers, unpacked, one behind the other.
func layersOf(t *testing.T, archive string) []byte {
	t.Helper()
	raw, err := os.ReadFile(archive)
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for name, e := range readFiles(t, raw) {
		if !strings.HasPrefix(name, blobs) || len(e.body) < 2 || string(e.body[:2]) != "\x1f\x8b" {
			continue
		}
		cmd := exec.CommandContext(t.Context(), "gzip", "-dc")
		cmd.Stdin, cmd.Stdout = bytes.NewReader(e.body), &all
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
	}
	return all.Bytes()
}

func TestJoiningGivesTheSameBytes(t *testing.T) {
	a, err := os.ReadFile(joined(t))
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(joined(t))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Error("two builds differ")
	}
	for name, e := range readFiles(t, a) {
		if digest, ok := strings.CutPrefix(name, blobs); ok && newBlob(e.body).digest != "sha256:"+digest {
			t.Errorf("the blob %s is not what its name says", name)
		}
		if e.header.ModTime.Unix() != 1_700_000_000 {
			t.Errorf("%s is of %s", name, e.header.ModTime)
		}
	}
}

func TestWhatCannotBeJoined(t *testing.T) {
	slim, full, later, text := inputs(t, "slim", ""), inputsFor(t, "arm64", "full", ""), inputsFor(t, "arm64", "slim", ""), filepath.Join(t.TempDir(), "text")
	later.version = "v1.2.4"
	for _, o := range []options{slim, full, later} {
		if err := image(o); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(text, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		files []string
		want  string
	}{
		"nothing":                           {nil, "name the archives"},
		"one architecture twice":            {[]string{slim.out, slim.out}, "it is for amd64, as one before it is"},
		"another kind":                      {[]string{slim.out, full.out}, "it is 1.2.3.dirty-full, and one before it is 1.2.3.dirty-slim"},
		"another version":                   {[]string{slim.out, later.out}, "it is 1.2.4-slim, and one before it is 1.2.3.dirty-slim"},
		"what is no archive":                {[]string{text}, "unexpected EOF"},
		"an index, which is of several":     {[]string{joined(t)}, "it is not an archive of one image"},
		"a file that is not there":          {[]string{text + "2"}, "no such file"},
		"an archive without what it is for": {[]string{writeEmptyTar(t)}, "unexpected end of JSON input"},
	} {
		if err := join(filepath.Join(t.TempDir(), "out"), c.files); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func writeEmptyTar(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "empty.tar")
	if err := os.WriteFile(name, make([]byte, 1024), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
