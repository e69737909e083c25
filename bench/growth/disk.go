package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"glassine/edge/cache"
)

// tier is the configuration of the disk tier under o. It has room for what is written, so that nothing gives way.
func tier(o order) cache.Config {
	return cache.Config{Bytes: 64 << 20, Dir: o.Dir, DiskBytes: max(2*o.Bytes, 8<<30), SegmentBytes: 128 << 20}
}

// fill stores o.Objects, or as many as o.Bytes hold, and kills itself.
func fill(o order) error {
	c := cache.New(tier(o))
	if err := c.Disk().Err; err != nil {
		return err
	}
	body := make([]byte, o.Body)
	rnd := rand.NewChaCha8([32]byte{})
	_, _ = rnd.Read(body)
	begin := time.Now()
	n := 0
	for ; n < o.Objects || o.Objects == 0 && c.Disk().Bytes < o.Bytes; n++ {
		if len(body) >= 8 {
			binary.BigEndian.PutUint64(body, uint64(n))
		}
		if err := put(c, n, bytes.Clone(body)); err != nil {
			return err
		}
		if n%2000 == 1999 {
			if err := c.Flush(); err != nil { // or the queue would be full
				return err
			}
		}
	}
	if err := c.Flush(); err != nil {
		return err
	}
	s := c.Disk()
	if s.Err != nil || s.Unwritten > 0 {
		return fmt.Errorf("the tier did not take everything: %+v", s)
	}
	fmt.Printf("%9d objects of %d bytes, %.2f GB in %d real files, written in %.1f s\n", n, o.Body, float64(s.Bytes)/1e9, s.Segments, time.Since(begin).Seconds())
	return syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// killed reports whether err says that a child was killed.
func killed(err error) bool {
	e := &exec.ExitError{}
	if !errors.As(err, &e) {
		return false
	}
	status, ok := e.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

func start(o order) error {
	if err := forget(o.Dir); err != nil {
		return err
	}
	before := heap()
	begin := time.Now()
	c := cache.New(tier(o))
	took := time.Since(begin)
	defer c.Close()
	s := c.Disk()
	if s.Err != nil {
		return s.Err
	}
	grown := heap() - before
	fmt.Printf("%9d objects: started in %.0f ms, %.1f bytes of heap an object\n", s.Objects, took.Seconds()*1e3, float64(grown)/float64(s.Objects))
	var times []time.Duration
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 1000 {
		k := keyOf(rnd.IntN(s.Objects))
		begin := time.Now()
		v := c.Open(context.Background(), k)
		if v == nil {
			return fmt.Errorf("%q is not there", k.Bytes)
		}
		for !v.Complete() {
			if _, err := v.Next(context.Background()); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return err
			}
		}
		v.Close()
		times = append(times, time.Since(begin))
	}
	slices.Sort(times)
	fmt.Printf("          first reads of 1,000 of them: p50 %v, p99 %v\n", times[500].Round(time.Microsecond), times[990].Round(time.Microsecond))
	return nil
}

// forget drops the files of dir from the page cache, so that a start reads the device.
func forget(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		return err
	}
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = errors.Join(f.Sync(), unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED), f.Close())
		if err != nil {
			return err
		}
	}
	return nil
}
