// Command image writes a container image of glassine without a container engine: one tar file that is an OCI image layout (image-spec
// 1.1, "OCI Image Layout") and a docker archive at the same time, so that docker load, podman load, skopeo and umoci read it. The
// same inputs give the same bytes. build.sh gathers the inputs. With -join it makes one file of such files of several architectures.
//
// A slim image has of the Debian packages in -debs the C library's loader with the libraries that libvips is linked to, and the
// certificates of public authorities; a full one has all their files. No script of a package is run.
//
// Start at image.
package main

import (
	"debug/elf"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.kind, "kind", "slim", "slim or full: the tag, and what the labels say")
	flag.StringVar(&o.binary, "binary", "", "the program")
	flag.StringVar(&o.debs, "debs", "", "folder of Debian packages to take files of")
	flag.StringVar(&o.out, "out", "", "file to write")
	flag.StringVar(&o.version, "version", "unreleased", "version of the program")
	flag.StringVar(&o.revision, "revision", "", "commit that the program was made of")
	flag.StringVar(&o.arch, "arch", runtime.GOARCH, "architecture as Go names it")
	joins := flag.Bool("join", false, "write one archive of those that are named, each of another architecture")
	flag.Parse()
	do := run
	if *joins {
		do = func(o options) error { return join(o.out, flag.Args()) }
	}
	if err := do(o); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

// options are the inputs.
type options struct {
	kind, binary, debs, out, version, revision, arch string
	created                                          time.Time
}

func run(o options) error {
	if o.debs == "" || o.binary == "" || o.out == "" {
		return errors.New("give -binary, -debs and -out")
	}
	// reproducible-builds.org, SOURCE_DATE_EPOCH: seconds since 1970.
	o.created = time.Unix(0, 0).UTC()
	if s := os.Getenv("SOURCE_DATE_EPOCH"); s != "" {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
		}
		o.created = time.Unix(n, 0).UTC()
	}
	return image(o)
}

// image writes the image: a layer of what the program stands on, and a layer of the program.
func image(o options) error {
	if err := o.fits(); err != nil {
		return err
	}
	base := &layer{created: o.created}
	stand, ok := map[string]func(*layer, string, string) error{"slim": slimBase, "full": fullBase}[o.kind]
	if !ok {
		return fmt.Errorf("there is no kind of image %q: it is slim or full", o.kind)
	}
	if err := stand(base, o.debs, o.arch); err != nil {
		return err
	}
	if err := account(base); err != nil {
		return err
	}
	program := &layer{created: o.created}
	raw, err := os.ReadFile(o.binary)
	if err != nil {
		return err
	}
	if err := program.addFile("usr/bin/glassine", 0o755, raw); err != nil {
		return err
	}
	return write(o, base, program)
}

// fits refuses a program that was built for another machine than the image is for.
func (o options) fits() error {
	m, ok := machines[o.arch]
	if !ok {
		return fmt.Errorf("there is no image for %s", o.arch)
	}
	f, err := elf.Open(o.binary)
	if err != nil {
		return fmt.Errorf("read the program: %w", err)
	}
	defer func() { _ = f.Close() }() // only looked at
	if f.Machine != m.elf {
		return fmt.Errorf("the program %s is for %s, and the image is for %s", o.binary, f.Machine, o.arch)
	}
	return nil
}

// The user that the program runs as: nobody's number on any distribution, as the distroless images have it.
const user = 65532

// account adds the user, the data directory that is his, and a folder for temporary files.
func account(l *layer) error {
	line := fmt.Sprintf("glassine:x:%d:%d:glassine:/var/lib/glassine:/usr/sbin/nologin\n", user, user)
	if err := l.appendFile("etc/passwd", "root:x:0:0:root:/root:/usr/sbin/nologin\n", line); err != nil {
		return err
	}
	if err := l.appendFile("etc/group", "root:x:0:\n", fmt.Sprintf("glassine:x:%d:\n", user)); err != nil {
		return err
	}
	l.addDir("tmp", 0o1777, 0)
	l.addDir("var/lib/glassine", 0o700, user)
	return nil
}
