package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"glassine/settings"
)

// envPrefix begins the name of every variable that is ours.
const envPrefix = "GLASSINE_"

// noFile is the value of --config that reads no file.
const noFile = "none"

// variable is one that glassine reads and that is no setting.
type variable struct{ Name, Help string }

// variables are those that are not settings: secrets, and what others have named.
var variables = []variable{
	{"GLASSINE_REMOTE_ACCESS_KEY_ID", "The key id for `remote` buckets that name no file of credentials. With systemd's `LoadCredential=` it is the credential `remote-access-key-id`."},
	{"GLASSINE_REMOTE_SECRET_ACCESS_KEY", "The secret key that goes with it. With systemd: the credential `remote-secret-access-key`."},
	{"GLASSINE_REMOTE_SESSION_TOKEN", "The session token that goes with it, if there is one. With systemd: the credential `remote-session-token`."},
	{"OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "Where traces are exported to, such as `http://localhost:4318`; the second one is the whole URL. Without either none are."},
	{
		"OTEL_EXPORTER_OTLP_HEADERS, _TIMEOUT, _COMPRESSION, _CERTIFICATE, _PROTOCOL",
		"How they are sent, as OpenTelemetry has these variables, also with `OTEL_EXPORTER_OTLP_TRACES_` before; the protocol is `http/json`.",
	},
	{
		"OTEL_TRACES_SAMPLER, OTEL_TRACES_SAMPLER_ARG, OTEL_BSP_SCHEDULE_DELAY, OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_EXPORTER, OTEL_SDK_DISABLED",
		"Which traces, how often, under which name, and whether at all: as OpenTelemetry has them.",
	},
	{savedVariable, "What the variables that `glassine env` sets were before it, for `glassine env --unset`. That sets it and reads it."},
	{"NO_COLOR", "Any value: no colours on a terminal."},
	{"CREDENTIALS_DIRECTORY", "systemd sets it: the folder of the unit's credentials. `credentials=NAME` of a `remote`, without a slash, is a file in it."},
	{"NOTIFY_SOCKET", "systemd sets it for `Type=notify` and `notify-reload`: where the start, a reload and the stop are told."},
	{"LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES", "systemd sets them for sockets that it has opened: `FileDescriptorName=` is `aws`, `http`, `https`, `admin`, or `http3` for the datagram socket."},
}

// newParser makes the parser of c's command line, which reads the file of settings too.
func newParser(c any) (*kong.Kong, *configuration, error) {
	from := &configuration{getenv: os.Getenv}
	parser, err := kong.New(c, kong.Name("glassine"), kong.UsageOnError(), kong.Vars{"default_data": defaultData()}, kong.WithBeforeResolve(from.load),
		kong.Description("A private bucket of photographs, served clean from the edge: S3 Object Lambda behind CloudFront, in one program."))
	return parser, from, err
}

// configuration is where the settings of a command line come from besides it.
type configuration struct {
	getenv func(string) string
	loaded bool
	file   *settings.File // nil: none was found
}

// load finds and reads the file, for commands that have settings. kong calls it once for each part of a command line.
func (c *configuration) load(ctx *kong.Context) error {
	if c.loaded {
		return nil
	}
	c.loaded = true
	i := slices.IndexFunc(ctx.Flags(), func(f *kong.Flag) bool { return f.Name == "config" && slices.Contains(f.Envs, envPrefix+"CONFIG") })
	if i < 0 {
		return nil
	}
	name, _ := ctx.FlagValue(ctx.Flags()[i]).(string)
	file, err := readSettings(name, c.getenv)
	if err != nil || file == nil {
		return err
	}
	c.file = file
	ctx.AddResolver(kong.ResolverFunc(c.resolve))
	return nil
}

// resolve returns what the file says about a flag that neither the command line nor the environment has set.
func (c *configuration) resolve(_ *kong.Context, _ *kong.Path, f *kong.Flag) (any, error) {
	v, ok := c.file.Values[f.Name]
	if !ok || !slices.Contains(f.Envs, envName(f.Name)) {
		return nil, nil //nolint:nilnil // as kong has it
	}
	for _, name := range f.Envs {
		if _, set := os.LookupEnv(name); set {
			return nil, nil //nolint:nilnil // as kong has it
		}
	}
	if v.List == nil {
		return v.Text, nil
	}
	out := make([]any, len(v.List))
	for i, text := range v.List {
		out[i] = kong.ExpandPath(text)
		if kindOf(f) != settings.Path {
			out[i] = text
		}
	}
	return out, nil
}

// configFiles are where the file is looked for when none is named; the first one that is there is it.
func configFiles(getenv func(string) string) []string {
	dir := getenv("XDG_CONFIG_HOME")
	if dir == "" {
		if home := getenv("HOME"); home != "" {
			dir = filepath.Join(home, ".config")
		}
	}
	out := []string{"/etc/glassine/glassine.yaml"}
	if filepath.IsAbs(dir) { // XDG Base Directory Specification: others are ignored
		out = append([]string{filepath.Join(dir, "glassine", "glassine.yaml")}, out...)
	}
	return out
}

// readSettings reads the file of that name, or the one that is found when it is "". It is nil when there is none.
func readSettings(name string, getenv func(string) string) (*settings.File, error) {
	candidates := []string{kong.ExpandPath(name)}
	switch name {
	case noFile:
		return nil, nil //nolint:nilnil // no file is no fault
	case "":
		candidates = configFiles(getenv)
	}
	for _, candidate := range candidates {
		text, err := os.ReadFile(candidate)
		if name == "" && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) && candidate != candidates[0]) {
			continue // the machine's own file may be for the service's user alone
		}
		if err != nil {
			return nil, fmt.Errorf("read the settings: %w", err)
		}
		return settings.Read(candidate, text, settingsModel())
	}
	return nil, nil //nolint:nilnil // no file is no fault
}

// unknownVariables are those that begin as ours do and set nothing.
func unknownVariables(environ []string) settings.Problems {
	var others []string
	for _, v := range variables {
		others = append(others, v.Name)
	}
	return settingsModel().UnknownVariables(environ, envPrefix, others)
}

// envName is the variable of a setting.
func envName(setting string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// forgetEmpty takes variables of ours that are empty out of the environment: whoever writes ${X:-} in a compose file or a
// chart's values means that nothing is set.
func forgetEmpty() {
	for _, s := range settingsModel() {
		if value, set := os.LookupEnv(s.Env); set && value == "" {
			_ = os.Unsetenv(s.Env) // a name without = is no error
		}
	}
}

// settingsModel describes the flags of serve, which are all that can be set.
func settingsModel() settings.Model {
	var all struct {
		serveFlags `embed:""`
	}
	parser, err := kong.New(&all, kong.Vars{"default_data": "$XDG_DATA_HOME/glassine, or ~/.local/share/glassine"})
	if err != nil {
		panic(err) // a broken program
	}
	var out settings.Model
	for _, f := range parser.Model.Flags {
		if f.Name != "help" {
			out = append(out, describe(f))
		}
	}
	return out
}

// describe makes a setting of a flag. Besides kong's the tags are: is, a kind that the type does not tell; word, what may stand in
// place of a value of it; live, that a reload takes it; nofile.
func describe(f *kong.Flag) settings.Setting {
	s := settings.Setting{
		Name: f.Name, Help: f.Help, Kind: kindOf(f), List: f.Target.Kind() == reflect.Slice, Default: f.Default, Example: f.Tag.Get("example"),
		Live: f.Tag.Has("live"), NoFile: f.Tag.Has("nofile"),
	}
	s.Commas = s.List && f.Tag.Sep == ','
	if f.Group != nil {
		s.Group = f.Group.Title
	}
	if len(f.Envs) > 0 {
		s.Env = f.Envs[0]
	}
	if f.Enum != "" {
		s.Choices = f.EnumSlice()
	}
	if words := f.Tag.Get("word"); words != "" {
		s.Words = strings.Split(words, " ")
	}
	f.Active = true // or kong does not look whether a file exists
	s.Check = func(value string) error {
		target := reflect.New(f.Target.Type()).Elem()
		return f.Mapper.Decode(&kong.DecodeContext{Value: f.Value, Scan: kong.Scan().PushTyped(value, kong.FlagValueToken)}, target)
	}
	return s
}

func kindOf(f *kong.Flag) settings.Kind {
	if kind := f.Tag.Get("is"); kind != "" {
		return settings.Kind(kind)
	}
	switch f.Target.Interface().(type) {
	case size:
		return settings.Size
	case time.Duration:
		return settings.Duration
	case bool:
		return settings.Switch
	case int:
		return settings.Number
	}
	switch f.Tag.Type {
	case "path", "existingfile", "existingdir":
		return settings.Path
	}
	return settings.Text
}

// effective is the value of one setting and where it is from.
type effective struct {
	Name   string `json:"name"`
	Value  any    `json:"value"`  // string, bool, int or []string
	Source string `json:"source"` // flag, environment, file or default
	Where  string `json:"where"`  // --name, GLASSINE_NAME, file:line; "" for a default
}

// effectiveSettings are the settings of a command line that was read.
func effectiveSettings(ctx *kong.Context, from *configuration) []effective {
	given := map[*kong.Flag]bool{}
	for _, p := range ctx.Path {
		if p.Flag != nil && !p.Resolved {
			given[p.Flag] = true
		}
	}
	var out []effective
	for _, s := range settingsModel() {
		i := slices.IndexFunc(ctx.Flags(), func(f *kong.Flag) bool { return f.Name == s.Name && slices.Contains(f.Envs, s.Env) })
		if i < 0 {
			continue
		}
		f := ctx.Flags()[i]
		e := effective{Name: s.Name, Value: settingValue(f), Source: "default"}
		switch _, set := os.LookupEnv(s.Env); {
		case given[f]:
			e.Source, e.Where = "flag", "--"+s.Name
		case set:
			e.Source, e.Where = "environment", s.Env
		case from.file != nil:
			if v, ok := from.file.Values[s.Name]; ok {
				e.Source, e.Where = "file", from.file.Name+":"+strconv.Itoa(v.Line)
			}
			if s.Name == "config" {
				e.Value = from.file.Name // that which was found
			}
		}
		out = append(out, e)
	}
	return out
}

// settingValue is the value of a flag as the file has it.
func settingValue(f *kong.Flag) any {
	switch v := f.Target.Interface().(type) {
	case size:
		return v.String()
	case time.Duration:
		return shortDuration(v)
	case []string:
		return append([]string{}, v...)
	default:
		return v
	}
}

// shortDuration is d without the zeros of its String: 10m, not 10m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
