package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// machine is what an architecture's files are called.
type machine struct{ triplet, loader string }

var machines = map[string]machine{
	"amd64": {"x86_64-linux-gnu", "lib64/ld-linux-x86-64.so.2"},
	"arm64": {"aarch64-linux-gnu", "lib/ld-linux-aarch64.so.1"},
}

// libraries are what the program and its libvips are linked to, and what these are linked to. A test compares it with their files.
var libraries = []string{"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "libresolv.so.2", "libstdc++.so.6", "libgcc_s.so.1"}

// slimBase takes the files of a slim image out of the packages in dir: the loader, the libraries, the certificates in one file, and
// what the packages say about their copyright.
func slimBase(l *layer, dir, arch string) error {
	m, ok := machines[arch]
	if !ok {
		return fmt.Errorf("there is no image for %s", arch)
	}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) == 0 {
		return fmt.Errorf("no packages in %s", dir)
	}
	files := map[string]entry{} // by name, with /lib as /usr/lib
	for _, deb := range debs {
		cmd := exec.Command("dpkg-deb", "--fsys-tarfile", deb)
		var errs bytes.Buffer
		cmd.Stderr = &errs
		raw, err := cmd.Output()
		if err != nil {
			return fmt.Errorf("dpkg-deb %s: %w: %s", deb, err, errs.Bytes())
		}
		err = readTar(bytes.NewReader(raw), func(h *tar.Header, body []byte) error {
			files[merged(h.Name)] = entry{*h, body}
			return nil
		})
		if err != nil {
			return fmt.Errorf("read %s: %w", deb, err)
		}
	}
	for _, name := range []string{"bin", "lib", "lib64", "sbin"} { // Debian's merged /usr
		l.addDir("usr/"+name, 0o755, 0)
		l.addLink(name, "usr/"+name)
	}
	wanted := []string{merged(m.loader)}
	for _, name := range libraries {
		wanted = append(wanted, "usr/lib/"+m.triplet+"/"+name)
	}
	for _, name := range wanted {
		if err := follow(l, files, name); err != nil {
			return err
		}
	}
	return certificates(l, files)
}

// merged is the name of a file where /lib is a link to /usr/lib.
func merged(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if top, _, _ := strings.Cut(name, "/"); top == "lib" || top == "lib64" {
		return "usr/" + name
	}
	return name
}

// follow adds a file, and what it is a link to.
func follow(l *layer, files map[string]entry, name string) error {
	for range 8 {
		e, ok := files[name]
		if !ok {
			return fmt.Errorf("none of the packages has /%s", name)
		}
		if e.header.Typeflag != tar.TypeSymlink {
			return l.addFile(name, e.header.Mode, e.body)
		}
		target := e.header.Linkname
		l.addLink(name, target)
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(name), target)
		}
		name = merged(target)
	}
	return fmt.Errorf("/%s is a link to a link", name)
}

// certificates adds the public authorities in one file, as update-ca-certificates does, and the packages' copyright files.
func certificates(l *layer, files map[string]entry) error {
	var all []byte
	for _, name := range slices.Sorted(maps.Keys(files)) {
		e := files[name]
		switch {
		case strings.HasPrefix(name, "usr/share/ca-certificates/") && strings.HasSuffix(name, ".crt"):
			all = append(all, e.body...)
		case strings.HasPrefix(name, "usr/share/doc/") && path.Base(name) == "copyright" && e.header.Typeflag == tar.TypeReg:
			if err := l.addFile(name, 0o644, e.body); err != nil {
				return err
			}
		}
	}
	return l.addFile("etc/ssl/certs/ca-certificates.crt", 0o644, all)
}
