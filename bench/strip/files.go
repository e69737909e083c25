package main

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

//go:embed files.cjs
var filesWorker string

// usage is what a process used.
type usage struct {
	Wall, CPU time.Duration
	// Peak is its largest resident set in bytes.
	Peak int64
}

// measuring is the environment variable with which this program runs the command of its arguments, prints its usage and does nothing
// else. Linux counts the memory of whoever starts a process as the process's own, so a small one must start it.
const measuring = "GLASSINE_BENCH_MEASURE"

// measure runs the command args and writes its usage as JSON to standard output.
func measure(args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", args[0], err, out.Bytes())
	}
	wall := time.Since(start)
	r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return errors.New("this system does not tell what a process used")
	}
	return json.NewEncoder(os.Stdout).Encode(usage{wall, time.Duration(r.Utime.Nano() + r.Stime.Nano()), r.Maxrss * 1024}) // Linux counts in KiB
}

// measured runs cmd through measure.
func measured(cmd *exec.Cmd) (u usage, err error) {
	self, err := os.Executable()
	if err != nil {
		return u, err
	}
	outer := exec.Command(self, cmd.Args...)
	outer.Env = append(cmd.Environ(), measuring+"=1")
	outer.Stderr = os.Stderr
	text, err := outer.Output()
	if err != nil {
		return u, err
	}
	return u, json.Unmarshal(text, &u)
}

// fileTool strips files into a folder: commands returns the processes that do it, one after the other.
type fileTool struct {
	name     string
	commands func(files []string, out string) []*exec.Cmd
}

// fileResult is one measured run of a tool. CPU and memory are of its processes, starts included.
type fileResult struct {
	wall, cpu time.Duration
	// peak is the largest resident set of one of its processes, in bytes.
	peak int64
	// bytes is the size of all results.
	bytes int64
}

// fileTools returns ours, built from this module, and its peers. A peer that is not installed is an error that says how to get it.
func fileTools(dir, modules string) ([]fileTool, error) {
	binary := filepath.Join(dir, "glassine")
	build := exec.Command("go", "build", "-o", binary, "./cmd/glassine")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("build ./cmd/glassine, from the top folder: %w", err)
	}
	modules, err := filepath.Abs(modules)
	if err != nil {
		return nil, err
	}
	for tool, packageName := range map[string]string{"exiftool": "libimage-exiftool-perl", "jpegtran": "libjpeg-turbo-progs", "node": "nodejs"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%s is a peer of this benchmark: apt-get install %s: %w", tool, packageName, err)
		}
	}
	one := func(name string, args ...string) []*exec.Cmd { return []*exec.Cmd{exec.Command(name, args...)} }
	return []fileTool{
		{"glassine strip", func(files []string, out string) []*exec.Cmd {
			cmds := one(binary, append([]string{"strip", "--jobs", "1", "--out", out}, files...)...)
			cmds[0].Env = append(os.Environ(), "GOMAXPROCS=1")
			return cmds
		}},
		{"exiftool -all=", func(files []string, out string) []*exec.Cmd {
			return one("exiftool", append([]string{"-q", "-q", "-m", "-all=", "-o", out + "/"}, files...)...)
		}},
		{"jpegtran -copy none", func(files []string, out string) (cmds []*exec.Cmd) {
			for _, f := range files {
				cmds = append(cmds, exec.Command("jpegtran", "-copy", "none", "-outfile", filepath.Join(out, filepath.Base(f)), f))
			}
			return cmds
		}},
		{"sharp", func(files []string, out string) []*exec.Cmd {
			cmds := one("node", append([]string{"-e", filesWorker, "--", out}, files...)...)
			cmds[0].Env = append(os.Environ(), "NODE_PATH="+modules)
			return cmds
		}},
	}, nil
}

// compareFiles runs all tools in turn, rounds times, and prints medians and ratios to ours, which is the first.
func compareFiles(dir, modules string, files []string) error {
	tools, err := fileTools(dir, modules)
	if err != nil {
		return err
	}
	copies, err := copyFiles(files, filepath.Join(dir, "in"))
	if err != nil {
		return err
	}
	fmt.Printf("\nfrom file to file: %d files, one thread each, starts of processes included; glassine syncs each result to the disk, the others do not\n", len(copies))
	results := make([][]fileResult, len(tools))
	for round := range *rounds + 1 {
		for i, tool := range tools {
			r, err := tool.run(copies, filepath.Join(dir, "out"))
			if err != nil {
				return fmt.Errorf("%s: %w", tool.name, err)
			}
			if round > 0 { // the first warms up
				results[i] = append(results[i], r)
			}
		}
	}
	n := float64(len(copies))
	perSecond := func(r fileResult) float64 { return n / r.wall.Seconds() }
	cpuMS := func(r fileResult) float64 { return 1000 * r.cpu.Seconds() / n }
	peakMB := func(r fileResult) float64 { return float64(r.peak) / 1e6 }
	fmt.Printf("%-20s %10s %14s %10s %10s   %s\n", "medians", "images/s", "CPU ms/image", "peak MB", "out MB", "ours is: images/s, CPU, peak")
	for i, tool := range tools {
		a, b, c := median(results[i], perSecond), median(results[i], cpuMS), median(results[i], peakMB)
		fmt.Printf("%-20s %10.1f %14.2f %10.1f %10.1f", tool.name, a, b, c, float64(results[i][0].bytes)/1e6)
		if i > 0 {
			fmt.Printf("   %.1fx, %.1fx less, %.1fx less", median(results[0], perSecond)/a, b/median(results[0], cpuMS), c/median(results[0], peakMB))
		}
		fmt.Println()
	}
	return nil
}

// copyFiles makes four copies of each file, so that starts of processes weigh less.
func copyFiles(files []string, dir string) (copies []string, err error) {
	if err := os.Mkdir(dir, 0o777); err != nil {
		return nil, err
	}
	for i := range 4 {
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				return nil, err
			}
			name := filepath.Join(dir, fmt.Sprintf("%d-%s", i, filepath.Base(f)))
			if err := os.WriteFile(name, b, 0o666); err != nil {
				return nil, err
			}
			copies = append(copies, name)
		}
	}
	return copies, nil
}

// run strips the files once, into a folder that is new.
func (t fileTool) run(files []string, out string) (r fileResult, err error) {
	if err := os.RemoveAll(out); err != nil {
		return r, err
	}
	if err := os.Mkdir(out, 0o777); err != nil {
		return r, err
	}
	cmds := t.commands(files, out)
	for _, cmd := range cmds {
		u, err := measured(cmd)
		if err != nil {
			return r, err
		}
		r.wall += u.Wall
		r.cpu += u.CPU
		r.peak = max(r.peak, u.Peak)
	}
	entries, err := os.ReadDir(out)
	if err != nil {
		return r, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return r, err
		}
		r.bytes += info.Size()
	}
	if len(entries) != len(files) {
		return r, fmt.Errorf("wrote %d files of %d", len(entries), len(files))
	}
	return r, nil
}
