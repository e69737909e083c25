package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"glassine/aws/cloudfrontapi"
	"glassine/aws/s3api"
	"glassine/aws/s3controlapi"
	"glassine/objectlambda"
)

// endpointName is the endpoint's name that clients can be told, http://glassine.localhost:4566, where an address does not do:
// SDKs put labels before it.
const endpointName = "glassine.localhost"

type hostsCmd struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
	Write       bool   `help:"Write the lines into the file, in place of those that were written before." xor:"how"`
	Remove      bool   `help:"Take the lines out of the file." xor:"how"`
	File        string `help:"The hosts file." default:"/etc/hosts" type:"path"`
}

// Run prints the names that clients ask for, as lines of a hosts file, or writes them into it. Names are those that there are
// now; the set is finite, since outputRoute is one label.
func (c *hostsCmd) Run() error {
	if c.Remove {
		return editHosts(c.File, nil)
	}
	type hostLine struct{ Address, Name string }
	names, wild, err := c.names()
	if err != nil {
		return err
	}
	address, err := c.address()
	if err != nil {
		return err
	}
	var lines []string
	all := []hostLine{}
	for _, name := range names {
		lines = append(lines, address+" "+name)
		all = append(all, hostLine{address, name})
	}
	for _, name := range wild {
		fmt.Fprintf(os.Stderr, "glassine: a hosts file has no place for %s: write the names that you use\n", name)
	}
	if !c.Write {
		return c.print(all, func(w io.Writer) { fmt.Fprintln(w, strings.Join(lines, "\n")) })
	}
	if err := editHosts(c.File, lines); err != nil {
		return fmt.Errorf("%w (as root: glassine hosts --write)", err)
	}
	fmt.Printf("%d names are in %s. Endpoint: AWS_ENDPOINT_URL=http://%s\n", len(lines), c.File, net.JoinHostPort(endpointName, portOf(c.AWS)))
	return nil
}

// address is where the names lead: the endpoint's own, or loopback when it listens everywhere.
func (f *dataFlags) address() (string, error) {
	host, _, err := net.SplitHostPort(f.AWS)
	if err != nil {
		return "", fmt.Errorf("--aws %q is not host:port: %w", f.AWS, err)
	}
	ip := net.ParseIP(host)
	if ip == nil || ip.IsUnspecified() {
		return "127.0.0.1", nil
	}
	return ip.String(), nil
}

func portOf(address string) string {
	_, port, _ := net.SplitHostPort(address) // the caller has parsed it
	return port
}

// names asks a running glassine for everything that has a name: what SDKs put before the endpoint, and the distributions'.
// Those with a wildcard are wild.
func (f *dataFlags) names() (names, wild []string, err error) {
	reach, err := f.client()
	if err != nil {
		return nil, nil, err
	}
	buckets, err := s3api.Names(&reach.Client, f.Region)
	if err != nil {
		return nil, nil, err
	}
	points, lambdaPoints, err := s3controlapi.Names(&reach.Client, f.Account, f.Region)
	if err != nil {
		return nil, nil, err
	}
	distributions, err := (&cloudfrontapi.Client{Client: reach.Client}).Names()
	if err != nil {
		return nil, nil, err
	}
	names = []string{endpointName, f.Account + "." + endpointName, objectlambda.Route + "." + endpointName}
	for _, bucket := range buckets {
		names = append(names, bucket+"."+endpointName)
	}
	for _, point := range append(points, lambdaPoints...) {
		names = append(names, point+"-"+f.Account+"."+endpointName)
	}
	for _, name := range distributions {
		switch {
		case strings.HasPrefix(name, "*"):
			wild = append(wild, name)
		case name != "localhost":
			names = append(names, name)
		}
	}
	slices.Sort(names[3:])
	return slices.Compact(names), wild, nil
}

// The lines of a hosts file that are ours stand between these.
const (
	hostsBegin = "# glassine: begin (written by glassine hosts --write; glassine hosts --remove takes it out)"
	hostsEnd   = "# glassine: end"
)

// editHosts has lines stand in the file in place of ours from before; with no lines nothing of ours is left. The rest of the
// file stays as it is, byte for byte. It is replaced as a whole where that can be done, so that nobody reads half of it.
func editHosts(path string, lines []string) error {
	old, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	text, err := hostsText(string(old), lines)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if text == string(old) {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".hosts-*")
	if err != nil {
		return os.WriteFile(path, []byte(text), info.Mode()) // the folder is another's, as in a container
	}
	defer os.Remove(temporary.Name())
	_, err = temporary.WriteString(text)
	if err = errors.Join(err, temporary.Chmod(info.Mode()), temporary.Sync(), temporary.Close()); err != nil {
		return err
	}
	if os.Rename(temporary.Name(), path) != nil {
		return os.WriteFile(path, []byte(text), info.Mode()) // a file that is mounted cannot be replaced
	}
	return nil
}

// hostsText is a hosts file with our lines.
func hostsText(old string, lines []string) (string, error) {
	before, rest, found := strings.Cut(old, hostsBegin+"\n")
	after := ""
	if found {
		_, end, closed := strings.Cut(rest, hostsEnd+"\n")
		if !closed {
			return "", fmt.Errorf("the line %q has no line %q after it: take the lines out by hand", hostsBegin, hostsEnd)
		}
		after = end
	}
	if len(lines) == 0 {
		return before + after, nil
	}
	if before != "" && !strings.HasSuffix(before, "\n") {
		before += "\n"
	}
	return before + hostsBegin + "\n" + strings.Join(lines, "\n") + "\n" + hostsEnd + "\n" + after, nil
}
