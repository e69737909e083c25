package cache

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// Whatever is put in and taken out, a table has what a map has. Few hashes make many collisions.
func TestTableIsAMap(t *testing.T) {
	for _, hashes := range []uint64{3, 100, 1 << 40} {
		rnd := rand.New(rand.NewPCG(hashes, 1))
		var got table
		want := map[string]*Entry{}
		hashOf := func(k string) uint64 { return diskHash(k) % hashes * shardCount }
		for range 20000 {
			k := fmt.Sprint(rnd.IntN(300))
			if rnd.IntN(2) == 0 {
				e := &Entry{key: k, hash: hashOf(k)}
				got.put(e)
				want[k] = e
				continue
			}
			e := want[k]
			if e == nil {
				e = &Entry{key: k, hash: hashOf(k)}
			}
			if removed := got.remove(e); removed != (want[k] != nil) {
				t.Fatalf("remove of %s: %v", k, removed)
			}
			delete(want, k)
		}
		n := 0
		for e := range got.all() {
			n++
			if want[e.key] != e {
				t.Fatalf("%s is in", e.key)
			}
		}
		for k, e := range want {
			if got.get(hashOf(k), []byte(k)) != e {
				t.Fatalf("%s is not in", k)
			}
		}
		if n != len(want) || got.n != n {
			t.Fatalf("%d entries, counted %d, want %d", n, got.n, len(want))
		}
		for e := range got.all() { // each may be removed as it comes
			got.remove(e)
		}
		if got.n != 0 {
			t.Fatalf("%d are left", got.n)
		}
	}
}
