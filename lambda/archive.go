package lambda

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"glassine/aws/fault"
)

// Limits of code. (Lambda Developer Guide, "Lambda quotas": deployment package.)
const (
	MaxZip      = 50 << 20  // bytes of an archive that comes in a request
	maxUnpacked = 250 << 20 // bytes of all its files, and the most of an archive from S3
)

// archive is code as a version of a function or of a layer refers to it.
type archive struct {
	SHA256   string // hex, of the zip: its name in the archives
	Size     int64  // bytes of the zip
	Unpacked int64  // bytes of its files
}

// archives keep zip archives by what they hold, in a directory that is theirs:
//
//	zip/<sha256>               an archive, as it came
//	unpacked/<boot>/<sha256>/  its files, read-only
//
// An archive is synced to disk before anyone refers to it. Its files are made from it again when they are not there: after
// a boot all of them are, since without a sync each nobody knows what the last one left of them.
type archives struct {
	dir  string
	boot string

	mu     sync.Mutex
	pinned map[string]int  // by SHA256: how many are about to refer to it, or to unpack it
	loose  map[string]bool // by SHA256: nobody referred to it at the last sweep
	making map[string]chan struct{}
	kept   int // by how many sweep is kept from removing anything
}

// openArchives makes or opens the directory.
func openArchives(dir string) (*archives, error) {
	a := &archives{dir: dir, boot: bootID(), pinned: map[string]int{}, loose: map[string]bool{}, making: map[string]chan struct{}{}}
	for _, d := range []string{a.zipFile(""), a.unpacked("")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make directory of code: %w", err)
		}
	}
	old, err := os.ReadDir(filepath.Join(dir, "unpacked"))
	if err != nil {
		return nil, fmt.Errorf("read directory of code: %w", err)
	}
	for _, e := range old {
		if e.Name() != a.boot {
			if err := os.RemoveAll(filepath.Join(dir, "unpacked", e.Name())); err != nil {
				return nil, fmt.Errorf("remove unpacked code of an earlier boot: %w", err)
			}
		}
	}
	half, err := filepath.Glob(filepath.Join(a.unpacked(""), ".new-*"))
	if err != nil {
		return nil, err
	}
	zips, err := filepath.Glob(a.zipFile(".new-*"))
	if err != nil {
		return nil, err
	}
	for _, f := range append(half, zips...) { // of a start that was cut short
		if err := os.RemoveAll(f); err != nil {
			return nil, fmt.Errorf("remove half of an archive: %w", err)
		}
	}
	return a, nil
}

// bootID names the time since the machine was started; where that is not told, this start of the program.
func bootID() string {
	if raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		if id := strings.TrimSpace(string(raw)); validName(id, 64) {
			return id
		}
	}
	return rand.Text()
}

func (a *archives) zipFile(sum string) string  { return filepath.Join(a.dir, "zip", sum) }
func (a *archives) unpacked(sum string) string { return filepath.Join(a.dir, "unpacked", a.boot, sum) }

// add keeps an archive of at most limit bytes, durably, and unpacks it, which is how it is checked. It stays until release is
// called, and as long as sweep is told of it. Faults: InvalidParameterValueException for what is no archive, too large, or has a file that is
// not inside it.
func (a *archives) add(ctx context.Context, r io.Reader, limit int64) (made archive, release func(), err error) {
	f, err := os.CreateTemp(filepath.Join(a.dir, "zip"), ".new-*")
	if err != nil {
		return archive{}, nil, fmt.Errorf("keep code: %w", err)
	}
	defer func() {
		if closed := f.Close(); err == nil && closed != nil {
			err = fmt.Errorf("keep code: %w", closed)
		}
		_ = os.Remove(f.Name()) // renamed already when all went well
	}()
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(f, h), io.LimitReader(contextReader{ctx, r}, limit+1))
	switch {
	case err != nil:
		return archive{}, nil, err
	case n > limit:
		return archive{}, nil, tooBig("Code", limit)
	case n == 0:
		return archive{}, nil, fault.New("InvalidParameterValueException", "Uploaded file must be a non-empty zip")
	}
	made = archive{SHA256: hex.EncodeToString(h.Sum(nil)), Size: n}
	unpin := a.pin(made.SHA256)
	defer func() {
		if err != nil {
			unpin()
		}
	}()
	if made.Unpacked, err = a.unpack(ctx, f, n, made.SHA256); err != nil {
		return archive{}, nil, err
	}
	if err := f.Sync(); err != nil {
		return archive{}, nil, fmt.Errorf("keep code: %w", err)
	}
	if err := os.Rename(f.Name(), a.zipFile(made.SHA256)); err != nil {
		return archive{}, nil, fmt.Errorf("keep code: %w", err)
	}
	if err := syncDir(filepath.Join(a.dir, "zip")); err != nil {
		return archive{}, nil, fmt.Errorf("keep code: %w", err)
	}
	return made, unpin, nil
}

// pin keeps an archive from being swept until the function that it returns is called.
func (a *archives) pin(sum string) (release func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.pinned[sum]++
	delete(a.loose, sum)
	return sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.pinned[sum]--; a.pinned[sum] == 0 {
			delete(a.pinned, sum)
		}
	})
}

// open returns the archive as it came. The caller closes it.
func (a *archives) open(sum string) (*os.File, error) {
	f, err := os.Open(a.zipFile(sum))
	if err != nil {
		return nil, fmt.Errorf("read code: %w", err)
	}
	return f, nil
}

// folder returns the directory of the archive's files, unpacking them when they are not there.
func (a *archives) folder(ctx context.Context, sum string) (string, error) {
	dir := a.unpacked(sum)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	defer a.pin(sum)()
	f, err := a.open(sum)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("read code: %w", err)
	}
	if _, err := a.unpack(ctx, f, info.Size(), sum); err != nil {
		return "", err
	}
	return dir, nil
}

// unpack makes the directory of sum from an archive of size bytes, once at a time, and returns how many bytes its files have.
func (a *archives) unpack(ctx context.Context, r io.ReaderAt, size int64, sum string) (int64, error) {
	z, total, err := readZip(r, size)
	if err != nil {
		return 0, err
	}
	done, err := a.turn(ctx, sum)
	if err != nil {
		return 0, err
	}
	defer done()
	if _, err := os.Stat(a.unpacked(sum)); err == nil {
		return total, nil
	}
	dir, err := os.MkdirTemp(a.unpacked(""), ".new-*")
	if err != nil {
		return 0, fmt.Errorf("unpack code: %w", err)
	}
	if err := extract(ctx, z, dir); err != nil {
		return 0, errors.Join(err, os.RemoveAll(dir))
	}
	if err := errors.Join(os.Chmod(dir, 0o755), os.Rename(dir, a.unpacked(sum))); err != nil {
		return 0, errors.Join(fmt.Errorf("unpack code: %w", err), os.RemoveAll(dir))
	}
	return total, nil
}

// turn waits until nobody else unpacks the archive.
func (a *archives) turn(ctx context.Context, sum string) (done func(), err error) {
	for {
		a.mu.Lock()
		busy, ok := a.making[sum]
		if !ok {
			mine := make(chan struct{})
			a.making[sum] = mine
			a.mu.Unlock()
			return func() {
				a.mu.Lock()
				defer a.mu.Unlock()
				delete(a.making, sum)
				close(mine)
			}, nil
		}
		a.mu.Unlock()
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// sweep removes archives that nobody refers to now nor did at the sweep before: in between, invocations under way may
// still read them. used holds the SHA256 of those that are referred to. With all, one sweep is enough.
func (a *archives) sweep(used map[string]bool, all bool) error {
	var names []string
	for _, dir := range []string{a.zipFile(""), a.unpacked("")} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return fmt.Errorf("sweep code: %w", err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock() // held while files go: an archive that is being added again must not lose them
	if a.kept > 0 {
		return nil
	}
	loose := map[string]bool{}
	var errs []error
	for _, sum := range names {
		switch {
		case strings.HasPrefix(sum, "."), used[sum], a.pinned[sum] > 0:
		case all || a.loose[sum]:
			errs = append(errs, os.RemoveAll(a.zipFile(sum)), os.RemoveAll(a.unpacked(sum)))
		default:
			loose[sum] = true
		}
	}
	a.loose = loose
	return errors.Join(errs...)
}

// KeepArchives keeps every archive where it is, whether a function still refers to it or not, until release is called: for who copies
// them while the service runs.
func (s *Service) KeepArchives() (release func()) {
	keep := func(n int) {
		if s.archives != nil {
			s.archives.mu.Lock()
			defer s.archives.mu.Unlock()
			s.archives.kept += n
		}
	}
	keep(1)
	return sync.OnceFunc(func() {
		keep(-1)
		s.sweepLater()
	})
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// contextReader ends a read when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
