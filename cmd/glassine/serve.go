package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"github.com/alecthomas/kong"

	"glassine"
	"glassine/initscript"
	"glassine/lambda/sandbox"
)

type upCmd struct {
	serveFlags `embed:""`
}

type serveCmd struct {
	serveFlags `embed:""`
}

// Run serves with the demo.
func (c *upCmd) Run(ctx *kong.Context) error { return c.run(ctx, true, nil) }

// Run serves.
func (c *serveCmd) Run(ctx *kong.Context) error { return c.run(ctx, false, nil) }

// run serves until SIGINT or SIGTERM, then drains. A second signal ends the process at once; SIGHUP reloads the settings of the
// command line, which is that of parsed. ready, which may be nil, is called when requests are answered; its error ends the run.
func (f *serveFlags) run(command *kong.Context, demo bool, ready func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP) // from now on it does not end the process
	defer signal.Stop(hangups)
	attended := hasTerminal()
	manager := notifier{os.Getenv("NOTIFY_SOCKET")}
	_ = os.Unsetenv("NOTIFY_SOCKET") // no child speaks for us
	level := &slog.LevelVar{}
	level.Set(f.level())
	cfg, err := f.started(demo, level)
	if err != nil {
		return err
	}
	again := &reloader{again: func() (parsed, error) { return reread(command) }, level: level, log: cfg.Log}
	if again.now, err = again.again(); err != nil {
		return err
	}
	if f.AccessLog != "off" {
		if again.access, err = newAccessLog(f.AccessLog); err != nil {
			return err
		}
		defer func() { _ = again.access.use(nil) }() // each line was written whole
		cfg.AccessLog = again.access
	}
	scripts, err := f.scripts(cfg.Log)
	if err != nil {
		return err
	}
	cfg.InitScripts = scripts.Scripts
	scripts.run(ctx, initscript.Boot, f.AWS)
	system, err := glassine.New(ctx, cfg)
	if err != nil {
		return err
	}
	again.system = system
	scripts.run(ctx, initscript.Start, system.Addresses().AWS)
	f.welcome(system, demo)
	serving, leave := context.WithCancel(context.WithoutCancel(ctx))
	defer leave()
	var background sync.WaitGroup
	defer background.Wait()
	background.Go(func() {
		scripts.run(ctx, initscript.Ready, system.Addresses().AWS)
		if ctx.Err() == nil {
			fmt.Println("Ready.") // the last line, and true: all listeners are open, and the scripts have run
		}
		manager.watch(ctx, hangups, func() {
			if attended && !hasTerminal() {
				stop() // the hangup is the terminal's own: its window was closed
				return
			}
			again.reload()
		}, cfg.Log)
	})
	background.Go(func() {
		defer leave()
		<-ctx.Done()
		stop() // the next signal kills
		fmt.Fprintf(os.Stderr, "Stopping: waiting up to %s for requests under way.\n", f.Drain)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.Drain)
		defer cancel()
		scripts.run(ending, initscript.Shutdown, system.Addresses().AWS)
	})
	if ready == nil {
		return endedBy(stop, system.Serve(serving))
	}
	failed := make(chan error, 1)
	go func() {
		err := ready(ctx)
		if err != nil {
			stop()
		}
		failed <- err
	}()
	return errors.Join(endedBy(stop, system.Serve(serving)), <-failed)
}

// started is config with what the process was started with besides its settings, and with a log, in which it warns.
func (f *serveFlags) started(demo bool, level *slog.LevelVar) (glassine.Config, error) {
	cfg, err := f.config()
	if err != nil {
		return cfg, err
	}
	cfg.Demo, cfg.Log = demo, f.logger(os.Stderr, level)
	cfg.Interpreters = sandbox.SearchDirs(os.Getenv("HOME"), os.Getenv("PATH"))
	in, err := inherit(os.Getenv, firstInherited)
	if err != nil {
		return cfg, err
	}
	cfg.Listeners, cfg.QUIC = in.listeners, in.http3
	f.warn(cfg.Log)
	return cfg, nil
}

// hasTerminal reports whether the process has a controlling terminal.
func hasTerminal() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	_ = tty.Close() // nothing was written
	return true
}

// endedBy ends what else runs when serving has ended.
func endedBy(stop func(), err error) error {
	stop()
	return err
}

// watch tells the service manager that the start is over, calls reload at each hangup, and tells of the end, which is that of ctx.
func (n notifier) watch(ctx context.Context, hangups <-chan os.Signal, reload func(), log *slog.Logger) {
	tell := func(state ...string) {
		if err := n.tell(state...); err != nil {
			log.Warn("the service manager does not listen", "error", err.Error())
		}
	}
	tell("READY=1")
	for {
		select {
		case <-ctx.Done():
			tell("STOPPING=1")
			return
		case <-hangups:
			tell(reloading()...)
			reload()
			tell("READY=1")
		}
	}
}

// warn logs what is dangerous in the settings, and variables that set nothing.
func (f *serveFlags) warn(log *slog.Logger) {
	for _, text := range f.warnings() {
		log.Warn(text)
	}
	for _, p := range unknownVariables(os.Environ()) {
		log.Warn("unknown variable "+p.Place, "error", p.Text)
	}
}

// welcome says where everything is.
func (f *serveFlags) welcome(s *glassine.System, demo bool) {
	at := s.Addresses()
	_, https, _ := net.SplitHostPort(at.HTTPS) // an address of our own listener
	viewer := "https://localhost:" + https + "/"
	if demo {
		viewer += glassine.DemoKey
	}
	fmt.Printf("Viewer URL:    %s   (plaintext on http://%s redirects here)\n", viewer, at.HTTP)
	if demo {
		fmt.Printf("And smaller:   %s?width=400&format=auto   (docs/pictures.md)\n", viewer)
	}
	fmt.Printf("Console:       %s\n", consoleLine(s, at.Admin, demo))
	fmt.Printf("AWS endpoint:  https://%s and http://%s, account %s\n", at.AWS, at.AWS, f.Account)
	fmt.Printf("Certificate:   %s   (clients that should trust it; curl: --cacert)\n", s.CAFile())
	level, why := s.Isolation()
	fmt.Printf("Functions:     isolated at level %s%s\n", level, because(why))
	if s.NewRoot != nil {
		fmt.Printf("Root key:      %s %s   (made now and shown once)\n", s.NewRoot.AccessKeyID, s.NewRoot.SecretAccessKey)
	}
	fmt.Printf("Credentials:   eval \"$(%s)\"\n", f.envCommand(at.AWS))
	if demo {
		fmt.Printf("Demo bucket:   s3://%s\n", glassine.DemoBucket(f.Account))
	}
}

// consoleLine is how to get into the web console: by a link where somebody tries things out, else with a key. What a service
// prints is kept in logs.
func consoleLine(s *glassine.System, admin string, link bool) string {
	if link {
		if u, err := s.ConsoleLink(); err == nil {
			return u + "   (works once, within a minute; later: glassine console)"
		}
	}
	return "http://" + admin + "   (log in with an access key, or by: glassine console)"
}

// because says why isolation is no firmer.
func because(why []string) string {
	if len(why) == 0 {
		return ""
	}
	return "   (" + strings.Join(why, "; ") + ")"
}

// envCommand is the glassine env that fits this server.
func (f *dataFlags) envCommand(aws string) string {
	name := "glassine"
	if exe, err := os.Executable(); err == nil {
		name = exe
	}
	cmd := name + " env"
	if f.Data != defaultData() {
		cmd += " --data " + quote(f.Data)
	}
	if aws != "127.0.0.1:4566" {
		cmd += " --aws " + aws
	}
	if f.Region != "us-east-1" {
		cmd += " --region " + f.Region
	}
	return cmd
}
