// Package library says which libvips to load: one that the administrator names, else the one that is embedded in the
// program, else the system's. It loads nothing.
//
// Start at Find. fetch.sh puts the library that is embedded into lib; NOTICE.md says what is in it and under which terms.
package library

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// Where a library came from.
const (
	Configured = "configured"
	Embedded   = "embedded"
	System     = "system"
)

// UnavailableError says that there is no libvips to load, and what to do.
type UnavailableError struct{ Reason string }

func (e *UnavailableError) Error() string { return "libvips is unavailable: " + e.Reason }

// Find returns the file of the library to load, resolved and absolute, and where it comes from: Configured, Embedded or
// System. The first that there is of these is taken: the file configured ("" is none), the embedded one, which is unpacked
// into dir under its SHA-256 unless it is there whole, and libvips.so.42 of the system. A configured file that cannot be
// used is an error and leads to no other. Errors are *UnavailableError.
func Find(configured, dir string) (path, from string, err error) {
	return find(configured, dir, lib, systemDirs())
}

func find(configured, dir string, embedded fs.FS, system []string) (path, from string, err error) {
	if configured != "" {
		path, err = usable(configured)
		if err != nil {
			return "", "", &UnavailableError{fmt.Sprintf("the configured library cannot be used: %v", err)}
		}
		return path, Configured, nil
	}
	path, err = unpack(embedded, dir)
	if err == nil {
		return path, Embedded, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", "", &UnavailableError{fmt.Sprintf("the embedded library cannot be unpacked: %v. Set GLASSINE_LIBVIPS to a libvips.so.42 to load that instead", err)}
	}
	for _, d := range system {
		if path, err = usable(filepath.Join(d, "libvips.so.42")); err == nil {
			return path, System, nil
		}
	}
	return "", "", &UnavailableError{"this build embeds no libvips and the system has none. Install one (Debian: apt install libvips42), or set GLASSINE_LIBVIPS to its path, or build after `make libvips`"}
}

// usable resolves a path and refuses what is no shared library for this machine.
func usable(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return "", err
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	head := make([]byte, 20)
	if _, err := io.ReadFull(f, head); err != nil {
		return "", fmt.Errorf("read %s: %w", path, err)
	}
	if err := fits(head); err != nil {
		return "", fmt.Errorf("%s %w", path, err)
	}
	return path, nil
}

// machines are ELF's e_machine of the machines that an embedded library is there for. (elf(5).)
var machines = map[string]byte{"amd64": 62, "arm64": 183}

// fits looks at the first 20 bytes of a library. On other systems and machines it knows too little to refuse.
func fits(head []byte) error {
	want, known := machines[runtime.GOARCH]
	if runtime.GOOS != "linux" || !known {
		return nil
	}
	if string(head[:4]) != "\x7fELF" {
		return errors.New("is no shared library")
	}
	if head[18] != want {
		return fmt.Errorf("is for another machine than %s", runtime.GOARCH)
	}
	return nil
}

// unpack writes the embedded library into dir, unless it is there; fs.ErrNotExist says that none is embedded. It removes those
// that earlier versions of the program left.
func unpack(embedded fs.FS, dir string) (string, error) {
	names, err := fs.Glob(embedded, "lib/*/*.so.*")
	if err != nil || len(names) == 0 {
		return "", fs.ErrNotExist
	}
	sum, err := inspect(embedded, names[0])
	if err != nil {
		return "", err
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return "", err
	}
	if dir, err = makeDir(dir); err != nil {
		return "", err
	}
	path := filepath.Join(dir, hex.EncodeToString(sum)+".so")
	if whole(path, sum) {
		return path, nil
	}
	if err := write(path, embedded, names[0]); err != nil {
		return "", err
	}
	removeOthers(dir, path)
	return path, nil
}

// inspect returns the SHA-256 of a library that this machine can load. Nothing here holds its 18 MB.
func inspect(embedded fs.FS, name string) ([]byte, error) {
	f, err := embedded.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it is in memory
	head := make([]byte, 20)
	if _, err := io.ReadFull(f, head); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if err := fits(head); err != nil {
		return nil, fmt.Errorf("%s %w", name, err)
	}
	h := sha256.New()
	h.Write(head)
	_, err = io.Copy(h, f)
	return h.Sum(nil), err
}

// makeDir makes dir and resolves links in its path.
func makeDir(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

// whole reports whether the file has that content.
func whole(path string, sum []byte) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return err == nil && bytes.Equal(h.Sum(nil), sum)
}

// write makes the file appear whole or not at all, whoever else does the same at this time.
func write(path string, embedded fs.FS, name string) error {
	source, err := embedded.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // it is in memory
	f, err := os.CreateTemp(filepath.Dir(path), "unpacking-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // renamed, when all went well
	_, err = io.Copy(f, source)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	d, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

var unpackedName = regexp.MustCompile(`^([0-9a-f]{64}\.so|unpacking-[0-9]+)$`)

// removeOthers removes the libraries of earlier versions, and what a crash left half written.
func removeOthers(dir, but string) {
	entries, _ := os.ReadDir(dir) // what cannot be listed stays
	for _, e := range entries {
		path, half := filepath.Join(dir, e.Name()), strings.HasPrefix(e.Name(), "unpacking-")
		if path == but || !unpackedName.MatchString(e.Name()) {
			continue
		}
		if info, err := e.Info(); half && (err != nil || time.Since(info.ModTime()) < time.Hour) {
			continue // another process may be at it
		}
		os.Remove(path) // a file that stays costs disk, no more
	}
}

// systemDirs are where libraries lie on Debian, Fedora, Arch and Alpine, and what an administrator built.
func systemDirs() []string {
	triplet := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[runtime.GOARCH]
	dirs := []string{"/usr/local/lib", "/usr/local/lib64"}
	if triplet != "" {
		dirs = append(dirs, "/usr/local/lib/"+triplet, "/usr/lib/"+triplet)
	}
	return append(dirs, "/usr/lib64", "/usr/lib", "/lib64", "/lib")
}
