// Package resetapi is this program's own operation beside AWS's, on the AWS endpoint, for tests: everything that was made is gone
// afterwards. AWS has no such operation. It authenticates and translates as the packages beside it do; who may, and what a reset is,
// is the root package's matter.
//
//	POST /_glassine/reset
//
// at any name of the endpoint, signed for the service glassine, without a body. No bucket can be called _glassine, so nothing is
// hidden. Errors are as in AWS's REST-JSON. The answer comes when all is there anew, and the connection ends with it: that of every
// other request has ended before.
//
// Start at Handler.ServeHTTP.
package resetapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"glassine/aws/fault"
	"glassine/aws/wire"
	"glassine/iam"
)

// Service is the name in credential scopes.
const Service = "glassine"

// Disabled is the code of the refusal, 403, of a glassine that was not started so that it can be reset.
const Disabled = "OperationDisabledException"

// Path is where the operation is.
const Path = "/_glassine/reset"

var dialect = wire.JSON{
	Service: Service, ContentType: "application/json", Failure: "ServiceException", Unread: "InvalidRequestContentException", Forbidden: http.StatusForbidden,
}

const (
	// maxBody bounds a request: it has nothing to say.
	maxBody = 4 << 10
	// answerTime is how long the caller may take to read the answer.
	answerTime = 10 * time.Second
)

// Handler answers the requests. Its fields are set before the first one.
type Handler struct {
	IAM *iam.Service
	// May tells whether the caller may reset. Its error is the answer.
	May func(ctx context.Context, c iam.Caller) error
	// Begin has everything reset after ready is closed, and calls done when it is, with how long it took or why it failed. It
	// does not wait.
	Begin func(ready <-chan struct{}, done func(took time.Duration, err error))
	Now   func() time.Time // nil means time.Now
	Log   *slog.Logger     // nil means slog.Default
}

// Answer is the body of an answer.
type Answer struct {
	// Milliseconds are how long it took, from when the first listener was shut.
	Milliseconds int64 `json:"DurationMilliseconds"`
}

// Is reports whether a request is for the operation.
func Is(r *http.Request) bool { return r.URL.Path == Path }

// ServeHTTP authenticates, and takes the connection: the server of this request ends by the reset.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	id := wire.NewRequestID()
	w.Header().Set("X-Amzn-Requestid", id)
	if err := h.serve(w, r, id); err != nil {
		wire.WriteJSONError(w, r, dialect, id, dialect.Fault(err), h.log())
	}
}

func (h *Handler) log() *slog.Logger { return cmp.Or(h.Log, slog.Default()) }

func (h *Handler) serve(w http.ResponseWriter, r *http.Request, id string) error {
	now := time.Now()
	if h.Now != nil {
		now = h.Now()
	}
	if r.Method != http.MethodPost {
		return fault.New("MethodNotAllowedException", "%s is asked for by POST.", Path).WithStatus(http.StatusMethodNotAllowed)
	}
	caller, sig, _, err := wire.AuthenticateJSON(r, wire.KeysOf(h.IAM.Lookup), dialect, now, maxBody)
	if err != nil {
		return err
	}
	if err := h.May(r.Context(), caller.WithContext(wire.Context(r, sig))); err != nil {
		return err
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return fault.New("InvalidRequestException", "A reset is asked for over a connection of HTTP/1.1 of its own.")
	}
	// net/http ends the context when all handlers of the request have returned: what they write about it is written then.
	h.Begin(r.Context().Done(), func(took time.Duration, err error) {
		if err := send(conn, id, took, err); err != nil {
			h.log().Warn("who asked for the reset did not wait for its end", slog.String("request", id), slog.String("error", err.Error()))
		}
	})
	return nil
}

// send writes the answer and closes the connection.
func send(conn net.Conn, id string, took time.Duration, failed error) error {
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(answerTime)) // fails only on a closed connection, as the writing then does
	resp := &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Close: true,
		Header: http.Header{"Content-Type": {dialect.ContentType}, "X-Amzn-Requestid": {id}},
	}
	var body any = Answer{took.Milliseconds()}
	if failed != nil {
		resp.StatusCode = http.StatusInternalServerError
		resp.Header.Set("X-Amzn-Errortype", dialect.Failure)
		body = map[string]string{"Type": "Service", "message": "The reset failed; the log says why. What was there may still be."}
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return err
	}
	resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(raw)), int64(len(raw))
	return resp.Write(conn)
}

// Client asks for resets.
type Client struct{ wire.Client }

// Reset returns when everything is gone and what comes back is there, and how long it took.
func (c *Client) Reset(ctx context.Context, region string) (time.Duration, error) {
	raw, err := c.SendContext(ctx, Service, region, http.MethodPost, "https://"+Service+"."+region+".amazonaws.com"+Path, http.Header{}, nil)
	if err != nil {
		return 0, err
	}
	var out Answer
	if err := json.Unmarshal(raw, &out); err != nil {
		return 0, fmt.Errorf("read the answer of the reset: %w", err)
	}
	return time.Duration(out.Milliseconds) * time.Millisecond, nil
}
