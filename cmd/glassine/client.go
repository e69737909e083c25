package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"glassine"
	"glassine/aws/cloudfrontapi"
)

// quote makes one word of s for a POSIX shell.
func quote(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/.:_-+=@") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

type rootKeyCmd struct {
	dataFlags   `embed:""`
	outputFlags `embed:""`
	Yes         bool `short:"y" help:"Do not ask before the old key is dead."`
}

// Run replaces the root key.
func (c *rootKeyCmd) Run() error {
	if _, err := os.Stat(filepath.Join(c.Data, "state.db")); err != nil {
		return fmt.Errorf("%s is not a data directory of glassine: %w", c.Data, err)
	}
	ctx, stop := interruptible()
	defer stop()
	if yes, err := ask(ctx, c.Yes, "The root key of "+c.Data+" will be dead for everybody who has it. Go on?"); err != nil || !yes {
		return err
	}
	root, err := glassine.ReplaceRootCredentials(context.Background(), c.Data, c.Account)
	if err != nil {
		return err
	}
	return c.print(newKey{"root", root.AccessKeyID, root.SecretAccessKey}, func(w io.Writer) {
		fmt.Fprintf(w, "Root key: %s %s   (the one before is dead; glassine env prints this one)\n", root.AccessKeyID, root.SecretAccessKey)
	})
}

type versionCmd struct {
	outputFlags `embed:""`
}

// Run prints the version, and for programs what it was built with and for.
func (c *versionCmd) Run() error {
	v := struct{ Version, Go, Platform string }{glassine.Version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	return c.print(v, func(w io.Writer) { fmt.Fprintln(w, "glassine", v.Version) })
}

type purgeCmd struct {
	dataFlags    `embed:""`
	outputFlags  `embed:""`
	Path         string `arg:"" complete:"viewer-path" help:"Path on the distribution, such as /sample.jpg or /album/*."`
	Distribution string `complete:"distribution" help:"Distribution id; all of them when not given."`
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
			return &card{errors.New("there is no distribution to purge"), "", "glassine init && glassine deploy"}
		}
	}
	path := c.Path
	if !strings.HasPrefix(path, "/") {
		path = "/" + path
	}
	all := []purged{}
	var failed error
	for _, id := range ids {
		invalidation, err := client.Invalidate(id, path)
		if err != nil {
			failed = fmt.Errorf("purge %s of distribution %s: %w", path, id, err)
			break
		}
		all = append(all, purged{id, path, invalidation})
	}
	return errors.Join(c.print(all, func(w io.Writer) {
		for _, p := range all {
			fmt.Fprintf(w, "%s: %s purged (invalidation %s)\n", p.Distribution, p.Path, p.Invalidation)
		}
	}), failed)
}

// purged is a path that is no longer in the cache.
type purged struct {
	Distribution string `json:"DistributionId"`
	Path         string
	Invalidation string `json:"InvalidationId"`
}
