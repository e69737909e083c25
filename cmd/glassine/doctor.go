package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"glassine"
	"glassine/confine"
	"glassine/lambda/sandbox"
)

type doctorCmd struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
	HTTPS       string `name:"https" help:"Address of the viewers' listener." default:"127.0.0.1:8443" env:"GLASSINE_HTTPS"`
}

// Run looks at what clients need to reach a running glassine, and at what functions need of the machine, and says what is
// wrong with the command that mends it. The error says that something does not work; what only limits is a warning.
func (c *doctorCmd) Run() error {
	found := []finding{}
	d := &doctor{doctorCmd: c, getenv: os.Getenv, lookup: lookup, now: time.Now}
	if !c.forPeople() {
		d.out = func(f finding) { found = append(found, f) }
	}
	wrong := d.examine()
	if !c.forPeople() {
		if err := c.print(found, nil); err != nil {
			return err
		}
	}
	if len(wrong) > 0 {
		return fmt.Errorf("%s wrong: %w", isOrAre(len(wrong), "thing"), errors.Join(wrong...))
	}
	return nil
}

// isOrAre is a number of things and its verb.
func isOrAre(n int, noun string) string {
	verb := " are"
	if n == 1 {
		verb = " is"
	}
	return counted(n, noun) + verb
}

// finding is what came of looking at one thing.
type finding struct {
	Level string // ok, warning or wrong
	What  string // in a sentence
	Try   string `json:",omitempty"` // a command or what else helps; ""
}

// doctor looks at one thing after another.
type doctor struct {
	*doctorCmd
	getenv func(string) string
	lookup func(host string) ([]string, error)
	now    func() time.Time
	out    func(finding) // nil prints
	wrong  []error
}

// lookup resolves a name as programs on this machine do.
func lookup(host string) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return net.DefaultResolver.LookupHost(ctx, host)
}

func (d *doctor) say(f finding) {
	if f.Level == "wrong" {
		d.wrong = append(d.wrong, errors.New(f.What))
	}
	if d.out != nil {
		d.out(f)
		return
	}
	colour := map[string]string{"ok": green, "warning": yellow, "wrong": red}[f.Level]
	fmt.Printf("%s%s %s\n", painted(os.Stdout, colour, f.Level), strings.Repeat(" ", 8-len(f.Level)), f.What)
	if f.Try != "" {
		fmt.Printf("%-8s try: %s\n", "", f.Try)
	}
}

// examine looks at everything, and returns what is wrong. What depends on something that is wrong is not looked at.
func (d *doctor) examine() []error {
	if d.dataDirectory() && d.endpoint() {
		d.credentials()
		d.names()
	}
	d.viewers()
	d.environment()
	d.trusted()
	d.functions()
	return d.wrong
}

// dataDirectory has the certificate and the root key.
func (d *doctor) dataDirectory() bool {
	_, err := glassine.RootCredentials(d.Data)
	_, missing := os.Stat(filepath.Join(d.Data, "state.db"))
	switch {
	case errors.Is(missing, fs.ErrNotExist):
		d.say(finding{"wrong", "there is no glassine in " + d.Data, "glassine up, or --data with another directory"})
	case err != nil:
		d.say(finding{"wrong", err.Error(), "run this as the user that runs glassine"})
	default:
		d.say(finding{"ok", "the data directory is " + d.Data, ""})
	}
	return err == nil
}

// endpoint answers over TLS, with the certificate of this installation, at the time that it is here.
func (d *doctor) endpoint() bool {
	reach, err := d.rootClient()
	if err != nil {
		d.say(finding{"wrong", err.Error(), ""})
		return false
	}
	reach.HTTP.Timeout = 10 * time.Second
	resp, err := reach.HTTP.Get("https://sts.us-east-1.amazonaws.com/")
	_, unknown := errors.AsType[x509.UnknownAuthorityError](err)
	switch {
	case unknown:
		d.say(finding{"wrong", "another glassine, or another program, listens on " + d.AWS, "--data with the directory of that one, or --aws with the address of this one"})
		return false
	case isRefused(err):
		d.say(finding{"wrong", "nothing listens on " + d.AWS + ", where the AWS endpoint is to be", "glassine up, or --aws with its address"})
		return false
	case err != nil:
		d.say(finding{"wrong", "the AWS endpoint on " + d.AWS + " does not answer: " + err.Error(), ""})
		return false
	}
	resp.Body.Close()
	d.say(finding{"ok", "the AWS endpoint answers on " + d.AWS, ""})
	d.clock(resp.Header)
	return true
}

// rootClient signs with the root key, whatever the environment says.
func (d *doctor) rootClient() (*api, error) {
	key, _, err := d.dataFlags.credentials(func(string) string { return "" })
	if err != nil {
		return nil, err
	}
	return d.clientOf(key, filepath.Join(d.Data, "ca.pem"))
}

// clock compares clocks: a signature is good for 15 minutes (Amazon S3 API Reference, RequestTimeTooSkewed).
func (d *doctor) clock(answer http.Header) {
	there, err := http.ParseTime(answer.Get("Date"))
	if err != nil {
		return
	}
	if skew := d.now().Sub(there).Abs(); skew > 5*time.Minute {
		d.say(finding{"wrong", fmt.Sprintf("the clocks of this machine and of glassine's are %s apart, and a signature is good for 15 minutes", skew.Round(time.Second)), "set the clock: timedatectl set-ntp true"})
	}
}

// credentials are taken.
func (d *doctor) credentials() {
	reach, err := d.rootClient()
	if err == nil {
		_, err = reach.Send("sts", "us-east-1", http.MethodPost, "https://sts.us-east-1.amazonaws.com/", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, []byte("Action=GetCallerIdentity&Version=2011-06-15"))
	}
	if err != nil {
		d.say(finding{"wrong", "the root key of " + d.Data + " is refused: " + err.Error(), "glassine root-key, while the server does not run"})
		return
	}
	d.say(finding{"ok", "the root key is taken", ""})
}

// names lead to the endpoint. SDKs put labels before an endpoint's name, so each access point is a name of its own; a client
// that honours proxy variables needs none of them.
func (d *doctor) names() {
	names, _, err := d.dataFlags.names()
	if err != nil {
		d.say(finding{"wrong", "the names that clients ask for cannot be listed: " + err.Error(), ""})
		return
	}
	var missing, elsewhere []string
	for _, name := range names {
		addresses, err := d.lookup(name)
		switch {
		case err != nil:
			missing = append(missing, name)
		case !d.leadsHere(addresses):
			elsewhere = append(elsewhere, name+" ("+strings.Join(addresses, " ")+")")
		}
	}
	if len(missing) > 0 {
		d.say(finding{
			"warning", fmt.Sprintf("%d of %d names do not resolve, such as %s: SDKs that honour no proxy reach access points by them", len(missing), len(names), missing[0]),
			"glassine hosts --write as root; or eval \"$(" + d.envCommand(d.AWS) + ")\" for clients that honour a proxy",
		})
	}
	if len(elsewhere) > 0 {
		d.say(finding{"warning", "names lead elsewhere: " + strings.Join(elsewhere, ", "), "glassine hosts --write as root, if they are to lead here"})
	}
	if len(missing)+len(elsewhere) == 0 {
		d.say(finding{"ok", fmt.Sprintf("all %d names of the endpoint and the distributions lead here", len(names)), ""})
	}
}

func (d *doctor) leadsHere(addresses []string) bool {
	own, _ := d.address() // "" of an address that cannot be dialed, which was said before
	for _, a := range addresses {
		if ip := net.ParseIP(a); a == own || ip != nil && ip.IsLoopback() {
			return true
		}
	}
	return false
}

// viewers reach the edge.
func (d *doctor) viewers() {
	roots, err := readRoots(filepath.Join(d.Data, "ca.pem"))
	if err != nil {
		return // dataDirectory or trusted says so
	}
	dialer := &tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: &tls.Config{RootCAs: roots, ServerName: "localhost"}}
	conn, err := dialer.Dial("tcp", d.HTTPS)
	switch {
	case isRefused(err):
		d.say(finding{"wrong", "nothing listens on " + d.HTTPS + ", where viewers are to come", "--https with the address"})
	case err != nil:
		d.say(finding{"wrong", "the viewers' listener on " + d.HTTPS + ": " + err.Error(), ""})
	default:
		conn.Close()
		d.say(finding{"ok", "viewers are answered on " + d.HTTPS, ""})
	}
}

// environment of the shell fits this installation.
func (d *doctor) environment() {
	env := "eval \"$(" + d.envCommand(d.AWS) + ")\""
	endpoint := d.getenv("AWS_ENDPOINT_URL")
	if endpoint == "" {
		d.say(finding{"warning", "AWS_ENDPOINT_URL is not set: SDKs and aws-cli in this shell speak to AWS", env})
		return
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Port() != portOf(d.AWS) {
		d.say(finding{"warning", "AWS_ENDPOINT_URL is " + endpoint + ", and the endpoint is on " + d.AWS, env})
		return
	}
	if proxy := d.getenv("HTTP_PROXY"); proxy == "" && (net.ParseIP(u.Hostname()) != nil || u.Hostname() == "localhost") {
		d.say(finding{
			"warning", "AWS_ENDPOINT_URL is " + endpoint + " without HTTP_PROXY: a call with the ARN of an access point asks for a name under it, which resolves nowhere",
			env + ", or AWS_ENDPOINT_URL=http://" + net.JoinHostPort(endpointName, portOf(d.AWS)) + " after glassine hosts --write",
		})
		return
	}
	if root, err := glassine.RootCredentials(d.Data); err == nil && d.getenv("AWS_ACCESS_KEY_ID") == root.AccessKeyID && d.getenv("AWS_SECRET_ACCESS_KEY") != root.SecretAccessKey {
		d.say(finding{"wrong", "AWS_SECRET_ACCESS_KEY is not that of AWS_ACCESS_KEY_ID", env})
		return
	}
	d.say(finding{"ok", "this shell's AWS clients reach " + endpoint, ""})
}

// trusted reports whether programs on this machine take the local authority's certificates, and for how long they can.
func (d *doctor) trusted() {
	ca, err := readCA(filepath.Join(d.Data, "ca.pem"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return // dataDirectory says so
	}
	if err != nil {
		d.say(finding{"wrong", err.Error(), ""})
		return
	}
	if left := ca.cert.NotAfter.Sub(d.now()); left < 30*24*time.Hour {
		d.say(finding{"wrong", "the local authority's certificate ends on " + ca.cert.NotAfter.Format(time.DateOnly), "stop glassine, take ca.pem and ca-key.pem out of " + d.Data + ", start it and run glassine trust"})
		return
	}
	system, err := x509.SystemCertPool()
	if err == nil {
		_, err = ca.cert.Verify(x509.VerifyOptions{Roots: system, CurrentTime: d.now()})
	}
	if err != nil {
		d.say(finding{"warning", "this machine does not trust the local authority: browsers warn, and curl needs --cacert", "glassine trust"})
		return
	}
	d.say(finding{"ok", "this machine trusts the local authority", ""})
}

// functions have what they run on.
func (d *doctor) functions() {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	support := confine.NewSpawner()
	defer func() { _ = support.Close() }()
	level, why := support.Probe(ctx)
	if level == confine.Strict && len(why) == 0 {
		d.say(finding{"ok", "functions are isolated at level strict", ""})
	} else {
		d.say(finding{"warning", "functions are isolated at level " + string(level) + ": " + strings.Join(why, "; "), "what the reason says; in a container: --security-opt seccomp=unconfined, or user namespaces for it"})
	}
	var missing []string
	for _, program := range []string{"node", "python3"} {
		if !anywhere(program, sandbox.SearchDirs(d.getenv("HOME"), d.getenv("PATH"))) {
			missing = append(missing, program)
		}
	}
	if len(missing) > 0 {
		d.say(finding{"warning", "not found: " + strings.Join(missing, " and ") + ", which functions of these runtimes need", "install it, or put it into PATH of glassine"})
	}
}

func anywhere(program string, dirs []string) bool {
	for _, dir := range dirs {
		if info, err := os.Stat(filepath.Join(dir, program)); err == nil && !info.IsDir() {
			return true
		}
	}
	return false
}
