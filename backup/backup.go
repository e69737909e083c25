// Package backup is the file that glassine backup writes and glassine restore reads: a tar archive compressed with zstd
// (RFC 8878), so that tar and sha256sum alone can take it apart. It knows nothing of what the files mean.
//
//	BACKUP.json   first: a Header, so that a reader that does not know the format stops there
//	...           regular files, their names relative to the data directory
//	DAMAGED       a line for each file that was damaged already when it was copied; not there when none was
//	MANIFEST      last: a line for each file before it, as sha256sum writes them: SHA-256 in hex, two spaces, name
//
// A file that ends before its manifest is no backup. Nothing is encrypted: the files hold the keys of the installation.
//
// Start at Writer, Check and Extract.
package backup

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// Format is the number of the format that Writer writes. A reader refuses others.
const Format = 1

// Names of the files that describe the others.
const (
	headerName   = "BACKUP.json"
	damagedName  = "DAMAGED"
	manifestName = "MANIFEST"
)

// Header says what a backup is of.
type Header struct {
	Format  int       `json:"format"`  // Format; a Writer sets it
	Layout  int       `json:"layout"`  // of the data directory
	Version string    `json:"version"` // of the glassine that wrote it
	Created time.Time `json:"created"` // UTC: what the backup holds is what there was then
}

// Summary is what a backup holds.
type Summary struct {
	Header
	Files   int      // without those that describe them
	Bytes   int64    // of the files
	Damaged []string // names of files that were damaged or missing when they were copied
}

// Writer writes a backup. It is for one goroutine.
type Writer struct {
	compressed *zstd.Encoder
	tar        *tar.Writer
	manifest   *os.File // has no name any more
	damaged    []string
	buffer     []byte
}

// NewWriter begins a backup. The manifest is collected in a file without a name in scratch, a directory.
func NewWriter(w io.Writer, scratch string, h Header) (*Writer, error) {
	compressed, err := zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2))
	if err != nil {
		return nil, err
	}
	manifest, err := os.CreateTemp(scratch, ".manifest-*")
	if err != nil {
		return nil, err
	}
	b := &Writer{compressed: compressed, tar: tar.NewWriter(compressed), manifest: manifest, buffer: make([]byte, 256<<10)}
	h.Format = Format
	raw, err := json.Marshal(h)
	if err := errors.Join(err, os.Remove(manifest.Name())); err != nil {
		return nil, errors.Join(err, b.Abort())
	}
	if err := b.add(headerName, 0o600, int64(len(raw)), bytes.NewReader(raw)); err != nil {
		return nil, errors.Join(err, b.Abort())
	}
	return b, nil
}

// Add adds a file of exactly size bytes. Its name is relative, with slashes.
func (b *Writer) Add(name string, mode fs.FileMode, size int64, r io.Reader) error {
	if err := checkName(name); err != nil {
		return err
	}
	return b.add(name, mode, size, r)
}

// AddDamaged adds a file of size bytes that may turn out to be damaged: when damaged says so of an error of r, with or after its last
// byte too, the file is listed as damaged, what could not be read is zeros, and the backup goes on.
func (b *Writer) AddDamaged(name string, mode fs.FileMode, size int64, r io.Reader, damaged func(error) bool) error {
	forgiving := &forgiving{r: r, damaged: damaged}
	err := b.Add(name, mode, size, forgiving)
	if forgiving.found {
		b.Damaged(name)
	}
	return err
}

// Damaged lists a file as damaged or missing.
func (b *Writer) Damaged(name string) { b.damaged = append(b.damaged, name) }

func (b *Writer) add(name string, mode fs.FileMode, size int64, r io.Reader) error {
	if err := b.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode.Perm()), Size: size}); err != nil {
		return fmt.Errorf("back up %s: %w", name, err)
	}
	h := sha256.New()
	n, err := io.CopyBuffer(io.MultiWriter(b.tar, h), io.LimitReader(r, size), b.buffer)
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil { // what r has to say after its last byte
		var more [1]byte
		if _, err = io.ReadFull(r, more[:]); errors.Is(err, io.EOF) {
			err = nil
		}
	}
	if err != nil {
		return fmt.Errorf("back up %s: %w", name, err)
	}
	_, err = b.manifest.WriteString(line(h.Sum(nil), name))
	return err
}

// line is a line of a manifest.
func line(sum []byte, name string) string { return hex.EncodeToString(sum) + "  " + name + "\n" }

// Close ends the backup with its manifest: without it, what was written is none.
func (b *Writer) Close() error {
	if len(b.damaged) > 0 {
		text := strings.Join(b.damaged, "\n") + "\n"
		if err := b.add(damagedName, 0o600, int64(len(text)), strings.NewReader(text)); err != nil {
			return errors.Join(err, b.Abort())
		}
	}
	size, err := b.manifest.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = b.manifest.Seek(0, io.SeekStart)
	}
	if err == nil {
		err = b.tar.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: manifestName, Mode: 0o600, Size: size})
	}
	if err == nil {
		_, err = io.Copy(b.tar, b.manifest)
	}
	if err == nil {
		err = b.tar.Close()
	}
	if err != nil {
		return errors.Join(err, b.Abort())
	}
	return errors.Join(b.compressed.Close(), b.manifest.Close())
}

// Abort gives up: what was written is no backup.
func (b *Writer) Abort() error {
	b.compressed.Reset(io.Discard) // or Close would end the frame as if all were well
	return errors.Join(b.compressed.Close(), b.manifest.Close())
}

// forgiving gives zeros from an error on that means damage.
type forgiving struct {
	r       io.Reader
	damaged func(error) bool
	found   bool
}

func (f *forgiving) Read(p []byte) (int, error) {
	if f.found {
		clear(p)
		return len(p), nil
	}
	n, err := f.r.Read(p)
	if err != nil && err != io.EOF && f.damaged(err) {
		f.found, err = true, nil
	}
	return n, err
}

// checkName refuses names that lead anywhere else than below the data directory, that describe a backup, or that the manifest or
// another operating system would write otherwise.
func checkName(name string) error {
	if !fs.ValidPath(name) || name == "." || len(name) > 1024 {
		return fmt.Errorf("%.100q is no name of a file in a backup", name)
	}
	for i := range len(name) {
		if c := name[i]; c < ' ' || c > '~' || c == '\\' || c == ':' {
			return fmt.Errorf("%.100q is no name of a file in a backup", name)
		}
	}
	switch top, _, _ := strings.Cut(name, "/"); top {
	case headerName, damagedName, manifestName, Unfinished, lockName:
		return fmt.Errorf("%.100q is no name of a file in a backup: it has a meaning of its own", name)
	}
	return nil
}
