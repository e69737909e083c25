package main

import (
	"bytes"
	"encoding/base64"
	"maps"
	"testing"
)

// shellOf is an environment that changes are done to.
type shellOf map[string]string

func (s shellOf) lookup(name string) (string, bool) { v, ok := s[name]; return v, ok }

func (s shellOf) do(changes []change) {
	for _, c := range changes {
		if c.value == nil {
			delete(s, c.name)
			continue
		}
		s[c.name] = *c.value
	}
}

// enter does what the exports of glassine env do.
func (s shellOf) enter(endpoint string) {
	var changes []change
	for _, name := range exported {
		changes = append(changes, change{name, &endpoint})
	}
	if saved := savedFrom(s.lookup); saved != "" {
		changes = append(changes, change{savedVariable, &saved})
	}
	for _, name := range unsetByEnv {
		changes = append(changes, change{name, nil})
	}
	s.do(changes)
}

func TestWhatEnvDidIsTakenBack(t *testing.T) {
	for name, before := range map[string]shellOf{
		"a shell with nothing":   {"HOME": "/home/ada"},
		"a proxy and a real key": {"HTTPS_PROXY": "http://proxy.example:3128", "no_proxy": "", "AWS_ACCESS_KEY_ID": "AKIAREAL", "AWS_PROFILE": "work", "AWS_REGION": "eu-west-1"},
		"quotes and line ends":   {"AWS_CA_BUNDLE": "/a 'b' \\ \"c\"\n$d"},
	} {
		t.Run(name, func(t *testing.T) {
			s := maps.Clone(before)
			s.enter("http://127.0.0.1:4566")
			s.enter("http://127.0.0.1:5566") // another installation: what counts is what was before both
			s["AWS_ACCESS_KEY_ID"] = "AKIAUSER"
			back, err := takenBack(s.lookup)
			if err != nil {
				t.Fatal(err)
			}
			s.do(back)
			if !maps.Equal(s, before) {
				t.Errorf("the shell has %v, want %v", s, before)
			}
			if again, err := takenBack(s.lookup); err != nil || len(again) != 0 {
				t.Errorf("taken back twice: %v, %v", again, err)
			}
		})
	}
	for _, text := range []string{"%", base64.StdEncoding.EncodeToString([]byte("[1]"))} {
		if _, err := takenBack(shellOf{savedVariable: text}.lookup); err == nil {
			t.Errorf("%q was taken for what env made", text)
		}
	}
}

func TestExportsInTheWordsOfShells(t *testing.T) {
	value := `it's a \ $HOME`
	for _, row := range []struct {
		write func(change, *bytes.Buffer)
		set   string
		unset string
	}{
		{func(c change, b *bytes.Buffer) { c.sh(b) }, `export X='it'\''s a \ $HOME'` + "\n", "unset X\n"},
		{func(c change, b *bytes.Buffer) { c.fish(b) }, `set -gx X 'it\'s a \\ $HOME'` + "\n", "set -e X\n"},
	} {
		var set, unset bytes.Buffer
		row.write(change{"X", &value}, &set)
		row.write(change{"X", nil}, &unset)
		if set.String() != row.set || unset.String() != row.unset {
			t.Errorf("%q and %q, want %q and %q", set.String(), unset.String(), row.set, row.unset)
		}
	}
}

func FuzzTakenBack(f *testing.F) {
	f.Add(base64.StdEncoding.EncodeToString([]byte(`{"AWS_REGION":"eu-west-1"}`)))
	f.Add("e30=")
	f.Fuzz(func(t *testing.T, text string) {
		s := shellOf{savedVariable: text, "AWS_REGION": "us-east-1", "HOME": "/"}
		back, err := takenBack(s.lookup)
		if err != nil {
			return
		}
		s.do(back)
		if _, left := s[savedVariable]; left || s["HOME"] != "/" {
			t.Errorf("%q: the shell has %v", text, s)
		}
	})
}
