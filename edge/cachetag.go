package edge

import (
	"net/http"
	"strings"
)

// Limits on the tags of a response. CloudFront Developer Guide, "Invalidate files by cache tag".
const (
	mostCacheTags   = 50
	longestCacheTag = 256
)

// validCacheTag reports whether s has 1 to 256 of the characters that a tag may have: visible ASCII but the comma.
func validCacheTag(s string) bool {
	if s == "" || len(s) > longestCacheTag {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c < 33 || c > 126 || c == ',' {
			return false
		}
	}
	return true
}

// cacheTag is a tag as the cache knows it: of one distribution, and in lower case, since tags compare so.
func cacheTag(distributionID, tag string) string { return distributionID + " " + strings.ToLower(tag) }

// cacheTags returns the tags of a response in the header field that the distribution names, as the cache knows them. What is
// no tag, and what there is beyond 50, does not count.
func (s *site) cacheTags(h http.Header) []string {
	if s.tagHeader == "" {
		return nil
	}
	var tags []string
	for _, line := range h[s.tagHeader] {
		for tag := range strings.SplitSeq(line, ",") {
			if tag = strings.Trim(tag, " \t"); validCacheTag(tag) && len(tags) < mostCacheTags {
				tags = append(tags, cacheTag(s.id, tag))
			}
		}
	}
	return tags
}
