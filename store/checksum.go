package store

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/minio/crc64nvme"
	"github.com/zeebo/xxh3"
)

// Checksum algorithms and types, as S3 spells them. Amazon S3 User Guide, "Checking object integrity in Amazon S3".
const (
	CRC32     = "CRC32"
	CRC32C    = "CRC32C"
	CRC64NVME = "CRC64NVME"
	MD5       = "MD5"
	SHA1      = "SHA1"
	SHA256    = "SHA256"
	SHA512    = "SHA512"
	XXHASH64  = "XXHASH64"
	XXHASH3   = "XXHASH3" // XXH3 with 64 bits
	XXHASH128 = "XXHASH128"

	FullObject = "FULL_OBJECT" // over the bytes of the whole object
	Composite  = "COMPOSITE"   // over the checksums of its parts
)

// ErrChecksum refuses an algorithm or a type that is none of the above, or a pair that does not go together.
var ErrChecksum = errors.New("unknown checksum algorithm or type")

// Checksum is a checksum as S3 stores and returns it.
type Checksum struct {
	Algorithm string // such as CRC64NVME
	Value     string // base64, big-endian; of a Composite one followed by a dash and the number of parts
	Type      string // FullObject or Composite
}

// NewHash returns the hash of an algorithm; "" is CRC64NVME. ErrChecksum.
func NewHash(algorithm string) (hash.Hash, error) {
	switch algorithm {
	case "", CRC64NVME:
		return crc64nvme.New(), nil
	case CRC32:
		return crc32.NewIEEE(), nil
	case CRC32C:
		return crc32.New(crc32.MakeTable(crc32.Castagnoli)), nil
	case MD5:
		return md5.New(), nil
	case SHA1:
		return sha1.New(), nil
	case SHA256:
		return sha256.New(), nil
	case SHA512:
		return sha512.New(), nil
	case XXHASH64:
		return xxhash.New(), nil
	case XXHASH3:
		return xxh3.New(), nil
	case XXHASH128:
		return xxh3.New128(), nil
	}
	return nil, fmt.Errorf("%w: %q", ErrChecksum, algorithm)
}

// SumOf returns the FullObject checksum that h, a hash of NewHash with the same algorithm, has come to.
func SumOf(algorithm string, h hash.Hash) Checksum {
	if algorithm == "" {
		algorithm = CRC64NVME
	}
	return Checksum{Algorithm: algorithm, Value: base64.StdEncoding.EncodeToString(h.Sum(nil)), Type: FullObject}
}

// DefaultChecksumType returns the type of a multipart object's checksum when its upload names none.
func DefaultChecksumType(algorithm string) string {
	if algorithm == "" || algorithm == CRC64NVME {
		return FullObject
	}
	return Composite
}

// Check returns ErrChecksum for a checksum that no object can have: only a CRC of the whole can be made from the parts',
// of CRC64NVME S3 makes no other.
func (o UploadOptions) Check() error {
	if _, err := NewHash(o.ChecksumAlgorithm); err != nil {
		return err
	}
	full := isCRC(o.ChecksumAlgorithm)
	composite := o.ChecksumAlgorithm != "" && o.ChecksumAlgorithm != CRC64NVME
	switch {
	case o.ChecksumType == "", o.ChecksumType == FullObject && full, o.ChecksumType == Composite && composite:
		return nil
	}
	return fmt.Errorf("%w: %s of type %q", ErrChecksum, o.ChecksumAlgorithm, o.ChecksumType)
}

func isCRC(algorithm string) bool {
	return algorithm == "" || algorithm == CRC64NVME || algorithm == CRC32 || algorithm == CRC32C
}

// combineParts returns the checksum of the object that parts make.
func combineParts(up UploadOptions, parts []Part) (Checksum, error) {
	h, err := NewHash(up.ChecksumAlgorithm)
	if err != nil {
		return Checksum{}, err
	}
	full := up.ChecksumType == FullObject || up.ChecksumType == "" && DefaultChecksumType(up.ChecksumAlgorithm) == FullObject
	var crc uint64
	for _, p := range parts {
		sum, err := base64.StdEncoding.DecodeString(p.Checksum.Value)
		if err != nil || len(sum) != h.Size() {
			return Checksum{}, fmt.Errorf("%w: the checksum of part %d is %q", ErrInvalidPart, p.Number, p.Checksum.Value)
		}
		if !full {
			h.Write(sum)
			continue
		}
		crc = combineCRC(up.ChecksumAlgorithm, crc, number(sum), p.Size)
	}
	if !full {
		c := SumOf(up.ChecksumAlgorithm, h)
		c.Value, c.Type = c.Value+"-"+strconv.Itoa(len(parts)), Composite
		return c, nil
	}
	sum := binary.BigEndian.AppendUint64(nil, crc)
	c := SumOf(up.ChecksumAlgorithm, h)
	c.Value = base64.StdEncoding.EncodeToString(sum[8-h.Size():])
	return c, nil
}

// number reads a big-endian number of up to 8 bytes.
func number(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}

// combineCRC returns the CRC of a then b, from their CRCs and b's length in bytes. CRCs are polynomials over GF(2), lowest
// power in the highest bit; to append b is to multiply a by x to the power of b's bits. (As zlib's crc32_combine.)
func combineCRC(algorithm string, a, b uint64, length int64) uint64 {
	poly, top := uint64(0x9a6c9329ac4bc9b5), uint64(1)<<63 // CRC64NVME
	switch algorithm {
	case CRC32:
		poly, top = crc32.IEEE, 1<<31
	case CRC32C:
		poly, top = crc32.Castagnoli, 1<<31
	}
	multiply := func(a, b uint64) (p uint64) {
		for m := top; m != 0; m >>= 1 {
			if a&m != 0 {
				p ^= b
			}
			if b&1 != 0 {
				b = b>>1 ^ poly
			} else {
				b >>= 1
			}
		}
		return p
	}
	power, shift := top>>8, top // x^8, and x^0
	for n := uint64(length); n > 0; n >>= 1 {
		if n&1 != 0 {
			shift = multiply(shift, power)
		}
		power = multiply(power, power)
	}
	return multiply(shift, a) ^ b
}
