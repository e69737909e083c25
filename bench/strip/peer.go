package main

import (
	"bufio"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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

// peer is a Node process that keeps running between orders, so that its start is not measured.
type peer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner

	Node, Sharp, Vips string
	// Concurrency is sharp's own default on this machine: threads for one image.
	Concurrency int
}

// startPeer runs the worker on the files, with the npm packages in modules.
func startPeer(modules string, files []string) (*peer, error) {
	if _, err := os.Stat(filepath.Join(modules, "sharp")); err != nil {
		return nil, fmt.Errorf("sharp is not in %s: run make deps (npm ci in e2e/node), from the top folder: %w", modules, err)
	}
	modules, err := filepath.Abs(modules)
	if err != nil {
		return nil, err
	}
	p := &peer{cmd: exec.Command("node", append([]string{"-e", string(worker), "--"}, files...)...)}
	p.cmd.Env = append(os.Environ(), "NODE_PATH="+modules)
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewScanner(stdout)
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	return p, p.receive(p)
}

func (p *peer) receive(v any) error {
	if !p.out.Scan() {
		return fmt.Errorf("the Node worker ended: %w", p.out.Err())
	}
	return json.Unmarshal(p.out.Bytes(), v)
}

// work makes the peer re-encode all pictures repeat times, parallel of them at once. concurrency 0 is sharp's default.
func (p *peer) work(concurrency, parallel, repeat int) (result, error) {
	_, err := fmt.Fprintf(p.in, `{"concurrency":%d,"parallel":%d,"repeat":%d}`+"\n", concurrency, parallel, repeat)
	if err != nil {
		return result{}, err
	}
	var r result
	return r, p.receive(&r)
}

func (p *peer) stop() {
	p.in.Close()
	_ = p.cmd.Wait() // it was told to end; how it did changes nothing
}
