package http2

// The Huffman code of RFC 7541, appendix B. It is canonical: shorter codes come first, and codes of one length are in the
// order of their symbols, so that the lengths say all.

// huffmanLengths are the bits of each octet's code. The code of the end of string, 30 ones, is nothing that may occur.
var huffmanLengths = [256]uint8{
	13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
	6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
	13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
	15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
	20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
	22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
	26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
	20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
}

const longestCode = 30

// huffmanTree is the code as it is read.
type huffmanTree struct {
	// short has for each octet the symbol whose code it begins with, and the code's length; 0 for a longer code.
	short [256]struct{ symbol, length uint8 }
	// Of each length: its first code, how many codes there are, and where their symbols begin.
	first, count, at [longestCode + 1]uint32
	symbols          [256]uint8
}

var huffman = func() (t huffmanTree) {
	next, n := uint32(0), 0
	for length := 1; length <= longestCode; length++ {
		next <<= 1
		t.first[length], t.at[length] = next, uint32(n)
		for symbol, l := range huffmanLengths {
			if int(l) != length {
				continue
			}
			if length <= 8 {
				for i := range uint32(1) << (8 - length) {
					t.short[next<<(8-length)|i] = struct{ symbol, length uint8 }{uint8(symbol), l}
				}
			}
			t.symbols[n] = uint8(symbol)
			n++
			next++
		}
		t.count[length] = next - t.first[length]
	}
	return t
}()

// appendHuffman appends what the code p says to b. It is false when p is no such code: padding is less than an octet of
// ones, and the end of string does not occur (RFC 7541, section 5.2).
func appendHuffman(b, p []byte) ([]byte, bool) {
	var bits uint64 // the lowest n are still to be read
	n := 0
	for {
		for n <= 56 && len(p) > 0 {
			bits, n, p = bits<<8|uint64(p[0]), n+8, p[1:]
		}
		next := byte(bits << (8 - min(n, 8)) >> max(0, n-8)) // what is beyond the end is 0
		if s := huffman.short[next]; s.length > 0 && int(s.length) <= n {
			b, n = append(b, s.symbol), n-int(s.length)
			continue
		}
		if n < 8 {
			ones := uint64(1)<<n - 1
			return b, bits&ones == ones
		}
		symbol, length := huffman.long(bits, n)
		if length == 0 {
			return b, false
		}
		b, n = append(b, symbol), n-length
	}
}

// long reads a code of more than 8 bits from the lowest n of bits; its length is 0 when there is none.
func (t *huffmanTree) long(bits uint64, n int) (symbol uint8, length int) {
	for length = 9; length <= min(n, longestCode); length++ {
		c := uint32(bits>>(n-length)) & (1<<length - 1)
		if i := c - t.first[length]; c >= t.first[length] && i < t.count[length] {
			return t.symbols[t.at[length]+i], length
		}
	}
	return 0, 0
}
