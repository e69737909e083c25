package pixel

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"

	"glassine/transform/pixel/render"
)

// Between the server and a worker go frames, one each way for a job: the length of a header in 4 bytes and of a body in 8,
// big-endian, then the header as JSON, then the body as it is. Both ends are the same program, so nothing names a version.
const prefixLen = 12

// Bounds of what a reader takes. A request comes from the server, which has bounded the source; the header holds watermarks.
const (
	maxRequestHeader  = 128 << 20
	maxRequestBody    = 1 << 30
	maxResponseHeader = 1 << 20
)

// hello is a worker's first frame.
type hello struct {
	Version string // of libvips
	Error   string // why this worker cannot work; "" when it can
	// Open says why a worker of level Process, where that is no error, is not hardened.
	Open string
}

// request is the header of a job; its body is the source.
type request struct{ Job render.Job }

// response is the header of an answer; its body is the result's.
type response struct {
	Result *render.Result
	Input  string // an InputError's text
	Error  string // any other error's
	// ResidentMB is the most memory that the worker ever held. It is what the worker says of itself.
	ResidentMB int
}

// writeFrame writes a frame whose header is at most limit bytes.
func writeFrame(w io.Writer, header any, body []byte, limit int) error {
	head, err := frameHead(header, len(body), limit)
	if err != nil {
		return err
	}
	if _, err := w.Write(head); err != nil {
		return err
	}
	_, err = w.Write(body)
	return err
}

// frameHead is a frame up to its body.
func frameHead(header any, body, limit int) ([]byte, error) {
	text, err := json.Marshal(header)
	if err != nil {
		return nil, err
	}
	if len(text) > limit {
		return nil, fmt.Errorf("the header of a frame has %d bytes, more than %d", len(text), limit)
	}
	head := make([]byte, prefixLen, prefixLen+len(text))
	binary.BigEndian.PutUint32(head, uint32(len(text)))
	binary.BigEndian.PutUint64(head[4:], uint64(body))
	return append(head, text...), nil
}

// readFrame reads a frame: its header into header, its body into buffer, which grows as needed. io.EOF is an end before it
// began; a length beyond the limits is an error before any memory is taken for it.
func readFrame(r io.Reader, header any, headerLimit int, buffer []byte, bodyLimit int64) ([]byte, error) {
	var prefix [prefixLen]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, err
	}
	headerLen, bodyLen := binary.BigEndian.Uint32(prefix[:]), binary.BigEndian.Uint64(prefix[4:])
	if int64(headerLen) > int64(headerLimit) || bodyLen > uint64(bodyLimit) {
		return nil, fmt.Errorf("a frame of %d and %d bytes, more than %d and %d", headerLen, bodyLen, headerLimit, bodyLimit)
	}
	text := make([]byte, headerLen)
	if err := readRest(r, text); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, header); err != nil {
		return nil, fmt.Errorf("header of a frame: %w", err)
	}
	if uint64(cap(buffer)) < bodyLen {
		buffer = make([]byte, bodyLen)
	}
	buffer = buffer[:bodyLen]
	return buffer, readRest(r, buffer)
}

// readRest fills b; an end in it is no end of frames.
func readRest(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return err
}
