package pixel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"glassine/confine"
	"glassine/transform/pixel/library"
	"glassine/transform/pixel/render"
)

// What a worker can do wrong is one failed job and one event, and the next job is done.
func TestFaultsHarmNobodyElse(t *testing.T) {
	for _, level := range confine.Levels {
		r := newRig(t, func(c *Config) { c.Level, c.Timeout, c.MemoryMB = level, 2*time.Second, 256 })
		before := descriptors(t)
		for _, c := range []struct {
			word    string
			outcome Outcome
			text    string // in the error
			output  string // in what the worker printed
		}{
			{"segv 0", Crash, "SIGSEGV", "about to fault"},
			{"segv 99999999999999", Crash, "SIGSEGV", "about to fault"},
			{"panic", Crash, "exit status 2", "panic: a bug"},
			{"exit 3", Crash, "exit status 3", ""},
			{"exit 0", Crash, "exit status 0", ""},
			{"hang", Deadline, "longer than 2s", ""},
			{"spin", Deadline, "longer than 2s", ""},
			{"garbage", Crash, "a frame of 1213486160 and", ""},
			{"huge", Crash, "a frame of 2 and", ""},
			{"half", Crash, "exit status 0", ""},
			{"json", Crash, "header of a frame", ""},
			{"format", Crash, `an answer of format "svg"`, ""},
			{"nothing", Crash, "", "nil pointer"},
			{"input", BadInput, "it is no picture", ""},
			{"error", Failed, "out of ideas", ""},
		} {
			told := r.count(c.outcome)
			_, err := r.job(c.word)
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s: %s: error %v, want one with %q", level, c.word, err, c.text)
			}
			crash, isCrash := errors.AsType[*CrashError](err)
			_, isDeadline := errors.AsType[*DeadlineError](err)
			_, isInput := errors.AsType[*render.InputError](err)
			if isCrash != (c.outcome == Crash) || isDeadline != (c.outcome == Deadline) || isInput != (c.outcome == BadInput) {
				t.Errorf("%s: %s: error is a %T, want that of a %s", level, c.word, err, c.outcome)
			}
			if isCrash && !strings.Contains(string(crash.Output), c.output) {
				t.Errorf("%s: %s: the worker printed %q, want %q in it", level, c.word, crash.Output, c.output)
			}
			if n := r.count(c.outcome) - told; n != 1 {
				t.Errorf("%s: %s: %d events of %s, want 1", level, c.word, n, c.outcome)
			}
			if got := r.must(""); got != "a source" {
				t.Errorf("%s: after %s: %q", level, c.word, got)
			}
		}
		r.Close()
		if n := children(t); n != 0 {
			t.Errorf("%s: %d workers outlive their engine", level, n)
		}
		if after := descriptors(t); after > before+1 { // the spawner's thread opened none, the poller one
			t.Errorf("%s: %d descriptors before, %d after", level, before, after)
		}
		if _, err := r.job(""); !errors.Is(err, ErrClosed) {
			t.Errorf("%s: after Close: %v", level, err)
		}
	}
}

func TestMemoryIsBounded(t *testing.T) {
	for _, level := range confine.Levels {
		r := newRig(t, func(c *Config) { c.Level, c.MemoryMB = level, 128 })
		_, err := r.job("eat")
		if _, ok := errors.AsType[*CrashError](err); !ok {
			t.Errorf("%s: a worker that eats memory: %v", level, err)
		}
		if got := r.must(""); got != "a source" {
			t.Errorf("%s: afterwards: %q", level, got)
		}
	}
}

// Many at a time, some of which crash: each gets its own answer.
func TestManyRenders(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Queue = 1000; c.MaxJobs = 50 })
	const jobs = 1000
	var failed, wrong atomic.Int64
	var all sync.WaitGroup
	for i := range jobs {
		all.Go(func() {
			word, source := "", []byte(strings.Repeat(strconv.Itoa(i)+",", 1+i*37%9000))
			if i%50 == 7 {
				word = "segv " + strconv.Itoa(i)
			}
			result, err := r.Render(t.Context(), render.Job{Source: "jpeg", Format: "png", ICC: word}, source)
			switch {
			case err != nil:
				if _, ok := errors.AsType[*CrashError](err); !ok || word == "" {
					t.Errorf("job %d: %v", i, err)
				}
				failed.Add(1)
			case string(result.Body) != string(source):
				wrong.Add(1)
			}
		})
	}
	all.Wait()
	if failed.Load() != jobs/50 || wrong.Load() != 0 {
		t.Errorf("%d failed, want %d; %d got another's answer", failed.Load(), jobs/50, wrong.Load())
	}
	if ok, crash := r.count(OK), r.count(Crash); ok != jobs-jobs/50 || crash != jobs/50 {
		t.Errorf("events: %d ok, %d crashes", ok, crash)
	}
	if n := children(t); n == 0 || n > 3 {
		t.Errorf("%d workers, want at most 2 and a spare", n)
	}
}

func TestJobThatCrashedTwiceIsRefused(t *testing.T) {
	r := newRig(t, nil)
	for range 2 {
		if _, err := r.job("segv"); err == nil {
			t.Fatal("no error")
		}
	}
	started := r.count(WorkerStarted)
	_, err := r.job("segv")
	if _, ok := errors.AsType[*CrashError](err); !ok || r.count(Refused) != 1 || r.count(Crash) != 2 || r.count(WorkerStarted) > started+1 {
		t.Errorf("third time: %v; %d refused, %d crashes", err, r.count(Refused), r.count(Crash))
	}
	r.must("")
	if _, err := r.Render(t.Context(), render.Job{Source: "jpeg", Format: "png", ICC: "segv"}, []byte("another source")); err == nil || r.count(Crash) != 3 {
		t.Errorf("another source: %v, %d crashes, want a third", err, r.count(Crash))
	}
}

func TestQueueIsBoundedAndFair(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Workers, c.Queue = 1, 2 })
	r.must("")
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	background := func(ctx context.Context, word string, want error) {
		all.Go(func() {
			_, err := r.Render(ctx, render.Job{Source: "jpeg", Format: "png", ICC: word}, nil)
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", word, err, want)
			}
		})
	}
	waiting := func(n int) {
		await(t, fmt.Sprintf("a queue of %d", n), func() bool {
			r.pool.mu.Lock()
			defer r.pool.mu.Unlock()
			return r.pool.free == 0 && r.pool.waiting.Len() == n
		})
	}
	background(ctx, "hang", context.Canceled)
	waiting(0)
	background(ctx, "never begun", context.Canceled)
	waiting(1)
	background(t.Context(), "pid", nil)
	waiting(2)
	_, err := r.job("one too many")
	if busy, ok := errors.AsType[*BusyError](err); !ok || busy.Queue != 2 || r.count(Busy) != 1 {
		t.Errorf("beyond the queue: %v, %d events", err, r.count(Busy))
	}
	cancel() // ends the one at work with its worker, and the one that waits
	all.Wait()
	if n := r.count(Cancelled); n != 2 {
		t.Errorf("%d cancelled, want 2", n)
	}
	r.must("")
}

func TestWorkersAreRecycled(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Workers, c.MaxJobs, c.MaxRSSMB = 1, 3, 150 })
	for range 7 {
		r.must("")
	}
	if n := r.count(WorkerRecycled); n != 2 {
		t.Errorf("7 jobs of workers that do 3: %d recycled, want 2", n)
	}
	r.must("hold 200")
	if n := r.count(WorkerRecycled); n != 3 {
		t.Errorf("a worker that held 200 MB, of 150: %d recycled, want 3", n)
	}
	r.must("")
}

// A worker that ends while nobody looks costs no job.
func TestWorkerThatDiedIdle(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Workers, c.Level = 1, confine.Process })
	pid, err := strconv.Atoi(r.must("pid"))
	if err != nil {
		t.Fatal(err)
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	await(t, "a spare", func() bool { return r.count(WorkerStarted) == 2 })
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	await(t, "its end", func() bool {
		r.pool.mu.Lock()
		defer r.pool.mu.Unlock()
		for _, m := range r.pool.idle {
			if !m.alive() {
				return true
			}
		}
		return false
	})
	for range 3 {
		r.must("")
	}
	if n := r.count(Crash); n != 0 {
		t.Errorf("%d crashes", n)
	}
}

func TestSVGHasWorkersOfItsOwn(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Workers = 1 })
	for _, source := range []string{"svg", "jpeg", "svg", "png"} {
		result, err := r.Render(t.Context(), render.Job{Source: source, Format: "png", ICC: "svg"}, nil)
		if err != nil || string(result.Body) != strconv.FormatBool(source == "svg") {
			t.Errorf("%s: %v, %v", source, result, err)
		}
	}
	if n := children(t); n > 2 {
		t.Errorf("%d workers, want at most 2", n)
	}
}

func TestCloseEndsWhatIsAtWork(t *testing.T) {
	r := newRig(t, nil)
	var all sync.WaitGroup
	for range 3 { // two at work, one waits
		all.Go(func() {
			if _, err := r.job("hang"); !errors.Is(err, ErrClosed) {
				t.Errorf("error = %v", err)
			}
		})
	}
	await(t, "three jobs", func() bool {
		r.pool.mu.Lock()
		defer r.pool.mu.Unlock()
		return r.pool.waiting.Len() == 1
	})
	r.Close()
	all.Wait()
	if n := children(t); n != 0 {
		t.Errorf("%d workers live", n)
	}
}

func TestNoLibrary(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Library = "/not/there" })
	_, err := r.job("")
	if _, ok := errors.AsType[*library.UnavailableError](err); !ok || r.count(Unavailable) != 1 {
		t.Errorf("error = %v, %d events", err, r.count(Unavailable))
	}
	if err := r.Warm(t.Context()); err == nil {
		t.Error("Warm: no error")
	}
}

func TestWorkerThatDoesNotStart(t *testing.T) {
	r := newRig(t, nil)
	r.env = []string{faults + "=open"}
	if _, err := r.job(""); err == nil || !strings.Contains(err.Error(), "it is not to be opened") || r.count(Failed) != 1 {
		t.Errorf("error = %v", err)
	}
	// A real worker that is given what is no library says so.
	r = newRig(t, nil)
	r.env = nil
	if _, err := r.job(""); err == nil || !strings.Contains(err.Error(), "/bin/") {
		t.Errorf("error = %v, want the loader's", err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	for want, cfg := range map[string]Config{
		"no level of isolation": {Dir: "x", Isolation: "Strict"},
		"is no level":           {Dir: "x", Level: "none"},
		"below 0":               {Dir: "x", Workers: -1},
		"no Dir":                {},
	} {
		if _, err := New(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", cfg, err, want)
		}
	}
}

func TestVersionIsTheWorkers(t *testing.T) {
	r := newRig(t, nil)
	if v := r.Version(); v != "" {
		t.Errorf("before a worker: %q", v)
	}
	if err := r.Warm(t.Context()); err != nil || r.Version() != "0.0.0 faulty" {
		t.Errorf("Warm: %v, version %q", err, r.Version())
	}
}
