package script

import (
	"fmt"
	"time"
)

// Kind is what went wrong with a function.
type Kind uint8

const (
	// Invalid says that the code cannot be compiled or has no handler, or it is too long.
	Invalid Kind = iota
	// Threw says that it threw, or its promise was rejected or never settled.
	Threw
	// TimedOut says that it did not end within its budget.
	TimedOut
	// BadResult says that what it returned breaks a rule.
	BadResult
)

// Error says why a function gave no result. Viewers are answered 503 with X-Cache "FunctionExecutionError from cloudfront"; the
// text is for the function's log and for TestFunction.
type Error struct {
	Kind    Kind
	Message string        // the exception with its place in the code, or the rule that was broken
	Budget  time.Duration // of a call
}

func (e *Error) Error() string {
	switch e.Kind {
	case Invalid:
		return "the function is not valid: " + e.Message
	case TimedOut:
		return fmt.Sprintf("the function did not end within %v", e.Budget)
	case BadResult:
		return "the function returned what it may not: " + e.Message
	}
	return "the function failed: " + e.Message
}

func badResult(format string, args ...any) *Error {
	return &Error{Kind: BadResult, Message: fmt.Sprintf(format, args...)}
}
