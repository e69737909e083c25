package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"glassine/settings"
)

var updateSettings = flag.Bool("update-settings", false, "write deploy/glassine.schema.json and the tables of docs/guide/settings.md anew")

func TestSettingsFollowTheRules(t *testing.T) {
	model := settingsModel()
	if n := len(model); n >= 40 {
		t.Errorf("there are %d settings; fewer than 40 is what a person can look through", n)
	}
	for _, s := range model {
		if s.Env != envName(s.Name) {
			t.Errorf("the variable of %s is %q, want %q", s.Name, s.Env, envName(s.Name))
		}
		if s.Help == "" || s.Group == "" || !strings.HasSuffix(s.Help, ".") {
			t.Errorf("%s: group %q, help %q; want both, the help in sentences", s.Name, s.Group, s.Help)
		}
		if s.Default != "" && !s.List {
			if err := s.Check(s.Default); err != nil && s.Kind != settings.Path {
				t.Errorf("the default of %s is refused: %v", s.Name, err)
			}
		}
	}
}

// given reads a command line under an environment of nothing else of ours, as serve would.
func given(t *testing.T, env map[string]string, args ...string) ([]effective, error) {
	t.Helper()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, envPrefix) {
			t.Setenv(name, "") // restores it
			os.Unsetenv(name)
		}
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", "")
	for name, value := range env {
		t.Setenv(name, value)
	}
	forgetEmpty()
	var c cli
	parser, from, err := newParser(&c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, err := parser.Parse(append([]string{"serve"}, args...))
	if err != nil {
		return nil, err
	}
	return effectiveSettings(ctx, from), nil
}

func one(all []effective, name string) effective {
	for _, e := range all {
		if e.Name == name {
			return e
		}
	}
	return effective{}
}

func writeSettings(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "glassine.yaml")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestPrecedenceIsFlagsEnvironmentFileDefaults(t *testing.T) {
	file := writeSettings(t, "region: file\ncache-disk: 1GiB\nstrict: [vary, truncated]\ncache-status: true\ndrain: 90s\npicture-workers: 3\n")
	for _, tt := range []struct {
		name    string
		env     map[string]string
		args    []string
		setting string
		want    effective
	}{
		{"nothing but the default", nil, nil, "region", effective{"region", "us-east-1", "default", ""}},
		{"the file before the default", nil, []string{"--config", file}, "region", effective{"region", "file", "file", file + ":1"}},
		{"the environment before the file", map[string]string{"GLASSINE_REGION": "env"}, []string{"--config", file}, "region", effective{"region", "env", "environment", "GLASSINE_REGION"}},
		{"the flag before all", map[string]string{"GLASSINE_REGION": "env"}, []string{"--config", file, "--region", "flag"}, "region", effective{"region", "flag", "flag", "--region"}},
		{"a flag that says the default is a flag", nil, []string{"--config", file, "--region", "us-east-1"}, "region", effective{"region", "us-east-1", "flag", "--region"}},
		{"the file by its variable", map[string]string{"GLASSINE_CONFIG": file}, nil, "cache-disk", effective{"cache-disk", "1GiB", "file", file + ":2"}},
		{"a list of the file", nil, []string{"--config", file}, "strict", effective{"strict", []string{"vary", "truncated"}, "file", file + ":3"}},
		{"a list of the environment replaces the file's", map[string]string{"GLASSINE_STRICT": "all"}, []string{"--config", file}, "strict", effective{"strict", []string{"all"}, "environment", "GLASSINE_STRICT"}},
		{"a list of flags replaces the file's", nil, []string{"--config", file, "--strict=all"}, "strict", effective{"strict", []string{"all"}, "flag", "--strict"}},
		{"a switch of the file", nil, []string{"--config", file}, "cache-status", effective{"cache-status", true, "file", file + ":4"}},
		{"a switch that the environment puts off", map[string]string{"GLASSINE_CACHE_STATUS": "false"}, []string{"--config", file}, "cache-status", effective{"cache-status", false, "environment", "GLASSINE_CACHE_STATUS"}},
		{"a duration of the file", nil, []string{"--config", file}, "drain", effective{"drain", "1m30s", "file", file + ":5"}},
		{"a number of the file", nil, []string{"--config", file}, "picture-workers", effective{"picture-workers", 3, "file", file + ":6"}},
		{"an empty variable sets nothing", map[string]string{"GLASSINE_REGION": "", "GLASSINE_CACHE_DISK": ""}, []string{"--config", file}, "region", effective{"region", "file", "file", file + ":1"}},
		{"no file", nil, []string{"--config", "none"}, "cache-disk", effective{"cache-disk", "auto", "default", ""}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			all, err := given(t, tt.env, tt.args...)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, one(all, tt.setting)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheFileIsFoundWhereItIsLookedFor(t *testing.T) {
	config := t.TempDir()
	file := filepath.Join(config, "glassine", "glassine.yaml")
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("region: found\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	all, err := given(t, map[string]string{"XDG_CONFIG_HOME": config})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := one(all, "region"), (effective{"region", "found", "file", file + ":1"}); !cmp.Equal(got, want) {
		t.Errorf("region is %v, want %v", got, want)
	}
	if got := one(all, "config").Value; got != file {
		t.Errorf("the file is said to be %v, want %s", got, file)
	}
	env := map[string]string{"HOME": "/home/x", "XDG_CONFIG_HOME": "relative"}
	got := strings.Join(configFiles(func(n string) string { return env[n] }), " ")
	if want := "/etc/glassine/glassine.yaml"; got != want {
		t.Errorf("with a relative XDG_CONFIG_HOME the places are %s, want %s", got, want)
	}
	delete(env, "XDG_CONFIG_HOME")
	got = strings.Join(configFiles(func(n string) string { return env[n] }), " ")
	if want := "/home/x/.config/glassine/glassine.yaml /etc/glassine/glassine.yaml"; got != want {
		t.Errorf("the places are %s, want %s", got, want)
	}
}

// Commands that speak to a running glassine have the file's settings that they know, and only those.
func TestClientsReadTheSameFile(t *testing.T) {
	file := writeSettings(t, "data: /srv/pictures\nadmin: 127.0.0.1:17070\nregion: eu-west-1\ncache-disk: 0\n")
	t.Setenv("GLASSINE_CONFIG", file)
	for _, args := range [][]string{{"console"}, {"health"}, {"env"}} {
		var c cli
		parser, _, err := newParser(&c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(args); err != nil {
			t.Errorf("%v: %v", args, err)
		}
		if args[0] == "console" && (c.Console.Admin != "127.0.0.1:17070" || c.Console.Data != "/srv/pictures") {
			t.Errorf("console: admin %s, data %s; want the file's", c.Console.Admin, c.Console.Data)
		}
		if args[0] == "health" && c.Health.Admin != "127.0.0.1:17070" {
			t.Errorf("health: admin %s; want the file's", c.Health.Admin)
		}
		if args[0] == "env" && (c.Env.Region != "eu-west-1" || c.Env.Data != "/srv/pictures") {
			t.Errorf("env: region %s, data %s; want the file's", c.Env.Region, c.Env.Data)
		}
	}
	// Files on this machine have nothing to do with a server's settings.
	t.Setenv("GLASSINE_CONFIG", writeSettings(t, "zebra: 1\n"))
	for args, fails := range map[string]bool{"version": false, "strip x.jpg": false, "serve": true, "env": true} {
		var c cli
		parser, _, err := newParser(&c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(strings.Fields(args)); (err != nil) != fails {
			t.Errorf("glassine %s, with a file that is wrong: error %v, want one: %v", args, err, fails)
		}
	}
}

func TestTheFileIsCheckedAsFlagsAre(t *testing.T) {
	for text, want := range map[string]string{
		"geo-database: [missing.mmdb]":    "glassine.yaml:1:16: geo-database: stat ",
		"cert-dir: missing":               "glassine.yaml:1:11: cert-dir: ",
		"strict: [varry]":                 `did you mean "vary"?`,
		"cache-disk: 99999999999TiB":      "no size",
		"drain: 99999999999999h":          "drain: ",
		"log-format: xml":                 "none of auto, text, json",
		"remote: [photos=https://h]":      "not of the form NAME=https://HOST/BUCKET",
		"account: '12'":                   "it is not 12 digits",
		"directory: [scans=]":             "write NAME=PATH",
		"cache-memory: 1GiB\nzebra: 1\n":  "glassine.yaml:2:1",
		"picture-workers: 9999999999\n":   "write a whole number",
		"admin: '[::1]'":                  "admin",
		"console-host: console.localhost": "takes a list",
	} {
		t.Run(text, func(t *testing.T) {
			t.Setenv("GLASSINE_CONFIG", "")
			os.Unsetenv("GLASSINE_CONFIG")
			err := (&configValidateCmd{File: writeSettings(t, text)}).Run(nil, &configuration{getenv: func(string) string { return "" }})
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("error %v, want %q in it", err, want)
			}
		})
	}
}

// What config print -o yaml prints is a file that sets the same, and that the schema takes.
func TestPrintedSettingsAreAFile(t *testing.T) {
	args := []string{
		"--cache-disk", "0", "--cache-memory", "1000", "--strict", "vary,all", "--drain", "90m", "--directory", "scans=/srv/scans", "--directory", "b=/srv/b",
		"--access-log", "off", "--verbose", "--account", "012345678901", "--isolation", "strict", "--picture-workers", "2", "--console-host", "a.example,b.example",
	}
	before, err := given(t, nil, args...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := asFile(before)
	if err != nil {
		t.Fatal(err)
	}
	after, err := given(t, nil, "--config", writeSettings(t, string(text)))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for i, e := range before {
		if e.Name != "config" && !cmp.Equal(e.Value, after[i].Value) {
			t.Errorf("%s is %v, and by the printed file %v", e.Name, e.Value, after[i].Value)
		}
	}
	validate(t, text)
}

// validate asks another program whether the schema takes text.
func validate(t *testing.T, text []byte) {
	t.Helper()
	c := jsonschema.NewCompiler()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(settingsSchema()))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.AddResource(schemaURL, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(schemaURL)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Load(text, &v); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(instance); err != nil {
		t.Errorf("the schema refuses\n%s\n%v", text, err)
	}
}

func TestWhatIsGeneratedIsUpToDate(t *testing.T) {
	var tables bytes.Buffer
	tables.Write(settingsModel().Reference())
	tables.WriteString("\n## From the environment alone\n\n| variable | |\n|---|---|\n")
	for _, v := range variables {
		tables.WriteString("| `" + strings.ReplaceAll(v.Name, ", ", "`, `") + "` | " + v.Help + " |\n")
	}
	page := filepath.Join("..", "..", "docs", "guide", "settings.md")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- generated by go test ./cmd/glassine -run Generated -update-settings -->\n", "\n<!-- end -->"
	head, rest, _ := strings.Cut(string(text), begin)
	_, tail, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no place for the tables: %q and %q", page, begin, end)
	}
	for file, want := range map[string]string{
		page: head + begin + tables.String() + end + tail,
		filepath.Join("..", "..", "deploy", "glassine.schema.json"): string(settingsSchema()),
	} {
		got, err := os.ReadFile(file)
		if err == nil && string(got) == want {
			continue
		}
		if *updateSettings {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		t.Errorf("%s is not what the settings are (%v); write it anew with -update-settings and read the difference", file, err)
	}
}

func TestDangerousSettingsAreWarnedOf(t *testing.T) {
	for _, tt := range []struct {
		name  string
		flags serveFlags
		want  []string
	}{
		{"as it is by default", serveFlags{}, nil},
		{"the admin port for everybody", serveFlags{listenFlags: listenFlags{Admin: "0.0.0.0:7070"}}, []string{"--admin 0.0.0.0:7070"}},
		{"the admin port on every interface", serveFlags{listenFlags: listenFlags{Admin: ":7070"}}, []string{"--admin :7070"}},
		{"the AWS endpoint for everybody", serveFlags{dataFlags: dataFlags{AWS: "[::]:4566"}}, []string{"--aws [::]:4566"}},
		{"loopback by its names", serveFlags{listenFlags: listenFlags{Admin: "localhost:1"}, dataFlags: dataFlags{AWS: "[::1]:2"}}, nil},
		{"objects in plaintext", serveFlags{elsewhereFlags: elsewhereFlags{Remote: []string{"p=http://10.0.0.1:9000/b?region=x"}}}, []string{"--remote p is"}},
		{"objects in plaintext on this machine", serveFlags{elsewhereFlags: elsewhereFlags{Remote: []string{"p=http://127.0.0.1:9000/b", "q=https://h/b", "r=http://[::1]:9/b"}}}, nil},
		{"an authority in plaintext", serveFlags{tlsFlags: tlsFlags{ACMEDirectory: "http://ca.example/dir"}}, []string{"--acme-directory"}},
	} {
		f := tt.flags
		if f.Admin == "" {
			f.Admin = "127.0.0.1:7070"
		}
		if f.AWS == "" {
			f.AWS = "127.0.0.1:4566"
		}
		got := f.warnings()
		if len(got) != len(tt.want) {
			t.Errorf("%s: warnings %q, want %q", tt.name, got, tt.want)
			continue
		}
		for i := range got {
			if !strings.HasPrefix(got[i], tt.want[i]) {
				t.Errorf("%s: warning %q, want one that begins with %q", tt.name, got[i], tt.want[i])
			}
		}
	}
}
