package s3

import (
	"strings"
	"time"

	"glassine/aws/fault"
	"glassine/store"
)

// Conditions are what a request wants of the object that it reads; its zero value wants nothing.
type Conditions struct {
	IfMatch, IfNoneMatch               string // lists of ETags as in HTTP, or "*"
	IfModifiedSince, IfUnmodifiedSince time.Time
}

// Check returns nil, PreconditionFailed, or NotModified with status 304, in RFC 9110's order (section 13.2.2): If-Match,
// If-Unmodified-Since, If-None-Match, If-Modified-Since.
func (c Conditions) Check(info store.Info) error {
	failed := fault.New("PreconditionFailed", "At least one of the pre-conditions you specified did not hold")
	modified := info.Modified.Truncate(time.Second)
	if c.IfMatch != "" {
		if !matches(c.IfMatch, info.ETag) {
			return failed.With("Condition", "If-Match")
		}
	} else if !c.IfUnmodifiedSince.IsZero() && modified.After(c.IfUnmodifiedSince) {
		return failed.With("Condition", "If-Unmodified-Since")
	}
	unchanged := fault.New("NotModified", "Not Modified").WithStatus(304)
	if c.IfNoneMatch != "" {
		if matches(c.IfNoneMatch, info.ETag) {
			return unchanged.With("Condition", "If-None-Match")
		}
	} else if !c.IfModifiedSince.IsZero() && !modified.After(c.IfModifiedSince) {
		return unchanged.With("Condition", "If-Modified-Since")
	}
	return nil
}

func matches(list, etag string) bool {
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.Trim(strings.TrimPrefix(strings.TrimSpace(tag), "W/"), `"`)
		if tag == "*" || tag == etag {
			return true
		}
	}
	return false
}
