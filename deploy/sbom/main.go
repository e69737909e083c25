// Command sbom writes the bill of materials of a built glassine in CycloneDX 1.5 JSON (ECMA-424): the modules that Go linked into it,
// as the program itself says (debug/buildinfo), the C library that it carries, and the version of Go. The same program gives the
// same bytes.
//
//	go run ./deploy/sbom bin/glassine > glassine.cdx.json
package main

import (
	"bytes"
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"runtime/debug"
	"slices"
	"strings"
)

// libvips is the part of the program that is no Go module: transform/pixel/library/NOTICE.md lists what it is made of.
var libvips = component{
	Type: "library", Ref: "libvips", Name: "libvips", Description: "with the libraries that it is made of, one shared library, embedded; see transform/pixel/library/NOTICE.md",
	Licenses: []license{{License: licenseID{ID: "LGPL-3.0-or-later"}}},
}

type component struct {
	Type        string    `json:"type"`
	Ref         string    `json:"bom-ref"`
	Name        string    `json:"name"`
	Version     string    `json:"version,omitempty"`
	Description string    `json:"description,omitempty"`
	Hashes      []hash    `json:"hashes,omitempty"`
	Licenses    []license `json:"licenses,omitempty"`
	PURL        string    `json:"purl,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

type license struct {
	License licenseID `json:"license"`
}

type licenseID struct {
	ID string `json:"id"`
}

type dependency struct {
	Ref       string   `json:"ref"`
	DependsOn []string `json:"dependsOn,omitempty"`
}

// document is a CycloneDX BOM. (CycloneDX 1.5 JSON Reference.)
type document struct {
	Format      string `json:"bomFormat"`
	SpecVersion string `json:"specVersion"`
	Version     int    `json:"version"`
	Metadata    struct {
		Component component `json:"component"`
	} `json:"metadata"`
	Components   []component  `json:"components"`
	Dependencies []dependency `json:"dependencies"`
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: sbom PROGRAM")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	e := json.NewEncoder(os.Stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(makeDocument(info, bytes.Contains(raw, []byte("vips_image_new"))))
}

// makeDocument is the document of a program; carriesLibvips says that libvips is embedded.
func makeDocument(info *debug.BuildInfo, carriesLibvips bool) document {
	d := document{Format: "CycloneDX", SpecVersion: "1.5", Version: 1}
	d.Metadata.Component = module("application", &info.Main)
	d.Metadata.Component.Licenses = []license{{License: licenseID{ID: "Apache-2.0"}}}
	standard := component{
		Type: "library", Ref: "pkg:golang/std", Name: "std", Version: strings.TrimPrefix(info.GoVersion, "go"), PURL: "pkg:golang/std@" + url.PathEscape(strings.TrimPrefix(info.GoVersion, "go")),
		Licenses: []license{{License: licenseID{ID: "BSD-3-Clause"}}},
	}
	d.Components = append(d.Components, standard)
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		d.Components = append(d.Components, module("library", m))
	}
	if carriesLibvips {
		d.Components = append(d.Components, libvips)
	}
	slices.SortFunc(d.Components, func(a, b component) int { return strings.Compare(a.Ref, b.Ref) })
	top := dependency{Ref: d.Metadata.Component.Ref}
	for _, c := range d.Components {
		top.DependsOn = append(top.DependsOn, c.Ref)
	}
	d.Dependencies = []dependency{top}
	return d
}

// module is a Go module; its hash is the one of go.sum, of all its files (dirhash, Hash1), in hexadecimal.
func module(kind string, m *debug.Module) component {
	c := component{Type: kind, Name: m.Path, Version: m.Version, PURL: "pkg:golang/" + m.Path}
	if m.Version != "" {
		c.PURL += "@" + url.PathEscape(m.Version)
	}
	c.Ref = c.PURL
	if sum, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(m.Sum, "h1:")); err == nil && len(sum) == 32 {
		c.Hashes = []hash{{"SHA-256", hex.EncodeToString(sum)}}
	}
	return c
}
