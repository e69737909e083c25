package http2

import "encoding/binary"

// frameType is a frame's type (RFC 9113, section 6).
type frameType uint8

const (
	frameData frameType = iota
	frameHeaders
	framePriority
	frameReset
	frameSettings
	framePushPromise
	framePing
	frameGoAway
	frameWindowUpdate
	frameContinuation
)

// Flags of frames; the first is END_STREAM or ACK by the frame's type.
const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// Settings (RFC 9113, section 6.5.2).
const (
	settingEnablePush    = 2
	settingMaxStreams    = 3
	settingInitialWindow = 4
	settingMaxFrame      = 5
	settingMaxHeaderList = 6
)

const (
	headerSize    = 9       // of a frame
	maxFrame      = 1 << 14 // the longest payload that we take and send, which every peer takes (RFC 9113, section 4.2)
	largestFrame  = 1<<24 - 1
	maxWindow     = 1<<31 - 1
	defaultWindow = 65535 // of both sides until something else is said (RFC 9113, section 6.9.2)
)

// preface is what a client sends first (RFC 9113, section 3.4).
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// frame is a frame's header.
type frame struct {
	length int // of the payload in bytes
	kind   frameType
	flags  uint8
	stream uint32
}

func (f frame) has(flag uint8) bool { return f.flags&flag != 0 }

// parseFrame reads a frame's header; b has headerSize bytes.
func parseFrame(b []byte) frame {
	_ = b[headerSize-1]
	return frame{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]), kind: frameType(b[3]), flags: b[4],
		stream: binary.BigEndian.Uint32(b[5:]) &^ (1 << 31),
	}
}

// appendFrame appends a frame's header.
func appendFrame(b []byte, f frame) []byte {
	b = append(b, byte(f.length>>16), byte(f.length>>8), byte(f.length), byte(f.kind), f.flags)
	return binary.BigEndian.AppendUint32(b, f.stream)
}

// unpad returns the payload of a DATA or HEADERS frame without its padding (RFC 9113, section 6.1).
func unpad(f frame, p []byte) ([]byte, error) {
	if !f.has(flagPadded) {
		return p, nil
	}
	if len(p) == 0 {
		return nil, connError{frameSizeError, "a padded frame without the length of its padding"}
	}
	pad := int(p[0])
	if pad > len(p)-1 {
		return nil, connError{protocolError, "padding is longer than its frame"}
	}
	return p[1 : len(p)-pad], nil
}

func appendSetting(b []byte, id uint16, value uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(b, id), value)
}

func appendReset(b []byte, stream uint32, c code) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(b, frame{4, frameReset, 0, stream}), uint32(c))
}

func appendWindowUpdate(b []byte, stream, n uint32) []byte {
	return binary.BigEndian.AppendUint32(appendFrame(b, frame{4, frameWindowUpdate, 0, stream}), n)
}

func appendGoAway(b []byte, last uint32, c code) []byte {
	b = appendFrame(b, frame{8, frameGoAway, 0, 0})
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, last), uint32(c))
}

func appendPing(b []byte, flags uint8, data [8]byte) []byte {
	return append(appendFrame(b, frame{8, framePing, flags, 0}), data[:]...)
}

// appendHeaders appends a header block as HEADERS and as many CONTINUATION as it needs.
func appendHeaders(b []byte, stream uint32, block []byte, end bool) []byte {
	kind, flags := frameHeaders, uint8(0)
	if end {
		flags = flagEndStream
	}
	for {
		n := min(len(block), maxFrame)
		if n == len(block) {
			flags |= flagEndHeaders
		}
		b = append(appendFrame(b, frame{n, kind, flags, stream}), block[:n]...)
		if block = block[n:]; len(block) == 0 {
			return b
		}
		kind, flags = frameContinuation, 0
	}
}
