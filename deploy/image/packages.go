package main

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"fmt"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// machine is what an architecture's files are called, and what its programs say that they are for.
type machine struct {
	triplet, loader string
	elf             elf.Machine
}

// machines are those that there are images for, as Go and Debian name them.
var machines = map[string]machine{
	"amd64": {"x86_64-linux-gnu", "lib64/ld-linux-x86-64.so.2", elf.EM_X86_64},
	"arm64": {"aarch64-linux-gnu", "lib/ld-linux-aarch64.so.1", elf.EM_AARCH64},
}

// packages are the files of Debian packages, whose maintainer scripts nobody ran.
type packages struct {
	files   map[string]entry  // by name, where /bin, /lib, /lib64 and /sbin are links into /usr
	control map[string][]byte // what each package says of itself, by its name
}

// readPackages reads the packages in dir.
func readPackages(dir string) (packages, error) {
	p := packages{files: map[string]entry{}, control: map[string][]byte{}}
	debs, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil || len(debs) == 0 {
		return p, fmt.Errorf("no packages in %s", dir)
	}
	for _, deb := range debs {
		name, err := dpkgDeb("--field", deb, "Package")
		if err != nil {
			return p, err
		}
		control, err := dpkgDeb("--field", deb)
		if err != nil {
			return p, err
		}
		p.control[string(bytes.TrimSpace(name))] = control
		raw, err := dpkgDeb("--fsys-tarfile", deb)
		if err != nil {
			return p, err
		}
		err = readTar(bytes.NewReader(raw), func(h *tar.Header, body []byte) error {
			if h.Typeflag == tar.TypeLink {
				h.Linkname = merged(h.Linkname)
			}
			p.files[merged(h.Name)] = entry{*h, body}
			return nil
		})
		if err != nil {
			return p, fmt.Errorf("read %s: %w", deb, err)
		}
	}
	return p, nil
}

func dpkgDeb(args ...string) ([]byte, error) {
	cmd := exec.Command("dpkg-deb", args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("dpkg-deb %s: %w: %s", strings.Join(args, " "), err, errs.Bytes())
	}
	return out, nil
}

// linked are the directories at the top that are links into /usr. (Debian's UsrMerge.)
var linked = []string{"bin", "lib", "lib64", "sbin"}

// merged is the name of a file where those directories are links.
func merged(name string) string {
	name = strings.TrimPrefix(path.Clean("/"+name), "/")
	if top, _, _ := strings.Cut(name, "/"); slices.Contains(linked, top) {
		return "usr/" + name
	}
	return name
}

// addCommon adds what both images have: Debian's layout, the public authorities, the packages' copyright files and what licences
// these refer to, and a note of each package's version where scanners of images look for it.
func (p packages) addCommon(l *layer) error {
	for _, name := range linked {
		l.addDir("usr/"+name, 0o755, 0)
		l.addLink(name, "usr/"+name)
	}
	var authorities []byte
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		e := p.files[name]
		switch {
		case strings.HasPrefix(name, "usr/share/ca-certificates/") && strings.HasSuffix(name, ".crt"):
			authorities = append(authorities, e.body...)
		case strings.HasPrefix(name, "usr/share/doc/") && path.Base(name) == "copyright", strings.HasPrefix(name, "usr/share/common-licenses/"), name == "usr/lib/os-release", name == "etc/os-release":
			p.add(l, name)
		case path.Dir(name) == "usr/share/doc" && e.header.Typeflag == tar.TypeSymlink: // shares the copyright file of another package
			p.add(l, name)
		}
	}
	// In one file, as update-ca-certificates makes it, which is OpenSSL's default too.
	if err := l.addFile("etc/ssl/certs/ca-certificates.crt", 0o644, authorities); err != nil {
		return err
	}
	l.addLink("usr/lib/ssl/cert.pem", "/etc/ssl/certs/ca-certificates.crt")
	for name, control := range p.control { // as the distroless images have it
		if err := l.addFile("var/lib/dpkg/status.d/"+name, 0o644, control); err != nil {
			return err
		}
	}
	return nil
}

// add puts a file of the packages into l. No program takes the rights of its owner, whoever starts it.
func (p packages) add(l *layer, name string) {
	e := p.files[name]
	h := e.header
	if h.Typeflag == tar.TypeReg {
		h.Mode &= 0o777
	}
	l.put(tar.Header{Typeflag: h.Typeflag, Name: name, Linkname: h.Linkname, Mode: h.Mode, Uid: h.Uid, Gid: h.Gid}, e.body)
}
