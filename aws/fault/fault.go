// Package fault is the error that carries one of AWS's error codes.
//
// A service returns a *fault.Error when its caller should see why a request was refused. It knows no HTTP status and no
// wire format: package aws/wire alone turns an error into a status and a body. An error that is not a *fault.Error is
// logged and becomes InternalError, its text never reaching a client.
package fault

import (
	"errors"
	"fmt"
)

// Error is a refusal that has a name on AWS's wire.
type Error struct {
	// Code is AWS's error code, such as "NoSuchKey".
	Code string
	// Message is the text that the caller reads. It holds nothing secret.
	Message string
	// Fields are the elements that some codes add to the error body, such as Region or BucketName, in their order.
	Fields []Field
	// Status is the HTTP status where the code alone does not decide it; zero means the code's own.
	Status int
}

// Field is one extra element of an error body.
type Field struct{ Name, Value string }

// New makes an error with the formatted message.
func New(code, format string, args ...any) *Error {
	if len(args) == 0 {
		return &Error{Code: code, Message: format}
	}
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// With returns a copy of e with one more field.
func (e *Error) With(name, value string) *Error {
	c := *e
	c.Fields = append(append([]Field(nil), e.Fields...), Field{name, value})
	return &c
}

// WithStatus returns a copy of e that answers with the given HTTP status.
func (e *Error) WithStatus(status int) *Error {
	c := *e
	c.Status = status
	return &c
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// Code returns the AWS code that err carries, or "" when it carries none.
func Code(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// Is reports whether err carries the AWS code.
func Is(err error, code string) bool { return Code(err) == code }
