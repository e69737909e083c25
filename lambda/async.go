package lambda

import (
	"cmp"
	"container/heap"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/iam"
	"glassine/state"
)

// Asynchronous invocations are acknowledged when they are in the state store, and taken out of it when they succeeded or were
// given up: each runs at least once, also over a restart, and may run again after one.
// (Lambda Developer Guide, "Invoking a Lambda function asynchronously".)
const (
	MaxEvent = 1 << 20 // bytes of an event (AWS Lambda quotas; 256 KB before 2025)

	asyncTable   = "lambda/async"
	defaultAge   = 6 * time.Hour
	defaultTries = 2       // after the first
	maxQueued    = 10_000  // events; one more is refused
	maxWorking   = 64      // events at a time, so that a queue does not take all slots at once
	maxQueuedMem = 1 << 28 // bytes of all events queued; they are on disk, read back one at a time
)

// event is an asynchronous invocation.
type event struct {
	ID            string // the request id, the same for every try
	Region, Name  string
	Qualifier     string
	Payload       []byte
	ClientContext string
	TraceID       string
	Queued        time.Time
	Tries         int // that failed by the function's own error
	Throttled     int // that could not run
}

// entry is what is known of an event without reading it.
type entry struct {
	id   string
	due  time.Time
	size int
	seq  uint64 // of equally due ones the first goes first
}

// queue is the events that wait, in the order in which they are due.
type queue struct {
	store state.Store

	mu      sync.Mutex
	entries entries
	count   int // of events, those under way too
	bytes   int
	seq     uint64
	running bool // a dispatcher is under way
	nudge   chan struct{}
}

type entries []entry

func (e entries) Len() int { return len(e) }
func (e entries) Less(i, j int) bool {
	return cmp.Or(e[i].due.Compare(e[j].due), cmp.Compare(e[i].seq, e[j].seq)) < 0
}
func (e entries) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *entries) Push(x any)   { *e = append(*e, x.(entry)) } //nolint:forcetypeassert // only push below calls it
func (e *entries) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	*e = (*e)[:last]
	return x
}

// openQueue finds the events that the last run left. All are due at once.
func openQueue(ctx context.Context, store state.Store) (*queue, error) {
	q := &queue{store: store, nudge: make(chan struct{}, 1)}
	records, err := store.List(ctx, asyncTable, "")
	if err != nil {
		return nil, fmt.Errorf("read queued events: %w", err)
	}
	for _, r := range records {
		q.push(r.Key, time.Time{}, len(r.Value))
		q.count, q.bytes = q.count+1, q.bytes+len(r.Value)
	}
	return q, nil
}

func (q *queue) push(id string, due time.Time, size int) {
	q.seq++
	heap.Push(&q.entries, entry{id, due, size, q.seq})
}

// InvokeAsync queues an invocation for the caller, who needs what Call asks for, and returns its request id. It is on disk
// when that returns. (Lambda API Reference, Invoke, InvocationType Event.)
func (s *Service) InvokeAsync(ctx context.Context, c iam.Caller, name string, call Call) (string, error) {
	f, r, err := s.mayInvoke(ctx, c, name)
	if err != nil {
		return "", err
	}
	if len(call.Payload) > MaxEvent {
		return "", fault.New("RequestTooLargeException", "Request must be smaller than %d bytes for the InvokeFunction operation", MaxEvent)
	}
	e := event{
		ID: cmp.Or(call.RequestID, wire.NewRequestID()), Region: f.Region, Name: f.Name, Qualifier: r.qualifier, Payload: call.Payload,
		ClientContext: call.ClientContext, TraceID: call.TraceID, Queued: s.cfg.Now().UTC(),
	}
	raw, err := json.Marshal(e)
	if err != nil {
		return "", fmt.Errorf("encode event: %w", err)
	}
	q := s.queue
	q.mu.Lock()
	full := q.count >= maxQueued || q.bytes+len(raw) > maxQueuedMem
	if !full {
		q.count, q.bytes = q.count+1, q.bytes+len(raw)
	}
	q.mu.Unlock()
	if full {
		return "", throttled("CallerRateLimitExceeded")
	}
	if err := q.store.Commit(ctx, state.Change{Table: asyncTable, Key: e.ID, Value: raw}); err != nil {
		q.mu.Lock()
		q.count, q.bytes = q.count-1, q.bytes-len(raw)
		q.mu.Unlock()
		return "", fmt.Errorf("queue event: %w", err)
	}
	q.mu.Lock()
	q.push(e.ID, s.cfg.Now(), len(raw))
	q.mu.Unlock()
	s.wake()
	return e.ID, nil
}

// wake lets a dispatcher look at the queue. There is one only while there is something in it.
func (s *Service) wake() {
	q := s.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case q.nudge <- struct{}{}:
	default:
	}
	if q.running || q.count == 0 || s.ctx.Err() != nil {
		return
	}
	q.running = true
	s.work.Go(s.dispatch)
}

// dispatch runs events as they become due, until none is left or the service is closed.
func (s *Service) dispatch() {
	q := s.queue
	working := make(chan struct{}, maxWorking)
	for {
		q.mu.Lock()
		if q.count == 0 || s.ctx.Err() != nil {
			q.running = false
			q.mu.Unlock()
			return
		}
		wait := time.Duration(-1) // for a nudge alone
		if len(q.entries) > 0 {
			if wait = q.entries[0].due.Sub(s.cfg.Now()); wait <= 0 {
				e := heap.Pop(&q.entries).(entry) //nolint:forcetypeassert // it holds nothing else
				q.mu.Unlock()
				select {
				case working <- struct{}{}:
				case <-s.ctx.Done():
					continue
				}
				s.work.Go(func() {
					defer func() { <-working }()
					s.attempt(e)
					s.wake()
				})
				continue
			}
		}
		q.mu.Unlock()
		s.idle(wait)
	}
}

// idle waits for a nudge, for so long unless it is negative.
func (s *Service) idle(wait time.Duration) {
	var due <-chan time.Time
	if wait >= 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-due:
	case <-s.queue.nudge:
	case <-s.ctx.Done():
	}
}

// attempt runs an event once, and says what is next for it.
func (s *Service) attempt(x entry) {
	e, err := s.readEvent(x.id)
	if err != nil {
		if s.ctx.Err() == nil {
			s.cfg.Log.Error("queued event cannot be read", "request", x.id, "error", err.Error())
			s.finish(x)
		}
		return
	}
	r := ref{region: e.Region, name: e.Name, qualifier: e.Qualifier}
	f, exists := s.functions.Get(r.key())
	if _, ok := f.version(e.Qualifier); !exists || !ok {
		s.finish(x) // deleted since
		return
	}
	config := f.Asynchronous[e.Qualifier]
	tries, age := defaultTries, defaultAge
	set(&tries, config.Attempts)
	set(&age, config.Age)
	if s.cfg.Now().Sub(e.Queued) > age {
		s.outcome(f, r, config, e, Result{}, "EventAgeExceeded")
		s.finish(x)
		return
	}
	result, err := s.run(s.ctx, f, s.chosen(f, r), r, Call{Payload: e.Payload, ClientContext: e.ClientContext, TraceID: e.TraceID, RequestID: e.ID}, ServicePrincipal)
	switch {
	case s.ctx.Err() != nil: // tried again after the next start
	case err != nil: // it could not run: not a try
		s.cfg.Log.LogAttrs(s.ctx, slog.LevelWarn, "queued event could not run", slog.String("request", e.ID), slog.String("function", f.ARN), slog.String("error", fault.Code(err)))
		e.Throttled++
		s.again(x, e, min(time.Second<<min(e.Throttled-1, 10), 5*time.Minute))
	case !result.Failed:
		s.outcome(f, r, config, e, result, "Success")
		s.finish(x)
	case e.Tries >= tries:
		e.Tries++
		s.outcome(f, r, config, e, result, "RetriesExhausted")
		s.finish(x)
	default:
		e.Tries++
		s.again(x, e, time.Duration(e.Tries)*time.Minute) // 1 minute, then 2
	}
}

func (s *Service) readEvent(id string) (e event, err error) {
	r, err := s.cfg.State.Get(s.ctx, asyncTable, id)
	if err != nil {
		return e, err
	}
	return e, json.Unmarshal(r.Value, &e)
}

// again keeps the event for another try.
func (s *Service) again(x entry, e event, after time.Duration) {
	raw, err := json.Marshal(e)
	if err == nil {
		err = s.cfg.State.Commit(s.ctx, state.Change{Table: asyncTable, Key: e.ID, Value: raw})
	}
	if err != nil && s.ctx.Err() == nil {
		s.cfg.Log.Error("tries of a queued event not counted", "request", e.ID, "error", err.Error())
	}
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	s.queue.push(x.id, s.cfg.Now().Add(after), x.size)
}

// finish forgets the event.
func (s *Service) finish(x entry) {
	err := s.cfg.State.Commit(context.WithoutCancel(s.ctx), state.Change{Table: asyncTable, Key: x.id})
	if err != nil && !errors.Is(err, state.ErrClosed) {
		s.cfg.Log.Error("queued event not removed: it will run again", "request", x.id, "error", err.Error())
	}
	s.queue.mu.Lock()
	defer s.queue.mu.Unlock()
	s.queue.count, s.queue.bytes = s.queue.count-1, s.queue.bytes-x.size
}

// outcome tells the destination of the function what became of an event. It is invoked with the execution role's rights.
// (Lambda Developer Guide, "Capturing records of Lambda asynchronous invocations": the record.)
func (s *Service) outcome(f Function, r ref, config EventInvoke, e event, result Result, condition string) {
	target := config.OnFailure
	if condition == "Success" {
		target = config.OnSuccess
	}
	if target == "" {
		return
	}
	record := map[string]any{
		"version": "1.0", "timestamp": s.cfg.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		"requestContext": map[string]any{
			"requestId": e.ID, "functionArn": s.arnOf(r) + ":" + cmp.Or(r.qualifier, Latest), "condition": condition, "approximateInvokeCount": e.Tries + btoi(condition == "Success"),
		},
		"requestPayload": jsonOrText(e.Payload),
	}
	if condition != "EventAgeExceeded" {
		response := map[string]any{"statusCode": 200, "executedVersion": result.Version}
		if result.Failed {
			response["functionError"] = "Unhandled"
		}
		record["responseContext"], record["responsePayload"] = response, jsonOrText(result.Payload)
	}
	payload, err := json.Marshal(record)
	if err == nil {
		err = s.deliver(f, r, target, payload)
	}
	if err != nil && s.ctx.Err() == nil {
		s.cfg.Log.LogAttrs(s.ctx, slog.LevelWarn, "outcome of a queued event not delivered", slog.String("request", e.ID), slog.String("function", f.ARN),
			slog.String("destination", target), slog.String("error", err.Error()))
	}
}

func (s *Service) deliver(f Function, r ref, target string, payload []byte) error {
	v, ok := f.version(r.qualifier)
	if !ok {
		return notFound(f.ARN)
	}
	creds, err := s.cfg.IAM.AssumeForService(s.ctx, v.Role, []string{ServicePrincipal}, f.Name, minimumLife)
	if err != nil {
		return err
	}
	_, c, err := s.cfg.IAM.Lookup(s.ctx, creds.AccessKeyID, creds.SessionToken)
	if err != nil {
		return err
	}
	_, err = s.InvokeAsync(s.ctx, c, target, Call{Payload: payload})
	return err
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// jsonOrText is a payload in a record: as the JSON that it is, else as text.
func jsonOrText(p []byte) any {
	switch {
	case len(p) == 0:
		return nil
	case json.Valid(p):
		return json.RawMessage(p)
	}
	return string(p)
}
