package cloudformation

import "context"

// Settle returns when no operation is under way on the stack of a name or id in the region, or when ctx ends. A stack that is
// not there has none. Nobody is asked: nothing is told.
func (s *Service) Settle(ctx context.Context, region, name string) {
	if v := s.find(region, name); v != nil {
		_, _ = s.Wait(ctx, v.ID) // how it ended is for who may read it
	}
}
