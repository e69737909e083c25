package logs

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"glassine/aws/fault"
	"glassine/iam"
)

// Limits of events. (CloudWatch Logs API Reference, PutLogEvents.)
const (
	maxEvent   = 1 << 20 // bytes of a message; 256 KB before 2025
	maxBatch   = 1 << 20 // bytes of all messages, and 26 for each
	maxEvents  = 10_000  // in a batch
	perEvent   = 26
	maxFuture  = 2 * time.Hour
	maxPast    = 14 * 24 * time.Hour
	maxSpan    = 24 * time.Hour // between the first and the last of a batch
	verdictFor = time.Minute    // see Lines
)

// Event is a log event.
type Event struct {
	Time     int64 // ms since 1970
	Ingested int64 // when it came; set by the service
	Message  string
	Stream   string // where it is; set by the service
	ID       string // likewise: 56 digits, in the order of time
}

// Rejected says which events of a batch were not taken; -1 is none.
type Rejected struct {
	TooNewStart           int // the first that is too far in the future
	TooOldEnd, ExpiredEnd int // behind the last that is older than 14 days, or than the retention
}

// checkStream takes 1 to 512 characters without colon and asterisk.
func checkStream(name string) error {
	if name == "" || len(name) > 512 || strings.ContainsAny(name, ":*") || !utf8.ValidString(name) {
		return invalid("1 validation error detected: Value '%s' at 'logStreamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [^:*]*", name)
	}
	return nil
}

// CreateLogStream makes a stream in a group. ResourceAlreadyExistsException when there is one.
func (s *Service) CreateLogStream(ctx context.Context, c iam.Caller, region, name, stream string) error {
	if err := checkStream(stream); err != nil {
		return err
	}
	if err := s.askStream(ctx, c, "CreateLogStream", region, name, stream); err != nil {
		return err
	}
	_, g, err := s.find(region, name)
	if err != nil {
		return err
	}
	made, err := g.create(stream, s.cfg.Now().UnixMilli())
	if err == nil && !made {
		return fault.New("ResourceAlreadyExistsException", "The specified log stream already exists")
	}
	return err
}

// DeleteLogStream removes a stream with its events.
func (s *Service) DeleteLogStream(ctx context.Context, c iam.Caller, region, name, stream string) error {
	if err := s.askStream(ctx, c, "DeleteLogStream", region, name, stream); err != nil {
		return err
	}
	_, g, err := s.find(region, name)
	if err != nil {
		return err
	}
	there, err := g.remove(stream)
	if err == nil && !there {
		return noStream()
	}
	return err
}

// PutLogEvents appends events to a stream, in the order of their time, and says which it did not take.
func (s *Service) PutLogEvents(ctx context.Context, c iam.Caller, region, name, stream string, events []Event) (Rejected, error) {
	none := Rejected{-1, -1, -1}
	if err := checkStream(stream); err != nil {
		return none, err
	}
	if err := s.askStream(ctx, c, "PutLogEvents", region, name, stream); err != nil {
		return none, err
	}
	if err := checkBatch(events); err != nil {
		return none, err
	}
	record, g, err := s.find(region, name)
	if err != nil {
		return none, err
	}
	now := s.cfg.Now()
	rejected, from, to := record.accept(events, now)
	if from >= to {
		if !g.has(stream) {
			return none, noStream()
		}
		return rejected, nil
	}
	there, err := g.write(stream, events[from:to], now.UnixMilli())
	if err == nil && !there {
		return none, noStream()
	}
	return rejected, err
}

func checkBatch(events []Event) error {
	if len(events) == 0 || len(events) > maxEvents {
		return invalid("1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must have length between 1 and %d", maxEvents)
	}
	size := 0
	for i, e := range events {
		size += len(e.Message) + perEvent
		switch {
		case e.Message == "":
			return invalid("1 validation error detected: Value '' at 'logEvents.%d.member.message' failed to satisfy constraint: Member must have length greater than or equal to 1", i+1)
		case e.Time < 0:
			return invalid("1 validation error detected: Value '%d' at 'logEvents.%d.member.timestamp' failed to satisfy constraint: Member must have value greater than or equal to 0", e.Time, i+1)
		case len(e.Message) > maxEvent:
			return invalid("Log event too large: %d bytes exceeds limit of %d", len(e.Message), maxEvent)
		case i > 0 && e.Time < events[i-1].Time:
			return invalid("Log events in a single PutLogEvents request must be in chronological order.")
		}
	}
	if size > maxBatch {
		return invalid("Upload too large: %d bytes exceeds limit of %d", size, maxBatch)
	}
	if time.Duration(events[len(events)-1].Time-events[0].Time)*time.Millisecond > maxSpan {
		return invalid("The batch of log events in a single PutLogEvents request cannot span more than 24 hours.")
	}
	return nil
}

// accept says which of the events, which are in order, the group takes.
func (g Group) accept(events []Event, now time.Time) (r Rejected, from, to int) {
	r, to = Rejected{-1, -1, -1}, len(events)
	old, expired, future := now.Add(-maxPast).UnixMilli(), g.oldest(now), now.Add(maxFuture).UnixMilli()
	for i, e := range events {
		switch {
		case e.Time < expired:
			r.ExpiredEnd, from = i+1, i+1
		case e.Time < old:
			r.TooOldEnd, from = i+1, i+1
		case e.Time > future && r.TooNewStart < 0:
			r.TooNewStart, to = i, i
		}
	}
	return r, from, to
}

func (g *group) has(name string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.streams[name] != nil
}

// verdict is what was decided about a writer, for a while.
type verdict struct {
	err  error
	ends time.Time
}

// Lines appends events at their times to a stream, which is made when it is not there, as its group is. It asks for what a
// function needs on AWS: logs:PutLogEvents, and to make them logs:CreateLogStream and logs:CreateLogGroup. The answer for
// one writer and stream holds for a minute, since functions write often. A line longer than an event can be is cut, and one
// without a byte is left out.
func (s *Service) Lines(ctx context.Context, c iam.Caller, region, name, stream string, at []time.Time, lines [][]byte) error {
	var events []Event
	for i, line := range lines {
		if len(line) > 0 {
			events = append(events, Event{Time: at[i].UnixMilli(), Message: strings.ToValidUTF8(string(line[:min(len(line), maxEvent)]), "\uFFFD")})
		}
	}
	if len(events) == 0 {
		return nil
	}
	if err := s.mayWrite(ctx, c, region, name, stream); err != nil {
		return err
	}
	now := s.cfg.Now()
	for range 2 {
		_, g, err := s.find(region, name)
		if err == nil {
			there, err := g.write(stream, events, now.UnixMilli())
			if there || err != nil {
				return err
			}
			if err := s.CreateLogStream(ctx, c, region, name, stream); err != nil && !fault.Is(err, "ResourceAlreadyExistsException") {
				return err
			}
			continue
		}
		if !fault.Is(err, "ResourceNotFoundException") {
			return err
		}
		if err := s.CreateLogGroup(ctx, c, region, name, nil); err != nil && !fault.Is(err, "ResourceAlreadyExistsException") {
			return err
		}
		if err := s.CreateLogStream(ctx, c, region, name, stream); err != nil && !fault.Is(err, "ResourceAlreadyExistsException") {
			return err
		}
	}
	_, g, err := s.find(region, name)
	if err != nil {
		return err
	}
	if there, err := g.write(stream, events, now.UnixMilli()); there || err != nil {
		return err
	}
	return errors.New("the log stream is removed as fast as it is made")
}

// mayWrite asks whether the caller may write to the stream, or remembers what was said less than a minute ago.
func (s *Service) mayWrite(ctx context.Context, c iam.Caller, region, name, stream string) error {
	k, now := strings.Join([]string{c.Principal.ID, region, name, stream}, "\x00"), s.cfg.Now()
	s.mu.Lock()
	v, ok := s.decided[k]
	s.mu.Unlock()
	if ok && now.Before(v.ends) {
		return v.err
	}
	err := s.askStream(ctx, c, "PutLogEvents", region, name, stream)
	if err == nil {
		err = checkStream(stream)
	}
	if err == nil {
		err = checkGroup(name)
	}
	if err != nil && fault.Code(err) == "" {
		return err // it was not decided
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.decided) > maxFiles { // of streams that are long full
		s.decided = map[string]verdict{}
	}
	s.decided[k] = verdict{err, now.Add(verdictFor)}
	return err
}

// Stream is a log stream as it is described.
type Stream struct {
	Name              string
	ARN               string
	Created, Ingested int64 // ms since 1970; Ingested is 0 when it has no events
	First, Last       int64 // times of its events; 0 when it has none
	StoredBytes       int64
}

// DescribeLogStreams returns the group's streams whose names begin with prefix: in the order of their names, or, with byTime,
// of their last events; descending turns it around.
func (s *Service) DescribeLogStreams(ctx context.Context, c iam.Caller, region, name, prefix string, byTime, descending bool) ([]Stream, error) {
	if err := s.ask(ctx, c, "DescribeLogStreams", region, name, nil); err != nil {
		return nil, err
	}
	if byTime && prefix != "" {
		return nil, invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
	}
	record, g, err := s.find(region, name)
	if err != nil {
		return nil, err
	}
	var out []Stream
	g.mu.Lock()
	for _, st := range g.streams {
		if strings.HasPrefix(st.name, prefix) {
			x := Stream{Name: st.name, ARN: record.ARN + ":log-stream:" + st.name, Created: st.created, Ingested: st.ingested, StoredBytes: st.size()}
			x.First, x.Last, _ = st.span()
			out = append(out, x)
		}
	}
	g.mu.Unlock()
	slices.SortFunc(out, func(a, b Stream) int {
		n := strings.Compare(a.Name, b.Name)
		if byTime && a.Last != b.Last {
			n = int(min(1, max(-1, a.Last-b.Last)))
		}
		if descending {
			return -n
		}
		return n
	})
	return out, nil
}
