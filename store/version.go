package store

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"time"
)

// NullVersion is the id of the version that was stored while its bucket had no versions, or had them suspended. A key has
// at most one. Amazon S3 User Guide, "Working with objects in a versioning-suspended bucket".
const NullVersion = "null"

// ErrNoVersion is an ErrNotFound: the key has no version of that id.
var ErrNoVersion = fmt.Errorf("no such version: %w", ErrNotFound)

// Versioning says what a change does to the versions that its key has. It is the bucket's state, which the caller knows.
type Versioning int

// The states of a bucket. Amazon S3 User Guide, "Retaining multiple versions of objects with S3 Versioning".
const (
	Unversioned Versioning = iota // a put replaces the null version; a deletion removes it
	Versioned                     // a put, and the delete marker of a deletion, come on top of what is there
	Suspended                     // a put, and the delete marker of a deletion, replace the null version and come on top
)

// VersioningSetter is a Store whose buckets keep versions or not by a setting of their own. Whoever turns versions on, or
// suspends them, tells it first.
type VersioningSetter interface {
	Versioning(ctx context.Context, bucket string) (Versioning, error)
	SetVersioning(ctx context.Context, bucket string, v Versioning) error
}

// MarkerError is the error of reading a delete marker.
type MarkerError struct {
	VersionID string
	Modified  time.Time
	Named     bool // the version was asked for by its id: S3 answers 405 then, and 404 otherwise
}

func (e *MarkerError) Error() string { return "delete marker " + e.VersionID }

// Is makes a marker that is met as the current version an ErrNotFound.
func (e *MarkerError) Is(target error) bool { return target == ErrNotFound && !e.Named }

// DeleteOptions says what to delete; its zero value removes the object of a bucket without versions.
type DeleteOptions struct {
	// VersionID removes that version, a delete marker too, for good; the newest version left is then the current one.
	// "" means the current object, and Version decides what becomes of it.
	VersionID string
	Version   Versioning
	// IfMatch is an ETag (no quotes), or "*" for any: refuses with ErrPrecondition when the object that VersionID names
	// is another or is not there. "" is no condition.
	IfMatch string
}

// Check returns ErrPrecondition when o forbids to delete an object with this ETag; "" means that there is none.
func (o DeleteOptions) Check(current string) error {
	if o.IfMatch != "" && (current == "" || o.IfMatch != "*" && o.IfMatch != current) {
		return ErrPrecondition
	}
	return nil
}

// Deleted is what a deletion did.
type Deleted struct {
	VersionID string // of the version removed, or of the delete marker made; "" when there was nothing to do
	Marker    bool   // a delete marker was made, or it was one that was removed
}

// Source names what to copy.
type Source struct {
	Bucket, Key string
	VersionID   string // as in GetOptions
	ETag        string // unless it is "", another ETag refuses with ErrPrecondition
}

// VersionPage is a part of a listing of versions.
type VersionPage = EntryPage[Info]

// ID is the id of a version or of an upload: the time it was made, and 96 random bits that nobody guesses. Ids of one
// key are in the order in which they were made, as bytes and as text.
type ID [20]byte

// idText has its digits in ASCII order.
var idText = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

// NewID returns an ID with the given time, in nanoseconds since 1970.
func NewID(nanos uint64) ID {
	var id ID
	binary.BigEndian.PutUint64(id[:], nanos)
	_, _ = rand.Read(id[8:]) // it never fails: crypto/rand.Read
	return id
}

// ParseID reads what String wrote.
func ParseID(s string) (id ID, ok bool) {
	if len(s) != 32 {
		return ID{}, false
	}
	n, err := idText.Decode(id[:], []byte(s))
	return id, err == nil && n == len(id) && id.String() == s
}

// Nanos returns the time that NewID was given.
func (id ID) Nanos() uint64 { return binary.BigEndian.Uint64(id[:]) }

// String returns the id's 32 letters and digits.
func (id ID) String() string { return idText.EncodeToString(id[:]) }

// NextNanos returns the time for a new ID of a key whose newest has the time given: now, or just after that one when the
// clock went back.
func NextNanos(newest uint64) uint64 {
	return max(uint64(time.Now().UnixNano()), newest+1)
}
