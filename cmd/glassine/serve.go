package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"glassine"
	"glassine/lambda/sandbox"
)

// dataFlags say where the data is and how its AWS endpoint is reached; commands that speak to a running one share them.
type dataFlags struct {
	Data    string `help:"Data directory." default:"${default_data}" type:"path" env:"GLASSINE_DATA"`
	AWS     string `name:"aws" help:"Address of the AWS endpoint." default:"127.0.0.1:4566" env:"GLASSINE_AWS"`
	Account string `help:"AWS account id, 12 digits." default:"123456789012" env:"GLASSINE_ACCOUNT"`
	Region  string `help:"Region where nothing else names one." default:"us-east-1" env:"GLASSINE_REGION"`
}

// defaultData is $XDG_DATA_HOME/glassine, or ~/.local/share/glassine.
func defaultData() string {
	if d := os.Getenv("XDG_DATA_HOME"); d != "" {
		return filepath.Join(d, "glassine")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "glassine-data"
	}
	return filepath.Join(home, ".local", "share", "glassine")
}

type serveFlags struct {
	dataFlags
	elsewhereFlags
	tlsFlags
	HTTP           string   `name:"http" help:"Address for viewers, plaintext." default:"127.0.0.1:8080" env:"GLASSINE_HTTP"`
	HTTPS          string   `name:"https" help:"Address for viewers, TLS." default:"127.0.0.1:8443" env:"GLASSINE_HTTPS"`
	Admin          string   `help:"Address of the web console, health and metrics; never give it to viewers." default:"127.0.0.1:7070" env:"GLASSINE_ADMIN"`
	AccessLog      string   `help:"Where the edge's access log goes: a file, - for standard output, off." default:"-" env:"GLASSINE_ACCESS_LOG"`
	GeoDatabase    []string `help:"Database in the MaxMind DB format that says where viewers are; repeat for several." type:"existingfile" sep:"none" env:"GLASSINE_GEO_DATABASE"`
	Strict         []string `help:"Do as AWS where glassine does better: vary, targeted, must-revalidate, truncated, authorization, edge-functions, or all." env:"GLASSINE_STRICT"`
	ConsoleHost    []string `help:"Name at which a proxy with TLS serves the web console, besides loopback's; repeat for several." env:"GLASSINE_CONSOLE_HOST"`
	CacheStatus    bool     `help:"Add Cache-Status (RFC 9211) to the answers to viewers." env:"GLASSINE_CACHE_STATUS"`
	Isolation      string   `help:"Weakest isolation at which functions may run: strict, or nothing for what the machine gives." default:"" env:"GLASSINE_ISOLATION"`
	Libvips        string   `help:"libvips that makes pictures, in place of the one in this program." default:"" env:"GLASSINE_LIBVIPS"`
	CacheMemory    size     `help:"The edge's cache in memory." default:"256MiB" env:"GLASSINE_CACHE_MEMORY"`
	CacheDisk      size     `help:"The edge's cache on disk, in the data directory; 0 for none. -1 is 10 GiB, or half of what is free." default:"-1" env:"GLASSINE_CACHE_DISK"`
	PictureWorkers int      `help:"Pictures made at a time; 0 for one for each CPU." default:"0" env:"GLASSINE_PICTURE_WORKERS"`
	Verbose        bool     `short:"v" help:"Log each request on the AWS endpoint." env:"GLASSINE_VERBOSE"`
}

type upCmd struct {
	serveFlags `embed:""`
}

type serveCmd struct {
	serveFlags `embed:""`
}

func (c *upCmd) Run() error    { return c.run(true, nil) }
func (c *serveCmd) Run() error { return c.run(false, nil) }

// run serves until SIGINT or SIGTERM, then drains. A second signal ends the process at once. ready, which may be nil, is called
// when requests are answered; its error ends the run.
func (f *serveFlags) run(demo bool, ready func(context.Context) error) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	level := slog.LevelInfo
	if f.Verbose {
		level = slog.LevelDebug
	}
	cfg := glassine.Config{
		Data: f.Data, AWS: f.AWS, HTTP: f.HTTP, HTTPS: f.HTTPS, Admin: f.Admin, Account: f.Account, Region: f.Region, Demo: demo, Isolation: f.Isolation,
		Libvips: f.Libvips, PictureWorkers: f.PictureWorkers, CacheBytes: int64(f.CacheMemory), CacheDiskBytes: f.CacheDisk.limit(), GeoDatabases: f.GeoDatabase, Strict: f.Strict, CacheStatus: f.CacheStatus, ConsoleHosts: f.ConsoleHost,
		Interpreters: sandbox.SearchDirs(os.Getenv("HOME"), os.Getenv("PATH")),
		Log:          slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	}
	f.apply(&cfg)
	var err error
	if cfg.Remotes, err = f.remotes(os.Getenv); err != nil {
		return err
	}
	if cfg.Directories, err = f.directories(); err != nil {
		return err
	}
	switch f.AccessLog {
	case "off":
	case "-":
		cfg.AccessLog = os.Stdout
	default:
		file, err := os.OpenFile(f.AccessLog, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
		if err != nil {
			return fmt.Errorf("open access log: %w", err)
		}
		defer file.Close()
		cfg.AccessLog = file
	}
	system, err := glassine.New(ctx, cfg)
	if err != nil {
		return err
	}
	f.welcome(system, demo)
	go func() {
		<-ctx.Done()
		stop() // the next signal kills
		fmt.Fprintf(os.Stderr, "Stopping: waiting up to %s for requests under way.\n", glassine.DrainTime)
	}()
	if ready == nil {
		return system.Serve(ctx)
	}
	failed := make(chan error, 1)
	go func() {
		err := ready(ctx)
		if err != nil {
			stop()
		}
		failed <- err
	}()
	return errors.Join(system.Serve(ctx), <-failed)
}

// welcome says where everything is. Ready. is the last line, and true: all listeners are open.
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
	fmt.Println("Ready.")
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
