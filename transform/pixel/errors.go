package pixel

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"glassine/confine"
)

// ErrClosed says that the Engine is closed.
var ErrClosed = errors.New("the engine for pictures is closed")

// ErrWeakIsolation says that Config.Isolation asks for a level that this machine does not give. The error that wraps it says
// why.
var ErrWeakIsolation = errors.New("isolation is weaker than required")

// CrashError is a worker that died over a picture, or answered with what is no answer and was ended. The next picture gets
// another worker.
type CrashError struct {
	Exit   confine.Exit
	Signal string // what the worker died of, such as "SIGSEGV" or "killed", as far as it can be told; "" for none
	Reason string // what was wrong with its answer; "" when there was none
	Output []byte // what it printed meanwhile, at most 4 KiB: for a log, never for a client
}

func (e *CrashError) Error() string {
	text := "worker crashed: " + e.Exit.String()
	if e.Signal != "" && e.Signal != e.Exit.Signal {
		text += ", " + e.Signal
	}
	if e.Reason != "" {
		text += ": " + e.Reason
	}
	return text
}

func newCrash(exit confine.Exit, reason string, output []byte) *CrashError {
	e := &CrashError{Exit: exit, Signal: exit.Signal, Reason: reason, Output: output}
	if e.Signal == "" {
		e.Signal = signalIn(string(output))
	}
	return e
}

// signalIn finds the signal that Go's runtime names when it ends a process for one, as "SIGSEGV: segmentation violation" at
// a line's beginning, or after "[signal ".
func signalIn(output string) string {
	for line := range strings.Lines(output) {
		name, _, ok := strings.Cut(strings.TrimPrefix(line, "[signal "), ":")
		if ok && strings.HasPrefix(name, "SIG") && !strings.ContainsAny(name, " \t") {
			return name
		}
	}
	return ""
}

// DeadlineError is a picture that took longer than Config.Timeout. Its worker was ended.
type DeadlineError struct{ Timeout time.Duration }

func (e *DeadlineError) Error() string { return fmt.Sprintf("picture took longer than %v", e.Timeout) }

// BusyError says that Config.Queue pictures are waiting already.
type BusyError struct{ Queue int }

func (e *BusyError) Error() string { return fmt.Sprintf("%d pictures are waiting already", e.Queue) }
