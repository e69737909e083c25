// Command growth measures what the edge's cache costs as it grows: a hit, looked up and over a connection, and the memory of an
// object with few and with many of them, the purge of a tag that many have, the index of the disk tier, and a start with a full disk tier.
//
//	go run ./bench/growth [-full] [-parts lookups,connections,purge,start] [-objects 1000,100000,5000000] [-tagged n] [-indexed n]
//	                      [-disk bytes] [-body bytes] [-dir path]
//
// Without flags it takes some minutes; -full is the sizes of the design: 5 million objects, a tag on 1 million, an index of 1 million,
// and 20 GB of real files below -dir, which is removed at the end. In 5 million lookups take about 8 GB of memory; connections ask
// an edge that is filled through itself, which has not been run at that size: 1.9 million took 3 minutes of processor and 5 GB on
// 2026-11-26, with two cores that others used too. Every measurement is a process of its own. It prints what it saw and judges nothing.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
)

// order is what a child process measures.
type order struct {
	What    string // a name in measurements
	Objects int
	Body    int   // bytes
	Bytes   int64 // of the disk tier
	Dir     string
}

var measurements = map[string]func(order) error{
	"hits":  hits,
	"edge":  serveEdge,
	"tag":   tag,
	"fill":  fill,
	"start": start,
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "measure" {
		var o order
		err := json.Unmarshal([]byte(os.Args[2]), &o)
		if err == nil {
			err = measurements[o.What](o)
		}
		exit(err)
	}
	full := flag.Bool("full", false, "the sizes of the design, for those that are not given")
	objects := flag.String("objects", "", "numbers of objects in memory")
	tagged := flag.Int("tagged", 0, "objects with the tag that is purged")
	indexed := flag.Int("indexed", 0, "small objects on disk whose index is measured")
	disk := flag.Int64("disk", 0, "bytes on disk at the start that is measured")
	body := flag.Int("body", 10<<10, "bytes of one body of these")
	dir := flag.String("dir", os.TempDir(), "where the files go")
	parts := flag.String("parts", "lookups,connections,purge,start", "what to measure")
	flag.Parse()
	some, n, index, bytes := "1000,10000,100000", 100000, 100000, int64(256<<20)
	if *full {
		some, n, index, bytes = "1000,100000,5000000", 1000000, 1000000, 20e9
	}
	if *objects == "" {
		*objects = some
	}
	if *tagged == 0 {
		*tagged = n
	}
	if *indexed == 0 {
		*indexed = index
	}
	if *disk == 0 {
		*disk = bytes
	}
	exit(func() error {
		sizes, err := integers(*objects)
		if err != nil {
			return err
		}
		return run(strings.Split(*parts, ","), sizes, *tagged, order{Objects: *indexed, Body: *body, Bytes: *disk, Dir: *dir})
	}())
}

func integers(list string) (all []int, err error) {
	for s := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is no number above 0", s)
		}
		all = append(all, n)
	}
	return all, nil
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/growth:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// run measures the parts. disk has how many small objects are indexed, and body, bytes and folder of the start with a full tier.
func run(parts []string, sizes []int, tagged int, disk order) error {
	fmt.Printf("%s, %d cores\n", runtime.Version(), runtime.NumCPU())
	for _, part := range parts {
		var err error
		switch part {
		case "lookups":
			err = allHits(sizes)
		case "connections":
			fmt.Printf("\nHits over connections: processor time of the edge's process for a request of HTTP/1.1, its loop, keys and\n"+
				"headers included; all objects alike. %d rounds of %v, the edges in turn.\n", loadRounds, loadTime)
			err = connections(sizes, 64)
		case "purge":
			err = allTags(tagged, disk.Dir)
		case "start":
			err = allStarts(disk)
		default:
			err = fmt.Errorf("unknown part %q", part)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func allHits(sizes []int) error {
	fmt.Println("\nHits: processor time of making a key and one Lookup of it; \"same\" asks for the same 1,000 objects,")
	fmt.Println("\"popular\" for all by Zipf's law, \"any\" for all alike.")
	for _, n := range sizes {
		if err := measure(order{What: "hits", Objects: n, Body: 64}); err != nil {
			return err
		}
	}
	return nil
}

func allTags(tagged int, dir string) error {
	fmt.Println("\nPurge of a tag: time of one PurgeTag of a tag that all objects have, and of the Lookups after it.")
	for _, n := range []int{min(1000, tagged), tagged} {
		for _, to := range []string{"", dir} {
			if err := within(to, func(dir string) error {
				return measure(order{What: "tag", Objects: n, Body: 64, Dir: dir})
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

func allStarts(disk order) error {
	fmt.Println("\nStart: time of New with what a killed process left (its last segment has no contents), then with what a closed one left.")
	for _, o := range []order{{Objects: disk.Objects, Body: 64}, {Body: disk.Body, Bytes: disk.Bytes}} {
		if err := within(disk.Dir, func(dir string) error {
			o.Dir = dir
			return starts(o)
		}); err != nil {
			return err
		}
	}
	return nil
}

// starts fills a directory and starts on it.
func starts(o order) error {
	o.What = "fill"
	if err := measure(o); err != nil && !killed(err) {
		return err
	}
	o.What = "start"
	for range 2 {
		if err := measure(o); err != nil {
			return err
		}
	}
	return nil
}

// within calls f with a new folder below dir, which it removes; with "" if dir is "".
func within(dir string, f func(string) error) error {
	if dir == "" {
		return f("")
	}
	dir, err := os.MkdirTemp(dir, "glassine-bench-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return f(dir)
}

// measure has a child process carry out o.
func measure(o order) error {
	b, err := json.Marshal(o)
	if err != nil {
		return err
	}
	cmd := exec.Command(os.Args[0], "measure", string(b))
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd.Run()
}
