package iam

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"glassine/aws/fault"
)

const maxTags = 50 // IAM User Guide, "IAM and AWS STS quotas"

// Tag is a key and a value. Two keys that differ by case only are the same. IAM User Guide, "Tags for IAM resources".
type Tag struct{ Key, Value string }

// checkTags checks tags that a request brings. IAM API Reference, Tag.
func checkTags(tags []Tag) error {
	if len(tags) > maxTags {
		return invalid(strconv.Itoa(len(tags))+" tags", "tags", "have length less than or equal to 50")
	}
	for i, t := range tags {
		if err := checkTagKey(t.Key, "tags."+strconv.Itoa(i+1)+".member.key"); err != nil {
			return err
		}
		if utf8.RuneCountInString(t.Value) > 256 {
			return invalid(t.Value, "tags."+strconv.Itoa(i+1)+".member.value", "have length less than or equal to 256")
		}
		if slices.ContainsFunc(tags[:i], func(o Tag) bool { return strings.EqualFold(o.Key, t.Key) }) {
			return fault.New("InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
	}
	return nil
}

func checkTagKey(key, field string) error {
	switch n := utf8.RuneCountInString(key); {
	case n == 0:
		return invalid(key, field, "have length greater than or equal to 1")
	case n > 128:
		return invalid(key, field, "have length less than or equal to 128")
	}
	if strings.ContainsFunc(key, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r)
	}) {
		return invalid(key, field, `satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+`)
	}
	return nil
}

// RequestTags are the condition keys of tags that a request brings, by their keys: aws:RequestTag/k and aws:TagKeys. It is never nil.
func RequestTags(tags map[string]string) Context {
	keys := Context{}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		keys.addTag(Tag{k, tags[k]})
	}
	return keys
}

// requestTags is RequestTags, in the tags' order.
func requestTags(tags []Tag) Context {
	keys := Context{}
	for _, t := range tags {
		keys.addTag(t)
	}
	return keys
}

func (ctx Context) addTag(t Tag) {
	ctx["aws:requesttag/"+strings.ToLower(t.Key)] = []string{t.Value}
	ctx["aws:tagkeys"] = append(ctx["aws:tagkeys"], t.Key)
}

// merged returns old with the values of more: a key that is there gets the new spelling and value in its place.
func merged(old, more []Tag) []Tag {
	out := slices.Clone(old)
	for _, t := range more {
		if i := slices.IndexFunc(out, func(o Tag) bool { return strings.EqualFold(o.Key, t.Key) }); i >= 0 {
			out[i] = t
		} else {
			out = append(out, t)
		}
	}
	return out
}

// without returns tags without those keys.
func without(tags []Tag, keys []string) []Tag {
	return slices.DeleteFunc(slices.Clone(tags), func(t Tag) bool {
		return slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, t.Key) })
	})
}

// withTags adds the tags to those of what name names, under the action.
func (s *Service) withTags(ctx context.Context, c Caller, cl *class, name string, tags []Tag) error {
	if err := checkTags(tags); err != nil {
		return err
	}
	e, err := s.asked(ctx, c, cl.action("Tag*"), cl, name, requestTags(tags))
	if err != nil {
		return err
	}
	return s.update(ctx, e, func(_ *index, r *record) error {
		if r.Tags = merged(r.Tags, tags); len(r.Tags) > maxTags {
			return fault.New("LimitExceeded", "The number of tags has reached the maximum limit.")
		}
		return nil
	})
}

func (s *Service) withoutTags(ctx context.Context, c Caller, cl *class, name string, keys []string) error {
	if len(keys) > maxTags {
		return invalid(strconv.Itoa(len(keys))+" keys", "tagKeys", "have length less than or equal to 50")
	}
	e, err := s.asked(ctx, c, cl.action("Untag*"), cl, name, Context{"aws:tagkeys": keys})
	if err != nil {
		return err
	}
	return s.update(ctx, e, func(_ *index, r *record) error {
		r.Tags = without(r.Tags, keys)
		return nil
	})
}

func (s *Service) tags(ctx context.Context, c Caller, cl *class, name string) ([]Tag, error) {
	var e *entity
	var err error
	if cl == policies {
		e, err = s.askPolicy(ctx, c, cl.action("List*Tags"), name, nil)
	} else {
		e, err = s.ask(ctx, c, cl.action("List*Tags"), cl, name, nil)
	}
	if err != nil {
		return nil, err
	}
	return slices.Clone(e.Tags), nil
}

// asked is ask for what may be changed; a managed policy goes by its ARN.
func (s *Service) asked(ctx context.Context, c Caller, action string, cl *class, name string, keys Context) (*entity, error) {
	if cl == policies {
		return s.askOwnPolicy(ctx, c, action, name, keys)
	}
	return s.ask(ctx, c, action, cl, name, keys)
}

// TagRole adds tags to a role or replaces their values. IAM API Reference, TagRole.
func (s *Service) TagRole(ctx context.Context, c Caller, role string, tags []Tag) error {
	return s.withTags(ctx, c, roles, role, tags)
}

// UntagRole removes tags by their keys; those that are not there are no error. IAM API Reference, UntagRole.
func (s *Service) UntagRole(ctx context.Context, c Caller, role string, keys []string) error {
	return s.withoutTags(ctx, c, roles, role, keys)
}

// ListRoleTags returns a role's tags. IAM API Reference, ListRoleTags.
func (s *Service) ListRoleTags(ctx context.Context, c Caller, role string) ([]Tag, error) {
	return s.tags(ctx, c, roles, role)
}

// TagUser is TagRole for a user. IAM API Reference, TagUser.
func (s *Service) TagUser(ctx context.Context, c Caller, user string, tags []Tag) error {
	return s.withTags(ctx, c, users, user, tags)
}

// UntagUser is UntagRole for a user. IAM API Reference, UntagUser.
func (s *Service) UntagUser(ctx context.Context, c Caller, user string, keys []string) error {
	return s.withoutTags(ctx, c, users, user, keys)
}

// ListUserTags returns a user's tags. IAM API Reference, ListUserTags.
func (s *Service) ListUserTags(ctx context.Context, c Caller, user string) ([]Tag, error) {
	return s.tags(ctx, c, users, user)
}

// TagPolicy is TagRole for a customer managed policy, by its ARN. IAM API Reference, TagPolicy.
func (s *Service) TagPolicy(ctx context.Context, c Caller, policyARN string, tags []Tag) error {
	return s.withTags(ctx, c, policies, policyARN, tags)
}

// UntagPolicy is UntagRole for a customer managed policy. IAM API Reference, UntagPolicy.
func (s *Service) UntagPolicy(ctx context.Context, c Caller, policyARN string, keys []string) error {
	return s.withoutTags(ctx, c, policies, policyARN, keys)
}

// ListPolicyTags returns a managed policy's tags. IAM API Reference, ListPolicyTags.
func (s *Service) ListPolicyTags(ctx context.Context, c Caller, policyARN string) ([]Tag, error) {
	return s.tags(ctx, c, policies, policyARN)
}
