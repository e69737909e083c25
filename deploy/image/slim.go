package main

import (
	"archive/tar"
	"fmt"
	"path"
)

// libraries are what the program and its libvips are linked to, and what these are linked to. A test compares it with their files.
var libraries = []string{"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0", "libresolv.so.2", "libstdc++.so.6", "libgcc_s.so.1"}

// slimBase takes of the packages in dir what the program cannot do without: the loader, the libraries, and what both images have.
func slimBase(l *layer, dir, arch string) error {
	m, ok := machines[arch]
	if !ok {
		return fmt.Errorf("there is no image for %s", arch)
	}
	p, err := readPackages(dir)
	if err != nil {
		return err
	}
	wanted := []string{merged(m.loader)}
	for _, name := range libraries {
		wanted = append(wanted, "usr/lib/"+m.triplet+"/"+name)
	}
	for _, name := range wanted {
		if err := p.follow(l, name); err != nil {
			return err
		}
	}
	return p.addCommon(l)
}

// follow adds a file, and what it is a link to.
func (p packages) follow(l *layer, name string) error {
	for range 8 {
		e, ok := p.files[name]
		if !ok {
			return fmt.Errorf("none of the packages has /%s", name)
		}
		p.add(l, name)
		if e.header.Typeflag != tar.TypeSymlink {
			return nil
		}
		target := e.header.Linkname
		if !path.IsAbs(target) {
			target = path.Join(path.Dir(name), target)
		}
		name = merged(target)
	}
	return fmt.Errorf("/%s is a link to a link", name)
}
