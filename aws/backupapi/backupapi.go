// Package backupapi is this program's own operation beside AWS's, on the AWS endpoint: CreateBackup of the service glassine. AWS
// has no such operation. It authenticates and translates as the packages beside it do; who may, and what a backup is, is the root
// package's matter.
//
//	POST https://glassine.<region>.amazonaws.com/   X-Amz-Target: Glassine_20261126.CreateBackup   {}
//
// The answer's body is the backup (package backup), of unknown length. One that breaks off is a connection that is reset, and has
// no manifest. It is answered over TLS only: it holds the keys of the installation.
//
// Start at Handler.ServeHTTP.
package backupapi

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/iam"
)

// Service is the name in credential scopes.
const Service = "glassine"

var dialect = wire.JSON{
	Service: Service, ContentType: "application/x-amz-json-1.1", Target: "Glassine_20261126",
	Failure: "InternalFailure", Unread: "SerializationException", Forbidden: http.StatusBadRequest,
}

// maxBody bounds a request.
const maxBody = 4 << 10

// Handler answers the requests. Its fields are set before the first one.
type Handler struct {
	IAM *iam.Service
	// Backup authorises the caller and writes a backup. Nothing is written when it refuses.
	Backup func(ctx context.Context, c iam.Caller, w io.Writer) error
	Now    func() time.Time // nil means time.Now
	Log    *slog.Logger     // nil means slog.Default
}

// call is one request, authenticated.
type call struct {
	*Handler
	r      *http.Request
	caller iam.Caller
}

// operations are all that are served. It is never written to.
var operations = map[string]wire.JSONOperation[*call]{"CreateBackup": (*call).createBackup}

// ServeHTTP authenticates, finds the operation by X-Amz-Target, and runs it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	service := wire.JSONService[iam.Caller, *call]{
		JSON: dialect, Title: "backup", Limit: maxBody, Operations: operations,
		Keys: wire.KeysOf(h.IAM.Lookup), Now: h.Now, Log: h.Log,
		Call: func(r *http.Request, c iam.Caller, sig *sigv4.Signature) *call {
			return &call{Handler: h, r: r, caller: c.WithContext(wire.Context(r, sig))}
		},
	}
	service.ServeHTTP(w, r)
}

func (c *call) createBackup(_ []byte, w http.ResponseWriter) error {
	if c.r.TLS == nil {
		return fault.New("AccessDenied", "A backup holds the keys of the installation: it is given over TLS only.")
	}
	body := &answer{w: w}
	err := c.Backup(c.r.Context(), c.caller, body)
	if err == nil || !body.started {
		return err
	}
	cmp.Or(c.Log, slog.Default()).LogAttrs(c.r.Context(), slog.LevelError, "backup broke off", slog.String("request", w.Header().Get("X-Amzn-Requestid")), slog.String("error", err.Error()))
	panic(http.ErrAbortHandler) // so that nobody takes it for whole
}

// answer is the body of an answer that begins with its first byte.
type answer struct {
	w       http.ResponseWriter
	started bool
}

func (a *answer) Write(p []byte) (int, error) {
	if !a.started {
		a.started = true
		a.w.Header().Set("Content-Type", "application/zstd") // RFC 8878, section 7.2
		a.w.WriteHeader(http.StatusOK)
	}
	return a.w.Write(p)
}

// Client asks for backups.
type Client struct{ wire.Client }

// CreateBackup returns a backup as it comes; it is one when it was read to its manifest. The caller closes it.
func (c *Client) CreateBackup(ctx context.Context, region string) (io.ReadCloser, error) {
	return c.Open(ctx, Service, region, http.MethodPost, "https://glassine."+region+".amazonaws.com/", http.Header{
		"Content-Type": {dialect.ContentType}, "X-Amz-Target": {dialect.Target + ".CreateBackup"},
	}, []byte("{}"))
}
