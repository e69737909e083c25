package main

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"glassine/aws/fault"
	"glassine/aws/s3controlapi"
)

type devCmd struct {
	dataFlags   `embed:""`
	Dir         string            `arg:"" type:"existingdir" help:"Folder of the function."`
	Name        string            `complete:"function" help:"Name of the function; the folder's when not given."`
	Runtime     string            `help:"Runtime, such as nodejs20.x; found from the files when not given."`
	Handler     string            `help:"Handler, such as index.handler; found from the files when not given."`
	Env         map[string]string `help:"Environment variables, NAME=value." placeholder:"NAME=VALUE"`
	Memory      int               `help:"Memory in MB." default:"512"`
	Timeout     int               `help:"Timeout in seconds." default:"60"`
	AccessPoint string            `complete:"object-lambda" help:"An Object Lambda access point whose GetObject the function is to answer from now on."`
}

// How often files and the log are looked at.
const devInterval = 300 * time.Millisecond

// Run keeps a function in a running glassine as its folder is: it uploads what is there, again when a file was saved, and
// shows what the function logs, until it is interrupted. The function stays.
func (c *devCmd) Run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := c.complete(); err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	d := &developing{devCmd: c, api: client, since: time.Now().UnixMilli(), seen: map[string]bool{}}
	if err := d.deploy(); err != nil {
		return err
	}
	if err := d.attach(); err != nil {
		return err
	}
	fmt.Printf("Function:  %s   (%s, %s)\nInvoke:    aws lambda invoke --function-name %s --payload '{}' --cli-binary-format raw-in-base64-out /dev/stdout\n", d.arn, c.Runtime, c.Handler, c.Name)
	fmt.Printf("Watching %s; Ctrl-C ends this and leaves the function.\n", c.Dir)
	tick := time.NewTicker(devInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if err := d.look(); err != nil {
				fmt.Fprintln(os.Stderr, "glassine dev:", err)
			}
		}
	}
}

// complete fills in what the folder tells.
func (c *devCmd) complete() error {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return err
	}
	c.Dir = dir
	if c.Name == "" {
		c.Name = strings.Trim(regexp.MustCompile(`[^a-zA-Z0-9_-]+`).ReplaceAllString(filepath.Base(dir), "-"), "-")
	}
	if c.Runtime != "" && c.Handler != "" {
		return nil
	}
	for _, known := range []struct{ file, runtime, handler string }{
		{"bootstrap", "provided.al2023", "bootstrap"},
		{"index.mjs", "nodejs20.x", "index.handler"},
		{"index.js", "nodejs20.x", "index.handler"},
		{"index.cjs", "nodejs20.x", "index.handler"},
		{"lambda_function.py", "python3.11", "lambda_function.lambda_handler"},
		{"app.py", "python3.11", "app.lambda_handler"},
		{"index.py", "python3.11", "index.handler"},
	} {
		if _, err := os.Stat(filepath.Join(dir, known.file)); err == nil {
			if c.Runtime == "" {
				c.Runtime = known.runtime
			}
			if c.Handler == "" {
				c.Handler = known.handler
			}
			return nil
		}
	}
	return fmt.Errorf("%s has no index.mjs, index.js, lambda_function.py, app.py, index.py or bootstrap: say --runtime and --handler", dir)
}

// developing is a function that follows its folder.
type developing struct {
	*devCmd
	*api
	arn   string
	state uint64          // of the files that are deployed
	since int64           // of the log, in milliseconds
	seen  map[string]bool // log events of since
}

// deploy makes the function and its role, or brings what is there up to date.
func (d *developing) deploy() error {
	role, err := d.role()
	if err != nil {
		return err
	}
	state, body, err := d.pack()
	if err != nil {
		return err
	}
	configuration := map[string]any{
		"Runtime": d.Runtime, "Handler": d.Handler, "Role": role, "MemorySize": d.Memory, "Timeout": d.Timeout, "Environment": map[string]any{"Variables": d.Env},
	}
	var f struct{ FunctionArn string }
	err = d.lambda(http.MethodPut, "/"+d.Name+"/configuration", configuration, &f)
	if fault.Is(err, "ResourceNotFoundException") {
		configuration["FunctionName"], configuration["Code"] = d.Name, map[string]any{"ZipFile": body}
		err = d.lambda(http.MethodPost, "", configuration, &f)
	} else if err == nil {
		err = d.lambda(http.MethodPut, "/"+d.Name+"/code", map[string]any{"ZipFile": body}, &f)
	}
	if err != nil {
		return fmt.Errorf("deploy %s: %w", d.Name, err)
	}
	d.arn, d.state = f.FunctionArn, state
	return nil
}

// role makes the role that functions under development share: it may write its log and answer for Object Lambda.
func (d *developing) role() (string, error) {
	const name = "glassine-dev"
	err := d.iam("CreateRole", url.Values{"RoleName": {name}, "AssumeRolePolicyDocument": {
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`,
	}})
	if fault.Is(err, "EntityAlreadyExists") {
		err = nil
	}
	if err == nil {
		err = d.iam("AttachRolePolicy", url.Values{"RoleName": {name}, "PolicyArn": {"arn:aws:iam::aws:policy/service-role/AmazonS3ObjectLambdaExecutionRolePolicy"}})
	}
	return "arn:aws:iam::" + d.Account + ":role/" + name, err
}

// attach puts the function behind the access point that was named.
func (d *developing) attach() error {
	if d.AccessPoint == "" {
		return nil
	}
	return s3controlapi.SetFunction(&d.Client, d.Account, d.Region, d.AccessPoint, d.arn)
}

// look uploads what changed and shows what was logged.
func (d *developing) look() error {
	state, err := d.fingerprint()
	if err == nil && state != d.state {
		began := time.Now()
		var body []byte
		if state, body, err = d.pack(); err == nil {
			err = d.lambda(http.MethodPut, "/"+d.Name+"/code", map[string]any{"ZipFile": body}, nil)
		}
		d.state = state // a folder that cannot be taken is said once, until it changes
		if err == nil {
			fmt.Printf("--- reloaded in %s\n", time.Since(began).Round(time.Millisecond))
		}
	}
	return errors.Join(err, d.tail())
}

// tail shows the events that are new in the log.
func (d *developing) tail() error {
	in := map[string]any{"logGroupName": "/aws/lambda/" + d.Name, "startTime": d.since}
	for {
		var out struct {
			Events []struct {
				EventID   string `json:"eventId"`
				Timestamp int64  `json:"timestamp"`
				Message   string `json:"message"`
			} `json:"events"`
			NextToken string `json:"nextToken"`
		}
		err := d.logs("FilterLogEvents", in, &out)
		if fault.Is(err, "ResourceNotFoundException") {
			return nil // nothing was logged yet
		}
		if err != nil {
			return err
		}
		for _, e := range out.Events {
			if d.seen[e.EventID] {
				continue
			}
			if e.Timestamp > d.since {
				d.since, d.seen = e.Timestamp, map[string]bool{}
			}
			d.seen[e.EventID] = true
			fmt.Println(strings.TrimRight(e.Message, "\n"))
		}
		if out.NextToken == "" {
			return nil
		}
		in["nextToken"] = out.NextToken
	}
}

// fingerprint changes when a file does: its name, size, mode or time.
func (d *developing) fingerprint() (uint64, error) {
	h := fnv.New64a()
	err := d.walk(func(name, _ string, info fs.FileInfo) error {
		_, err := fmt.Fprintln(h, name, info.Size(), info.Mode(), info.ModTime().UnixNano())
		return err
	})
	return h.Sum64(), err
}

// pack makes the archive, and the fingerprint that the files had before.
func (d *developing) pack() (uint64, []byte, error) {
	state, err := d.fingerprint()
	if err != nil {
		return state, nil, err
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	err = d.walk(func(name, path string, info fs.FileInfo) error {
		header := &zip.FileHeader{Name: name, Method: zip.Deflate}
		header.SetMode(info.Mode())
		f, err := w.CreateHeader(header)
		if err != nil {
			return err
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = f.Write(body)
		return err
	})
	err = errors.Join(err, w.Close())
	return state, b.Bytes(), err
}

// walk visits the folder's files, links followed, but for what begins with a dot.
func (d *developing) walk(visit func(name, path string, info fs.FileInfo) error) error {
	return filepath.WalkDir(d.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if strings.HasPrefix(e.Name(), ".") && path != d.Dir {
			if e.IsDir() {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		name, err := filepath.Rel(d.Dir, path)
		if err != nil {
			return err
		}
		return visit(filepath.ToSlash(name), path, info)
	})
}
