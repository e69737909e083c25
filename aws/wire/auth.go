package wire

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
)

// Key is what is known of an access key: C is the caller that it stands for.
type Key[C any] struct {
	Secret string
	Caller C
	// Internal says that glassine minted the key for a URL of its own: headers that the URL's user added are then ignored
	// where they are unsigned x-amz-* ones, not refused (docs/aws-differences.md).
	Internal bool
}

// Keys finds an access key. The errors are S3's: InvalidAccessKeyId, InvalidToken, ExpiredToken.
type Keys[C any] func(ctx context.Context, accessKeyID, sessionToken string) (Key[C], error)

// KeysOf are the keys that lookup knows, all of them its users' own.
func KeysOf[C any](lookup func(ctx context.Context, accessKeyID, sessionToken string) (secret string, c C, err error)) Keys[C] {
	return func(ctx context.Context, accessKeyID, sessionToken string) (Key[C], error) {
		secret, c, err := lookup(ctx, accessKeyID, sessionToken)
		return Key[C]{Secret: secret, Caller: c}, err
	}
}

// Authenticate verifies who signed r, before anything of its body is looked at. A request without a signature gives a nil
// Signature, the zero caller and no error. The scope's service must be one of services. It is for S3, whose signature
// names the body's hash in a header; for other services see AuthenticateWhole.
func Authenticate[C any](r *http.Request, keys Keys[C], services []string, now time.Time) (C, *sigv4.Signature, error) {
	return authenticate(r, keys, services, now, "")
}

// AuthenticateWhole verifies who signed r, and returns its body, of at most limit bytes. Its signature covers the body's
// hash whether a header names it or not.
func AuthenticateWhole[C any](r *http.Request, keys Keys[C], services []string, now time.Time, limit int64) (C, *sigv4.Signature, []byte, error) {
	var nobody C
	body, err := readBody(r, limit)
	if err != nil {
		return nobody, nil, nil, err
	}
	c, sig, err := authenticate(r, keys, services, now, sigv4.PayloadSHA256(body))
	if err != nil || sig == nil {
		return nobody, nil, nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if body, err = ReadBody(r, sig, limit); err != nil {
		return nobody, nil, nil, err
	}
	return c, sig, body, nil
}

// authenticate is both: bodyHash stands in where the request names no hash; "" leaves that to the service's rules.
func authenticate[C any](r *http.Request, keys Keys[C], services []string, now time.Time, bodyHash string) (C, *sigv4.Signature, error) {
	var nobody C
	sig, err := sigv4.Parse(r)
	if err != nil || sig == nil {
		return nobody, nil, err
	}
	if sig.PayloadHash == "" && !sig.Query {
		sig.PayloadHash = bodyHash
	}
	if !contains(services, sig.Service) {
		return nobody, nil, fault.New("AuthorizationHeaderMalformed", "The authorization header is malformed; incorrect service %q. This endpoint belongs to %q.", sig.Service, services[0])
	}
	if err := sig.CheckTime(now); err != nil {
		return nobody, nil, err
	}
	key, err := keys(r.Context(), sig.AccessKeyID, sig.SessionToken)
	if err != nil {
		// The same work as for a known key, so that time does not tell which keys exist.
		_ = sig.Verify(r, "no such secret")
		return nobody, nil, err
	}
	sig.DropUnsigned = key.Internal
	if err := sig.Verify(r, key.Secret); err != nil {
		return nobody, nil, err
	}
	if err := checkEmpty(r, sig); err != nil {
		return nobody, nil, err
	}
	if key.Internal {
		for name := range r.Header {
			if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !contains(sig.SignedHeaders, lower) {
				delete(r.Header, name)
			}
		}
	}
	return key.Caller, sig, nil
}

// checkEmpty verifies the body of a request that stores something and has none: nothing is left to be read that could.
func checkEmpty(r *http.Request, sig *sigv4.Signature) error {
	if r.ContentLength != 0 || r.Method != http.MethodPut && r.Method != http.MethodPost || len(sig.PayloadHash) != len(sigv4.EmptyPayload) || sig.PayloadHash == sigv4.EmptyPayload {
		return nil
	}
	if _, err := hex.DecodeString(sig.PayloadHash); err != nil {
		return nil //nolint:nilerr // one of the words for less
	}
	return hashMismatch(sig.PayloadHash, sigv4.EmptyPayload)
}

func hashMismatch(said, computed string) error {
	return fault.New("XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.").
		With("ClientComputedContentSHA256", said).With("S3ComputedContentSHA256", computed)
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// Context returns the condition keys that every service fills from the request itself, in lower case.
// (IAM User Guide, "AWS global condition context keys".)
func Context(r *http.Request, sig *sigv4.Signature) map[string][]string {
	keys := map[string][]string{
		"aws:securetransport": {strconv.FormatBool(r.TLS != nil)},
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		keys["aws:sourceip"] = []string{host}
	}
	if ua := r.UserAgent(); ua != "" {
		keys["aws:useragent"] = []string{ua}
	}
	if ref := r.Referer(); ref != "" {
		keys["aws:referer"] = []string{ref}
	}
	if sig != nil {
		keys["aws:requestedregion"] = []string{sig.Region}
	}
	return keys
}

// Payload is a request's body as its sender meant it: decoded where it came in chunks, verified while it is read. Its end
// is io.EOF only when it is what the signature covers.
type Payload struct {
	io.Reader
	// Length is the decoded length in bytes, or -1 when the sender did not say.
	Length int64
	// Trailer returns a trailing header, after io.EOF; "" for a body without trailer.
	Trailer func(name string) string
}

// NewPayload returns the body of r by the form that x-amz-content-sha256 names. sig is nil for an anonymous request.
// (S3 API Reference, "Authenticating Requests: Using the Authorization Header".)
func NewPayload(r *http.Request, sig *sigv4.Signature) (Payload, error) {
	p := Payload{Reader: r.Body, Length: r.ContentLength, Trailer: func(string) string { return "" }}
	form := r.Header.Get("X-Amz-Content-Sha256")
	if sig != nil {
		form = sig.PayloadHash
	}
	switch form {
	case "", sigv4.UnsignedPayload:
		return p, nil
	case sigv4.StreamingSigned, sigv4.StreamingSignedTrailer:
		if sig == nil {
			return p, fault.New("InvalidRequest", "Anonymous requests don't support this x-amz-content-sha256 value. Please use UNSIGNED-PAYLOAD or STREAMING-UNSIGNED-PAYLOAD-TRAILER.")
		}
	case sigv4.StreamingUnsignedTrailer:
		if sig == nil {
			sig = &sigv4.Signature{PayloadHash: form}
		}
	default:
		return p, p.hash(form)
	}
	length, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
	if err != nil || length < 0 {
		return p, fault.New("MissingContentLength", "You must provide the Content-Length HTTP header.")
	}
	var trailers []string
	for _, v := range r.Header.Values("X-Amz-Trailer") {
		trailers = append(trailers, strings.Split(v, ",")...)
	}
	chunked := sigv4.NewChunked(r.Body, sig, length, trailers)
	return Payload{Reader: chunked, Length: length, Trailer: chunked.Trailer}, nil
}

// hash makes p verify the hex SHA-256 of a plain body.
func (p *Payload) hash(form string) error {
	want, err := hex.DecodeString(form)
	if err != nil || len(want) != sha256.Size {
		return sigv4.InvalidPayloadHash(form)
	}
	mismatch := func(sum []byte) error { return hashMismatch(form, hex.EncodeToString(sum)) }
	p.Reader = Verify(p.Reader, sha256.New(), func() []byte { return want }, mismatch)
	return nil
}

// Verify returns a reader of r that gives mismatch's error in place of io.EOF when h over all that was read, which mismatch
// is told, is not what want returns then.
func Verify(r io.Reader, h hash.Hash, want func() []byte, mismatch func(sum []byte) error) io.Reader {
	return &verifier{r, h, want, mismatch}
}

type verifier struct {
	r        io.Reader
	h        hash.Hash
	want     func() []byte
	mismatch func([]byte) error
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.h.Write(p[:n])
	if errors.Is(err, io.EOF) {
		if sum := v.h.Sum(nil); !bytes.Equal(sum, v.want()) {
			return n, v.mismatch(sum)
		}
	}
	return n, err
}

// ReadBody reads a body of at most limit bytes whole and checks it against the signature.
func ReadBody(r *http.Request, sig *sigv4.Signature, limit int64) ([]byte, error) {
	p, err := NewPayload(r, sig)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(p)
	return readBody(r, limit)
}

// readBody reads a body of at most limit bytes.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	tooLarge := fault.New("EntityTooLarge", "The request body is larger than the %d bytes that this operation allows.", limit)
	if r.ContentLength > limit {
		return nil, tooLarge
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, limit+1)) // limit
	if err != nil {
		return nil, err
	}
	if int64(len(raw)) > limit {
		return nil, tooLarge
	}
	return raw, nil
}
