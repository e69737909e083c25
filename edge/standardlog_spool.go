package edge

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// logSpool keeps the lines of standard logs on disk until their files are delivered. A file is named as its object will be,
//
//	<distribution>.<YYYY-MM-DD-HH>.<8 hex>.open   lines are added
//	<distribution>.<YYYY-MM-DD-HH>.<8 hex>.log    it waits for its delivery, and goes after it
//
// and begins with a logHead. So what is delivered again, because nobody knows whether it was, replaces its like. One goroutine
// writes and another delivers; who answers a request adds to memory only.
type logSpool struct {
	cfg StandardLog
	now func() time.Time
	log *slog.Logger

	mu       sync.Mutex          // guards what follows
	files    map[string]*logFile // that lines are added to, by distribution
	full     []*logFile          // the others, to be finished
	buffered int                 // bytes of all
	closed   bool
	stats    LogStats

	ctx     context.Context
	cancel  context.CancelFunc
	stop    chan struct{}
	due     chan struct{} // a file waits for its delivery
	running sync.WaitGroup
}

// LogStats counts what became of standard logs since the start.
type LogStats struct {
	Lines     int64 // that were taken
	Lost      int64 // lines that were dropped: the memory or the disk was full
	Files     int64 // that were delivered
	Failed    int64 // deliveries that failed; they are tried again
	Waiting   int64 // bytes on disk that wait for their delivery
	LastError string
}

// logFile is one file on its way. Lines are under the spool's mu, the rest is the writing goroutine's.
type logFile struct {
	head, hour string
	began      time.Time
	lines      []byte // not yet written
	size       int    // bytes of all its lines

	path    string   // without its ending
	file    *os.File // nil: nothing was written yet
	written int64    // bytes of file
}

// Bounds of the spool.
const (
	logFlush    = time.Second      // lines are in memory alone for so long
	logBuffered = 16 << 20         // bytes of lines in memory, of all logs
	logFileSize = 32 << 20         // bytes of a file, which is held whole when it is compressed
	logRetry    = 30 * time.Second // after a delivery failed
	logClosing  = 5 * time.Second  // for the deliveries at the end
)

// openLogSpool makes the spool of cfg and delivers what an earlier process left. The caller closes it.
func openLogSpool(cfg StandardLog, now func() time.Time, log *slog.Logger) (*logSpool, error) {
	cfg.Every, cfg.Bytes = cmp.Or(cfg.Every, 5*time.Minute), cmp.Or(cfg.Bytes, 1<<30)
	s := &logSpool{cfg: cfg, now: now, log: log, files: map[string]*logFile{}, stop: make(chan struct{}), due: make(chan struct{}, 1)}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of standard logs: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(cfg.Dir, "*.open"))
	if err != nil {
		return nil, fmt.Errorf("read the directory of standard logs: %w", err)
	}
	for _, path := range left {
		if err := mendLog(path); err != nil {
			return nil, err
		}
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.running.Go(s.writing)
	s.running.Go(s.delivering)
	s.wake()
	return s, nil
}

// mendLog makes a file that lines were added to when its process ended one that waits, without a torn last line.
func mendLog(path string) error {
	content, err := os.ReadFile(path) // at most logFileSize and one flush
	if err != nil {
		return fmt.Errorf("read standard log: %w", err)
	}
	whole := bytes.LastIndexByte(content, '\n') + 1
	if _, lines, _ := bytes.Cut(content[:whole], []byte("\n")); len(lines) == 0 {
		return os.Remove(path)
	}
	if whole < len(content) {
		if err := os.Truncate(path, int64(whole)); err != nil {
			return fmt.Errorf("mend standard log: %w", err)
		}
	}
	return os.Rename(path, strings.TrimSuffix(path, ".open")+".log")
}

func (h logHead) line() string {
	b, err := json.Marshal(h)
	if err != nil {
		panic(err) // strings
	}
	return string(b) + "\n"
}

// add takes a line of t's log. It does not wait for the disk.
func (s *logSpool) add(t *logTarget, now time.Time, line []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.buffered+len(line) > logBuffered {
		s.stats.Lost++
		return
	}
	hour := now.UTC().Format("2006-01-02-15")
	f := s.files[t.id]
	if f != nil && (f.hour != hour || f.head != t.head || f.size > logFileSize) {
		s.full = append(s.full, f)
		f = nil
	}
	if f == nil {
		var unique [4]byte
		rand.Read(unique[:])
		f = &logFile{head: t.head, hour: hour, began: now, path: filepath.Join(s.cfg.Dir, t.id+"."+hour+"."+hex.EncodeToString(unique[:]))}
		s.files[t.id] = f
	}
	f.lines = append(f.lines, line...)
	f.size += len(line)
	s.buffered += len(line)
	s.stats.Lines++
}

// writing writes lines to their files each logFlush, and ends files that are due.
func (s *logSpool) writing() {
	tick := time.NewTicker(logFlush)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.flush(false)
		case <-s.stop:
			s.flush(true)
			return
		}
	}
}

// flush writes what is in memory; with all, every file is then to be delivered.
func (s *logSpool) flush(all bool) {
	s.mu.Lock()
	now := s.now()
	for id, f := range s.files {
		if all || now.Sub(f.began) >= s.cfg.Every || f.hour != now.UTC().Format("2006-01-02-15") {
			s.full = append(s.full, f)
			delete(s.files, id)
		}
	}
	full := s.full
	s.full = nil
	type part struct {
		f     *logFile
		lines []byte
		ends  bool
	}
	var parts []part
	take := func(f *logFile, ends bool) {
		parts = append(parts, part{f, f.lines, ends})
		s.buffered -= len(f.lines)
		f.lines = nil
	}
	for _, f := range full {
		take(f, true)
	}
	for _, f := range s.files {
		take(f, false)
	}
	s.mu.Unlock()
	for _, p := range parts {
		if err := p.f.write(p.lines, p.ends); err != nil {
			s.fail("standard log not written", err, int64(bytes.Count(p.lines, []byte("\n"))))
		}
	}
	if len(full) > 0 {
		s.wake()
	}
}

func (s *logSpool) wake() {
	select {
	case s.due <- struct{}{}:
	default:
	}
}

// write adds lines to the file and syncs it. With ends it then waits for its delivery.
func (f *logFile) write(lines []byte, ends bool) error {
	if f.file == nil {
		file, err := os.OpenFile(f.path+".open", os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		f.file, lines = file, append([]byte(f.head), lines...)
	}
	if len(lines) == 0 && !ends {
		return nil
	}
	_, err := f.file.Write(lines)
	if err != nil {
		err = errors.Join(err, f.file.Truncate(f.written)) // a full disk: no line is torn, and the next begins a line
		_, _ = f.file.Seek(f.written, io.SeekStart)        // an error is the next write's
	} else {
		f.written += int64(len(lines))
		err = f.file.Sync()
	}
	if !ends {
		return err
	}
	return errors.Join(err, f.file.Close(), os.Rename(f.path+".open", f.path+".log"))
}

// fail notes what went wrong, and how many lines it cost.
func (s *logSpool) fail(what string, err error, lost int64) {
	s.mu.Lock()
	s.stats.Lost += lost
	s.stats.LastError = err.Error()
	s.mu.Unlock()
	s.log.LogAttrs(s.ctx, slog.LevelError, what, slog.String("error", err.Error()), slog.Int64("lines", lost))
}

// delivering delivers the files that wait, whenever there is a new one and some time after a failure, until the spool is closed.
func (s *logSpool) delivering() {
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-s.due:
		case <-retry.C:
		case <-s.ctx.Done():
			return
		}
		if !s.deliver(s.ctx) {
			retry.Reset(logRetry)
		}
	}
}

// deliver delivers every file that waits, the oldest first; false when one could not be. A file whose bucket fails does not hold
// up those of others.
func (s *logSpool) deliver(ctx context.Context) bool {
	files, err := s.waiting()
	if err != nil {
		s.fail("standard logs not delivered", err, 0)
		return false
	}
	good, failed := true, map[string]bool{}
	for _, path := range files {
		id, _, _ := strings.Cut(filepath.Base(path), ".")
		if ctx.Err() != nil || failed[id] {
			good = false
			continue
		}
		switch err := s.deliverFile(ctx, path); {
		case err == nil:
			s.mu.Lock()
			s.stats.Files++
			s.mu.Unlock()
		case ctx.Err() == nil:
			good, failed[id] = false, true
			s.mu.Lock()
			s.stats.Failed++
			s.mu.Unlock()
			s.fail("standard log not delivered", err, 0)
		}
	}
	_, err = s.waiting()
	return good && err == nil
}

// waiting returns the files that wait, the oldest first, after the oldest of too many went.
func (s *logSpool) waiting() ([]string, error) {
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return nil, err
	}
	type waiting struct {
		path string
		size int64
		at   time.Time
	}
	var files []waiting
	total := int64(0)
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || filepath.Ext(entry.Name()) != ".log" {
			continue
		}
		files = append(files, waiting{filepath.Join(s.cfg.Dir, entry.Name()), info.Size(), info.ModTime()})
		total += info.Size()
	}
	slices.SortFunc(files, func(a, b waiting) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.path, b.path)) })
	for total > s.cfg.Bytes && len(files) > 0 {
		content, err := os.ReadFile(files[0].path)
		if err := errors.Join(err, os.Remove(files[0].path)); err != nil {
			return nil, err
		}
		s.fail("standard log dropped: too much waits for its delivery", errors.New(filepath.Base(files[0].path)), int64(bytes.Count(content, []byte("\n"))-1))
		total -= files[0].size
		files = files[1:]
	}
	s.mu.Lock()
	s.stats.Waiting = total
	s.mu.Unlock()
	paths := make([]string, len(files))
	for i, f := range files {
		paths[i] = f.path
	}
	return paths, nil
}

// deliverFile puts one file into its bucket, and removes it.
func (s *logSpool) deliverFile(ctx context.Context, path string) error {
	content, err := os.ReadFile(path) // at most logFileSize and one flush
	if err != nil {
		return err
	}
	first, lines, _ := bytes.Cut(content, []byte("\n"))
	var head logHead
	if err := json.Unmarshal(first, &head); err != nil {
		s.fail("standard log dropped: it is damaged", fmt.Errorf("%s: %w", filepath.Base(path), err), int64(bytes.Count(lines, []byte("\n"))))
		return os.Remove(path)
	}
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	_, err = w.Write([]byte(w3cHead))
	if err == nil {
		_, err = w.Write(lines)
	}
	if err := errors.Join(err, w.Close()); err != nil {
		return err // a buffer gives none
	}
	key := head.Prefix + strings.TrimSuffix(filepath.Base(path), ".log") + ".gz"
	if err := s.cfg.Delivery.PutLog(ctx, head.ARN, head.Bucket, key, body.Bytes()); err != nil {
		return fmt.Errorf("put %s into the bucket %s: %w", key, head.Bucket, err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// close writes and delivers what there is, as far as that takes logClosing at most; the next process delivers the rest.
func (s *logSpool) close() {
	if s == nil {
		return
	}
	s.mu.Lock()
	was := s.closed
	s.closed = true
	s.mu.Unlock()
	if was {
		return
	}
	s.cancel() // of a delivery under way, which is done again
	close(s.stop)
	s.running.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), logClosing)
	defer cancel()
	s.deliver(ctx)
}

// LogStats returns what became of standard logs; all zero without any.
func (e *Edge) LogStats() LogStats {
	if e.spool == nil {
		return LogStats{}
	}
	e.spool.mu.Lock()
	defer e.spool.mu.Unlock()
	return e.spool.stats
}
