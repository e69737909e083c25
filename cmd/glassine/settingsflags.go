package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"glassine"
)

// dataFlags say where the data is and how its AWS endpoint is reached; commands that speak to a running one share them.
type dataFlags struct {
	Config  string `help:"File of settings; none reads no file. Without it the first that is there: $XDG_CONFIG_HOME/glassine/glassine.yaml (~/.config without that variable), /etc/glassine/glassine.yaml." placeholder:"FILE" nofile:"" is:"path" word:"none" env:"GLASSINE_CONFIG"`
	Data    string `help:"Data directory." default:"${default_data}" type:"path" env:"GLASSINE_DATA"`
	AWS     string `name:"aws" help:"Address of the AWS endpoint, TLS and plaintext." default:"127.0.0.1:4566" is:"address" env:"GLASSINE_AWS"`
	Account string `help:"AWS account id, 12 digits." default:"123456789012" example:"123456789012" env:"GLASSINE_ACCOUNT"`
	Region  string `help:"Region where nothing else names one." default:"us-east-1" env:"GLASSINE_REGION"`
}

// serveFlags are the settings: the one place that flags, variables, keys of the file, the schema and docs/guide/settings.md come
// from. The tags are kong's, and those of describe.
type serveFlags struct {
	dataFlags      `group:"The installation"`
	listenFlags    `group:"Listeners"`
	tlsFlags       `group:"Certificates"`
	edgeFlags      `group:"The edge"`
	elsewhereFlags `group:"Buckets elsewhere"`
	workFlags      `group:"Functions and pictures"`
	logFlags       `group:"Logs"`
	testFlags      `group:"Tests"`
}

// listenFlags are the listeners besides that of the AWS endpoint.
type listenFlags struct {
	HTTP        string        `name:"http" help:"Address for viewers, plaintext." default:"127.0.0.1:8080" is:"address" env:"GLASSINE_HTTP"`
	HTTPS       string        `name:"https" help:"Address for viewers, TLS; HTTP/3 has the UDP port of that number." default:"127.0.0.1:8443" is:"address" env:"GLASSINE_HTTPS"`
	Admin       string        `help:"Address of the web console, health and metrics; never give it to viewers." default:"127.0.0.1:7070" is:"address" env:"GLASSINE_ADMIN"`
	ConsoleHost []string      `help:"Name at which a proxy with TLS serves the web console, besides loopback's." example:"console.example.com" env:"GLASSINE_CONSOLE_HOST"`
	NoHTTP3     bool          `name:"no-http3" help:"Serve no HTTP/3, whatever distributions say." env:"GLASSINE_NO_HTTP3"`
	Drain       time.Duration `help:"How long a stop waits for requests under way." default:"10s" env:"GLASSINE_DRAIN"`
}

// edgeFlags are how the edge answers and what it keeps.
type edgeFlags struct {
	CacheMemory size     `help:"The edge's cache in memory." default:"256MiB" env:"GLASSINE_CACHE_MEMORY"`
	CacheDisk   size     `help:"The edge's cache on disk, in the data directory; 0 for none. auto is 10 GiB, or half of what is free if that is less." default:"auto" word:"auto" env:"GLASSINE_CACHE_DISK"`
	Strict      []string `help:"Do as AWS where glassine does better (docs/aws-differences.md)." enum:"vary,targeted,must-revalidate,truncated,authorization,edge-functions,all" live:"" env:"GLASSINE_STRICT"`
	CacheStatus bool     `help:"Add Cache-Status (RFC 9211) to the answers to viewers." live:"" env:"GLASSINE_CACHE_STATUS"`
	GeoDatabase []string `help:"Database in the MaxMind DB format that says where viewers are; one that is replaced is taken up." type:"existingfile" sep:"none" env:"GLASSINE_GEO_DATABASE"`
}

// workFlags are how functions run and pictures are made.
type workFlags struct {
	Isolation      string `help:"Weakest isolation at which functions may run and pictures be made: strict, or nothing for what the machine gives." default:"" enum:",strict" env:"GLASSINE_ISOLATION"`
	PictureWorkers int    `help:"Pictures made at a time; 0 for one for each CPU." default:"0" env:"GLASSINE_PICTURE_WORKERS"`
	Libvips        string `help:"libvips that makes pictures, in place of the one in this program." default:"" is:"path" env:"GLASSINE_LIBVIPS"`
}

// logFlags are what is written about requests and what happens.
type logFlags struct {
	LogLevel  string `help:"What is logged: this and what is graver. debug has each request on the AWS endpoint." default:"info" enum:"debug,info,warn,error" live:"" env:"GLASSINE_LOG_LEVEL"`
	LogFormat string `help:"How the log on standard error is written; auto is text on a terminal, else json." default:"auto" enum:"auto,text,json" env:"GLASSINE_LOG_FORMAT"`
	AccessLog string `help:"Where the edge's access log goes: a file, - for standard output, off. A reload opens the file anew; from and to off needs a restart." default:"-" is:"path" word:"- off" live:"" env:"GLASSINE_ACCESS_LOG"`
	Verbose   bool   `short:"v" help:"Log each request on the AWS endpoint: the same as log-level debug." live:"" env:"GLASSINE_VERBOSE"`
}

// testFlags are for who tests against glassine.
type testFlags struct {
	AllowReset bool   `help:"Let who may glassine:Reset delete everything that was made, as glassine reset does. For tests." env:"GLASSINE_ALLOW_RESET"`
	InitDir    string `help:"Folder whose boot.d, start.d, ready.d and shutdown.d have scripts to run, as LocalStack's /etc/localstack/init. They have the powers of this process, and the root key." default:"" is:"path" env:"GLASSINE_INIT_DIR"`
}

// own returns f: what a reload finds the settings of any command by.
func (f *serveFlags) own() *serveFlags { return f }

// config is f for the system, but for the log. Its errors are those of values that are wrong by themselves.
func (f *serveFlags) config() (glassine.Config, error) {
	cfg := glassine.Config{
		Data: f.Data, AWS: f.AWS, HTTP: f.HTTP, HTTPS: f.HTTPS, Admin: f.Admin, Account: f.Account, Region: f.Region, ConsoleHosts: f.ConsoleHost, NoHTTP3: f.NoHTTP3,
		Drain: f.Drain, CacheBytes: int64(f.CacheMemory), CacheDiskBytes: f.CacheDisk.limit(), Strict: f.Strict, CacheStatus: f.CacheStatus, GeoDatabases: f.GeoDatabase,
		Isolation: f.Isolation, PictureWorkers: f.PictureWorkers, Libvips: f.Libvips, AllowReset: f.AllowReset,
	}
	f.apply(&cfg)
	var errs []error
	var err error
	if cfg.Remotes, err = f.remotes(os.Getenv); err != nil {
		errs = append(errs, err)
	}
	if cfg.Directories, err = f.directories(); err != nil {
		errs = append(errs, err)
	}
	if cfg.OTLP, err = otlpFrom(os.Getenv); err != nil {
		errs = append(errs, err)
	}
	if len(f.Account) != 12 || strings.Trim(f.Account, "0123456789") != "" {
		errs = append(errs, fmt.Errorf("--account %s: it is not 12 digits", f.Account))
	}
	for _, a := range [][2]string{{"aws", f.AWS}, {"http", f.HTTP}, {"https", f.HTTPS}, {"admin", f.Admin}} {
		if _, _, err := net.SplitHostPort(a[1]); err != nil {
			errs = append(errs, fmt.Errorf("--%s %s: it is not of the form host:port", a[0], a[1]))
		}
	}
	switch {
	case f.Drain < 0:
		errs = append(errs, fmt.Errorf("--drain %s: it is less than nothing", f.Drain))
	case f.Drain == 0:
		cfg.Drain = -1 // 0 is the default there
	}
	return cfg, errors.Join(errs...)
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

// warnings are settings that are dangerous where somebody did not mean them, a sentence each.
func (f *serveFlags) warnings() []string {
	var out []string
	if !loopback(f.Admin) {
		out = append(out, fmt.Sprintf("--admin %s is reached by other machines without TLS: whoever can connect reads health and metrics. The console answers only names of loopback and of --console-host", f.Admin))
	}
	if !loopback(f.AWS) {
		out = append(out, fmt.Sprintf("--aws %s is reached by other machines, in plaintext too: signatures keep secret keys secret, but not what is sent. Have clients use https://, or a firewall before it", f.AWS))
	}
	for _, text := range f.Remote {
		name, where, _ := strings.Cut(text, "=")
		host, plain := strings.CutPrefix(where, "http://")
		host, _, _ = strings.Cut(host, "/")
		if plain && !loopback(net.JoinHostPort(strings.Trim(hostOf(host), "[]"), "80")) {
			out = append(out, fmt.Sprintf("--remote %s is reached over http://: objects go over the network in plaintext", name))
		}
	}
	if strings.HasPrefix(f.ACMEDirectory, "http://") {
		out = append(out, "--acme-directory is an http:// URL: anybody on the way can have certificates issued, or none")
	}
	return out
}

// hostOf is a host without its port.
func hostOf(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}

// loopback reports whether an address is for this machine alone.
func loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
