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
	"time"

	"glassine/transform/metadata"
)

// Version is part of every ETag that the function makes. It changes whenever the same original would give other bytes.
const Version = "glassine2"

// Function is the image function. The zero value works; it is safe for many goroutines and must not be copied after
// first use.
type Function struct {
	// Transport carries both the read of the original and WriteGetObjectResponse; nil means http.DefaultTransport. A
	// response body that is also an io.ReaderAt is read in place; any other is spooled.
	Transport http.RoundTripper
	// Log gets one record for each answer that went wrong; nil means none.
	Log *slog.Logger
	// Now gives the time that requests are signed with; nil means time.Now.
	Now func() time.Time
	// MaxConcurrent bounds how many originals are read and planned at once; 0 means four for each CPU that Go uses. More
	// would only wait for each other; each may hold a spooled original of up to 32 MiB.
	MaxConcurrent int

	once sync.Once
	gate chan struct{}
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
	UserRequest          struct {
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
	ans, err := f.prepare(ctx, ev)
	if err != nil {
		return nil, err
	}
	defer ans.close()
	status, err := f.deliver(ctx, ev, creds, ans)
	if err != nil {
		return nil, fmt.Errorf("write the response: %w", err)
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

// prepare reads the original and makes the answer. It holds a place at the gate until the answer needs neither CPU nor
// memory of note any more; a spooled original keeps the place until the answer is closed.
func (f *Function) prepare(ctx context.Context, ev *event) (*answer, error) {
	w, err := parseWish(ev.UserRequest.URL)
	if err != nil {
		return f.refusal(ctx, ev, err), nil
	}
	leave, err := f.enter(ctx)
	if err != nil {
		return nil, err
	}
	src, err := f.open(ctx, ev)
	if err != nil {
		leave()
		if ctx.Err() != nil {
			return nil, fmt.Errorf("read the original: %w", err)
		}
		return f.refusal(ctx, ev, err), nil
	}
	ans, err := plan(src, w)
	if err != nil {
		src.close()
		leave()
		return f.refusal(ctx, ev, err), nil
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
	f.once.Do(func() {
		n := f.MaxConcurrent
		if n <= 0 {
			n = 4 * runtime.GOMAXPROCS(0)
		}
		f.gate = make(chan struct{}, n)
	})
	select {
	case f.gate <- struct{}{}:
		return func() { <-f.gate }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a free place: %w", context.Cause(ctx))
	}
}

// plan decides what goes out, before anything does.
func plan(src *source, w wish) (*answer, error) {
	switch {
	case w.exif:
		block, err := metadata.EXIF(src.at, src.size)
		if err != nil {
			return nil, src.explain(err)
		}
		text, err := metadata.ExifJSON(block)
		if err != nil {
			return nil, &refused{message: err.Error()}
		}
		return src.text(text, w), nil
	case w.json:
		info, err := metadata.Describe(src.at, src.size)
		if err != nil {
			return nil, src.explain(err)
		}
		text, err := info.JSON()
		if err != nil {
			return nil, err
		}
		return src.text(text, w), nil
	}
	p, err := w.options.Strip(src.at, src.size)
	if err != nil {
		return nil, src.explain(err)
	}
	if w.format != "" && formats[w.format] != p.Format {
		return nil, needsPixels("format=" + w.format)
	}
	ans := &answer{
		status: http.StatusOK, size: p.Size, body: p.Reader(src.at),
		header: src.forward(p.ContentType, w.suffix()),
	}
	if p.Format == metadata.SVG {
		ans.header.Set("Content-Security-Policy", metadata.SVGPolicy)
		ans.header.Set("X-Content-Type-Options", "nosniff")
	}
	return ans, nil
}

// text is an answer of JSON.
func (s *source) text(b []byte, w wish) *answer {
	return &answer{
		status: http.StatusOK, size: int64(len(b)), body: strings.NewReader(string(b)),
		header: s.forward("application/json", w.suffix()),
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
		body: strings.NewReader(""), header: http.Header{}, close: func() {},
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
}
