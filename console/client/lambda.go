package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Function is a version of a function. Times are AWS's text. (Lambda API Reference, FunctionConfiguration.)
type Function struct {
	FunctionName, FunctionArn, Runtime, Role, Handler, Description, LastModified, CodeSha256, Version, State, PackageType string
	Timeout, MemorySize                                                                                                   int
	CodeSize                                                                                                              int64
	Architectures                                                                                                         []string
	Environment                                                                                                           struct{ Variables map[string]string }
}

// Source says where a function's code is.
type Source struct{ RepositoryType, Location, ImageUri string }

// Alias is a name for a version.
type Alias struct{ Name, FunctionVersion, Description string }

// NewFunction is a function to be made. Zip is its archive; or Image names code that is part of glassine.
type NewFunction struct {
	Name, Runtime, Handler, Role, Description string
	Zip                                       []byte
	Image                                     string
	Memory, Timeout                           int
}

// In returns a client of the same user whose calls go to another region. It remembers calls by itself.
func (c *Client) In(region string) *Client {
	if region == "" || region == c.Region {
		return c
	}
	return &Client{Transport: c.Transport, Credentials: c.Credentials, Account: c.Account, Region: region, Now: c.Now}
}

// Took adds the calls of a client that In made.
func (c *Client) Took(other *Client) {
	if other == c {
		return
	}
	calls := other.Calls()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, calls...)
}

// lambda is a call of Lambda. path follows the version.
func (c *Client) lambda(operation, method, path string, body any, cli ...string) request {
	r := request{
		operation: "lambda:" + operation, service: "lambda", method: method, url: "https://lambda." + c.Region + ".amazonaws.com/2015-03-31/functions" + path,
		cli: append([]string{"lambda"}, cli...),
	}
	r.cli = append(r.cli, "--region", c.Region)
	if body != nil {
		raw, _ := json.Marshal(body) // maps of strings, bytes and numbers always encode
		r.body, r.header = raw, http.Header{"Content-Type": {"application/json"}}
	}
	return r
}

// ListFunctions returns the functions of the client's region.
func (c *Client) ListFunctions(ctx context.Context) (all []Function, err error) {
	for marker := ""; ; {
		q := url.Values{}
		if marker != "" {
			q.Set("Marker", marker)
		}
		var out struct {
			Functions  []Function
			NextMarker string
		}
		if err := c.json(ctx, c.lambda("ListFunctions", http.MethodGet, question(q), nil, "list-functions"), &out); err != nil {
			return all, err
		}
		all = append(all, out.Functions...)
		if marker = out.NextMarker; marker == "" {
			return all, nil
		}
	}
}

// GetFunction returns the latest version of a function, and where its code is.
func (c *Client) GetFunction(ctx context.Context, name string) (Function, Source, error) {
	var out struct {
		Configuration Function
		Code          Source
	}
	err := c.json(ctx, c.lambda("GetFunction", http.MethodGet, "/"+url.PathEscape(name), nil, "get-function", "--function-name", name), &out)
	return out.Configuration, out.Code, err
}

// ListVersions returns all versions, the latest first.
func (c *Client) ListVersions(ctx context.Context, name string) ([]Function, error) {
	var out struct{ Versions []Function }
	err := c.json(ctx, c.lambda("ListVersionsByFunction", http.MethodGet, "/"+url.PathEscape(name)+"/versions", nil, "list-versions-by-function", "--function-name", name), &out)
	return out.Versions, err
}

// ListAliases returns a function's aliases.
func (c *Client) ListAliases(ctx context.Context, name string) ([]Alias, error) {
	var out struct{ Aliases []Alias }
	err := c.json(ctx, c.lambda("ListAliases", http.MethodGet, "/"+url.PathEscape(name)+"/aliases", nil, "list-aliases", "--function-name", name), &out)
	return out.Aliases, err
}

// CreateFunction makes a function.
func (c *Client) CreateFunction(ctx context.Context, n NewFunction) error {
	body := map[string]any{"FunctionName": n.Name, "Role": n.Role}
	cli := []string{"create-function", "--function-name", n.Name, "--role", n.Role}
	if n.Image != "" {
		body["PackageType"], body["Code"] = "Image", map[string]any{"ImageUri": n.Image}
		cli = append(cli, "--package-type", "Image", "--code", "ImageUri="+n.Image)
	} else {
		body["Runtime"], body["Handler"], body["Code"] = n.Runtime, n.Handler, map[string]any{"ZipFile": n.Zip}
		cli = append(cli, "--runtime", n.Runtime, "--handler", n.Handler, "--zip-file", "fileb://function.zip")
	}
	if n.Description != "" {
		body["Description"] = n.Description
		cli = append(cli, "--description", n.Description)
	}
	if n.Memory > 0 {
		body["MemorySize"] = n.Memory
		cli = append(cli, "--memory-size", strconv.Itoa(n.Memory))
	}
	if n.Timeout > 0 {
		body["Timeout"] = n.Timeout
		cli = append(cli, "--timeout", strconv.Itoa(n.Timeout))
	}
	return c.json(ctx, c.lambda("CreateFunction", http.MethodPost, "", body, cli...), nil)
}

// UpdateFunctionCode gives a function a new archive.
func (c *Client) UpdateFunctionCode(ctx context.Context, name string, zip []byte) error {
	return c.json(ctx, c.lambda("UpdateFunctionCode", http.MethodPut, "/"+url.PathEscape(name)+"/code", map[string]any{"ZipFile": zip},
		"update-function-code", "--function-name", name, "--zip-file", "fileb://function.zip"), nil)
}

// UpdateFunctionConfiguration sets memory in MB, timeout in seconds and the environment.
func (c *Client) UpdateFunctionConfiguration(ctx context.Context, name string, memory, timeout int, environment map[string]string) error {
	variables, _ := json.Marshal(map[string]any{"Variables": environment}) // strings always encode
	return c.json(ctx, c.lambda("UpdateFunctionConfiguration", http.MethodPut, "/"+url.PathEscape(name)+"/configuration",
		map[string]any{"MemorySize": memory, "Timeout": timeout, "Environment": map[string]any{"Variables": environment}},
		"update-function-configuration", "--function-name", name, "--memory-size", strconv.Itoa(memory), "--timeout", strconv.Itoa(timeout), "--environment", string(variables)), nil)
}

// PublishVersion makes a numbered version of the latest one and returns its ARN.
func (c *Client) PublishVersion(ctx context.Context, name string) (string, error) {
	var out Function
	err := c.json(ctx, c.lambda("PublishVersion", http.MethodPost, "/"+url.PathEscape(name)+"/versions", map[string]any{}, "publish-version", "--function-name", name), &out)
	return out.FunctionArn, err
}

// DeleteFunction deletes a function with all its versions.
func (c *Client) DeleteFunction(ctx context.Context, name string) error {
	return c.json(ctx, c.lambda("DeleteFunction", http.MethodDelete, "/"+url.PathEscape(name), nil, "delete-function", "--function-name", name), nil)
}

// Invocation is what came of an Invoke.
type Invocation struct {
	Payload   []byte // at most 1 MiB of it
	Error     string // "Handled", "Unhandled", or "" when the function succeeded
	Log       string // the end of what it wrote, at most 4 KiB
	Version   string
	RequestID string
	Took      time.Duration
}

// Invoke runs a function with an event.
func (c *Client) Invoke(ctx context.Context, name, qualifier string, event []byte) (Invocation, error) {
	q, cli := url.Values{}, []string{"invoke", "--function-name", name, "--log-type", "Tail", "--cli-binary-format", "raw-in-base64-out", "--payload", string(event)}
	if qualifier != "" {
		q.Set("Qualifier", qualifier)
		cli = append(cli, "--qualifier", qualifier)
	}
	r := c.lambda("Invoke", http.MethodPost, "/"+url.PathEscape(name)+"/invocations"+question(q), nil, append(cli, "answer.json")...)
	r.body, r.header = event, http.Header{"X-Amz-Log-Type": {"Tail"}}
	started := time.Now()
	resp, err := c.send(ctx, r)
	if err != nil {
		return Invocation{}, err
	}
	defer resp.Body.Close()
	payload, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	log, _ := base64.StdEncoding.DecodeString(resp.Header.Get("X-Amz-Log-Result")) // no log is none to show
	return Invocation{
		Payload: payload, Error: resp.Header.Get("X-Amz-Function-Error"), Log: string(log), Version: resp.Header.Get("X-Amz-Executed-Version"),
		RequestID: requestID(resp.Header), Took: time.Since(started),
	}, err
}

// PutAlias makes an alias of a function point to a version; create makes a new one.
func (c *Client) PutAlias(ctx context.Context, function, name, version string, create bool) error {
	method, path, command := http.MethodPut, "/aliases/"+url.PathEscape(name), "update-alias"
	body := map[string]any{"FunctionVersion": version}
	if create {
		method, path, command = http.MethodPost, "/aliases", "create-alias"
		body["Name"] = name
	}
	operation := map[bool]string{true: "CreateAlias", false: "UpdateAlias"}[create]
	return c.json(ctx, c.lambda(operation, method, "/"+url.PathEscape(function)+path, body, command, "--function-name", function, "--name", name, "--function-version", version), nil)
}

// DeleteAlias deletes an alias, and no version.
func (c *Client) DeleteAlias(ctx context.Context, function, name string) error {
	return c.json(ctx, c.lambda("DeleteAlias", http.MethodDelete, "/"+url.PathEscape(function)+"/aliases/"+url.PathEscape(name), nil, "delete-alias", "--function-name", function, "--name", name), nil)
}

// maxCode bounds what is read of a function's archive.
const maxCode = 50 << 20

// Code returns a function's archive from where GetFunction says that it is: a presigned URL, which is good for ten minutes.
// (Lambda API Reference, FunctionCodeLocation.)
func (c *Client) Code(ctx context.Context, location string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location, nil)
	if err != nil {
		return nil, err
	}
	resp, err := c.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		raw, _ := io.ReadAll(io.LimitReader(resp.Body, maxAnswer)) // a broken answer is still an error with its status
		e := readError(resp, raw)
		e.Operation = "lambda:GetFunction (its code)"
		return nil, e
	}
	return io.ReadAll(io.LimitReader(resp.Body, maxCode))
}
