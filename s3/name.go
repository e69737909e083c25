package s3

import (
	"crypto/rand"
	"net/netip"
	"slices"
	"strings"
)

// Prefixes and suffixes that AWS keeps for itself. (Amazon S3 User Guide, "General purpose bucket naming rules".)
var (
	reservedPrefixes = []string{"xn--", "sthree-"}
	reservedSuffixes = []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"}
)

// validBucketName follows the Amazon S3 User Guide, "General purpose bucket naming rules".
func validBucketName(n string) bool {
	if len(n) < 3 || len(n) > 63 || strings.Contains(n, "..") || !edgesAlphanumeric(n) {
		return false
	}
	if slices.ContainsFunc(reservedPrefixes, func(p string) bool { return strings.HasPrefix(n, p) }) ||
		slices.ContainsFunc(reservedSuffixes, func(x string) bool { return strings.HasSuffix(n, x) }) {
		return false
	}
	if _, err := netip.ParseAddr(n); err == nil {
		return false
	}
	return !slices.ContainsFunc([]byte(n), func(c byte) bool { return !lowerOrDigit(c) && c != '-' && c != '.' })
}

// MayBeBucket takes every name that a bucket of AWS may have, those from before March 2018 too, with capital letters and
// underscores, and aliases. (Amazon S3 User Guide, "General purpose bucket naming rules".)
func MayBeBucket(n string) bool {
	if len(n) < 3 || len(n) > 255 {
		return false
	}
	if _, err := netip.ParseAddr(n); err == nil {
		return false
	}
	return !slices.ContainsFunc([]byte(n), func(c byte) bool { return !lowerOrDigit(c) && (c < 'A' || c > 'Z') && c != '-' && c != '.' && c != '_' })
}

// ValidAccessPointName follows the Amazon S3 User Guide, "Access points restrictions and limitations", naming rules; most
// is 50 for standard ones, 45 for Object Lambda ones.
func ValidAccessPointName(n string, most int) bool {
	if len(n) < 3 || len(n) > most || strings.HasSuffix(n, "-s3alias") || strings.HasSuffix(n, "--ol-s3") {
		return false
	}
	return edgesAlphanumeric(n) && !slices.ContainsFunc([]byte(n), func(c byte) bool { return !lowerOrDigit(c) && c != '-' })
}

// validRegion takes every name that is one label of a host: us-east-1, and what a private installation calls its own.
func validRegion(n string) bool {
	return n != "" && len(n) <= 63 && edgesAlphanumeric(n) && !slices.ContainsFunc([]byte(n), func(c byte) bool { return !lowerOrDigit(c) && c != '-' })
}

func edgesAlphanumeric(n string) bool { return lowerOrDigit(n[0]) && lowerOrDigit(n[len(n)-1]) }

func lowerOrDigit(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// aliasName is how much of an access point's name its alias begins with.
const aliasName = 20

// Alias makes an access point's alias: the first 20 characters of its name, a hyphen, metadata and the suffix. A long name
// gives exactly size characters. The metadata is random characters and a code of the region with the letter a: so it has
// 34 characters where size is 63 and the suffix -s3alias, and 29 where they are 57 and --ol-s3, as AWS's have.
// (Amazon S3 User Guide, "Using a bucket-style alias for your access point" and "... for your Object Lambda Access Point".)
func Alias(name string, size int, suffix, region string) string {
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789"
	code := regionCode(region) + "a"
	random := make([]byte, size-aliasName-len("-")-len(code)-len(suffix))
	rand.Read(random)
	for i, b := range random {
		random[i] = alphabet[int(b)%len(alphabet)]
	}
	return name[:min(len(name), aliasName)] + "-" + string(random) + code + suffix
}

// regionCode shortens us-east-1 to use1 and ap-northeast-2 to apn2, as aliases seen on AWS do; at most eight characters,
// whatever a region is called.
func regionCode(region string) string {
	first, rest, _ := strings.Cut(region, "-")
	code := first
	for part := range strings.SplitSeq(rest, "-") {
		code += part[:min(1, len(part))]
	}
	return code[:min(len(code), 8)]
}
