package wire

import (
	"cmp"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
)

// JSONService answers the requests of one service of JSON 1.1: it gives each an id, authenticates it, finds its operation by
// X-Amz-Target, and writes the operation's answer or AWS's error. C is the caller that an access key stands for, T what the
// service's operations take. (Smithy specification, "AWS JSON 1.1 protocol".)
type JSONService[C, T any] struct {
	JSON  JSON
	Title string // the service's name in the refusal of an operation that is not served
	Limit int64  // the most bytes of a request's body
	// Operations are all that are served, by AWS's names. They are never written to.
	Operations map[string]JSONOperation[T]

	Keys Keys[C]
	// Call makes what the operations take of a request that c signed.
	Call func(r *http.Request, c C, sig *sigv4.Signature) T
	Now  func() time.Time // nil means time.Now
	Log  *slog.Logger     // nil means slog.Default
}

// ServeHTTP authenticates, finds the operation, and runs it.
func (s *JSONService[C, T]) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := NewRequestID()
	w.Header().Set("X-Amzn-Requestid", id)
	if err := s.serve(w, r); err != nil {
		WriteJSONError(w, r, s.JSON, id, s.JSON.Fault(err), cmp.Or(s.Log, slog.Default()))
	}
}

func (s *JSONService[C, T]) serve(w http.ResponseWriter, r *http.Request) error {
	now := time.Now()
	if s.Now != nil {
		now = s.Now()
	}
	caller, sig, body, err := AuthenticateJSON(r, s.Keys, s.JSON, now, s.Limit)
	if err != nil {
		return err
	}
	name := s.JSON.operation(r)
	run, ok := s.Operations[name]
	if !ok {
		return fault.New("UnknownOperationException", "glassine does not serve the %s operation %q.", s.Title, name)
	}
	return run(s.Call(r, caller, sig), body, w)
}

// operation is the operation that X-Amz-Target names, "" when it is none of d's service.
func (d JSON) operation(r *http.Request) string {
	name, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), d.Target+".")
	if !ok {
		return ""
	}
	return name
}

// JSONOperation is an operation of JSON 1.1: T is what the service makes of a request. It answers, or returns an error before
// anything was answered. Make one with JSONOp or JSONDo, or write one that answers by itself.
type JSONOperation[T any] func(c T, body []byte, w http.ResponseWriter) error

// JSONOp makes an operation of d's service out of a function over its input and output, which are structs with AWS's names.
func JSONOp[T, In, Out any](d JSON, f func(T, *In) (Out, error)) JSONOperation[T] {
	return func(c T, body []byte, w http.ResponseWriter) error {
		var in In
		if err := ReadJSON(d, body, &in); err != nil {
			return err
		}
		out, err := f(c, &in)
		if err != nil {
			return err
		}
		WriteJSON(w, d, http.StatusOK, out)
		return nil
	}
}

// JSONDo is JSONOp for an operation that answers nothing.
func JSONDo[T, In any](d JSON, f func(T, *In) error) JSONOperation[T] {
	return func(c T, body []byte, w http.ResponseWriter) error {
		var in In
		if err := ReadJSON(d, body, &in); err != nil {
			return err
		}
		if err := f(c, &in); err != nil {
			return err
		}
		WriteJSON(w, d, http.StatusOK, nil)
		return nil
	}
}
