package metadata

// The segments that go out as they are must hold nothing beyond what their own fields announce. Each check returns what
// is wrong, or "". They follow ITU-T T.81 annex B, and refuse what libjpeg-turbo refuses (jdmarker.c).

// checkTables checks the payload b of DQT, DHT, DAC or DRI.
func checkTables(marker byte, b []byte) string {
	switch marker {
	case mDQT:
		return checkDQT(b)
	case mDHT:
		return checkDHT(b)
	case mDAC:
		return checkDAC(b)
	}
	if len(b) != 2 {
		return "DRI of a wrong length"
	}
	return ""
}

// checkDQT: T.81 B.2.4.1.
func checkDQT(b []byte) string {
	for len(b) > 0 {
		n := 65
		if b[0]>>4 == 1 {
			n = 129
		}
		if b[0]>>4 > 1 || b[0]&15 > 3 {
			return "quantization table of an unknown kind"
		}
		if len(b) < n {
			return "quantization table of a wrong length"
		}
		b = b[n:]
	}
	return ""
}

// checkDHT: T.81 B.2.4.2.
func checkDHT(b []byte) string {
	for len(b) > 0 {
		if b[0]>>4 > 1 || b[0]&15 > 3 {
			return "Huffman table of an unknown kind"
		}
		if len(b) < 17 {
			return "Huffman table of a wrong length"
		}
		n := 0
		for _, c := range b[1:17] {
			n += int(c)
		}
		if n > 256 || len(b) < 17+n {
			return "Huffman table of a wrong length"
		}
		b = b[17+n:]
	}
	return ""
}

// checkDAC: T.81 B.2.4.3.
func checkDAC(b []byte) string {
	if len(b)%2 != 0 {
		return "arithmetic conditioning of a wrong length"
	}
	for ; len(b) > 0; b = b[2:] {
		if b[0]>>4 > 1 || b[0]&15 > 3 {
			return "arithmetic conditioning of an unknown kind"
		}
	}
	return ""
}

// checkFrame: T.81 B.2.2. Components are limited to the four that pictures have.
func checkFrame(b []byte) string {
	if len(b) < 6 {
		return "frame header of a wrong length"
	}
	n := int(b[5])
	if n < 1 || n > 4 {
		return "frame with an impossible number of components"
	}
	if len(b) != 6+3*n {
		return "frame header of a wrong length"
	}
	if b[0] < 2 || b[0] > 16 || b[3]|b[4] == 0 {
		return "frame with an impossible size or precision"
	}
	for c := b[6:]; len(c) > 0; c = c[3:] {
		h, v := c[1]>>4, c[1]&15
		if h < 1 || h > 4 || v < 1 || v > 4 || c[2] > 3 {
			return "frame with impossible sampling factors"
		}
	}
	return ""
}

// checkScan: T.81 B.2.3.
func checkScan(b []byte, components int) string {
	if len(b) == 0 || b[0] < 1 || int(b[0]) > components || len(b) != 4+2*int(b[0]) {
		return "scan header of a wrong length"
	}
	return ""
}
