package lambda

import (
	"context"
	"sync"

	"glassine/aws/fault"
	"glassine/iam"
)

// gate bounds the invocations under way: those of a function with reserved concurrency by that, all others together by what
// nobody has reserved. (Lambda Developer Guide, "Configuring reserved concurrency".)
type gate struct {
	most int

	mu         sync.Mutex
	reserved   int            // by all functions together
	running    map[string]int // by function, of those that run
	unreserved int            // how many run of functions that reserve nothing
}

// enter takes a slot, or refuses at once. leave gives it back.
func (g *gate) enter(key string, reserved *int) (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case reserved != nil && g.running[key] >= *reserved:
		return nil, throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
	case reserved == nil && g.unreserved >= g.most-g.reserved:
		return nil, throttled("ConcurrentInvocationLimitExceeded")
	}
	g.running[key]++
	if reserved == nil {
		g.unreserved++
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.running[key]--; g.running[key] == 0 {
			delete(g.running, key)
		}
		if reserved == nil {
			g.unreserved--
		}
	}, nil
}

// throttled is the fault of one invocation too many, for one of AWS's reasons.
// (Lambda API Reference, Invoke, TooManyRequestsException.)
func throttled(reason string) error {
	return fault.New("TooManyRequestsException", "Rate Exceeded.").With("Reason", reason).With("Retry-After", "1")
}

// countReserved tells the gate what is reserved now.
func (s *Service) countReserved() {
	s.gate.mu.Lock()
	defer s.gate.mu.Unlock()
	s.gate.reserved = s.reservedBut("")
}

// reservedBut is what all functions but one reserve together.
func (s *Service) reservedBut(key string) int {
	n := 0
	for _, f := range s.functions.All() {
		if f.Reserved != nil && f.Region+"/"+f.Name != key {
			n += *f.Reserved
		}
	}
	return n
}

// PutFunctionConcurrency reserves n invocations at a time for the function, and allows it no more; 0 turns it off. A tenth
// of all stays for functions that reserve nothing. (Lambda API Reference, PutFunctionConcurrency.)
func (s *Service) PutFunctionConcurrency(ctx context.Context, c iam.Caller, name string, n int) error {
	if n < 0 {
		return invalid("ReservedConcurrentExecutions %d is less than 0.", n)
	}
	_, err := s.change(ctx, c, "PutFunctionConcurrency", name, func(f *Function) error {
		least := s.cfg.Concurrency / 10
		if s.cfg.Concurrency-s.reservedBut(f.Region+"/"+f.Name)-n < least {
			return invalid("Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [%d].", least)
		}
		f.Reserved = &n
		return nil
	})
	s.countReserved()
	return err
}

// DeleteFunctionConcurrency takes the reservation back.
func (s *Service) DeleteFunctionConcurrency(ctx context.Context, c iam.Caller, name string) error {
	_, err := s.change(ctx, c, "DeleteFunctionConcurrency", name, func(f *Function) error {
		f.Reserved = nil
		return nil
	})
	s.countReserved()
	return err
}

// GetFunctionConcurrency returns what the function reserves, nil when it reserves nothing.
func (s *Service) GetFunctionConcurrency(ctx context.Context, c iam.Caller, name string) (*int, error) {
	f, _, err := s.read(ctx, c, "GetFunctionConcurrency", name)
	return f.Reserved, err
}

// Account is the account's limits and what of them is used.
type Account struct {
	Concurrency, Unreserved int
	MaxZip, MaxUnpacked     int64 // bytes
	Functions               int
	CodeSize                int64 // bytes of all archives of versions and layers
}

// GetAccountSettings returns the limits and the use of the region.
func (s *Service) GetAccountSettings(ctx context.Context, c iam.Caller, region string) (Account, error) {
	if err := s.cfg.IAM.Authorize(ctx, c, iam.Ask{Action: "lambda:GetAccountSettings", Resources: []string{"*"}}); err != nil {
		return Account{}, err
	}
	a := Account{Concurrency: s.cfg.Concurrency, Unreserved: s.cfg.Concurrency - s.reservedBut(""), MaxZip: MaxZip, MaxUnpacked: maxUnpacked}
	for _, f := range s.functions.All() {
		if f.Region != region {
			continue
		}
		a.Functions++
		for _, v := range append([]Version{f.Latest}, f.Versions...) {
			a.CodeSize += v.Archive.Size
		}
	}
	for _, l := range s.layers.All() {
		if l.Region != region {
			continue
		}
		for _, v := range l.Versions {
			a.CodeSize += v.Archive.Size
		}
	}
	return a, nil
}
