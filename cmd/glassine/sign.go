package main

import (
	"fmt"
	"os"
	"strings"

	"glassine/transform"
)

type signCmd struct {
	URL string `arg:"" help:"URL or path of a picture, with the query that asks for it: /photos/a.jpg?width=400"`
	Key string `name:"key-file" help:"File that holds a signing key of the access point's payload; the line end does not count." required:"" type:"existingfile"`
}

// Run prints the URL with its query in canonical form and signed.
func (c *signCmd) Run() error {
	key, err := os.ReadFile(c.Key)
	if err != nil {
		return err
	}
	path, query, _ := strings.Cut(c.URL, "?")
	signed, err := transform.Sign(strings.TrimRight(string(key), "\r\n"), path, query)
	if err != nil {
		return err
	}
	fmt.Println(path + "?" + signed)
	return nil
}
