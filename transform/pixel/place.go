package pixel

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"glassine/confine"
)

// Bounds of a worker beside its memory.
const (
	// dataSlackMB is what a worker may reserve beyond its memory where no control group holds it: stacks of threads and Go's
	// heap, 110 to 160 MB (measured 2026-11).
	dataSlackMB  = 256
	maxProcesses = 128 // threads: Go's and libvips's
	maxFiles     = 64
	tmpMB        = 4 // for fonts; nothing is written once the worker is hardened
)

// tmpPrefix begins the names of workers' directories for temporary files below level strict.
const tmpPrefix = "worker-"

// libraryInside is where a library that does not lie in /usr is at level strict.
const libraryInside = "/glassine/libvips.so"

// readable are what the C library, libvips and fontconfig read, where a machine has it.
var readable = []string{"/usr", "/etc/ld.so.cache", "/etc/alternatives", "/etc/fonts", "/var/cache/fontconfig"}

// systemLinks are directories or links into /usr.
var systemLinks = []string{"/bin", "/lib", "/lib32", "/lib64", "/libx32"}

// place says what a worker sees at this machine's level: programs and libraries, nothing of the data, no network. remove
// takes away what was made for it. The worker's own bound of CPU time ends it should the deadline ever fail to.
func (e *Engine) place(library string, svg bool) (spec confine.Spec, remove func(), err error) {
	spec = confine.Spec{
		Level: e.level, Self: true, Channel: true, Dir: "/", TmpMB: tmpMB,
		Env: append([]string{
			"HOME=/tmp", "TMPDIR=/tmp", "XDG_CACHE_HOME=/tmp", "LANG=C.UTF-8",
			"MALLOC_ARENA_MAX=2",        // fewer heaps, less memory held
			"VIPS_CONCURRENCY=1",        // one core for a job
			"VIPS_DISC_THRESHOLD=1000g", // never spill to files: memory is bounded
			"GOMAXPROCS=2",              // one for the job, one for the collector
			"GOMEMLIMIT=" + strconv.Itoa(e.cfg.MemoryMB/4) + "MiB", // Go holds the source and the result, C the pixels
		}, e.env...),
		Limits: confine.Limits{
			MemoryMB: e.cfg.MemoryMB, DataMB: e.cfg.MemoryMB + dataSlackMB, Processes: maxProcesses, Files: maxFiles, FileMB: tmpMB,
			CPUSeconds: 2 * e.cfg.MaxJobs * max(int(e.cfg.Timeout.Seconds()), 1),
		},
	}
	remove = func() {}
	if e.level == confine.Strict {
		for _, name := range readable {
			spec.Binds = append(spec.Binds, confine.Bind{From: name, To: name, Optional: true})
		}
		if !strings.HasPrefix(library, "/usr/") {
			spec.Binds = append(spec.Binds, confine.Bind{From: library, To: libraryInside})
			library = libraryInside
		}
		linkSystem(&spec)
	} else {
		tmp, err := os.MkdirTemp(e.cfg.Dir, tmpPrefix)
		if err != nil {
			return spec, nil, err
		}
		remove = func() { os.RemoveAll(tmp) }
		for i, v := range spec.Env {
			if name, ok := strings.CutSuffix(v, "=/tmp"); ok {
				spec.Env[i] = name + "=" + tmp
			}
		}
		spec.Write = []string{tmp}
		spec.Read = append(existing(slices.Concat(readable, systemLinks)), library)
	}
	spec.Args = []string{"glassine", workerName, string(e.level), library, strconv.FormatBool(svg)}
	return spec, remove, nil
}

// sweep makes the directory and removes what workers of an earlier run left in it.
func sweep(dir string) {
	if dir == "" {
		return
	}
	_ = os.MkdirAll(dir, 0o755)                                 // who needs it says what is wrong
	left, _ := filepath.Glob(filepath.Join(dir, tmpPrefix+"*")) // the pattern is good
	for _, name := range left {
		os.RemoveAll(name)
	}
}

// linkSystem makes the directories beside /usr what they are on this machine: links into it, or directories of their own.
func linkSystem(spec *confine.Spec) {
	spec.Links = map[string]string{}
	for _, name := range systemLinks {
		if target, err := os.Readlink(name); err == nil {
			spec.Links[name] = target
		} else if info, err := os.Stat(name); err == nil && info.IsDir() {
			spec.Binds = append(spec.Binds, confine.Bind{From: name, To: name})
		}
	}
}

// existing are the paths that there are: only those can be granted.
func existing(paths []string) []string {
	var out []string
	for _, p := range paths {
		if _, err := os.Stat(p); err == nil {
			out = append(out, p)
		}
	}
	return out
}
