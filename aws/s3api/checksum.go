package s3api

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"slices"
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
// (x-amz-content-sha256, chunk signatures), announced (Content-Length) or summed (Content-MD5, x-amz-checksum-* in a header
// or in the trailer). Its length is the object's.
func verifiedBody(req *request) (wire.Payload, error) {
	req.Body = io.NopCloser(shortBody{req.Body})
	body, err := wire.NewPayload(req.Request, req.sig)
	if err != nil {
		return body, err
	}
	if v := req.Header.Get("Content-Md5"); v != "" {
		want, ok := digest(v, md5.Size)
		if !ok {
			return body, fault.New("InvalidDigest", "The Content-MD5 you specified was invalid.").With("Content-MD5", v)
		}
		body.Reader = wire.Verify(body.Reader, md5.New(), func() []byte { return want }, fault.New("BadDigest", "The Content-MD5 you specified did not match what we received."))
	}
	trailers := strings.ToLower(strings.Join(req.Header.Values("X-Amz-Trailer"), ","))
	given := 0
	for _, a := range algorithms {
		header := "x-amz-checksum-" + a.name
		v, inTrailer := req.Header.Get(header), slices.Contains(strings.Split(strings.ReplaceAll(trailers, " ", ""), ","), header)
		if v == "" && !inTrailer {
			continue
		}
		if given++; given > 1 || v != "" && inTrailer {
			return body, fault.New("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		h := a.make()
		want, ok := digest(v, h.Size())
		if v != "" && !ok {
			return body, fault.New("InvalidRequest", "Value for %s header is invalid.", header)
		}
		wanted := func() []byte { return want }
		if inTrailer {
			trailer := body.Trailer
			wanted = func() []byte {
				want, _ := digest(trailer(header), h.Size())
				return want
			}
		}
		body.Reader = wire.Verify(body.Reader, h, wanted, fault.New("BadDigest", "The %s you specified did not match the calculated checksum.", strings.ToUpper(a.name)))
	}
	return body, nil
}
