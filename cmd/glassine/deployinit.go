package main

import (
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

type initCmd struct {
	Path  string `arg:"" optional:"" default:"stack.yaml" help:"File to write."`
	Name  string `help:"What the access points are called." default:"photos"`
	Force bool   `short:"f" help:"Overwrite a file that is there."`
}

// starter is the template of glassine init. NAME stands for what its parts are called.
//
//go:embed starter.yaml
var starter string

// starterBucket is the part of starter that makes the bucket, which glassine import leaves out.
const starterBucket = "  # The originals."

// Run writes the template.
func (c *initCmd) Run() error {
	if err := checkPointName(c.Name); err != nil {
		return usageError{err}
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if c.Force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	if err := os.MkdirAll(filepath.Dir(c.Path), 0o777); err != nil {
		return err
	}
	f, err := os.OpenFile(c.Path, flags, 0o666)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%w: --force overwrites it", err)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.ReplaceAll(starter, "NAME", c.Name))
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	fmt.Printf("Wrote %s. Next: glassine deploy %s\n", c.Path, quote(c.Path))
	return nil
}

// checkPointName refuses what cannot be part of an access point's name: 3 to 50 lower-case letters, digits and hyphens, to which
// we add up to five. S3 User Guide, "Access points restrictions and limitations".
func checkPointName(name string) error {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-"
	if len(name) < 3 || len(name) > 40 || strings.Trim(name, letters) != "" || strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-") {
		return fmt.Errorf("%q cannot be the name of access points: 3 to 40 lower-case letters, digits and hyphens", name)
	}
	return nil
}
