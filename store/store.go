// Package store declares where object bytes live: the Store interface and its types.
//
// A Store keeps bytes and what is known of them, and nothing else: who may read what, access points, Block Public Access
// and whether a bucket has versions or encryption are package s3's. Implementations are store/memory, store/disk, store/remote
// and, for reading alone, store/directory; store/route puts several together. Every one passes store/storetest, directory as far as it reads. What they all decide alike is here for them to call: Range.Resolve,
// PutOptions.Check, CheckName, ListFrom, ListEntries, Assemble and the checksums.
package store

import (
	"context"
	"errors"
	"io"
	"time"
)

// Errors that every Store returns, possibly wrapped.
var (
	ErrNotFound     = errors.New("no such object")
	ErrRange        = errors.New("range not satisfiable")
	ErrPrecondition = errors.New("precondition failed")
	ErrFull         = errors.New("no space left in the store")
	ErrName         = errors.New("not a bucket and a key of 1 to 1024 bytes")
	ErrClosed       = errors.New("store is closed")
	ErrNoKey        = errors.New("the store has no master key to encrypt with")
	ErrCorrupt      = errors.New("stored bytes are damaged")

	ErrReadOnly    = errors.New("the store is for reading alone")
	ErrUnavailable = errors.New("what keeps the objects does not answer, or not now")
	ErrVersioning  = errors.New("where the objects are kept, the bucket's versioning is another")
	ErrUndeclared  = errors.New("where the bucket's objects are kept was not said at this start")
)

// Store keeps objects by bucket and key. A key is 1 to 1024 opaque bytes and never a path: "k" and "k/child", "a//b",
// "a/../b" and "dir/" with a body are ordinary, different keys. A bucket is a partition of the key space, named by 1 to
// 1024 opaque bytes, and needs no creation. Another name is refused with ErrName. All methods are safe for many
// goroutines; all but Close return ctx's error when ctx is done before they begin.
//
// What Put acknowledged is durable: after a crash at any instant the object is there and whole, and nothing partial is
// ever readable. An object is immutable: a reader that has it open reads it to the end whatever happens to the key.
//
// A relayed store keeps its objects at another S3 service (store/remote). Where S3's API has no words for more, it promises less:
//
//   - Listings leave out of an Info: Headers, Metadata, Tags, the checksum's Value and whether it is Encrypted; List the VersionID too.
//   - Modified of what Put, PutPart, CreateUpload and CompleteUpload return is the moment of the answer, and may be seconds later than what is kept.
//   - Parts of an Info have no ETag and Modified. Get leaves them out, and so does a service that does not list them.
//   - ListParts and ListUploads know of an upload's options the checksum's alone, with the algorithm that "" stood for; ListParts no Initiated.
//   - Get of a range leaves Checksum out. Accept of CompleteUpload sees no Headers, Metadata and Tags.
//   - Keys, metadata, tags and ids of versions are what the service takes. A marker in a listing must be an id that it gave.
//   - Whether bytes are encrypted, and the ETags of those that are, is the service's word; so is whether a copy of a multipart object keeps its parts.
//   - Deleted.VersionID is set though nothing was there.
//   - A reader whose connection breaks goes on as long as the object is there, and then ends in io.ErrUnexpectedEOF.
//   - A change to a bucket whose versioning is another at the service is ErrVersioning.
//   - A service that does not answer is ErrUnavailable: what was being published may be there or not.
type Store interface {
	// Put reads body to io.EOF and then publishes the object, replacing what the key held. When body returns any other
	// error, Put returns it (wrapped) and publishes nothing: so a reader that verifies a length or a hash and fails
	// instead of returning io.EOF keeps a bad body out. ctx is looked at between reads: a Read that blocks is for its
	// owner to end. Put does not close body, and keeps neither opt's maps nor anything that body returned.
	// With no room left it returns ErrFull and changes nothing. When it fails for another reason than body, ctx, opt,
	// ErrName, ErrFull and ErrClosed (a broken disk), the object may have been published or not, but never in part.
	Put(ctx context.Context, bucket, key string, body io.Reader, opt PutOptions) (Info, error)
	// Get opens the object, or a range of it: ErrNotFound, ErrRange. The caller closes Object.Body, and may do so after
	// Close. ctx is not kept: it does not end the reading of the body.
	Get(ctx context.Context, bucket, key string, opt GetOptions) (*Object, error)
	// Head returns what is known of the object without opening it, or ErrNotFound.
	Head(ctx context.Context, bucket, key string) (Info, error)
	// Delete is DeleteVersion with no options: it removes the object of a bucket without versions.
	Delete(ctx context.Context, bucket, key string) error
	// List returns a page of a bucket's current objects in the byte order of their keys. Delete markers and the objects
	// under them are not on it.
	List(ctx context.Context, bucket string, opt ListOptions) (Page, error)
	// Copy stores what src names under another key, or with other metadata under the same one, as Put would store it.
	// opt alone says what headers, metadata and tags the copy has. The bytes are shared where that can be.
	// A copy of a multipart object keeps its parts and its ETag.
	Copy(ctx context.Context, src Source, bucket, key string, opt PutOptions) (Info, error)
	// SetTags replaces the tags of a version and nothing else; nil removes them. versionID is as in GetOptions.
	SetTags(ctx context.Context, bucket, key, versionID string, tags map[string]string) (Info, error)

	// HeadVersion is Head of a version; versionID is as in GetOptions.
	HeadVersion(ctx context.Context, bucket, key, versionID string) (Info, error)
	// DeleteVersion removes the object, or one version of it for good, or puts a delete marker over it: see
	// DeleteOptions. Durably, as with Put. What is not there is no error.
	DeleteVersion(ctx context.Context, bucket, key string, opt DeleteOptions) (Deleted, error)
	// ListVersions returns a page of a bucket's versions and delete markers: keys ascending, and of a key the newest first.
	ListVersions(ctx context.Context, bucket string, opt EntryOptions) (VersionPage, error)

	// CreateUpload begins a multipart upload. It is durable, as are the parts.
	CreateUpload(ctx context.Context, bucket, key string, opt UploadOptions) (Upload, error)
	// PutPart stores body as a part of the upload, replacing the part of that number. It treats body as Put does.
	// ErrNoUpload, ErrPartNumber.
	PutPart(ctx context.Context, up UploadID, number int, body io.Reader, opt PartOptions) (Part, error)
	// CopyPart stores a range of an object as a part; r nil is all of it. The bytes are shared where that can be.
	CopyPart(ctx context.Context, src Source, r *Range, up UploadID, number int, opt PartOptions) (Part, error)
	// ListParts returns up to most of the upload's parts whose numbers are greater than after, ascending; most 0 and less
	// mean 1000. ErrNoUpload.
	ListParts(ctx context.Context, up UploadID, after, most int) (PartPage, error)
	// ListUploads returns a page of a bucket's uploads under way: keys ascending, and of a key the oldest first.
	ListUploads(ctx context.Context, bucket string, opt EntryOptions) (UploadPage, error)
	// CompleteUpload publishes the object that the named parts make, and drops the others; as Put publishes, at once and
	// durably. Of a part Number and ETag are looked at, and Checksum.Value unless it is empty. No bytes are copied.
	// ErrNoUpload, ErrInvalidPart, ErrPartOrder, ErrPartTooSmall. Called again after it succeeded, it returns the same
	// object as long as that is the key's newest version.
	CompleteUpload(ctx context.Context, up UploadID, parts []Part, opt CompleteOptions) (Info, error)
	// AbortUpload drops the upload and its parts. A PutPart that is under way stores nothing. ErrNoUpload.
	AbortUpload(ctx context.Context, up UploadID) error

	// Close releases the store. Calls under way are finished or fail with ErrClosed, as later ones do.
	Close() error
}

// Info describes an object: one version of a key.
type Info struct {
	Key      string
	Size     int64     // bytes
	ETag     string    // without quotes: hex MD5 of the body; of a multipart object see Assemble
	Modified time.Time // UTC, when the object was published; whole seconds
	Headers  Headers
	Metadata map[string]string // user metadata: x-amz-meta-NAME under NAME in lower case; the caller's own, may be nil
	Tags     map[string]string // the caller's own, may be nil

	// VersionID is never empty: an object that was stored without versions has the id NullVersion.
	VersionID    string
	DeleteMarker bool // ListVersions alone shows markers; all but Key, Modified, VersionID and Latest is then empty
	Latest       bool // the version is its key's newest; ListVersions alone sets it

	Checksum  Checksum // over the whole body
	Encrypted bool     // PutOptions.Encrypt was set, and the bytes are encrypted wherever they are at rest

	PartCount int    // 0 unless the object is a multipart object
	Parts     []Part // ascending, PartCount of them; nil in listings, and in what Put, Copy and SetTags return
}

// Headers are the standard headers that are kept with an object and returned as given; empty means not set.
type Headers struct {
	ContentType, CacheControl, ContentDisposition, ContentEncoding, ContentLanguage, Expires string
}

// PutOptions says how to store an object; its zero value stores a plain one.
type PutOptions struct {
	Headers  Headers
	Metadata map[string]string
	Tags     map[string]string
	Version  Versioning // what becomes of the key's other versions
	Encrypt  bool       // SSE-S3: encrypt at rest, under a data key of the object's own; ErrNoKey
	// Size is how many bytes body has, where the caller knows it, and 0 where not. A store that must announce the length to
	// somebody else streams with it; others do not look at it. A body that has more or less is refused there.
	Size int64
	// ChecksumAlgorithm is what Info.Checksum is computed with; "" means CRC64NVME, as on S3. Copy keeps the checksum of its
	// source when it is "".
	ChecksumAlgorithm string
	// Accept, unless nil, is called after the whole body was read and before the object is published, with what will be
	// published but for VersionID and Modified. Its error is returned, wrapped, and nothing is published: the place to
	// compare Content-MD5 and x-amz-checksum-* without hashing the body twice.
	Accept func(Info) error
	// IfNoneMatch "*" refuses with ErrPrecondition when the key holds an object. IfMatch is an ETag (no quotes): another
	// current ETag, or none, refuses. Both are decided together with the publication, atomically: so the body was read
	// by then. Amazon S3 User Guide, "How to prevent object overwrites with conditional writes".
	IfNoneMatch, IfMatch string
}

// Check returns ErrPrecondition when o forbids to replace an object whose ETag is current; "" means that there is none.
// A store calls it at the moment of publication. An IfNoneMatch other than "*" has no meaning and is refused as well.
func (o PutOptions) Check(current string) error {
	if o.IfNoneMatch != "" && (o.IfNoneMatch != "*" || current != "") {
		return ErrPrecondition
	}
	if o.IfMatch != "" && o.IfMatch != current {
		return ErrPrecondition
	}
	return nil
}

// CheckName returns ErrName unless bucket and key can name an object.
func CheckName(bucket, key string) error {
	if bucket == "" || len(bucket) > 1024 || key == "" || len(key) > 1024 {
		return ErrName
	}
	return nil
}

// GetOptions says what part of an object to open; its zero value opens the current object whole.
type GetOptions struct {
	Range *Range
	// VersionID "" is the current version: when that is a delete marker, the error is a *MarkerError that is an
	// ErrNotFound. Another id is that version, NullVersion the one stored without versions: ErrNoVersion, and for a marker
	// a *MarkerError that is no ErrNotFound.
	VersionID string
}

// Range is one byte range as in HTTP (RFC 9110, section 14.1.2): Start to End inclusive; End -1 is to the end; Start -1
// is the last End bytes.
type Range struct{ Start, End int64 }

// Resolve returns the offset and length of r in an object of the given size, or ErrRange.
func (r *Range) Resolve(size int64) (offset, length int64, err error) {
	switch {
	case r == nil:
		return 0, size, nil
	case r.Start == -1:
		if r.End <= 0 || size == 0 {
			return 0, 0, ErrRange
		}
		n := min(r.End, size)
		return size - n, n, nil
	case r.Start < 0 || r.Start >= size || r.End != -1 && r.End < r.Start:
		return 0, 0, ErrRange
	case r.End == -1 || r.End >= size:
		return r.Start, size - r.Start, nil
	}
	return r.Start, r.End - r.Start + 1, nil
}

// Object is an open object. Info.Size is the whole object's size; Length bytes from Offset come out of Body.
// Body may also be an io.ReaderAt (positions relative to Offset, Length long), which lets a reader in the same process
// plan before it copies. Then ReadAt is safe beside Read; Read and Close are for one goroutine. A body that turns out
// shorter than Length ends in io.ErrUnexpectedEOF, never in io.EOF.
type Object struct {
	Info           Info
	Offset, Length int64
	Body           io.ReadCloser
}

// ListOptions selects a page.
type ListOptions struct {
	Prefix string // only keys that begin with it
	// Delimiter rolls keys up: all that hold it after Prefix become one entry of Page.Prefixes, which is the key up to
	// and including the delimiter's first place there. "" rolls nothing up.
	Delimiter string
	// After selects the keys and rolled-up prefixes that are greater than it. So when it lies within a rolled-up
	// prefix, that prefix is not returned.
	After string
	Max   int // most keys and prefixes together; 0 and less mean 1000
}

// Page is a part of a listing. Objects and Prefixes are each in byte order.
type Page struct {
	Objects  []Info
	Prefixes []string
	// Next is the After of the following page: the last key or prefix returned. "" means that this page is the last.
	Next string
}
