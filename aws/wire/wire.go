// Package wire is AWS's protocols on the server's side: which service a request is for, how its body is read, how an
// answer and an error are written. It speaks REST-XML; each service that needs another protocol adds it here.
//
// It alone turns a *fault.Error into a status and a body. Any other error is logged under the request's id and becomes
// InternalError without its text.
package wire

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"glassine/aws/fault"
)

// Dialect is how a service of the REST-XML family writes its errors and its ids.
type Dialect struct {
	// Wrap puts <Error> into <ErrorResponse>, as s3control, CloudFront, IAM and STS do; S3 writes it flat. A flat error
	// from s3control makes the Go SDK report UnknownError.
	Wrap bool
	// Namespace is the xmlns of a wrapped error and of answers; empty leaves it out.
	Namespace string
	// HostID is the HostId element of S3's errors; empty leaves it out.
	HostID string
	// Type puts <Type>Sender|Receiver</Type> into the error.
	Type bool
}

// The dialects in use.
var (
	S3           = Dialect{HostID: "glassine"}
	ObjectLambda = Dialect{HostID: "{host-id}"} // literally so on AWS: three independent captures
	S3Control    = Dialect{Wrap: true, Namespace: "http://awss3control.amazonaws.com/doc/2018-08-20/", HostID: "glassine"}
	CloudFront   = Dialect{Wrap: true, Namespace: "http://cloudfront.amazonaws.com/doc/2020-05-31/", Type: true}
)

// Header is the declaration that begins every XML answer.
const Header = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"

// NewRequestID returns an id in the form of a UUID, as CloudFront's API and Object Lambda use.
func NewRequestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// NewS3RequestID returns an id as S3 writes them: 16 upper-case hex digits.
func NewS3RequestID() string {
	var b [8]byte
	rand.Read(b[:])
	return strings.ToUpper(hex.EncodeToString(b[:]))
}

// WriteXML answers with v in XML, under the name that v's type gives. Write errors are the client's leaving and are dropped.
func WriteXML(w http.ResponseWriter, status int, v any) {
	write(w, status, v, func(e *xml.Encoder) error { return e.Encode(v) })
}

// WriteElement answers with v in XML as the element name of the namespace.
func WriteElement(w http.ResponseWriter, status int, name, namespace string, v any) {
	start := xml.StartElement{Name: xml.Name{Local: name}, Attr: []xml.Attr{{Name: xml.Name{Local: "xmlns"}, Value: namespace}}}
	write(w, status, v, func(e *xml.Encoder) error { return e.EncodeElement(v, start) })
}

func write(w http.ResponseWriter, status int, v any, encode func(*xml.Encoder) error) {
	var b bytes.Buffer
	b.WriteString(Header)
	if err := encode(xml.NewEncoder(&b)); err != nil {
		panic(fmt.Sprintf("wire: cannot encode %T: %v", v, err)) // a broken program: our own shapes always encode
	}
	h := w.Header()
	h.Set("Content-Type", "application/xml")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// ReadXML decodes a request body of at most limit bytes into v. The error is MalformedXML, or EntityTooLarge before more
// than limit bytes are read.
func ReadXML(body io.Reader, limit int64, v any) error {
	raw, err := io.ReadAll(io.LimitReader(body, limit+1)) // limit
	if err != nil {
		return fmt.Errorf("read request body: %w", err)
	}
	if int64(len(raw)) > limit {
		return fault.New("EntityTooLarge", "The request body is larger than the %d bytes that this operation allows.", limit)
	}
	d := xml.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(v); err != nil {
		return fault.New("MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	return nil
}

// WriteError answers with err. HEAD requests get no body. The request id is one that the caller already put on
// the answer or logged.
func WriteError(w http.ResponseWriter, r *http.Request, d Dialect, requestID string, err error, log *slog.Logger) {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("request", requestID), slog.String("error", err.Error()))
		f = fault.New("InternalError", "We encountered an internal error. Please try again.")
	}
	status := Status(f)
	if ok && status >= 500 && err != error(f) { //nolint:errorlint // whether there is more to it than its code
		log.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("request", requestID), slog.String("error", err.Error()))
	}
	h := w.Header()
	if status == http.StatusNotModified || r.Method == http.MethodHead {
		h.Del("Content-Length")
		w.WriteHeader(status)
		return
	}
	var b bytes.Buffer
	b.WriteString(Header)
	if d.Wrap {
		b.WriteString("<ErrorResponse")
		if d.Namespace != "" {
			b.WriteString(` xmlns="` + d.Namespace + `"`)
		}
		b.WriteString(">")
	}
	b.WriteString("<Error>")
	if d.Type {
		side := "Sender"
		if status >= 500 {
			side = "Receiver"
		}
		element(&b, "Type", side)
	}
	element(&b, "Code", f.Code)
	element(&b, "Message", f.Message)
	for _, x := range f.Fields {
		element(&b, x.Name, x.Value)
	}
	if d.Wrap {
		b.WriteString("</Error>")
	}
	element(&b, "RequestId", requestID)
	if d.HostID != "" {
		element(&b, "HostId", d.HostID)
	}
	if d.Wrap {
		b.WriteString("</ErrorResponse>")
	} else {
		b.WriteString("</Error>")
	}
	h.Set("Content-Type", "application/xml")
	h.Set("Content-Length", strconv.Itoa(b.Len()))
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

func element(b *bytes.Buffer, name, text string) {
	b.WriteString("<" + name + ">")
	_ = xml.EscapeText(b, []byte(text)) // a bytes.Buffer does not fail
	b.WriteString("</" + name + ">")
}

// WriteUnsupported refuses a request for a service that is not here, in a form that the service's clients show to their user.
func WriteUnsupported(w http.ResponseWriter, r *http.Request, service string, log *slog.Logger) {
	f := fault.New("NotImplemented", "glassine does not serve the AWS service %q yet.", service)
	id := NewRequestID()
	w.Header().Set("X-Amzn-Requestid", id)
	switch service {
	case "lambda", "logs", "ssm":
		w.Header().Set("X-Amzn-Errortype", f.Code)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(Status(f))
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": f.Code, "message": f.Message, "Type": "User", "Message": f.Message}) // a failed write is the client's leaving
	default:
		WriteError(w, r, Dialect{Wrap: true, Type: true}, id, f, log)
	}
}
