// Package transform is glassine's built-in image function: a picture goes out without its metadata, showExif=true answers
// the picture's EXIF as JSON, and format=json all that it says. metadata=copyright|keep and icc=strip choose what may stay.
//
// It is a plain S3 Object Lambda function, with the contract of the reference function of the AWS Storage Blog ("Modify
// images cached in Amazon CloudFront using Amazon S3 Object Lambda"): it takes the GetObject event, reads the original
// through the presigned inputS3Url, and answers through WriteGetObjectResponse with its role's credentials. It has no
// other way in or out, so what runs it may hand over a transport that stays in the process.
//
// Where the reference re-encodes, this function keeps the very pixels, the ICC profile and the orientation (package
// transform/metadata). It decides by content, never by name or Content-Type.
//
// Start at Function.
package transform

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"glassine/transform/pixel"
)

// Version is part of every ETag that the function makes. It changes whenever the same original would give other bytes.
const Version = "glassine2"

// Function is the image function. The zero value works; it is safe for many goroutines and must not be copied after
// first use.
type Function struct {
	// Transport carries both the read of the original and WriteGetObjectResponse; nil means http.DefaultTransport. A
	// response body that is also an io.ReaderAt is read in place; any other is spooled.
	Transport http.RoundTripper
	// Observe is told of each answer that went out, by many goroutines at once; nil is nobody.
	Observe func(context.Context, Event)
	// Log gets one record for each answer that went wrong; nil means none.
	Log *slog.Logger
	// Now gives the time that requests are signed with; nil means time.Now.
	Now func() time.Time
	// MaxConcurrent bounds how many originals are read and planned at once; 0 means four for each CPU that Go uses. More
	// would only wait for each other; each may hold a spooled original of up to 32 MiB.
	MaxConcurrent int
	// Pixels makes pictures anew; nil means that what needs it is refused.
	Pixels *pixel.Engine
	// Limits are what a picture may cost; the zero value has its defaults.
	Limits pixel.Limits

	once   sync.Once
	gate   chan struct{}
	pixels chan struct{} // places of those that hold a source for a worker
	queue  atomic.Int64  // how many wait for one of those
}

// Credentials are those of the function's role, and the region that it runs in.
type Credentials struct{ AccessKeyID, SecretAccessKey, SessionToken, Region string }

// event holds the fields of the Object Lambda event that are used here.
// Amazon S3 User Guide, "Event context format and usage".
type event struct {
	GetObjectContext *struct {
		InputS3URL  string `json:"inputS3Url"`
		OutputRoute string `json:"outputRoute"`
		OutputToken string `json:"outputToken"`
	} `json:"getObjectContext"`
	HeadObjectContext    json.RawMessage `json:"headObjectContext"`
	ListObjectsContext   json.RawMessage `json:"listObjectsContext"`
	ListObjectsV2Context json.RawMessage `json:"listObjectsV2Context"`
	Configuration        struct {
		SupportingAccessPoint string `json:"supportingAccessPointArn"`
		Payload               string `json:"payload"`
	} `json:"configuration"`
	UserRequest struct {
		URL     string            `json:"url"`
		Headers map[string]string `json:"headers"`
	} `json:"userRequest"`
	RequestID string `json:"xAmzRequestId"`
}

// Handle runs the function once. event is the Object Lambda event as JSON; the result is what a function returns, which
// Object Lambda ignores: {"statusCode":n} with the status that WriteGetObjectResponse answered.
//
// What is wrong with the original is told to the caller through WriteGetObjectResponse, as the reference function does, and
// is no error here. An error is an event that is not GetObject's, a transport that failed, or ctx that ended.
func (f *Function) Handle(ctx context.Context, event []byte, creds Credentials) ([]byte, error) {
	ev, err := parseEvent(event)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	ans, err := (&request{f: f, ev: ev, creds: creds}).prepare(ctx)
	if err != nil {
		return nil, err
	}
	defer ans.close()
	status, err := f.deliver(ctx, ev, creds, ans)
	if err != nil {
		return nil, fmt.Errorf("write the response: %w", err)
	}
	if status == http.StatusOK {
		f.tell(ctx, ans, time.Since(start))
	}
	if status != http.StatusOK {
		f.log(ctx, slog.LevelError, "WriteGetObjectResponse was refused", slog.String("request", ev.RequestID),
			slog.Int("status", status), slog.Duration("took", time.Since(start)))
	}
	return fmt.Appendf(nil, `{"statusCode":%d}`, status), nil
}

func parseEvent(b []byte) (*event, error) {
	ev := new(event)
	if err := json.Unmarshal(b, ev); err != nil {
		return nil, fmt.Errorf("parse the Object Lambda event: %w", err)
	}
	if ev.GetObjectContext != nil {
		return ev, nil
	}
	switch {
	case ev.HeadObjectContext != nil:
		return nil, errors.New("the image function transforms GetObject, not HeadObject")
	case ev.ListObjectsContext != nil || ev.ListObjectsV2Context != nil:
		return nil, errors.New("the image function transforms GetObject, not ListObjects")
	}
	return nil, errors.New("the event has no getObjectContext: it does not come from an Object Lambda access point")
}

// request is one run of the function.
type request struct {
	f     *Function
	ev    *event
	creds Credentials
	leave func() // gives the place at the gate up; once is enough
}

// prepare makes the answer.
func (r *request) prepare(ctx context.Context) (*answer, error) {
	c, err := parseConfig(r.ev.Configuration.Payload)
	if err != nil {
		return r.f.refusal(ctx, r.ev, err), nil
	}
	w, err := parseWish(r.ev.UserRequest.URL, r.ev.UserRequest.Headers, c)
	if err != nil {
		return r.f.refusal(ctx, r.ev, err), nil
	}
	w.watermark = c.Watermarks[w.watermark]
	ans, err := r.answer(ctx, w, r.original)
	if err == nil || ctx.Err() != nil {
		return ans, err
	}
	if w.onError == "fallback" && c.Fallback != "" {
		fallback := func(ctx context.Context) (*source, error) { return r.object(ctx, c.Fallback, maxSource) }
		ans, fallbackErr := r.answer(ctx, w, fallback)
		if fallbackErr == nil {
			r.f.log(ctx, slog.LevelWarn, "original refused, fallback served", slog.String("request", r.ev.RequestID), slog.Any("error", err))
			return ans.brief(), nil
		}
		err = errors.Join(err, fallbackErr)
	}
	return r.f.refusal(ctx, r.ev, err), nil
}

// answer reads an original and makes the answer. It holds a place at the gate until the answer needs neither CPU nor
// memory of note any more; a spooled original keeps the place until the answer is closed.
func (r *request) answer(ctx context.Context, w wish, open func(context.Context) (*source, error)) (*answer, error) {
	leave, err := r.f.enter(ctx)
	if err != nil {
		return nil, err
	}
	leave = sync.OnceFunc(leave)
	r.leave = leave
	src, err := open(ctx)
	if err != nil {
		leave()
		return nil, err
	}
	ans, err := r.plan(ctx, src, w)
	if err != nil {
		src.close()
		leave()
		return nil, err
	}
	ans.close = src.close
	if src.inMemory {
		ans.close = func() { src.close(); leave() }
		return ans, nil
	}
	leave()
	return ans, nil
}

// enter waits for a place at the gate.
func (f *Function) enter(ctx context.Context) (leave func(), err error) {
	f.once.Do(f.open)
	select {
	case f.gate <- struct{}{}:
		return func() { <-f.gate }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a free place: %w", context.Cause(ctx))
	}
}

func (f *Function) open() {
	n := f.MaxConcurrent
	if n <= 0 {
		n = 4 * runtime.GOMAXPROCS(0)
	}
	f.gate = make(chan struct{}, n)
	f.pixels = make(chan struct{}, 2*runtime.GOMAXPROCS(0))
}

// maxQueue is how many pictures for each CPU may wait to be made; a longer queue would only end in timeouts.
const maxQueue = 32

// enterPixels waits for one of the places from which a source, whole in memory, goes to a worker.
func (f *Function) enterPixels(ctx context.Context) (leave func(), err error) {
	f.once.Do(f.open)
	defer f.queue.Add(-1)
	if f.queue.Add(1) > int64(maxQueue*runtime.GOMAXPROCS(0)) {
		return nil, busy(errors.New("too many pictures wait to be made"))
	}
	select {
	case f.pixels <- struct{}{}:
		return func() { <-f.pixels }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a worker: %w", context.Cause(ctx))
	}
}

// text is an answer of JSON.
func (s *source) text(b []byte, w wish) *answer {
	return &answer{
		status: http.StatusOK, size: int64(len(b)), body: strings.NewReader(string(b)),
		header: s.forward("application/json", w.suffix()), did: Event{Format: "json"},
	}
}

// refused is an original, or a wish, that cannot be answered. Its message goes to the caller.
type refused struct {
	message string
	// status and code are what the caller sees; the zero values are 500 and InternalLambdaError, as the reference function
	// answers whatever went wrong.
	status int
	code   string
	// cause is for the log only.
	cause error
}

func (r *refused) Error() string {
	if r.cause != nil {
		return r.message + ": " + r.cause.Error()
	}
	return r.message
}

func (r *refused) Unwrap() error { return r.cause }

// refusal is the answer to whatever went wrong.
func (f *Function) refusal(ctx context.Context, ev *event, err error) *answer {
	ans := &answer{
		status: http.StatusInternalServerError, code: "InternalLambdaError", message: "The original could not be read",
		body: strings.NewReader(""), header: http.Header{}, close: func() {}, did: Event{Op: OpRefuse, Format: "none"},
	}
	if r, ok := errors.AsType[*refused](err); ok {
		ans.message = r.message
		if r.status != 0 {
			ans.status, ans.code = r.status, r.code
		}
	}
	f.log(ctx, slog.LevelWarn, "original refused", slog.String("request", ev.RequestID), slog.Any("error", err))
	return ans
}

func (f *Function) log(ctx context.Context, level slog.Level, text string, attrs ...slog.Attr) {
	if f.Log != nil {
		f.Log.LogAttrs(ctx, level, text, attrs...)
	}
}

// answer is what WriteGetObjectResponse will carry.
type answer struct {
	status int
	// code and message are for an error, which has no body.
	code, message string
	// header holds the caller's headers under their own names.
	header http.Header
	size   int64
	body   io.Reader
	// close frees what body reads from.
	close func()
	// did is what the observer is told.
	did Event
}

// briefly is how long what stands in for the right answer keeps.
const briefly = "max-age=60"

// brief makes an answer that stands in for another keep only a minute.
func (a *answer) brief() *answer {
	a.header.Set("Cache-Control", briefly)
	a.header.Del("Expires")
	return a
}
