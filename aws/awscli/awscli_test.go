package awscli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// bucket is a service that has as much of S3 as the commands of these tests ask, whose answers do not change from one time to the next.
type bucket struct {
	*httptest.Server

	mu      sync.Mutex // guards what follows
	objects map[string][]byte
	asked   []string
	waiting chan struct{} // a request of the key "never" has come, which is not answered
	gone    chan struct{} // and its client has hung up
}

func newBucket(t *testing.T) *bucket {
	t.Helper()
	b := &bucket{objects: map[string][]byte{"a": []byte("one"), "b é": bytes.Repeat([]byte("much "), 100_000)}, waiting: make(chan struct{}), gone: make(chan struct{})}
	b.Server = httptest.NewServer(b)
	t.Cleanup(b.Close)
	return b
}

// requests returns what was asked since the last time, with the client that asked.
func (b *bucket) requests() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	asked := b.asked
	b.asked = nil
	slices.Sort(asked)
	return asked
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	name, key, _ := strings.Cut(r.URL.Path[1:], "/")
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, fmt.Sprintf("%s %s %d %s %s", r.Method, r.URL, len(body), r.UserAgent(), r.Header.Get("Content-Type")))
	w.Header().Set("x-amz-request-id", "REQUEST")
	w.Header().Set("Date", "Thu, 26 Nov 2026 12:00:00 GMT")
	object, ok := b.objects[key]
	switch {
	case key == "never":
		close(b.waiting)
		<-r.Context().Done()
		close(b.gone)
	case name != "photos":
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist — ever</Message><RequestId>REQUEST</RequestId></Error>`)
	case key == "" && r.Method == http.MethodGet:
		b.list(w, r)
	case r.Method == http.MethodPut:
		b.objects[key] = body
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(body)))
	case !ok:
		w.WriteHeader(http.StatusNotFound)
	default:
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(object)))
		w.Header().Set("Last-Modified", "Thu, 26 Nov 2026 12:00:00 GMT")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(object))
	}
}

// list answers with one object a page.
func (b *bucket) list(w http.ResponseWriter, r *http.Request) {
	keys := slices.Sorted(maps.Keys(b.objects))
	at, _ := slices.BinarySearch(keys, r.URL.Query().Get("continuation-token"))
	next := ""
	if at+1 < len(keys) {
		next = "<IsTruncated>true</IsTruncated><NextContinuationToken>" + keys[at+1] + "</NextContinuationToken>"
	}
	fmt.Fprintf(w, `<ListBucketResult>%s<Contents><Key>%s</Key><Size>%d</Size><LastModified>2026-11-26T12:00:00Z</LastModified></Contents></ListBucketResult>`, next, keys[at], len(b.objects[keys[at]]))
}

func environment(home string, more ...string) []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "AWS_PAGER=", "AWS_EC2_METADATA_DISABLED=true", "AWS_DEFAULT_REGION=eu-west-1", "AWS_MAX_ATTEMPTS=1",
		"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=secret",
	}, more...)
}

// Commands print, complain, end, ask and write as those that are started do, byte for byte.
func TestCommandsAreTheSame(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".aws/cli"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"config":    "[profile other]\nregion = us-west-2\noutput = text\ns3 =\n  multipart_threshold = 5GB\n",
		"cli/alias": "[toplevel]\nmine = s3api list-objects-v2 --bucket photos\n",
	} {
		if err := os.WriteFile(filepath.Join(home, ".aws", name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, stdin string
		args, env   []string
		code        int
		prints      string // in the output or the complaint
	}{
		{name: "the version", args: []string{"--version"}, prints: "aws-cli/"},
		{name: "an answer as a table", args: []string{"s3api", "list-objects-v2", "--bucket", "photos", "--output", "table"}, prints: "| "},
		{name: "pages that are joined, and a query", args: []string{"s3api", "list-objects-v2", "--bucket", "photos", "--query", "Contents[].Key"}, prints: "b é"},
		{name: "an error of the service", args: []string{"s3api", "list-objects-v2", "--bucket", "none"}, code: 254, prints: "(NoSuchBucket)"},
		{name: "a command that there is not", args: []string{"s3api", "list-objekts"}, code: 252, prints: "usage: aws"},
		{name: "no credentials", args: []string{"s3api", "list-objects-v2", "--bucket", "photos"}, env: []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}, code: 253, prints: "Unable to locate credentials"},
		{name: "a profile", args: []string{"--profile", "other", "configure", "list"}, prints: "--profile"},
		{name: "an alias of the home directory", args: []string{"mine", "--output", "yaml"}, prints: "Key: "},
		{name: "an upload of the input", stdin: strings.Repeat("a line\n", 20_000), args: []string{"s3", "cp", "-", "s3://photos/piped"}},
		{name: "an upload of a file of the working directory", args: []string{"s3", "cp", "--no-progress", "mine.txt", "s3://photos/ü.txt"}, prints: "upload: ./mine.txt to s3://photos/ü.txt"},
		{name: "a download to a file", args: []string{"s3", "cp", "--no-progress", "s3://photos/b é", "got"}, prints: "download: "},
		{name: "no such object, without a locale", env: []string{"LC_ALL=C"}, args: []string{"s3", "cp", "s3://photos/ä", "-"}, code: 1, prints: "404"},
	} {
		t.Run(c.name, func(t *testing.T) {
			type outcome struct {
				said  [2]string
				end   string
				asked []string
				file  string
			}
			run := func(start func(*Cmd) error) (o outcome, err error) {
				dir := t.TempDir()
				if err := os.WriteFile(filepath.Join(dir, "mine.txt"), []byte("mine"), 0o600); err != nil {
					t.Fatal(err)
				}
				var out, errOut bytes.Buffer
				cmd := Command(t.Context(), append([]string{"--endpoint-url", b.URL}, c.args...)...)
				cmd.Env, cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = environment(home, c.env...), dir, strings.NewReader(c.stdin), &out, &errOut
				err = start(cmd)
				file, _ := os.ReadFile(filepath.Join(dir, "got"))
				return outcome{[2]string{out.String(), errOut.String()}, fmt.Sprint(err), b.requests(), string(file)}, err
			}
			path, err := Path()
			if err != nil {
				t.Fatal(err)
			}
			want, err := run(func(c *Cmd) error { return c.start(path, c.Env) })
			code := 0
			if exit, ok := errors.AsType[*ExitError](err); ok {
				code = exit.Code
			}
			if code != c.code || !strings.Contains(want.said[0]+want.said[1], c.prints) {
				t.Errorf("aws %q = %v, %.300q: want status %d and %q", c.args, err, want.said, c.code, c.prints)
			}
			got, _ := run((*Cmd).Run)
			if got.said != want.said || got.end != want.end {
				t.Errorf("aws %q = %s, %.300q: want %s, %.300q", c.args, got.end, got.said, want.end, want.said)
			}
			if !slices.Equal(got.asked, want.asked) || got.file != want.file {
				t.Errorf("aws %q asks %q, want %q; it writes %d bytes, want %d", c.args, got.asked, want.asked, len(got.file), len(want.file))
			}
		})
	}
}

func TestContextKillsTheCommand(t *testing.T) {
	t.Parallel()
	b := newBucket(t)
	ctx, stop := context.WithCancelCause(t.Context())
	go func() {
		<-b.waiting
		stop(nil)
	}()
	cmd := Command(ctx, "--endpoint-url", b.URL, "s3api", "get-object", "--bucket", "photos", "--key", "never", "x")
	cmd.Env, cmd.Dir = environment(t.TempDir()), t.TempDir()
	if _, err := cmd.CombinedOutput(); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("a command whose context ended = %v, want that and signal: killed", err)
	}
	<-b.gone
	if err := Command(ctx, "--version").Run(); !errors.Is(err, context.Canceled) {
		t.Errorf("a command whose context has ended = %v, want that", err)
	}
}

// A script's aws is the shim, and what is not for it is aws.
func TestShim(t *testing.T) {
	t.Parallel()
	python(t)
	b := newBucket(t)
	bin, home := t.TempDir(), t.TempDir()
	env := slices.DeleteFunc(environment(home, "PATH="+bin+":"+os.Getenv("PATH"), "LANG=C.UTF-8"), func(s string) bool { return s == "PATH="+os.Getenv("PATH") })
	if err := Shim(bin, env); err != nil {
		t.Fatal(err)
	}
	sh := func(ctx context.Context, script string, more ...string) (string, error) {
		cmd := exec.CommandContext(ctx, "sh", "-c", script, b.URL)
		cmd.Env, cmd.Dir = append(slices.Clone(env), more...), t.TempDir()
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, c := range []struct {
		name, script, want string
		more               []string
	}{
		{"it prints", `aws --endpoint-url $0 s3api list-objects-v2 --bucket photos --query Contents[0].Key`, "\"a\"\n", nil},
		{"it reads and writes pipes", `echo two | aws --endpoint-url $0 s3 cp - "s3://photos/ß x" && aws --endpoint-url $0 s3 cp "s3://photos/ß x" - | cat`, "two\n", nil},
		{"it fails", `aws --endpoint-url $0 s3api list-objects-v2 --bucket none >/dev/null 2>&1; echo $?`, "254\n", nil},
		{"another locale", `aws --endpoint-url $0 s3api list-objects-v2 --bucket photos --query Contents[0].Key`, "\"a\"\n", []string{"LANG=C"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if out, err := sh(t.Context(), c.script, c.more...); err != nil || out != c.want {
				t.Errorf("%s prints %q, %v, want %q", c.script, out, err, c.want)
			}
		})
	}
	t.Run("a shim that is killed takes its command along", func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		go func() {
			<-b.waiting
			stop()
		}()
		if out, err := sh(ctx, `exec aws --endpoint-url $0 s3api get-object --bucket photos --key never x`); err == nil {
			t.Errorf("it prints %q, and was not killed", out)
		}
		<-b.gone
	})
	t.Run("without a server it starts aws, and never else", func(t *testing.T) {
		text, err := os.ReadFile(filepath.Join(bin, "aws"))
		if err != nil {
			t.Fatal(err)
		}
		path, err := Path()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			old, new string
			works    bool
		}{{path, "/nowhere", true}, {"/socket", "/none", true}, {path, "/nowhere", false}} {
			text = bytes.Replace(text, []byte(c.old), []byte(c.new), 1)
			if err := os.WriteFile(filepath.Join(bin, "aws"), text, 0o755); err != nil {
				t.Fatal(err)
			}
			if out, err := sh(t.Context(), "aws --version"); (err == nil && strings.HasPrefix(out, "aws-cli/")) != c.works {
				t.Errorf("with %s for %s, aws --version prints %q, %v", c.new, c.old, out, err)
			}
			text = bytes.Replace(text, []byte("/nowhere"), []byte(path), 1)
		}
	})
}
