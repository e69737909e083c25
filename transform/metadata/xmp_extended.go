package metadata

import (
	"encoding/binary"
	"errors"
)

// extendedXMPID begins a segment of a second XMP packet: name, length of all, where this part belongs, and the part (XMP Specification
// Part 3, section 1.1.3.1). A JPEG has one when its packet does not fit into a segment.
const extendedXMPID = "http://ns.adobe.com/xmp/extension/\x00"

// maxExtensions is how many packets of different names are collected: the first is the one, unless somebody edited the file.
const maxExtensions = 4

// extendedXMP is such a packet.
type extendedXMP struct {
	data []byte
	// got is how many bytes of it came.
	got int
}

// addExtended notes one part.
func (f *facts) addExtended(b []byte) {
	const head = 32 + 4 + 4
	if len(b) < head {
		return
	}
	name, size, at := string(b[:32]), binary.BigEndian.Uint32(b[32:]), binary.BigEndian.Uint32(b[36:])
	b = b[head:]
	if size > maxPacket || at > size || int(size-at) < len(b) {
		return
	}
	x := f.extended[name]
	if x == nil {
		if len(f.extended) == maxExtensions {
			return
		}
		if f.extended == nil {
			f.extended = make(map[string]*extendedXMP)
		}
		x = &extendedXMP{data: make([]byte, size)}
		f.extended[name] = x
	}
	if int(size) == len(x.data) {
		x.got += copy(x.data[at:], b)
	}
}

// extend adds the properties of the packet that the first one names. Those that the first one has stay.
func (f *facts) extend(properties map[string]any) error {
	name, ok := properties["xmpNote:HasExtendedXMP"].(string)
	if !ok {
		return nil
	}
	x := f.extended[name]
	if x == nil || x.got < len(x.data) {
		return errors.New("the packet that extends it is not there, or not whole")
	}
	more := parseXMP(x.data)
	if more == nil {
		return errors.New("the packet that extends it is not readable as RDF in XML")
	}
	for key, value := range more {
		if _, twice := properties[key]; !twice {
			properties[key] = value
		}
	}
	return nil
}
