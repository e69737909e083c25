package logs

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Files of a group are named <stream>.<number>.log: the first 32 hex digits of the SHA-256 of the stream's name, and which of
// its files it is. The first line is a header; each further one is an event.

// maxOpen is how many files of a group are held open for writing; maxFiles how many there may be.
const (
	maxOpen  = 16
	maxFiles = 10_000
)

type header struct {
	Stream  string `json:"stream"`
	Created int64  `json:"created"` // ms since 1970
}

// record is an event in a file. T is first: load reads it without parsing the whole line.
type record struct {
	T int64  `json:"t"` // its time, ms since 1970
	I int64  `json:"i"` // when it came
	M string `json:"m"`
}

// group is the files of a log group.
type group struct {
	dir        string
	most, full int64 // bytes of all files, and of one

	mu      sync.Mutex // held while files are written: an order of writes is what it is for
	loaded  bool
	gone    bool // deleted: nothing is written any more
	streams map[string]*stream
	bytes   int64 // of all files
	files   int
	open    []*stream // whose file is open, the least recently written first
}

// stream is the files of a log stream.
type stream struct {
	name     string
	id       string // of its files' names
	hash     uint64 // orders events of the same time
	created  int64
	ingested int64 // 0 when there are no events
	segments []segment
	w        *os.File // the last segment's, or nil
}

// segment is one file.
type segment struct {
	number   int
	size     int64
	min, max int64 // times of its events
	events   int
}

func newStream(name string, created int64) *stream {
	sum := sha256.Sum256([]byte(name))
	return &stream{name: name, id: hex.EncodeToString(sum[:16]), hash: binary.BigEndian.Uint64(sum[:8]), created: created}
}

func (g *group) path(id string, number int) string {
	return filepath.Join(g.dir, fmt.Sprintf("%s.%08d.log", id, number))
}

// span returns the times of the first and last event, and false without any.
func (s *stream) span() (first, last int64, ok bool) {
	for _, x := range s.segments {
		if x.events == 0 {
			continue
		}
		if !ok || x.min < first {
			first = x.min
		}
		if !ok || x.max > last {
			last = x.max
		}
		ok = true
	}
	return first, last, ok
}

func (s *stream) size() (n int64) {
	for _, x := range s.segments {
		n += x.size
	}
	return n
}

// load reads what the files of a group hold, once.
func (g *group) load() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.loaded {
		return nil
	}
	entries, err := os.ReadDir(g.dir)
	if errors.Is(err, fs.ErrNotExist) {
		g.loaded = true
		return nil
	}
	if err != nil {
		return fmt.Errorf("read log group: %w", err)
	}
	byID := map[string]*stream{}
	for _, e := range entries { // by name: a stream's files come in order
		id, rest, ok := strings.Cut(e.Name(), ".")
		number, err := strconv.Atoi(strings.TrimSuffix(rest, ".log"))
		if !ok || err != nil {
			continue
		}
		h, x, last, err := scan(g.path(id, number))
		if err != nil {
			return fmt.Errorf("read log file: %w", err)
		}
		if h.Stream == "" { // not even its header was written
			if err := os.Remove(g.path(id, number)); err != nil {
				return fmt.Errorf("remove empty log file: %w", err)
			}
			continue
		}
		s := byID[id]
		if s == nil {
			s = newStream(h.Stream, h.Created)
			byID[id] = s
			g.streams[s.name] = s
		}
		x.number = number
		s.segments = append(s.segments, x)
		s.ingested = max(s.ingested, last)
		g.bytes += x.size
		g.files++
	}
	g.loaded = true
	return nil
}

// scan reads a file's header and the times in it, and cuts off a line that was not written whole. last is when the last
// event came.
func scan(path string) (h header, x segment, last int64, err error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return h, x, 0, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	for {
		line, err := r.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) { // what is wanted stands at its beginning
			var rest []byte
			line = slices.Clone(line)
			rest, err = r.ReadSlice('\n')
			line = append(line, rest...)
		}
		if errors.Is(err, io.EOF) {
			if len(line) > 0 {
				return h, x, last, f.Truncate(x.size)
			}
			return h, x, last, nil
		}
		if err != nil {
			return h, x, last, err
		}
		if x.size == 0 {
			if json.Unmarshal(line, &h) != nil || h.Stream == "" {
				return header{}, x, 0, nil
			}
		} else if t, i, ok := times(line); ok {
			if x.events == 0 {
				x.min, x.max = t, t
			}
			x.min, x.max, last = min(x.min, t), max(x.max, t), i
			x.events++
		}
		x.size += int64(len(line))
	}
}

// times reads the times at the beginning of an event's line: {"t":1,"i":2,"m":"...
func times(line []byte) (t, i int64, ok bool) {
	rest, ok := bytes.CutPrefix(line, []byte(`{"t":`))
	if !ok {
		return 0, 0, false
	}
	a, rest, ok := bytes.Cut(rest, []byte(`,"i":`))
	if !ok || len(a) > 20 {
		return 0, 0, false
	}
	b, _, ok := bytes.Cut(rest, []byte(","))
	if !ok || len(b) > 20 {
		return 0, 0, false
	}
	t, err := strconv.ParseInt(string(a), 10, 64)
	i, err2 := strconv.ParseInt(string(b), 10, 64)
	return t, i, err == nil && err2 == nil
}

// create makes a stream. false says that there is one.
func (g *group) create(name string, now int64) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone {
		return false, noGroup()
	}
	if g.streams[name] != nil {
		return false, nil
	}
	s := newStream(name, now)
	if err := g.begin(s); err != nil {
		return false, err
	}
	g.streams[name] = s
	return true, g.bound()
}

// begin starts the stream's next file. The mutex is held.
func (g *group) begin(s *stream) error {
	g.shut(s)
	if err := os.MkdirAll(g.dir, 0o700); err != nil {
		return fmt.Errorf("make log group: %w", err)
	}
	number := 1
	if n := len(s.segments); n > 0 {
		number = s.segments[n-1].number + 1
	}
	f, err := os.OpenFile(g.path(s.id, number), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("make log file: %w", err)
	}
	line, err := json.Marshal(header{s.name, s.created})
	if err == nil {
		_, err = f.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("make log file: %w", errors.Join(err, f.Close(), os.Remove(f.Name())))
	}
	s.segments = append(s.segments, segment{number: number, size: int64(len(line) + 1)})
	s.w = f
	g.bytes += int64(len(line) + 1)
	g.files++
	g.used(s)
	return nil
}

// used moves the stream to the end of those whose file is open, and closes the first when there are too many. The mutex is
// held.
func (g *group) used(s *stream) {
	if n := len(g.open); n > 0 && g.open[n-1] == s {
		return
	}
	g.open = append(slices.DeleteFunc(g.open, func(o *stream) bool { return o == s }), s)
	if len(g.open) > maxOpen {
		g.shut(g.open[0])
	}
}

// shut closes the stream's file. The mutex is held.
func (g *group) shut(s *stream) {
	if s.w != nil {
		_ = s.w.Close() // every write's error was seen
		s.w = nil
	}
	g.open = slices.DeleteFunc(g.open, func(o *stream) bool { return o == s })
}

// write appends events to a stream. false says that there is none.
func (g *group) write(name string, events []Event, now int64) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.streams[name]
	if s == nil || g.gone {
		return false, nil
	}
	if s.segments[len(s.segments)-1].size >= g.full {
		if err := g.begin(s); err != nil {
			return true, err
		}
	}
	x := &s.segments[len(s.segments)-1]
	if s.w == nil {
		f, err := os.OpenFile(g.path(s.id, x.number), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			return true, fmt.Errorf("open log file: %w", err)
		}
		s.w = f
	}
	g.used(s)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	for _, v := range events {
		if err := e.Encode(record{v.Time, now, v.Message}); err != nil {
			return true, err // strings always encode
		}
	}
	if _, err := s.w.Write(b.Bytes()); err != nil {
		return true, fmt.Errorf("write log: %w", errors.Join(err, s.w.Truncate(x.size))) // no half line stays
	}
	for _, v := range events {
		if x.events == 0 {
			x.min, x.max = v.Time, v.Time
		}
		x.min, x.max = min(x.min, v.Time), max(x.max, v.Time)
		x.events++
	}
	x.size += int64(b.Len())
	g.bytes += int64(b.Len())
	s.ingested = now
	return true, g.bound()
}

// bound removes the oldest files when there are too many or too large ones. A stream that loses its last file is gone. The
// mutex is held.
func (g *group) bound() error {
	for g.bytes > g.most || g.files > maxFiles {
		var oldest *stream
		for _, s := range g.streams {
			if oldest == nil || cmp.Compare(s.age(), oldest.age()) < 0 {
				oldest = s
			}
		}
		if oldest == nil || g.files == 1 {
			return nil
		}
		if err := g.drop(oldest, 0); err != nil {
			return err
		}
	}
	return nil
}

// age is the time of the newest event of the stream's first file; when it was made, without one.
func (s *stream) age() int64 {
	if x := s.segments[0]; x.events > 0 {
		return x.max
	}
	return s.created
}

// drop removes one file of a stream. The mutex is held.
func (g *group) drop(s *stream, i int) error {
	x := s.segments[i]
	if i == len(s.segments)-1 {
		g.shut(s)
	}
	if err := os.Remove(g.path(s.id, x.number)); err != nil {
		return fmt.Errorf("remove log file: %w", err)
	}
	g.bytes -= x.size
	g.files--
	s.segments = slices.Delete(s.segments, i, i+1)
	if len(s.segments) == 0 {
		delete(g.streams, s.name)
	}
	return nil
}

// expire removes files that have no event of that time or later. Of a stream that has events, the last file stays.
func (g *group) expire(oldest int64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range g.streams {
		for i := len(s.segments) - 2; i >= 0; i-- {
			if s.segments[i].max < oldest {
				if err := g.drop(s, i); err != nil {
					return err
				}
			}
		}
		if x := s.segments[len(s.segments)-1]; len(s.segments) == 1 && x.events > 0 && x.max < oldest {
			if err := g.drop(s, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// remove deletes a stream. false says that there is none.
func (g *group) remove(name string) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.streams[name]
	if s == nil {
		return false, nil
	}
	for len(s.segments) > 0 {
		if err := g.drop(s, len(s.segments)-1); err != nil {
			return true, err
		}
	}
	return true, nil
}

func (g *group) size() int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.bytes
}

func (g *group) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.open) > 0 {
		g.shut(g.open[0])
	}
	return nil
}

// destroy closes the files of a group that is deleted.
func (g *group) destroy() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone = true
	for len(g.open) > 0 {
		g.shut(g.open[0])
	}
	return nil
}
