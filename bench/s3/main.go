// Command s3 compares glassine's S3 endpoint with versitygw's posix gateway, on this machine in one run.
//
//	go run ./bench/s3 [-rounds 5] [-d 2s] [-keys 100000] [-dir DIR]
//
// Each is a process of its own with its data on the same file system, asked over plaintext HTTP/1.1 with keep-alive. In every
// round each is asked in turn, the order changing from round to round:
//
//   - GET by wrk, of presigned URLs of 64 objects (8 of 5 MiB);
//   - PUT by a client that writes requests which were signed beforehand to bare connections, each of a new key;
//   - list: all keys of a bucket by ListObjectsV2, 1000 at a time, one page after the other. They were put before, each to a
//     directory of 1000 where the server keeps them in directories.
//
// glassine has two buckets, one encrypted at rest as new buckets are, one not. versitygw does not encrypt, and it does not
// flush: what it has acknowledged is in memory. So after each measurement of PUTs the file system is flushed, which is timed
// beside it. Printed are the medians of the rounds, and the ratios to versitygw. It judges nothing.
//
// It needs the Debian package wrk.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "rounds, of which the median counts")
	flag.DurationVar(&o.duration, "d", 2*time.Second, "duration of one measurement of GETs")
	flag.IntVar(&o.keys, "keys", 100_000, "keys of the bucket that is listed")
	flag.StringVar(&o.dir, "dir", "", "where to put the data for the time of the run, on a disk; empty means the system's temporary directory")
	flag.StringVar(&o.glassine, "glassine", "", "the glassine to measure; empty means to build it")
	flag.StringVar(&o.versitygw, "versitygw", "", "the versitygw to measure; empty means to build it")
	flag.BoolVar(&o.readOnly, "get", false, "measure only GET and list")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, o)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/s3:", err)
		os.Exit(1)
	}
}

type options struct {
	rounds, keys             int
	duration                 time.Duration
	dir, glassine, versitygw string
	readOnly                 bool
}

// plainName is the side of ours that does not encrypt.
const plainName = "glassine, not encrypted"

// side is one of those that are compared: a bucket of a server.
type side struct {
	*server
	name, bucket string
}

func run(ctx context.Context, o options) error {
	if _, err := exec.LookPath("wrk"); err != nil {
		return fmt.Errorf("wrk is missing: install the Debian package wrk")
	}
	dir, err := os.MkdirTemp(o.dir, "glassine-bench-s3-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	fs, err := fileSystem(dir)
	if err != nil {
		return err
	}
	ours, err := startGlassine(ctx, dir, o.glassine)
	if err != nil {
		return err
	}
	defer ours.stop()
	peer, err := startVersitygw(ctx, dir, o.versitygw)
	if err != nil {
		return err
	}
	defer peer.stop()
	sides := []side{{ours, "glassine", encryptedBucket}, {ours, plainName, plainBucket}, {peer, "versitygw", plainBucket}}
	fmt.Printf("glassine   %s, GOMAXPROCS and GC as they come, no access log\n", runtime.Version())
	fmt.Printf("versitygw  %s, posix, keep-alive, no request log\n", peer.version)
	fmt.Printf("data       %s on %s\n", dir, fs)
	fmt.Printf("load       wrk -t1, %v for each GET; %d rounds; %d cores, which the load shares\n", o.duration, o.rounds, runtime.NumCPU())

	for _, s := range sides {
		if err := prepare(s, dir); err != nil {
			return err
		}
	}
	fmt.Printf("\nFilling the buckets that are listed with %d keys\n", o.keys)
	for _, s := range listed(sides) {
		if err := fillListed(s, o.keys); err != nil {
			return err
		}
	}
	results, err := measure(ctx, o, sides, dir)
	if err != nil {
		return err
	}
	report(results, sides)
	return nil
}

// fileSystem names the file system of dir, and refuses one in memory, where a flush costs nothing.
func fileSystem(dir string) (string, error) {
	var info syscall.Statfs_t
	if err := syscall.Statfs(dir, &info); err != nil {
		return "", err
	}
	name := map[int64]string{0xef53: "ext4", 0x58465342: "xfs", 0x9123683e: "btrfs", 0x2fc12fc1: "zfs", 0x794c7630: "overlayfs"}[info.Type]
	switch {
	case info.Type == 0x01021994:
		return "", fmt.Errorf("%s is in memory, where a flush costs nothing: name a directory on a disk with -dir", dir)
	case name == "":
		name = fmt.Sprintf("a file system of type %#x", info.Type)
	}
	return name, nil
}

// cell is one figure's place.
type cell struct {
	operation         string
	size, connections int
	side              string
}

// sample is one measurement.
type sample struct {
	rate         float64       // requests, of a list keys, a second
	requests     float64       // that were answered, of a list 1000 keys each
	middle, high time.Duration // the 50th and the 99th percentile of a request
	cpu          time.Duration // of the server's process, user and system, for a request, of a list for 1000 keys
	flush        time.Duration // of the file system, after PUTs
}

const list = "list"

// listed are the sides whose keys are listed: encryption makes no difference to a list.
func listed(sides []side) []side {
	return slices.DeleteFunc(slices.Clone(sides), func(s side) bool { return s.name == plainName })
}

var (
	sizes       = []int{4 << 10, 100 << 10, 5 << 20}
	connections = []int{1, 16}
)

// puts is how many objects of a size one measurement puts.
func puts(size, connections int) int {
	n := map[int]int{4 << 10: 400, 100 << 10: 200, 5 << 20: 10}[size]
	if connections > 1 {
		n *= 4
	}
	return n
}

func measure(ctx context.Context, o options, sides []side, dir string) (map[cell][]sample, error) {
	results := map[cell][]sample{}
	for round := range o.rounds {
		fmt.Printf("Round %d of %d\n", round+1, o.rounds)
		order := slices.Clone(sides)
		if round%2 == 1 {
			slices.Reverse(order)
		}
		take := func(operation string, size, conns int, f func(side) (sample, error)) error {
			of := order
			if operation == list {
				of = listed(order)
			}
			for _, s := range of {
				before := s.cpuTime()
				got, err := f(s)
				got.cpu = time.Duration(float64(s.cpuTime()-before) / got.requests)
				if err != nil {
					return fmt.Errorf("%s of %s on %s: %w", operation, sizeName(size), s.name, err)
				}
				c := cell{operation, size, conns, s.name}
				results[c] = append(results[c], got)
			}
			return nil
		}
		for _, size := range sizes {
			for _, conns := range connections {
				err := take("GET", size, conns, func(s side) (sample, error) { return get(ctx, s, dir, size, conns, o.duration) })
				if err == nil && !o.readOnly {
					err = take("PUT", size, conns, func(s side) (sample, error) { return put(s, dir, round, size, conns) })
				}
				if err != nil {
					return nil, err
				}
			}
		}
		if err := take(list, 0, 1, func(s side) (sample, error) { return listAll(s, o.keys) }); err != nil {
			return nil, err
		}
	}
	return results, nil
}

func sizeName(size int) string {
	if size >= 1<<20 {
		return fmt.Sprint(size>>20, " MiB")
	}
	return fmt.Sprint(size>>10, " KiB")
}
