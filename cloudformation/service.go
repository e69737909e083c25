package cloudformation

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
	"glassine/state"
)

// ServicePrincipal acts for the caller of a stack operation, and assumes the roles of stacks.
const ServicePrincipal = "cloudformation.amazonaws.com"

// Config is what a Service stands on.
type Config struct {
	State state.Store // nothing else may write to its tables cloudformation/...
	// Key is the installation's sealing key: what encrypts the records of stacks, which hold secrets, comes from it. A Service
	// with another key than the one before it reads nothing.
	Key   [32]byte
	IAM   *iam.Service
	Types *Types
	// Parameters is where SSM parameters and dynamic references are read; nil refuses them.
	Parameters Parameters
	// Invoker runs the functions of custom resources; nil refuses those.
	Invoker Invoker
	// Parallel is how many resources of a stack are worked on at a time; 0 means 8.
	Parallel int
	Now      func() time.Time // nil means time.Now
	Log      *slog.Logger     // nil means slog.Default
}

// Service holds the stacks of an account, in every region. Safe for many goroutines.
//
// An operation on a stack goes on after the call that began it. One that a stop or a kill of the process interrupts goes on
// when Start is called.
type Service struct {
	cfg    Config
	custom *customResources

	ctx    context.Context // ends with Close, and with it the operations
	cancel context.CancelFunc
	work   sync.WaitGroup

	// turn is held by the one call that begins something or writes what no conductor writes. Waiting for it honours ctx.
	turn chan struct{}

	mu         sync.Mutex
	started    bool
	stacks     map[string]*view      // by id, deleted ones too
	conductors map[string]*conductor // by stack id: operations under way
	changeSets map[string]*ChangeSet // by id
	exports    map[string]exported   // by region and name
	changed    chan struct{}         // closed and made anew when a stack changes
}

// The tables. Every value is JSON, sealed.
const (
	stackTable     = "cloudformation/stacks"     // Stack by id
	resourceTable  = "cloudformation/resources"  // StackResource by stack id, NUL, logical id
	eventTable     = "cloudformation/events"     // Event by stack id, NUL, milliseconds in 16 digits
	changeSetTable = "cloudformation/changesets" // ChangeSet by id
)

// tombstoneLife is how long a deleted stack is still shown. CloudFormation API Reference, ListStacks: 90 days.
const tombstoneLife = 90 * 24 * time.Hour

// New reads all stacks. The caller starts and closes the Service.
func New(ctx context.Context, cfg Config) (*Service, error) {
	if cfg.Parallel == 0 {
		cfg.Parallel = 8
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	if cfg.Types == nil {
		cfg.Types = NewTypes()
	}
	records, err := newSealed(cfg.State, cfg.Key)
	if err != nil {
		return nil, err
	}
	cfg.State = records
	s := &Service{
		cfg: cfg, turn: make(chan struct{}, 1), stacks: map[string]*view{}, conductors: map[string]*conductor{}, changeSets: map[string]*ChangeSet{},
		exports: map[string]exported{}, changed: make(chan struct{}),
	}
	s.custom = &customResources{invoker: cfg.Invoker, waiting: map[string]chan Answer{}}
	if cfg.Types.custom == nil && cfg.Invoker != nil {
		cfg.Types = cfg.Types.with(s.custom.resourceType())
		s.cfg.Types = cfg.Types
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Service) load(ctx context.Context) error {
	err := each(ctx, s.cfg.State, stackTable, func(_ string, x *Stack) error {
		s.stacks[x.ID] = &view{Stack: *x, resources: map[string]*StackResource{}}
		return nil
	})
	if err != nil {
		return err
	}
	err = each(ctx, s.cfg.State, resourceTable, func(key string, x *StackResource) error {
		id, _, _ := strings.Cut(key, "\x00")
		if v := s.stacks[id]; v != nil {
			v.resources[x.LogicalID] = x
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := each(ctx, s.cfg.State, changeSetTable, func(_ string, x *ChangeSet) error { s.changeSets[x.ID] = x; return nil }); err != nil {
		return err
	}
	for _, v := range s.stacks {
		if v.live() {
			s.export(v)
		}
	}
	return s.bury(ctx)
}

func each[T any](ctx context.Context, s state.Store, table string, f func(key string, v *T) error) error {
	records, err := s.List(ctx, table, "")
	if err != nil {
		return fmt.Errorf("list %s: %w", table, err)
	}
	for _, r := range records {
		v := new(T)
		if err := json.Unmarshal(r.Value, v); err != nil {
			return fmt.Errorf("read record %q of %s: %w", r.Key, table, err)
		}
		if err := f(r.Key, v); err != nil {
			return err
		}
	}
	return nil
}

// bury removes what is left of stacks that were deleted long ago.
func (s *Service) bury(ctx context.Context) error {
	for id, v := range s.stacks {
		if v.live() || s.cfg.Now().Sub(v.Deleted) < tombstoneLife {
			continue
		}
		changes := []state.Change{{Table: stackTable, Key: id}}
		for _, table := range []string{resourceTable, eventTable} {
			records, err := s.cfg.State.List(ctx, table, id+"\x00")
			if err != nil {
				return fmt.Errorf("list %s: %w", table, err)
			}
			for _, r := range records {
				changes = append(changes, state.Change{Table: table, Key: r.Key})
			}
		}
		if err := s.cfg.State.Commit(ctx, changes...); err != nil {
			return fmt.Errorf("remove the stack %s: %w", id, err)
		}
		delete(s.stacks, id)
	}
	return nil
}

// Start goes on with the operations that were interrupted. Before it no operation runs.
func (s *Service) Start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.started = true
	for _, id := range sortedKeys(s.stacks) {
		v := s.stacks[id]
		if v.Operation != nil && v.Operation.Phase != parked && s.conductors[id] == nil {
			s.conduct(v)
		}
	}
}

// Close ends the operations under way as a kill would, and waits for them: they go on when the next Service starts.
func (s *Service) Close() error {
	s.cancel()
	s.work.Wait()
	return nil
}

// errClosed is what a call gets that a Close overtakes.
var errClosed = errors.New("cloudformation: the service is closed")

// take waits for the turn and returns how to give it back.
func (s *Service) take(ctx context.Context) (release func(), err error) {
	select {
	case s.turn <- struct{}{}:
		return func() { <-s.turn }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.ctx.Done():
		return nil, errClosed
	}
}

// ask has IAM decide whether c may do the action on the resource, an ARN or "*".
// Service Authorization Reference, "Actions, resources, and condition keys for AWS CloudFormation".
func (s *Service) ask(ctx context.Context, c iam.Caller, action, resource string, keys iam.Context) error {
	return s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "cloudformation:" + action, Resources: []string{resource}, Context: keys})
}

func (s *Service) arn(region, resource string) string {
	return arn.New("cloudformation", region, s.cfg.IAM.Account(), resource).String()
}

// stackARN is what is asked of IAM for a stack that is named: its id, or one with "*" in place of the UUID.
func (s *Service) stackARN(region, name string) string {
	if strings.HasPrefix(name, "arn:") {
		return name
	}
	if v := s.find(region, name); v != nil {
		return v.ID
	}
	return s.arn(region, "stack/"+name+"/*")
}

// find returns a stack by its name, of those that are there, or by its id, deleted ones too; nil when there is none.
func (s *Service) find(region, name string) *view {
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := s.stacks[name]; v != nil {
		return v
	}
	for _, v := range s.stacks {
		if v.Name == name && v.Region == region && v.live() {
			return v
		}
	}
	return nil
}

// ID returns the id of the stack of that name or id, or "". It asks nobody: it is for whoever then waits for a stack.
func (s *Service) ID(region, name string) string {
	if v := s.find(region, name); v != nil {
		return v.ID
	}
	return ""
}

// noStack is the refusal of a name that is no stack's, in the words that clients look for.
func noStack(name string) error {
	return fault.New("ValidationError", "Stack with id %s does not exist", name)
}

// actor returns who acts for the operation: the stack's role, or the caller by way of CloudFormation.
func (s *Service) actor(ctx context.Context, role string, caller iam.Caller) (iam.Caller, error) {
	if role == "" {
		return caller.CalledVia(ServicePrincipal), nil
	}
	k, err := s.cfg.IAM.AssumeForService(ctx, role, []string{ServicePrincipal}, "AWSCloudFormation", time.Hour)
	if fault.Is(err, "AccessDenied") {
		return iam.Caller{}, fault.New("ValidationError", "Role %s is invalid or cannot be assumed", role)
	}
	if err != nil {
		return iam.Caller{}, err
	}
	_, c, err := s.cfg.IAM.Lookup(ctx, k.AccessKeyID, k.SessionToken)
	if err != nil {
		return iam.Caller{}, err
	}
	return c.WithContext(iam.Context{"aws:securetransport": {"true"}, "aws:sourceip": {"127.0.0.1"}}), nil
}

// Wait returns when no operation is under way on the stack, named by its id, with its status then.
func (s *Service) Wait(ctx context.Context, id string) (Status, error) {
	for {
		s.mu.Lock()
		v, changed := s.stacks[id], s.changed
		s.mu.Unlock()
		if v == nil {
			return "", noStack(id)
		}
		if !v.Status.running() {
			return v.Status, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return v.Status, ctx.Err()
		case <-s.ctx.Done():
			return v.Status, errClosed
		}
	}
}

// publish makes the view what readers see.
func (s *Service) publish(v *view) {
	s.mu.Lock()
	s.stacks[v.ID] = v
	s.export(v)
	close(s.changed)
	s.changed = make(chan struct{})
	s.mu.Unlock()
}
