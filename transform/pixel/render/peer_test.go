package render

import (
	"bufio"
	"encoding/json"
	"image"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"
)

// peer is a node process with sharp, one for all tests.
type peer struct {
	mu    sync.Mutex // guards what follows: one question at a time
	in    io.WriteCloser
	out   *bufio.Reader
	child *exec.Cmd
}

var sharpPeer peer

// question is one for testdata/peer.cjs.
type question struct {
	Input   []byte         `json:"input"`
	Options map[string]any `json:"options,omitempty"`
	Steps   [][]any        `json:"steps,omitempty"`
	Want    string         `json:"want"`
}

// about is sharp's metadata.
type about struct {
	Error         string
	Data          []byte
	Format        string
	Width, Height int
	Channels      int
	Pages         int
	PageHeight    int
	Loop          int
	Delay         []int
	Space         string
	IsProgressive bool
	HasProfile    bool
	HasAlpha      bool
	Orientation   int
	Exif, XMP     int
	Icc           int
}

// sharp asks; an answer with an error ends the test.
func sharp(t testing.TB, q question) about {
	t.Helper()
	sharpPeer.mu.Lock()
	defer sharpPeer.mu.Unlock()
	if sharpPeer.child == nil {
		if _, err := os.Stat("../../../e2e/node/node_modules/sharp"); err != nil {
			t.Fatal("there is no sharp: run \"sh e2e/deps.sh test\"")
		}
		child := exec.Command("node", "testdata/peer.cjs")
		child.Stderr = os.Stderr
		in, err := child.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		sharpPeer.in, sharpPeer.out, sharpPeer.child = in, bufio.NewReader(out), child
	}
	line, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sharpPeer.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	reply, err := sharpPeer.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("sharp ended: %v", err)
	}
	var a about
	if err := json.Unmarshal(reply, &a); err != nil {
		t.Fatalf("sharp answered %.200q: %v", reply, err)
	}
	if a.Error != "" {
		t.Fatalf("sharp: %s", a.Error)
	}
	return a
}

// close ends the process.
func (p *peer) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.child != nil {
		p.in.Close()
		p.child.Wait()
		p.child = nil
	}
}

// sharpPixels are sharp's pixels of a file after steps.
func sharpPixels(t testing.TB, input []byte, steps ...[]any) *image.NRGBA {
	t.Helper()
	a := sharp(t, question{Input: input, Steps: steps, Want: "raw"})
	return &image.NRGBA{Pix: a.Data, Stride: 4 * a.Width, Rect: image.Rect(0, 0, a.Width, a.Height)}
}

// sharpFile is what sharp makes of a file.
func sharpFile(t testing.TB, input []byte, steps ...[]any) []byte {
	t.Helper()
	return sharp(t, question{Input: input, Steps: steps, Want: "file"}).Data
}

// inspect is sharp's metadata of a file, with all frames.
func inspect(t testing.TB, file []byte) about {
	t.Helper()
	return sharp(t, question{Input: file, Options: map[string]any{"pages": -1}, Want: "about"})
}

// difference is the mean of the differences of all values of two pictures of one size, 0 to 255; colours of transparent pixels
// count by their alpha.
func difference(t testing.TB, got, want image.Image) float64 {
	t.Helper()
	if got.Bounds().Size() != want.Bounds().Size() {
		t.Fatalf("size = %v, want %v", got.Bounds().Size(), want.Bounds().Size())
	}
	size := got.Bounds().Size()
	var sum float64
	for y := range size.Y {
		for x := range size.X {
			r, g, b, a := got.At(got.Bounds().Min.X+x, got.Bounds().Min.Y+y).RGBA()
			r2, g2, b2, a2 := want.At(want.Bounds().Min.X+x, want.Bounds().Min.Y+y).RGBA()
			for _, d := range [][2]uint32{{r, r2}, {g, g2}, {b, b2}, {a, a2}} {
				sum += float64(max(d[0], d[1])-min(d[0], d[1])) / 257
			}
		}
	}
	return sum / float64(4*size.X*size.Y)
}
