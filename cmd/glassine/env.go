package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"glassine"
)

type envCmd struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
	Unset       bool   `help:"Print what takes the exports back: variables that were set before have their values again."`
	Shell       string `help:"Whose words to print: sh, which bash and zsh take too, or fish." enum:"sh,bash,zsh,fish" default:"sh"`
}

// savedVariable holds what the variables were before glassine env, in a shell that has its exports: JSON of those that were set, in
// base64, so that it is one word in any shell.
const savedVariable = "GLASSINE_SAVED_ENVIRONMENT"

// exported are the variables that glassine env sets, in this order.
var exported = []string{
	"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE",
	"HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy",
}

// unsetByEnv are variables that would make AWS's clients be somebody else.
var unsetByEnv = []string{"AWS_SESSION_TOKEN", "AWS_PROFILE"}

// environment are the variables with which clients reach a glassine as its root user. The endpoint is an address, since names under
// it resolve nowhere on many machines; the proxy variables send what does carry such a name, and AWS's own names, to the endpoint,
// which is a proxy for nothing else. So clients that know no endpoint variable, such as Debian's aws-cli, work as they are.
func environment(data, aws, region string) ([]change, error) {
	root, err := glassine.RootCredentials(data)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(aws)
	if err != nil {
		return nil, fmt.Errorf("--aws %q is not host:port: %w", aws, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	endpoint := "http://" + net.JoinHostPort(host, port)
	values := map[string]string{
		"AWS_ACCESS_KEY_ID": root.AccessKeyID, "AWS_SECRET_ACCESS_KEY": root.SecretAccessKey, "AWS_REGION": region, "AWS_DEFAULT_REGION": region,
		"AWS_ENDPOINT_URL": endpoint, "AWS_CA_BUNDLE": filepath.Join(data, "ca.pem"),
		"HTTP_PROXY": endpoint, "HTTPS_PROXY": endpoint, "http_proxy": endpoint, "https_proxy": endpoint, "NO_PROXY": "localhost", "no_proxy": "localhost",
	}
	var out []change
	for _, name := range exported {
		value := values[name]
		out = append(out, change{name, &value})
	}
	return out, nil
}

// Run prints the exports, or what takes them back.
func (c *envCmd) Run() error {
	write := change.sh
	if c.Shell == "fish" {
		write = change.fish
	}
	if c.Unset {
		changes, err := takenBack(os.LookupEnv)
		if err != nil {
			return err
		}
		if len(changes) == 0 && c.forPeople() {
			fmt.Fprintln(os.Stderr, "This shell has no exports of glassine env.")
		}
		return c.printChanges(changes, write)
	}
	changes, err := environment(c.Data, c.AWS, c.Region)
	if err != nil {
		return err
	}
	if c.forPeople() {
		if saved := savedFrom(os.LookupEnv); saved != "" {
			changes = append(changes, change{savedVariable, &saved})
		}
		for _, name := range unsetByEnv {
			changes = append(changes, change{name, nil})
		}
	}
	return c.printChanges(changes, write)
}

// change is what a variable becomes; a nil value is none.
type change struct {
	name  string
	value *string
}

func (c *envCmd) printChanges(changes []change, write func(change, io.Writer)) error {
	values := map[string]*string{}
	for _, v := range changes {
		values[v.name] = v.value
	}
	return c.print(values, func(w io.Writer) {
		for _, v := range changes {
			write(v, w)
		}
	})
}

// sh writes a change for a POSIX shell.
func (v change) sh(w io.Writer) {
	if v.value == nil {
		fmt.Fprintf(w, "unset %s\n", v.name)
		return
	}
	fmt.Fprintf(w, "export %s=%s\n", v.name, quote(*v.value))
}

// fish writes a change for fish, in whose quotes only the backslash and the quote mean something. (fish documentation, "Quotes".)
func (v change) fish(w io.Writer) {
	if v.value == nil {
		fmt.Fprintf(w, "set -e %s\n", v.name)
		return
	}
	fmt.Fprintf(w, "set -gx %s '%s'\n", v.name, strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(*v.value))
}

// savedFrom is what stands in savedVariable; "" when it is set already: then the values of before are those of an earlier glassine env.
func savedFrom(lookup func(string) (string, bool)) string {
	if _, set := lookup(savedVariable); set {
		return ""
	}
	before := map[string]string{}
	for _, name := range slices.Concat(exported, unsetByEnv) {
		if value, set := lookup(name); set {
			before[name] = value
		}
	}
	raw, err := json.Marshal(before)
	if err != nil {
		panic(err) // strings
	}
	return base64.StdEncoding.EncodeToString(raw)
}

// takenBack are the changes that undo those of glassine env. In a shell that never had them there are none.
func takenBack(lookup func(string) (string, bool)) ([]change, error) {
	text, set := lookup(savedVariable)
	if !set {
		return nil, nil
	}
	before := map[string]string{}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &before)
	}
	if err != nil {
		return nil, &card{fmt.Errorf("%s is not what glassine env made: %w", savedVariable, err), "what the variables were before cannot be told", "another shell"}
	}
	var out []change
	for _, name := range slices.Concat(exported, unsetByEnv) {
		if value, was := before[name]; was {
			out = append(out, change{name, &value})
			continue
		}
		if _, is := lookup(name); is {
			out = append(out, change{name, nil})
		}
	}
	return append(out, change{savedVariable, nil}), nil
}
