package wire

import (
	"encoding/binary"
	"hash/crc32"
	"net/http"
)

// EventStream is an answer that is a stream of events: application/vnd.amazon.eventstream.
// (Smithy specification, "Amazon Event Stream Specification".)
type EventStream struct {
	w http.ResponseWriter
	b []byte // the event being made
}

// NewEventStream returns a stream over w. Nothing is written before Begin.
func NewEventStream(w http.ResponseWriter) *EventStream { return &EventStream{w: w} }

// Begin sends the head, so that the client knows that it is answered.
func (s *EventStream) Begin() {
	s.w.Header().Set("Content-Type", "application/vnd.amazon.eventstream")
	s.w.WriteHeader(http.StatusOK)
	s.flush()
}

// Send sends one event. payload is at most a few MB, and not kept.
func (s *EventStream) Send(kind, contentType string, payload []byte) error {
	var headers []byte
	for _, h := range [][2]string{{":message-type", "event"}, {":event-type", kind}, {":content-type", contentType}} {
		headers = append(headers, byte(len(h[0])))
		headers = append(headers, h[0]...)
		headers = append(headers, 7) // a string
		headers = binary.BigEndian.AppendUint16(headers, uint16(len(h[1])))
		headers = append(headers, h[1]...)
	}
	const frame = 4 + 4 + 4 + 4 // total length, headers' length, their CRC, the CRC of all
	b := binary.BigEndian.AppendUint32(s.b[:0], uint32(frame+len(headers)+len(payload)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(headers)))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	b = append(b, headers...)
	b = append(b, payload...)
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	s.b = b
	if _, err := s.w.Write(b); err != nil {
		return err
	}
	s.flush()
	return nil
}

func (s *EventStream) flush() {
	_ = http.NewResponseController(s.w).Flush() // one that cannot flush sends all at the end
}
