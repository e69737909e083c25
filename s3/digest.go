package s3

import (
	"encoding/base64"
	"encoding/hex"
	"strings"

	"glassine/aws/fault"
	"glassine/store"
)

// Digest is what a sender says of the bytes of a body; its zero value says nothing. Nothing is stored whose bytes differ.
type Digest struct {
	Size      int64         // bytes, 0 when it is not said: for store.PutOptions.Size
	MD5       string        // in hex, "" when it is not said
	Algorithm string        // of Value, such as store.CRC32; "" when none is named
	Value     func() string // in base64; called after the body has ended, since it may come behind it; nil when it is not said
}

// Check compares d with what was computed of the body; it is for store.PutOptions.Accept. A checksum of another algorithm
// than d's is not compared.
func (d Digest) Check(md5 string, sum store.Checksum) error {
	if d.MD5 != "" && d.MD5 != md5 {
		return fault.New("BadDigest", "The Content-MD5 you specified did not match what we received.").
			With("ExpectedDigest", d.MD5).With("CalculatedDigest", inBase64(md5)) // in hex and in base64, as S3 has it
	}
	if d.Value == nil || d.Algorithm != sum.Algorithm {
		return nil
	}
	said := d.Value()
	if said == sum.Value {
		return nil
	}
	if raw, err := base64.StdEncoding.DecodeString(said); err != nil || base64.StdEncoding.EncodedLen(len(raw)) != len(sum.Value) {
		return fault.New("InvalidRequest", "Value for x-amz-checksum-%s trailing header is invalid.", strings.ToLower(d.Algorithm))
	}
	return BadChecksum(d.Algorithm)
}

// inBase64 writes a digest that is in hex in base64.
func inBase64(digest string) string {
	raw, _ := hex.DecodeString(digest)
	return base64.StdEncoding.EncodeToString(raw)
}

// BadChecksum is the refusal of a body whose checksum is not the one that was said.
func BadChecksum(algorithm string) error {
	return fault.New("BadDigest", "The %s you specified did not match the calculated checksum.", strings.ToUpper(algorithm))
}
