package main

import (
	"archive/tar"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// unread are the folders of Debian packages that no function reads. Of the certificates there is the one file that is made of them.
var unread = []string{
	"usr/share/doc/", "usr/share/man/", "usr/share/locale/", "usr/share/info/", "usr/share/lintian/", "usr/share/bug/", "usr/share/debconf/",
	"usr/share/menu/", "usr/share/pixmaps/", "usr/share/applications/", "usr/share/bash-completion/", "usr/share/ca-certificates/", "usr/share/binfmts/",
}

// needed are the programs of a full image: what runs functions, and the shells that their scripts begin with.
var needed = []string{"usr/bin/node", "usr/bin/python3", "usr/bin/sh", "usr/bin/bash", "usr/bin/env"}

// fullBase takes the packages in dir whole, but for what no function reads.
func fullBase(l *layer, dir, arch string) error {
	m, ok := machines[arch]
	if !ok {
		return fmt.Errorf("there is no image for %s", arch)
	}
	p, err := readPackages(dir)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(p.files)) {
		e := p.files[name]
		switch {
		case e.header.Typeflag == tar.TypeChar || e.header.Typeflag == tar.TypeBlock:
		case slices.ContainsFunc(unread, func(dir string) bool { return strings.HasPrefix(name+"/", dir) }):
		default:
			p.add(l, name)
		}
	}
	if err := p.addCommon(l); err != nil {
		return err
	}
	wanted := append([]string{merged(m.loader)}, needed...)
	for _, name := range libraries {
		wanted = append(wanted, "usr/lib/"+m.triplet+"/"+name)
	}
	for _, name := range wanted {
		if err := p.follow(l, name); err != nil {
			return err
		}
	}
	return l.checkLinks()
}

// checkLinks finds hard links to what is not in the layer.
func (l *layer) checkLinks() error {
	for _, name := range slices.Sorted(maps.Keys(l.entries)) {
		if h := l.entries[name].header; h.Typeflag == tar.TypeLink {
			if _, ok := l.entries[h.Linkname]; !ok {
				return fmt.Errorf("/%s is a hard link to /%s, which is left out", name, h.Linkname)
			}
		}
	}
	return nil
}
