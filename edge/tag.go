package edge

import (
	"context"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"glassine/aws/fault"
	"glassine/iam"
)

// Tag is a name and a value that a distribution carries. CloudFront API Reference, "Tag".
type Tag struct{ Key, Value string }

// mostTags is how many tags a resource has at most. CloudFront Developer Guide, "Tag a distribution".
const mostTags = 50

// TagResource gives tags to a distribution or a function, in place of those with the same keys. An ARN of nothing that is
// here is NoSuchResource, a tag that cannot be InvalidTagging.
func (e *Edge) TagResource(ctx context.Context, c iam.Caller, arn string, tags []Tag) error {
	return e.retag(ctx, c, "TagResource", arn, func(old []Tag) ([]Tag, error) { return merge(old, tags) })
}

// UntagResource takes the tags with the keys from a distribution or a function; keys that it has not do not matter.
func (e *Edge) UntagResource(ctx context.Context, c iam.Caller, arn string, keys []string) error {
	return e.retag(ctx, c, "UntagResource", arn, func(old []Tag) ([]Tag, error) {
		return slices.DeleteFunc(slices.Clone(old), func(t Tag) bool { return slices.Contains(keys, t.Key) }), nil
	})
}

// TagsOf returns the tags of a distribution or a function, in the order of their keys.
func (e *Edge) TagsOf(ctx context.Context, c iam.Caller, arn string) ([]Tag, error) {
	if err := e.askTagging(ctx, c, "ListTagsForResource", arn); err != nil {
		return nil, err
	}
	e.control.Lock()
	defer e.control.Unlock()
	if err := e.taggable(arn); err != nil {
		return nil, err
	}
	tags, _ := e.tags.Get(arn)
	return tags, nil
}

func (e *Edge) retag(ctx context.Context, c iam.Caller, action, arn string, change func([]Tag) ([]Tag, error)) error {
	if err := e.askTagging(ctx, c, action, arn); err != nil {
		return err
	}
	e.control.Lock()
	defer e.control.Unlock()
	if err := e.taggable(arn); err != nil {
		return err
	}
	_, err := e.tags.Update(ctx, arn, func(old []Tag, _ bool) ([]Tag, error) { return change(old) })
	return err
}

func (e *Edge) askTagging(ctx context.Context, c iam.Caller, action, arn string) error {
	if !strings.HasPrefix(arn, e.arn("")) {
		return invalid("%q is no ARN of a CloudFront resource of this account.", arn)
	}
	return e.authorize(ctx, c, iam.Ask{Action: "cloudfront:" + action, Resources: []string{arn}})
}

// taggable reports NoSuchResource for an ARN of nothing. e.control is held.
func (e *Edge) taggable(arn string) error {
	kind, id, _ := strings.Cut(strings.TrimPrefix(arn, e.arn("")), "/")
	found := kind == "distribution" && e.distributions[id] != nil
	if kind == "function" {
		_, found = e.functions.Get(id)
	}
	if !found {
		return fault.New("NoSuchResource", "The specified resource does not exist.")
	}
	return nil
}

// merge puts tags into old by their keys. The outcome is in the order of keys.
func merge(old, tags []Tag) ([]Tag, error) {
	out := slices.Clone(old)
	seen := map[string]bool{}
	for _, t := range tags {
		switch {
		case !validTag(t.Key) || t.Key == "" || utf8.RuneCountInString(t.Key) > 128 || strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
			return nil, fault.New("InvalidTagging", "The tag key %q is not valid.", t.Key)
		case !validTag(t.Value) || utf8.RuneCountInString(t.Value) > 256:
			return nil, fault.New("InvalidTagging", "The value of the tag %s is not valid.", t.Key)
		case seen[t.Key]:
			return nil, fault.New("InvalidTagging", "The tag %s appears twice.", t.Key)
		}
		seen[t.Key] = true
		if i := slices.IndexFunc(out, func(o Tag) bool { return o.Key == t.Key }); i >= 0 {
			out[i] = t
		} else {
			out = append(out, t)
		}
	}
	if len(out) > mostTags {
		return nil, fault.New("InvalidTagging", "A resource has at most %d tags.", mostTags)
	}
	slices.SortFunc(out, func(a, b Tag) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

// validTag reports whether s has only what the API's model allows: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*).
func validTag(s string) bool {
	for _, r := range s {
		if !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// checkTags validates the tags that a resource is created with.
func checkTags(tags []Tag) ([]Tag, error) { return merge(nil, tags) }
