package cache

import "iter"

// table finds entries by key: open addressing with linear probing, so that a lookup goes to one place in memory before it
// goes to the entry, however many there are. (Go's maps go to three.) It doubles when it is three quarters full.
type table struct {
	cells []cell // a power of two of them, or none
	n     int
}

// cell is empty without an entry.
type cell struct {
	hash  uint64
	entry *Entry
}

// home is where hash would best be. The low bits chose the shard.
func (t *table) home(hash uint64) int { return int(hash/shardCount) & (len(t.cells) - 1) }

func (t *table) next(i int) int { return (i + 1) & (len(t.cells) - 1) }

// get returns key's entry, or nil.
func (t *table) get(hash uint64, key []byte) *Entry {
	if t.n == 0 {
		return nil
	}
	for i := t.home(hash); ; i = t.next(i) {
		c := &t.cells[i]
		switch {
		case c.entry == nil:
			return nil
		case c.hash == hash && c.entry.key == string(key):
			return c.entry
		}
	}
}

// put puts e in the place of what its key had.
func (t *table) put(e *Entry) {
	if 4*(t.n+1) > 3*len(t.cells) {
		old := t.cells
		t.cells = make([]cell, max(8, 2*len(old)))
		for _, c := range old {
			if c.entry != nil {
				*t.place(c.hash, c.entry.key) = c
			}
		}
	}
	c := t.place(e.hash, e.key)
	if c.entry == nil {
		t.n++
	}
	*c = cell{e.hash, e}
}

// place returns the cell that key has or would have.
func (t *table) place(hash uint64, key string) *cell {
	for i := t.home(hash); ; i = t.next(i) {
		if c := &t.cells[i]; c.entry == nil || c.hash == hash && c.entry.key == key {
			return c
		}
	}
}

// remove takes e out and reports whether it was in.
func (t *table) remove(e *Entry) bool {
	if t.n == 0 {
		return false
	}
	i := t.home(e.hash)
	for t.cells[i].entry != e {
		if t.cells[i].entry == nil {
			return false
		}
		i = t.next(i)
	}
	t.n--
	// What lies behind moves up, if that is not before its home (Knuth, The Art of Computer Programming, volume 3, section
	// 6.4, algorithm R).
	for j := t.next(i); t.cells[j].entry != nil; j = t.next(j) {
		home := t.home(t.cells[j].hash)
		if (j-home)&(len(t.cells)-1) >= (j-i)&(len(t.cells)-1) {
			t.cells[i] = t.cells[j]
			i = j
		}
	}
	t.cells[i] = cell{}
	return true
}

// all goes over the entries. While it does, only the one that it gave may be removed, which may make it give others twice.
func (t *table) all() iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		for i := 0; i < len(t.cells); {
			e := t.cells[i].entry
			if e != nil && !yield(e) {
				return
			}
			if e == t.cells[i].entry {
				i++ // else it was removed, and there is another
			}
		}
	}
}
