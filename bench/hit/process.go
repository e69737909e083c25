package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// family returns pid and the processes below it.
func family(pid int) ([]int, error) {
	parents := map[int]int{}
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	for _, path := range stats {
		fields, err := stat(path)
		if err != nil {
			continue // it ended meanwhile
		}
		child, err1 := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		parent, err2 := strconv.Atoi(fields[1])
		if err := firstOf(err1, err2); err != nil {
			return nil, err
		}
		parents[child] = parent
	}
	var all []int
	for child := range parents {
		for p := child; p > 0; p = parents[p] {
			if p == pid {
				all = append(all, child)
				break
			}
		}
	}
	return all, nil
}

// stat returns the fields of a process from its state on: proc_pid_stat(5), field 3 and later.
func stat(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return nil, fmt.Errorf("%s: %q", path, text)
	}
	return fields, nil
}

// tick is the unit of utime and stime; Linux shows 100 a second to every program.
const tick = 10 * time.Millisecond

// cpu is the processor time that each of a server's processes has used.
func (s *server) cpu() (map[int]time.Duration, error) {
	pids, err := family(s.pid)
	if err != nil {
		return nil, err
	}
	used := map[int]time.Duration{}
	for _, pid := range pids {
		fields, err := stat(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it ended meanwhile
		}
		user, err1 := strconv.ParseInt(fields[11], 10, 64)
		system, err2 := strconv.ParseInt(fields[12], 10, 64)
		if err := firstOf(err1, err2); err != nil {
			return nil, err
		}
		used[pid] = time.Duration(user+system) * tick
	}
	return used, nil
}

// since is what the processes of now used since before.
func since(before, now map[int]time.Duration) (sum time.Duration) {
	for pid, used := range now {
		sum += used - before[pid]
	}
	return sum
}

// memory is what a server's processes have in memory, in bytes, what they share counted once. It is 0 where the kernel
// does not say.
func (s *server) memory() int64 {
	pids, err := family(s.pid)
	if err != nil {
		return 0
	}
	var sum int64
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0
		}
		kib, err := number(string(text), `(?m)^Pss:\s+([0-9]+) kB`)
		if err != nil {
			return 0
		}
		sum += int64(kib) << 10
	}
	return sum
}
