package glassine

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"glassine/aws/wire"
	"glassine/iam"
	"glassine/objectlambda"
	"glassine/telemetry"
)

// auditor writes the audit log: a record for each request on the AWS endpoint that asked for a control operation, was
// denied something, or was one on an Object Lambda access point, on whichever hop. What a request asked is taken from IAM's own decisions, so nothing that is decided
// can be left out.
type auditor struct {
	log *telemetry.Audit
	now func() time.Time
	err *slog.Logger
	// denied counts a denial by its action and what decided it.
	denied func(action, reason string)
}

// audited is a request's record on its way.
type audited struct {
	mu     sync.Mutex // guards what follows
	record telemetry.Record
	keep   bool // it asked for something other than data, or was denied
}

type auditedKey struct{}

// observe is iam's observer.
func (a *auditor) observe(ctx context.Context, c iam.Caller, ask iam.Ask, d iam.Decision) {
	decision := telemetry.Decision{Action: ask.Action, Resources: ask.Resources, Allowed: d.Allowed}
	if !d.Allowed {
		decision.By, decision.Policy, decision.Statement = d.By.String(), d.Policy, d.Sid
		if d.Rule != "" {
			decision.By = d.Rule
		}
		if d.Sid == "" && d.Statement >= 0 {
			decision.Statement = strconv.Itoa(d.Statement)
		}
	}
	if !d.Allowed {
		a.denied(ask.Action, decision.By)
		telemetry.RecorderOf(ctx).Fact("aws.iam.denied", ask.Action+" on "+strings.Join(ask.Resources, ", "), "for "+c.Principal.ARN+", by "+strings.TrimSpace(decision.By+" "+decision.Policy+" "+decision.Statement))
	}
	keep := !d.Allowed || !dataAction(ask.Action)
	r, ok := ctx.Value(auditedKey{}).(*audited)
	if !ok { // no request: this program acts by itself, as when it deploys the demo
		if keep {
			record := telemetry.Record{EventTime: a.now().UTC(), Decisions: []telemetry.Decision{decision}}
			identify(&record, c)
			a.write(record)
		}
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep = r.keep || keep
	identify(&r.record, c)
	r.record.Decisions = append(r.record.Decisions, decision)
}

// identify says who asked.
func identify(r *telemetry.Record, c iam.Caller) {
	r.Type = map[iam.Kind]string{iam.Root: "Root", iam.User: "IAMUser", iam.RoleSession: "AssumedRole", iam.ServicePrincipal: "AWSService"}[c.Principal.Kind]
	if r.Type == "" {
		r.Type = "Anonymous"
	}
	r.Principal, r.AccessKeyID = c.Principal.ARN, c.AccessKeyID
	if c.Session != nil {
		r.InvokedBy = c.Session.Via
	}
}

// objectLambda is the observer of Object Lambda access points: it counts each request, and puts both principals of it, who
// asked and who answered, into the request's record.
func (s *System) objectLambda(ctx context.Context, e objectlambda.Event) {
	s.metrics.ObjectLambda(telemetry.ObjectLambdaRequest{
		AccessPoint: e.AccessPoint.Name, Operation: e.Operation, ByFunction: e.Function != "", Status: e.Status, Code: e.Code, OwnError: e.Own,
		In: e.In, Out: e.Out, FunctionTime: e.FunctionTime, FirstByte: e.FirstByte, Total: e.Total,
	})
	by := e.Writer.ARN
	if by == "" {
		by = e.Role
	}
	telemetry.RecorderOf(ctx).Fact("aws.s3.object_lambda.access_point", e.AccessPoint.ARN(), "function "+e.Function+" answered after "+e.FunctionTime.Round(time.Microsecond).String()+
		", by "+by+"; all of "+e.Operation+" took "+e.Total.Round(time.Microsecond).String())
	r, ok := ctx.Value(auditedKey{}).(*audited)
	if !ok {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep = true
	r.record.ObjectLambda = &telemetry.ObjectLambdaEvent{
		EventName: e.Operation, AccessPoint: e.AccessPoint.ARN(), Function: e.Function, AnsweredBy: by, ErrorCode: e.Code, BytesIn: e.In, BytesOut: e.Out,
	}
	identify(&r.record, e.Caller)
}

// dataAction reports whether an action moves objects or runs functions: what CloudTrail calls a data event.
func dataAction(action string) bool {
	service, name, _ := strings.Cut(action, ":")
	switch service {
	case "s3-object-lambda":
		return true
	case "lambda":
		return name == "InvokeFunction"
	case "logs":
		return name == "PutLogEvents" || name == "GetLogEvents" || name == "FilterLogEvents"
	case "sts":
		return name == "GetCallerIdentity"
	case "s3":
		for _, prefix := range []string{"GetObject", "PutObject", "DeleteObject", "ListBucket", "ListMultipartUploadParts", "AbortMultipartUpload"} {
			if rest, ok := strings.CutPrefix(name, prefix); ok && !strings.HasPrefix(rest, "LockConfiguration") {
				return true
			}
		}
	}
	return false
}

// requests puts a record into each request's context, and writes it when there is something to keep. It tells next which
// service the request is for.
func (a *auditor) requests(next func(w http.ResponseWriter, r *http.Request, service string)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		service := wire.ServiceOf(r)
		entry := &audited{record: telemetry.Record{EventTime: a.now().UTC(), Type: "Anonymous", SourceIP: remoteIP(r), UserAgent: r.UserAgent(), EventSource: service}}
		status := &statusWriter{ResponseWriter: w}
		defer func() {
			entry.mu.Lock()
			defer entry.mu.Unlock()
			entry.record.Status = status.status
			if !entry.keep && status.status != http.StatusForbidden && status.status != http.StatusUnauthorized {
				return
			}
			entry.record.RequestID = w.Header().Get("X-Amz-Request-Id")
			if entry.record.RequestID == "" {
				entry.record.RequestID = w.Header().Get("X-Amzn-Requestid")
			}
			a.write(entry.record)
		}()
		next(status, r.WithContext(context.WithValue(r.Context(), auditedKey{}, entry)), service)
	})
}

func remoteIP(r *http.Request) string {
	if i := strings.LastIndexByte(r.RemoteAddr, ':'); i >= 0 {
		return strings.Trim(r.RemoteAddr[:i], "[]")
	}
	return r.RemoteAddr
}

func (a *auditor) write(r telemetry.Record) {
	if err := a.log.Write(r); err != nil {
		a.err.Error("audit record lost", "error", err.Error())
	}
}

// statusWriter notes the status that a handler answers with. It is nothing else than the writer under it.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// ReadFrom keeps the ways in which the writer under it copies: sendfile, and the hand-over inside the process.
func (w *statusWriter) ReadFrom(src io.Reader) (int64, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	if r, ok := w.ResponseWriter.(io.ReaderFrom); ok {
		return r.ReadFrom(src)
	}
	return io.Copy(struct{ io.Writer }{w.ResponseWriter}, src)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }
