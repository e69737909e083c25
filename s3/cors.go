package s3

import (
	"context"
	"slices"
	"strings"

	"glassine/aws/fault"
	"glassine/iam"
)

// maxCORSRules is the most rules of a CORS configuration. (S3 API Reference, PutBucketCors: 100.)
const maxCORSRules = 100

// CORSRule is one rule of a bucket's CORS configuration. (S3 User Guide, "Elements of a CORS configuration".)
type CORSRule struct {
	ID             string
	AllowedHeaders []string // each with at most one "*"
	AllowedMethods []string // of GET, PUT, HEAD, POST, DELETE
	AllowedOrigins []string // each with at most one "*"
	ExposeHeaders  []string
	MaxAgeSeconds  *int // nil: not said
}

// PutBucketCORS replaces the bucket's CORS configuration.
func (s *Service) PutBucketCORS(ctx context.Context, c iam.Caller, bucket string, rules []CORSRule) error {
	return s.change(ctx, c, "s3:PutBucketCORS", bucket, func(b *Bucket) error {
		b.CORS = rules
		return checkCORS(rules)
	})
}

// BucketCORS returns the rules, or NoSuchCORSConfiguration.
func (s *Service) BucketCORS(ctx context.Context, c iam.Caller, bucket string) ([]CORSRule, error) {
	b, err := s.configuration(ctx, c, "s3:GetBucketCORS", bucket)
	if err != nil {
		return nil, err
	}
	if len(b.CORS) == 0 {
		return nil, fault.New("NoSuchCORSConfiguration", "The CORS configuration does not exist").With("BucketName", bucket)
	}
	return b.CORS, nil
}

// DeleteBucketCORS removes the configuration.
func (s *Service) DeleteBucketCORS(ctx context.Context, c iam.Caller, bucket string) error {
	return s.change(ctx, c, "s3:PutBucketCORS", bucket, func(b *Bucket) error {
		b.CORS = nil
		return nil
	})
}

func checkCORS(rules []CORSRule) error {
	if len(rules) == 0 || len(rules) > maxCORSRules {
		return malformedXML()
	}
	for _, r := range rules {
		if len(r.AllowedMethods) == 0 || len(r.AllowedOrigins) == 0 || len(r.ID) > 255 {
			return malformedXML()
		}
		for _, m := range r.AllowedMethods {
			if !slices.Contains([]string{"GET", "PUT", "HEAD", "POST", "DELETE"}, m) {
				return fault.New("InvalidRequest", "Found unsupported HTTP method in CORS config. Unsupported method is %s", m)
			}
		}
		for _, o := range r.AllowedOrigins {
			if strings.Count(o, "*") > 1 {
				return fault.New("InvalidRequest", `AllowedOrigin "%s" can not have more than one wildcard.`, o)
			}
		}
		for _, h := range r.AllowedHeaders {
			if strings.Count(h, "*") > 1 {
				return fault.New("InvalidRequest", `AllowedHeader "%s" can not have more than one wildcard.`, h)
			}
			if !HeaderName(h) {
				return fault.New("InvalidRequest", `AllowedHeader "%s" contains invalid character.`, h)
			}
		}
		for _, h := range r.ExposeHeaders {
			if strings.Contains(h, "*") {
				return fault.New("InvalidRequest", `ExposeHeader "%s" contains wildcard. We currently do not support wildcard for ExposeHeader.`, h)
			}
			if !HeaderName(h) {
				return fault.New("InvalidRequest", `ExposeHeader "%s" contains invalid character.`, h)
			}
		}
	}
	return nil
}

// HeaderName takes the tokens of RFC 9110, section 5.6.2, of which "*" is one.
func HeaderName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0 {
			continue
		}
		return false
	}
	return s != ""
}

// CORSAnswer is what a browser is told about a request from another origin.
type CORSAnswer struct {
	Origin         string // the request's, or "*"
	Rule           CORSRule
	AllowedHeaders []string // of the preflight's, in lower case
}

// CORS finds the first rule of the target's bucket that allows a request with this Origin, method and, of a preflight,
// these headers. It asks nobody: a browser sends a preflight without credentials, and a rule shows nothing of what is in
// the bucket. ok is false when no rule allows it, or there is no bucket; configured says whether there are rules.
// (S3 User Guide, "How does Amazon S3 evaluate the CORS configuration on a bucket?".)
func (s *Service) CORS(t Target, origin, method string, headers []string) (a CORSAnswer, configured, ok bool) {
	b, _, err := s.find(t)
	if err != nil {
		return a, false, false
	}
	for _, r := range b.CORS {
		i := slices.IndexFunc(r.AllowedOrigins, func(pattern string) bool { return oneWildcard(pattern, origin) })
		if i < 0 || !slices.Contains(r.AllowedMethods, method) {
			continue
		}
		a = CORSAnswer{Origin: origin, Rule: r}
		if r.AllowedOrigins[i] == "*" {
			a.Origin = "*"
		}
		for _, h := range headers {
			h = strings.ToLower(h)
			if !slices.ContainsFunc(r.AllowedHeaders, func(pattern string) bool { return oneWildcard(strings.ToLower(pattern), h) }) {
				break
			}
			a.AllowedHeaders = append(a.AllowedHeaders, h)
		}
		if len(a.AllowedHeaders) == len(headers) {
			return a, true, true
		}
	}
	return CORSAnswer{}, len(b.CORS) > 0, false
}

// oneWildcard matches s against a pattern with at most one "*".
func oneWildcard(pattern, s string) bool {
	before, after, ok := strings.Cut(pattern, "*")
	if !ok {
		return pattern == s
	}
	return len(s) >= len(before)+len(after) && strings.HasPrefix(s, before) && strings.HasSuffix(s, after)
}
