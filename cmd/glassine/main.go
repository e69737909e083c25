// Command glassine runs the system and speaks to a running one. What it does to a running one goes through the AWS
// endpoint, signed: it has no private way in.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/alecthomas/kong"

	"glassine"
)

// cli is the command line. Every flag can also stand in the environment as GLASSINE_ and its name.
type cli struct {
	Up      upCmd      `cmd:"" help:"Run everything; in a new data directory deploy the demo first."`
	Serve   serveCmd   `cmd:"" help:"Run everything, without the demo."`
	Env     envCmd     `cmd:"" help:"Print shell exports with which AWS clients reach this glassine."`
	Dev     devCmd     `cmd:"" help:"Run a function from a folder: upload it again when a file is saved, and show its log."`
	Purge   purgeCmd   `cmd:"" help:"Drop a path (or a prefix ending in *) from the edge's cache."`
	RootKey rootKeyCmd `cmd:"" name:"root-key" help:"Make the root access key anew; the old one is dead. The server must not run."`
	Fsck    fsckCmd    `cmd:"" help:"Check the stored objects against their index and checksums. The server must not run."`
	Sign    signCmd    `cmd:"" help:"Sign the URL of a picture, for an access point whose payload has signing keys."`
	Strip   stripCmd   `cmd:"" help:"Take the metadata out of pictures on this machine, without touching the pictures."`
	Inspect inspectCmd `cmd:"" help:"Show what pictures on this machine tell about their makers."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

func main() {
	if glassine.Main() {
		return
	}
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	var c cli
	parser, err := kong.New(&c, kong.Name("glassine"), kong.UsageOnError(), kong.Vars{"default_data": defaultData()},
		kong.Description("A private bucket of photographs, served clean from the edge: S3 Object Lambda behind CloudFront, in one program."))
	if err != nil {
		panic(err) // a broken program
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		if _, ok := errors.AsType[*kong.ParseError](err); ok {
			fmt.Fprintf(os.Stderr, "glassine: %v\nTry: glassine --help\n", err)
			return 2
		}
		fmt.Fprintln(os.Stderr, "glassine:", err)
		return 2
	}
	if err := parsed.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "glassine:", err)
		return 1
	}
	return 0
}
