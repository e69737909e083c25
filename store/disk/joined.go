package disk

import (
	"errors"
	"io"
	"os"
	"sort"
	"sync"
)

// joined is the body of an object that is several files, each plain or encrypted. Read, WriteTo and Close are for
// one goroutine; ReadAt may be called beside them. It opens a file when it comes to it, and holds the blobs until Close.
type joined struct {
	blobs  *blobs
	pieces []piece
	len    int64
	pos    int64 // of the next Read

	mu     sync.Mutex // guards what follows
	idle   pieceFile  // a file that nobody reads just now, nil if there is none
	idleOf int        // its piece
	closed bool
}

// piece is a segment of the body.
type piece struct {
	segment
	start int64 // where it is in the body
	rec   blobRecord
}

// pieceFile reads a blob's plaintext. It is for one goroutine at a time.
type pieceFile interface {
	io.ReaderAt
	io.Closer
}

var errClosedBody = errors.New("read of a closed body")

// openPiece opens the plaintext of a blob.
func (b *blobs) openPiece(id blobID, rec blobRecord) (pieceFile, error) {
	f, err := b.open(id, rec)
	if err != nil || rec.key == nil {
		return f, err
	}
	key, err := b.keys.unwrap(id, rec.key)
	if err == nil {
		var s *sealedFile
		if s, err = newSealedFile(f, key, rec.size); err == nil {
			return s, nil
		}
	}
	return nil, errors.Join(err, f.Close())
}

// take returns the file of a piece; put gives it back.
func (j *joined) take(i int) (pieceFile, error) {
	j.mu.Lock()
	closed, f := j.closed, j.idle
	if f != nil && j.idleOf == i {
		j.idle = nil
	} else {
		f = nil
	}
	j.mu.Unlock()
	switch {
	case closed:
		return nil, errClosedBody
	case f != nil:
		return f, nil
	}
	return j.blobs.openPiece(j.pieces[i].blob, j.pieces[i].rec)
}

func (j *joined) put(i int, f pieceFile) {
	j.mu.Lock()
	if !j.closed {
		f, j.idle, j.idleOf = j.idle, f, i
	}
	j.mu.Unlock()
	if f != nil {
		f.Close()
	}
}

// find returns the piece in which the byte at pos is. pos is less than len.
func (j *joined) find(pos int64) int {
	return sort.Search(len(j.pieces), func(i int) bool { return j.pieces[i].start > pos }) - 1
}

// Read implements io.Reader.
func (j *joined) Read(p []byte) (int, error) { return readOn(j, p, &j.pos) }

// ReadAt implements io.ReaderAt; off is relative to the range that the body is.
func (j *joined) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errNegative
	}
	for n < len(p) {
		if off >= j.len {
			return n, io.EOF
		}
		i := j.find(off)
		m, err := j.readPiece(i, p[n:], off-j.pieces[i].start)
		n += m
		off += int64(m)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// readPiece reads from off within a piece until p is full or the piece ends.
func (j *joined) readPiece(i int, p []byte, off int64) (int, error) {
	f, err := j.take(i)
	if err != nil {
		return 0, err
	}
	defer j.put(i, f)
	p = p[:min(int64(len(p)), j.pieces[i].size-off)]
	n, err := f.ReadAt(p, j.pieces[i].off+off)
	if n == len(p) {
		return n, nil
	}
	if errors.Is(err, io.EOF) { // the file is shorter than its range: somebody cut it
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// WriteTo implements io.WriterTo. As with Body, plain files may go by sendfile(2).
func (j *joined) WriteTo(w io.Writer) (total int64, err error) {
	for j.pos < j.len && err == nil {
		i := j.find(j.pos)
		var n int64
		n, err = j.writePiece(w, i)
		total += n
		j.pos += n
	}
	return total, err
}

// writePiece writes the rest of a piece.
func (j *joined) writePiece(w io.Writer, i int) (int64, error) {
	f, err := j.take(i)
	if err != nil {
		return 0, err
	}
	defer j.put(i, f)
	done := j.pos - j.pieces[i].start
	off, want := j.pieces[i].off+done, j.pieces[i].size-done
	if sealed, ok := f.(*sealedFile); ok {
		return sealed.writeTo(w, off, want)
	}
	file := f.(*os.File)
	if _, err := file.Seek(off, io.SeekStart); err != nil {
		return 0, err
	}
	n, err := io.Copy(w, io.LimitReader(file, want))
	if err == nil && n < want {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// Close implements io.Closer.
func (j *joined) Close() error {
	j.mu.Lock()
	closed, f := j.closed, j.idle
	j.closed, j.idle = true, nil
	j.mu.Unlock()
	if closed {
		return os.ErrClosed
	}
	var err error
	if f != nil {
		err = f.Close()
	}
	return errors.Join(err, j.blobs.letGo(j.ids()))
}

// ids returns the blobs of the pieces.
func (j *joined) ids() []blobID {
	ids := make([]blobID, len(j.pieces))
	for i, p := range j.pieces {
		ids[i] = p.blob
	}
	return ids
}
