package remote

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"os"
	"strconv"
	"strings"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"glassine/store"
)

// How a body goes out:
//
// Up to maxBuffered bytes are read first. Then everything is known before the request is: checksum, length and what Accept
// says. It is signed with the body's hash, and sent again when it fails.
//
// More go out as they come, if the sender said how many they are: in the framing that S3 calls aws-chunked, whose last frame
// brings the checksum. That frame is sent when the body has ended well and Accept agreed; without it no service takes the
// body for whole. Such a request can be sent once only, unless it failed before the body was touched.
//
// If the sender did not say how many, they go through a temporary file, since S3 must be told.
const (
	maxBuffered   = 4 << 20
	buffersAtOnce = 32 // so that all buffers together have at most 128 MiB
	frameSize     = 64 << 10
)

// digest is what is known of a body that was read.
type digest struct {
	size     int64
	etag     string
	checksum store.Checksum
}

// hashing computes a digest.
type hashing struct {
	algorithm string
	size      int64
	md5, sum  hash.Hash
}

func newHashing(algorithm string) (*hashing, error) {
	sum, err := store.NewHash(algorithm)
	return &hashing{algorithm: algorithm, md5: md5.New(), sum: sum}, err
}

func (h *hashing) Write(p []byte) (int, error) {
	h.size += int64(len(p))
	h.md5.Write(p)
	h.sum.Write(p)
	return len(p), nil
}

func (h *hashing) digest() digest {
	return digest{h.size, hex.EncodeToString(h.md5.Sum(nil)), store.SumOf(h.algorithm, h.sum)}
}

// payload is a body ready to go out. digest is complete when body was read to its end, and in advance if it is buffered.
type payload struct {
	body    io.Reader
	length  int64 // bytes of the request's body
	headers map[string]string
	coding  string // how the body is framed, as Content-Encoding says it; "" if it is not
	options []option
	digest  func() digest
}

// send reads body and has request send it. accept, unless nil, is called once the body was read and before it is whole at
// the service. size is as in store.PutOptions. The error of body, accept or ctx is returned before any of request's.
func (s *Store) send(ctx context.Context, body io.Reader, size int64, algorithm string, accept func(digest) error, request func(payload) error) (digest, error) {
	h, err := newHashing(algorithm)
	if err != nil {
		return digest{}, err
	}
	in := &source{ctx: ctx, r: body}
	if size > maxBuffered {
		return s.stream(ctx, in, size, h, accept, request)
	}
	select {
	case s.buffers <- struct{}{}:
		defer func() { <-s.buffers }()
	case <-ctx.Done():
		return digest{}, ctx.Err()
	}
	var buffer bytes.Buffer
	buffer.Grow(int(size) + bytes.MinRead)
	n, err := buffer.ReadFrom(io.LimitReader(in, maxBuffered+1))
	if err != nil {
		return digest{}, err
	}
	if n > maxBuffered {
		return s.spool(ctx, io.MultiReader(&buffer, in), h, accept, request)
	}
	_, _ = h.Write(buffer.Bytes()) // a hash does not fail
	return sendKnown(bytes.NewReader(buffer.Bytes()), h.digest(), accept, request)
}

// sendKnown sends a body whose digest is known.
func sendKnown(body io.ReadSeeker, d digest, accept func(digest) error, request func(payload) error) (digest, error) {
	if accept != nil {
		if err := accept(d); err != nil {
			return d, err
		}
	}
	return d, request(payload{
		body: body, length: d.size, digest: func() digest { return d },
		headers: map[string]string{checksumHeader(d.checksum.Algorithm): d.checksum.Value},
	})
}

// spool sends a body of unknown length through a file that has no name.
func (s *Store) spool(ctx context.Context, body io.Reader, h *hashing, accept func(digest) error, request func(payload) error) (digest, error) {
	f, err := os.CreateTemp("", "glassine-remote-*")
	if err != nil {
		return digest{}, err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil {
		return digest{}, err
	}
	if _, err := io.Copy(io.MultiWriter(f, h), body); err != nil {
		return digest{}, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return digest{}, err
	}
	if err := ctx.Err(); err != nil {
		return digest{}, err
	}
	return sendKnown(f, h.digest(), accept, request)
}

// stream sends a body of size bytes as it comes.
func (s *Store) stream(ctx context.Context, in *source, size int64, h *hashing, accept func(digest) error, request func(payload) error) (digest, error) {
	header := strings.ToLower(checksumHeader(store.SumOf(h.algorithm, h.sum).Algorithm)) // a service may know no other spelling
	out := newChunked(in, size, header, h, accept)
	err := request(payload{
		body: out, length: out.length, digest: h.digest,
		headers: map[string]string{
			"X-Amz-Decoded-Content-Length": strconv.FormatInt(size, 10), "X-Amz-Trailer": header,
			"Expect": "100-continue", // a body that cannot be sent twice waits until the service wants it
		},
		coding:  "aws-chunked",
		options: []option{s3.WithAPIOptions(unsignedTrailer), func(o *s3.Options) { o.Retryer = untouchedRetryer{o.Retryer, out} }},
	})
	ended, failed := out.stop()
	switch {
	case failed != nil:
		return digest{}, failed // the reason of whatever became of the request
	case err == nil && !ended:
		return digest{}, errors.New("the service took a body before it had ended")
	}
	return h.digest(), err
}

// unsignedTrailer has the request signed as one whose body is framed, not signed, and followed by a checksum.
// (S3 API Reference, "Signature Calculations for the Authorization Header: ... Trailing Headers".)
func unsignedTrailer(stack *middleware.Stack) error {
	const place = "ComputePayloadHash" // of the SDK's signer
	_, err := stack.Finalize.Swap(place, middleware.FinalizeMiddlewareFunc(place, func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		return next.HandleFinalize(v4.SetPayloadHash(ctx, "STREAMING-UNSIGNED-PAYLOAD-TRAILER"), in)
	}))
	return err
}

// source is a caller's body, which is read as long as ctx lasts.
type source struct {
	ctx context.Context
	r   io.Reader
}

func (s *source) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}
