package ssm

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"glassine/aws/fault"
	"glassine/iam"
)

// checkTags keeps to AWS's limits. (AWS General Reference, "Tagging AWS resources", limits and requirements.)
func checkTags(tags map[string]string) error {
	if len(tags) > 50 {
		return fault.New("TooManyTagsError", "A parameter has 50 tags at most.")
	}
	for k, v := range tags {
		if k == "" || len([]rune(k)) > 128 || len([]rune(v)) > 256 || strings.HasPrefix(strings.ToLower(k), "aws:") {
			return invalid("The tag %q is not up to 128 characters long, or begins with aws:, or its value is longer than 256.", k)
		}
	}
	return nil
}

// noResource is what the tag operations say of a parameter that is not there.
func noResource(name string) error {
	return fault.New("InvalidResourceId", "The resource ID %q is not valid. Verify the ID and try again.", name)
}

// AddTagsToResource adds tags to a parameter, or replaces their values. (Systems Manager API Reference, AddTagsToResource.)
func (s *Service) AddTagsToResource(ctx context.Context, c iam.Caller, region, name string, tags map[string]string) error {
	if err := s.ask(ctx, c, "AddTagsToResource", region, name, iam.RequestTags(tags)); err != nil {
		return err
	}
	_, err := s.change(ctx, region, name, func(r *record, exists bool) error {
		if !exists {
			return noResource(name)
		}
		if r.Tags == nil {
			r.Tags = map[string]string{}
		}
		maps.Copy(r.Tags, tags)
		return checkTags(r.Tags)
	})
	return err
}

// RemoveTagsFromResource removes tags by their keys. (Systems Manager API Reference, RemoveTagsFromResource.)
func (s *Service) RemoveTagsFromResource(ctx context.Context, c iam.Caller, region, name string, keys []string) error {
	if err := s.ask(ctx, c, "RemoveTagsFromResource", region, name, iam.Context{"aws:tagkeys": keys}); err != nil {
		return err
	}
	_, err := s.change(ctx, region, name, func(r *record, exists bool) error {
		if !exists {
			return noResource(name)
		}
		for _, k := range keys {
			delete(r.Tags, k)
		}
		return nil
	})
	return err
}

// ListTagsForResource returns a parameter's tags. (Systems Manager API Reference, ListTagsForResource.)
func (s *Service) ListTagsForResource(ctx context.Context, c iam.Caller, region, name string) (map[string]string, error) {
	if err := s.ask(ctx, c, "ListTagsForResource", region, name, nil); err != nil {
		return nil, err
	}
	r, ok := s.find(region, name)
	if !ok {
		return nil, noResource(name)
	}
	return maps.Clone(r.Tags), nil
}

// LabelParameterVersion puts labels on a version, taking them from the version that had them, and returns those that are no
// labels: which have other characters than letters, digits and .-_, or begin with a digit, aws or ssm. number 0 is the newest.
// More than 10 labels on a version give ParameterVersionLabelLimitExceeded.
// (Systems Manager API Reference, LabelParameterVersion.)
func (s *Service) LabelParameterVersion(ctx context.Context, c iam.Caller, region, name string, number int64, labels []string) (bad []string, labelled int64, err error) {
	if err := s.ask(ctx, c, "LabelParameterVersion", region, name, nil); err != nil {
		return nil, 0, err
	}
	var good []string
	for _, l := range labels {
		lower := strings.ToLower(l)
		if l == "" || len(l) > 100 || !made(l, "") || l[0] >= '0' && l[0] <= '9' || strings.HasPrefix(lower, "aws") || strings.HasPrefix(lower, "ssm") {
			bad = append(bad, l)
			continue
		}
		good = append(good, l)
	}
	labelled, err = s.relabel(ctx, region, name, number, func(v *version, chosen bool) error {
		v.Labels = slices.DeleteFunc(slices.Clone(v.Labels), func(l string) bool { return slices.Contains(good, l) })
		if !chosen {
			return nil
		}
		v.Labels = append(v.Labels, good...)
		if len(v.Labels) > 10 {
			return fault.New("ParameterVersionLabelLimitExceeded", "A parameter version can have maximum 10 labels. Move one or more labels to another version and try again.")
		}
		return nil
	})
	return bad, labelled, err
}

// UnlabelParameterVersion takes labels from a version, and returns which it had and which not.
// (Systems Manager API Reference, UnlabelParameterVersion.)
func (s *Service) UnlabelParameterVersion(ctx context.Context, c iam.Caller, region, name string, number int64, labels []string) (removed, bad []string, err error) {
	if err := s.ask(ctx, c, "UnlabelParameterVersion", region, name, nil); err != nil {
		return nil, nil, err
	}
	_, err = s.relabel(ctx, region, name, number, func(v *version, chosen bool) error {
		if !chosen {
			return nil
		}
		for _, l := range labels {
			if slices.Contains(v.Labels, l) {
				removed = append(removed, l)
			} else {
				bad = append(bad, l)
			}
		}
		v.Labels = slices.DeleteFunc(slices.Clone(v.Labels), func(l string) bool { return slices.Contains(labels, l) })
		return nil
	})
	return removed, bad, err
}

// relabel shows edit every version and says which is the chosen one: that of the number, or for 0 the newest.
func (s *Service) relabel(ctx context.Context, region, name string, number int64, edit func(v *version, chosen bool) error) (int64, error) {
	_, err := s.change(ctx, region, name, func(r *record, exists bool) error {
		if !exists {
			return notFound(name)
		}
		if number == 0 {
			number = r.Versions[len(r.Versions)-1].Number
		}
		if _, err := r.pick(strconv.FormatInt(number, 10)); err != nil {
			return err
		}
		r.Versions = slices.Clone(r.Versions)
		for i := range r.Versions {
			if err := edit(&r.Versions[i], r.Versions[i].Number == number); err != nil {
				return err
			}
		}
		return nil
	})
	return number, err
}
