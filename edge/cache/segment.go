package cache

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

// segment is a file of records. It begins with segmentHead bytes: magic (8), id (8), floor (8), CRC-32C of these (4), and
// 4 that are zero. Once it gets no more records it ends with its contents: 16 bytes for each record, which are hash (8),
// offset (4) and length (4, 0 for a tombstone), then segmentTail bytes: how many there are (4), CRC-32C of everything
// from the first of them on without this field (4), where they begin (8), the highest stamp (8), magic (8). All numbers
// are big-endian.
type segment struct {
	id    uint32
	path  string
	file  *os.File
	floor uint64 // purge generation at its beginning; no record has an earlier stamp

	refs    atomic.Int64 // readers, and 1 while it is not dropped; the file is closed at 0
	dropped atomic.Bool
	size    atomic.Int64 // bytes of the file

	// Of the segment that gets records; for the writer.
	end      int64 // of the records
	contents []content
	stamp    uint64 // the highest of its records
}

// content is one record in a segment.
type content struct {
	hash         uint64
	offset, size uint32
}

// extent is where a body is in a segment; without a segment it is in memory.
type extent struct {
	segment *segment
	offset  int64
	sum     uint32 // CRC-32C of the body
}

const (
	segmentMagic   = 0x474c53454731_0001 // GLSEG1, version 1
	segmentHead    = 32
	segmentTail    = 32
	contentSize    = 16
	largestSegment = 256 << 20
	segmentSuffix  = ".segment"
)

var errSegment = errors.New("segment is damaged")

// createSegment makes the file of segment id in dir.
func createSegment(dir string, id uint32, floor uint64) (*segment, error) {
	path := filepath.Join(dir, fmt.Sprintf("%010d", id)+segmentSuffix)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	s := &segment{id: id, path: path, file: f, floor: floor, end: segmentHead}
	s.refs.Store(1)
	s.size.Store(segmentHead)
	b := make([]byte, segmentHead)
	binary.BigEndian.PutUint64(b, segmentMagic)
	binary.BigEndian.PutUint64(b[8:], uint64(id))
	binary.BigEndian.PutUint64(b[16:], floor)
	binary.BigEndian.PutUint32(b[24:], crc32.Checksum(b[:24], castagnoli))
	if _, err := f.WriteAt(b, 0); err != nil {
		f.Close()
		os.Remove(path)
		return nil, err
	}
	return s, nil
}

// segmentID reads a file's name.
func segmentID(name string) (uint32, bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), ok && err == nil && len(digits) == 10
}

// openSegment opens a file of an earlier run and reads its contents: from its end, or record by record when it was not
// finished. Then what follows the last whole record is cut off.
func openSegment(path string, id uint32) (*segment, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	s := &segment{id: id, path: path, file: f}
	s.refs.Store(1)
	info, err := f.Stat()
	if err == nil {
		s.size.Store(info.Size())
		err = s.read(f, info.Size())
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

// read is openSegment on a file of size bytes.
func (s *segment) read(f io.ReaderAt, size int64) error {
	b := make([]byte, segmentHead)
	if _, err := f.ReadAt(b, 0); err != nil {
		return errSegment
	}
	if binary.BigEndian.Uint64(b) != segmentMagic || binary.BigEndian.Uint64(b[8:]) != uint64(s.id) ||
		binary.BigEndian.Uint32(b[24:]) != crc32.Checksum(b[:24], castagnoli) || size > largestSegment+segmentTail {
		return errSegment
	}
	s.floor = binary.BigEndian.Uint64(b[16:])
	if s.readContents(f, size) {
		return nil
	}
	return s.scan(f, size)
}

// readContents reads the contents at the end; false when they are not there or not sound.
func (s *segment) readContents(f io.ReaderAt, size int64) bool {
	tail := make([]byte, segmentTail)
	if size < segmentHead+segmentTail {
		return false
	}
	if _, err := f.ReadAt(tail, size-segmentTail); err != nil {
		return false
	}
	n := int64(binary.BigEndian.Uint32(tail))
	begin := binary.BigEndian.Uint64(tail[8:])
	if binary.BigEndian.Uint64(tail[24:]) != segmentMagic || begin < segmentHead || begin != uint64(size-segmentTail-n*contentSize) {
		return false
	}
	b := make([]byte, n*contentSize+segmentTail)
	if _, err := f.ReadAt(b, int64(begin)); err != nil {
		return false
	}
	if contentSum(b) != binary.BigEndian.Uint32(tail[4:]) {
		return false
	}
	s.end, s.stamp = int64(begin), binary.BigEndian.Uint64(tail[16:])
	s.contents = make([]content, n)
	at := int64(segmentHead)
	for i := range s.contents {
		p := b[i*contentSize:]
		c := content{binary.BigEndian.Uint64(p), binary.BigEndian.Uint32(p[8:]), binary.BigEndian.Uint32(p[12:])}
		if int64(c.offset) != at || int64(c.offset)+c.bytes() > s.end || c.size != 0 && c.size < recordFixed {
			s.contents = nil
			return false
		}
		at += c.bytes()
		s.contents[i] = c
	}
	return true
}

// bytes is how many bytes the record has.
func (c content) bytes() int64 {
	if c.size == 0 {
		return recordFixed
	}
	return int64(c.size)
}

// contentSum is the sum of contents with their tail.
func contentSum(b []byte) uint32 {
	n := len(b) - segmentTail
	return crc32.Update(crc32.Checksum(b[:n+4], castagnoli), castagnoli, b[n+8:])
}

// scan reads record by record to the first that is not whole.
func (s *segment) scan(f io.ReaderAt, size int64) error {
	s.end, s.contents, s.stamp = segmentHead, nil, s.floor
	w := window{f: f, size: size}
	for {
		b, err := w.get(s.end, recordFixed)
		if b == nil {
			return err
		}
		r, ok := parseRecord(b)
		if !ok || s.end+r.size() > size {
			return nil
		}
		if b, err = w.get(s.end, recordFixed+int(r.head)); b == nil {
			return err
		}
		if !r.check(b) {
			return nil
		}
		s.note(r)
	}
}

// window is the part of a file that is in memory.
type window struct {
	f    io.ReaderAt
	size int64
	at   int64
	buf  []byte
}

// get returns n bytes from at, nil when the file does not have them.
func (w *window) get(at int64, n int) ([]byte, error) {
	if at+int64(n) > w.size {
		return nil, nil
	}
	if at < w.at || at+int64(n) > w.at+int64(len(w.buf)) {
		want := int(min(int64(max(n, 256<<10)), w.size-at))
		if cap(w.buf) < want {
			w.buf = make([]byte, want)
		}
		w.at, w.buf = at, w.buf[:want]
		if _, err := w.f.ReadAt(w.buf, at); err != nil && err != io.EOF {
			w.buf = w.buf[:0]
			return nil, err
		}
	}
	return w.buf[at-w.at:][:n], nil
}

// note counts a record at the end as there.
func (s *segment) note(r record) {
	c := content{hash: r.hash, offset: uint32(s.end), size: uint32(r.size())}
	if r.tombstone {
		c.size = 0
	}
	s.contents = append(s.contents, c)
	s.stamp = max(s.stamp, r.stamp)
	s.end += r.size()
}

// finish writes the contents behind the records, and cuts off what may have been there.
func (s *segment) finish(write func(*os.File, []byte, int64) error) error {
	b := make([]byte, 0, len(s.contents)*contentSize+segmentTail)
	for _, c := range s.contents {
		b = binary.BigEndian.AppendUint64(b, c.hash)
		b = binary.BigEndian.AppendUint32(b, c.offset)
		b = binary.BigEndian.AppendUint32(b, c.size)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(s.contents)))
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(s.end))
	b = binary.BigEndian.AppendUint64(b, s.stamp)
	b = binary.BigEndian.AppendUint64(b, segmentMagic)
	binary.BigEndian.PutUint32(b[len(b)-segmentTail+4:], contentSum(b))
	if err := s.file.Truncate(s.end); err != nil {
		return err
	}
	if err := write(s.file, b, s.end); err != nil {
		return err
	}
	s.size.Store(s.end + int64(len(b)))
	return nil
}

// acquire keeps the file open until release; false when it was dropped.
func (s *segment) acquire() bool {
	for {
		n := s.refs.Load()
		if n == 0 || s.dropped.Load() {
			return false
		}
		if s.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (s *segment) release() {
	if s.refs.Add(-1) == 0 {
		s.file.Close()
	}
}
