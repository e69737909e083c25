// Package runner is the places where a function's code can run, behind one interface: a Go function in this process, a
// process elsewhere that is called over HTTP, and a function in AWS. Which version of which function, with whose credentials, and whether the
// caller may, is package lambda's. Queue workers come later behind the same interface.
package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"glassine/aws/sigv4"
)

// MaxPayload is the most bytes of an event or of a result: 6 MB and a little, as the Runtime API has it.
// (AWS Lambda Developer Guide, "Lambda quotas"; the runtime interface emulator's 6*1024*1024 + 100.)
const MaxPayload = 6*1024*1024 + 100

// Invocation is one event for one version of a function.
type Invocation struct {
	RequestID    string
	FunctionName string
	FunctionARN  string // as invoked: with the qualifier, when there was one
	Version      string // "$LATEST" or a number
	Region       string
	Payload      []byte
	// ClientContext is JSON that the caller gives besides the event, or "".
	ClientContext string
	Deadline      time.Time
	Credentials   sigv4.Credentials // of the execution role, for this invocation
}

// Runner runs a function. The error is a *FunctionError when the function itself failed (it returned an error or crashed),
// anything else when it could not be run or ctx ended: whether that was the deadline is for its caller to say. It honours
// ctx.
type Runner interface {
	Run(ctx context.Context, inv Invocation) ([]byte, error)
}

// FunctionError is a function's own failure, as its caller reads it.
type FunctionError struct {
	Type, Message string
}

func (e *FunctionError) Error() string { return e.Type + ": " + e.Message }

// Payload is the failure as the JSON that Invoke answers.
func (e *FunctionError) Payload() []byte {
	b, _ := json.Marshal(map[string]string{"errorType": e.Type, "errorMessage": e.Message}) // strings always encode
	return b
}

// TimedOut is the failure of a function that ran past its deadline.
func TimedOut(requestID string, timeout time.Duration) *FunctionError {
	return &FunctionError{"Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", requestID, timeout.Seconds())}
}

// Func is a function that is part of this program.
type Func func(ctx context.Context, inv Invocation) ([]byte, error)

// Run calls f. What f returns as an error, and a panic of f, is the function's failure.
func (f Func) Run(ctx context.Context, inv Invocation) (result []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			result, err = nil, &FunctionError{"Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: %v", inv.RequestID, p)}
		}
	}()
	result, err = f(ctx, inv)
	if err == nil {
		return result, nil
	}
	if _, ok := errors.AsType[*FunctionError](err); ok {
		return nil, err
	}
	return nil, &FunctionError{"Error", err.Error()}
}
