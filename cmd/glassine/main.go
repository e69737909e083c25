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
	Up      upCmd       `cmd:"" help:"Run everything; in a new data directory deploy the demo first."`
	Serve   serveCmd    `cmd:"" help:"Run everything, without the demo."`
	Env     envCmd      `cmd:"" help:"Print shell exports with which AWS clients reach this glassine."`
	Hosts   hostsCmd    `cmd:"" help:"Print the host names that clients ask for as lines of a hosts file, or write them into it."`
	Trust   trustCmd    `cmd:"" help:"Have this machine and its browsers trust the local certificate authority; prints the commands unless run as root."`
	Doctor  doctorCmd   `cmd:"" help:"Find out why clients do not reach a running glassine, and how to mend it."`
	Init    initCmd     `cmd:"" help:"Write a template to start from: a bucket of pictures behind the edge."`
	Deploy  deployCmd   `cmd:"" help:"Deploy a CloudFormation template or a cdk.out."`
	Diff    diffCmd     `cmd:"" help:"Show how a template or cdk.out differs from what is deployed."`
	Destroy destroyCmd  `cmd:"" help:"Delete stacks, and prove that nothing is left of them."`
	Stacks  stacksCmd   `cmd:"" help:"List the stacks."`
	Events  eventsCmd   `cmd:"" help:"Show what happened to a stack; with -f what happens."`
	Outputs outputsCmd  `cmd:"" help:"Print the outputs of a stack."`
	Valid   validateCmd `cmd:"" name:"validate" help:"Find what is wrong with a template or cdk.out, and make nothing."`
	Export  exportCmd   `cmd:"" help:"Print the template of a stack, for CloudFormation anywhere."`
	Import  importCmd   `cmd:"" help:"Bring a set-up from AWS, or put glassine in front of a bucket elsewhere."`
	Dev     devCmd      `cmd:"" help:"Run a function from a folder: upload it again when a file is saved, and show its log."`
	Console consoleCmd  `cmd:"" help:"Print a link that logs in to the web console, once, within a minute."`
	Purge   purgeCmd    `cmd:"" help:"Drop a path (or a prefix ending in *) from the edge's cache."`
	Trace   traceCmd    `cmd:"" help:"Make a request as a viewer would, and tell how it was answered and why."`
	RootKey rootKeyCmd  `cmd:"" name:"root-key" help:"Make the root access key anew; the old one is dead. The server must not run."`
	Fsck    fsckCmd     `cmd:"" help:"Check the stored objects against their index and checksums. The server must not run."`
	Sign    signCmd     `cmd:"" help:"Sign the URL of a picture, for an access point whose payload has signing keys."`
	Strip   stripCmd    `cmd:"" help:"Take the metadata out of pictures on this machine, without touching the pictures."`
	Inspect inspectCmd  `cmd:"" help:"Show what pictures on this machine tell about their makers."`
	Version versionCmd  `cmd:"" help:"Print the version."`
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
		if _, ok := errors.AsType[usageError](err); ok {
			return 2
		}
		return 1
	}
	return 0
}
