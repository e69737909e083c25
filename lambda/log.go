package lambda

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"glassine/iam"
	"glassine/lambda/sandbox"
)

// maxTail is how much of its log an invocation returns. (Lambda API Reference, Invoke, LogType.)
const maxTail = 4 << 10

// writers are the sessions with which functions write their logs, by execution role, and the streams of functions that are
// no processes.
type writers struct {
	mu      sync.Mutex
	callers map[string]writer // by role and function
	streams map[string]string // by version's ARN and day
}

type writer struct {
	caller iam.Caller
	ends   time.Time
}

// writerOf is the execution role's session that writes a function's log. As on AWS, a function whose role may not write to
// its log group leaves no log. (Lambda Developer Guide, "Sending Lambda function logs to CloudWatch Logs".)
func (s *Service) writerOf(ctx context.Context, role, function string) (iam.Caller, error) {
	key, now := role+" "+function, s.cfg.Now()
	s.writers.mu.Lock()
	w, ok := s.writers.callers[key]
	s.writers.mu.Unlock()
	if ok && now.Before(w.ends) {
		return w.caller, nil
	}
	creds, err := s.cfg.IAM.AssumeForService(ctx, role, []string{ServicePrincipal}, function, minimumLife)
	if err != nil {
		return iam.Caller{}, err
	}
	_, c, err := s.cfg.IAM.Lookup(ctx, creds.AccessKeyID, creds.SessionToken)
	if err != nil {
		return iam.Caller{}, err
	}
	s.writers.mu.Lock()
	defer s.writers.mu.Unlock()
	if s.writers.callers == nil || len(s.writers.callers) > 10000 { // of roles and functions that are long gone
		s.writers.callers = map[string]writer{}
	}
	s.writers.callers[key] = writer{c, now.Add(time.Minute)} // a trust that was withdrawn holds no longer
	return c, nil
}

// WriteLog takes a line of a process's log. It is sandbox.Config's Log.
func (s *Service) WriteLog(v sandbox.Version, stream string, at time.Time, line []byte) {
	if own, ok := s.versionOf(v); ok {
		s.writeLines(own.Role, v.FunctionName, v.Region, v.LogGroup, stream, []time.Time{at}, [][]byte{line})
	}
}

// writeLines writes as the role. What cannot be written is lost, as on AWS, and our own log says so once in a while.
func (s *Service) writeLines(role, function, region, group, stream string, at []time.Time, lines [][]byte) {
	if s.cfg.Logs == nil {
		return
	}
	c, err := s.writerOf(s.ctx, role, function)
	if err == nil {
		err = s.cfg.Logs.Lines(s.ctx, c, region, group, stream, at, lines)
	}
	if err != nil && s.ctx.Err() == nil {
		s.cfg.Log.Debug("a function's log is lost", "function", function, "role", role, "error", err.Error())
	}
}

// invocationLog gathers what Lambda itself writes about an invocation of code that is no process, and writes it when that
// has ended, so that nobody waits for it. (Lambda Developer Guide, "Log levels and formats".)
type invocationLog struct {
	x      *execution
	stream string
	region string
	group  string
	last   lastBytes
	at     []time.Time
	lines  [][]byte
}

func (x *execution) newLog() *invocationLog {
	l := &invocationLog{x: x, region: x.function.Region, group: x.version.Logging.Group, last: lastBytes{most: maxTail}}
	if l.group == "" { // of a record that is older than the field
		l.group = "/aws/lambda/" + x.function.Name
	}
	if x.edge {
		l.region, l.group = x.s.cfg.Region, "/aws/lambda/"+x.function.Region+"."+x.function.Name
	}
	l.stream = x.s.streamOf(x.function.ARN, x.version)
	return l
}

// streamOf is the log stream of a version that is no process: one a day, until this program ends.
func (s *Service) streamOf(function string, v Version) string {
	day := s.cfg.Now().UTC().Format("2006/01/02")
	key := function + ":" + v.Number + " " + day
	s.writers.mu.Lock()
	defer s.writers.mu.Unlock()
	stream, ok := s.writers.streams[key]
	if !ok {
		var b [16]byte
		rand.Read(b[:])
		stream = day + "/[" + v.Number + "]" + hex.EncodeToString(b[:])
		if s.writers.streams == nil || len(s.writers.streams) > 10000 { // of days that are past
			s.writers.streams = map[string]string{}
		}
		s.writers.streams[key] = stream
	}
	return stream
}

func (l *invocationLog) write(line string) {
	x := l.x
	if x.call.WantLogTail {
		l.last.line([]byte(line))
	}
	l.at, l.lines = append(l.at, x.s.cfg.Now()), append(l.lines, []byte(line))
}

// event writes a line of the JSON format.
func (l *invocationLog) event(kind string, record map[string]any) {
	line, err := json.Marshal(map[string]any{"time": l.x.s.cfg.Now().UTC().Format("2006-01-02T15:04:05.000Z"), "type": kind, "record": record})
	if err == nil { // strings and numbers always encode
		l.write(string(line))
	}
}

func (l *invocationLog) json() bool { return l.x.version.Logging.Format == "JSON" }

func (l *invocationLog) start() {
	if l.json() {
		if l.x.version.Logging.SystemLevel != "WARN" {
			l.event("platform.start", map[string]any{"requestId": l.x.call.RequestID, "version": l.x.version.Number})
		}
		return
	}
	l.write(fmt.Sprintf("START RequestId: %s Version: %s", l.x.call.RequestID, l.x.version.Number))
}

// failure writes how the function failed.
func (l *invocationLog) failure(status, kind, message string) {
	now := l.x.s.cfg.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	switch {
	case l.json():
		line, _ := json.Marshal(map[string]any{"timestamp": now, "level": "ERROR", "requestId": l.x.call.RequestID, "message": map[string]any{"errorType": kind, "errorMessage": message}})
		l.write(string(line))
	case status == "timeout":
		l.write(fmt.Sprintf("%s %s Task timed out after %.2f seconds", now, l.x.call.RequestID, l.x.version.Timeout.Seconds()))
	default:
		l.write(fmt.Sprintf("%s\t%s\tERROR\t%s: %s", now, l.x.call.RequestID, kind, message))
	}
}

// flush writes what was gathered.
func (l *invocationLog) flush() {
	if len(l.lines) > 0 {
		l.x.s.writeLines(l.x.version.Role, l.x.function.Name, l.region, l.group, l.stream, l.at, l.lines)
	}
}

// end writes how long it took, and all of it to the log. Code that is no process has no memory of its own: the most used is 0 MB.
func (l *invocationLog) end(took time.Duration, status string) {
	defer l.flush()
	ms := float64(took) / float64(time.Millisecond)
	billed := int64((took + time.Millisecond - 1) / time.Millisecond)
	if l.json() {
		if l.x.version.Logging.SystemLevel != "WARN" || status != "success" {
			l.event("platform.report", map[string]any{"requestId": l.x.call.RequestID, "status": status, "metrics": map[string]any{
				"durationMs": ms, "billedDurationMs": billed, "memorySizeMB": l.x.version.Memory, "maxMemoryUsedMB": 0,
			}})
		}
		return
	}
	l.write("END RequestId: " + l.x.call.RequestID)
	line := fmt.Sprintf("REPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\tMax Memory Used: 0 MB\t", l.x.call.RequestID, ms, billed, l.x.version.Memory)
	if status == "timeout" {
		line += "Status: timeout"
	}
	l.write(line)
}

// tail is the end of the invocation's log, when it was asked for.
func (l *invocationLog) tail() []byte {
	if !l.x.call.WantLogTail {
		return nil
	}
	return l.last.b.Bytes()
}
