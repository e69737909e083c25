// Package logs keeps log groups and streams as CloudWatch Logs does: events by time, retention, filters. Groups are records;
// events are lines in bounded files on disk. What was acknowledged is there after the program ends, however it ends; it is
// not synced, so that a power cut may take the last seconds.
//
// Start at Service.PutLogEvents and Service.FilterLogEvents. Functions write through Service.Lines.
package logs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
	"glassine/state"
)

// Config is what a Service stands on.
type Config struct {
	State state.Store
	IAM   *iam.Service
	Dir   string // of the events; it is this service's alone, and made when it is not there
	// GroupBytes bounds the files of one group: the oldest go when there are more. 0 means 256 MiB.
	GroupBytes int64
	// FileBytes is when a stream's file is full and another is begun. 0 means 4 MiB.
	FileBytes int64
	Now       func() time.Time // nil means time.Now
	Log       *slog.Logger     // nil means slog.Default
}

// Service holds the account's log groups. Safe for many goroutines.
type Service struct {
	cfg     Config
	records *state.Table[Group]

	mu      sync.Mutex
	groups  map[string]*group  // by region and name; loaded as they are asked for
	decided map[string]verdict // see Lines
}

// New opens the directory. The caller closes the Service.
func New(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.GroupBytes == 0 {
		cfg.GroupBytes = 256 << 20
	}
	if cfg.FileBytes == 0 {
		cfg.FileBytes = 4 << 20
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	s := &Service{cfg: cfg, groups: map[string]*group{}, decided: map[string]verdict{}}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make directory of logs: %w", err)
	}
	var err error
	if s.records, err = state.OpenTable[Group](ctx, cfg.State, "logs/groups"); err != nil {
		return nil, err
	}
	return s, s.sweep()
}

// sweep removes directories of groups that are gone.
func (s *Service) sweep() error {
	used := map[string]bool{}
	for _, g := range s.records.All() {
		used[g.Dir] = true
	}
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return fmt.Errorf("read directory of logs: %w", err)
	}
	for _, e := range entries {
		if !used[e.Name()] {
			if err := os.RemoveAll(filepath.Join(s.cfg.Dir, e.Name())); err != nil {
				return fmt.Errorf("remove logs of a deleted group: %w", err)
			}
		}
	}
	return nil
}

// Close closes the files.
func (s *Service) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, g := range s.groups {
		errs = append(errs, g.close())
	}
	s.groups = map[string]*group{}
	return errors.Join(errs...)
}

// Expire removes files whose events are all past their group's retention. Events that are past it are not shown whether
// it is called or not.
func (s *Service) Expire(ctx context.Context) error {
	for _, record := range s.records.All() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if record.Retention == 0 {
			continue
		}
		g, err := s.open(record)
		if err != nil {
			return err
		}
		if err := g.expire(record.oldest(s.cfg.Now())); err != nil {
			return err
		}
	}
	return nil
}

// find returns a group's record and its files, or ResourceNotFoundException.
func (s *Service) find(region, name string) (Group, *group, error) {
	record, ok := s.records.Get(key(region, name))
	if !ok {
		return Group{}, nil, noGroup()
	}
	g, err := s.open(record)
	return record, g, err
}

func noGroup() error {
	return fault.New("ResourceNotFoundException", "The specified log group does not exist.")
}

func noStream() error {
	return fault.New("ResourceNotFoundException", "The specified log stream does not exist.")
}

func invalid(format string, args ...any) error {
	return fault.New("InvalidParameterException", format, args...)
}

// open returns the files of a group, reading them when nobody has yet.
func (s *Service) open(record Group) (*group, error) {
	s.mu.Lock()
	g, ok := s.groups[key(record.Region, record.Name)]
	if !ok || g.dir != filepath.Join(s.cfg.Dir, record.Dir) {
		g = &group{dir: filepath.Join(s.cfg.Dir, record.Dir), most: s.cfg.GroupBytes, full: s.cfg.FileBytes, streams: map[string]*stream{}}
		s.groups[key(record.Region, record.Name)] = g
	}
	s.mu.Unlock()
	if err := g.load(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return g, nil
}

func key(region, name string) string { return region + "/" + name }

// ask asks IAM for an action on a group. Policies name a group with :* behind it, or without.
// (Service Authorization Reference, "Actions, resources, and condition keys for Amazon CloudWatch Logs"; the first form is
// what AWS's own refusals name.)
func (s *Service) ask(ctx context.Context, c iam.Caller, action, region, name string, keys iam.Context) error {
	group := s.arnOf(region, name)
	if keys == nil {
		keys = iam.Context{}
	}
	if record, ok := s.records.Get(key(region, name)); ok {
		for k, v := range record.Tags {
			keys["aws:resourcetag/"+k] = []string{v}
		}
	}
	return s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "logs:" + action, Resources: []string{group + ":log-stream:", group}, Context: keys})
}

// askStream is ask for an action on a stream.
func (s *Service) askStream(ctx context.Context, c iam.Caller, action, region, name, stream string) error {
	keys := iam.Context{}
	if record, ok := s.records.Get(key(region, name)); ok {
		for k, v := range record.Tags {
			keys["aws:resourcetag/"+k] = []string{v}
		}
	}
	return s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "logs:" + action, Resources: []string{s.arnOf(region, name) + ":log-stream:" + stream}, Context: keys})
}

// arnOf is the group's ARN without the :* that answers put behind it.
func (s *Service) arnOf(region, name string) string {
	return arn.New("logs", region, s.cfg.IAM.Account(), "log-group:"+name).String()
}
