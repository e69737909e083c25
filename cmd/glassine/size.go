package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// size is a number of bytes on the command line: digits, and perhaps B, KiB, MiB, GiB or TiB. auto, or -1, is a size that is not
// given.
type size int64

var sizeUnits = []struct {
	name  string
	bytes int64
}{{"B", 1}, {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}}

// UnmarshalText reads a size.
func (s *size) UnmarshalText(b []byte) error {
	text := string(b)
	if text == "auto" || text == "-1" {
		*s = -1
		return nil
	}
	unit := int64(1)
	for _, u := range slices.Backward(sizeUnits) {
		if digits, ok := strings.CutSuffix(text, u.name); ok {
			text, unit = digits, u.bytes
			break
		}
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || text[0] == '+' || n > math.MaxInt64/unit {
		return fmt.Errorf("%q is no size: write 512MiB, or 20GiB", b)
	}
	*s = size(n * unit)
	return nil
}

// String is the size in the largest unit that it is a whole number of.
func (s size) String() string {
	if s < 0 {
		return "auto"
	}
	for _, u := range slices.Backward(sizeUnits) {
		if s > 0 && int64(s)%u.bytes == 0 {
			return strconv.FormatInt(int64(s)/u.bytes, 10) + u.name
		}
	}
	return "0"
}

// limit is the size as glassine.Config.CacheDiskBytes has it, where 0 is not given and less is none.
func (s size) limit() int64 {
	switch {
	case s < 0:
		return 0
	case s == 0:
		return -1
	}
	return int64(s)
}
