package state_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"glassine/state"
)

// A child process of the crash test finds here the path to write to; and in crashMutant, "early" to acknowledge a commit
// before making it, which the test must notice.
const crashChild, crashMutant = "GLASSINE_STATE_CRASH_CHILD", "GLASSINE_STATE_CRASH_MUTANT"

func TestMain(m *testing.M) {
	if path := os.Getenv(crashChild); path != "" {
		fmt.Fprintln(os.Stderr, commitForever(path, os.Getenv(crashMutant) == "early"))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// commitForever writes ascending numbers to two records in one commit each, and prints each number when it is committed.
func commitForever(path string, early bool) error {
	f, err := state.Open(path)
	if err != nil {
		return err
	}
	ctx := context.Background()
	first := 1
	if r, err := f.Get(ctx, "t", "a"); err == nil {
		last, _ := strconv.Atoi(string(r.Value))
		first = last + 1
	}
	filler := strings.Repeat("x", 3000)
	for n := first; ; n++ {
		v := []byte(strconv.Itoa(n))
		if early {
			fmt.Println(n)
		}
		err := f.Commit(ctx, state.Change{Table: "t", Key: "a", Value: v},
			state.Change{Table: "filler", Key: strconv.Itoa(n % 100), Value: []byte(filler[:n%len(filler)])},
			state.Change{Table: "u", Key: "b", Value: v})
		if err != nil {
			return err
		}
		if !early {
			fmt.Println(n)
		}
	}
}

// crash runs a child on path, kills it, and returns what is wrong with the file afterwards.
func crash(t *testing.T, path, mutant string) error {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashChild+"="+path, crashMutant+"="+mutant)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	last := 0
	for lines.Scan() {
		if last == 0 { // the child is at work: set the clock
			time.AfterFunc(rand.N(50*time.Millisecond), func() { _ = cmd.Process.Kill() })
		}
		if n, err := strconv.Atoi(lines.Text()); err == nil { // the last line may be cut
			last = n
		}
	}
	_ = cmd.Wait() // it was killed
	if last == 0 {
		t.Fatal("the child committed nothing")
	}

	f, err := state.Open(path)
	if err != nil {
		return err
	}
	defer shut(t, f)
	a, errA := f.Get(t.Context(), "t", "a")
	b, errB := f.Get(t.Context(), "u", "b")
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if string(a.Value) != string(b.Value) {
		return fmt.Errorf("half a commit: one record is %s, the other %s", a.Value, b.Value)
	}
	if n, err := strconv.Atoi(string(a.Value)); err != nil || n < last {
		return fmt.Errorf("commit %d was acknowledged, the file holds %s", last, a.Value)
	}
	return nil
}

func TestKilledProcessLosesNoAcknowledgedCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	for round := range rounds {
		if err := crash(t, path, ""); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
	}
}

func TestCrashTestNoticesEarlyAcknowledgement(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	for range 50 {
		if err := crash(t, path, "early"); err != nil {
			return
		}
	}
	t.Error("50 kills of a process that acknowledges before it commits went unnoticed")
}
