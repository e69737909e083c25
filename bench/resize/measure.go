package main

import (
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

//go:embed worker.cjs
var worker []byte

// result is one measured piece of work.
type result struct {
	Images int     `json:"images"`
	Bytes  int64   `json:"bytes"`
	Wall   float64 `json:"wall"` // seconds
	CPU    float64 `json:"cpu"`  // seconds, user and system, of all processes
	PeakMB float64 `json:"peakMB"`
}

func (r result) perSecond() float64 { return float64(r.Images) / r.Wall }
func (r result) cpuMS() float64     { return 1000 * r.CPU / float64(r.Images) }
func (r result) kilobytes() float64 { return float64(r.Bytes) / 1000 / float64(r.Images) }

// tree is this process and those below it, without the peer's.
func tree() []int {
	pids := []int{os.Getpid()}
	for i := 0; i < len(pids); i++ {
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pids[i]))
		for _, t := range tasks {
			b, _ := os.ReadFile(t) // a thread that is gone has none
			for f := range strings.FieldsSeq(string(b)) {
				pid, err := strconv.Atoi(f)
				if line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err == nil && strings.TrimSpace(string(line)) != "node" {
					pids = append(pids, pid)
				}
			}
		}
	}
	return pids
}

// cpuOfTree is the user and system time of the tree, in seconds, to a hundredth. (proc_pid_stat(5).)
func cpuOfTree() float64 {
	ticks := 0
	for _, pid := range tree() {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if len(f) < 13 {
			continue
		}
		user, _ := strconv.Atoi(f[11])
		system, _ := strconv.Atoi(f[12])
		ticks += user + system
	}
	return float64(ticks) / 100
}

// peakOfTree is the sum of the most memory that each process of the tree had, in MB.
func peakOfTree() float64 {
	total := 0.0
	for _, pid := range tree() {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				kb, _ := strconv.Atoi(strings.Fields(rest)[0])
				total += float64(kb) / 1024
			}
		}
	}
	return total
}
