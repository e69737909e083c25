package e2e

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"glassine/iam"
	"glassine/lambda"
	"glassine/objectlambda"
)

// Object Lambda with functions that people would write (node/functions): each reads the original and answers at AWS's names,
// over TLS, with an AWS SDK. They run as processes of their own behind a webhook, and as uploaded archives.

// deployed makes a point's function of a file of node/functions.
type deployed func(t *testing.T, s *system, file string) lambda.NewFunction

func byWebhook(t *testing.T, s *system, file string) lambda.NewFunction {
	t.Helper()
	return lambda.NewFunction{Code: lambda.Code{URI: s.functionWebhook(t, file)}}
}

func byArchive(t *testing.T, _ *system, file string) lambda.NewFunction {
	t.Helper()
	if strings.HasSuffix(file, ".py") {
		return lambda.NewFunction{Code: lambda.Code{Zip: pythonArchive(t, file)}, Runtime: "python3.9", Handler: "index.handler", Memory: 256}
	}
	return lambda.NewFunction{Code: lambda.Code{Zip: nodeArchive(t, file)}, Runtime: "nodejs18.x", Handler: "index.handler", Memory: 256}
}

// functionWebhook runs a handler of node/functions until the test ends, and returns its URL.
func (s *system) functionWebhook(t *testing.T, file string) string {
	t.Helper()
	return s.functionWebhookAt(t, file, s.Addresses().AWS)
}

// functionWebhookAt is functionWebhook for a handler that finds AWS at another endpoint.
func (s *system) functionWebhookAt(t *testing.T, file, endpoint string) string {
	t.Helper()
	at, err := filepath.Abs(filepath.Join("node", "functions"))
	if err != nil {
		t.Fatal(err)
	}
	var cmd *exec.Cmd
	if strings.HasSuffix(file, ".py") {
		cmd = exec.Command("/usr/bin/python3", filepath.Join(at, "host.py"), filepath.Join(at, file))
		cmd.Env = append(without(s.environment(t), "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "SSL_CERT_FILE="+s.CAFile())
	} else {
		cmd = exec.Command(tool(t, "node"), filepath.Join(at, "host.mjs"), filepath.Join(at, file), endpoint)
		cmd.Env = append(without(os.Environ(), "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "NODE_EXTRA_CA_CERTS="+s.CAFile(), "AWS_REGION=us-east-1")
	}
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = cmd.Wait() // it ends as its input does
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("%s said nothing: %v", file, err)
	}
	return strings.TrimSpace(line)
}

// point is an Object Lambda access point over the demo's access point, with a function and a role of its own.
type point struct {
	name, payload     string
	code              string             // URL of a webhook, or "" for function
	function          lambda.NewFunction // without name, role and timeout
	actions, features []string
	timeout           time.Duration
}

// create makes the point, its function and its role, which may answer for this point and no other and use one bucket.
func (p point) create(t *testing.T, s *system) point {
	t.Helper()
	ctx, root := t.Context(), s.IAM.Root()
	if p.actions == nil {
		p.actions = []string{objectlambda.GetObject}
	}
	if p.timeout == 0 {
		p.timeout = 2 * time.Minute
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	role, err := s.IAM.CreateRole(ctx, root, iam.NewRole{Name: p.name + "-role", Trust: `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}`})
	must(err)
	must(s.IAM.PutRolePolicy(ctx, root, role.Name, "p", `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3-object-lambda:WriteGetObjectResponse","Resource":"`+p.arn()+`"},
		{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::notes/*"},{"Effect":"Allow","Action":"s3:ListBucket","Resource":"arn:aws:s3:::notes"}]}`))
	p.function.Name, p.function.Role, p.function.Timeout = p.name, role.ARN, p.timeout
	if p.code != "" {
		p.function.Code.URI = p.code
	}
	f, err := s.Lambda.CreateFunction(ctx, root, p.function)
	must(err)
	_, err = s.ObjectLambda.Create(ctx, root, p.name, objectlambda.Configuration{
		SupportingAccessPoint: pointARN, AllowedFeatures: p.features,
		Transformations: []objectlambda.Transformation{{Actions: p.actions, Function: f.ARN, Payload: p.payload}},
	})
	must(err)
	return p
}

func (p point) arn() string {
	return "arn:aws:s3-object-lambda:us-east-1:" + account + ":accesspoint/" + p.name
}

// awsError reads S3's error body.
func (a answer) awsError(t *testing.T) awsError {
	t.Helper()
	var e awsError
	if err := xml.Unmarshal(a.body, &e); err != nil {
		t.Errorf("%s: no error in XML: %v: %.300s", a.Status, err, a.body)
	}
	return e
}

func (p point) host() string {
	return p.name + "-" + account + ".s3-object-lambda.us-east-1.amazonaws.com"
}

// ask asks the point as the root user.
func (p point) ask(t *testing.T, s *system, method, pathQuery string, header map[string]string) answer {
	t.Helper()
	req := request(t, method, "https://"+p.host()+pathQuery, nil)
	for name, value := range header {
		req.Header.Set(name, value)
	}
	sign(req, s.root(t), "s3-object-lambda", nil)
	return do(t, s.aws, req)
}

// notes makes the bucket in which functions leave something for the test.
func (s *system) notes(t *testing.T) {
	t.Helper()
	if _, err := s.S3.CreateBucket(t.Context(), s.IAM.Root(), "notes", ""); err != nil {
		t.Fatal(err)
	}
}

func (s *system) note(t *testing.T, key string) string {
	t.Helper()
	for range 100 { // a function may go on after its answer
		if a := s.signed(t, s.root(t), "s3", "GET", "https://notes.s3.us-east-1.amazonaws.com/"+key, nil, nil); a.StatusCode == 200 {
			return string(a.body)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return "no note"
}

func TestObjectLambdaFunctionsByWebhook(t *testing.T) {
	t.Parallel()
	testObjectLambdaFunctions(t, byWebhook)
}

func TestObjectLambdaFunctionsByArchive(t *testing.T) {
	t.Parallel()
	testObjectLambdaFunctions(t, byArchive)
}

func testObjectLambdaFunctions(t *testing.T, deploy deployed) {
	s := start(t)
	s.notes(t)
	s.put(t, "text", []byte("a text"))

	t.Run("unpacks a large object on its way", func(t *testing.T) {
		plain := make([]byte, 24<<20)
		rand.Read(plain[:1<<20])
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		if _, err := w.Write(plain); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		s.put(t, "packed", packed.Bytes())
		p := point{name: "gunzip", function: deploy(t, s, "gunzip.mjs")}.create(t, s)
		a := p.ask(t, s, "GET", "/packed", nil)
		if a.StatusCode != 200 || !bytes.Equal(a.body, plain) || a.ContentLength != -1 || a.Header.Get("Content-Type") != "application/octet-stream" {
			t.Errorf("%s, %d bytes (Content-Length %d), %v", a.Status, len(a.body), a.ContentLength, a.Header)
		}
	})
	t.Run("answers 304 and 404 by itself", func(t *testing.T) {
		p := point{name: "conditional", function: deploy(t, s, "conditional.mjs")}.create(t, s)
		first := p.ask(t, s, "GET", "/text", nil)
		etag := first.Header.Get("ETag")
		if first.StatusCode != 200 || string(first.body) != "a text" || etag == "" {
			t.Errorf("first = %s %q, ETag %q", first.Status, first.body, etag)
		}
		if again := p.ask(t, s, "GET", "/text", map[string]string{"If-None-Match": etag}); again.StatusCode != 304 || len(again.body) != 0 || again.Header.Get("ETag") != etag {
			t.Errorf("again = %s %q", again.Status, again.body)
		}
		gone := p.ask(t, s, "GET", "/absent", nil)
		if e := gone.awsError(t); gone.StatusCode != 404 || e.Code != "NoSuchPhoto" || e.Message != "This photo <was> deleted & is gone." || e.RequestId != gone.Header.Get("X-Amz-Request-Id") {
			t.Errorf("absent = %s %s", gone.Status, gone.body)
		}
	})
	t.Run("adds headers and user metadata, with boto3", func(t *testing.T) {
		p := point{name: "annotate", function: deploy(t, s, "annotate.py"), payload: "p1"}.create(t, s)
		a := p.ask(t, s, "GET", "/text", nil)
		if a.StatusCode != 200 || string(a.body) != "A TEXT" {
			t.Fatalf("%s %q", a.Status, a.body)
		}
		for name, want := range map[string]string{
			"Content-Type": "text/plain", "Cache-Control": "max-age=60", "Content-Disposition": `attachment; filename="a.txt"`, "Content-Length": "6",
			"X-Amz-Meta-Album": "summer", "X-Amz-Meta-Payload": "p1", "X-Amz-Meta-Caller": "Root", "X-Amz-Tagging-Count": "3", "X-Amz-Storage-Class": "STANDARD_IA",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
	})
	t.Run("transforms HEAD", func(t *testing.T) {
		p := point{name: "head", function: deploy(t, s, "head.mjs"), actions: []string{objectlambda.HeadObject}}.create(t, s)
		a := p.ask(t, s, "HEAD", "/text", nil)
		if a.StatusCode != 200 || a.ContentLength != 12 || a.Header.Get("X-Amz-Meta-By") != "head.mjs" || a.Header.Get("ETag") == "" || a.Header.Get("X-Amz-Id-2") != "" {
			t.Errorf("HEAD = %s, length %d, %v", a.Status, a.ContentLength, a.Header)
		}
		if gone := p.ask(t, s, "HEAD", "/absent", nil); gone.StatusCode != 404 || len(gone.body) != 0 {
			t.Errorf("HEAD of what is not there = %s %q", gone.Status, gone.body)
		}
		if get := p.ask(t, s, "GET", "/text", nil); string(get.body) != "a text" {
			t.Errorf("GET, which is not transformed = %s %q", get.Status, get.body)
		}
	})
	t.Run("rewrites listings", func(t *testing.T) {
		s.put(t, "album/one.png", nil)
		s.put(t, "album/two.png", nil)
		p := point{name: "listing", function: deploy(t, s, "listing.mjs"), actions: []string{objectlambda.ListObjects, objectlambda.ListObjectsV2}}.create(t, s)
		v1, v2 := p.ask(t, s, "GET", "/?prefix=album%2F", nil), p.ask(t, s, "GET", "/?list-type=2&prefix=album%2F", nil)
		for name, a := range map[string]answer{"ListObjects": v1, "ListObjectsV2": v2} {
			if a.StatusCode != 200 || !strings.Contains(string(a.body), "<Key>album/one.jpg</Key>") || strings.Contains(string(a.body), ".png") {
				t.Errorf("%s = %s %s", name, a.Status, a.body)
			}
		}
		if !strings.Contains(string(v2.body), "<Name>rewritten</Name>") || !strings.Contains(string(v1.body), "<Marker></Marker>") {
			t.Errorf("v1 %s\nv2 %s", v1.body, v2.body)
		}
	})
	t.Run("answers twice", func(t *testing.T) {
		p := point{name: "twice", function: deploy(t, s, "twice.mjs"), payload: "notes"}.create(t, s)
		if a := p.ask(t, s, "GET", "/text", nil); a.StatusCode != 200 || string(a.body) != "first" {
			t.Errorf("%s %q", a.Status, a.body)
		}
		if got := s.note(t, "second-answer"); got != "400 ValidationError" {
			t.Errorf("the second answer got %q, want 400 ValidationError", got)
		}
	})
	t.Run("fails after half of the body", func(t *testing.T) {
		p := point{name: "half", function: deploy(t, s, "half.mjs")}.create(t, s)
		req := request(t, "GET", "https://"+p.host()+"/text", nil)
		sign(req, s.root(t), "s3-object-lambda", nil)
		resp, err := s.aws.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if resp.StatusCode != 200 || len(body) != 100000 || err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("%s, %d bytes, %v; want 100000 and a broken connection", resp.Status, len(body), err)
		}
	})
	t.Run("answers for another's token", func(t *testing.T) {
		victim := point{name: "hoarder", function: deploy(t, s, "hoarder.mjs"), payload: "notes"}.create(t, s)
		thief := point{name: "thief", function: deploy(t, s, "thief.mjs"), payload: "notes"}.create(t, s)
		mine := make(chan answer, 1)
		go func() { mine <- victim.ask(t, s, "GET", "/text", nil) }()
		if s.note(t, "token") == "no note" {
			t.Fatal("the function did not run")
		}
		if a := thief.ask(t, s, "GET", "/text", nil); a.StatusCode != 200 || string(a.body) != "403 AccessDenied" {
			t.Errorf("the thief got %s %q, want 403 AccessDenied", a.Status, a.body)
		}
		if a := <-mine; a.StatusCode != 200 || string(a.body) != "mine" {
			t.Errorf("the other caller got %s %q, want its own function's answer", a.Status, a.body)
		}
	})
}

// A function that never answers: one that returns, one that its timeout ends, and one that the minute ends.
func TestObjectLambdaFunctionThatNeverAnswersByWebhook(t *testing.T) {
	testFunctionThatNeverAnswers(t, byWebhook)
}

func TestObjectLambdaFunctionThatNeverAnswersByArchive(t *testing.T) {
	testFunctionThatNeverAnswers(t, byArchive)
}

func testFunctionThatNeverAnswers(t *testing.T, deploy deployed) {
	t.Parallel() // most of it is waiting
	s := start(t)
	s.put(t, "text", []byte("a text"))
	s.put(t, "forever", []byte("a text"))
	code := deploy(t, s, "silent.mjs")
	patient := point{name: "patient", function: code}.create(t, s)
	hasty := point{name: "hasty", function: code, timeout: time.Second}.create(t, s)
	for _, c := range []struct {
		name  string
		point point
		path  string
		code  string
	}{
		{"it returns", patient, "/text", "LambdaResponseNotReceived"},
		{"its timeout", hasty, "/forever", "LambdaRuntimeError"},
		{"the minute", patient, "/forever", "LambdaTimeout"},
	} {
		began := time.Now()
		a := c.point.ask(t, s, "GET", c.path, nil)
		if e := a.awsError(t); a.StatusCode != http.StatusInternalServerError || e.Code != c.code {
			t.Errorf("%s: %s %s, want 500 %s", c.name, a.Status, a.body, c.code)
		}
		if took := time.Since(began); c.code == "LambdaTimeout" && (took < objectlambda.Deadline || took > objectlambda.Deadline+20*time.Second) {
			t.Errorf("%s: after %s, want a minute", c.name, took)
		}
	}
}
