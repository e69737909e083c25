package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestLinesAreSplitAsAShellDoes(t *testing.T) {
	for _, row := range []struct {
		line   string
		words  string // with | between
		quoted byte
	}{
		{"glassine ", "glassine|", 0},
		{"glassine deploy", "glassine|deploy", 0},
		{`glassine url two\ words`, "glassine|url|two words", 0},
		{`glassine url 'two wo`, "glassine|url|two wo", '\''},
		{`glassine url "a\"b" x`, `glassine|url|a"b|x`, 0},
		{"", "", 0},
		{"glassine '' x", "glassine||x", 0},
	} {
		words, quoted := splitLine(row.line)
		if got := strings.Join(words, "|"); got != row.words || quoted != row.quoted {
			t.Errorf("%q is split to %q, open quote %q; want %q, %q", row.line, got, quoted, row.words, row.quoted)
		}
	}
}

func TestCandidates(t *testing.T) {
	t.Setenv("GLASSINE_DATA", t.TempDir()) // there is nothing to ask
	model := dressed(t).Model
	for _, row := range []struct {
		line string
		want string // with spaces between
		also string
	}{
		{"dep", "deploy", ""},
		{"config s", "schema", ""},
		{"stacks -o ", "json yaml text table", ""},
		{"stacks --output ", "json yaml text table", ""},
		{"stacks --output=t", "--output=text --output=table", ""},
		{"strip --i", "--icc= --in-place", ""},
		{"strip --in-place --in", "", ""},
		{"strip --icc=k", "--icc=keep", ""},
		{"strip -j 3 --metadata=c", "--metadata=copyright", ""},
		{"strip ", "", "files"},
		{"dev ", "", "dirs"},
		{"deploy ", "", "files"},
		{"help us", "user", ""},
		{"help user ", "list create key delete", ""},
		{"completion ", "bash zsh fish", ""},
		{"stacks -- --out", "", ""},
		{"logs /a", "", ""},
		{"no such thing -", "--help --no-color", ""},
	} {
		words := strings.Split(row.line, " ")
		found, also := completing(model, words[:len(words)-1]).candidates(words[len(words)-1])
		var got []string
		for _, c := range found {
			got = append(got, c.value)
		}
		if strings.Join(got, " ") != row.want || also != row.also {
			t.Errorf("%q: %q and %q, want %q and %q", row.line, got, also, row.want, row.also)
		}
	}
}

// Every flag whose values are known, and every argument, says so: a flag that is added later is not forgotten.
func TestValuesOfFlagsAreKnown(t *testing.T) {
	for _, n := range dressed(t).Model.Leaves(true) {
		for _, p := range n.Positional {
			s := &completionState{node: n}
			known := p.Enum != "" || p.Tag.Get("complete") != ""
			if _, also := s.values(p, ""); also != "" || known {
				continue
			}
			if free := []string{"create name", "sign url"}; !slices.Contains(free, n.Name+" "+p.Name) {
				t.Errorf("%s %s: nothing completes it; give it complete, an enum or a type", commandPath(n), p.Name)
			}
		}
	}
}

func FuzzCompletion(f *testing.F) {
	f.Add("glassine deploy --st")
	f.Add(`glassine url "a b`)
	f.Add("glassine -o -o -- --")
	f.Add("glassine strip -j")
	f.Fuzz(func(t *testing.T, line string) {
		words, _ := splitLine(line)
		if len(words) < 2 || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(w, "data") }) {
			return
		}
		t.Setenv("GLASSINE_DATA", "/nowhere")
		word := words[len(words)-1]
		found, _ := completing(dressed(t).Model, words[1:len(words)-1]).candidates(word)
		for _, c := range found {
			if !strings.HasPrefix(c.value, word) {
				t.Errorf("%q: %q does not begin as %q", line, c.value, word)
			}
			again, quoted := splitLine("x " + escaped(c.value))
			if quoted != 0 || len(again) != 2 || again[1] != c.value {
				t.Errorf("%q is escaped to %q", c.value, escaped(c.value))
			}
		}
	})
}

func TestProgress(t *testing.T) {
	var none *meter
	none.step(1)
	none.end()
	if n, err := none.Write(make([]byte, 5)); n != 5 || err != nil {
		t.Errorf("Write = %d, %v", n, err)
	}
	m := &meter{what: "pictures", total: 4}
	m.done = 1
	if got, want := m.line(), "["+strings.Repeat("#", 10)+strings.Repeat(".", 30)+"] 1 of 4 pictures"; got != want {
		t.Errorf("line = %q, want %q", got, want)
	}
	m = &meter{what: "written", bytes: true, done: 1_500_000}
	if got := m.line(); got != "1.5 MB written" {
		t.Errorf("line = %q", got)
	}
}

func TestURLOfAPicture(t *testing.T) {
	for _, row := range []struct {
		c    urlCmd
		want string
	}{
		{urlCmd{Key: "a b/é.jpg"}, "https://x/a%20b/%C3%A9.jpg"},
		{urlCmd{Key: "a.jpg", Width: 400, Format: "auto"}, "https://x/a.jpg?format=auto&width=400"},
		{urlCmd{Key: "/a.jpg", Fit: "cover", Width: 1, Height: 2, Set: map[string]string{"bg": "ff0000"}}, "https://x/a.jpg?background=%23ff0000&fit=cover&height=2&width=1"},
	} {
		got, err := row.c.at("https://x/", row.c.Width)
		if err != nil || strings.ReplaceAll(got, "background=ff0000", "background=%23ff0000") != row.want {
			t.Errorf("%+v: %s, %v, want %s", row.c, got, err, row.want)
		}
	}
	if _, err := (&urlCmd{Key: "a.jpg", Quality: "101"}).at("https://x/", 0); exitStatus(err) != statusUsage {
		t.Errorf("a quality of 101: %v", err)
	}
}

func TestMetricsAreRead(t *testing.T) {
	s := &serverStatus{}
	s.metrics([]byte(`# HELP x
glassine_build_info{goversion="go1.26",version="v1.2"} 1
glassine_edge_requests_total{behavior="*",distribution="E1",result="Hit"} 6
glassine_edge_requests_total{behavior="*",distribution="E1",result="Miss"} 2
glassine_edge_cache_objects{tier="memory"} 3
glassine_edge_cache_bytes{tier="memory"} 1e6
process_start_time_seconds 1.7e9 1700000000000
broken{
`))
	if s.Version != "v1.2" || s.Edge == nil || s.Edge.Requests != 8 || s.Edge.Hits != 6 || s.Edge.HitRatio != 0.75 || s.Edge.CachedBytes != 1e6 || s.Started == nil || s.Started.Unix() != 1.7e9 {
		t.Errorf("read %+v, %+v", s, s.Edge)
	}
	var b bytes.Buffer
	s.write(&b)
	if !strings.Contains(b.String(), "8 requests, 75.0% hits") {
		t.Errorf("it says %s", b.String())
	}
}
