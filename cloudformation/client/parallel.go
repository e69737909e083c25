package client

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
)

// maxParallel bounds the stacks of an assembly that are deployed at once: each holds archives in memory while it sends them.
const maxParallel = 4

// DeployAssembly deploys the stacks of an assembly, each as soon as those that it depends on are there; change, which may be nil,
// is shown each job first. What depends on a stack that failed is left out. The outcomes are in the assembly's order.
func (d *Deployer) DeployAssembly(ctx context.Context, a *Assembly, change func(*Job)) ([]*Outcome, error) {
	outcomes, errs := make([]*Outcome, len(a.Stacks)), make([]error, len(a.Stacks))
	ended, index := make([]chan struct{}, len(a.Stacks)), map[string]int{}
	for i, s := range a.Stacks {
		ended[i], index[s.ID] = make(chan struct{}), i
	}
	gate := make(chan struct{}, maxParallel)
	var all sync.WaitGroup
	for i, s := range a.Stacks {
		all.Go(func() {
			defer close(ended[i])
			outcomes[i] = &Outcome{Stack: s.Name, Region: s.Region, Result: "skipped"}
			for _, id := range s.DependsOn {
				before := index[id]
				<-ended[before]
				if !outcomes[before].went() {
					errs[i] = fmt.Errorf("stack %s: left out, since %s is not there", s.Name, a.Stacks[before].Name)
					return
				}
			}
			gate <- struct{}{}
			defer func() { <-gate }()
			j, err := s.Job(ctx, d.Client)
			if err != nil {
				errs[i], outcomes[i].Result = err, "failed"
				return
			}
			if change != nil {
				change(j)
			}
			if outcomes[i], err = d.Deploy(ctx, j); err != nil && !strings.Contains(err.Error(), s.Name) {
				err = fmt.Errorf("stack %s: %w", s.Name, err)
			}
			errs[i] = err
		})
	}
	all.Wait()
	return outcomes, errors.Join(errs...)
}

// went reports whether stacks that depend on this one may go on.
func (o *Outcome) went() bool {
	return o.Result == "created" || o.Result == "updated" || o.Result == "unchanged" || o.Result == "planned"
}
