package render

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"
	"time"
)

// childVariable makes the test binary a renderer that answers jobs, so that a crash in C ends it and not the test.
const childVariable = "GLASSINE_TEST_RENDER_CHILD"

// attempt is a job for the child, a JSON line; its answer is one of reply.
type attempt struct {
	Job    Job
	Source []byte
}

type reply struct {
	Body  []byte
	Error string
	Input bool
}

// child answers attempts until its standard input ends.
func child(library string) {
	r, err := Open(library, true)
	if err != nil {
		panic(err)
	}
	defer r.Close()
	in := json.NewDecoder(os.Stdin)
	for {
		var a attempt
		if err := in.Decode(&a); err != nil {
			return
		}
		var out reply
		result, err := r.Render(a.Job, a.Source)
		if err != nil {
			_, out.Input = errors.AsType[*InputError](err)
			out.Error = err.Error()
		} else {
			out.Body = result.Body
		}
		line, _ := json.Marshal(out)
		os.Stdout.Write(append(line, '\n'))
	}
}

// renderChild is a running child.
type renderChild struct {
	process *exec.Cmd
	in      io.WriteCloser
	out     *bufio.Reader
}

func startChild(t *testing.T) *renderChild {
	t.Helper()
	c := exec.Command(os.Args[0], "-test.run=^$")
	c.Env = append(os.Environ(), childVariable+"="+libvips(t), "TMPDIR="+t.TempDir())
	in, err := c.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return &renderChild{c, in, bufio.NewReader(out)}
}

func (c *renderChild) stop() {
	c.in.Close()
	c.process.Process.Kill()
	c.process.Wait()
}

// mutated changes some bytes of a file, cuts it, or repeats a part.
func mutated(random *rand.Rand, file []byte) []byte {
	out := bytes.Clone(file)
	switch random.IntN(5) {
	case 0:
		out = out[:random.IntN(len(out))]
	case 1:
		at := random.IntN(len(out))
		out = append(out[:at:at], out[at/2:]...)
	default:
		// Most of what a decoder believes stands in front.
		for range 1 + random.IntN(6) {
			limit := len(out)
			if random.IntN(2) == 0 {
				limit = min(limit, 120)
			}
			out[random.IntN(limit)] = byte(random.Uint32())
		}
	}
	return out
}

// Files that someone has tampered with. Whatever becomes of the process that reads one, no word of their metadata may come out
// of it, and every answer must be a picture or an error for the caller. The seed is the same in each run; a crash is logged, as
// it is libvips's.
func TestMutatedFiles(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 11))
	sources := tainted(t)
	sources["svg"] = []byte(drawing[:len(drawing)-6] + "<metadata>CANARY</metadata><desc>CANARY</desc></svg>")
	sizes := map[string][2]int64{"svg": {40, 30}}
	formats := []string{"jpeg", "png", "webp", "gif", "tiff"}
	c := startChild(t)
	defer func() { c.stop() }()
	deadline := time.Now().Add(5 * time.Second)
	rendered, refused, crashed := 0, 0, 0
	for i := 0; i < 600 && time.Now().Before(deadline); i++ {
		for source, file := range sources {
			size, ok := sizes[source]
			if !ok {
				size = [2]int64{60, 40}
			}
			a := attempt{Job{
				Source: source, SourceWidth: size[0], SourceHeight: size[1], Frames: 4, Width: 20 + 30*(i%2), Format: formats[i%len(formats)], Fast: true,
			}, mutated(random, file)}
			line, err := json.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.in.Write(append(line, '\n')); err != nil {
				t.Fatal(err)
			}
			answer, err := c.out.ReadBytes('\n')
			if err != nil {
				crashed++
				t.Logf("a %s ended the process: %s", source, base64.StdEncoding.EncodeToString(a.Source))
				c.stop()
				c = startChild(t)
				continue
			}
			var out reply
			if err := json.Unmarshal(answer, &out); err != nil {
				t.Fatalf("answer %.100q: %v", answer, err)
			}
			switch {
			case out.Error == "":
				rendered++
				if holdsCanary(out.Body) {
					t.Errorf("a canary of %s is in the %s: source %s", source, a.Job.Format, base64.StdEncoding.EncodeToString(a.Source))
				}
			case !out.Input:
				t.Errorf("a %s gives the program's error %q: source %s", source, out.Error, base64.StdEncoding.EncodeToString(a.Source))
			default:
				refused++
			}
		}
	}
	t.Logf("%d rendered, %d refused, %d crashes", rendered, refused, crashed)
	if rendered < 100 || refused < 100 {
		t.Errorf("%d rendered and %d refused: want at least a hundred of each, or nothing was tried", rendered, refused)
	}
}
