// Package pixel makes pictures out of pictures with libvips, in worker processes: a fault of the C library, a bomb or a
// picture that takes too long costs one worker and one answer. Workers are this program run anew, held by package confine
// without network or files to write, and hardened once the library is loaded. What a job can be is in package render; which
// pictures should not even come here, Limits tells from their headers.
//
// Start at Engine.Render. A program that uses an Engine calls Main first thing in its main.
package pixel

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"glassine/confine"
	"glassine/transform/pixel/library"
	"glassine/transform/pixel/render"
)

// Config is what an Engine stands on. Zero fields have the value that their comment gives.
type Config struct {
	// Library is a libvips to load; "" means the embedded one, or the system's. See library.Find.
	Library string
	// Dir is where the embedded library is unpacked, and where workers below level strict have temporary files. It must be given
	// unless Library is.
	Dir string
	// Workers is how many pictures are made at a time, each on one core; 0 means GOMAXPROCS.
	Workers int
	// Queue is how many more may wait; 0 means 64 for each worker, below 0 none.
	Queue int
	// Timeout is the most time for one picture in a worker; 0 means 30 s.
	Timeout time.Duration
	// MemoryMB bounds the memory of one worker; 0 means 1024. Where there is no control group, it bounds what the worker may
	// allocate (confine.Limits.DataMB), and its picture fails in place of the worker.
	MemoryMB int
	// MaxJobs is after how many pictures a worker is replaced; 0 means 1000. MaxRSSMB is beyond how much memory, at its peak; 0
	// means half of MemoryMB.
	MaxJobs  int
	MaxRSSMB int
	// Idle is how long a worker is kept without work; 0 means 60 s.
	Idle time.Duration
	// Isolation is the weakest level to run at: "" for what the machine gives.
	Isolation confine.Level
	// Level forces a level weaker than the machine's, for tests and for machines where a firmer one does harm. At level process
	// workers are hardened still, where the kernel can.
	Level confine.Level
	// Observe is told of each job and each worker, by many goroutines at once; nil is nobody.
	Observe func(Event)
	Log     *slog.Logger // nil means slog.Default
}

// Engine makes pictures. Safe for many goroutines.
type Engine struct {
	cfg     Config
	pool    *pool
	crashes crashes
	version atomic.Pointer[string]
	open    func() // finds spawner, level and why, once
	library func() (path, from string, err error)

	spawner atomic.Pointer[confine.Spawner]
	level   confine.Level
	why     []string
	env     []string // more of the workers' environment: what tests put there
	closing sync.Once
}

// New makes an Engine, which starts nothing and looks for no library before it is used. An error is the Config's.
func New(cfg Config) (*Engine, error) {
	for _, level := range []confine.Level{cfg.Isolation, cfg.Level} {
		if level != "" && !slices.Contains(confine.Levels, level) {
			return nil, fmt.Errorf("%q is no level of isolation: there are %q", level, confine.Levels)
		}
	}
	for name, n := range map[string]int{
		"Workers": cfg.Workers, "MemoryMB": cfg.MemoryMB, "MaxJobs": cfg.MaxJobs, "MaxRSSMB": cfg.MaxRSSMB, "Timeout": int(cfg.Timeout), "Idle": int(cfg.Idle),
	} {
		if n < 0 {
			return nil, fmt.Errorf("%s of the engine for pictures is below 0", name)
		}
	}
	if cfg.Dir == "" && cfg.Library == "" {
		return nil, errors.New("the engine for pictures has no Dir to unpack its library into")
	}
	if cfg.Dir != "" {
		dir, err := filepath.Abs(cfg.Dir)
		if err != nil {
			return nil, err
		}
		cfg.Dir = dir
	}
	e := &Engine{cfg: cfg.withDefaults()}
	e.open = sync.OnceFunc(e.findLevel)
	find := sync.OnceValue(func() found {
		path, from, err := library.Find(cfg.Library, cfg.Dir)
		return found{path, from, err}
	})
	e.library = func() (string, string, error) {
		f := find()
		return f.path, f.from, f.err
	}
	e.pool = newPool(&e.cfg, e.startWorker)
	return e, nil
}

type found struct {
	path, from string
	err        error
}

func (c Config) withDefaults() Config {
	if c.Workers == 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Queue == 0 {
		c.Queue = 64 * c.Workers
	}
	c.Queue = max(c.Queue, 0)
	if c.Timeout == 0 {
		c.Timeout = 30 * time.Second
	}
	if c.MemoryMB == 0 {
		c.MemoryMB = 1024
	}
	if c.MaxJobs == 0 {
		c.MaxJobs = 1000
	}
	if c.MaxRSSMB == 0 {
		c.MaxRSSMB = c.MemoryMB / 2
	}
	if c.Idle == 0 {
		c.Idle = time.Minute
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return c
}

// Render does a job on a whole picture file, which must not change meanwhile. It waits for a free worker, after those that
// wait already. Errors: *render.InputError, *CrashError, *DeadlineError, *BusyError, *library.UnavailableError,
// ErrWeakIsolation, ErrClosed, or ctx's; when ctx ends, so does the worker. A job that ended two workers is answered with the
// second's error for some minutes, without a third. Any other error is the machine's or the program's.
func (e *Engine) Render(ctx context.Context, job render.Job, source []byte) (*render.Result, error) {
	if !e.crashes.empty() {
		if err := e.crashes.refused(keyOf(&job, source)); err != nil {
			e.pool.tell(Event{Outcome: Refused, SVG: job.Source == "svg"})
			return nil, err
		}
	}
	result, waited, took, err := e.pool.do(ctx, &job, source)
	outcome := outcomeOf(ctx, err)
	if outcome == Crash || outcome == Deadline {
		e.crashes.add(keyOf(&job, source), err)
	}
	e.pool.tell(Event{Outcome: outcome, SVG: job.Source == "svg", Waited: waited, Took: took})
	return result, err
}

// Warm starts a worker unless there is one, so that what is wrong with the library or the machine shows. It takes its turn
// like a job. Errors are as Render's.
func (e *Engine) Warm(ctx context.Context) error { return e.pool.warm(ctx) }

// Level is how firmly this machine holds workers. The second result says, in sentences, what is missing, and is empty when
// nothing is.
func (e *Engine) Level() (confine.Level, []string) {
	e.open()
	return e.level, e.why
}

// Version is libvips's version, such as "8.18.7"; "" before the first worker has told it.
func (e *Engine) Version() string {
	if v := e.version.Load(); v != nil {
		return *v
	}
	return ""
}

// Library is the file of libvips and where it comes from, as library.Find says.
func (e *Engine) Library() (path, from string, err error) { return e.library() }

// Close ends all workers, those at work too, and waits until they are gone.
func (e *Engine) Close() error {
	e.pool.close()
	e.closing.Do(func() {
		if s := e.spawner.Load(); s != nil {
			_ = s.Close() // its children have ended
		}
	})
	return nil
}

// findLevel asks the machine, and lowers what it gives to cfg.Level.
func (e *Engine) findLevel() {
	sweep(e.cfg.Dir)
	s := confine.NewSpawner()
	e.spawner.Store(s)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // bounds two probes of some milliseconds
	defer cancel()
	e.level, e.why = s.Probe(ctx)
	forced := slices.Index(confine.Levels, e.cfg.Level)
	if forced > slices.Index(confine.Levels, e.level) {
		e.level, e.why = e.cfg.Level, append(e.why, "the configuration asks for no more than "+string(e.cfg.Level))
	}
	if e.level != confine.Strict {
		e.cfg.Log.LogAttrs(ctx, slog.LevelWarn, "workers for pictures run with weak isolation", slog.String("level", string(e.level)), slog.Any("why", e.why))
	}
}

// startWorker starts a worker process.
func (e *Engine) startWorker(ctx context.Context, svg bool) (runner, error) {
	e.open()
	if slices.Index(confine.Levels, e.level) > slices.Index(confine.Levels, e.cfg.Isolation) && e.cfg.Isolation != "" {
		return nil, fmt.Errorf("%w: %s is required for pictures, this machine gives %s: %q", ErrWeakIsolation, e.cfg.Isolation, e.level, e.why)
	}
	path, _, err := e.library()
	if err != nil {
		return nil, err
	}
	spec, remove, err := e.place(path, svg)
	if err != nil {
		return nil, err
	}
	w, err := startWorker(ctx, e.spawner.Load(), spec, remove, &e.cfg)
	if err != nil {
		return nil, err
	}
	e.version.Store(&w.version)
	return w, nil
}
