package lambda

import (
	"context"
	"maps"
	"slices"
	"time"

	"glassine/aws/arn"
	"glassine/aws/fault"
	"glassine/iam"
)

// EventInvoke is what becomes of asynchronous invocations. (Lambda API Reference, FunctionEventInvokeConfig.)
type EventInvoke struct {
	Qualifier            string         // "" for the function named without one
	Attempts             *int           // after the first, 0 to 2; nil is 2
	Age                  *time.Duration // 1 minute to 6 hours, after which an event is given up; nil is 6 hours
	OnSuccess, OnFailure string         // ARN of a function that gets the outcome, or ""
	Modified             time.Time
}

// EventInvokeChange says what to set: nil leaves a field as it is, or unset in a new configuration.
type EventInvokeChange struct {
	Attempts             *int
	Age                  *time.Duration
	OnSuccess, OnFailure *string
}

// PutFunctionEventInvokeConfig replaces the configuration. (Lambda API Reference, PutFunctionEventInvokeConfig.)
func (s *Service) PutFunctionEventInvokeConfig(ctx context.Context, c iam.Caller, name string, ch EventInvokeChange) (Function, EventInvoke, error) {
	return s.configureEvents(ctx, c, "PutFunctionEventInvokeConfig", name, ch, false)
}

// UpdateFunctionEventInvokeConfig changes the configuration. (Lambda API Reference, UpdateFunctionEventInvokeConfig.)
func (s *Service) UpdateFunctionEventInvokeConfig(ctx context.Context, c iam.Caller, name string, ch EventInvokeChange) (Function, EventInvoke, error) {
	return s.configureEvents(ctx, c, "UpdateFunctionEventInvokeConfig", name, ch, true)
}

func (s *Service) configureEvents(ctx context.Context, c iam.Caller, action, name string, ch EventInvokeChange, keep bool) (Function, EventInvoke, error) {
	r, err := s.parseRef(name)
	if err != nil {
		return Function{}, EventInvoke{}, err
	}
	if err := s.ask(ctx, c, action, r, nil); err != nil {
		return Function{}, EventInvoke{}, err
	}
	if err := s.checkEvents(ch); err != nil {
		return Function{}, EventInvoke{}, err
	}
	var made EventInvoke
	f, err := s.update(ctx, r, func(f *Function) error {
		if _, ok := f.version(r.qualifier); !ok {
			return notFound(s.qualifiedARN(r))
		}
		old, there := f.Asynchronous[r.qualifier]
		if keep && !there {
			return noEventInvoke(s.qualifiedARN(r))
		}
		made = EventInvoke{Qualifier: r.qualifier}
		if keep {
			made = old
		}
		if ch.Attempts != nil {
			made.Attempts = ch.Attempts
		}
		if ch.Age != nil {
			made.Age = ch.Age
		}
		set(&made.OnSuccess, ch.OnSuccess)
		set(&made.OnFailure, ch.OnFailure)
		made.Modified = s.cfg.Now().UTC()
		all := map[string]EventInvoke{}
		maps.Copy(all, f.Asynchronous)
		all[r.qualifier] = made
		f.Asynchronous = all
		return nil
	})
	return f, made, err
}

func noEventInvoke(function string) error {
	return fault.New("ResourceNotFoundException", "The function %s doesn't have an EventInvokeConfig", function)
}

func (s *Service) checkEvents(ch EventInvokeChange) error {
	if ch.Attempts != nil && (*ch.Attempts < 0 || *ch.Attempts > 2) {
		return invalid("MaximumRetryAttempts %d is not between 0 and 2.", *ch.Attempts)
	}
	if ch.Age != nil && (*ch.Age < time.Minute || *ch.Age > 6*time.Hour) {
		return invalid("MaximumEventAgeInSeconds %d is not between 60 and 21600.", int(ch.Age.Seconds()))
	}
	for _, d := range []*string{ch.OnSuccess, ch.OnFailure} {
		if d == nil || *d == "" {
			continue
		}
		a, err := arn.Parse(*d)
		if err != nil || a.Service != "lambda" || a.Name("function") == "" {
			return invalid("The destination %q is not a Lambda function, and glassine delivers to nothing else: it has no SQS, SNS or EventBridge.", *d)
		}
		if _, err := s.parseRef(*d); err != nil {
			return err
		}
	}
	return nil
}

// GetFunctionEventInvokeConfig returns the configuration of what name names.
func (s *Service) GetFunctionEventInvokeConfig(ctx context.Context, c iam.Caller, name string) (Function, EventInvoke, error) {
	f, r, err := s.read(ctx, c, "GetFunctionEventInvokeConfig", name)
	if err != nil {
		return f, EventInvoke{}, err
	}
	e, ok := f.Asynchronous[r.qualifier]
	if !ok {
		return f, e, noEventInvoke(s.qualifiedARN(r))
	}
	return f, e, nil
}

// DeleteFunctionEventInvokeConfig removes the configuration of what name names.
func (s *Service) DeleteFunctionEventInvokeConfig(ctx context.Context, c iam.Caller, name string) error {
	r, err := s.parseRef(name)
	if err != nil {
		return err
	}
	if err := s.ask(ctx, c, "DeleteFunctionEventInvokeConfig", r, nil); err != nil {
		return err
	}
	_, err = s.update(ctx, r, func(f *Function) error {
		if _, ok := f.Asynchronous[r.qualifier]; !ok {
			return noEventInvoke(s.qualifiedARN(r))
		}
		all := maps.Clone(f.Asynchronous)
		delete(all, r.qualifier)
		f.Asynchronous = all
		return nil
	})
	return err
}

// ListFunctionEventInvokeConfigs returns all configurations of the function, by qualifier.
func (s *Service) ListFunctionEventInvokeConfigs(ctx context.Context, c iam.Caller, name string) (Function, []EventInvoke, error) {
	f, _, err := s.read(ctx, c, "ListFunctionEventInvokeConfigs", name)
	var out []EventInvoke
	for _, q := range slices.Sorted(maps.Keys(f.Asynchronous)) {
		out = append(out, f.Asynchronous[q])
	}
	return f, out, err
}
