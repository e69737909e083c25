package transform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"

	"glassine/aws/arn"
	"glassine/transform/metadata"
)

const (
	// maxSource is the largest original.
	maxSource = 64 << 20
	// maxMemory is the largest original that is held in memory when it cannot be read in place; what is larger goes to a
	// temporary file.
	maxMemory = 32 << 20
)

// source is an original, ready to be read at any offset.
type source struct {
	at   io.ReaderAt
	size int64
	// header is S3's answer.
	header http.Header
	// inMemory says that the bytes lie in a pooled buffer.
	inMemory bool
	close    func()
}

// original opens the original through its presigned URL. A *refused error has a message for the caller.
func (r *request) original(ctx context.Context) (*source, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.ev.GetObjectContext.InputS3URL, nil)
	if err != nil {
		return nil, fmt.Errorf("make a request of inputS3Url: %w", withoutURL(err))
	}
	copySigned(req, r.ev.UserRequest.Headers)
	return r.f.get(req, maxSource)
}

// object opens an object of the operator's, of at most limit bytes, through the supporting access point and with the rights
// of the function's role. A *refused error has a message for the caller.
func (r *request) object(ctx context.Context, key string, limit int64) (*source, error) {
	point, err := arn.Parse(r.ev.Configuration.SupportingAccessPoint)
	name, ok := strings.CutPrefix(point.Resource, "accesspoint/")
	if err != nil || !ok {
		return nil, fmt.Errorf("the event's supportingAccessPointArn is not an access point's ARN: %q", r.ev.Configuration.SupportingAccessPoint)
	}
	target := url.URL{Scheme: "https", Host: name + "-" + point.Account + ".s3-accesspoint." + point.Region + ".amazonaws.com", Path: "/" + key}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("make a request of %s: %w", key, err)
	}
	r.f.sign(req, r.creds, "s3")
	src, err := r.f.get(req, limit)
	if err != nil {
		return nil, fmt.Errorf("read %s through the access point %s: %w", key, name, err)
	}
	return src, nil
}

// get sends a request and keeps its answer.
func (f *Function) get(req *http.Request, limit int64) (*source, error) {
	req.Header.Set("Accept-Encoding", "identity") // else net/http would ask for gzip and unpack it
	resp, err := f.transport().RoundTrip(req)
	if err != nil {
		return nil, fmt.Errorf("read the original: %w", withoutURL(err))
	}
	if resp.StatusCode != http.StatusOK {
		_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
		resp.Body.Close()
		// The text of axios, which the reference function passes on (seen in its answers).
		return nil, &refused{message: fmt.Sprintf("Request failed with status code %d", resp.StatusCode)}
	}
	src, err := spool(resp, limit)
	if err != nil {
		resp.Body.Close()
		return nil, err
	}
	src.header = resp.Header
	return src, nil
}

func (f *Function) transport() http.RoundTripper {
	if f.Transport != nil {
		return f.Transport
	}
	return http.DefaultTransport
}

// withoutURL takes the presigned URL, which is a secret for a minute, out of err.
func withoutURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// copySigned sends what the presigned URL's signature covers besides the host: AWS signs x-amz-checksum-mode when the
// caller sent it. Amazon S3 User Guide, "Event context format and usage", inputS3Url.
func copySigned(req *http.Request, caller map[string]string) {
	for name := range strings.SplitSeq(req.URL.Query().Get("X-Amz-SignedHeaders"), ";") {
		if name == "" || strings.EqualFold(name, "host") {
			continue
		}
		for k, v := range caller {
			if strings.EqualFold(k, name) {
				req.Header.Set(name, v)
			}
		}
	}
}

func tooLarge(limit int64) error {
	return &refused{message: fmt.Sprintf("The original is larger than %d MiB", limit>>20)}
}

// spool makes resp's body readable at any offset. On success the source closes the body.
func spool(resp *http.Response, limit int64) (*source, error) {
	n := resp.ContentLength
	if n > limit {
		return nil, tooLarge(limit)
	}
	if at, ok := resp.Body.(io.ReaderAt); ok && n >= 0 {
		return &source{at: at, size: n, close: func() { resp.Body.Close() }}, nil
	}
	defer resp.Body.Close()
	if n > maxMemory {
		return spoolToFile(resp.Body, n, limit)
	}
	buf := getBuffer(int(max(n, 0)) + 1)
	got, err := fill(resp.Body, &buf)
	if err == nil && got > maxMemory {
		defer putBuffer(buf)
		return spoolToFile(io.MultiReader(bytes.NewReader(buf[:got]), resp.Body), n, limit)
	}
	if err == nil && n >= 0 && int64(got) != n {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		putBuffer(buf)
		return nil, fmt.Errorf("read original: %w", err)
	}
	return &source{
		at: bytes.NewReader(buf[:got]), size: int64(got), inMemory: true,
		close: func() { putBuffer(buf) },
	}, nil
}

// fill reads r to its end, or to one byte more than maxMemory, and lets *buf grow as it must.
func fill(r io.Reader, buf *[]byte) (int, error) {
	got := 0
	for {
		limit := min(len(*buf), maxMemory+1)
		if got == limit {
			if got > maxMemory {
				return got, nil
			}
			larger := getBuffer(len(*buf) + 1)
			copy(larger, (*buf)[:got])
			putBuffer(*buf)
			*buf = larger
			continue
		}
		n, err := r.Read((*buf)[got:limit])
		got += n
		if err == io.EOF {
			return got, nil
		}
		if err != nil {
			return got, err
		}
	}
}

// spoolToFile holds the original in an unnamed temporary file. size is what S3 announced, -1 when it did not.
func spoolToFile(r io.Reader, size, limit int64) (*source, error) {
	file, err := os.CreateTemp("", "glassine-original-*")
	if err != nil {
		return nil, fmt.Errorf("make room for a large original: %w", err)
	}
	os.Remove(file.Name()) // it lives on until it is closed
	n, err := io.Copy(file, io.LimitReader(r, limit+1))
	if err == nil && n > limit {
		err = tooLarge(limit)
	}
	if err == nil && size >= 0 && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("spool a large original: %w", err)
	}
	return &source{at: file, size: n, close: func() { file.Close() }}, nil
}

// buffers holds free buffers by size: a power of two from 64 KiB to 32 MiB, and one size above for maxMemory+1.
var buffers [11]sync.Pool

func bufferClass(n int) int { return max(bits.Len(uint(max(n, 1)-1))-16, 0) }

// getBuffer returns a buffer of at least n bytes, n <= 64 MiB.
func getBuffer(n int) []byte {
	class := bufferClass(n)
	if b, ok := buffers[class].Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, 64<<10<<class)
}

func putBuffer(b []byte) {
	b = b[:cap(b)]
	buffers[bufferClass(len(b))].Put(&b)
}

// explain turns an error of package metadata into one for the caller. The name of an unknown type is the one that the
// object was stored with, as the reference function says it.
func (s *source) explain(err error) error {
	if u, ok := errors.AsType[*metadata.UnsupportedError](err); ok {
		const supported = "is not supported; supported types are " + metadata.SupportedTypes
		stored, _, _ := mime.ParseMediaType(s.header.Get("Content-Type"))
		switch {
		case u.Format != "" || stored == "":
			return &refused{message: u.Error()}
		case strings.HasPrefix(stored, "image/"):
			return &refused{message: "File type unknown (stored as " + stored + ", which it is not) " + supported}
		}
		return &refused{message: "File type " + stored + " " + supported}
	}
	if d, ok := errors.AsType[*metadata.DamagedError](err); ok {
		return &refused{message: "The file is damaged: " + d.Error()}
	}
	return fmt.Errorf("read original: %w", err)
}

// forward returns the headers of the caller's answer: the content type, and of S3's own those that say how long the answer
// keeps. The ETag is the original's with the version of this function and suffix, since the bytes are others.
func (s *source) forward(contentType, suffix string) http.Header {
	h := http.Header{"Content-Type": {contentType}}
	for _, name := range []string{"Cache-Control", "Expires", "Last-Modified"} {
		if v := s.header.Get(name); v != "" {
			h.Set(name, v)
		}
	}
	if etag := strings.Trim(strings.TrimPrefix(s.header.Get("ETag"), "W/"), `"`); etag != "" {
		h.Set("ETag", `"`+etag+"-"+Version+suffix+`"`)
	}
	return h
}
