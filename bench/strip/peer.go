package main

import (
	_ "embed"

	"glassine/bench/sharp"
)

//go:embed worker.cjs
var worker []byte

// result is one measured piece of work.
type result struct {
	Images int     `json:"images"`
	Bytes  int64   `json:"bytes"`
	Wall   float64 `json:"wall"` // seconds
	CPU    float64 `json:"cpu"`  // seconds, user and system
}

func (r result) perSecond() float64 { return float64(r.Images) / r.Wall }
func (r result) cpuMS() float64     { return 1000 * r.CPU / float64(r.Images) }

// resave makes the peer re-encode all pictures repeat times, parallel of them at once. concurrency 0 is sharp's default.
func resave(p *sharp.Peer, concurrency, parallel, repeat int) (r result, err error) {
	err = p.Work(map[string]int{"concurrency": concurrency, "parallel": parallel, "repeat": repeat}, &r)
	return r, err
}
