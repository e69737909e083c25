package sigv4

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"glassine/aws/fault"
)

// The payload forms in which the body comes in chunks, as x-amz-content-sha256 names them.
// (S3 API Reference, "Signature Calculations for the Authorization Header: Transferring Payload in Multiple Chunks".)
const (
	StreamingSigned          = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
	StreamingSignedTrailer   = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
	StreamingUnsignedTrailer = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
)

// Limits of aws-chunked. AWS documents the smallest chunk; the others bound what one client can make us hold.
const (
	minChunk     = 8192     // of every chunk but the last
	maxChunk     = 16 << 20 // of a signed chunk, which is held until its signature is verified
	maxChunkLine = 1024
	maxTrailer   = 16 << 10
)

// Chunked decodes a body in aws-chunked form while it is read. A signed chunk's data is handed on only after its signature
// held; the end is io.EOF only when the length is the one announced and the trailer is in order. Not safe for many goroutines.
type Chunked struct {
	in      *bufio.Reader
	sig     *Signature
	signed  bool
	trailer map[string]string // announced names, lower case, and after the end their values; nil: no trailer
	left    int64             // of the announced decoded length

	previous  string // signature that the next one is chained to
	chunk     []byte // verified data not yet read (signed)
	remaining int64  // of the current chunk (unsigned)
	small     bool   // a chunk below minChunk came: it must have been the last
	err       error  // how it ended
}

// NewChunked reads body, which r's signature sig describes: sig.PayloadHash is one of the three forms, sig was verified.
// decoded is the length announced in x-amz-decoded-content-length, trailers the names in x-amz-trailer.
func NewChunked(body io.Reader, sig *Signature, decoded int64, trailers []string) *Chunked {
	c := &Chunked{
		in: bufio.NewReaderSize(body, 64<<10), sig: sig, signed: sig.PayloadHash != StreamingUnsignedTrailer,
		left: decoded, previous: hex.EncodeToString(sig.signature),
	}
	if sig.PayloadHash != StreamingSigned {
		c.trailer = map[string]string{}
		for _, name := range trailers {
			c.trailer[strings.ToLower(strings.TrimSpace(name))] = ""
		}
	}
	return c
}

// Trailer returns a trailing header's value, after Read gave io.EOF.
func (c *Chunked) Trailer(name string) string { return c.trailer[strings.ToLower(name)] }

// Read implements io.Reader. The errors are S3's, which of them for what by what versitygw 1.8 expects of it: IncompleteBody,
// for a form that is broken too, InvalidChunkSizeError, SignatureDoesNotMatch, MalformedTrailerError.
func (c *Chunked) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, c.err
	}
	for c.err == nil && len(c.chunk) == 0 && c.remaining == 0 {
		c.err = c.next()
	}
	switch {
	case len(c.chunk) > 0:
		n := copy(p, c.chunk)
		c.chunk = c.chunk[n:]
		return n, nil
	case c.remaining > 0 && c.err == nil:
		n, err := c.in.Read(p[:min(int64(len(p)), c.remaining)])
		if c.remaining -= int64(n); c.remaining == 0 && err == nil {
			err = c.lineEnd()
		}
		if err != nil {
			c.err = incomplete(err)
		}
		return n, c.err
	}
	return 0, c.err
}

func incomplete(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return broken()
	}
	return err
}

// broken is the error of a body that is not in the form, or ends early.
func broken() error { return fault.New("IncompleteBody", "The request body terminated unexpectedly") }

// wrongLength is the error of a body that has not the bytes that x-amz-decoded-content-length says.
func wrongLength() error {
	return fault.New("IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")
}

// next reads a chunk's head, and of a signed one the data. It returns io.EOF after the last.
func (c *Chunked) next() error {
	size, signature, err := c.head()
	if err != nil {
		return err
	}
	if size > c.left {
		return c.tooLong(size)
	}
	if size > 0 && c.small {
		return fault.New("InvalidChunkSizeError", "Only the last chunk is allowed to have a size less than 8192 bytes")
	}
	c.small = size < minChunk
	c.left -= size
	if !c.signed {
		c.remaining = size
		if size > 0 {
			return nil
		}
		return c.end()
	}
	if size > maxChunk {
		return fault.New("InvalidChunkSizeError", "A signed chunk may have at most %d bytes", maxChunk)
	}
	data := make([]byte, size) // at most maxChunk
	if _, err := io.ReadFull(c.in, data); err != nil {
		return incomplete(err)
	}
	if size > 0 {
		if err := c.lineEnd(); err != nil {
			return incomplete(err)
		}
	}
	if err := c.verify(signature, "AWS4-HMAC-SHA256-PAYLOAD", EmptyPayload+"\n", data); err != nil {
		return err
	}
	if size > 0 {
		c.chunk = data
		return nil
	}
	return c.end()
}

// tooLong tells a chunk whose size is wrong from one that is in order and has more bytes than were announced.
func (c *Chunked) tooLong(size int64) error {
	if size > maxChunk {
		return wrongLength()
	}
	if _, err := io.CopyN(io.Discard, c.in, size); err != nil {
		return incomplete(err)
	}
	if err := c.lineEnd(); err != nil {
		return incomplete(err)
	}
	return wrongLength()
}

// head reads hexsize[;chunk-signature=...]CRLF.
func (c *Chunked) head() (size int64, signature string, err error) {
	line, err := c.line()
	if err != nil {
		return 0, "", err
	}
	line, ok := strings.CutSuffix(line, "\r")
	if !ok {
		return 0, "", broken()
	}
	digits, extension, hasExtension := strings.Cut(line, ";")
	if digits == "" || len(digits) > 8 {
		return 0, "", broken()
	}
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil || hasExtension != c.signed {
		return 0, "", broken()
	}
	if c.signed {
		if signature, ok = strings.CutPrefix(extension, "chunk-signature="); !ok || len(signature) != 2*sha256.Size {
			return 0, "", broken()
		}
	}
	return int64(n), signature, nil
}

// verify checks a signature that is chained to the previous one: over middle and the hash of data.
func (c *Chunked) verify(signature, kind, middle string, data []byte) error {
	sum := sha256.Sum256(data)
	text := kind + "\n" + c.sig.Time.UTC().Format(timeFormat) + "\n" + c.sig.scope().String() + "\n" + c.previous + "\n" +
		middle + hex.EncodeToString(sum[:])
	want := mac(c.sig.key, text)
	got, err := hex.DecodeString(signature)
	if err != nil || !equal(got, want) {
		return Mismatch(c.sig.AccessKeyID)
	}
	c.previous = signature
	return nil
}

// end reads what follows the last chunk.
func (c *Chunked) end() error {
	if c.left > 0 {
		return wrongLength()
	}
	if c.trailer == nil {
		if err := c.lineEnd(); err != nil && !errors.Is(err, io.EOF) { // some clients leave the last CRLF out
			return incomplete(err)
		}
		return io.EOF
	}
	malformed := fault.New("MalformedTrailerError", "The request contained trailing data that was not well-formed or did not conform to our published schema.")
	var given []string
	signature, total := "", 0
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		line = strings.TrimSuffix(line, "\r") // AWS's example ends the first line of a trailer in LF
		if line == "" {
			if c.signed && signature == "" && len(given) > 0 {
				continue // AWS's form has an empty line before the trailer's signature
			}
			break
		}
		if total += len(line); total > maxTrailer {
			return malformed
		}
		name, value, ok := strings.Cut(line, ":")
		name = strings.ToLower(strings.TrimSpace(name))
		value = strings.TrimSpace(value)
		if !ok {
			return malformed
		}
		if c.signed && name == "x-amz-trailer-signature" && len(value) == 2*sha256.Size {
			signature = value
			continue
		}
		if c.signed && len(c.trailer) > 0 && (len(given) == len(c.trailer) || strings.Contains(value, "\r")) {
			return broken()
		}
		if old, announced := c.trailer[name]; !announced || old != "" {
			return malformed
		}
		c.trailer[name] = value
		given = append(given, name+":"+value+"\n")
	}
	if len(given) != len(c.trailer) {
		return malformed
	}
	if c.signed {
		slices.Sort(given)
		if err := c.verify(signature, "AWS4-HMAC-SHA256-TRAILER", "", []byte(strings.Join(given, ""))); err != nil {
			return err
		}
	}
	return io.EOF
}

// line reads up to a LF, which it leaves out, at most maxChunkLine bytes.
func (c *Chunked) line() (string, error) {
	raw, err := c.in.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, bufio.ErrBufferFull) {
			return "", broken()
		}
		return "", incomplete(err)
	}
	if len(raw) > maxChunkLine {
		return "", broken()
	}
	return string(raw[:len(raw)-1]), nil
}

// lineEnd reads the CRLF that ends a chunk's data.
func (c *Chunked) lineEnd() error {
	var b [2]byte
	if _, err := io.ReadFull(c.in, b[:]); err != nil {
		return err
	}
	if b != [2]byte{'\r', '\n'} {
		return broken()
	}
	return nil
}
