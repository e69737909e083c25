package s3api

import (
	"net/http"
	"strings"

	"glassine/aws/fault"
	"glassine/aws/sigv4"
	"glassine/aws/wire"
	"glassine/s3"
)

// kind is what a request addresses.
type kind int

const (
	service kind = iota // no bucket: ListBuckets
	bucket
	accessPoint
	objectLambda
	writeResponse
)

// target is what a request addresses.
type target struct {
	kind  kind
	name  string // of the bucket or access point
	key   string // decoded once, byte for byte; "" addresses the bucket itself
	alias bool   // reached by an alias, hence signed for s3
}

// s3 is the target as package s3 has it.
func (t target) s3() s3.Target {
	if t.kind == accessPoint {
		return s3.Target{AccessPoint: t.name}
	}
	return s3.Target{Bucket: t.name}
}

// parseTarget finds what r addresses, in this order: AWS's own host names exactly; WriteGetObjectResponse by its path,
// whatever the host; a label before one of our own host names; the first segment of the path.
// (Amazon S3 User Guide, "Virtual hosting of general purpose buckets"; SDKs put labels before a custom endpoint too.)
func (h *Handler) parseTarget(r *http.Request) (target, error) {
	path, _ := sigv4.Target(r)
	if r.Method == http.MethodPost && path == "/WriteGetObjectResponse" && r.Header.Get("X-Amz-Request-Token") != "" {
		return target{kind: writeResponse}, nil
	}
	scope := ""
	if sig, err := sigv4.Parse(r); err == nil && sig != nil {
		scope = sig.Service
	}
	label, family := h.hostLabel(r.Host)
	switch family {
	case "s3-object-lambda":
		return h.point(label, objectLambda, path)
	case "s3-accesspoint":
		return h.point(label, accessPoint, path)
	}
	if label != "" {
		return h.labelled(label, scope, family == "", path)
	}
	rest := strings.TrimPrefix(path, "/")
	if rest == "" {
		return target{kind: service}, nil
	}
	first, key, _ := strings.Cut(rest, "/")
	t, err := h.labelled(unescape(first), "s3", false, "/"+key)
	return t, err
}

// hostLabel splits a Host: what stands before the endpoint's own name, and the endpoint's family where the name is AWS's.
func (h *Handler) hostLabel(host string) (label, family string) {
	if labels, ok := wire.AWSLabels(host); ok {
		for i, l := range labels {
			name := strings.TrimSuffix(l, "-fips")
			if name == "s3" || name == "s3-accesspoint" || name == "s3-object-lambda" || i == len(labels)-1 && strings.HasPrefix(name, "s3-") {
				if strings.HasPrefix(name, "s3-") && name != "s3-accesspoint" && name != "s3-object-lambda" {
					name = "s3" // s3-us-west-2.amazonaws.com, an old form
				}
				return strings.Join(labels[:i], "."), name
			}
		}
		return "", "s3"
	}
	name := wire.Hostname(host)
	for _, e := range h.Endpoints {
		if l, ok := strings.CutSuffix(name, "."+e); ok {
			return l, ""
		}
	}
	return "", "s3"
}

// point reads <name>-<account> of a canonical access point host.
func (h *Handler) point(label string, k kind, path string) (target, error) {
	name, account, ok := splitAccount(label)
	if !ok {
		return target{kind: k}, fault.New("InvalidURI", "Couldn't parse the specified URI.").With("URI", label)
	}
	t := target{kind: k, name: name, key: unescape(strings.TrimPrefix(path, "/"))}
	if account != h.IAM.Account() {
		return t, fault.New("AccessDenied", "Access Denied")
	}
	return t, nil
}

// labelled resolves a bucket-like name: an alias, an access point's name with its account, or a bucket. On an endpoint of
// our own the scope tells an Object Lambda access point from a standard one, and an existing bucket goes first.
func (h *Handler) labelled(name, scope string, generic bool, path string) (target, error) {
	t := target{kind: bucket, name: name, key: unescape(strings.TrimPrefix(path, "/"))}
	switch {
	case strings.HasSuffix(name, "--ol-s3"):
		t.kind, t.alias = objectLambda, true
		found, ok := h.ObjectLambda.ByAlias(name)
		if !ok {
			return t, invalidAlias(name)
		}
		t.name = found
		return t, nil
	case strings.HasSuffix(name, "-s3alias"):
		t.kind, t.alias = accessPoint, true
		found, ok := h.S3.ByAlias(name)
		if !ok {
			return t, invalidAlias(name)
		}
		t.name = found
		return t, nil
	}
	point, account, ok := splitAccount(name)
	if !generic || !ok || account != h.IAM.Account() {
		return t, nil
	}
	if scope == "s3-object-lambda" {
		t.kind, t.name = objectLambda, point
		return t, nil
	}
	if !h.S3.HasBucket(name) {
		t.kind, t.name = accessPoint, point
	}
	return t, nil
}

func invalidAlias(name string) error {
	return fault.New("InvalidAccessPointAliasError", "The specified access point alias name is not valid.").With("Alias", name)
}

// splitAccount splits <name>-<12 digits>.
func splitAccount(label string) (name, account string, ok bool) {
	i := strings.LastIndexByte(label, '-')
	if i < 1 || len(label)-i-1 != 12 {
		return "", "", false
	}
	for _, c := range label[i+1:] {
		if c < '0' || c > '9' {
			return "", "", false
		}
	}
	return label[:i], label[i+1:], true
}

// unescape undoes percent-encoding once; a plus is a plus, a stray percent sign stays.
func unescape(s string) string {
	if !strings.Contains(s, "%") {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			hi, lo := hexValue(s[i+1]), hexValue(s[i+2])
			if hi < 16 && lo < 16 {
				b = append(b, hi<<4|lo)
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func hexValue(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 16
}
