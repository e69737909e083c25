package state_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"glassine/state"
)

type pet struct {
	Name string
	Age  int
}

func openTable(t *testing.T, s state.Store) *state.Table[pet] {
	t.Helper()
	table, err := state.OpenTable[pet](t.Context(), s, "pets")
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// older returns a change that makes a pet one year older, or names a new one.
func older(name string) func(pet, bool) (pet, error) {
	return func(p pet, exists bool) (pet, error) {
		if !exists {
			return pet{Name: name}, nil
		}
		p.Age++
		return p, nil
	}
}

func TestTableKeepsTypedRecords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	f := open(t, path)
	pets := openTable(t, f)
	refused := errors.New("refused")
	for _, key := range []string{"b", "a", "c", "a"} {
		if _, err := pets.Update(t.Context(), key, older("pet "+key)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pets.Update(t.Context(), "b", func(pet, bool) (pet, error) { return pet{Age: 99}, refused }); !errors.Is(err, refused) {
		t.Errorf("Update whose change is refused: %v", err)
	}
	if err := pets.Delete(t.Context(), "b", func(p pet, exists bool) error {
		if !exists || p.Name != "pet b" {
			t.Errorf("Delete's check got %+v, %v", p, exists)
		}
		return refused
	}); !errors.Is(err, refused) {
		t.Errorf("Delete whose check refuses: %v", err)
	}
	if err := errors.Join(pets.Delete(t.Context(), "c", nil), pets.Delete(t.Context(), "never", nil)); err != nil {
		t.Errorf("Delete: %v", err)
	}

	want := []pet{{"pet a", 1}, {"pet b", 0}}
	if diff := cmp.Diff(want, pets.All()); diff != "" {
		t.Errorf("All (-want +got):\n%s", diff)
	}
	shut(t, f)
	pets = openTable(t, open(t, path))
	if diff := cmp.Diff(want, pets.All()); diff != "" {
		t.Errorf("All after reopening (-want +got):\n%s", diff)
	}
	if p, ok := pets.Get("a"); !ok || p != want[0] {
		t.Errorf("Get(a) = %+v, %v", p, ok)
	}
	if p, ok := pets.Get("c"); ok {
		t.Errorf("Get of a deleted record = %+v", p)
	}
	if got, err := pets.Update(t.Context(), "a", older("")); err != nil || got.Age != 2 {
		t.Errorf("Update after reopening = %+v, %v", got, err)
	}
}

func TestTableUpdatesDoNotOverwriteEachOther(t *testing.T) {
	pets := openTable(t, new(state.Memory))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				if _, err := pets.Update(t.Context(), "k", older("pet")); err != nil {
					t.Error(err)
				}
				pets.Get("k")
			}
		})
	}
	wg.Wait()
	if p, _ := pets.Get("k"); p.Age != 8*50-1 {
		t.Errorf("after 400 updates the pet is %d, want 399", p.Age)
	}
}

func TestTableRefusesWhatIsNoRecord(t *testing.T) {
	s := new(state.Memory)
	if err := s.Commit(context.Background(), state.Change{Table: "pets", Key: "k", Value: []byte("{")}); err != nil {
		t.Fatal(err)
	}
	if _, err := state.OpenTable[pet](t.Context(), s, "pets"); err == nil {
		t.Error("OpenTable read a record that is no JSON")
	}
}
