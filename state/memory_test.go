package state_test

import (
	"testing"

	"glassine/state"
	"glassine/state/statetest"
)

func TestMemoryKeepsTheContract(t *testing.T) {
	statetest.Run(t, func(*testing.T) state.Store { return new(state.Memory) })
}
