package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"glassine"
)

type consoleCmd struct {
	dataFlags `embed:""`
	Admin     string `help:"Address of the admin port." default:"127.0.0.1:7070" env:"GLASSINE_ADMIN"`
}

// Run asks the running server for a link that logs in to the web console with the root key, once, and prints it.
func (c *consoleCmd) Run() error {
	root, err := glassine.RootCredentials(c.Data)
	if err != nil {
		return err
	}
	base := "http://" + c.Admin
	// Not through a proxy that the environment names: it would get the key.
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{Proxy: nil}}
	resp, err := client.PostForm(base+"/login/link", url.Values{"access-key": {root.AccessKeyID}, "secret-key": {root.SecretAccessKey}})
	if err != nil {
		return fmt.Errorf("is glassine running? %w", err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the console at %s refused: %s", base, strings.TrimSpace(string(raw)))
	}
	var link struct{ Path string }
	if err := json.Unmarshal(raw, &link); err != nil || link.Path == "" {
		return fmt.Errorf("what answers at %s is not the console of glassine", base)
	}
	fmt.Println(base + link.Path)
	return nil
}
