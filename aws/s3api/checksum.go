package s3api

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net/http"
	"slices"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/s3"
	"glassine/store"
)

// algorithms are the checksums that S3 keeps, under the names that headers have after x-amz-checksum-.
var algorithms = []struct{ header, name string }{
	{"crc32", store.CRC32},
	{"crc32c", store.CRC32C},
	{"crc64nvme", store.CRC64NVME},
	{"md5", store.MD5},
	{"sha1", store.SHA1},
	{"sha256", store.SHA256},
	{"sha512", store.SHA512},
	{"xxhash128", store.XXHASH128},
	{"xxhash3", store.XXHASH3},
	{"xxhash64", store.XXHASH64},
}

// algorithm reads an algorithm's name, of any case; "" is "".
func algorithm(v string) (string, error) {
	if v == "" {
		return "", nil
	}
	for _, a := range algorithms {
		if strings.EqualFold(v, a.name) {
			return a.name, nil
		}
	}
	var names []string
	for _, a := range algorithms {
		names = append(names, a.name)
	}
	return "", fault.New("InvalidRequest", "Checksum algorithm provided is unsupported. Please try again with any of the valid types: [%s]", strings.Join(names, ", "))
}

// payload is the request's body as a reader that ends in an error, and not in io.EOF, when it is not what was signed
// (x-amz-content-sha256, chunk signatures) or announced (Content-Length), and what its sender says of it (Content-MD5,
// x-amz-checksum-* in a header or behind it). Its length is the object's.
func payload(req *request) (wire.Payload, s3.Digest, error) {
	req.Body = io.NopCloser(shortBody{req.Body})
	body, err := wire.NewPayload(req.Request, req.sig)
	if err != nil {
		return body, s3.Digest{}, err
	}
	d, err := digest(req.Header, body.Trailer)
	d.Size = max(body.Length, 0)
	return body, d, err
}

// digest reads what the headers say of a body; trailer gives what comes behind it.
func digest(h http.Header, trailer func(string) string) (s3.Digest, error) {
	var d s3.Digest
	if values := h.Values("Content-Md5"); len(values) > 0 {
		sum, ok := decodeSum(values[0], md5.Size)
		if !ok {
			return d, fault.New("InvalidDigest", "The Content-MD5 you specified was invalid.").With("Content-MD5", values[0])
		}
		d.MD5 = hex.EncodeToString(sum)
	}
	announced := strings.ReplaceAll(strings.ToLower(strings.Join(h.Values("X-Amz-Trailer"), ",")), " ", "")
	var names []string // of the checksums, in headers and behind the body
	for name := range h {
		names = append(names, strings.ToLower(name))
	}
	behind := strings.Split(announced, ",")
	names = slices.DeleteFunc(append(names, behind...), func(name string) bool {
		return !strings.HasPrefix(name, "x-amz-checksum-") || slices.Contains([]string{"x-amz-checksum-mode", "x-amz-checksum-type", "x-amz-checksum-algorithm"}, name)
	})
	if len(names) > 1 {
		return d, fault.New("InvalidRequest", "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
	}
	if len(names) == 1 {
		header := names[0]
		sum, name, err := headerHash(header)
		if err != nil {
			return d, err
		}
		d.Algorithm = name
		if slices.Contains(behind, header) {
			d.Value = func() string { return trailer(header) }
		} else {
			raw, ok := decodeSum(h.Get(header), sum.Size())
			if !ok {
				return d, fault.New("InvalidRequest", "Value for %s header is invalid.", header)
			}
			d.Value = func() string { return base64.StdEncoding.EncodeToString(raw) }
		}
	}
	asked, err := algorithm(h.Get("X-Amz-Sdk-Checksum-Algorithm"))
	switch {
	case err != nil:
		return d, err
	case asked != "" && d.Algorithm == "":
		return d, fault.New("InvalidRequest", "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	case asked != "" && asked != d.Algorithm:
		return d, fault.New("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")
	}
	return d, nil
}

// headerHash is the hash that a checksum header is of, and its algorithm.
func headerHash(header string) (hash.Hash, string, error) {
	kind := strings.TrimPrefix(header, "x-amz-checksum-")
	for _, a := range algorithms {
		if a.header == kind {
			h, err := store.NewHash(a.name)
			return h, a.name, err
		}
	}
	return nil, "", fault.New("InvalidRequest", "The algorithm type you specified in x-amz-checksum- header is invalid.")
}

// signedWhole refuses chunks that nobody signed where the body is no object's. (S3 API Reference, "Authenticating requests",
// STREAMING-UNSIGNED-PAYLOAD-TRAILER: for uploads.)
func signedWhole(req *request) error {
	if req.Header.Get("X-Amz-Content-Sha256") == sigv4.StreamingUnsignedTrailer {
		return fault.New("InvalidRequest", "The value of x-amz-content-sha256 header is invalid.")
	}
	return nil
}

// readBody reads a body of at most limit bytes whole, and checks it as payload and its digest do. It reports whether the
// sender said what the bytes are, by an MD5 or a checksum.
func readBody(req *request, limit int64) (raw []byte, said bool, err error) {
	if err := signedWhole(req); err != nil {
		return nil, false, err
	}
	body, d, err := payload(req)
	if err != nil {
		return nil, false, err
	}
	raw, err = io.ReadAll(io.LimitReader(body, limit+1)) // limit
	if err != nil {
		return nil, false, err
	}
	if int64(len(raw)) > limit {
		return nil, false, fault.New("EntityTooLarge", "The request body is larger than the %d bytes that this operation allows.", limit)
	}
	h, err := store.NewHash(d.Algorithm)
	if err != nil {
		return nil, false, err
	}
	h.Write(raw)
	sum := md5.Sum(raw)
	return raw, d.MD5 != "" || d.Algorithm != "", d.Check(hex.EncodeToString(sum[:]), store.SumOf(d.Algorithm, h))
}

// readXML decodes a body of at most limit bytes into v: MalformedXML, or what readBody returns.
func readXML(req *request, limit int64, v any) (said bool, err error) {
	raw, said, err := readBody(req, limit)
	if err != nil {
		return said, err
	}
	return said, wire.ReadXML(bytes.NewReader(raw), limit, v)
}

// checksums are an object's or a part's checksum as XML has it: one of them.
type checksums struct {
	ChecksumCRC32     string `xml:",omitempty"`
	ChecksumCRC32C    string `xml:",omitempty"`
	ChecksumCRC64NVME string `xml:",omitempty"`
	ChecksumMD5       string `xml:",omitempty"`
	ChecksumSHA1      string `xml:",omitempty"`
	ChecksumSHA256    string `xml:",omitempty"`
	ChecksumSHA512    string `xml:",omitempty"`
	ChecksumXXHASH128 string `xml:",omitempty"`
	ChecksumXXHASH3   string `xml:",omitempty"`
	ChecksumXXHASH64  string `xml:",omitempty"`
}

func checksumXML(c store.Checksum) checksums {
	var x checksums
	if p := x.field(c.Algorithm); p != nil {
		*p = c.Value
	}
	return x
}

func (x *checksums) field(algorithm string) *string {
	switch algorithm {
	case store.CRC32:
		return &x.ChecksumCRC32
	case store.CRC32C:
		return &x.ChecksumCRC32C
	case store.CRC64NVME:
		return &x.ChecksumCRC64NVME
	case store.MD5:
		return &x.ChecksumMD5
	case store.SHA1:
		return &x.ChecksumSHA1
	case store.SHA256:
		return &x.ChecksumSHA256
	case store.SHA512:
		return &x.ChecksumSHA512
	case store.XXHASH128:
		return &x.ChecksumXXHASH128
	case store.XXHASH3:
		return &x.ChecksumXXHASH3
	case store.XXHASH64:
		return &x.ChecksumXXHASH64
	}
	return nil
}

// given is the checksum that a client put in; more than one is an InvalidArgument.
func (x *checksums) given() (store.Checksum, error) {
	var c store.Checksum
	for _, a := range algorithms {
		v := *x.field(a.name)
		if v == "" {
			continue
		}
		if c.Value != "" {
			return c, fault.New("InvalidArgument", "Invalid Base64 or multiple checksums present in request").With("ArgumentName", "Checksum")
		}
		sum, err := store.NewHash(a.name)
		if err != nil {
			return c, err
		}
		if _, ok := decodeSum(v, sum.Size()); !ok {
			return c, fault.New("InvalidArgument", "Invalid Base64 or multiple checksums present in request").With("ArgumentName", "Checksum").With("ArgumentValue", v)
		}
		c = store.Checksum{Algorithm: a.name, Value: v}
	}
	return c, nil
}

// checksumHeaders says an object's checksum. (S3 API Reference, PutObject and GetObject, response headers.)
func checksumHeaders(h http.Header, c store.Checksum) {
	if c.Value == "" {
		return
	}
	h.Set("X-Amz-Checksum-"+strings.ToLower(c.Algorithm), c.Value)
	if c.Type != "" {
		h.Set("X-Amz-Checksum-Type", c.Type)
	}
}

// decodeSum reads a base64 hash of size bytes.
func decodeSum(v string, size int) ([]byte, bool) {
	raw, err := base64.StdEncoding.DecodeString(v)
	return raw, err == nil && len(raw) == size
}

// errShort is the end of a body before its announced length.
var errShort = fault.New("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")

// shortBody gives IncompleteBody when the client stopped sending.
type shortBody struct{ r io.Reader }

func (s shortBody) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = errShort
	}
	return n, err
}
