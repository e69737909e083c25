package cache

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// versioned is an origin's object whose versions count up. A purge of version n having returned, settled is n or more.
type versioned struct {
	key              string
	tags             []string
	version, settled atomic.Int64
	pad              string
}

func (o *versioned) fill(context.Context, *Entry) (*Response, error) {
	body := fmt.Sprint(o.version.Load(), " ", o.pad)
	return &Response{
		Status: 200, Body: io.NopCloser(strings.NewReader(body)), Length: int64(len(body)),
		TTL: time.Hour, Store: true, Share: true, Tags: o.tags,
	}, nil
}

// change makes a new version and purges the old one, as the one who publishes it does.
func (o *versioned) change(c *Cache, how int) {
	v := o.version.Add(1)
	switch how {
	case 0:
		c.Purge(o.key)
	case 1:
		c.PurgeTag(o.tags[0])
	case 2:
		c.PurgePrefix(o.key)
	default:
		c.SoftPurge(o.key)
	}
	for {
		was := o.settled.Load()
		if was >= v || o.settled.CompareAndSwap(was, v) {
			return
		}
	}
}

// ask fetches o and reports whether it was a hit. The version must not be from before what was settled at the beginning.
func (o *versioned) ask(t *testing.T, c *Cache) bool {
	settled := o.settled.Load()
	v, err := c.Fetch(context.Background(), key(o.key), o.fill)
	if err != nil {
		t.Errorf("%s: %v", o.key, err)
		return false
	}
	body, err := read(context.Background(), v)
	var version int64
	number, pad, _ := strings.Cut(body, " ")
	if _, bad := fmt.Sscan(number, &version); bad != nil || err != nil || pad != o.pad {
		t.Errorf("%s: %d bytes, %v; want %d", o.key, len(body), err, len(o.pad))
	}
	if version < settled {
		t.Errorf("%s: version %d, %v, after the purge of what was before %d", o.key, version, v.How, settled)
	}
	return v.How == Hit
}

// Once a purge returned, no request that begins after it sees what was before, whichever tier it comes from, while
// everything around it is evicted, moved, dropped, refetched and swept, and after a restart.
func TestNoRequestSeesWhatWasPurgedBeforeIt(t *testing.T) {
	cfg := onDisk(t.TempDir())
	cfg.Bytes, cfg.MaxObject, cfg.DiskBytes, cfg.SegmentBytes = 512<<10, 128<<10, 3<<20, 256<<10
	objects := make([]*versioned, 60)
	for i := range objects {
		size := 4 << 10
		if i%4 == 0 {
			size = smallBody + 1000 // stays in its file
		}
		k := fmt.Sprint("/", i, "/")
		objects[i] = &versioned{key: k, tags: []string{"tag" + k}, pad: strings.Repeat(string(rune('a'+i%26)), size)}
	}
	var hits, changes, sweeps atomic.Int64
	c := newCache(t, cfg)
	for range 2 {
		var wg sync.WaitGroup
		var sweeping sync.Mutex // one at a time
		for w := range 4 {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(uint64(w), 7))
				for range 2000 {
					o := objects[rnd.IntN(len(objects))]
					if rnd.IntN(20) == 0 {
						o.change(c, rnd.IntN(4))
						if changes.Add(1)%8 == 0 && sweeping.TryLock() {
							c.sweep(c.purges.generation.Load())
							sweeps.Add(1)
							sweeping.Unlock()
						}
					}
					if o.ask(t, c) {
						hits.Add(1)
					}
				}
			})
		}
		wg.Wait()
		stats := c.Disk()
		t.Logf("%d hits, %d changes, %d sweeps, %+v", hits.Load(), changes.Load(), sweeps.Load(), stats)
		if hits.Load() == 0 || changes.Load() == 0 || sweeps.Load() == 0 || stats.Objects == 0 || stats.Err != nil || stats.Damaged > 0 {
			t.Error("the test shows nothing, or found damage")
		}
		c = restart(t, c, cfg)
	}
}
