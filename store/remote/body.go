package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"glassine/store"
)

// How a body goes on whose connection broke: up to resumes times in all, and not at all when nothing came since the last time
// often enough.
const (
	resumes      = 20
	resumesDry   = 3
	resumesPause = 100 * time.Millisecond // doubled while nothing comes
)

// body reads an object, or a range of it, from the service.
type body struct {
	store   *Store
	again   *s3.GetObjectInput // asks for the same version, and for no other object
	at, end int64              // where in the object; end is exclusive
	open    io.ReadCloser      // nil while the connection is broken
	cancel  context.CancelFunc
	tried   int // resumes in all
	dry     int // resumes since a byte came
	err     error
}

// Read implements io.Reader. A body whose object is gone before its end, or whose service is, ends in an error that is an
// io.ErrUnexpectedEOF.
func (b *body) Read(p []byte) (int, error) {
	for b.err == nil {
		if b.at == b.end {
			b.err = io.EOF
			break
		}
		if len(p) == 0 {
			return 0, nil
		}
		if b.open == nil {
			if err := b.resume(); err != nil {
				b.err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
			}
			continue
		}
		n, err := b.open.Read(p[:min(int64(len(p)), b.end-b.at)])
		if n > 0 {
			b.at, b.dry = b.at+int64(n), 0
		}
		if err != nil && b.at < b.end {
			b.hangUp()
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, b.err
}

// resume asks for the rest.
func (b *body) resume() error {
	if b.tried == resumes || b.dry == resumesDry {
		return errors.New("the connection to the service broke again and again")
	}
	if b.dry > 0 {
		time.Sleep(resumesPause << b.dry) // at most 0.4 s
	}
	b.tried, b.dry = b.tried+1, b.dry+1
	r := &store.Range{Start: b.at, End: b.end - 1}
	b.again.Range = inHTTP(r)
	out, cancel, err := b.store.request(context.Background(), b.again)
	if err != nil {
		return fault(context.Background(), err, "")
	}
	b.open, b.cancel = out.Body, cancel
	if offset, length, _, err := extent(headerOf(out.ResultMetadata), r); err != nil || offset != b.at || length != b.end-b.at {
		b.hangUp()
		return errors.New("the service gave another range than the rest")
	}
	return nil
}

func (b *body) hangUp() {
	b.cancel()
	_ = b.open.Close() // whatever it says: it is broken, or not wanted any more
	b.open = nil
}

// Close implements io.Closer. A body that was read to its end leaves its connection to the next request.
func (b *body) Close() error {
	if b.err == nil {
		b.err = errors.New("the body is closed")
	}
	if b.open == nil {
		return nil
	}
	if b.at == b.end {
		_, _ = io.CopyN(io.Discard, b.open, 1) // only its end is left; the answer's framing is read with it
	}
	b.hangUp()
	return nil
}
