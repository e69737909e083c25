package s3api

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/wire"
)

// nvme is CRC-64/NVME's polynomial, reflected. (S3 User Guide, "Checking object integrity"; NVM Express specification.)
var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// algorithms are the checksums that a PutObject may carry in x-amz-checksum-NAME.
var algorithms = []struct {
	name string
	make func() hash.Hash
}{
	{"crc32", func() hash.Hash { return crc32.NewIEEE() }},
	{"crc32c", func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }},
	{"crc64nvme", func() hash.Hash { return crc64.New(nvme) }},
	{"sha1", sha1.New},
	{"sha256", sha256.New},
}

// verifiedBody is the body as a reader that ends in an error, and not in io.EOF, when it is not what was signed
// (x-amz-content-sha256), announced (Content-Length) or summed (Content-MD5, x-amz-checksum-*).
func verifiedBody(req *request) (io.Reader, error) {
	body := io.Reader(shortBody{req.Body})
	if req.Body == nil {
		body = strings.NewReader("")
	}
	body, err := wire.PayloadHash(body, req.sig)
	if err != nil {
		return nil, err
	}
	if v := req.Header.Get("Content-Md5"); v != "" {
		want, ok := digest(v, md5.Size)
		if !ok {
			return nil, fault.New("InvalidDigest", "The Content-MD5 you specified was invalid.").With("Content-MD5", v)
		}
		body = wire.Verify(body, md5.New(), want, fault.New("BadDigest", "The Content-MD5 you specified did not match what we received."))
	}
	given := 0
	for _, a := range algorithms {
		header := "x-amz-checksum-" + a.name
		v := req.Header.Get(header)
		if v == "" {
			continue
		}
		if given++; given > 1 {
			return nil, fault.New("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		h := a.make()
		want, ok := digest(v, h.Size())
		if !ok {
			return nil, fault.New("InvalidRequest", "Value for %s header is invalid.", header)
		}
		body = wire.Verify(body, h, want, fault.New("BadDigest", "The %s you specified did not match the calculated checksum.", strings.ToUpper(a.name)))
	}
	return body, nil
}
