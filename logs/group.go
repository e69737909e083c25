package logs

import (
	"context"
	"crypto/rand"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
)

// Group is a log group.
type Group struct {
	Name, Region string
	ARN          string // without :*
	Created      time.Time
	Retention    int // days; 0 keeps events until there are too many
	Tags         map[string]string
	Dir          string // of its files, in the service's
}

// retentions are the days that a group may keep events. (CloudWatch Logs API Reference, PutRetentionPolicy.)
var retentions = []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}

// oldest is the time, in ms, of the oldest events that are shown.
func (g Group) oldest(now time.Time) int64 {
	if g.Retention == 0 {
		return 0
	}
	return now.AddDate(0, 0, -g.Retention).UnixMilli()
}

// checkGroup takes 1 to 512 letters, digits and _-/.#
func checkGroup(name string) error {
	if name == "" || len(name) > 512 {
		return invalid("The log group's name is not 1 to 512 characters long.")
	}
	for i := range len(name) {
		c := name[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_-/.#", c) >= 0) {
			return invalid("1 validation error detected: Value '%s' at 'logGroupName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+", name)
		}
	}
	return nil
}

// checkTags keeps to AWS's limits. (AWS General Reference, "Tagging AWS resources", limits and requirements.)
func checkTags(tags map[string]string) error {
	if len(tags) > 50 {
		return fault.New("TooManyTagsException", "A log group has 50 tags at most.")
	}
	for k, v := range tags {
		if k == "" || len([]rune(k)) > 128 || len([]rune(v)) > 256 || strings.HasPrefix(strings.ToLower(k), "aws:") {
			return invalid("The tag %q is not up to 128 characters long, or begins with aws:, or its value is longer than 256.", k)
		}
	}
	return nil
}

// CreateLogGroup makes a group. ResourceAlreadyExistsException when there is one.
func (s *Service) CreateLogGroup(ctx context.Context, c iam.Caller, region, name string, tags map[string]string) error {
	if err := checkGroup(name); err != nil {
		return err
	}
	if err := s.ask(ctx, c, "CreateLogGroup", region, name, iam.RequestTags(tags)); err != nil {
		return err
	}
	if err := checkTags(tags); err != nil {
		return err
	}
	_, err := s.records.Update(ctx, key(region, name), func(g Group, exists bool) (Group, error) {
		if exists {
			return g, fault.New("ResourceAlreadyExistsException", "The specified log group already exists")
		}
		return Group{Name: name, Region: region, ARN: s.arnOf(region, name), Created: s.cfg.Now().UTC(), Tags: tags, Dir: strings.ToLower(rand.Text())}, nil
	})
	return err
}

// DeleteLogGroup removes a group with all its events.
func (s *Service) DeleteLogGroup(ctx context.Context, c iam.Caller, region, name string) error {
	if err := s.ask(ctx, c, "DeleteLogGroup", region, name, nil); err != nil {
		return err
	}
	var gone Group
	if err := s.records.Delete(ctx, key(region, name), func(g Group, exists bool) error {
		if !exists {
			return noGroup()
		}
		gone = g
		return nil
	}); err != nil {
		return err
	}
	s.mu.Lock()
	g := s.groups[key(region, name)]
	delete(s.groups, key(region, name))
	s.mu.Unlock()
	if g != nil {
		if err := g.destroy(); err != nil {
			return err
		}
	}
	return os.RemoveAll(filepath.Join(s.cfg.Dir, gone.Dir))
}

// Described is a group and how many bytes of events it has.
type Described struct {
	Group
	StoredBytes int64
}

// DescribeLogGroups returns the region's groups whose names begin with prefix and hold pattern, in the order of their names.
func (s *Service) DescribeLogGroups(ctx context.Context, c iam.Caller, region, prefix, pattern string) ([]Described, error) {
	all := arn.New("logs", region, s.cfg.IAM.Account(), "log-group:").String()
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "logs:DescribeLogGroups", Resources: []string{all + ":log-stream:", all + "*"}}); err != nil {
		return nil, err
	}
	if prefix != "" && pattern != "" {
		return nil, invalid("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
	}
	var out []Described
	for _, g := range s.records.All() {
		if g.Region != region || !strings.HasPrefix(g.Name, prefix) || !strings.Contains(g.Name, pattern) {
			continue
		}
		files, err := s.open(g)
		if err != nil {
			return nil, err
		}
		out = append(out, Described{g, files.size()})
	}
	return out, nil
}

// change asks for an action on a group and writes what f makes of its record.
func (s *Service) change(ctx context.Context, c iam.Caller, action, region, name string, keys iam.Context, f func(*Group) error) error {
	if err := s.ask(ctx, c, action, region, name, keys); err != nil {
		return err
	}
	_, err := s.records.Update(ctx, key(region, name), func(g Group, exists bool) (Group, error) {
		if !exists {
			return g, noGroup()
		}
		err := f(&g)
		return g, err
	})
	return err
}

// PutRetentionPolicy says for how many days a group keeps events.
func (s *Service) PutRetentionPolicy(ctx context.Context, c iam.Caller, region, name string, days int) error {
	return s.change(ctx, c, "PutRetentionPolicy", region, name, nil, func(g *Group) error {
		if !slices.Contains(retentions, days) {
			return invalid("1 validation error detected: Value '%d' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: %v", days, retentions)
		}
		g.Retention = days
		return nil
	})
}

// DeleteRetentionPolicy lets a group keep events until there are too many.
func (s *Service) DeleteRetentionPolicy(ctx context.Context, c iam.Caller, region, name string) error {
	return s.change(ctx, c, "DeleteRetentionPolicy", region, name, nil, func(g *Group) error {
		g.Retention = 0
		return nil
	})
}

// TagLogGroup adds tags, or replaces their values. action is TagLogGroup or TagResource: they are the same to us, and two to IAM.
func (s *Service) TagLogGroup(ctx context.Context, c iam.Caller, action, region, name string, tags map[string]string) error {
	return s.change(ctx, c, action, region, name, iam.RequestTags(tags), func(g *Group) error {
		all := map[string]string{}
		maps.Copy(all, g.Tags)
		maps.Copy(all, tags)
		g.Tags = all
		return checkTags(all)
	})
}

// UntagLogGroup removes tags by their keys. action is UntagLogGroup or UntagResource.
func (s *Service) UntagLogGroup(ctx context.Context, c iam.Caller, action, region, name string, keys []string) error {
	return s.change(ctx, c, action, region, name, iam.Context{"aws:tagkeys": keys}, func(g *Group) error {
		all := maps.Clone(g.Tags)
		for _, k := range keys {
			delete(all, k)
		}
		g.Tags = all
		return nil
	})
}

// ListTags returns a group's tags. action is ListTagsLogGroup or ListTagsForResource.
func (s *Service) ListTags(ctx context.Context, c iam.Caller, action, region, name string) (map[string]string, error) {
	if err := s.ask(ctx, c, action, region, name, nil); err != nil {
		return nil, err
	}
	g, ok := s.records.Get(key(region, name))
	if !ok {
		return nil, noGroup()
	}
	return g.Tags, nil
}
