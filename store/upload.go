package store

import (
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Errors of multipart uploads.
var (
	ErrNoUpload     = errors.New("no such upload")
	ErrPartNumber   = errors.New("part number is not 1 to 10000")
	ErrInvalidPart  = errors.New("a named part is not there, or has another ETag or checksum")
	ErrPartOrder    = errors.New("part numbers do not ascend")
	ErrPartTooSmall = errors.New("a part that is not the last has less than 5 MiB")
)

// The limits of a multipart upload. Amazon S3 User Guide, "Amazon S3 multipart upload limits".
const (
	MaxPartNumber = 10_000
	MinPartSize   = 5 << 20 // bytes, of every part but the last
)

// CheckPartNumber returns ErrPartNumber unless a part may have that number.
func CheckPartNumber(number int) error {
	if number < 1 || number > MaxPartNumber {
		return ErrPartNumber
	}
	return nil
}

// UploadID names an upload. All three must be right.
type UploadID struct{ Bucket, Key, ID string }

// UploadOptions says what object an upload will make.
type UploadOptions struct {
	Headers   Headers
	Metadata  map[string]string
	Tags      map[string]string
	Encrypt   bool   // as in PutOptions
	Initiator string // whatever the caller wants to find again, such as a principal's ARN
	// ChecksumAlgorithm is what the parts' checksums and the object's are computed with. "" means CRC64NVME.
	ChecksumAlgorithm string
	// ChecksumType is FullObject or Composite; "" is the algorithm's default, see DefaultChecksumType.
	ChecksumType string
}

// Upload is an upload under way.
type Upload struct {
	Key, ID   string
	Initiated time.Time // UTC, whole seconds
	Options   UploadOptions
}

// PartOptions says how to store a part.
type PartOptions struct {
	// Size is as in PutOptions.
	Size int64
	// Accept is as in PutOptions; all of the Part but Modified is set.
	Accept func(Part) error
}

// Part is a stored part of an upload or of an object.
type Part struct {
	Number   int
	Size     int64     // bytes
	ETag     string    // hex MD5, without quotes
	Modified time.Time // UTC, whole seconds
	Checksum Checksum  // of the part's own bytes
}

// PartPage is a part of a listing of an upload's parts.
type PartPage struct {
	Upload Upload
	Parts  []Part
	Next   int // the after of the following page; 0 means that this page is the last
}

// UploadPage is a part of a listing of uploads.
type UploadPage = EntryPage[Upload]

// CompleteOptions says how to publish an upload's object. Its fields are as in PutOptions.
type CompleteOptions struct {
	Version              Versioning
	IfNoneMatch, IfMatch string
	Accept               func(Info) error
}

// Assemble decides what object the parts want make, of which find returns the stored ones. Of the Info that it returns
// Size, ETag, Checksum, PartCount and Parts are set. The ETag is the MD5 of the parts' MD5s and a dash and their number
// (as S3 is seen to make it; no page says so). ErrInvalidPart, ErrPartOrder, ErrPartTooSmall.
func Assemble(up UploadOptions, want []Part, find func(number int) (Part, bool)) (Info, error) {
	if len(want) == 0 {
		return Info{}, fmt.Errorf("%w: none is named", ErrInvalidPart)
	}
	info := Info{PartCount: len(want), Parts: make([]Part, 0, len(want))}
	sums := md5.New()
	for i := 1; i < len(want); i++ {
		if want[i].Number <= want[i-1].Number {
			return Info{}, fmt.Errorf("%w: %d after %d", ErrPartOrder, want[i].Number, want[i-1].Number)
		}
	}
	for i, w := range want {
		p, ok := find(w.Number)
		sum, err := hex.DecodeString(p.ETag)
		if !ok || err != nil || !strings.EqualFold(w.ETag, p.ETag) || w.Checksum.Value != "" && w.Checksum.Value != p.Checksum.Value {
			return Info{}, fmt.Errorf("%w: number %d", ErrInvalidPart, w.Number)
		}
		if i < len(want)-1 && p.Size < MinPartSize {
			return Info{}, fmt.Errorf("%w: number %d has %d bytes", ErrPartTooSmall, w.Number, p.Size)
		}
		sums.Write(sum)
		info.Size += p.Size
		info.Parts = append(info.Parts, p)
	}
	info.ETag = fmt.Sprintf("%x-%d", sums.Sum(nil), len(want))
	var err error
	info.Checksum, err = combineParts(up, info.Parts)
	return info, err
}
