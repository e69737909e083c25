package confine

import (
	"errors"
	"testing"
)

// A program that does not call Main is not run anew: it would begin all that it does once more.
func TestWithoutMainNothingIsStarted(t *testing.T) {
	mainCalled.Store(false)
	defer mainCalled.Store(true)
	s := NewSpawner()
	defer s.Close()
	if level, why := s.Probe(t.Context()); level != Process || len(why) != 1 {
		t.Errorf("Probe = %s, %v", level, why)
	}
	if _, err := s.Start(t.Context(), Spec{Level: Process, Args: []string{"/bin/true"}}); !errors.Is(err, ErrNoMain) {
		t.Errorf("Start = %v, want ErrNoMain", err)
	}
}
