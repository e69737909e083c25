package logs

import (
	"encoding/json"
	"testing"
)

func TestPatterns(t *testing.T) {
	const message = `{"level":"ERROR","n":5,"ok":true,"nothing":null,"list":[{"a":"x y"}],"text":"say \"hi\""}`
	for _, c := range []struct {
		pattern, message string
		want             bool
	}{
		{"", "anything", true},
		{"ERROR", "an ERROR came", true},
		{"ERROR", "an error came", false},
		{"ERROR came", "it came: ERROR", true},
		{"ERROR went", "an ERROR came", false},
		{`"an ERROR"`, "an ERROR came", true},
		{`"ERROR an"`, "an ERROR came", false},
		{`"say \"hi\""`, `they say "hi"`, true},
		{"ERROR -came", "an ERROR came", false},
		{"ERROR -went", "an ERROR came", true},
		{"-came", "nothing", true},
		{"?ERROR ?WARN", "a WARN", true},
		{"?ERROR ?WARN", "an INFO", false},
		{"an ?ERROR", "an INFO", true},
		{"%ERR[A-Z]+ c%", "an ERROR came", true},
		{"%^ERR%", "an ERROR came", false},
		{`{ $.level = "ERROR" }`, message, true},
		{`{ $.level = "INFO" }`, message, false},
		{`{ $.level != "INFO" }`, message, true},
		{`{ $.level = ERROR }`, message, true},
		{`{ $.level = "E*R" }`, message, true},
		{`{ $.level = "*X*" }`, message, false},
		{`{ $.n > 4 && $.n <= 5 }`, message, true},
		{`{ $.n = 5.0 }`, message, true},
		{`{ $.n < 5 || $.ok IS TRUE }`, message, true},
		{`{ $.n >= 6 && ($.ok IS TRUE || $.ok IS FALSE) }`, message, false},
		{`{ ($.n = 1 || $.n = 5) && $.ok = true }`, message, true},
		{`{ $.nothing IS NULL }`, message, true},
		{`{ $.missing IS NULL }`, message, false},
		{`{ $.missing NOT EXISTS }`, message, true},
		{`{ $.n EXISTS }`, message, true},
		{`{ $.list[0].a = "x y" }`, message, true},
		{`{ $.list[1].a = "x y" }`, message, false},
		{`{ $.n = 5 }`, "no JSON", false},
	} {
		m, err := parsePattern(c.pattern)
		if err != nil {
			t.Errorf("parsePattern(%s) = %v", c.pattern, err)
			continue
		}
		if got := m == nil || m(c.message); got != c.want {
			t.Errorf("%s matches %s: %t, want %t", c.pattern, c.message, got, c.want)
		}
	}
	for _, bad := range []string{`"open`, `{ $.a }`, `{ $.a = }`, `{ a = 1 }`, `{ $.a = 1`, `{ ($.a = 1 }`, `{ $.a = 1 $.b }`, `{ $.a[x] = 1 }`, `%(%`, `%open`, `[ip, user]`, `{ $. = 1 }`, "?"} {
		if _, err := parsePattern(bad); err == nil {
			t.Errorf("parsePattern(%s) was taken", bad)
		}
	}
}

// Whatever a pattern is, it is refused or decides.
func FuzzPattern(f *testing.F) {
	for _, p := range []string{"ERROR", `"a b" -c ?d`, "%a+%", `{ $.a = "x*" && ($.b[0].c > 5 || $.d IS NULL) }`, "{", "?", `{ $.a NOT EXISTS }`} {
		f.Add(p, `{"a":"xy","b":[{"c":6}]}`)
	}
	f.Fuzz(func(t *testing.T, pattern, message string) {
		m, err := parsePattern(pattern)
		if err == nil && m != nil {
			m(message)
		}
	})
}

// What a file's line begins with is read without parsing it whole, and must be what parsing gives.
func FuzzTimes(f *testing.F) {
	f.Add(`{"t":1764000000000,"i":1764000000001,"m":"x"}`)
	f.Add(`{"t":-1,"i":2}`)
	f.Fuzz(func(t *testing.T, line string) {
		got, ingested, ok := times([]byte(line))
		var e record
		if json.Unmarshal([]byte(line), &e) != nil || !ok {
			return
		}
		encoded, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		a, b, ok := times(encoded)
		if !ok || a != e.T || b != e.I {
			t.Errorf("times(%s) = %d, %d, %t", encoded, a, b, ok)
		}
		_, _ = got, ingested
	})
}

func FuzzID(f *testing.F) {
	f.Add(position{1764000000000, 1 << 63, 3, 4096}.id())
	f.Add("0")
	f.Fuzz(func(t *testing.T, s string) {
		p, ok := parseID(s)
		if !ok {
			return
		}
		if again, ok := parseID(p.id()); !ok || again != p {
			t.Errorf("parseID(%s) = %+v, then %+v", s, p, again)
		}
	})
}
