package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
)

// The services of the JSON protocols, as they stand in credential scopes.
const (
	ServiceLambda = "lambda"
	ServiceLogs   = "logs"
	ServiceSSM    = "ssm"
)

// JSON is how a service of the JSON protocols names and writes its errors.
// (Smithy specification, "AWS restJson1 protocol" and "AWS JSON 1.1 protocol".)
type JSON struct {
	Service     string // in credential scopes
	ContentType string // of answers
	// Target is what stands before the operation's name in X-Amz-Target (JSON 1.1); "" is REST-JSON, which tells operations
	// by method and path, and puts an error's name into X-Amzn-Errortype.
	Target string
	// Capital are the errors whose text is the member Message; of all others it is message. REST-JSON only.
	Capital []string
	Failure string // the code of an error of ours, whose text is not shown
	Unread  string // the code of a body that is no JSON, or of another shape
	// Forbidden is the status of a request that is not signed properly or not allowed.
	Forbidden int
}

// The services of the JSON protocols.
var (
	Lambda = JSON{
		Service: ServiceLambda, ContentType: "application/json", Failure: "ServiceException", Unread: "InvalidRequestContentException", Forbidden: http.StatusForbidden,
		Capital: []string{"ResourceNotFoundException", "ServiceException", "InvalidRuntimeException", "InvalidZipFileException"}, // Lambda's API model
	}
	Logs = JSON{
		Service: ServiceLogs, ContentType: "application/x-amz-json-1.1", Target: "Logs_20140328", Failure: "ServiceUnavailableException", Unread: "SerializationException",
		Forbidden: http.StatusBadRequest,
	}
	SSM = JSON{
		Service: ServiceSSM, ContentType: "application/x-amz-json-1.1", Target: "AmazonSSM", Failure: "InternalServerError", Unread: "SerializationException",
		Forbidden: http.StatusBadRequest,
	}
)

// jsonStatuses are the statuses of errors that only services of REST-JSON have. A code that is neither here nor in statuses
// answers 400. (Lambda's API model.)
var jsonStatuses = map[string]int{
	"PreconditionFailedException":   http.StatusPreconditionFailed,
	"RequestTooLargeException":      http.StatusRequestEntityTooLarge,
	"UnsupportedMediaTypeException": http.StatusUnsupportedMediaType,
	"InvalidRuntimeException":       http.StatusBadGateway,
	"InvalidZipFileException":       http.StatusBadGateway,
	"ResourceNotReadyException":     http.StatusBadGateway,
	"UnknownOperationException":     http.StatusNotFound,
}

// WriteJSON answers with v in JSON; a nil v is an answer without a body.
func WriteJSON(w http.ResponseWriter, d JSON, status int, v any) {
	if v == nil {
		if status != http.StatusNoContent {
			w.Header().Set("Content-Type", d.ContentType)
			w.Header().Set("Content-Length", "0")
		}
		w.WriteHeader(status)
		return
	}
	body, err := encodeJSON(v)
	if err != nil {
		panic(fmt.Sprintf("wire: cannot encode %T: %v", v, err)) // a broken program: our own shapes always encode
	}
	w.Header().Set("Content-Type", d.ContentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a failed write is the client's leaving
}

// encodeJSON is json.Marshal that leaves <, > and & as they are, as AWS does.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// ReadJSON decodes a request's body into v, which stays as it is when there is none. Members that v has not are passed
// over, as AWS does. The error is d.Unread.
func ReadJSON(d JSON, body []byte, v any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	err := json.Unmarshal(body, v)
	if err == nil {
		return nil
	}
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fault.New(d.Unread, "Could not parse request body into json: %s cannot be a %s.", wrong.Field, wrong.Value)
	}
	return fault.New(d.Unread, "Could not parse request body into json: it is not well-formed.")
}

// WriteJSONError answers with err in the service's form. Fields of a fault become members of the body; one of the name
// Retry-After becomes a header too. The request id is one that the caller already put on the answer.
func WriteJSONError(w http.ResponseWriter, r *http.Request, d JSON, requestID string, err error, log *slog.Logger) {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("request", requestID), slog.String("error", err.Error()))
		f = fault.New(d.Failure, "The service encountered an internal error. Please try again.").WithStatus(http.StatusInternalServerError)
	}
	status := f.Status
	if status == 0 {
		status = jsonStatuses[f.Code]
	}
	if status == 0 {
		status = Status(f)
	}
	body := map[string]string{}
	if d.Target != "" {
		body["__type"], body["message"] = f.Code, f.Message
		if status < http.StatusInternalServerError {
			status = http.StatusBadRequest // every client error of JSON 1.1's services
		}
	} else {
		w.Header().Set("X-Amzn-Errortype", f.Code)
		body["Type"] = "User"
		if status >= http.StatusInternalServerError {
			body["Type"] = "Service"
		}
		text := "message"
		if slices.Contains(d.Capital, f.Code) {
			text = "Message"
		}
		body[text] = f.Message
	}
	for _, x := range f.Fields {
		if x.Name == "Retry-After" {
			w.Header().Set(x.Name, x.Value)
			continue
		}
		body[x.Name] = x.Value
	}
	w.Header().Del("Content-Length")
	WriteJSON(w, d, status, body)
}

// AuthenticateJSON verifies who signed a request of a JSON protocol, and returns its body, of at most limit bytes. Nothing
// of the body is read for a key that is not known, so that only who has one can make us hold it. Errors are in the words
// of these services; a request without a signature gives MissingAuthenticationTokenException.
func AuthenticateJSON[C any](r *http.Request, keys Keys[C], d JSON, now time.Time, limit int64) (C, *sigv4.Signature, []byte, error) {
	var nobody C
	claimed, err := sigv4.Parse(r)
	if err != nil {
		return nobody, nil, nil, d.fault(QueryFault(err))
	}
	if err := checkQueryScope(claimed, d.Service); err != nil {
		return nobody, nil, nil, d.fault(err)
	}
	if _, err := keys(r.Context(), claimed.AccessKeyID, claimed.SessionToken); err != nil {
		return nobody, nil, nil, d.fault(QueryFault(err))
	}
	c, sig, body, err := AuthenticateWhole(r, keys, []string{d.Service}, now, limit)
	switch {
	case fault.Is(err, "EntityTooLarge"):
		return nobody, nil, nil, tooLarge(limit)
	case err != nil:
		return nobody, nil, nil, d.fault(QueryFault(err))
	case sig.Query && len(body) > 0:
		// A presigned URL does not cover the body: whoever holds one would choose what is done.
		return nobody, nil, nil, d.fault(QueryFault(sigv4.Mismatch(sig.AccessKeyID)))
	}
	return c, sig, body, nil
}

// Fault puts the codes and statuses of d's service for what IAM and the signature refuse in place of those that domain
// methods return; other errors stay as they are. (Lambda, CloudWatch Logs and Systems Manager API References, "Common Errors".)
func (d JSON) Fault(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && (f.Code == "AccessDenied" || f.Code == "AccessDeniedException") {
		return fault.New("AccessDeniedException", "%s", f.Message).WithStatus(d.Forbidden)
	}
	return err
}

// fault is Fault for QueryFault's codes.
func (d JSON) fault(err error) error {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return err
	}
	code, known := map[string]string{
		"InvalidClientTokenId":       "UnrecognizedClientException",
		"ExpiredToken":               "ExpiredTokenException",
		"SignatureDoesNotMatch":      "InvalidSignatureException",
		"IncompleteSignature":        "IncompleteSignatureException",
		"MissingAuthenticationToken": "MissingAuthenticationTokenException",
	}[f.Code]
	if !known {
		return err
	}
	return fault.New(code, "%s", f.Message).WithStatus(d.Forbidden)
}

func tooLarge(limit int64) error {
	return fault.New("RequestEntityTooLargeException", "Request must be smaller than %d bytes for this operation", limit).WithStatus(http.StatusRequestEntityTooLarge)
}
