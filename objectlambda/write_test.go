package objectlambda

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"glassine/aws/fault"
	"glassine/iam"
	"glassine/lambda"
)

// ask runs one GetObject whose function is f, and returns what GetObject gave and what was delivered.
func (r *rig) ask(t *testing.T, f func(e event)) (got string, err error) {
	t.Helper()
	r.function.invoke = func(_ context.Context, _ iam.Caller, _ string, payload []byte) (lambda.Result, error) {
		f(parse(t, payload))
		return lambda.Result{}, nil
	}
	err = r.GetObject(t.Context(), r.request(), into(&got))
	r.functions.Wait()
	return got, err
}

// The order is token, permission, content; a write that was not allowed leaves the token usable, one that was not valid
// does not.
func TestChecksOfAWriteAndTheirOrder(t *testing.T) {
	invalid := func(w *Write) { w.Answer.Status = 299 }
	for _, c := range []struct {
		name    string
		change  func(*testing.T, *rig, *Write)
		caller  func(*testing.T, *rig) iam.Caller // nil is the writer
		want    string
		usable  bool // the right write works afterwards
		askedOf string
	}{
		{"no token", func(_ *testing.T, _ *rig, w *Write) { w.Token = "" }, nil, "ValidationError", true, ""},
		{"token of another process", func(t *testing.T, _ *rig, w *Write) { w.Token, _ = newRig(t).newToken() }, nil, "ValidationError", true, ""},
		{"token of ours that waits for nothing", func(_ *testing.T, r *rig, w *Write) { w.Token, _ = r.newToken() }, nil, "ValidationError", true, ""},
		{"token before permission", func(_ *testing.T, _ *rig, w *Write) { w.Token = "x" }, func(t *testing.T, r *rig) iam.Caller { return r.viewer }, "ValidationError", true, ""},
		{"caller without the permission", func(*testing.T, *rig, *Write) {}, func(t *testing.T, r *rig) iam.Caller { return r.viewer }, "AccessDenied", true, ""},
		{"permission before content", func(_ *testing.T, _ *rig, w *Write) { invalid(w) }, func(t *testing.T, r *rig) iam.Caller { return r.viewer }, "AccessDenied", true, ""},
		{"nobody", func(*testing.T, *rig, *Write) {}, func(*testing.T, *rig) iam.Caller { return iam.Caller{} }, "AccessDenied", true, ""},
		{"a service, although the policy names it", func(t *testing.T, r *rig, _ *Write) {
			doc := `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"cloudfront.amazonaws.com"},"Action":"s3-object-lambda:*","Resource":"` + olapARN + `"}]}`
			if err := r.PutPolicy(t.Context(), r.iam.Root(), "photos", doc); err != nil {
				t.Error(err)
			}
		}, func(*testing.T, *rig) iam.Caller {
			return iam.Caller{Principal: iam.Principal{Kind: iam.ServicePrincipal, Service: "cloudfront.amazonaws.com"}}
		}, "AccessDenied", true, ""},
		{"a Deny that the access point's policy got meanwhile", func(t *testing.T, r *rig, _ *Write) {
			if err := r.PutPolicy(t.Context(), r.iam.Root(), "photos", grant("Deny", "writer", "s3-object-lambda:WriteGetObjectResponse", olapARN)); err != nil {
				t.Error(err)
			}
		}, nil, "AccessDenied", false, "LambdaResponseNotReceived"},
		{"content that is not valid", func(_ *testing.T, _ *rig, w *Write) { invalid(w) }, nil, "ValidationError", false, "LambdaInvalidResponse"},
		{"nothing wrong", func(*testing.T, *rig, *Write) {}, nil, "", false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			defer r.Close()
			got, err := r.ask(t, func(e event) {
				caller := r.writer
				if c.caller != nil {
					caller = c.caller(t, r)
				}
				w := answerOf(e, "clean")
				c.change(t, r, &w)
				wantCode(t, "WriteGetObjectResponse", r.WriteGetObjectResponse(t.Context(), caller, w), c.want)
				again := r.WriteGetObjectResponse(t.Context(), r.writer, answerOf(e, "clean"))
				if (again == nil) != c.usable {
					t.Errorf("the right write afterwards = %v, want it to work: %t", again, c.usable)
				}
			})
			wantCode(t, "GetObject", err, c.askedOf)
			if c.askedOf == "" && got != "clean" {
				t.Errorf("the caller got %q", got)
			}
		})
	}
}

// (S3 API Reference, WriteGetObjectResponse.)
func TestContentOfAWrite(t *testing.T) {
	meta := func(n int) []Header { return []Header{{"X-Amz-Meta-K", strings.Repeat("v", n-1)}} }
	for _, c := range []struct {
		name   string
		change func(*Write)
		ok     bool
	}{
		{"a plain answer", func(*Write) {}, true},
		{"a partial answer", func(w *Write) { w.Answer.Status = 206 }, true},
		{"not modified", func(w *Write) { w.Answer.Status, w.Answer.Length = 304, 0 }, true},
		{"a status that is not in the list", func(w *Write) { w.Answer.Status = 201 }, false},
		{"no status", func(w *Write) { w.Answer.Status = 0 }, false},
		{"another route", func(w *Write) { w.Route = "io-use1-002" }, false},
		{"one checksum", func(w *Write) { w.Checksums = 1 }, true},
		{"two checksums", func(w *Write) { w.Checksums = 2 }, false},
		{"an error with code and message", func(w *Write) { w.Answer = Answer{Status: 404, ErrorCode: "NoSuchKey", ErrorMessage: "gone"} }, true},
		{"an error with a status alone and a body", func(w *Write) { w.Answer.Status = 500 }, true},
		{"an error message without a code", func(w *Write) { w.Answer.Status, w.Answer.ErrorMessage = 401, "who are you" }, true},
		{"an error code with success", func(w *Write) { w.Answer.ErrorCode, w.Answer.Length = "Oops", 0 }, false},
		{"an error message with success", func(w *Write) { w.Answer.ErrorMessage, w.Answer.Length = "oops", 0 }, false},
		{"an error code with a body", func(w *Write) { w.Answer.Status, w.Answer.ErrorCode = 400, "Oops" }, false},
		{"an error code in lower case", func(w *Write) { w.Answer = Answer{Status: 400, ErrorCode: "oops"} }, false},
		{"an error code of one letter", func(w *Write) { w.Answer = Answer{Status: 400, ErrorCode: "O"} }, false},
		{"an error code with a digit", func(w *Write) { w.Answer = Answer{Status: 400, ErrorCode: "Oops1"} }, false},
		{"2 KB of metadata", func(w *Write) { w.Answer.Headers = meta(2048) }, true},
		{"more metadata", func(w *Write) { w.Answer.Headers = meta(2049) }, false},
		{"other headers count for nothing", func(w *Write) { w.Answer.Headers = []Header{{"Cache-Control", strings.Repeat("v", 3000)}} }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := answerOf(event{}, "body")
			c.change(&w)
			if err := w.check(); (err == nil) != c.ok {
				t.Errorf("check = %v, want valid: %t", err, c.ok)
			}
		})
	}
}

// All of them have passed the checks when the first one answers.
func TestOneOfManyWritersWins(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	var won atomic.Int32
	got, err := r.ask(t, func(e event) {
		var deciding sync.WaitGroup
		deciding.Add(20)
		r.deciding = func() { deciding.Done(); deciding.Wait() }
		var writers sync.WaitGroup
		for range 20 {
			writers.Go(func() {
				switch err := r.WriteGetObjectResponse(t.Context(), r.writer, answerOf(e, "clean")); fault.Code(err) {
				case "":
					won.Add(1)
				case "ValidationError":
				default:
					t.Errorf("WriteGetObjectResponse = %v", err)
				}
			})
		}
		writers.Wait()
		r.deciding = nil
	})
	if err != nil || got != "clean" || won.Load() != 1 {
		t.Errorf("GetObject = %q, %v with %d writers told that they answered, want one", got, err, won.Load())
	}
}

// A writer that comes as the function ends either answered or did not, and the caller reads the same.
func TestWriteMeetsTheFunctionsEnd(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	for range 200 {
		var writer sync.WaitGroup
		var written error
		got, err := r.ask(t, func(e event) {
			writer.Go(func() {
				written = r.WriteGetObjectResponse(t.Context(), r.writer, answerOf(e, "clean"))
			})
		})
		writer.Wait()
		if (written == nil) != (err == nil) || err == nil && got != "clean" || err != nil && !fault.Is(err, "LambdaResponseNotReceived") {
			t.Fatalf("writer read %v, caller read %q, %v", written, got, err)
		}
	}
}

func TestUsedTokenIsToldFromMissingPermission(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	_, err := r.ask(t, func(e event) {
		body := &hanging{text: "begin", aborted: make(chan struct{})}
		answered := make(chan error)
		go func() {
			w := answerOf(e, "")
			w.Answer.Length, w.Answer.Body = -1, body
			answered <- r.WriteGetObjectResponse(context.Background(), r.writer, w)
		}()
		for code := "AccessDenied"; code == "AccessDenied"; { // until the other has claimed
			err := r.WriteGetObjectResponse(t.Context(), r.viewer, answerOf(e, "x"))
			if code = fault.Code(err); code != "AccessDenied" && code != "ValidationError" {
				t.Errorf("WriteGetObjectResponse = %v", err)
			}
		}
		body.abort()
		<-answered
	})
	if err == nil {
		t.Error("GetObject = nil, want the broken answer's error")
	}
}

func TestAnswerThatDoesNotArrive(t *testing.T) {
	broken := errors.New("connection reset")
	for _, c := range []struct {
		name    string
		length  int64
		body    io.Reader
		deliver func(Answer) error // nil reads the whole
		want    string             // of GetObject; "-" is an error without a code
		calls   int
	}{
		{"caller's connection breaks", 5, strings.NewReader("clean"), func(Answer) error { return broken }, "-", 1},
		{"body breaks after its first bytes", -1, io.MultiReader(strings.NewReader("cl"), iotest.ErrReader(broken)), nil, "-", 1},
		{"body breaks before its first byte", 5, iotest.ErrReader(broken), nil, "ResponseInterrupted", 0},
		{"body of unknown length breaks before its first byte", -1, iotest.ErrReader(broken), nil, "ResponseInterrupted", 0},
		{"body announced and not sent", 5, strings.NewReader(""), nil, "ResponseInterrupted", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			defer r.Close()
			r.function.invoke = func(ctx context.Context, _ iam.Caller, _ string, payload []byte) (lambda.Result, error) {
				w := answerOf(parse(t, payload), "")
				w.Answer.Length, w.Answer.Body = c.length, c.body
				wantCode(t, "WriteGetObjectResponse", r.WriteGetObjectResponse(ctx, r.writer, w), "ResponseInterrupted")
				return lambda.Result{}, nil
			}
			calls := 0
			err := r.GetObject(t.Context(), r.request(), func(a Answer) error {
				calls++
				if c.deliver != nil {
					return c.deliver(a)
				}
				var got string
				return into(&got)(a)
			})
			code := fault.Code(err)
			if code == "" && err != nil {
				code = "-"
			}
			if code != c.want || calls != c.calls {
				t.Errorf("GetObject = %v after %d calls of deliver, want %q after %d", err, calls, c.want, c.calls)
			}
		})
	}
}

func TestEmptyAnswersArrive(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer Answer
	}{
		{"empty body", Answer{Status: 200, Length: 0, Body: strings.NewReader("")}},
		{"empty body of unknown length", Answer{Status: 200, Length: -1, Body: strings.NewReader("")}},
		{"error without a body", Answer{Status: 404, ErrorCode: "NoSuchKey", Length: 0}},
		{"error of unknown length, whose body is not read", Answer{Status: 404, ErrorCode: "NoSuchKey", Length: -1, Body: iotest.ErrReader(errors.New("read"))}},
		{"not modified, whose body is not read", Answer{Status: 304, Length: -1, Body: iotest.ErrReader(errors.New("read"))}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			defer r.Close()
			r.function.invoke = func(ctx context.Context, _ iam.Caller, _ string, payload []byte) (lambda.Result, error) {
				w := answerOf(parse(t, payload), "")
				w.Answer = c.answer
				return lambda.Result{}, r.WriteGetObjectResponse(ctx, r.writer, w)
			}
			var got Answer
			err := r.GetObject(t.Context(), r.request(), func(a Answer) error { got = a; return nil })
			if err != nil || got.Status != c.answer.Status || got.ErrorCode != c.answer.ErrorCode {
				t.Errorf("GetObject = %v, delivered %+v", err, got)
			}
		})
	}
}

// The bytes are the same however the reader gives them.
func TestFirstBytesAreNotLost(t *testing.T) {
	text := strings.Repeat("0123456789", 1000)
	for name, wrap := range map[string]func(io.Reader) io.Reader{
		"whole": func(r io.Reader) io.Reader { return r }, "byte by byte": iotest.OneByteReader, "data with its end": iotest.DataErrReader,
	} {
		t.Run(name, func(t *testing.T) {
			a, err := Answer{Status: 200, Length: int64(len(text)), Body: wrap(strings.NewReader(text))}.begin()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(a.Body)
			if err != nil || string(got) != text {
				t.Errorf("body = %d bytes, %v, want %d", len(got), err, len(text))
			}
		})
	}
}

func TestWriterIsReleasedWhenDeliverPanics(t *testing.T) {
	r := newRig(t)
	defer r.Close()
	written := make(chan error, 1)
	r.function.invoke = func(ctx context.Context, _ iam.Caller, _ string, payload []byte) (lambda.Result, error) {
		written <- r.WriteGetObjectResponse(ctx, r.writer, answerOf(parse(t, payload), "clean"))
		return lambda.Result{}, nil
	}
	func() {
		defer func() { _ = recover() }()
		_ = r.GetObject(t.Context(), r.request(), func(Answer) error { panic("of the front end") })
	}()
	wantCode(t, "WriteGetObjectResponse", <-written, "ResponseInterrupted")
}

func TestWriterWhoLeavesAbortsTheAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		defer r.Close()
		body := &hanging{text: "beginning", aborted: make(chan struct{})}
		began := time.Now()
		got, err := r.ask(t, func(e event) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			w := answerOf(e, "")
			w.Answer.Length, w.Answer.Body, w.Answer.Abort = -1, body, body.abort
			wantCode(t, "WriteGetObjectResponse", r.WriteGetObjectResponse(ctx, r.writer, w), "ResponseInterrupted")
		})
		if err == nil || got != "beginning" || time.Since(began) != time.Second {
			t.Errorf("GetObject = %q, %v after %s, want an answer broken off after 1s", got, err, time.Since(began))
		}
	})
}

func TestAtEndIsNotRunningAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		ran := false
		callOff := atEnd(ctx, func() {
			time.Sleep(time.Second)
			ran = true
		})
		<-ctx.Done()
		synctest.Wait()
		callOff()
		if !ran || time.Since(began) != 2*time.Second {
			t.Errorf("called off after %s while the function ran: %t", time.Since(began), !ran)
		}
		callOff = atEnd(t.Context(), func() { t.Error("called although it was called off") })
		callOff()
	})
}
