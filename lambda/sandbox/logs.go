package sandbox

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"sync"
	"syscall"
	"time"

	"glassine/confine"
)

const (
	// maxEvent is the most bytes of one log event; what is longer goes on in the next. (CloudWatch Logs quotas, "Event size".)
	maxEvent = 256 << 10
	// tailSize is what X-Amz-Log-Result holds at most. (Lambda API Reference, Invoke, LogType.)
	tailSize = 4 << 10
)

// logger takes what one process writes, and what is written about it, as log events of one stream.
type logger struct {
	v      Version
	stream string
	sink   func(Version, string, time.Time, []byte)
	now    func() time.Time
	min    int // of system events, with LogJSON

	mu      sync.Mutex // guards what follows, and is held during a read, so that drain sees what was read before
	lines   lines
	frames  frames
	tail    []byte // of the invocation under way, when wanted
	tailing bool

	output, log *os.File
	readers     sync.WaitGroup
}

func newLogger(cfg Config, v Version) *logger {
	var id [16]byte
	rand.Read(id[:])
	now := cfg.Now()
	return &logger{
		v: v, sink: cfg.Log, now: cfg.Now, min: levelRank(v.SystemLogLevel),
		stream: now.UTC().Format("2006/01/02/") + "[" + v.Version + "]" + hex.EncodeToString(id[:]),
	}
}

// read reads what the child writes until its end.
func (l *logger) read(c *confine.Child) {
	l.output, l.log = c.Output, c.Log
	l.readers.Go(func() { l.readAll(l.output, l.takeOutput) })
	l.readers.Go(func() { l.readAll(l.log, l.takeFrames) })
}

// readAll waits for bytes and takes them under the mutex.
func (l *logger) readAll(f *os.File, take func([]byte)) {
	raw, err := f.SyscallConn()
	if err != nil {
		return
	}
	buf := make([]byte, 16<<10)
	for {
		end := false
		err := raw.Read(func(fd uintptr) bool {
			l.mu.Lock()
			defer l.mu.Unlock()
			var any bool
			any, end = readAvailable(int(fd), buf, take)
			return any || end
		})
		if err != nil || end {
			return
		}
	}
}

// readAvailable reads until there is nothing more for now, or the end.
func readAvailable(fd int, buf []byte, take func([]byte)) (any, end bool) {
	for {
		n, err := syscall.Read(fd, buf)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return any, !errors.Is(err, syscall.EAGAIN)
		case n == 0:
			return any, true
		default:
			any = true
			take(buf[:n])
		}
	}
}

// drain takes what the child has written by now: it writes before it answers, so its invocation's log is then complete.
// The mutex is held.
func (l *logger) drain() {
	buf := make([]byte, 4<<10)
	for _, f := range []struct {
		file *os.File
		take func([]byte)
	}{{l.log, l.takeFrames}, {l.output, l.takeOutput}} {
		if raw, err := f.file.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { readAvailable(int(fd), buf, f.take) }) // fails when the file is closed: all is read
		}
	}
	l.lines.flush(l.event)
}

func (l *logger) takeOutput(b []byte) { l.lines.write(b, l.event) }
func (l *logger) takeFrames(b []byte) { l.frames.write(b, l.event) }

// event passes one event on. The mutex is held.
func (l *logger) event(at time.Time, line []byte) {
	if at.IsZero() {
		at = l.now()
	}
	for {
		part := line[:min(len(line), maxEvent)]
		if l.tailing {
			l.tail = append(append(l.tail, part...), '\n')
			if len(l.tail) > 4*tailSize {
				l.tail = append(l.tail[:0], l.tail[len(l.tail)-tailSize:]...)
			}
		}
		l.sink(l.v, l.stream, at, part)
		if line = line[len(part):]; len(line) == 0 {
			return
		}
	}
}

// takeTail returns the end of the invocation's log, if it was wanted.
func (l *logger) takeTail() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.tailing {
		return nil
	}
	tail := l.tail[max(len(l.tail)-tailSize, 0):]
	l.tail, l.tailing = nil, false
	return tail
}

// close waits until all is read. The child has ended.
func (l *logger) close() {
	l.readers.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines.flush(l.event)
}

// systemEvent is a line of Lambda's own about a process: its text, or its JSON form.
type systemEvent struct {
	text   string
	level  string // DEBUG, INFO or WARN
	kind   string // such as platform.start
	record any
}

func (l *logger) platform(at time.Time, e systemEvent) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.write(at, e)
}

// write writes a system event. The mutex is held.
func (l *logger) write(at time.Time, e systemEvent) {
	if !l.v.LogJSON {
		if e.text != "" {
			l.event(at, []byte(e.text))
		}
		return
	}
	if levelRank(e.level) < l.min {
		return
	}
	b, err := json.Marshal(struct {
		Time   string `json:"time"`
		Type   string `json:"type"`
		Record any    `json:"record"`
	}{at.UTC().Format("2006-01-02T15:04:05.000Z"), e.kind, e.record})
	if err == nil { // the records hold strings and numbers
		l.event(at, b)
	}
}

func levelRank(level string) int {
	switch level {
	case "TRACE":
		return -2
	case "DEBUG":
		return -1
	case "WARN":
		return 1
	case "ERROR":
		return 2
	case "FATAL":
		return 3
	}
	return 0 // INFO, the default
}

// begin writes the line before an invocation's own.
func (l *logger) begin(at time.Time, c *call, v Version) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drain() // what came before is not the invocation's
	l.tailing, l.tail = c.WantLogTail, nil
	l.write(at, systemEvent{
		text: "START RequestId: " + c.RequestID + " Version: " + v.Version, level: "INFO", kind: "platform.start",
		record: struct {
			RequestID string `json:"requestId"`
			Version   string `json:"version"`
		}{c.RequestID, v.Version},
	})
}

// end takes what the invocation still wrote, and writes the lines after it.
func (l *logger) end(at time.Time, c *call, r Result, v Version, out outcome, isolation string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drain()
	status, level := "success", "INFO"
	switch {
	case out.errorType == errorTimedOut:
		status = "timeout"
		if !v.LogJSON {
			l.event(at, fmt.Appendf(nil, "%s %s Task timed out after %.2f seconds", at.UTC().Format("2006-01-02T15:04:05.000Z"), c.RequestID, v.Timeout.Seconds()))
		}
	case out.failed && out.errorType == "Runtime.ExitError":
		status = "error"
	case out.failed:
		status = "failure"
	}
	if status != "success" {
		level = "WARN"
	}
	l.write(at, systemEvent{text: "END RequestId: " + c.RequestID})
	duration := float64(r.Duration.Microseconds()) / 1000
	text := fmt.Appendf(nil, "REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %.0f ms\tMemory Size: %d MB\tMax Memory Used: %d MB\t",
		c.RequestID, duration, math.Ceil(duration), v.MemoryMB, r.MaxMemoryMB)
	metrics := map[string]any{
		"durationMs": duration, "billedDurationMs": math.Ceil(duration), "memorySizeMB": v.MemoryMB, "maxMemoryUsedMB": r.MaxMemoryMB,
	}
	if r.InitDuration > 0 {
		text = fmt.Appendf(text, "Init Duration: %.2f ms\t", float64(r.InitDuration.Microseconds())/1000)
		metrics["initDurationMs"] = float64(r.InitDuration.Microseconds()) / 1000
	}
	if status == "timeout" || status == "error" {
		text = fmt.Appendf(text, "Status: %s\t", status)
	}
	text = fmt.Appendf(text, "Isolation: %s\t", isolation) // ours: see docs/aws-differences.md
	record := map[string]any{"requestId": c.RequestID, "status": status, "metrics": metrics, "isolation": isolation}
	if out.errorType != "" {
		record["errorType"] = out.errorType
	}
	if v.LogJSON {
		l.write(at, systemEvent{level: level, kind: "platform.report", record: record})
		return
	}
	l.event(at, text)
}

// initStart is the line about a process that begins.
func initStart(r interpreter, v Version) systemEvent {
	version, arn := r.runtimeVersion(v.Region)
	return systemEvent{
		text: "INIT_START Runtime Version: " + version + "\tRuntime Version ARN: " + arn, level: "INFO", kind: "platform.initStart",
		record: map[string]string{
			"initializationType": "on-demand", "phase": "init", "runtimeVersion": version, "runtimeVersionArn": arn,
			"functionName": v.FunctionName, "functionVersion": v.Version,
		},
	}
}

// lines cuts a byte stream into lines. A carriage return inside one becomes a line feed: runtimes without frames write
// events of several lines so.
type lines struct{ rest []byte }

func (s *lines) write(b []byte, event func(time.Time, []byte)) {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			s.rest = append(s.rest, b...)
			if len(s.rest) >= maxEvent {
				s.flush(event)
			}
			return
		}
		if len(s.rest) == 0 {
			event(time.Time{}, multiline(b[:i]))
		} else {
			s.rest = append(s.rest, b[:i]...)
			event(time.Time{}, multiline(s.rest))
			s.rest = s.rest[:0]
		}
		b = b[i+1:]
	}
}

// flush makes an event of a line that has no end.
func (s *lines) flush(event func(time.Time, []byte)) {
	if len(s.rest) > 0 {
		event(time.Time{}, multiline(s.rest))
		s.rest = s.rest[:0]
	}
}

func multiline(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if bytes.IndexByte(line, '\r') >= 0 {
		line = bytes.ReplaceAll(line, []byte("\r"), []byte("\n"))
	}
	return line
}

// frames cuts the stream of LogFD into events. A frame is, big endian: 4 bytes 0xa55a0000 with the level and the kind in
// the low half, 4 bytes of length, 8 bytes of microseconds since 1970, and the message. (The official runtime clients'
// framed telemetry log format.) Bytes that are no frame are taken as lines.
type frames struct {
	rest  []byte
	plain lines
	lost  bool // no frame was where one had to be
}

const (
	frameMagic  = 0xa55a0000
	frameHeader = 16
	maxFrame    = 1 << 20
)

func (s *frames) write(b []byte, event func(time.Time, []byte)) {
	if !s.lost {
		b = append(s.rest, b...)
		s.rest = nil
	}
	for len(b) > 0 && !s.lost {
		if len(b) < frameHeader {
			break
		}
		size := binary.BigEndian.Uint32(b[4:])
		if binary.BigEndian.Uint32(b)&0xffff0000 != frameMagic || size > maxFrame {
			s.lost = true
			break
		}
		if len(b) < frameHeader+int(size) {
			break
		}
		at := time.UnixMicro(int64(binary.BigEndian.Uint64(b[8:])))
		event(at, bytes.TrimSuffix(b[frameHeader:frameHeader+int(size)], []byte("\n")))
		b = b[frameHeader+int(size):]
	}
	if s.lost {
		s.plain.write(b, event)
		return
	}
	s.rest = append([]byte(nil), b...)
}
