package logs

import (
	"bufio"
	"cmp"
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"glassine/iam"
)

// Limits of answers. (CloudWatch Logs API Reference, GetLogEvents and FilterLogEvents.)
const (
	maxAnswer       = 1 << 20 // bytes of all messages
	maxAnswerEvents = 10_000
)

// position orders events: by time, then by stream, then as they were written.
type position struct {
	time   int64
	stream uint64
	number uint32 // of the stream's file
	offset uint32 // in it
}

func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(p.time, q.time), cmp.Compare(p.stream, q.stream), cmp.Compare(p.number, q.number), cmp.Compare(p.offset, q.offset))
}

// id is the position in 56 digits, which sort as positions do.
func (p position) id() string {
	return fmt.Sprintf("%016d%020d%010d%010d", p.time, p.stream, p.number, p.offset)
}

// parseID reads what id wrote.
func parseID(s string) (p position, ok bool) {
	if len(s) != 56 {
		return p, false
	}
	t, err1 := strconv.ParseInt(s[:16], 10, 64)
	stream, err2 := strconv.ParseUint(s[16:36], 10, 64)
	number, err3 := strconv.ParseUint(s[36:46], 10, 32)
	offset, err4 := strconv.ParseUint(s[46:], 10, 32)
	return position{t, stream, uint32(number), uint32(offset)}, errors.Join(err1, err2, err3, err4) == nil
}

// found is an event with its position.
type found struct {
	at    position
	event Event
}

// selection keeps the events that come first, or last, of those it is shown, within the limits of an answer.
type selection struct {
	most     int
	backward bool
	list     []found // a heap whose top is the first to go
	bytes    int
	dropped  *position // nothing beyond it is kept, so that no gap arises
}

func (s *selection) Len() int { return len(s.list) }
func (s *selection) Less(i, j int) bool {
	return s.beyond(s.list[i].at, s.list[j].at)
}
func (s *selection) Swap(i, j int) { s.list[i], s.list[j] = s.list[j], s.list[i] }
func (s *selection) Push(x any)    { s.list = append(s.list, x.(found)) } //nolint:forcetypeassert // only add calls it
func (s *selection) Pop() any {
	last := len(s.list) - 1
	x := s.list[last]
	s.list = s.list[:last]
	return x
}

// beyond reports whether a is farther than b from where the selection begins.
func (s *selection) beyond(a, b position) bool {
	if s.backward {
		return a.compare(b) < 0
	}
	return a.compare(b) > 0
}

// wants reports whether an event at that position could be kept.
func (s *selection) wants(p position) bool {
	return s.dropped == nil || s.beyond(*s.dropped, p)
}

func (s *selection) add(f found) {
	heap.Push(s, f)
	s.bytes += len(f.event.Message)
	for len(s.list) > s.most || s.bytes > maxAnswer && len(s.list) > 1 {
		gone := heap.Pop(s).(found) //nolint:forcetypeassert // it holds nothing else
		s.bytes -= len(gone.event.Message)
		s.dropped = &gone.at
	}
}

// events are the kept ones in order of time.
func (s *selection) events() []Event {
	slices.SortFunc(s.list, func(a, b found) int { return a.at.compare(b.at) })
	out := make([]Event, len(s.list))
	for i, f := range s.list {
		out[i] = f.event
		out[i].ID = f.at.id()
	}
	return out
}

// window is which events are looked for.
type window struct {
	from, to      int64 // ms; to is not in it
	after, before *position
	match         matcher // nil takes all
}

func (w window) has(p position) bool {
	return p.time >= w.from && p.time < w.to && (w.after == nil || p.compare(*w.after) > 0) && (w.before == nil || p.compare(*w.before) < 0)
}

// part is a file as it is when it is going to be read.
type part struct {
	path   string
	stream string
	hash   uint64
	segment
}

// parts are the files of the streams that choose takes which may have events of the window.
func (g *group) parts(w window, choose func(string) bool) []part {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []part
	for _, s := range g.streams {
		if !choose(s.name) {
			continue
		}
		for _, x := range s.segments {
			if x.events > 0 && x.max >= w.from && x.min < w.to && (w.after == nil || x.max >= w.after.time) && (w.before == nil || x.min <= w.before.time) {
				out = append(out, part{g.path(s.id, x.number), s.name, s.hash, x})
			}
		}
	}
	return out
}

// collect shows the window's events to the selection. Files are read without the group's lock: what is in them stays.
func collect(ctx context.Context, parts []part, w window, into *selection) error {
	for _, p := range parts {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := p.read(w, into); err != nil && !errors.Is(err, fs.ErrNotExist) { // removed meanwhile
			return fmt.Errorf("read log: %w", err)
		}
	}
	return nil
}

func (p part) read(w window, into *selection) error {
	f, err := os.Open(p.path)
	if err != nil {
		return err
	}
	defer f.Close()
	r := bufio.NewReaderSize(io.LimitReader(f, p.size), 64<<10)
	at := int64(0)
	for {
		line, err := r.ReadBytes('\n') // at most maxEvent and what JSON adds
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		begin := at
		at += int64(len(line))
		t, _, ok := times(line)
		pos := position{t, p.hash, uint32(p.number), uint32(begin)}
		if !ok || !w.has(pos) || !into.wants(pos) {
			continue
		}
		var e record
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		if w.match == nil || w.match(e.M) {
			into.add(found{pos, Event{Time: e.T, Ingested: e.I, Message: e.M, Stream: p.stream}})
		}
	}
}

// Filter says which events to return. Zero times are no bounds.
type Filter struct {
	Streams  []string // "" means all
	Prefix   string   // of streams' names
	From, To int64    // ms; both are in it
	Pattern  string
	Limit    int    // 0 means 10,000
	Token    string // of the answer before
}

// FilterLogEvents returns the events of a group that f asks for, in the order of time, at most 1 MB of them, and the token
// for more, "" when there are none.
func (s *Service) FilterLogEvents(ctx context.Context, c iam.Caller, region, name string, f Filter) (events []Event, token string, err error) {
	if err := s.ask(ctx, c, "FilterLogEvents", region, name, nil); err != nil {
		return nil, "", err
	}
	record, g, err := s.find(region, name)
	if err != nil {
		return nil, "", err
	}
	w := window{from: max(f.From, record.oldest(s.cfg.Now())), to: 1<<63 - 1}
	if f.To != 0 {
		w.to = f.To + 1
	}
	if w.match, err = parsePattern(f.Pattern); err != nil {
		return nil, "", err
	}
	limit, err := limitOf(f.Limit)
	if err != nil {
		return nil, "", err
	}
	if len(f.Streams) > 0 && f.Prefix != "" {
		return nil, "", invalid("LogStreamNames and LogStreamNamePrefix are mutually exclusive parameters.")
	}
	if f.Token != "" {
		p, ok := parseID(f.Token)
		if !ok {
			return nil, "", invalid("The specified nextToken is invalid.")
		}
		w.after = &p
	}
	for _, stream := range f.Streams {
		if !g.has(stream) {
			return nil, "", noStream()
		}
	}
	sel := &selection{most: limit}
	parts := g.parts(w, func(stream string) bool {
		return strings.HasPrefix(stream, f.Prefix) && (len(f.Streams) == 0 || slices.Contains(f.Streams, stream))
	})
	if err := collect(ctx, parts, w, sel); err != nil {
		return nil, "", err
	}
	events = sel.events()
	if sel.dropped != nil {
		token = events[len(events)-1].ID
	}
	return events, token, nil
}

func limitOf(n int) (int, error) {
	if n == 0 {
		return maxAnswerEvents, nil
	}
	if n < 1 || n > maxAnswerEvents {
		return 0, invalid("1 validation error detected: Value '%d' at 'limit' failed to satisfy constraint: Member must have value between 1 and %d", n, maxAnswerEvents)
	}
	return n, nil
}

// Page says which events of a stream to return. Zero times are no bounds.
type Page struct {
	From, To int64 // ms; To is not in it
	Limit    int   // 0 means as many as fit
	Head     bool  // begin with the oldest, where Token says nothing
	Token    string
}

// GetLogEvents returns events of a stream in the order of time, and the tokens for those behind and before them. When there
// are no more in a direction, its token stays the same.
func (s *Service) GetLogEvents(ctx context.Context, c iam.Caller, region, name, stream string, p Page) (events []Event, forward, backward string, err error) {
	if err := s.askStream(ctx, c, "GetLogEvents", region, name, stream); err != nil {
		return nil, "", "", err
	}
	record, g, err := s.find(region, name)
	if err != nil {
		return nil, "", "", err
	}
	if !g.has(stream) {
		return nil, "", "", noStream()
	}
	w := window{from: max(p.From, record.oldest(s.cfg.Now())), to: 1<<63 - 1}
	if p.To != 0 {
		w.to = p.To
	}
	sel := &selection{backward: !p.Head}
	if sel.most, err = limitOf(p.Limit); err != nil {
		return nil, "", "", err
	}
	if p.Token != "" {
		direction, id, _ := strings.Cut(p.Token, "/")
		at, ok := parseID(id)
		switch {
		case ok && direction == "f":
			w.after, sel.backward = &at, false
		case ok && direction == "b":
			w.before, sel.backward = &at, true
		default:
			return nil, "", "", invalid("The specified nextToken is invalid.")
		}
	}
	if err := collect(ctx, g.parts(w, func(name string) bool { return name == stream }), w, sel); err != nil {
		return nil, "", "", err
	}
	events = sel.events()
	switch {
	case len(events) > 0:
		return events, "f/" + events[len(events)-1].ID, "b/" + events[0].ID, nil
	case p.Token != "": // the end, in this direction: the other token leads back to where this one came from
		_, id, _ := strings.Cut(p.Token, "/")
		return events, "f/" + id, "b/" + id, nil
	}
	at := position{time: max(w.from, 0)}.id()
	return events, "f/" + at, "b/" + at, nil
}
