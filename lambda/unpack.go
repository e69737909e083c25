package lambda

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"glassine/aws/fault"
)

// Limits of ours: a file costs memory and a directory entry whatever it holds.
const (
	maxFiles     = 100_000
	maxDirectory = 32 << 20 // bytes of an archive's own directory
)

// readZip reads an archive's directory and says how many bytes its files have, which it checks before any is read.
func readZip(r io.ReaderAt, size int64) (*zip.Reader, int64, error) {
	directory := &boundedReaderAt{r: r, left: maxDirectory}
	z, err := zip.NewReader(directory, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // such a path is refused below, with its name
		return nil, 0, badZip()
	}
	directory.unbounded = true
	if len(z.File) == 0 {
		return nil, 0, fault.New("InvalidParameterValueException", "Uploaded file must be a non-empty zip")
	}
	if len(z.File) > maxFiles {
		return nil, 0, fault.New("InvalidParameterValueException", "The archive has %d files; at most %d can be unpacked.", len(z.File), maxFiles)
	}
	var total uint64
	for _, f := range z.File {
		if total += f.UncompressedSize64; total > maxUnpacked || f.UncompressedSize64 > maxUnpacked {
			return nil, 0, tooBig("Unzipped", maxUnpacked)
		}
		if !filepath.IsLocal(strings.TrimSuffix(f.Name, "/")) || strings.ContainsAny(f.Name, "\\\x00") {
			return nil, 0, fault.New("InvalidParameterValueException", "The archive's file %q is not inside of it.", f.Name)
		}
	}
	return z, int64(total), nil
}

func badZip() error {
	return fault.New("InvalidParameterValueException", "Could not unzip uploaded file. Please check your file, then try to upload again.")
}

func tooBig(what string, limit int64) error {
	return fault.New("InvalidParameterValueException", "%s size must be smaller than %d bytes", what, limit)
}

// extract writes the archive's files below dir. Nothing is written outside of it, whatever the archive's links say, and no
// link that leads out of it stays. The caller removes what an error leaves.
func extract(ctx context.Context, z *zip.Reader, dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fmt.Errorf("unpack code: %w", err)
	}
	defer func() { _ = root.Close() }() // nothing was written to it itself
	links := map[string]bool{}
	for _, f := range z.File {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := path.Clean(f.Name)
		mode := f.Mode()
		for p := name; p != "."; p = path.Dir(p) {
			if links[p] {
				return fault.New("InvalidParameterValueException", "The archive's file %q stands behind the link %q.", f.Name, p)
			}
		}
		switch {
		case mode.IsDir():
			err = root.MkdirAll(name, 0o755)
		case mode&fs.ModeSymlink != 0:
			links[name] = true
			err = extractLink(root, f, name)
		case mode.IsRegular():
			err = extractFile(root, f, name)
		default:
			return fault.New("InvalidParameterValueException", "The archive's file %q is neither a file, a folder nor a link.", f.Name)
		}
		if err != nil {
			return unpackError(f.Name, err)
		}
	}
	for l := range links {
		if _, err := root.Stat(l); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return outside(l)
		}
	}
	return nil
}

func extractLink(root *os.Root, f *zip.File, name string) error {
	r, err := f.Open()
	if err != nil {
		return badZip()
	}
	defer r.Close()
	raw, err := io.ReadAll(io.LimitReader(r, 4096)) // PATH_MAX
	if err != nil {
		return badZip()
	}
	target := string(raw)
	if target == "" || path.IsAbs(target) || !filepath.IsLocal(path.Join(path.Dir(name), target)) {
		return outside(name)
	}
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	return root.Symlink(target, name)
}

func outside(name string) error {
	return fault.New("InvalidParameterValueException", "The archive's link %q leads out of it.", name)
}

// extractFile writes one file, of exactly the bytes that the archive's directory says. Everybody may read it, and run it
// where the archive says that somebody may.
func extractFile(root *os.Root, f *zip.File, name string) error {
	r, err := f.Open()
	if err != nil {
		return badZip()
	}
	defer r.Close()
	if err := root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o444)
	if f.Mode()&0o111 != 0 {
		mode = 0o555
	}
	out, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	n, err := io.Copy(out, io.LimitReader(r, int64(f.UncompressedSize64)+1)) // at most maxUnpacked, see readZip
	if closed := out.Close(); err == nil {
		err = closed
	}
	if errors.Is(err, zip.ErrChecksum) || errors.Is(err, zip.ErrFormat) || errors.Is(err, zip.ErrAlgorithm) || errors.Is(err, io.ErrUnexpectedEOF) ||
		err == nil && uint64(n) != f.UncompressedSize64 {
		return badZip()
	}
	return err
}

// unpackError tells the archive's faults from the disk's.
func unpackError(name string, err error) error {
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if errors.Is(err, fs.ErrExist) {
		return fault.New("InvalidParameterValueException", "The archive has the file %q twice, or a file and a folder of that name.", name)
	}
	return fmt.Errorf("unpack code: %w", err)
}

// boundedReaderAt fails after left bytes, until it is told not to.
type boundedReaderAt struct {
	r         io.ReaderAt
	left      int
	unbounded bool
}

func (b *boundedReaderAt) ReadAt(p []byte, off int64) (int, error) {
	if !b.unbounded {
		if b.left -= len(p); b.left < 0 {
			return 0, zip.ErrFormat
		}
	}
	return b.r.ReadAt(p, off)
}
