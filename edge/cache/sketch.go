package cache

// sketch estimates how often keys were asked for lately: a count-min sketch of four rows whose counters have 4 bits and
// are halved after every ten additions for each key it is made for. (Einziger, Friedman, Manes: "TinyLFU: a highly
// efficient cache admission policy", ACM Transactions on Storage 13(4), 2017.) It is for one goroutine at a time.
type sketch struct {
	// words has a power of two of them. Each has four counters of each row, row r in bits 16r to 16r+15.
	words []uint64
	added int // since the last halving
}

const mostCounted = 15 // what a counter holds

// fit makes room for n keys. Growing forgets what was counted, as it would be of the wrong places.
func (s *sketch) fit(n int) {
	size := max(64, len(s.words))
	for size < n {
		size *= 2
	}
	if size != len(s.words) {
		*s = sketch{words: make([]uint64, size)}
	}
}

// place returns the word and the bit at which row r counts hash.
func (s *sketch) place(hash uint64, r int) (word int, bit uint) {
	h := (hash + uint64(r)*0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
	h ^= h >> 32
	return int(h & uint64(len(s.words)-1)), uint(r)*16 + uint(h>>30&3)*4
}

// estimate returns about how often hash was counted, 0 to 15: rarely too much, never too little but for the halvings.
func (s *sketch) estimate(hash uint64) uint32 {
	n := uint32(mostCounted)
	for r := range 4 {
		word, bit := s.place(hash, r)
		n = min(n, uint32(s.words[word]>>bit&mostCounted))
	}
	return n
}

// add counts hash n times. Only the counters that are too small for it move, which keeps the estimates of others low.
func (s *sketch) add(hash uint64, n uint32) {
	want := uint64(min(s.estimate(hash)+n, mostCounted))
	for r := range 4 {
		word, bit := s.place(hash, r)
		if s.words[word]>>bit&mostCounted < want {
			s.words[word] = s.words[word]&^(mostCounted<<bit) | want<<bit
		}
	}
	if s.added += int(n); s.added < 10*len(s.words) {
		return
	}
	s.added /= 2
	for i, w := range s.words {
		s.words[i] = w >> 1 & 0x7777777777777777
	}
}
