package http2

import "fmt"

// code is an error code (RFC 9113, section 7).
type code uint32

const (
	noError code = iota
	protocolError
	internalError
	flowControlError
	settingsTimeout
	streamClosed
	frameSizeError
	refusedStream
	cancelled
	compressionError
	connectError
	enhanceYourCalm
)

// connError ends the connection with a GOAWAY (RFC 9113, section 5.4.1).
type connError struct {
	code   code
	reason string
}

func (e connError) Error() string { return fmt.Sprintf("HTTP/2 error %d: %s", e.code, e.reason) }

// streamError ends a stream with RST_STREAM (RFC 9113, section 5.4.2).
type streamError struct {
	stream uint32
	code   code
	reason string
}

func (e streamError) Error() string {
	return fmt.Sprintf("HTTP/2 error %d on stream %d: %s", e.code, e.stream, e.reason)
}
