package lambda

import (
	"context"
	"maps"
	"strings"

	"glassine/iam"
)

// resourceTags are the condition keys of the function's tags.
func (s *Service) resourceTags(r ref) iam.Context {
	keys := iam.Context{}
	f, _ := s.functions.Get(r.key())
	for k, v := range f.Tags {
		keys["aws:resourcetag/"+strings.ToLower(k)] = []string{v}
	}
	return keys
}

// checkTags keeps to AWS's limits. (AWS General Reference, "Tagging AWS resources", limits and requirements.)
func checkTags(tags map[string]string) error {
	if len(tags) > 50 {
		return invalid("A function has 50 tags at most.")
	}
	for k, v := range tags {
		switch {
		case k == "" || len([]rune(k)) > 128 || len([]rune(v)) > 256:
			return invalid("The tag %q is not up to 128 characters long, or its value not up to 256.", k)
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return invalid("Tag keys that begin with aws: are AWS's own: %q", k)
		}
	}
	return nil
}

// TagResource adds tags to the function of that ARN, or replaces their values.
func (s *Service) TagResource(ctx context.Context, c iam.Caller, name string, tags map[string]string) error {
	return s.retag(ctx, c, "TagResource", name, iam.RequestTags(tags), func(all map[string]string) { maps.Copy(all, tags) })
}

// UntagResource removes tags by their keys; ones that are not there are no error.
func (s *Service) UntagResource(ctx context.Context, c iam.Caller, name string, keys []string) error {
	return s.retag(ctx, c, "UntagResource", name, iam.Context{"aws:tagkeys": keys}, func(all map[string]string) {
		for _, k := range keys {
			delete(all, k)
		}
	})
}

func (s *Service) retag(ctx context.Context, c iam.Caller, action, name string, keys iam.Context, change func(map[string]string)) error {
	r, err := s.parseRef(name)
	if err != nil {
		return err
	}
	if r.qualifier != "" {
		return invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.") // AWS's own words
	}
	if err := s.ask(ctx, c, action, r, keys); err != nil {
		return err
	}
	_, err = s.update(ctx, r, func(f *Function) error {
		tags := map[string]string{}
		maps.Copy(tags, f.Tags)
		change(tags)
		f.Tags = tags
		return checkTags(tags)
	})
	return err
}

// ListTags returns the function's tags.
func (s *Service) ListTags(ctx context.Context, c iam.Caller, name string) (map[string]string, error) {
	f, _, err := s.read(ctx, c, "ListTags", name)
	return f.Tags, err
}
