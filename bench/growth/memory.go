package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"glassine/edge/cache"
)

// keyOf is the n-th object's key, as the edge makes them.
func keyOf(n int) cache.Key { return appendKey(nil, n) }

// appendKey makes keyOf(n) in b: a hit's key has just been made, and is in the processor's cache.
func appendKey(b []byte, n int) cache.Key {
	b = append(b, "dabcdefghijklm.cloudfront.net/images/000000000.jpg"...)
	for i := len(b) - len("0.jpg"); n > 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
	return cache.Key{Bytes: append(b, "\x00\x00br,gzip"...), Path: len(b)}
}

// put stores the n-th object with body under tags.
func put(c *cache.Cache, n int, body []byte, tags ...string) error {
	v, err := c.Fetch(context.Background(), keyOf(n), func(context.Context, *cache.Entry) (*cache.Response, error) {
		return &cache.Response{
			Status: 200, Body: io.NopCloser(bytes.NewReader(body)), Length: int64(len(body)), TTL: 24 * time.Hour, Store: true, Share: true,
			Header: map[string][]string{
				"Content-Type": {"image/jpeg"}, "Etag": {`"0123456789abcdef"`}, "Last-Modified": {"Wed, 21 Oct 2015 07:28:00 GMT"},
			},
			Tags: tags,
		}, nil
	})
	if err != nil {
		return err
	}
	defer v.Close()
	for err == nil && !v.Complete() {
		_, err = v.Next(context.Background())
	}
	if err == nil || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// heap is how many bytes are in use after a collection.
func heap() uint64 {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// filled returns a cache with o.Objects in memory, and its heap.
func filled(o order, tags ...string) (*cache.Cache, uint64, error) {
	before := heap()
	c := cache.New(cache.Config{Bytes: 1 << 40, MaxObject: 1 << 30, Dir: o.Dir})
	if err := c.Disk().Err; err != nil {
		return nil, 0, err
	}
	body := make([]byte, o.Body)
	for n := range o.Objects {
		if err := put(c, n, body, tags...); err != nil {
			return nil, 0, err
		}
	}
	// The last of them may still be on their way in.
	for deadline := time.Now().Add(time.Minute); c.Len() < o.Objects; {
		if time.Now().After(deadline) {
			return nil, 0, fmt.Errorf("%d of %d objects are stored", c.Len(), o.Objects)
		}
		runtime.Gosched()
	}
	if err := c.Flush(); err != nil {
		return nil, 0, err
	}
	return c, heap() - before, nil
}

const asked = 1 << 20 // lookups in a round

func hits(o order) error {
	c, bytes, err := filled(o)
	if err != nil {
		return err
	}
	defer c.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	same := make([]int, min(1000, o.Objects))
	for i := range same {
		same[i] = rnd.IntN(o.Objects)
	}
	some, any := make([]int, asked), make([]int, asked)
	zipf := rand.NewZipf(rnd, 1.01, 8, uint64(o.Objects-1))
	for i := range any {
		any[i] = rnd.IntN(o.Objects)
		some[i] = int(zipf.Uint64() * 7919 % uint64(o.Objects)) // the popular are not beside each other
	}
	var costs []float64
	for _, of := range [][]int{same, some, any} {
		cost, err := lookups(c, of)
		if err != nil {
			return err
		}
		costs = append(costs, cost)
	}
	fmt.Printf("%9d objects: same %4.0f ns, popular %4.0f ns, any %4.0f ns; %5.0f bytes of heap an object with a body of %d, %5.0f MB in all\n",
		o.Objects, costs[0], costs[1], costs[2], float64(bytes)/float64(o.Objects), o.Body, float64(bytes)/1e6)
	return nil
}

// lookups returns the nanoseconds of processor that one Lookup takes, the median of seven rounds.
func lookups(c *cache.Cache, of []int) (float64, error) {
	var k cache.Key
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var rounds []float64
	for range 7 {
		begin, err := processor()
		if err != nil {
			return 0, err
		}
		n := 0
		for n < asked {
			for _, i := range of {
				if k = appendKey(k.Bytes[:0], i); c.Lookup(k) == nil {
					return 0, fmt.Errorf("%q is not stored", k.Bytes)
				}
			}
			n += len(of)
		}
		end, err := processor()
		if err != nil {
			return 0, err
		}
		rounds = append(rounds, float64(end-begin)/float64(n))
	}
	slices.Sort(rounds)
	return rounds[len(rounds)/2], nil
}

// processor is how long this thread has run: unlike the clock it does not count what others take.
func processor() (time.Duration, error) {
	var u unix.Rusage
	err := unix.Getrusage(unix.RUSAGE_THREAD, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), err
}

func tag(o order) error {
	c, _, err := filled(o, "all")
	if err != nil {
		return err
	}
	defer c.Close()
	begin := time.Now()
	c.PurgeTag("all")
	took := time.Since(begin)
	begin = time.Now()
	const looks = 1000
	for i := range looks {
		if n := i * (o.Objects / looks); c.Lookup(keyOf(n)) != nil {
			return fmt.Errorf("object %d is there after the purge of its tag", n)
		}
	}
	looked := time.Since(begin) / looks
	where := "in memory"
	if o.Dir != "" {
		where = "in memory and on disk"
	}
	fmt.Printf("%9d objects %s: purge %v, a Lookup that finds it purged %v\n", o.Objects, where, took, looked)
	return nil
}
