package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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
		path := filepath.Join(root, file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.Symlink(target, path)); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("dpkg-deb", "-Znone", "--build", root, filepath.Join(dir, name+".deb")).CombinedOutput(); err != nil {
		t.Fatalf("dpkg-deb: %v %s", err, out)
	}
}

// inputs are a program and the packages of an image, but for one library when without names it.
func inputs(t *testing.T, kind, without string) options {
	t.Helper()
	return inputsFor(t, "amd64", kind, without)
}

func inputsFor(t *testing.T, arch, kind, without string) options {
	t.Helper()
	dir, m := t.TempDir(), machines[arch]
	libs := "usr/lib/" + m.triplet + "/"
	files := map[string]string{m.loader: "the loader", "usr/share/doc/libc6/copyright": "LGPL", "usr/share/man/man1/ld.1": "unread", "usr/share/doc/libc6/NEWS": "unread", libs + "gconv/UTF-16.so": "not needed"}
	for _, l := range libraries {
		if l != "libstdc++.so.6" && l != without {
			files["lib/"+m.triplet+"/"+l] = l
		}
	}
	fakeDeb(t, dir, "libc6", files, nil)
	fakeDeb(t, dir, "libstdc++6", map[string]string{libs + "libstdc++.so.6.0.30": "the library"}, map[string]string{libs + "libstdc++.so.6": "libstdc++.so.6.0.30"})
	fakeDeb(t, dir, "ca-certificates", map[string]string{"usr/share/ca-certificates/mozilla/B.crt": "B\n", "usr/share/ca-certificates/mozilla/A.crt": "A\n"}, nil)
	fakeDeb(t, dir, "base-files", map[string]string{"usr/lib/os-release": "Debian", "usr/share/common-licenses/LGPL": "LGPL"}, map[string]string{"usr/share/doc/other": "base-files"})
	if kind == "full" {
		fakeDeb(t, dir, "nodejs", map[string]string{"usr/bin/node": "node", "usr/share/nodejs/acorn/index.js": "acorn"}, nil)
		fakeDeb(t, dir, "python3", map[string]string{"usr/bin/python3.11": "python"}, map[string]string{"usr/bin/python3": "python3.11"})
		fakeDeb(t, dir, "bash", map[string]string{"bin/bash": "bash", "bin/dash": "dash", "usr/bin/env": "env"}, map[string]string{"bin/sh": "dash"})
	}
	program := filepath.Join(dir, "program")
	if err := os.WriteFile(program, programFor(t, m.elf), 0o755); err != nil {
		t.Fatal(err)
	}
	return options{kind: kind, binary: program, debs: dir, out: filepath.Join(dir, "image.tar"), version: "v1.2.3+dirty", arch: arch, created: time.Unix(1_700_000_000, 0).UTC()}
}

// programFor is the head of a program for that machine, and no more.
func programFor(t *testing.T, m elf.Machine) []byte {
	t.Helper()
	h := elf.Header64{Type: uint16(elf.ET_EXEC), Machine: uint16(m), Version: uint32(elf.EV_CURRENT), Ehsize: 64}
	copy(h.Ident[:], "\x7fELF\x02\x01\x01")
	var out bytes.Buffer
	if err := binary.Write(&out, binary.LittleEndian, h); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
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
	for _, kind := range []string{"slim", "full"} {
		t.Run(kind, func(t *testing.T) { sameBytes(t, kind) })
	}
	o := inputs(t, "slim", "")
	o.kind = "medium"
	if err := image(o); err == nil || !strings.Contains(err.Error(), "slim or full") {
		t.Errorf("another kind: %v", err)
	}
	for arch, want := range map[string]string{"arm64": "is for EM_X86_64, and the image is for arm64", "riscv64": "no image for riscv64"} {
		o := inputs(t, "slim", "")
		o.arch = arch
		if err := image(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("a program for amd64 in an image for %s: %v", arch, err)
		}
	}
}

func sameBytes(t *testing.T, kind string) {
	t.Helper()
	var images [2][]byte
	for i := range images {
		o := inputs(t, kind, "")
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
	if got, want := string(files["manifest.json"].body), `"RepoTags":["glassine:1.2.3.dirty-`+kind+`","glassine:`+kind+`"]`; !strings.Contains(got, want) {
		t.Errorf("manifest.json = %s, want %s", got, want)
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
	o := inputs(t, "slim", "")
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
		"usr/share/common-licenses/LGPL":               "LGPL",
		"usr/lib/os-release":                           "Debian",
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
	if err := slimBase(&layer{}, inputs(t, "slim", "libm.so.6").debs, "amd64"); err == nil || !strings.Contains(err.Error(), "libm.so.6") {
		t.Errorf("a library that is missing: %v", err)
	}
}

func TestFullBaseIsAllThatFunctionsRead(t *testing.T) {
	o := inputs(t, "full", "")
	l := &layer{}
	if err := fullBase(l, o.debs, "amd64"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"usr/bin/node": "node", "usr/bin/python3.11": "python", "usr/bin/bash": "bash", "usr/share/nodejs/acorn/index.js": "acorn",
		"usr/lib/x86_64-linux-gnu/gconv/UTF-16.so": "not needed", "usr/lib/x86_64-linux-gnu/libc.so.6": "libc.so.6",
		"etc/ssl/certs/ca-certificates.crt": "A\nB\n", "usr/share/doc/libc6/copyright": "LGPL",
	} {
		if got := string(l.entries[name].body); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for name, target := range map[string]string{
		"bin": "usr/bin", "usr/bin/sh": "dash", "usr/bin/python3": "python3.11", "usr/share/doc/other": "base-files", "usr/lib/ssl/cert.pem": "/etc/ssl/certs/ca-certificates.crt",
	} {
		if h := l.entries[name].header; h.Typeflag != tar.TypeSymlink || h.Linkname != target {
			t.Errorf("%s is %+v, want a link to %s", name, h, target)
		}
	}
	for _, name := range []string{"usr/share/man/man1/ld.1", "usr/share/doc/libc6/NEWS", "usr/share/ca-certificates/mozilla/A.crt"} {
		if _, ok := l.entries[name]; ok {
			t.Errorf("it has %s, which nobody reads", name)
		}
	}
	if note := string(l.entries["var/lib/dpkg/status.d/nodejs"].body); !strings.Contains(note, "Version: 1\n") {
		t.Errorf("the note of a package for scanners is %q", note)
	}
	if err := fullBase(&layer{}, inputs(t, "slim", "").debs, "amd64"); err == nil || !strings.Contains(err.Error(), "usr/bin/node") {
		t.Errorf("packages without Node: %v", err)
	}
}

// A program with its owner's rights is one with its caller's in an image; what is in the package as a hard link is one.
func TestRightsOfOwnersAndHardLinks(t *testing.T) {
	p := packages{files: map[string]entry{
		"usr/bin/su":   {tar.Header{Typeflag: tar.TypeReg, Mode: 0o4755}, []byte("su")},
		"usr/bin/su2":  {tar.Header{Typeflag: tar.TypeLink, Linkname: merged("./bin/su"), Mode: 0o4755}, nil},
		"var/tmp":      {tar.Header{Typeflag: tar.TypeDir, Mode: 0o1777}, nil},
		"usr/bin/none": {tar.Header{Typeflag: tar.TypeLink, Linkname: "usr/bin/nothing"}, nil},
	}}
	l := &layer{}
	for name := range p.files {
		p.add(l, name)
	}
	if l.entries["usr/bin/su"].header.Mode != 0o755 || l.entries["usr/bin/su2"].header.Linkname != "usr/bin/su" || l.entries["var/tmp"].header.Mode != 0o1777 {
		t.Errorf("entries = %+v", l.entries)
	}
	if err := l.checkLinks(); err == nil || !strings.Contains(err.Error(), "/usr/bin/none is a hard link to /usr/bin/nothing") {
		t.Errorf("a hard link to nothing: %v", err)
	}
}

// The list of libraries is that of the libvips that is embedded.
func TestLibrariesAreThoseOfLibvips(t *testing.T) {
	found, err := filepath.Glob("../../transform/pixel/library/lib/" + runtime.GOARCH + "/libvips*.so.*")
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
