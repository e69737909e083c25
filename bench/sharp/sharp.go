// Package sharp runs a benchmark's worker on sharp, the peer that pictures are compared with. It is for the programs of bench.
//
// Start at Start.
package sharp

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// Peer is a Node process that keeps running between orders, so that its start is not measured. Not safe for many goroutines.
type Peer struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner

	Node, Sharp, Vips string // versions, as the worker tells them
	// Concurrency is sharp's own default on this machine: threads for one image. 0 where the worker does not tell.
	Concurrency int
}

// Start runs the worker, a script of CommonJS, on the files, with the npm packages in modules. The worker writes a line of JSON
// with the versions, and then one for each line that it reads.
func Start(worker []byte, modules string, files []string) (*Peer, error) {
	if _, err := os.Stat(filepath.Join(modules, "sharp")); err != nil {
		return nil, fmt.Errorf("sharp is not in %s: run make deps (npm ci in e2e/node), from the top folder: %w", modules, err)
	}
	modules, err := filepath.Abs(modules)
	if err != nil {
		return nil, err
	}
	p := &Peer{cmd: exec.Command("node", append([]string{"-e", string(worker), "--"}, files...)...)}
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

func (p *Peer) receive(v any) error {
	if !p.out.Scan() {
		return fmt.Errorf("the Node worker ended: %w", p.out.Err())
	}
	return json.Unmarshal(p.out.Bytes(), v)
}

// Work gives the worker an order, waits, and decodes what it says into result; both are JSON's.
func (p *Peer) Work(order, result any) error {
	line, err := json.Marshal(order)
	if err != nil {
		return err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return err
	}
	return p.receive(result)
}

// Stop ends the worker.
func (p *Peer) Stop() {
	p.in.Close()
	_ = p.cmd.Wait() // it was told to end; how it did changes nothing
}
