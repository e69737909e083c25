package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"glassine/aws/fault"
)

// MaxSkew is how far a request's date may be from the server's clock.
const MaxSkew = 15 * time.Minute

// maxExpires is the longest life of a presigned URL: a week.
const maxExpires = 7 * 24 * time.Hour

// Signature is what a request claims about who signed it. Nothing in it is trusted before Verify returned nil.
type Signature struct {
	Query           bool // query (presigned) form, else header form
	AccessKeyID     string
	Region, Service string
	Time            time.Time     // X-Amz-Date
	Expires         time.Duration // query form: life from Time
	SignedHeaders   []string      // lower case, sorted
	PayloadHash     string        // what the request says of its body; "" when it says nothing
	SessionToken    string
	// DropUnsigned says that unsigned x-amz-* headers are to be ignored rather than refused. A front end sets it for
	// URLs that glassine presigned itself (docs/aws-differences.md); it must then drop those headers.
	DropUnsigned bool

	date      string // of the scope
	signature []byte
	key       []byte // the signing key, set by Verify: chunks of the body are signed with it too
}

func (s *Signature) scope() scope { return scope{s.date, s.Region, s.Service} }

// Parse reads the signature of r. It returns nil and no error for a request that carries none. The errors are S3's
// (AuthorizationHeaderMalformed, AuthorizationQueryParametersError, InvalidRequest, InvalidArgument); other endpoints
// put their own codes in place.
func Parse(r *http.Request) (*Signature, error) {
	auth := r.Header.Values("Authorization")
	query := splitQuery(rawQuery(r))
	_, inQuery := lookup(query, "X-Amz-Algorithm")
	switch {
	case len(auth) > 1, len(auth) == 1 && inQuery:
		return nil, fault.New("InvalidArgument", "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified")
	case inQuery:
		return parseQuery(query)
	case len(auth) == 1:
		return parseHeader(r, auth[0])
	}
	if _, ok := lookup(query, "AWSAccessKeyId"); ok {
		return nil, unsupported()
	}
	return nil, nil
}

func unsupported() *fault.Error {
	return fault.New("InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.")
}

func parseHeader(r *http.Request, auth string) (*Signature, error) {
	parts, err := components(auth)
	if err != nil {
		return nil, err
	}
	s := &Signature{SessionToken: r.Header.Get("X-Amz-Security-Token"), PayloadHash: r.Header.Get("X-Amz-Content-Sha256")}
	if err := s.credential(parts["Credential"]); err != nil {
		return nil, malformed("%s", err.Error())
	}
	if err := s.decode(parts["SignedHeaders"], parts["Signature"]); err != nil {
		return nil, err
	}
	if s3Like(s.Service) && !payloadForm(s.PayloadHash) {
		return nil, InvalidPayloadHash(s.PayloadHash)
	}
	if s.Time, err = time.Parse(timeFormat, r.Header.Get("X-Amz-Date")); err != nil {
		if s.Time, err = http.ParseTime(r.Header.Get("Date")); err != nil || r.Header.Get("X-Amz-Date") != "" {
			return nil, fault.New("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
		}
	}
	if s.Time.UTC().Format("20060102") != s.date {
		return nil, malformed("Invalid credential date %q. This date is not the same as X-Amz-Date: %q.", s.date, s.Time.UTC().Format("20060102"))
	}
	return s, nil
}

// components splits an Authorization header into Credential, SignedHeaders and Signature.
func components(auth string) (map[string]string, error) {
	kind, rest, ok := strings.Cut(auth, " ")
	invalid := func(message string) error {
		return fault.New("InvalidArgument", "%s", message).With("ArgumentName", "Authorization").With("ArgumentValue", kind)
	}
	switch {
	case !ok:
		return nil, invalid("Authorization header is invalid -- one and only one ' ' (space) required")
	case kind == "AWS": // version 2
		return nil, unsupported()
	case kind != Algorithm:
		return nil, invalid("Unsupported Authorization Type")
	}
	parts := map[string]string{}
	n := 0
	for piece := range strings.SplitSeq(rest, ",") {
		piece = strings.TrimSpace(piece)
		k, v, ok := strings.Cut(piece, "=")
		if !ok {
			return nil, malformed("the authorization component %q is malformed.", piece)
		}
		parts[k] = v
		n++
	}
	if n != 3 {
		return nil, malformed("the authorization header requires three components: Credential, SignedHeaders, and Signature.")
	}
	for _, name := range []string{"Credential", "SignedHeaders", "Signature"} {
		if parts[name] == "" {
			return nil, malformed("missing %s.", name)
		}
	}
	return parts, nil
}

// payloadForm takes what x-amz-content-sha256 may say, and nothing.
func payloadForm(v string) bool {
	switch v {
	case "", UnsignedPayload, StreamingSigned, StreamingSignedTrailer, StreamingUnsignedTrailer:
		return true
	}
	raw, err := hex.DecodeString(v)
	return err == nil && len(raw) == sha256.Size
}

// InvalidPayloadHash is S3's error for an x-amz-content-sha256 that is neither a hash nor a word for less.
func InvalidPayloadHash(v string) *fault.Error {
	return fault.New("InvalidArgument", "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD, STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER or a valid sha256 value.").
		With("ArgumentName", "x-amz-content-sha256").With("ArgumentValue", v)
}

func malformed(format string, args ...any) *fault.Error {
	return fault.New("AuthorizationHeaderMalformed", "The authorization header is malformed; "+format, args...)
}

func parseQuery(query []parameter) (*Signature, error) {
	bad := func(format string, args ...any) error {
		return fault.New("AuthorizationQueryParametersError", format, args...)
	}
	got := map[string]string{}
	for _, p := range query {
		if strings.HasPrefix(p.key, "X-Amz-") {
			if _, twice := got[p.key]; twice {
				return nil, bad("The query parameter %s is given twice.", p.key)
			}
			got[p.key] = p.value
		}
	}
	switch got["X-Amz-Algorithm"] {
	case Algorithm:
	case "AWS4-ECDSA-P256-SHA256": // S3 has it, for Multi-Region Access Points
		return nil, bad("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"")
	default:
		return nil, bad("X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256\"")
	}
	for _, name := range []string{"X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Expires"} {
		if got[name] == "" {
			return nil, bad("Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.")
		}
	}
	s := &Signature{Query: true, SessionToken: got["X-Amz-Security-Token"], PayloadHash: got["X-Amz-Content-Sha256"]}
	if err := s.credential(got["X-Amz-Credential"]); err != nil {
		return nil, bad("Error parsing the X-Amz-Credential parameter; %s", err.Error())
	}
	if err := s.decode(got["X-Amz-SignedHeaders"], got["X-Amz-Signature"]); err != nil {
		return nil, err
	}
	var err error
	if s.Time, err = time.Parse(timeFormat, got["X-Amz-Date"]); err != nil {
		return nil, bad("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
	}
	if s.Time.Format("20060102") != s.date {
		return nil, bad("Invalid credential date %q. This date is not the same as X-Amz-Date: %q.", s.date, s.Time.Format("20060102"))
	}
	seconds, err := strconv.ParseInt(got["X-Amz-Expires"], 10, 64)
	switch {
	case err != nil:
		return nil, bad("X-Amz-Expires should be a number")
	case seconds < 0:
		return nil, bad("X-Amz-Expires must be non-negative")
	case seconds > int64(maxExpires/time.Second):
		return nil, bad("X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
	}
	s.Expires = time.Duration(seconds) * time.Second
	return s, nil
}

// scopeError is a text about a credential scope; each form puts it into an error of its own.
type scopeError string

func (e scopeError) Error() string { return string(e) }

// credential splits AKID/date/region/service/aws4_request.
func (s *Signature) credential(c string) error {
	p := strings.Split(c, "/")
	if len(p) != 5 {
		return scopeError(`the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`)
	}
	if p[4] != terminator {
		return scopeError(`incorrect terminal "` + p[4] + `". This endpoint uses "aws4_request".`)
	}
	s.AccessKeyID, s.date, s.Region, s.Service = p[0], p[1], p[2], p[3]
	if _, err := time.Parse("20060102", s.date); err != nil {
		return scopeError(`incorrect date format "` + s.date + `". This date in the credential must be in the format "yyyyMMdd".`)
	}
	if s.AccessKeyID == "" || s.Region == "" || s.Service == "" {
		return scopeError(`the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`)
	}
	return nil
}

// decode reads the list of signed headers and the signature. A list that is not lower case, sorted and without
// repetition cannot match any signature; saying so early costs nothing.
func (s *Signature) decode(names, signature string) error {
	s.SignedHeaders = strings.Split(names, ";")
	for i, n := range s.SignedHeaders {
		if n != strings.ToLower(n) || i > 0 && n <= s.SignedHeaders[i-1] {
			return Mismatch(s.AccessKeyID)
		}
	}
	sig, err := hex.DecodeString(signature)
	if err != nil || len(sig) != 32 || strings.ToLower(signature) != signature {
		return Mismatch(s.AccessKeyID)
	}
	s.signature = sig
	return nil
}

// Mismatch is the error of a signature that does not fit.
func Mismatch(accessKeyID string) *fault.Error {
	return fault.New("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your key and signing method.").
		With("AWSAccessKeyId", accessKeyID)
}

// MismatchOf is Mismatch with what was signed by the server's account of it, so that the signer can find the difference:
// the string to sign and, unless it is "", the canonical request. (S3 API Reference, "Error responses".)
func MismatchOf(accessKeyID, provided, stringToSign, canonicalRequest string) *fault.Error {
	f := Mismatch(accessKeyID).With("StringToSign", stringToSign).With("SignatureProvided", provided).
		With("StringToSignBytes", fmt.Sprintf("% x", stringToSign))
	if canonicalRequest == "" {
		return f
	}
	return f.With("CanonicalRequest", canonicalRequest).With("CanonicalRequestBytes", fmt.Sprintf("% x", canonicalRequest))
}

// CheckTime refuses a signature that is too old or from the future: RequestTimeTooSkewed in the header form,
// AccessDenied "Request has expired" in the query form.
func (s *Signature) CheckTime(now time.Time) error {
	stamp := func(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
	if !s.Query {
		if d := now.Sub(s.Time); d > MaxSkew || d < -MaxSkew {
			return fault.New("RequestTimeTooSkewed", "The difference between the request time and the current time is too large.").
				With("RequestTime", s.Time.UTC().Format(timeFormat)).With("ServerTime", stamp(now)).
				With("MaxAllowedSkewMilliseconds", strconv.FormatInt(MaxSkew.Milliseconds(), 10))
		}
		return nil
	}
	if now.Before(s.Time.Add(-MaxSkew)) {
		return fault.New("AccessDenied", "Request is not yet valid").With("ServerTime", stamp(now))
	}
	if end := s.Time.Add(s.Expires); now.After(end) {
		return fault.New("AccessDenied", "Request has expired").
			With("X-Amz-Expires", strconv.FormatInt(int64(s.Expires/time.Second), 10)).
			With("Expires", stamp(end)).With("ServerTime", stamp(now))
	}
	return nil
}

// Verify recomputes the signature of r as it was received and compares in constant time. r.RequestURI, r.Host and the
// headers must be untouched. Nil means that the holder of secret signed exactly this request; SignatureDoesNotMatch that
// it did not; AccessDenied with HeadersNotSigned names an x-amz-* header that was added after signing.
//
// For S3 a signature over the path as received is accepted as well as one over the path decoded and encoded again: both
// name the same key, and the reference edge signer signs what it was given.
func (s *Signature) Verify(r *http.Request, secret string) error {
	if err := s.coverage(r); err != nil {
		return err
	}
	payload := s.PayloadHash
	switch {
	case payload != "":
	case s.Query && s3Like(s.Service):
		payload = UnsignedPayload
	default:
		payload = EmptyPayload
	}
	headers := make([]header, len(s.SignedHeaders))
	for i, n := range s.SignedHeaders {
		headers[i] = header{n, signedValue(r, n)}
	}
	without := ""
	if s.Query {
		without = "X-Amz-Signature"
	}
	query := canonicalQuery(splitQuery(rawQuery(r)), without)
	sc := s.scope()
	key := sc.key(secret)
	raw := rawPath(r)
	paths := []string{canonicalPath(s.Service, raw)}
	if s3Like(s.Service) && raw != paths[0] && raw != "" {
		paths = append(paths, raw)
	}
	for _, p := range paths {
		if equal(mac(key, stringToSign(s.Time, sc, canonicalRequest(r.Method, p, query, headers, s.SignedHeaders, payload))), s.signature) {
			s.key = key
			return nil
		}
	}
	if s.SessionToken != "" {
		return Mismatch(s.AccessKeyID) // S3 shows the canonical request with the token in it, and an edge would show that to viewers
	}
	cr := canonicalRequest(r.Method, paths[0], query, headers, s.SignedHeaders, payload)
	return MismatchOf(s.AccessKeyID, hex.EncodeToString(s.signature), stringToSign(s.Time, sc, cr), cr)
}

// coverage refuses a request whose signature leaves out what AWS insists on: the host, what dates the request, and
// every x-amz-* header (S3 API Reference, "Signature calculations": 403 "There were headers present in the request
// which were not signed"). The token of a presigned URL stands in its query.
func (s *Signature) coverage(r *http.Request) error {
	signed := func(name string) bool { _, ok := slices.BinarySearch(s.SignedHeaders, name); return ok }
	if !signed("host") {
		return Mismatch(s.AccessKeyID)
	}
	if !s.Query && r.Header.Get("X-Amz-Date") == "" && !signed("date") {
		return Mismatch(s.AccessKeyID)
	}
	if !s.Query && s.SessionToken != "" && !signed("x-amz-security-token") {
		return Mismatch(s.AccessKeyID)
	}
	if !s3Like(s.Service) || s.DropUnsigned {
		return nil
	}
	var missing []string
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !signed(lower) {
			missing = append(missing, lower)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	slices.Sort(missing)
	return fault.New("AccessDenied", "There were headers present in the request which were not signed").
		With("HeadersNotSigned", strings.Join(missing, ", "))
}

// signedValue is the canonical value of a header of r. net/http keeps some out of r.Header.
func signedValue(r *http.Request, name string) string {
	switch name {
	case "host":
		return foldSpaces(r.Host)
	case "content-length":
		if r.ContentLength >= 0 {
			return strconv.FormatInt(r.ContentLength, 10)
		}
		return ""
	case "transfer-encoding":
		return strings.Join(r.TransferEncoding, ",")
	}
	return joinValues(r.Header.Values(name))
}

// target is the request target as received, without scheme and authority when a proxy's client sent it whole.
func target(r *http.Request) string {
	t := r.RequestURI
	if t == "" {
		return r.URL.RequestURI()
	}
	if len(t) > 0 && t[0] != '/' {
		if _, rest, ok := strings.Cut(t, "://"); ok {
			i := strings.IndexAny(rest, "/?")
			switch {
			case i < 0:
				return "/"
			case rest[i] == '?':
				return "/" + rest[i:]
			}
			return rest[i:]
		}
	}
	return t
}

func rawPath(r *http.Request) string {
	p, _, _ := strings.Cut(target(r), "?")
	return p
}

func rawQuery(r *http.Request) string {
	_, q, _ := strings.Cut(target(r), "?")
	return q
}

// Target returns the raw path and query of r as they were received, which is what the signature covers.
func Target(r *http.Request) (path, query string) { return rawPath(r), rawQuery(r) }

func lookup(ps []parameter, key string) (string, bool) {
	for _, p := range ps {
		if p.key == key {
			return p.value, true
		}
	}
	return "", false
}
