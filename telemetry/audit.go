// Package telemetry is what an operator can look back at: here the audit log, one JSON line for each control operation
// and each denial. It holds who asked for what and how it was decided, and never a secret: no header, no query string, no
// body, no token.
//
// Start at Audit.
package telemetry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"
)

// Decision is one question that a request put to IAM, and its answer.
type Decision struct {
	Action    string   `json:"action"`
	Resources []string `json:"resources"`
	Allowed   bool     `json:"allowed"`
	By        string   `json:"by,omitempty"`        // the kind of policy that decided a denial
	Policy    string   `json:"policy,omitempty"`    // its name
	Statement string   `json:"statement,omitempty"` // its Sid, or its number
}

// Record is one line. Its names are CloudTrail's where CloudTrail has the thing.
// (AWS CloudTrail User Guide, "CloudTrail record contents".)
type Record struct {
	EventTime   time.Time  `json:"eventTime"` // UTC
	RequestID   string     `json:"requestID,omitempty"`
	EventSource string     `json:"eventSource,omitempty"` // the service: s3, iam, cloudfront, ...
	SourceIP    string     `json:"sourceIPAddress,omitempty"`
	UserAgent   string     `json:"userAgent,omitempty"`
	Type        string     `json:"userIdentityType"`
	Principal   string     `json:"userIdentityArn,omitempty"`
	AccessKeyID string     `json:"accessKeyId,omitempty"`
	InvokedBy   []string   `json:"invokedBy,omitempty"` // services that acted for the principal
	Status      int        `json:"httpStatus,omitempty"`
	Decisions   []Decision `json:"decisions"`
	// ObjectLambda is there when the request was one on an Object Lambda access point.
	ObjectLambda *ObjectLambdaEvent `json:"objectLambda,omitempty"`
}

// ObjectLambdaEvent is what a data event of an Object Lambda access point says besides who asked: who answered.
// (AWS CloudTrail User Guide, "Logging data events", AWS::S3ObjectLambda::AccessPoint.)
type ObjectLambdaEvent struct {
	EventName   string `json:"eventName"`   // the operation
	AccessPoint string `json:"accessPoint"` // ARN
	Function    string `json:"function,omitempty"`
	// AnsweredBy is the ARN of the principal that called WriteGetObjectResponse, or of the function's execution role where
	// its return value is the answer.
	AnsweredBy string `json:"answeredBy,omitempty"`
	ErrorCode  string `json:"errorCode,omitempty"`
	BytesIn    int64  `json:"bytesTransferredIn"`
	BytesOut   int64  `json:"bytesTransferredOut"`
}

// Defaults of an Audit's files.
const (
	defaultSize = 64 << 20
	defaultKeep = 4
)

// Audit appends records to a file and begins a new one when it is full: audit.log, audit.log.1 (the last full one),
// audit.log.2, ... Safe for many goroutines.
type Audit struct {
	path string
	size int64
	keep int

	mu      sync.Mutex // guards what follows
	file    *os.File
	written int64
}

// OpenAudit opens the log at path, of files of at most size bytes, with keep full ones beside it; 0 means 64 MiB and 4.
func OpenAudit(path string, size int64, keep int) (*Audit, error) {
	if size == 0 {
		size = defaultSize
	}
	if keep == 0 {
		keep = defaultKeep
	}
	a := &Audit{path: path, size: size, keep: keep}
	return a, a.open()
}

func (a *Audit) open() error {
	f, err := os.OpenFile(a.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open audit log: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return fmt.Errorf("open audit log: %w", err)
	}
	a.file, a.written = f, info.Size()
	return nil
}

// Write appends r in one write. The error is for the process's log: what was audited has happened.
func (a *Audit) Write(r Record) error {
	line, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encode audit record: %w", err)
	}
	line = append(line, '\n')
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return errors.New("the audit log is closed")
	}
	if a.written > 0 && a.written+int64(len(line)) > a.size {
		if err := a.turn(); err != nil {
			return err
		}
	}
	n, err := a.file.Write(line)
	a.written += int64(n)
	if err != nil {
		return fmt.Errorf("write audit record: %w", err)
	}
	return nil
}

// turn makes the full file number 1, and drops the last. The caller holds mu.
func (a *Audit) turn() error {
	for i := a.keep - 1; i >= 0; i-- {
		from := a.path
		if i > 0 {
			from = fmt.Sprintf("%s.%d", a.path, i)
		}
		if err := os.Rename(from, fmt.Sprintf("%s.%d", a.path, i+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("turn audit log: %w", err)
		}
	}
	a.file.Close()
	return a.open()
}

// Close ends the log; Write fails afterwards.
func (a *Audit) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.file == nil {
		return nil
	}
	err := a.file.Close()
	a.file = nil
	return err
}
