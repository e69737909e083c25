// Package state keeps control-plane records: small values by table and key, in one durable file on one machine.
//
// Begin with Open, which returns a File. Memory is the same contract without the file, for tests. Both pass statetest,
// and so must anything else that implements Store.
//
// The interface is what a cluster's key-value store can also give (get, list, compare-and-set, watch by revision), so
// that a second implementation changes nothing above. What the bytes of a record mean is the matter of the service that
// owns the table; no service reads another's.
package state

import (
	"context"
	"errors"
)

// Errors that every Store returns, possibly wrapped.
var (
	ErrNotFound = errors.New("no such record")
	// ErrConflict says that a record was not at the revision that a change named. Nothing of the commit was done.
	ErrConflict = errors.New("record changed meanwhile")
	// ErrClosed is returned by every method after Close.
	ErrClosed = errors.New("state store is closed")
	// ErrLocked is returned by Open when another process, or this one, has the file open.
	ErrLocked = errors.New("data directory is in use by another glassine (file locked)")
)

// errName refuses an empty table or key.
var errName = errors.New("table and key must not be empty")

// Store keeps records. All methods are safe for many goroutines; a commit that returned nil is durable.
//
// Table and key are any bytes, at least one each and at most 32 KiB.
type Store interface {
	// Get returns the record, or ErrNotFound.
	Get(ctx context.Context, table, key string) (Record, error)
	// List returns the table's records whose keys begin with prefix, in byte order. An unknown table is empty.
	List(ctx context.Context, table, prefix string) ([]Record, error)
	// Commit makes all changes or none, in the order given: a change sees those before it, in its guard as well.
	// When it returns an error other than ErrConflict and ErrClosed, the changes may or may not have been made.
	Commit(ctx context.Context, changes ...Change) error
	// Close releases the store; calls after it fail with ErrClosed.
	Close() error
}

// Record is one stored value. The caller owns Value.
type Record struct {
	Key      string
	Value    []byte // never nil; may be empty
	Revision uint64 // grows with every change of any record of the store, over restarts too; never 0
}

// Change writes or deletes one record.
type Change struct {
	Table, Key string
	Value      []byte // nil deletes; deleting an absent record is no error. Not kept: the caller may reuse it
	// If guards the change: nil means whatever is there; 0 means only if absent; else only at that revision.
	If *uint64
}

// Revision returns a pointer to r, for Change.If.
func Revision(r uint64) *uint64 { return &r }
