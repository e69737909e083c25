package cloudformation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"glassine/state"
)

// stopping is a store that, after some commits, makes none any more: what a process that is killed there has written.
type stopping struct {
	state.Store

	mu      sync.Mutex
	left    int
	late    bool // the commit at which it stops is made, but its answer is lost
	stopped chan struct{}
	gone    bool
}

func (s *stopping) Commit(ctx context.Context, changes ...state.Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone {
		return errStopped
	}
	if s.left == 0 {
		s.gone = true
		close(s.stopped)
		if s.late {
			_ = s.Store.Commit(ctx, changes...)
		}
		return errStopped
	}
	s.left--
	return s.Store.Commit(ctx, changes...)
}

// interrupted carries out an operation that is killed after n commits, and gone on with by a new service. It reports
// whether the kill came before the end.
func interrupted(t *testing.T, r *rig, n int, late bool, begin func() (string, error)) bool {
	t.Helper()
	real := r.store
	stop := &stopping{Store: real, left: n, late: late, stopped: make(chan struct{})}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r.store = stop
	r.restart()
	s := r.Service
	id, err := begin()
	killed := false
	ended := make(chan struct{})
	if err != nil {
		close(ended)
	} else {
		go func() { _, _ = s.Wait(t.Context(), id); close(ended) }()
		select {
		case <-stop.stopped:
			killed = true
		case <-ended:
		}
	}
	r.store = real
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	<-ended
	r.restart()
	return killed || err != nil
}

func TestKilledAtEveryStepGoesOn(t *testing.T) {
	fail := func(op, id string) func() func(string, string) error {
		return func() func(string, string) error { return failOn(op, id) }
	}
	none := func() func(string, string) error { return nil }
	for _, c := range []struct {
		name   string
		update bool
		note   bool
		fail   func() func(string, string) error
		want   Status
	}{
		{"creation", false, false, none, CreateComplete},
		{"creation that notes ids", false, true, none, CreateComplete},
		{"creation that fails", false, true, fail("create", "C"), RollbackComplete},
		{"update", true, false, none, UpdateComplete},
		{"update that notes ids", true, true, none, UpdateComplete},
		{"update that fails", true, true, fail("create", "E"), UpdateBackDone},
	} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, answer lost %v", c.name, late), func(t *testing.T) {
				for n := 0; ; n++ {
					if !killOnce(t, c.update, c.note, late, n, c.fail(), c.want) {
						if n < 5 {
							t.Errorf("only %d commits", n)
						}
						break
					}
				}
			})
		}
	}
}

// killOnce reports whether the operation was still under way after n commits.
func killOnce(t *testing.T, update, note, late bool, n int, fail func(string, string) error, want Status) bool {
	t.Helper()
	r := newRig(t)
	r.w.note = note
	before := ""
	if update {
		r.create(chain, CreateComplete)
		before = r.w.snapshot()
	}
	r.w.before = fail
	killed := interrupted(t, r, n, late, func() (string, error) {
		if update {
			return r.UpdateStack(t.Context(), r.caller, r.input(changed))
		}
		return r.CreateStack(t.Context(), r.caller, r.input(chain))
	})
	v := r.find(region, "demo")
	if v == nil { // the call itself was not answered, and nothing came of it
		if r.w.snapshot() != "" {
			t.Errorf("after %d commits there is no stack, but things", n)
		}
		return killed
	}
	if v.Operation == nil && !v.Status.running() && v.Status != want { // the update was not begun
		if got := r.w.snapshot(); got != before {
			t.Errorf("after %d commits the update was not begun, but the world changed", n)
		}
		return killed
	}
	r.ends(v.ID, want)
	r.consistent(v.ID)
	if back := strings.Contains(string(want), "ROLLBACK"); back && r.w.snapshot() != before {
		t.Errorf("after %d commits the world is\n%s\nwant\n%s\n%s", n, r.w.snapshot(), before, r.history(v.ID))
	}
	r.w.reset()
	r.delete(v.ID, DeleteComplete)
	if s := r.w.snapshot(); s != "" {
		t.Errorf("after %d commits, left over: %s", n, s)
	}
	return killed
}

func TestKilledDeletionGoesOn(t *testing.T) {
	for n := 0; ; n++ {
		r := newRig(t)
		id := r.create(chain, CreateComplete)
		killed := interrupted(t, r, n, n%2 == 0, func() (string, error) {
			return id, r.DeleteStack(t.Context(), r.caller, DeleteInput{Region: region, Name: "demo"})
		})
		if v := r.find(region, id); v.Status == CreateComplete {
			continue // not begun
		}
		r.ends(id, DeleteComplete)
		if s := r.w.snapshot(); s != "" {
			t.Errorf("after %d commits, left over: %s", n, s)
		}
		if !killed {
			return
		}
	}
}

// randomTemplate makes a template of resources that refer to some of those before them.
func randomTemplate(rnd *rand.Rand, n int) string {
	var b strings.Builder
	b.WriteString("Resources:\n")
	for i := range n {
		if rnd.IntN(6) == 0 {
			continue
		}
		kind := "Test::Thing"
		fmt.Fprintf(&b, "  R%02d:\n    Type: %s\n    Properties:\n      Size: %d\n      Name: n%d\n", i, kind, rnd.IntN(3), rnd.IntN(2))
		if i > 0 && rnd.IntN(2) == 0 {
			if on := fmt.Sprintf("R%02d", rnd.IntN(i)); strings.Contains(b.String(), "  "+on+":") {
				fmt.Fprintf(&b, "      Text: !Sub \"${%s.Arn}\"\n", on)
			}
		}
	}
	b.WriteString("  Last: {Type: Test::Thing}\n")
	return b.String()
}

func TestRandomUpdatesWithFailuresEndWhereTheyShould(t *testing.T) {
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	for seed := range rounds {
		rnd := rand.New(rand.NewPCG(uint64(seed), 7))
		r := newRig(t)
		id := r.create(randomTemplate(rnd, 14), CreateComplete)
		for step := range 4 {
			r.w.reset()
			template := randomTemplate(rnd, 14)
			before := r.w.snapshot()
			var once sync.Once
			hook := func(op, _ string) (err error) {
				if op != "delete" && rnd.IntN(8) == 0 {
					once.Do(func() { err = errBoom })
				}
				return err
			}
			var mu sync.Mutex
			locked := func(op, of string) error { mu.Lock(); defer mu.Unlock(); return hook(op, of) }
			if rnd.IntN(2) == 0 {
				r.w.before = locked
			} else {
				r.w.after = locked
			}
			if _, err := r.UpdateStack(t.Context(), r.caller, r.input(template)); err != nil {
				if strings.Contains(err.Error(), noUpdates) {
					continue
				}
				t.Fatal(err)
			}
			got, err := r.Wait(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			switch got {
			case UpdateComplete:
			case UpdateBackDone:
				if now := r.w.snapshot(); now != before {
					t.Fatalf("seed %d step %d: the world is\n%s\nwant\n%s\n%s", seed, step, now, before, r.history(id))
				}
			default:
				t.Fatalf("seed %d step %d: %s\n%s", seed, step, got, r.history(id))
			}
			r.consistent(id)
		}
		r.w.reset()
		r.delete(id, DeleteComplete)
		if s := r.w.snapshot(); s != "" {
			t.Errorf("seed %d, left over: %s", seed, s)
		}
		_ = r.Close()
	}
}
