package pixel

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"

	"glassine/confine"
	"glassine/transform/pixel/render"
)

// workerName is the first argument of this program when it is a worker; what follows are the level, the library's file, and
// whether it reads SVG.
const workerName = "glassine-pixel-worker"

// keepBuffer is the largest buffer for sources that a worker keeps from job to job.
const keepBuffer = 16 << 20

// renderer is what a worker works with.
type renderer interface {
	Render(job render.Job, source []byte) (*render.Result, error)
	PrepareFonts() error
	Version() string
}

// Main does a worker's work when this process was started for it, and then does not return. In any other process it returns
// false at once. Programs call it first thing in their main.
func Main() bool {
	if confine.Main() {
		return true
	}
	return work(func(library string, svg bool) (renderer, error) { return render.Open(library, svg) })
}

func work(open func(library string, svg bool) (renderer, error)) bool {
	if len(os.Args) != 5 || os.Args[1] != workerName {
		return false
	}
	svg, err := strconv.ParseBool(os.Args[4])
	if err == nil {
		err = serve(os.NewFile(confine.ChannelFD, "channel"), confine.Level(os.Args[2]), os.Args[3], svg, open)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
	return true
}

// serve does jobs until the server closes the channel.
func serve(channel io.ReadWriter, level confine.Level, library string, svg bool, open func(string, bool) (renderer, error)) error {
	r, err := open(library, svg)
	if err != nil {
		return writeFrame(channel, hello{Error: err.Error()}, nil, maxResponseHeader)
	}
	if err := r.PrepareFonts(); err != nil { // there is no writing later
		return writeFrame(channel, hello{Error: err.Error()}, nil, maxResponseHeader)
	}
	h := hello{Version: r.Version()}
	if err := confine.Harden(); err != nil && level != confine.Process {
		return writeFrame(channel, hello{Error: fmt.Sprintf("harden worker: %v", err)}, nil, maxResponseHeader)
	} else if err != nil {
		h.Open = err.Error()
	}
	if err := writeFrame(channel, h, nil, maxResponseHeader); err != nil {
		return err
	}
	var buffer []byte
	for {
		var q request
		source, err := readFrame(channel, &q, maxRequestHeader, buffer, maxRequestBody)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read job: %w", err)
		}
		answer, body := do(r, q.Job, source)
		if err := writeFrame(channel, answer, body, maxResponseHeader); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
		if buffer = source; cap(buffer) > keepBuffer {
			buffer = nil
		}
	}
}

func do(r renderer, job render.Job, source []byte) (response, []byte) {
	var answer response
	var body []byte
	result, err := r.Render(job, source)
	input, isInput := errors.AsType[*render.InputError](err)
	switch {
	case isInput:
		answer.Input = input.Reason
	case err != nil:
		answer.Error = err.Error()
	default:
		answer.Result, body = result, result.Body
	}
	answer.ResidentMB = resident()
	return answer, body
}

// resident is the most memory that this process ever held, in MB. (getrusage(2): ru_maxrss is in KiB.)
func resident() int {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return int(usage.Maxrss >> 10)
}
