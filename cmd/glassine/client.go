package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"glassine"
	"glassine/aws/cloudfrontapi"
)

type envCmd struct {
	dataFlags `embed:""`
}

// Run prints the exports. The endpoint is an address, since names under it resolve nowhere on many machines; the proxy
// variables send what does carry such a name, and AWS's own names, to the endpoint, which is a proxy for nothing else. So
// clients that know no endpoint variable, such as Debian's aws-cli, work as they are.
func (c *envCmd) Run() error {
	root, err := glassine.RootCredentials(c.Data)
	if err != nil {
		return err
	}
	ca := filepath.Join(c.Data, "ca.pem")
	host, port, err := net.SplitHostPort(c.AWS)
	if err != nil {
		return fmt.Errorf("--aws %q is not host:port: %w", c.AWS, err)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	endpoint := "http://" + net.JoinHostPort(host, port)
	for _, v := range [][2]string{
		{"AWS_ACCESS_KEY_ID", root.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", root.SecretAccessKey},
		{"AWS_REGION", c.Region},
		{"AWS_DEFAULT_REGION", c.Region},
		{"AWS_ENDPOINT_URL", endpoint},
		{"AWS_CA_BUNDLE", ca},
		{"HTTP_PROXY", endpoint},
		{"HTTPS_PROXY", endpoint},
		{"http_proxy", endpoint},
		{"https_proxy", endpoint},
		{"NO_PROXY", "localhost"},
		{"no_proxy", "localhost"},
	} {
		fmt.Printf("export %s=%s\n", v[0], quote(v[1]))
	}
	fmt.Println("unset AWS_SESSION_TOKEN AWS_PROFILE")
	return nil
}

// quote makes one word of s for a POSIX shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/.:_-+=@") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

type rootKeyCmd struct {
	dataFlags `embed:""`
}

func (c *rootKeyCmd) Run() error {
	if _, err := os.Stat(filepath.Join(c.Data, "state.db")); err != nil {
		return fmt.Errorf("%s is not a data directory of glassine: %w", c.Data, err)
	}
	root, err := glassine.ReplaceRootCredentials(context.Background(), c.Data, c.Account)
	if err != nil {
		return err
	}
	fmt.Printf("Root key: %s %s   (the one before is dead; glassine env prints this one)\n", root.AccessKeyID, root.SecretAccessKey)
	return nil
}

type versionCmd struct{}

func (versionCmd) Run() error {
	fmt.Println("glassine", glassine.Version())
	return nil
}

type purgeCmd struct {
	dataFlags    `embed:""`
	Path         string `arg:"" help:"Path on the distribution, such as /sample.jpg or /album/*."`
	Distribution string `help:"Distribution id; all of them when not given."`
}

// Run asks CloudFront's API for invalidations, signed with the root key.
func (c *purgeCmd) Run() error {
	reach, err := c.client()
	if err != nil {
		return err
	}
	client := &cloudfrontapi.Client{Client: reach.Client}
	ids := []string{c.Distribution}
	if c.Distribution == "" {
		if ids, err = client.Distributions(); err != nil {
			return err
		}
		if len(ids) == 0 {
			return errors.New("there is no distribution to purge")
		}
	}
	path := c.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	for _, id := range ids {
		invalidation, err := client.Invalidate(id, path)
		if err != nil {
			return err
		}
		fmt.Printf("%s: %s purged (invalidation %s)\n", id, path, invalidation)
	}
	return nil
}
