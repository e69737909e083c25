package edge

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"glassine/aws/fault"
	"glassine/iam"
)

// Invalidate voids what a distribution has cached under paths, and what is on its way into the cache. It is done when
// the call returns. The same callerReference with the same paths returns the earlier invalidation and does nothing.
//
// A path begins with / and is compared as received, percent-encoded; a * at its end stands for anything. Where query
// strings are in the cache key they are part of the path: /a.jpg?x=1, or /a.jpg* for all. All variants by header, cookie
// and encoding go together. CloudFront Developer Guide, "Invalidate files to remove content".
//
// What begins with # is a tag in place of a path: all that came with the tag in the distribution's CacheTagHeader goes. Tags
// compare without regard to case. Ibid., "Invalidate files by cache tag".
func (e *Edge) Invalidate(ctx context.Context, c iam.Caller, distributionID, callerReference string, paths []string) (Invalidation, error) {
	if err := e.ask(ctx, c, "CreateInvalidation", "distribution/"+distributionID); err != nil {
		return Invalidation{}, err
	}
	if callerReference == "" {
		return Invalidation{}, invalid("The caller reference is missing.")
	}
	if err := checkPaths(paths); err != nil {
		return Invalidation{}, err
	}
	e.control.Lock()
	defer e.control.Unlock()
	d, err := e.find(distributionID)
	if err != nil {
		return Invalidation{}, err
	}
	done := e.invalidations[d.ID]
	for _, i := range done {
		if i.CallerReference != callerReference {
			continue
		}
		if sorted(i.Paths) != sorted(paths) {
			return Invalidation{}, fault.New("InvalidationBatchAlreadyExists",
				"Your request contains a caller reference that was used for a previous invalidation batch for the same distribution.")
		}
		return i, nil
	}
	i := Invalidation{
		ID: newID("I", upperDigits), Status: "Completed", CreateTime: e.cfg.Now().UTC(),
		CallerReference: callerReference, Paths: slices.Clone(paths),
	}
	for _, path := range paths {
		if tag, ok := strings.CutPrefix(path, "#"); ok {
			e.cache.PurgeTag(cacheTag(d.ID, tag))
		} else if prefix, wild := strings.CutSuffix(path, "*"); wild {
			e.cache.PurgePrefix(d.DomainName + prefix)
		} else {
			e.cache.Purge(d.DomainName + path)
		}
	}
	// What is on disk stays away after a power failure too, now that the caller is told. An error says that nothing is there
	// any more, which the log has.
	_ = e.cache.SyncPurges()
	if err := e.put(ctx, invalidationTable, invalidationKey(d.ID, len(done)), i); err != nil {
		return Invalidation{}, err
	}
	e.invalidations[d.ID] = append(done, i)
	return i, nil
}

// invalidationKey is the record of the n-th invalidation of a distribution. The keys sort by n.
func invalidationKey(distributionID string, n int) string {
	return fmt.Sprintf("%s/%012d", distributionID, n)
}

// GetInvalidation returns an invalidation, or NoSuchInvalidation.
func (e *Edge) GetInvalidation(ctx context.Context, c iam.Caller, distributionID, id string) (Invalidation, error) {
	all, err := e.listInvalidations(ctx, c, "GetInvalidation", distributionID)
	if err != nil {
		return Invalidation{}, err
	}
	for _, i := range all {
		if i.ID == id {
			return i, nil
		}
	}
	return Invalidation{}, fault.New("NoSuchInvalidation", "The specified invalidation does not exist.")
}

// ListInvalidations returns a distribution's invalidations, the newest first.
func (e *Edge) ListInvalidations(ctx context.Context, c iam.Caller, distributionID string) ([]Invalidation, error) {
	return e.listInvalidations(ctx, c, "ListInvalidations", distributionID)
}

func (e *Edge) listInvalidations(ctx context.Context, c iam.Caller, action, id string) ([]Invalidation, error) {
	if err := e.ask(ctx, c, action, "distribution/"+id); err != nil {
		return nil, err
	}
	e.control.Lock()
	defer e.control.Unlock()
	if _, err := e.find(id); err != nil {
		return nil, err
	}
	all := slices.Clone(e.invalidations[id])
	slices.Reverse(all)
	return all, nil
}

// checkPaths validates an invalidation's paths. CloudFront Developer Guide, "What you need to know when invalidating
// files"; the 3,000 are its "Quotas on invalidations".
func checkPaths(paths []string) error {
	switch {
	case len(paths) == 0:
		return invalid("An invalidation needs a path.")
	case len(paths) > 3000:
		return fault.New("BatchTooLarge", "Invalidation batch specified is too large: at most 3000 paths.").WithStatus(413)
	}
	seen := map[string]bool{}
	for _, p := range paths {
		switch {
		case strings.HasPrefix(p, "#") && !validCacheTag(p[1:]):
			return invalid("Your request contains one or more invalid cache tags: %q.", p)
		case !strings.HasPrefix(p, "#") && !validInvalidationPath(p):
			return invalid("Your request contains one or more invalid invalidation paths: %q.", p)
		case seen[p]:
			return invalid("The invalidation path %q appears twice.", p)
		}
		seen[p] = true
	}
	return nil
}

// validInvalidationPath reports whether p begins with a slash, has at most 4,000 bytes, and none that would be
// percent-encoded in a URL.
func validInvalidationPath(p string) bool {
	if len(p) == 0 || len(p) > 4000 || p[0] != '/' {
		return false
	}
	for i := range len(p) {
		if c := p[i]; c <= ' ' || c >= 0x7f || strings.IndexByte(`<>"#{}|\^`+"`", c) >= 0 {
			return false
		}
	}
	return true
}
