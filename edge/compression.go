package edge

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"glassine/edge/cache"
	"glassine/edge/compress"
)

// accepted are the codings that x's viewer takes and its cache policy offers.
func (x *exchange) accepted() compress.Accepted {
	p := &x.behavior.policy
	return compress.Formats{Gzip: p.gzip, Brotli: p.brotli}.Negotiate(x.header.Values("Accept-Encoding"), x.major, x.minor)
}

// compressed is r, compressed as it arrives if the behavior wants that and r and the viewer allow it. The key of what is
// stored has the coding, so nobody else gets it. The fills that run at once bound the work.
// CloudFront Developer Guide, "Serve compressed files".
func (q *originRequest) compressed(b *behavior, r *cache.Response) *cache.Response {
	if !b.compress || r.Body == nil {
		return r
	}
	if c := q.accepted.Choose(r.Status, r.Header, r.TTL); c != "" {
		whole := &counted{ReadCloser: r.Body, left: r.Length}
		r.Header, r.Body, r.Length = compress.Header(r.Header, c), &squeezed{compress.NewReader(whole, c), whole}, -1
	}
	return r
}

// squeezed is a body being compressed, with the body that it is made of.
type squeezed struct {
	*compress.Reader
	source io.Closer
}

func (s *squeezed) Close() error {
	return errors.Join(s.Reader.Close(), s.source.Close())
}

// counted is a body that has to have the length that was said, left bytes: the cache cannot see that of one that is
// compressed. A shorter or longer one ends in an error.
type counted struct {
	io.ReadCloser
	left int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	if c.left -= int64(n); c.left < 0 || err == io.EOF && c.left > 0 {
		return n, cache.ErrTruncated
	}
	return n, err
}

// keepCoding makes h, a stored header that a 304 changed, say of the stored body what is true: when the edge compressed it,
// the entity tag stays weak, and Vary names Accept-Encoding, of which the origin knows nothing.
func keepCoding(h http.Header, stale *cache.Entry) {
	was := stale.Header.Get("Etag")
	if stale.Header.Get("Content-Encoding") == "" || !strings.HasPrefix(was, "W/") || h.Get("Etag") != strings.TrimPrefix(was, "W/") {
		return
	}
	h["Etag"] = []string{was}
	if !strings.Contains(strings.ToLower(strings.Join(h["Vary"], ",")), "accept-encoding") {
		h["Vary"] = append(h["Vary"][:len(h["Vary"]):len(h["Vary"])], "Accept-Encoding")
	}
}
