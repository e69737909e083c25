package transform

import (
	"strings"
	"testing"
)

func TestPayloads(t *testing.T) {
	for _, c := range []struct{ payload, want string }{
		{"", ""},
		{" ", ""},
		{`{"presets":{"a":"w=1"},"presetsOnly":true,"signingKeys":["0123456789abcdef"],"watermarks":{"l":"l.png"},"fallback":"f","formats":["webp"]}`, ""},
		{`{"preset":{}}`, `unknown field "preset"`},
		{`{`, "is not the image function's JSON"},
		{`{"presets":{"a":"w=0"}}`, "has the preset a: width=0 cannot be"},
		{`{"presets":{"a":"preset=b"}}`, "has the preset a with a preset or a signature in it"},
		{`{"signingKeys":["short"]}`, "has a signing key of less than 16 bytes"},
		{`{"formats":["jxl"]}`, "has formats other than avif and webp"},
	} {
		_, err := parseConfig(c.payload)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("parseConfig(%s): %v, want %q", c.payload, err, c.want)
		}
	}
}

const signingKey, otherKey = "0123456789abcdef", "fedcba9876543210"

func signed(t *testing.T, key, path, query string) string {
	t.Helper()
	q, err := Sign(key, path, query)
	if err != nil {
		t.Fatal(err)
	}
	return "https://olap" + path + "?" + q
}

func TestStrangersCannotSpendTheCPU(t *testing.T) {
	keys := &config{SigningKeys: []string{otherKey, signingKey}, Presets: map[string]string{"small": "w=100"}}
	only := &config{PresetsOnly: true, Presets: map[string]string{"small": "w=100"}}
	for _, c := range []struct {
		name   string
		config *config
		url    string
		code   string // "": admitted
	}{
		{"no parameter", keys, "https://olap/a.jpg", ""},
		{"EXIF", keys, "https://olap/a.jpg?showExif=true", ""},
		{"a preset", keys, "https://olap/a.jpg?preset=small", ""},
		{"no signature", keys, "https://olap/a.jpg?w=100", "AccessDenied"},
		{"a preset and more", keys, "https://olap/a.jpg?preset=small&h=10", "AccessDenied"},
		{"facts, which need pixels", keys, "https://olap/a.jpg?format=json", "AccessDenied"},
		{"signed", keys, signed(t, signingKey, "/a.jpg", "w=100&h=50"), ""},
		{"signed with the other key", keys, signed(t, otherKey, "/a.jpg", "w=100"), ""},
		{"signed, other words for the same", keys, strings.Replace(signed(t, signingKey, "/a.jpg", "w=100"), "width=", "w=", 1) + "&utm=1", ""},
		{"signed, a key of another alphabet", keys, signed(t, signingKey, "/p%C3%A4th/a%20b.jpg", "w=100"), ""},
		{"the same key, decoded", keys, strings.Replace(signed(t, signingKey, "/p%C3%A4th/a%20b.jpg", "w=100"), "/p%C3%A4th/a%20b.jpg", "/päth/a b.jpg", 1), ""},
		{"signed with an unknown key", keys, signed(t, "another key of 16", "/a.jpg", "w=100"), "AccessDenied"},
		{"signed for another object", keys, strings.Replace(signed(t, signingKey, "/a.jpg", "w=100"), "/a.jpg", "/b.jpg", 1), "AccessDenied"},
		{"signed for another width", keys, strings.Replace(signed(t, signingKey, "/a.jpg", "w=100"), "100", "101", 1), "AccessDenied"},
		{"one parameter more", keys, signed(t, signingKey, "/a.jpg", "w=100") + "&h=1", "AccessDenied"},
		{"presets only: one", only, "https://olap/a.jpg?preset=small", ""},
		{"presets only: none such", only, "https://olap/a.jpg?preset=big", "InvalidArgument"},
		{"presets only: EXIF", only, "https://olap/a.jpg?showExif=true", ""},
		{"presets only: a width", only, "https://olap/a.jpg?w=100", "InvalidArgument"},
		{"presets only: a preset and a width", only, "https://olap/a.jpg?preset=small&w=100", "InvalidArgument"},
	} {
		w, err := parseWish(c.url, nil, c.config)
		code := ""
		if r := asRefused(err); r != nil {
			code = r.code
		} else if err != nil {
			t.Fatal(err)
		}
		if code != c.code {
			t.Errorf("%s: %q, %v, want %q", c.name, code, err, c.code)
		}
		if strings.Contains(w.canonical, "sig=") {
			t.Errorf("%s: the signature is part of what is asked: %s", c.name, w.canonical)
		}
	}
}

func TestWhatStandsInTheURLGoesBeforeThePreset(t *testing.T) {
	c := &config{Presets: map[string]string{"small": "w=100&h=50&q=70"}}
	w, err := parseWish("/a.jpg?preset=small&width=200", nil, c)
	if err != nil || w.width != 200 || w.height != 50 || w.job.Quality != 70 {
		t.Errorf("width %d, height %d, quality %d, %v", w.width, w.height, w.job.Quality, err)
	}
}
