package settings

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// model has a setting of each kind.
var model = Model{
	{Name: "config", Env: "GLASSINE_CONFIG", Group: "A", Kind: Path, NoFile: true, Help: "File."},
	{Name: "data", Env: "GLASSINE_DATA", Group: "A", Kind: Path, Help: "Data directory."},
	{Name: "account", Env: "GLASSINE_ACCOUNT", Group: "A", Kind: Text, Default: "123456789012", Help: "Account."},
	{Name: "http", Env: "GLASSINE_HTTP", Group: "A", Kind: Address, Default: "127.0.0.1:8080", Help: "Address."},
	{Name: "drain", Env: "GLASSINE_DRAIN", Group: "B", Kind: Duration, Default: "10s", Help: "Wait."},
	{Name: "cache-memory", Env: "GLASSINE_CACHE_MEMORY", Group: "B", Kind: Size, Default: "256MiB", Help: "Memory."},
	{Name: "cache-disk", Env: "GLASSINE_CACHE_DISK", Group: "B", Kind: Size, Words: []string{"auto"}, Default: "auto", Help: "Disk."},
	{Name: "workers", Env: "GLASSINE_WORKERS", Group: "B", Kind: Number, Default: "0", Help: "Workers."},
	{Name: "cache-status", Env: "GLASSINE_CACHE_STATUS", Group: "B", Kind: Switch, Live: true, Help: "Tell | all."},
	{Name: "access-log", Env: "GLASSINE_ACCESS_LOG", Group: "B", Kind: Path, Words: []string{"-", "off"}, Default: "-", Help: "Log."},
	{Name: "log-level", Env: "GLASSINE_LOG_LEVEL", Group: "B", Kind: Text, Choices: []string{"", "debug", "info"}, Help: "Level."},
	{Name: "strict", Env: "GLASSINE_STRICT", Group: "B", Kind: Text, List: true, Commas: true, Choices: []string{"vary", "all"}, Help: "Strict."},
	{Name: "directory", Env: "GLASSINE_DIRECTORY", Group: "B", Kind: Pair, List: true, Help: "Directory."},
	{Name: "even", Env: "GLASSINE_EVEN", Group: "B", Kind: Text, Help: "Even.", Check: func(v string) error {
		if len(v)%2 != 0 {
			return fmt.Errorf("%q is odd", v)
		}
		return nil
	}},
}

func TestReadTakesWhatIsWritten(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       map[string]Value
	}{
		{"an empty file", "", map[string]Value{}},
		{"comments alone", "# nothing\n---\n# yet\n", map[string]Value{}},
		{"a path is of the file's folder", "data: ./d\naccess-log: log/a.json\n", map[string]Value{
			"data": {Text: "/etc/glassine/d", Line: 1, Column: 1}, "access-log": {Text: "/etc/glassine/log/a.json", Line: 2, Column: 1},
		}},
		{"an absolute path, one of home, and a word stay", "data: /var/d\naccess-log: 'off'\ndirectory: [a=/srv/a, b=~/b, c=../c]", map[string]Value{
			"data": {Text: "/var/d", Line: 1, Column: 1}, "access-log": {Text: "off", Line: 2, Column: 1},
			"directory": {List: []string{"a=/srv/a", "b=~/b", "c=/etc/c"}, Line: 3, Column: 1},
		}},
		{"a word needs no quotes", "access-log: off\ncache-disk: auto", map[string]Value{
			"access-log": {Text: "off", Line: 1, Column: 1}, "cache-disk": {Text: "auto", Line: 2, Column: 1},
		}},
		{"units", "drain: 1h30m\ncache-memory: 512MiB\ncache-disk: 0\n", map[string]Value{
			"drain": {Text: "1h30m", Line: 1, Column: 1}, "cache-memory": {Text: "512MiB", Line: 2, Column: 1}, "cache-disk": {Text: "0", Line: 3, Column: 1},
		}},
		{"numbers and switches", "workers: 12\ncache-status: true", map[string]Value{
			"workers": {Text: "12", Line: 1, Column: 1}, "cache-status": {Text: "true", Line: 2, Column: 1},
		}},
		{"an account in quotes keeps its zero", "account: '012345678901'", map[string]Value{"account": {Text: "012345678901", Line: 1, Column: 1}}},
		{"lists in both forms", "strict:\n  - vary\n  - all\n", map[string]Value{"strict": {List: []string{"vary", "all"}, Line: 1, Column: 1}}},
		{"a list without values", "strict: []", map[string]Value{"strict": {List: []string{}, Line: 1, Column: 1}}},
		{"JSON is YAML", `{"workers": 3, "strict": ["all"]}`, map[string]Value{
			"workers": {Text: "3", Line: 1, Column: 2}, "strict": {List: []string{"all"}, Line: 1, Column: 16},
		}},
	} {
		got, err := Read("/etc/glassine/glassine.yaml", []byte(tt.text), model)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got.Values); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// refused are texts with faults, and what is said of them; line and column are part of it.
var refused = []struct{ name, text, want string }{
	{"an unknown key with a near one", "data: /d\ncache-dsk: 1GiB\n", `f.yaml:2:1: there is no setting "cache-dsk"; did you mean "cache-disk"?`},
	{"underscores", "cache_disk: 1GiB", `did you mean "cache-disk"?`},
	{"dashes before", "--http: ':1'", `did you mean "http"?`},
	{"an unknown key that is like nothing", "zebra: 1", `f.yaml:1:1: there is no setting "zebra"; glassine config print lists them`},
	{"a key of the command line alone", "config: x.yaml", "f.yaml:1:1: config is for the command line and the environment"},
	{"a key twice", "workers: 1\ndata: x\nworkers: 2", "f.yaml:3:1: workers is set twice; the first is in line 1"},
	{"a key twice, the first wrong", "workers: x\nworkers: 2", "f.yaml:2:1: workers is set twice"},
	{"a number that is none", "workers: many", `f.yaml:1:10: workers is "many"; write a whole number`},
	{"a negative number", "workers: -1", "write a whole number"},
	{"a fraction", "workers: 1.5", "write a whole number"},
	{"an octal number", "workers: 010", "write a whole number"},
	{"a number in quotes", "workers: '3'", "write a whole number"},
	{"a switch that is a word of YAML 1.1", "cache-status: yes", `f.yaml:1:15: cache-status is "yes"; write true or false`},
	{"a size without a unit", "cache-memory: 1024", `f.yaml:1:15: cache-memory is "1024"; write a size with its unit, such as 512MiB`},
	{"a size in decimal units", "cache-memory: 1GB", "write a size with its unit"},
	{"a word for another size", "cache-memory: auto", "write a size with its unit"},
	{"a duration without a unit", "drain: 10", "write a duration with its unit"},
	{"a negative duration", "drain: -10s", "write a duration with its unit"},
	{"text that YAML takes for a number", "account: 012345678901", `f.yaml:1:10: account is text, which this is not in YAML; write it in quotes: "012345678901"`},
	{"text that YAML takes for a time", "account: 2026-01-02", "write it in quotes"},
	{"an address without a port", "http: localhost", "write host:port"},
	{"a pair that is none", "directory: [scans]", "write NAME=PATH"},
	{"a value in place of a list", "strict: vary", "f.yaml:1:9: strict takes a list"},
	{"a list in place of a value", "data: [a]", "f.yaml:1:7: data takes one value"},
	{"a mapping in place of a value", "http:\n  address: x", "f.yaml:2:3: http takes one value"},
	{"a choice that there is not", "strict:\n  - all\n  - vari", `f.yaml:3:5: strict is "vari", which is none of vary, all; did you mean "vary"?`},
	{"a choice that is like nothing", "log-level: 'loud and clear'", "which is none of debug, info"},
	{"no value", "data:\nworkers: 1", "f.yaml:1:6: data has no value"},
	{"what the setting itself refuses", "even: odd", `f.yaml:1:7: even: "odd" is odd`},
	{"an alias", "data: &a x\naccess-log: *a", "anchors and aliases"},
	{"a merge", "<<: {workers: 1}", `there is no setting "<<"`},
	{"a tag", "data: !env HOME", "tags such as !env"},
	{"a binary", "data: !!binary aGk=", "data is"},
	{"a list of everything", "- data\n- x", "f.yaml:1:1: a file of settings is a mapping"},
	{"one word", "data", "is a mapping"},
	{"a second document", "workers: 1\n---\nworkers: 2", "a second document begins"},
	{"a key that is a list", "[a]: b", "a key is the name"},
	{"no YAML", "data: [x\nworkers: 1", "f.yaml:2:"},
	{"a tab", "data:\n\t- x", "not well-formed YAML"},
	{"bytes that are no text", "data: \xff\xfe", "not well-formed YAML"},
	{"a huge file", strings.Repeat("# x\n", MaxFile/4+1), "larger than 1024 KiB"},
}

func TestReadSaysWhatIsWrongAndWhere(t *testing.T) {
	for _, tt := range refused {
		got, err := Read("f.yaml", []byte(tt.text), model)
		problems, ok := errors.AsType[Problems](err)
		if got != nil || !ok || len(problems) == 0 {
			t.Errorf("%s: %v, %v; want Problems", tt.name, got, err)
			continue
		}
		if !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q, want %q in it", tt.name, err, tt.want)
		}
	}
}

func TestReadTellsEveryFaultInOrder(t *testing.T) {
	_, err := Read("f.yaml", []byte("zebra: 1\nworkers: x\nhttp: y\n"), model)
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 3 || !strings.HasPrefix(lines[0], "f.yaml:1:") || !strings.HasPrefix(lines[1], "f.yaml:2:") || !strings.HasPrefix(lines[2], "f.yaml:3:") {
		t.Errorf("faults:\n%v\nwant one for each of three lines", err)
	}
}

func TestNearest(t *testing.T) {
	names := []string{"cache-disk", "cache-memory", "http", "https", "data", "", "log-level"}
	for word, want := range map[string]string{
		"cache-disk": "cache-disk", "cachedisk": "cache-disk", "CACHE_DISK": "cache-disk", "cahce-disk": "cache-disk", "cache-disks": "cache-disk",
		"htpp": "http", "httpss": "https", "dta": "data", "zebra": "", "": "", "x": "", "loglevl": "log-level", strings.Repeat("a", 1000): "",
	} {
		if got := Nearest(word, names); got != want {
			t.Errorf("Nearest(%.20q) = %q, want %q", word, got, want)
		}
	}
}

func TestUnknownVariables(t *testing.T) {
	environ := []string{
		"PATH=/bin", "GLASSINE_DATA=/d", "GLASSINE_DTA=/d", "GLASSINE_ZEBRA=1", "GLASSINE_KEY=k", "GLASSINE_HTTP_PORT=80", "OTHER_GLASSINE_X=1",
		// Kubernetes for a service glassine and one glassine-admin, and Docker's links.
		"GLASSINE_SERVICE_HOST=10.0.0.1", "GLASSINE_SERVICE_PORT=80", "GLASSINE_SERVICE_PORT_HTTP=80", "GLASSINE_PORT=tcp://10.0.0.1:80", "GLASSINE_PORT_80_TCP=tcp://10.0.0.1:80",
		"GLASSINE_PORT_80_TCP_ADDR=10.0.0.1", "GLASSINE_PORT_80_TCP_PORT=80", "GLASSINE_PORT_443_UDP_PROTO=udp", "GLASSINE_ADMIN_SERVICE_HOST=10.0.0.2", "GLASSINE_ADMIN_PORT=tcp://10.0.0.2:7070",
	}
	got := model.UnknownVariables(environ, "GLASSINE_", []string{"GLASSINE_KEY"}).Error()
	want := "GLASSINE_DTA: there is no such setting, so this variable does nothing; did you mean GLASSINE_DATA?\n" +
		"GLASSINE_ZEBRA: there is no such setting, so this variable does nothing\n" +
		"GLASSINE_HTTP_PORT: there is no such setting, so this variable does nothing"
	if got != want {
		t.Errorf("unknown:\n%s\nwant:\n%s", got, want)
	}
}

func TestFormat(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", "", ""},
		{"comments alone", "# x\n\n# y\n", "# x\n\n# y\n"},
		{"lists on lines of their own, in two spaces", "strict: [vary,\n    all]\ndirectory:\n-   a=/b\n", "strict:\n  - vary\n  - all\ndirectory:\n  - a=/b\n"},
		{
			"comments and empty lines stay", "# all\n\n\n# of data\ndata: \"./x\"   # here\nworkers:   3\n\n# a list\nstrict:\n  # first\n  - vary\n# end\n",
			"# all\n\n# of data\ndata: \"./x\" # here\nworkers: 3\n\n# a list\nstrict:\n  # first\n  - vary\n# end\n",
		},
		{"JSON", `{"workers": 3, "strict": ["all"]}`, "\"workers\": 3\n\"strict\":\n  - \"all\"\n"},
	} {
		got, err := Format("f.yaml", []byte(tt.text), model)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: %v\n%s\nwant:\n%s", tt.name, err, got, tt.want)
			continue
		}
		again, err := Format("f.yaml", got, model)
		if err != nil || string(again) != string(got) {
			t.Errorf("%s, once more: %v\n%s\nwant what it was:\n%s", tt.name, err, again, got)
		}
	}
	if _, err := Format("f.yaml", []byte("zebra: 1"), model); err == nil || !strings.Contains(err.Error(), "f.yaml:1:1") {
		t.Errorf("a file with a fault is formatted: %v", err)
	}
}

func TestReference(t *testing.T) {
	text := string(model.Reference())
	for _, want := range []string{
		"\n## A\n", "\n## B\n", "| `--config` | `GLASSINE_CONFIG` |  | File. |", "| `cache-memory` | `GLASSINE_CACHE_MEMORY` | `256MiB` | Memory. Written as a size with its unit",
		`Tell \| all. **Reload.** |`, "One of debug, info.", "joined by commas", "repeat the flag",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the reference has no %q:\n%s", want, text)
		}
	}
}
