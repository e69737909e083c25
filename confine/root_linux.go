package confine

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"golang.org/x/sys/unix"
)

// makeRoot replaces the root of this mount namespace by a small read-only one that holds what spec lists, /proc, a few
// devices and an own /tmp.
func makeRoot(spec Spec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	trees, err := cloneTrees(append(devices(), spec.Binds...)) // before the new root covers any of them
	if err != nil {
		return err
	}
	root, err := mountRoot()
	if err != nil {
		return err
	}
	for _, t := range trees {
		if err := t.attach(root); err != nil {
			return err
		}
	}
	if err := populate(root, spec); err != nil {
		return err
	}
	for _, m := range []struct {
		where, kind, options string
		flags                uintptr
	}{
		{"proc", "proc", "", unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC},
		{"tmp", "tmpfs", fmt.Sprintf("size=%dm,mode=1777", max(spec.TmpMB, 1)), unix.MS_NOSUID | unix.MS_NODEV},
	} {
		where := filepath.Join(root, m.where)
		if err := os.MkdirAll(where, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, where, m.kind, m.flags, m.options); err != nil {
			return fmt.Errorf("mount /%s: %w", m.where, err)
		}
	}
	return enter(root)
}

// mountRoot mounts an empty memory file system over a directory that every machine has.
func mountRoot() (string, error) {
	for _, dir := range []string{"/tmp", "/dev"} {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			continue
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=1m,mode=755"); err != nil {
			return "", fmt.Errorf("mount root: %w", err)
		}
		return dir, nil
	}
	return "", errors.New("mount root: there is neither /tmp nor /dev")
}

// enter makes root the root, lets the old one go, and makes the new one read-only.
func enter(root string) error {
	if err := os.Chdir(root); err != nil {
		return err
	}
	// The new root over the old one, then the old one away from under it. (pivot_root(2), "pivot_root(".", ".")".)
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("detach old root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", 0, &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY}); err != nil {
		return fmt.Errorf("make root read-only: %w", err)
	}
	return nil
}

// populate writes the files and links of spec, and the links of /dev.
func populate(root string, spec Spec) error {
	links := map[string]string{
		"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1", "/dev/stderr": "/proc/self/fd/2",
	}
	for path, target := range spec.Links {
		links[path] = target
	}
	for path, target := range links {
		where := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(where), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(target, where); err != nil {
			return err
		}
	}
	for path, content := range spec.Files {
		where := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(where), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(where, []byte(content), 0o644); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(root, spec.Dir), 0o755)
}

func devices() []Bind {
	var out []Bind
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		out = append(out, Bind{From: "/dev/" + name, To: "/dev/" + name, Device: true})
	}
	return out
}

// tree is a detached copy of a file or directory of the machine, closed to writing.
type tree struct {
	to  string
	fd  int
	dir bool
}

func cloneTrees(binds []Bind) ([]tree, error) {
	sort.SliceStable(binds, func(i, j int) bool { return len(binds[i].To) < len(binds[j].To) }) // parents before what lies in them
	var out []tree
	for _, b := range binds {
		info, err := os.Stat(b.From)
		if b.Optional && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("bind: %w", err)
		}
		fd, err := unix.OpenTree(unix.AT_FDCWD, b.From, unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_RECURSIVE)
		if err != nil {
			return nil, fmt.Errorf("bind %s: %w", b.From, err)
		}
		attr := unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NODEV}
		if b.Device {
			attr.Attr_set = unix.MOUNT_ATTR_NOSUID | unix.MOUNT_ATTR_NOEXEC
		}
		if err := unix.MountSetattr(fd, "", unix.AT_EMPTY_PATH|unix.AT_RECURSIVE, &attr); err != nil {
			return nil, fmt.Errorf("bind %s read-only: %w", b.From, err)
		}
		out = append(out, tree{b.To, fd, info.IsDir()})
	}
	return out, nil
}

func (t tree) attach(root string) error {
	defer func() { _ = unix.Close(t.fd) }() // the mount stays
	where := filepath.Join(root, t.to)
	if _, err := os.Lstat(where); err != nil { // it may be there already, when it lies in another tree
		if err := makeMountPoint(where, t.dir); err != nil {
			return fmt.Errorf("make mount point %s: %w", t.to, err)
		}
	}
	if err := unix.MoveMount(t.fd, "", unix.AT_FDCWD, where, unix.MOVE_MOUNT_F_EMPTY_PATH); err != nil {
		return fmt.Errorf("mount %s: %w", t.to, err)
	}
	return nil
}

func makeMountPoint(where string, dir bool) error {
	if dir {
		return os.MkdirAll(where, 0o755)
	}
	if err := os.MkdirAll(filepath.Dir(where), 0o755); err != nil {
		return err
	}
	return os.WriteFile(where, nil, 0o644)
}

// listen brings the loopback interface up and opens the sockets, each as "tcp:address:port" or "udp:address:port".
func listen(addresses []string) ([]int, error) {
	if err := loopbackUp(); err != nil {
		return nil, fmt.Errorf("bring loopback up: %w", err)
	}
	var out []int
	for _, a := range addresses {
		fd, err := listenOn(a)
		if err != nil {
			return nil, fmt.Errorf("listen on %s: %w", a, err)
		}
		out = append(out, fd)
	}
	return out, nil
}

func listenOn(a string) (int, error) {
	network, address, _ := strings.Cut(a, ":")
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return 0, err
	}
	kind := unix.SOCK_STREAM
	if network == "udp" {
		kind = unix.SOCK_DGRAM
	}
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		return 0, err
	}
	if kind == unix.SOCK_STREAM {
		return fd, unix.Listen(fd, 1024)
	}
	return fd, nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }() // only asked
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}
