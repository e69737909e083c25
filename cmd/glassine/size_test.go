package main

import "testing"

func TestSizesOfTheCommandLine(t *testing.T) {
	for text, want := range map[string]size{
		"0": 0, "1": 1, "512MiB": 512 << 20, "20GiB": 20 << 30, "1KiB": 1024, "1000B": 1000, "2TiB": 2 << 40, "-1": -1, "auto": -1, "9223372036854775807": 1<<63 - 1,
	} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "x", "GiB", "1.5GiB", "-2", "+1", "1 GiB", "1GB", "8388608TiB", "1GiBGiB"} {
		var got size
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is taken for %d bytes", text, got)
		}
	}
	for given, want := range map[size]string{-1: "auto", 0: "0", 1000: "1000B", 512 << 20: "512MiB", 1536 << 20: "1536MiB", 20 << 30: "20GiB"} {
		if got := given.String(); got != want {
			t.Errorf("%d bytes are written %q, want %q", int64(given), got, want)
		}
	}
	for given, want := range map[size]int64{-1: 0, 0: -1, 5: 5} {
		if got := given.limit(); got != want {
			t.Errorf("limit of %d = %d, want %d", given, got, want)
		}
	}
}
