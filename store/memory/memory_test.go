package memory_test

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"glassine/store"
	"glassine/store/memory"
	"glassine/store/storetest"
)

func TestStoreKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return new(memory.Store) })
}

func TestLimitBoundsTheBodies(t *testing.T) {
	s := &memory.Store{Limit: 100}
	put := func(key string, n int) error {
		_, err := s.Put(t.Context(), "b", key, strings.NewReader(strings.Repeat("x", n)), store.PutOptions{})
		return err
	}
	steps := []struct {
		name string
		do   func() error
		want error
	}{
		{"the limit itself fits", func() error { return put("a", 100) }, nil},
		{"one byte more does not", func() error { return put("b", 1) }, store.ErrFull},
		{"nothing does", func() error { return put("b", 0) }, nil},
		{"overwriting needs room for both", func() error { return put("a", 1) }, store.ErrFull},
		{"deletion makes room", func() error { return s.Delete(t.Context(), "b", "a") }, nil},
		{"a body that fails", func() error {
			_, err := s.Put(t.Context(), "b", "c", iotest.TimeoutReader(strings.NewReader(strings.Repeat("x", 40000))), store.PutOptions{})
			if errors.Is(err, store.ErrFull) {
				return nil
			}
			return err
		}, nil},
		{"a condition that fails", func() error {
			_, err := s.Put(t.Context(), "b", "c", strings.NewReader("xxx"), store.PutOptions{IfMatch: "no"})
			return err
		}, store.ErrPrecondition},
		{"failures took no room", func() error { return put("d", 100) }, nil},
	}
	for _, step := range steps {
		if err := step.do(); !errors.Is(err, step.want) {
			t.Fatalf("%s: %v, want %v", step.name, err, step.want)
		}
	}
}
