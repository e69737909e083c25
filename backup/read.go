package backup

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// Limits of what is held in memory of a stranger's file, bytes.
const (
	maxHeader  = 64 << 10
	maxDamaged = 16 << 20
	maxWindow  = 64 << 20 // of zstd; Writer uses less
)

// NewerError says that a backup is of a format or of a data directory's layout that this program does not know.
type NewerError struct {
	Header
	// What is "format" or "layout", Known the highest number of it that this program reads.
	What  string
	Known int
}

// Error implements error.
func (e *NewerError) Error() string {
	n := e.Format
	if e.What == "layout" {
		n = e.Layout
	}
	return fmt.Sprintf("the backup was written by a newer glassine, %s (%s %d; this program knows %d): use that version or a later one", e.Version, e.What, n, e.Known)
}

// errCut is what a file is that ends too early.
var errCut = errors.New("the backup is incomplete: it breaks off before its end. Copy it again, or use another one")

// Check reads a whole backup and compares every file with the manifest. layout is the highest layout of a data directory that this
// program reads. A *NewerError says that the backup is a later version's; any other error, that it cannot be used.
func Check(ctx context.Context, r io.Reader, layout int) (Summary, error) {
	return read(ctx, r, layout, func(_ *tar.Header, body io.Reader) error {
		_, err := io.Copy(io.Discard, body)
		return err
	})
}

// read calls each with every file, whose body it reads whole, and compares what was read with the manifest at the end.
func read(ctx context.Context, r io.Reader, layout int, each func(h *tar.Header, body io.Reader) error) (Summary, error) {
	plain, err := zstd.NewReader(bufio.NewReaderSize(contextReader{ctx, r}, 256<<10), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return Summary{}, err
	}
	defer plain.Close()
	t := &reader{tar: tar.NewReader(plain), manifest: sha256.New()}
	if err := t.header(layout); err != nil {
		return Summary{}, t.why(ctx, err)
	}
	for done := false; !done; {
		if done, err = t.next(each); err != nil {
			return t.Summary, t.why(ctx, err)
		}
	}
	// tar ends at its mark; the frame's own checksum stands after it.
	switch n, err := io.Copy(io.Discard, io.LimitReader(plain, 1)); {
	case err != nil:
		return t.Summary, t.why(ctx, err)
	case n > 0:
		return t.Summary, errors.New("something stands after the backup's end")
	}
	return t.Summary, nil
}

// reader is a backup on its way.
type reader struct {
	Summary
	tar      *tar.Reader
	manifest hash.Hash // of the text that the manifest must be
}

// why says what an error of tar or zstd means of the whole. An error of another kind stays.
func (t *reader) why(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return errCut
	case t.Format == 0 && (errors.Is(err, zstd.ErrMagicMismatch) || errors.Is(err, tar.ErrHeader)):
		return errors.New("this is no backup of glassine")
	case errors.Is(err, zstd.ErrCRCMismatch), errors.Is(err, tar.ErrHeader), errors.Is(err, zstd.ErrMagicMismatch):
		return fmt.Errorf("the backup is damaged: %w", err)
	}
	return err
}

func (t *reader) header(layout int) error {
	h, err := t.tar.Next()
	if err != nil {
		return err
	}
	if h.Name != headerName || h.Typeflag != tar.TypeReg || h.Size > maxHeader {
		return tar.ErrHeader
	}
	raw, err := io.ReadAll(t.sum(headerName))
	if err != nil {
		return err
	}
	var read Header
	if json.Unmarshal(raw, &read) != nil || read.Format < 1 || read.Layout < 1 {
		return tar.ErrHeader
	}
	switch {
	case read.Format > Format:
		return &NewerError{read, "format", Format}
	case read.Layout > layout:
		return &NewerError{read, "layout", layout}
	}
	t.Header = read
	return nil
}

// sum is the body of the file that is next, on its way into the manifest.
func (t *reader) sum(name string) io.Reader {
	return &sumReader{r: t.tar, h: sha256.New(), end: func(sum []byte) { _, _ = io.WriteString(t.manifest, line(sum, name)) }}
}

// next reads a file; done says that it was the manifest, and right.
func (t *reader) next(each func(*tar.Header, io.Reader) error) (done bool, err error) {
	h, err := t.tar.Next()
	if err != nil {
		return false, err
	}
	if h.Typeflag != tar.TypeReg || h.Size < 0 {
		return false, fmt.Errorf("%.100q is no regular file", h.Name)
	}
	switch h.Name {
	case manifestName:
		return true, t.compare(h.Size)
	case damagedName:
		if h.Size > maxDamaged || t.Damaged != nil {
			return false, errors.New("the list of damaged files is damaged")
		}
		raw, err := io.ReadAll(t.sum(damagedName))
		t.Damaged = strings.Split(strings.TrimSuffix(string(raw), "\n"), "\n")
		return false, err
	}
	if err := checkName(h.Name); err != nil {
		return false, err
	}
	t.Files++
	t.Bytes += h.Size
	body := t.sum(h.Name)
	if err := each(h, body); err != nil {
		return false, err
	}
	_, err = io.Copy(io.Discard, body) // so that its sum is taken, whatever each read
	return false, err
}

// compare compares the manifest with the one that the files make.
func (t *reader) compare(size int64) error {
	h := sha256.New()
	if n, err := io.Copy(h, t.tar); err != nil || n != size {
		return errors.Join(err, io.ErrUnexpectedEOF)
	}
	if !bytes.Equal(h.Sum(nil), t.manifest.Sum(nil)) {
		return errors.New("the backup is damaged: its files are not those that its manifest lists")
	}
	if _, err := t.tar.Next(); !errors.Is(err, io.EOF) {
		return errors.New("something stands after the backup's manifest")
	}
	return nil
}

// sumReader hashes what is read, and calls end once, at the end.
type sumReader struct {
	r    io.Reader
	h    hash.Hash
	end  func([]byte)
	done bool
}

func (s *sumReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.h.Write(p[:n])
	if err == io.EOF && !s.done {
		s.done = true
		s.end(s.h.Sum(nil))
	}
	return n, err
}

// contextReader ends with its context.
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

// modeOf is what a file may have of the mode in the archive: to be read by others.
func modeOf(h *tar.Header) fs.FileMode { return 0o600 | fs.FileMode(h.Mode)&0o044 }
