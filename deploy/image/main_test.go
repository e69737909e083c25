package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// fakeDeb makes a package of files.
func fakeDeb(t *testing.T, dir, name string, files map[string]string, links map[string]string) {
	t.Helper()
	root := t.TempDir()
	files["DEBIAN/control"] = "Package: " + name + "\nVersion: 1\nArchitecture: all\nMaintainer: none <none@localhost>\nDescription: none\n"
	for file, text := range files {
		path := filepath.Join(root, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for file, target := range links {
		if err := os.Symlink(target, filepath.Join(root, file)); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("dpkg-deb", "-Znone", "--build", root, filepath.Join(dir, name+".deb")).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v %s", err, out)
	}
}

// inputs are a program and the packages of a slim image, but for one library when without names it.
func inputs(t *testing.T, without string) options {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"lib64/ld-linux-x86-64.so.2": "the loader", "usr/share/doc/libc6/copyright": "LGPL", "usr/lib/x86_64-linux-gnu/gconv/UTF-16.so": "not needed"}
	for _, l := range libraries {
		if l != "libstdc++.so.6" && l != without {
			files["lib/x86_64-linux-gnu/"+l] = l
		}
	}
	fakeDeb(t, dir, "libc6", files, nil)
	fakeDeb(t, dir, "libstdc++6", map[string]string{"usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30": "the library"}, map[string]string{"usr/lib/x86_64-linux-gnu/libstdc++.so.6": "libstdc++.so.6.0.30"})
	fakeDeb(t, dir, "ca-certificates", map[string]string{"usr/share/ca-certificates/mozilla/B.crt": "B\n", "usr/share/ca-certificates/mozilla/A.crt": "A\n"}, nil)
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, []byte("the program"), 0o755); err != nil {
		t.Fatal(err)
	}
	return options{kind: "slim", binary: program, debs: dir, out: filepath.Join(dir, "image.tar"), version: "v1.2.3", arch: "amd64", created: time.Unix(1_700_000_000, 0).UTC()}
}

func readFiles(t *testing.T, raw []byte) map[string]entry {
	t.Helper()
	all := map[string]entry{}
	if err := readTar(bytes.NewReader(raw), func(h *tar.Header, body []byte) error {
		all[strings.TrimSuffix(h.Name, "/")] = entry{*h, body}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestSameInputsGiveTheSameBytes(t *testing.T) {
	var images [2][]byte
	for i := range images {
		o := inputs(t, "")
		if err := image(o); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(o.out)
		if err != nil {
			t.Fatal(err)
		}
		images[i] = raw
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("two builds differ")
	}
	files := readFiles(t, images[0])
	for name, e := range files {
		if digest, ok := strings.CutPrefix(name, "blobs/sha256/"); ok && newBlob(e.body).digest != "sha256:"+digest {
			t.Errorf("the blob %s is not what its name says", name)
		}
	}
	var top index
	if err := json.Unmarshal(files["index.json"].body, &top); err != nil || len(top.Manifests) != 1 {
		t.Fatalf("index.json: %v %+v", err, top)
	}
	var m manifest
	if err := json.Unmarshal(files[blobName(top.Manifests[0].Digest)].body, &m); err != nil || len(m.Layers) != 2 {
		t.Fatalf("manifest: %v %+v", err, m)
	}
	var c config
	if err := json.Unmarshal(files[blobName(m.Config.Digest)].body, &c); err != nil || c.Config.User != "65532:65532" || len(c.RootFS.DiffIDs) != 2 ||
		!slices.Contains(c.Config.Env, "GLASSINE_HTTP=0.0.0.0:8080") || strings.Join(c.Config.Healthcheck.Test, " ") != "CMD /usr/bin/glassine health" {
		t.Errorf("configuration: %v %+v", err, c)
	}
}

func TestSlimBaseIsWhatIsNeeded(t *testing.T) {
	o := inputs(t, "")
	l := &layer{}
	if err := errors.Join(slimBase(l, o.debs, "amd64"), account(l)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"usr/lib64/ld-linux-x86-64.so.2":               "the loader",
		"usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30": "the library",
		"usr/lib/x86_64-linux-gnu/libc.so.6":           "libc.so.6",
		"etc/ssl/certs/ca-certificates.crt":            "A\nB\n",
		"usr/share/doc/libc6/copyright":                "LGPL",
		"etc/passwd":                                   "root:x:0:0:root:/root:/usr/sbin/nologin\nglassine:x:65532:65532:glassine:/var/lib/glassine:/usr/sbin/nologin\n",
	} {
		if got := string(l.entries[name].body); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if h := l.entries["var/lib/glassine"].header; h.Uid != 65532 || h.Mode != 0o700 {
		t.Errorf("the data directory is %+v", h)
	}
	if _, ok := l.entries["usr/lib/x86_64-linux-gnu/gconv/UTF-16.so"]; ok {
		t.Error("it has what nobody needs")
	}
	if err := slimBase(&layer{}, inputs(t, "libm.so.6").debs, "amd64"); err == nil || !strings.Contains(err.Error(), "libm.so.6") {
		t.Errorf("a library that is missing: %v", err)
	}
}

// The list of libraries is that of the libvips that is embedded.
func TestLibrariesAreThoseOfLibvips(t *testing.T) {
	found, err := filepath.Glob("../../transform/pixel/library/lib/libvips*.so.*")
	if err != nil || len(found) == 0 {
		t.Fatalf("libvips is missing: run make libvips (%v)", err)
	}
	f, err := elf.Open(found[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	needed, err := f.ImportedLibraries()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range needed {
		if !slices.Contains(libraries, name) && !strings.HasPrefix(name, "ld-linux") {
			t.Errorf("libvips needs %s, which the slim image has not", name)
		}
	}
}
