package client

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// maxArchive bounds the bytes that go into an archive, which is made in memory. Lambda Developer Guide, "Lambda quotas":
// 250 MB unzipped.
const maxArchive = 250 << 20

// archiveForm is part of every archive's hash. It changes when the same files would make another archive.
const archiveForm = "glassine archive 1"

// archiveTime is the time of every file in an archive, the first that a zip can say.
var archiveTime = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// archive is what becomes a zip archive: the same files give the same bytes, on whatever day, machine and umask.
type archive struct {
	files []archiveFile // by name
	// hash is of the names, modes and bytes, so that an archive that is there already need not be made.
	hash string
}

type archiveFile struct {
	name, path string // in the archive, with slashes; on this machine
	executable bool
	size       int64 // bytes
}

// readArchive reads a folder, or a single file. Links are followed.
func readArchive(path string) (*archive, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	a := &archive{}
	if info.IsDir() {
		err = a.walk(path, "", nil)
	} else {
		a.add(filepath.Base(path), path, info)
	}
	if err != nil {
		return nil, err
	}
	if len(a.files) == 0 {
		return nil, fmt.Errorf("%s: there is no file in it", path)
	}
	slices.SortFunc(a.files, func(x, y archiveFile) int { return strings.Compare(x.name, y.name) })
	return a, a.sum()
}

func (a *archive) add(name, path string, info fs.FileInfo) {
	a.files = append(a.files, archiveFile{name, path, info.Mode()&0o111 != 0, info.Size()})
}

// walk adds the files below a folder. above are the folders on the way, to find links that lead back.
func (a *archive) walk(dir, below string, above []fs.FileInfo) error {
	here, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(above, func(i fs.FileInfo) bool { return os.SameFile(i, here) }) {
		return fmt.Errorf("%s: a link leads back to a folder above it", dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path, name := filepath.Join(dir, e.Name()), below+e.Name()
		info, err := os.Stat(path)
		switch {
		case err != nil:
		case info.IsDir():
			err = a.walk(path, name+"/", append(above, here))
		case info.Mode().IsRegular():
			a.add(name, path, info)
		default:
			err = fmt.Errorf("%s: not a regular file", path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sum fills in the hash. As many files are read at once as there are processors.
func (a *archive) sum() error {
	var total int64
	for _, f := range a.files {
		if total += f.size; total > maxArchive {
			return fmt.Errorf("more than %d MiB of code: Lambda takes no more", maxArchive>>20)
		}
	}
	sums, errs := make([][]byte, len(a.files)), make([]error, len(a.files))
	var next atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(a.files); i = int(next.Add(1)) - 1 {
				sums[i], errs[i] = a.files[i].sum()
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	h := sha256.New()
	fmt.Fprintf(h, "%s\n", archiveForm)
	for i, f := range a.files {
		fmt.Fprintf(h, "%q %t %x\n", f.name, f.executable, sums[i])
	}
	a.hash = hex.EncodeToString(h.Sum(nil))
	return nil
}

func (f *archiveFile) sum() ([]byte, error) {
	file, err := os.Open(f.path)
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	_, err = io.Copy(h, io.LimitReader(file, maxArchive))
	return h.Sum(nil), errors.Join(err, file.Close())
}

// zip makes the archive.
func (a *archive) zip() ([]byte, error) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	w.RegisterCompressor(zip.Deflate, func(out io.Writer) (io.WriteCloser, error) { return flate.NewWriter(out, flate.BestSpeed) })
	for _, f := range a.files {
		header := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: archiveTime}
		header.SetMode(0o644)
		if f.executable {
			header.SetMode(0o755)
		}
		entry, err := w.CreateHeader(header)
		if err != nil {
			return nil, err
		}
		file, err := os.Open(f.path)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(entry, io.LimitReader(file, maxArchive))
		if err = errors.Join(err, file.Close()); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
