package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v4"

	"glassine/settings"
)

// configCmd are the commands about settings.
type configCmd struct {
	Print    configPrintCmd    `cmd:"" help:"Print the settings that serve would have, and where each is from."`
	Validate configValidateCmd `cmd:"" help:"Find what is wrong with a file of settings, and with the environment."`
	Schema   configSchemaCmd   `cmd:"" help:"Print a JSON Schema of the file of settings, for editors."`
	Fmt      configFmtCmd      `cmd:"" help:"Print a file of settings in its usual form; -w writes it."`
}

type configPrintCmd struct {
	serveFlags  `embed:""`
	outputFlags `embed:""`
}

// Help is shown below the flags.
func (c *configPrintCmd) Help() string {
	return "Flags of serve may be given, to see what they come to. With --output yaml it is a file of settings that is printed."
}

// Run prints the settings.
func (c *configPrintCmd) Run(command *kong.Context, from *configuration) error {
	all := effectiveSettings(command, from)
	if c.Output == "yaml" {
		text, err := asFile(all)
		if err != nil {
			return err
		}
		_, err = os.Stdout.Write(text)
		return err
	}
	return c.print(all, func(w io.Writer) { settingsTable(w, all) })
}

// settingsTable writes a line for each setting.
func settingsTable(w io.Writer, all []effective) {
	t := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(t, "SETTING\tVALUE\tFROM")
	for _, e := range all {
		from := e.Where
		if from == "" {
			from = e.Source
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", e.Name, shown(e.Value), from)
	}
	_ = t.Flush() // w is a buffer
}

// shown is a value in one line.
func shown(value any) string {
	switch v := value.(type) {
	case []string:
		return strings.Join(v, " ")
	case string:
		return v
	}
	return fmt.Sprint(value)
}

// asFile is a file of settings with these values; each says where it was from.
func asFile(all []effective) ([]byte, error) {
	model := settingsModel()
	root := &yaml.Node{Kind: yaml.MappingNode}
	for _, e := range all {
		s, _ := model.Find(e.Name) // of this model
		if s.NoFile || e.Value == "" {
			continue // a value that is empty is the default's
		}
		value := &yaml.Node{Kind: yaml.ScalarNode}
		switch v := e.Value.(type) {
		case []string:
			if len(v) == 0 {
				continue
			}
			value = &yaml.Node{Kind: yaml.SequenceNode}
			for _, one := range v {
				value.Content = append(value.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: one})
			}
		case bool:
			value.Tag, value.Value = "!!bool", strconv.FormatBool(v)
		case int:
			value.Tag, value.Value = "!!int", strconv.Itoa(v)
		default:
			if value.Tag, value.Value = "!!str", shown(v); v == "0" && s.Kind == settings.Size {
				value.Tag = "!!int"
			}
		}
		key := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: e.Name}
		if e.Source != "default" {
			key.HeadComment = "# " + e.Where
		}
		root.Content = append(root.Content, key, value)
	}
	return yaml.Dump(root, yaml.WithIndent(2), yaml.WithCompactSeqIndent(false), yaml.WithLineWidth(-1))
}

type configValidateCmd struct {
	File string `arg:"" optional:"" help:"The file; when not given, that which serve would read."`
}

// Run prints what is set, or fails with all that is wrong.
func (c *configValidateCmd) Run(_ *kong.Context, from *configuration) error {
	name := c.File
	if name == "" {
		name = from.getenv(envPrefix + "CONFIG")
	}
	file, err := readSettings(name, from.getenv)
	if err != nil {
		return err
	}
	for _, p := range unknownVariables(os.Environ()) {
		fmt.Fprintf(os.Stderr, "warning: %s: %s\n", p.Place, p.Text)
	}
	read := noFile
	if file != nil {
		read = file.Name
	}
	// What a value means is found out by the command line that serve has.
	if _, err := validated(read); err != nil {
		return err
	}
	if file == nil {
		fmt.Println("There is no file of settings; all is as the environment and defaults say.")
		return nil
	}
	fmt.Printf("%s: %d settings, nothing wrong\n", file.Name, len(file.Values))
	return nil
}

// validated reads the settings as glassine serve would with that file.
func validated(file string) (*serveFlags, error) {
	var all struct {
		serveFlags `embed:""`
	}
	parser, _, err := newParser(&all)
	if err != nil {
		return nil, err
	}
	if _, err := parser.Parse([]string{"--config", file}); err != nil {
		return nil, err
	}
	_, err = all.config()
	return &all.serveFlags, err
}

// schemaURL names the schema; nothing is fetched from it.
const schemaURL = "https://glassine.invalid/glassine.schema.json"

type configSchemaCmd struct{}

// Run prints the schema.
func (configSchemaCmd) Run() error {
	_, err := os.Stdout.Write(settingsSchema())
	return err
}

// settingsSchema is deploy/glassine.schema.json.
func settingsSchema() []byte {
	return settingsModel().Schema(schemaURL, "Settings of glassine")
}

type configFmtCmd struct {
	Files []string `arg:"" optional:"" help:"Files of settings; - is standard input, which is read when none is given."`
	Write bool     `short:"w" help:"Write each file anew in place of printing it."`
	List  bool     `short:"l" help:"Print the names of files that are not in the usual form, and fail when there is one."`
}

// Run formats files. What is not a file of settings without faults is not touched.
func (c *configFmtCmd) Run() error {
	files := c.Files
	if len(files) == 0 {
		files = []string{"-"}
	}
	if c.Write && slices.Contains(files, "-") {
		return usageError{errors.New("-w needs files to write")}
	}
	var errs []error
	for _, name := range files {
		errs = append(errs, c.format(name))
	}
	return errors.Join(errs...)
}

func (c *configFmtCmd) format(name string) error {
	text, err := readInput(name)
	if err != nil {
		return err
	}
	out, err := settings.Format(name, text, settingsModel())
	if err != nil {
		return err
	}
	same := bytes.Equal(text, out)
	if c.List && !same {
		return fmt.Errorf("%s is not in the usual form; try: glassine config fmt -w %s", name, quote(name))
	}
	if c.Write && !same {
		return rewrite(name, out)
	}
	if !c.Write && !c.List {
		_, err = os.Stdout.Write(out)
	}
	return err
}

func readInput(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(os.Stdin, settings.MaxFile+1))
	}
	return os.ReadFile(name)
}

// rewrite replaces a file, keeping its mode: whoever reads it meanwhile finds the old text or the new one.
func rewrite(name string, text []byte) (err error) {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	temp := name + ".new"
	if err := os.WriteFile(temp, text, info.Mode().Perm()); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(temp) // the error is what counts
		}
	}()
	return os.Rename(temp, name)
}
