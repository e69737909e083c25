// Command glassine runs the system and speaks to a running one. What it does to a running one goes through the AWS
// endpoint, signed: it has no private way in.
package main

import (
	"fmt"
	"os"
	"slices"

	"glassine"
)

// cli is the command line. Every setting can also stand in the environment as GLASSINE_ and its name, and in a file.
type cli struct {
	NoColor bool `help:"Print without colours; so does the variable NO_COLOR."`

	Up      upCmd      `cmd:"" group:"Run" help:"Run everything; in a new data directory deploy the demo first."`
	Serve   serveCmd   `cmd:"" group:"Run" help:"Run everything, without the demo."`
	Down    downCmd    `cmd:"" group:"Run" help:"Stop the glassine that runs on a data directory."`
	Status  statusCmd  `cmd:"" group:"Run" help:"Tell what runs, what it holds and how it does."`
	Top     topCmd     `cmd:"" group:"Run" help:"Watch what the edge and the functions do, each second."`
	Health  healthCmd  `cmd:"" group:"Run" help:"Ask whether a running glassine is ready; the status says it."`
	Console consoleCmd `cmd:"" group:"Run" help:"Print a link that logs in to the web console once."`
	Config  configCmd  `cmd:"" group:"Run" help:"Print, check and format settings, and their schema."`

	Env    envCmd    `cmd:"" group:"Set up" help:"Print shell exports with which AWS clients reach this glassine."`
	Hosts  hostsCmd  `cmd:"" group:"Set up" help:"Print names that clients ask for, or put them into a hosts file."`
	Trust  trustCmd  `cmd:"" group:"Set up" help:"Have this machine and its browsers trust the local authority."`
	Doctor doctorCmd `cmd:"" group:"Set up" help:"Find out why clients do not reach glassine, and what mends it."`
	Init   initCmd   `cmd:"" group:"Set up" help:"Write a template to start from: pictures behind the edge."`
	Import importCmd `cmd:"" group:"Set up" help:"Bring a set-up from AWS, or stand before a bucket elsewhere."`
	User   userCmd   `cmd:"" group:"Set up" help:"List, make and delete users and their access keys."`

	Deploy  deployCmd   `cmd:"" group:"Stacks" help:"Deploy a CloudFormation template or a cdk.out."`
	Diff    diffCmd     `cmd:"" group:"Stacks" help:"Show how a template or cdk.out differs from what is deployed."`
	Destroy destroyCmd  `cmd:"" group:"Stacks" help:"Delete stacks, and prove that nothing is left of them."`
	Stacks  stacksCmd   `cmd:"" group:"Stacks" help:"List the stacks."`
	Events  eventsCmd   `cmd:"" group:"Stacks" help:"Show what happened to a stack; with -f what happens."`
	Outputs outputsCmd  `cmd:"" group:"Stacks" help:"Print the outputs of a stack."`
	Valid   validateCmd `cmd:"" group:"Stacks" name:"validate" help:"Find what is wrong with a template or cdk.out, and make nothing."`
	Export  exportCmd   `cmd:"" group:"Stacks" help:"Print the template of a stack, for CloudFormation anywhere."`

	Trace traceCmd `cmd:"" group:"See" help:"Make a request as a viewer would, and tell how it was answered."`
	Logs  logsCmd  `cmd:"" group:"See" help:"Show what functions logged; with -f what they log."`
	Audit auditCmd `cmd:"" group:"See" help:"List what the pictures of a bucket would give away."`
	Dev   devCmd   `cmd:"" group:"See" help:"Run a function from a folder: upload on save, show its log."`

	URL     urlCmd     `cmd:"" name:"url" group:"Pictures" help:"Print the URL of a picture for viewers, and a srcset if asked."`
	Sign    signCmd    `cmd:"" group:"Pictures" help:"Sign the URL of a picture, for functions with signing keys."`
	Purge   purgeCmd   `cmd:"" group:"Pictures" help:"Drop a path (or a prefix ending in *) from the edge's cache."`
	Strip   stripCmd   `cmd:"" group:"Pictures" help:"Take the metadata out of pictures on this machine, losslessly."`
	Inspect inspectCmd `cmd:"" group:"Pictures" help:"Show what pictures on this machine tell about their makers."`

	Backup  backupCmd  `cmd:"" group:"Maintain" help:"Write a backup of everything to one file, running or not."`
	Restore restoreCmd `cmd:"" group:"Maintain" help:"Make a data directory of a backup."`
	Reset   resetCmd   `cmd:"" group:"Maintain" help:"Delete everything that was made in a running glassine; for tests."`
	RootKey rootKeyCmd `cmd:"" group:"Maintain" name:"root-key" help:"Make the root key anew, while no server runs; the old is dead."`
	Fsck    fsckCmd    `cmd:"" group:"Maintain" help:"Check stored objects by their checksums, while no server runs."`
	Version versionCmd `cmd:"" group:"Maintain" help:"Print the version."`

	Help       helpCmd       `cmd:"" group:"This program" help:"Show what a command does, with examples."`
	Completion completionCmd `cmd:"" group:"This program" help:"Print a completion script for bash, zsh or fish."`
	Man        manCmd        `cmd:"" group:"This program" help:"Print a manual page, or write all of them into a folder."`
	Complete   completeCmd   `cmd:"" hidden:"" name:"__complete" help:"Print what can stand at the end of a command line."`
}

func main() {
	if glassine.Main() {
		return
	}
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	var c cli
	forgetEmpty()
	parser, from, err := newParser(&c)
	if err != nil {
		panic(err) // a broken program
	}
	if err := dress(parser); err != nil {
		panic(err) // a broken program
	}
	parsed, err := parser.Parse(args)
	if c.NoColor || slices.Contains(args, "--no-color") {
		_ = os.Setenv("NO_COLOR", "1") // a name without = is no error
	}
	if err != nil {
		return fail(misused(err))
	}
	err = parsed.Run(from, parser)
	if err == nil {
		return 0
	}
	var at *dataFlags
	if command, ok := parsed.Selected().Target.Addr().Interface().(interface{ reachable() *dataFlags }); ok {
		at = command.reachable()
	}
	status := fail(explain(err, at))
	if parsed.Command() == "health" && !isNotReady(err) {
		status = statusFailed // 3 is for one that answers, as Docker and scripts that wait want to know it apart
	}
	return status
}

// fail tells of an error, and returns the status to end with.
func fail(err error) int {
	fmt.Fprint(os.Stderr, shownError(err))
	return exitStatus(err)
}
