package sandbox

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"glassine/confine"
)

// shims are our runtimes: what runs a handler and speaks the Runtime API.
//
//go:embed shim
var shims embed.FS

// Addresses and paths inside a strict sandbox.
const (
	apiAddress = "127.0.0.1:9001"
	bundlePath = "/etc/ssl/certs/ca-certificates.crt" // the machine's roots and our CA; most programs look here
	caPath     = "/etc/ssl/certs/glassine-ca.pem"     // our CA alone
)

// maxProcesses bounds the processes and threads of a sandbox. AWS's bound is 1024; a fork bomb should not cost that much.
const (
	maxProcesses = 256
	maxFiles     = 1024 // (AWS Lambda Developer Guide, "Lambda quotas", file descriptors.)
)

// files is what all processes share on disk.
type files struct {
	shims, bundle, ca string
}

// writeFiles writes the shims and the certificate bundle, readable by processes of any user. cfg.Dir itself is not.
func writeFiles(cfg Config) (files, error) {
	f := files{
		shims: filepath.Join(cfg.Dir, "runtime"), bundle: filepath.Join(cfg.Dir, "ca-bundle.pem"), ca: filepath.Join(cfg.Dir, "ca.pem"),
	}
	if err := os.MkdirAll(f.shims, 0o755); err != nil {
		return f, err
	}
	// What the last run left behind.
	left, _ := filepath.Glob(filepath.Join(cfg.Dir, "tmp-*")) // the pattern is good
	for _, name := range append(left, filepath.Join(cfg.Dir, "layers")) {
		if err := os.RemoveAll(name); err != nil {
			return f, err
		}
	}
	entries, err := fs.ReadDir(shims, "shim")
	if err != nil {
		return f, err
	}
	for _, e := range entries {
		b, err := fs.ReadFile(shims, "shim/"+e.Name())
		if err != nil {
			return f, err
		}
		if err := replaceFile(filepath.Join(f.shims, e.Name()), b); err != nil {
			return f, err
		}
	}
	var ca []byte
	if cfg.CAFile != "" {
		if ca, err = os.ReadFile(cfg.CAFile); err != nil {
			return f, err
		}
	}
	// Where distributions keep the public roots: Debian, Fedora, openSUSE, Alpine.
	var roots []byte
	for _, name := range []string{bundlePath, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"} {
		if roots, err = os.ReadFile(name); err == nil {
			break
		}
	}
	if err := replaceFile(f.ca, ca); err != nil {
		return f, err
	}
	return f, replaceFile(f.bundle, append(append(roots, '\n'), ca...))
}

// compile lets a Python interpreter compile the shims, once: a process cannot keep what it compiled itself, since it can
// write nowhere. A failure costs each start some milliseconds and nothing else.
func (h *Host) compile(ctx context.Context, r interpreter) {
	h.merging.Lock()
	defer h.merging.Unlock()
	if r.family != "python" || h.compiled[r.path] {
		return
	}
	const script = "import sys, py_compile\nfor f in sys.argv[1:]: py_compile.compile(f, doraise=True)"
	sources, _ := filepath.Glob(filepath.Join(h.files.shims, "*.py")) // the pattern is good
	cmd := exec.CommandContext(ctx, r.path, append([]string{"-S", "-s", "-c", script}, sources...)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	if out, err := cmd.CombinedOutput(); err != nil {
		h.cfg.Logger.LogAttrs(ctx, slog.LevelWarn, "python shim is not compiled", slog.String("interpreter", r.path), slog.String("error", err.Error()+": "+string(out)))
	}
	h.compiled[r.path] = true
}

// replaceFile never changes a file that a process has mapped or reads, and leaves alone what is the same: then what was
// compiled from it stays good.
func replaceFile(name string, content []byte) error {
	if old, err := os.ReadFile(name); err == nil && bytes.Equal(old, content) {
		return nil
	}
	next := name + ".next"
	if err := os.WriteFile(next, content, 0o644); err != nil {
		return err
	}
	return os.Rename(next, name)
}

// placed is a child to start, and what its sockets become.
type placed struct {
	spec      confine.Spec
	listeners sockets // below level strict: on the machine's own loopback
	tmp       string  // below level strict: the directory in place of /tmp
}

// place says what a process of v sees at this machine's level.
func (h *Host) place(v Version, r interpreter, env map[string]string) (placed, error) {
	layers, err := h.layers(v)
	if err != nil {
		return placed{}, fmt.Errorf("merge layers: %w", err)
	}
	if h.level != confine.Strict {
		return h.placeOpen(v, r, layers, env)
	}
	spec := confine.Spec{
		Level: confine.Strict, Dir: taskRoot, TmpMB: v.EphemeralMB,
		Binds: []confine.Bind{
			{From: "/usr", To: "/usr"},
			{From: v.CodeDir, To: taskRoot},
			{From: h.files.shims, To: runtimeDir},
			{From: h.files.bundle, To: bundlePath},
			{From: h.files.bundle, To: "/etc/pki/tls/certs/ca-bundle.crt"},
			{From: h.files.ca, To: caPath},
			{From: "/etc/ld.so.cache", To: "/etc/ld.so.cache", Optional: true},
			{From: "/etc/alternatives", To: "/etc/alternatives", Optional: true},
		},
		Links: map[string]string{},
		Files: map[string]string{
			"/etc/hosts": hosts(v.Region), "/etc/resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n",
			"/etc/nsswitch.conf":   "passwd: files\ngroup: files\nhosts: files dns\n",
			"/etc/passwd":          fmt.Sprintf("root:x:0:0:root:/root:/sbin/nologin\nsbx_user1051:x:%d:%d::/home/sbx_user1051:/sbin/nologin\n", confine.ID, confine.ID),
			"/etc/group":           fmt.Sprintf("root:x:0:\nsbx_user1051:x:%d:\n", confine.ID),
			"/etc/ssl/openssl.cnf": "",
		},
		Listen: []string{"tcp:" + apiAddress, "tcp:127.0.0.1:443", "tcp:127.0.0.1:80", "udp:127.0.0.1:53"},
		Limits: confine.Limits{
			// Files in /tmp count as memory of the group. The function's own memory is watched: see meters.
			MemoryMB: v.MemoryMB + v.EphemeralMB, DataMB: v.MemoryMB + dataSlackMB, Processes: maxProcesses, Files: maxFiles,
		},
	}
	if layers != "" {
		spec.Binds = append(spec.Binds, confine.Bind{From: layers, To: layerRoot})
	}
	systemDirs(&spec)
	at := layout{task: taskRoot, runtime: runtimeDir, layers: layerRoot, interpreter: r.path, bootstrap: taskRoot}
	if !exists(v.CodeDir, "bootstrap") && exists(layers, "bootstrap") {
		at.bootstrap = layerRoot
	}
	if r.path != "" && !strings.HasPrefix(r.path, "/usr/") {
		prefix := filepath.Dir(filepath.Dir(r.path))
		if err := h.shareable(prefix); err != nil {
			return placed{}, err
		}
		spec.Binds = append(spec.Binds, confine.Bind{From: prefix, To: langRoot})
		at.interpreter = filepath.Join(langRoot, strings.TrimPrefix(r.path, prefix))
	}
	spec.Args, spec.Env = command(v, r, at), pairs(env)
	return placed{spec: spec}, nil
}

func exists(dir, name string) bool {
	_, err := os.Stat(filepath.Join(dir, name))
	return dir != "" && err == nil
}

// systemDirs makes the directories beside /usr what they are on this machine: links into it, or directories of their own.
func systemDirs(spec *confine.Spec) {
	for _, name := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"} {
		if target, err := os.Readlink(name); err == nil {
			spec.Links[name] = target
		} else if info, err := os.Stat(name); err == nil && info.IsDir() {
			spec.Binds = append(spec.Binds, confine.Bind{From: name, To: name})
		}
	}
}

// shareable refuses the directory of an interpreter that would show more than an interpreter: a home, or our own data.
func (h *Host) shareable(prefix string) error {
	for _, sub := range []string{"bin", "lib"} {
		if info, err := os.Stat(filepath.Join(prefix, sub)); err != nil || !info.IsDir() {
			return fmt.Errorf("%w: %s is no directory of an interpreter alone, so functions cannot be shown it", ErrNoInterpreter, prefix)
		}
	}
	if prefix == "/" || strings.HasPrefix(h.cfg.Dir+"/", prefix+"/") {
		return fmt.Errorf("%w: %s holds more than an interpreter, so functions cannot be shown it", ErrNoInterpreter, prefix)
	}
	return nil
}

// sockets takes the child's sockets, or those that were opened for it on this machine.
func (p placed) sockets(c *confine.Child) (sockets, error) {
	if p.listeners.api != nil {
		return p.listeners, nil
	}
	var s sockets
	for i, f := range c.Sockets {
		var err error
		switch i {
		case 0:
			s.api, err = net.FileListener(f)
		case 3:
			s.dns, err = net.FilePacketConn(f)
		default:
			var l net.Listener
			if l, err = net.FileListener(f); err == nil {
				s.aws = append(s.aws, l)
			}
		}
		f.Close() // the listener has a copy
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// close lets go of what was opened for a child that did not start, or has ended.
func (p placed) close() {
	if p.listeners.api != nil {
		p.listeners.api.Close()
		for _, l := range p.listeners.aws {
			l.Close()
		}
	}
	if p.tmp != "" {
		os.RemoveAll(p.tmp)
	}
}

// layers is the directory that a process finds at /opt: the one layer, or all of them in one, a later one over an earlier.
func (h *Host) layers(v Version) (string, error) {
	switch len(v.LayerDirs) {
	case 0:
		return "", nil
	case 1:
		return v.LayerDirs[0], nil
	}
	h.merging.Lock()
	defer h.merging.Unlock()
	merged := filepath.Join(h.cfg.Dir, "layers", hashed(v.LayerDirs))
	if _, err := os.Stat(merged); err == nil {
		return merged, nil
	}
	next := merged + ".next"
	if err := os.RemoveAll(next); err != nil {
		return "", err
	}
	if err := os.MkdirAll(next, 0o755); err != nil {
		return "", err
	}
	for _, dir := range v.LayerDirs {
		if err := mergeInto(next, dir); err != nil {
			return "", err
		}
	}
	return merged, os.Rename(next, merged)
}

// mergeInto links the files of dir into to, or copies them where a link cannot be.
func mergeInto(to, dir string) error {
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		there := filepath.Join(to, rel)
		if d.IsDir() {
			if info, err := os.Lstat(there); err == nil && !info.IsDir() {
				os.Remove(there)
			}
			return os.MkdirAll(there, 0o755)
		}
		if err := os.RemoveAll(there); err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(name)
			if err != nil {
				return err
			}
			return os.Symlink(target, there)
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is neither a file nor a directory", name)
		}
		err = os.Link(name, there)
		if err == nil || errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return copyFile(there, name)
	})
}

func copyFile(to, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(from) // a layer's file: at most 250 MB unpacked
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, info.Mode().Perm())
}

func port(l net.Listener) uint16 {
	_, p, _ := net.SplitHostPort(l.Addr().String())
	n, _ := strconv.ParseUint(p, 10, 16)
	return uint16(n)
}
